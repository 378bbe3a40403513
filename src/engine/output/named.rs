//! The name of a file: looked at before its request, taken from a response, given at the end.

use crate::config::OnConflict;
use crate::engine::output::destination::Output;
use crate::engine::output::stored::{Location, Obstacle};
use crate::fault::{Cause, DiskProblem, Fault, Stage};
use crate::http::Head;
use crate::plan::job::Job;
use crate::plan::name;
use crate::ring::buf::RecvBuf;
use crate::ring::dir::{Dir, Found};
use crate::ring::file::{Naming, OutFile};

impl Output {
    /// Whether no job is left out because of what is there.
    pub(crate) fn takes_every_job(&self) -> bool {
        !self.has_files() || matches!(self.on_conflict, OnConflict::Overwrite | OnConflict::Rename)
    }

    /// Looks whether what has the name `path` beneath `dir` stands in the way of the file of input
    /// line `index`: before anything is asked for, and once more when the server proposes another
    /// one.
    pub(crate) fn check(&self, dir: &Dir, path: &str, index: u64) -> Result<(), Obstacle> {
        if !self.has_files() {
            return Ok(());
        }
        let policy = self.on_conflict;
        let failed = |cause| Err(Obstacle::Fault(named_fault(cause, path)));
        let problem = |problem| failed(Cause::Disk(problem));
        let found = match dir.existing_parent(path) {
            Ok(None) => Found::Nothing,
            Ok(Some((parent, _))) if parent.is_kept() => return problem(DiskProblem::InUse),
            // What has come into a tree that was empty is met when the file gets its name.
            Ok(Some(_)) if policy == OnConflict::Overwrite && dir.was_empty() => Found::Nothing,
            Ok(Some(_)) if policy == OnConflict::Rename => Found::Nothing,
            Ok(Some((parent, name))) => match parent.look(name) {
                // A run that was killed gave it the name, and wrote no row; or a row says that this
                // line has written it, and is not believed.
                Found::File if parent.is_own(name, index) || self.had(index, path) => {
                    Found::Nothing
                }
                found => found,
            },
            Err(cause) => return failed(cause),
        };
        match (policy, found) {
            (_, Found::Nothing) | (OnConflict::Rename, _) => Ok(()),
            // Nobody has pulled this before: a directory is not the file that may be kept.
            (_, Found::NotAFile) => problem(DiskProblem::NotAFile),
            (OnConflict::Skip, Found::File | Found::InUse) => Err(Obstacle::Kept),
            (OnConflict::Error, Found::File | Found::InUse) => problem(DiskProblem::Exists),
            (OnConflict::Overwrite, Found::InUse) => problem(DiskProblem::InUse),
            (OnConflict::Overwrite, Found::File) => Ok(()),
        }
    }

    /// The path beneath `dir` that the server proposes for the file of a job, where it may.
    pub(crate) fn proposal(&self, dir: &Dir, job: &Job, head: &Head) -> Option<String> {
        if !self.takes_proposals {
            return None;
        }
        let proposed = head.content_disposition.as_deref().and_then(name::from_disposition);
        let path = job.proposed_path(proposed?)?;
        let path = match &self.dirs {
            Some(dirs) => job.spread(path, dirs),
            None => path,
        };
        Some(self.names.fit(Some(dir), path))
    }

    /// Gives the file of input line `index` the name `path`, or another one where it may, after the
    /// last of it, which waits in `last`. Says where it is now, and whether it replaced a file.
    pub(super) async fn name(
        &self,
        file: &mut OutFile,
        last: &mut RecvBuf,
        path: &str,
        index: u64,
    ) -> Result<(Location, bool), Obstacle> {
        self.give_name(path, index, async |name, naming| file.finish(last, name, naming).await)
            .await
    }

    /// Gives a file of input line `index` the name `path`, or another one where it may: `finish`
    /// gives it a name in its folder, and says whether that replaced a file.
    pub(super) async fn give_name(
        &self,
        path: &str,
        index: u64,
        mut finish: impl AsyncFnMut(&str, Naming) -> Result<bool, Cause>,
    ) -> Result<(Location, bool), Obstacle> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let naming =
            |path: &str| match self.on_conflict {
                OnConflict::Overwrite => Naming::Replace,
                OnConflict::Skip | OnConflict::Error | OnConflict::Rename => {
                    if self.had(index, path) { Naming::Replace } else { Naming::NoReplace }
                }
            };
        let mut finished = finish(name, naming(path)).await;
        let mut location = Location::Planned;
        let is_taken = |cause: &Cause| *cause == Cause::Disk(DiskProblem::Exists);
        match self.on_conflict {
            // Somebody else, another run for instance, was faster.
            OnConflict::Skip if finished.as_ref().is_err_and(is_taken) => {
                return Err(Obstacle::Kept);
            }
            OnConflict::Overwrite | OnConflict::Error | OnConflict::Skip => {}
            OnConflict::Rename => {
                for number in 1..=RENAMES_MAX {
                    if !finished.as_ref().is_err_and(is_taken) {
                        break;
                    }
                    let next = name::numbered(name, number);
                    let path =
                        if parents.is_empty() { next.clone() } else { format!("{parents}/{next}") };
                    finished = finish(&next, naming(&path)).await;
                    location = Location::Renamed(path);
                }
            }
        }
        match finished {
            Ok(has_replaced) => Ok((location, has_replaced)),
            Err(cause) => {
                let path = if let Location::Renamed(path) = &location { path } else { path };
                Err(named_fault(cause, path).into())
            }
        }
    }
}

/// The fault of a file with this path beneath the directory of the run: where it is the name that
/// is wrong, it says why.
pub(super) fn named_fault(cause: Cause, path: &str) -> Fault {
    let fault = |cause| Fault::new(Stage::Write, cause);
    match cause {
        Cause::Disk(DiskProblem::Name) => fault(cause).with_detail(name::refused(path)),
        Cause::Disk(DiskProblem::InUse) => {
            fault(cause).with_detail(format!("{path}; give it another one (out=NAME)"))
        }
        _ => fault(cause),
    }
}

/// Names tried with `--on-conflict rename`.
const RENAMES_MAX: u64 = 100_000;
