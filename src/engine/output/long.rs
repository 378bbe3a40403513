//! Which bodies are long, where what there is of them is kept, and how they are named.

use crate::config::OnConflict;
use crate::engine::output::destination::Output;
use crate::engine::output::link::Once;
use crate::engine::output::named::named_fault;
use crate::engine::output::partial::{Digesting, Identity, Partial, Sharing, Version};
use crate::engine::output::stored::{Obstacle, Stored};
use crate::engine::output::stored_once::Content;
use crate::fault::Fault;
use crate::http::Head;
use crate::limits::LONG_BYTES_MIN;
use crate::plan::checksum::Digests;
use crate::plan::job::Job;
use crate::plan::partial::{Continue, Record, Unusable, part_name, url_digest};
use crate::plan::ranges::Ranges;
use crate::plan::sources::Sources;
use crate::plan::target::Target;
use crate::plan::validator::Validator;
use crate::report::Resume;
use crate::ring::dir::Dir;
use crate::ring::file::{NameBy, PartialFile};

impl Output {
    /// Whether a body is long: worth to be gone on with by other runs, and to be filled by several
    /// connections.
    pub(crate) fn is_long(&self, length: Option<u64>, head: &Head) -> bool {
        self.has_files()
            && match length {
                Some(length) => length >= LONG_BYTES_MIN,
                None => head.accepts_ranges == Some(true) && Validator::of(head).is_strong(),
            }
    }

    /// Whether a range is taken although nothing says that it is of the same version
    /// (`--continue=always`).
    pub(crate) fn takes_unvouched(&self) -> bool {
        self.continuing == Continue::Always
    }

    /// Whether something may have been left of the body whose file has this path beneath `dir`: by
    /// an earlier run, or by another program where that is gone on with.
    pub(crate) fn may_be_taken_up(&self, dir: &Dir, path: &str) -> bool {
        self.has_files()
            && match self.continuing {
                Continue::Run => false,
                Continue::Runs => self.unfinished.may_be_beside(dir, path),
                Continue::Validated | Continue::Always => true,
            }
    }

    /// Whether what is unfinished is kept for later runs.
    fn keeps(&self) -> bool {
        self.continuing != Continue::Run
    }

    /// What is asked of the digest of a file.
    pub(super) fn digesting(&self, job: &Job) -> Digesting {
        let is_content = self.stored_once.is_some();
        Digesting { expected: job.expected(self.checksum), record: self.compute_hash, is_content }
    }

    /// How many connections may fill the file of a job: those of all hosts that have it.
    fn sharing(&self, job: &Job) -> Sharing {
        let mirrors = job.mirrors();
        if mirrors.is_empty() {
            return self.sharing;
        }
        let targets = std::iter::once(&job.target).chain(mirrors);
        let hosts = Sources::new(targets.map(Target::host_header), 0).num_hosts();
        let connections_max = self.sharing.connections_max.saturating_mul(hosts);
        Sharing { connections_max, ..self.sharing }
    }

    fn identity(&self, job: &Job) -> Option<Identity> {
        let url = || url_digest(job.target.as_str());
        self.keeps().then(|| Identity { url: url(), boot_id: self.boot_id })
    }

    /// Name in its folder of what there is of a body, whose file has this path in the end.
    pub(super) fn part_name(&self, dir: &Dir, path: &str, index: u64) -> String {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        if self.keeps() { part_name(name) } else { dir.temporary_name(index) }
    }

    /// Begins a long body, of which nothing is there, beneath `dir`.
    ///
    /// # Errors
    /// No file can be made there.
    pub(crate) fn begin_partial(
        &self,
        dir: &Dir,
        path: &str,
        job: &Job,
        version: Version,
        now_ms: u64,
    ) -> Result<Partial, Fault> {
        let open = || {
            let (folder, _) = dir.parent(path)?;
            let name = self.part_name(dir, path, job.index);
            match PartialFile::open(&folder, &name)? {
                // Of a run that this one does not go on with.
                Some(file) => file.truncate(0).map(|()| file),
                None => PartialFile::create(&folder, &name),
            }
        };
        let file = dir.with_folders(open).map_err(|cause| named_fault(cause, path))?;
        Ok(self.partial(file, job, version, Ranges::default(), now_ms))
    }

    /// A long body of which `done` is in `file`.
    pub(crate) fn partial(
        &self,
        file: PartialFile,
        job: &Job,
        version: Version,
        done: Ranges,
        now_ms: u64,
    ) -> Partial {
        let of_run = (self.digesting(job), self.sharing(job));
        let partial = Partial::new(file, version, done, of_run, self.identity(job), now_ms);
        partial.came_in_one();
        partial
    }

