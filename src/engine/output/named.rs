//! The name of a file: looked at before its request, taken from a response, given at the end.

use crate::config::OnConflict;
use crate::engine::attempt::fetch::Outcome;
use crate::engine::attempt::task::{Stored, Task};
use crate::engine::core::desk::Core;
use crate::engine::output::sink::Sink;
use crate::fault::{Cause, DiskProblem, Fault, Stage};
use crate::http::Head;
use crate::plan::name;
use crate::ring::buf::RecvBuf;
use crate::ring::dir::Found;
use crate::ring::file::Naming;

/// Whether what has the final name stands in the way: before anything is asked for, and once more
/// when the server proposes another one.
pub(crate) fn check_name(core: &Core, task: &Task) -> Option<Outcome> {
    let policy = core.shared.config.on_conflict;
    if core.shared.config.outlet.is_some() {
        return None;
    }
    let failed = |cause| Some(named_fault(cause, task.name()).into());
    let problem = |problem| failed(Cause::Disk(problem));
    let index = task.job.index;
    let found = match core.dir.existing_parent(task.name()) {
        Ok(None) => Found::Nothing,
        Ok(Some((dir, _))) if dir.is_kept() => return problem(DiskProblem::InUse),
        // What has come into a tree that was empty is met when the file gets its name.
        Ok(Some(_)) if policy == OnConflict::Overwrite && core.dir.was_empty() => Found::Nothing,
        Ok(Some(_)) if policy == OnConflict::Rename => Found::Nothing,
        Ok(Some((dir, name))) => match dir.look(name) {
            // A run that was killed gave it the name, and wrote no row; or a row says that this
            // line has written it, and is not believed.
            Found::File if dir.is_own(name, index) || core.shared.had(index, task.name()) => {
                Found::Nothing
            }
            found => found,
        },
        Err(cause) => return failed(cause),
    };
    match (policy, found) {
        (_, Found::Nothing) | (OnConflict::Rename, _) => None,
        // Nobody has pulled this before: a directory is not the file that may be kept.
        (_, Found::NotAFile) => problem(DiskProblem::NotAFile),
        (OnConflict::Skip, Found::File | Found::InUse) => Some(Outcome::Skipped),
        (OnConflict::Error, Found::File | Found::InUse) => problem(DiskProblem::Exists),
        (OnConflict::Overwrite, Found::InUse) => problem(DiskProblem::InUse),
        (OnConflict::Overwrite, Found::File) => None,
    }
}

/// Gives the file the name that the server proposes, where it may, and looks whether that stands in
/// the way. What the user said about names goes before.
pub(crate) fn take_name(core: &Core, task: &mut Task, head: &Head) -> Result<(), Outcome> {
    let config = &core.shared.config;
    let is_given = config.output.is_some() || config.name_template.is_some();
    if !config.content_disposition || is_given {
        return Ok(());
    }
    let proposed = head.content_disposition.as_deref().and_then(name::from_disposition);
    match proposed.and_then(|name| task.job.proposed_path(name)) {
        None => Ok(()),
        Some(path) => {
            let path = match &config.disk.dirs {
                Some(dirs) => task.job.spread(path, dirs),
                None => path,
            };
            let dir = Some(&core.dir);
            let path = core.shared.places.fit(dir, path);
            task.propose(path, |path, index| core.shared.claim(dir, path, index));
            check_name(core, task).map_or(Ok(()), Err)
        }
    }
}

/// Gives the file its name, or another one where it may, if it is the one that was asked for.
pub(crate) async fn name_file(
    core: &Core,
    task: &mut Task,
    sink: &mut Sink<'_>,
    buf: &mut RecvBuf,
) -> Result<Outcome, Fault> {
    let config = &core.shared.config;
    let concluded = sink.conclude(buf).await?;
    // The connection is not kept: a kept one may have brought the body of another request.
    let (size, digest) = concluded.map_err(|mismatch| task.wrong_file(&mismatch))?;
    let done =
        |renamed, has_replaced| Outcome::Done(Stored { renamed, size, digest, has_replaced });
    let (parents, name) = task.name().rsplit_once('/').unwrap_or_else(|| ("", task.name()));
    let index = task.job.index;
    let naming = |path: &str| match config.on_conflict {
        OnConflict::Overwrite => Naming::Replace,
        OnConflict::Skip | OnConflict::Error | OnConflict::Rename => {
            if core.shared.had(index, path) { Naming::Replace } else { Naming::Fresh }
        }
    };
    let mut finished = sink.finish(buf, name, naming(task.name())).await;
    if let Err(Fault { cause: Cause::Disk(problem), .. }) = &finished
        && let DiskProblem::Name | DiskProblem::InUse = problem
    {
        return Err(named_fault(Cause::Disk(*problem), task.name()));
    }
    let is_taken = |fault: &Fault| fault.cause == Cause::Disk(DiskProblem::Exists);
    match config.on_conflict {
        OnConflict::Overwrite | OnConflict::Error => {
            return finished.map(|has_replaced| done(None, has_replaced));
        }
        // Somebody else, another run for instance, was faster.
        OnConflict::Skip if finished.as_ref().is_err_and(is_taken) => return Ok(Outcome::Skipped),
        OnConflict::Skip => return finished.map(|has_replaced| done(None, has_replaced)),
        OnConflict::Rename => {}
    }
    let mut renamed = None;
    for number in 1..=RENAMES_MAX {
        if !finished.as_ref().is_err_and(is_taken) {
            break;
        }
        let next = name::numbered(name, number);
        let path = if parents.is_empty() { next.clone() } else { format!("{parents}/{next}") };
        finished = sink.finish(buf, &next, naming(&path)).await;
        renamed = Some(path);
    }
    finished.map(|has_replaced| done(renamed, has_replaced))
}

/// The fault of a file with this path beneath the directory of the run: where it is the name that
/// is wrong, it says why.
pub(crate) fn named_fault(cause: Cause, path: &str) -> Fault {
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