    /// What an earlier run left of the body of a job.
    ///
    /// # Errors
    /// Another run has it.
    pub(crate) fn find_partial(
        &self,
        dir: &Dir,
        path: &str,
        job: &Job,
        now_ms: u64,
    ) -> Result<Option<Partial>, Fault> {
        let Some(identity) = self.identity(job) else { return Ok(None) };
        let failed = |cause| named_fault(cause, path);
        let Some((folder, name)) = dir.existing_parent(path).map_err(failed)? else {
            return Ok(None);
        };
        let of_run = (self.digesting(job), self.sharing(job));
        let found = PartialFile::open(&folder, &part_name(name)).map_err(failed)?;
        let Some(file) = found else {
            return Ok(self.adopt((&folder, name), (job, identity), of_run, now_ms));
        };
        let record =
            file.read_record().map_or(Err(Unusable::Damaged), |bytes| Record::decode(&bytes));
        let (why, sequence) = match record {
            Err(Unusable::Damaged) => (Resume::Damaged, 0),
            Err(Unusable::Foreign) => (Resume::Foreign, 0),
            Ok(mut record) => {
                // Whatever a record says, a file that somebody has cut or grown is as it is.
                let size = file.size().unwrap_or(0);
                record.cut(size);
                match self.why_useless(&record, &identity) {
                    Some(why) => (why, record.sequence),
                    None => {
                        if size > record.size_max() {
                            file.truncate(record.size_max()).map_err(failed)?;
                        }
                        return Ok(Some(Partial::found(file, &record, of_run, identity, now_ms)));
                    }
                }
            }
        };
        let (validator, done) = (Validator::default(), Ranges::default());
        let version = Version { length: None, validator, source: 0, is_ranged: true };
        let partial = Partial::new(file, version, done, of_run, Some(identity), now_ms);
        partial.found_useless(why, sequence);
        Ok(Some(partial))
    }

    /// Why nothing of a file counts that has this record, if that is so.
    fn why_useless(&self, record: &Record, identity: &Identity) -> Option<Resume> {
        if record.url != identity.url {
            return Some(Resume::Foreign);
        }
        if !record.validator.is_strong() && !self.takes_unvouched() {
            return Some(Resume::NoValidator);
        }
        record.trusted(identity.boot_id).is_empty().then_some(Resume::NotSynced)
    }

    /// The file that another program left under the final name, where the user wants that to be
    /// gone on with, and may lose it: it is no more afterwards. It is left alone before a response
    /// vouches for it.
    fn adopt(
        &self,
        (folder, name): (&Dir, &str),
        (job, identity): (&Job, Identity),
        of_run: (Digesting, Sharing),
        now_ms: u64,
    ) -> Option<Partial> {
        let is_wanted = matches!(self.continuing, Continue::Validated | Continue::Always);
        let may_replace = self.on_conflict == OnConflict::Overwrite;
        if !is_wanted || !may_replace || self.is_noted(folder, name, job) {
            return None;
        }
        // What an earlier run has pulled, and may be damaged anywhere.
        if self.has_lost(job.index) {
            return None;
        }
        let file = PartialFile::adopt(folder, name, &part_name(name)).ok()??;
        // Of one that is shorter there is nothing to go on with.
        let size = file.size().ok().filter(|size| *size > 1)?;
        Some(Partial::adopted(file, size, of_run, identity, now_ms))
    }

    /// Gives a body with these digests, of which nothing is missing, the name `path`, or another
    /// one where it may.
    pub(crate) async fn name_partial(
        &self,
        dir: &Dir,
        partial: &Partial,
        (path, index): (&str, u64),
        digests: Option<Digests>,
    ) -> Result<Stored, Obstacle> {
        let (file, size) = (partial.file(), partial.extent().0.unwrap_or_default());
        let digest = digests.map(|digests| digests.row);
        let content = Content::of(digests.as_ref(), size);
        let claim = match self.link_or_store(content, dir, (path, index)).await? {
            Once::Linked(linked) => {
                file.discard();
                partial.finished();
                return Ok(linked.stored(size, digest));
            }
            Once::Store(claim) => claim,
        };
        let (location, has_replaced) = self
            .give_name(path, index, async |name, naming| {
                file.finish(dir, name, naming, index).await
            })
            .await?;
        partial.finished();
        if let Some(claim) = claim {
            claim.remember(index, location.path(path), file.print().map(|print| print.0));
        }
        let naming = Some(NameBy::Rename);
        Ok(Stored { location, size, digest, naming, has_replaced, duplicate_of: None })
    }
}
