//! A long body as several attempts fill it: one after the other, or side by side on several cores.
//!
//! What is guaranteed:
//!
//! - Bytes of two versions of a file are never mixed: all of them came with one validator, or in
//!   one response. Another version begins at byte 0, when nobody writes any more. What another
//!   source brings has the same entity tag and length, or a digest proves the whole in the end.
//! - A range counts after its bytes were written, so a process that is killed at any moment leaves
//!   a record that tells of less than there is (`record`), and never of more.
//! - It gets its name once, when nothing is missing and the digest is the one that was asked for.

mod adopted;
mod digest;
mod filling;
mod mirrored;
mod record;

pub(crate) use digest::Digesting;
pub(crate) use filling::{Claim, Filling};
pub(crate) use record::Identity;

use crate::engine::output::stored::write_fault;
use crate::fault::Fault;
use crate::plan::checksum::{Digests, Mismatch};
use crate::plan::partial::Record;
use crate::plan::parts::{Course, PartId, Parts, Splitting, Taken};
use crate::plan::ranges::Ranges;
use crate::plan::sources::Fit;
use crate::plan::validator::Validator;
use crate::report::Resume;
use crate::ring::disk_cause;
use crate::ring::file::{PartialFile, Stamp};
use crate::ring::io::Io;
use adopted::Adopted;
use digest::Front;
use record::Keeping;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A long body, for all who fill it.
pub(crate) struct Partial {
    file: PartialFile,
    work: Mutex<Work>,
    front: Mutex<Front>,
    /// Whether a digest is computed.
    is_digested: bool,
    /// Whether a digest is known that proves all of it, whichever source its bytes are of.
    is_proof: bool,
    /// The source whose version it is; 0 is the URL of the job.
    source: AtomicUsize,
    /// Whether there was more than one to fill it.
    is_split: AtomicBool,
    sharing: Sharing,
}

/// How many may fill a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    pub(crate) splitting: Splitting,
    /// Connections that its hosts may have together (`-x` for each).
    pub(crate) connections_max: usize,
}

/// How far it is.
struct Work {
    parts: Parts,
    validator: Arc<Validator>,
    /// Rises with each version that is met.
    version: u32,
    /// What other sources brought of it.
    mirrored: Ranges,
    /// Whether servers may be asked for a range of it.
    is_ranged: bool,
    /// What is there is of no use.
    is_outdated: bool,
    /// The record for later runs, where it is kept for them.
    keeping: Option<Keeping>,
    /// What was there before the run, as far as it still is.
    found: Ranges,
    /// What became of what was there before the run.
    resume: Option<Resume>,
    /// What another program left, where it goes on from that.
    adopted: Option<Adopted>,
    /// Connections that tasks beside the job opened.
    num_connects: u32,
    /// What shuts down the connections of parts, should somebody else fetch all of them.
    cuts: Vec<(PartId, Arc<AtomicBool>)>,
    /// How often what was there was of no use.
    changes: u32,
    /// Whether the file has its name, or is not worth to be kept.
    is_over: bool,
}

/// A version of a file, as the head of a response tells of it.
pub(crate) struct Version {
    /// How long the file is, where that is known.
    pub(crate) length: Option<u64>,
    pub(crate) validator: Validator,
    /// The source that says so; 0 is the URL of the job.
    pub(crate) source: usize,
    /// Whether servers may be asked for a range of it.
    pub(crate) is_ranged: bool,
}

/// What there is to do about a body.
pub(crate) enum Next {
    /// A range of it is to be fetched.
    Part(Claim),
    /// Nothing is missing.
    Whole,
    /// All of it is to be asked for, as if nothing were there.
    Anew,
    /// Others are at what is missing.
    Nothing,
}

/// What a row tells of how a file came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Bytes that were there before the run.
    pub(crate) resumed: u64,
    /// Bytes of the version that is there by now which came in this run.
    pub(crate) came: u64,
    /// Ranges of it that were fetched by requests of their own.
    pub(crate) num_parts: u32,
    /// What became of what was there before the run.
    pub(crate) resume: Option<Resume>,
    /// Connections that tasks beside the job opened.
    pub(crate) num_connects: u32,
    /// Way to the disk that its bytes took, as a word of `--write-mode`.
    pub(crate) write_mode: Option<&'static str>,
}

impl Work {
    /// Connections that may fill it: one where nothing vouches that all bring the same version.
    fn connections_max(&self, sharing: &Sharing) -> usize {
        let Sharing { splitting, connections_max } = sharing;
        let is_shared = self.is_ranged && self.validator.is_strong();
        if is_shared { splitting.connections(self.parts.length(), *connections_max) } else { 1 }
    }

    /// Somebody is to fetch this part.
    fn claim(&mut self, partial: &Arc<Partial>, part: Taken) -> Claim {
        let cut = Arc::new(AtomicBool::new(false));
        self.cuts.push((part.id, Arc::clone(&cut)));
        Claim::new(partial, part, cut)
    }

    /// What is there is of an earlier run.
    fn take_found(&mut self) {
        self.found = self.parts.done().clone();
        self.resume = Some(Resume::Continued);
    }

    /// Nothing is left of what an earlier run left, for this reason.
    fn lose_found(&mut self, why: Resume) {
        self.found = Ranges::default();
        if self.resume == Some(Resume::Continued) {
            self.resume = Some(why);
        }
    }

    /// Has the connection of a part shut down.
    fn cut(&mut self, part: PartId) {
        if let Some((_, cut)) = self.cuts.iter().find(|(id, _)| *id == part) {
            cut.store(true, Ordering::Relaxed);
        }
    }
}

impl Partial {
    /// A body of which `done` is in the file. `identity` is there where it is kept for later runs.
    pub(crate) fn new(
        file: PartialFile,
        version: Version,
        done: Ranges,
        (digesting, sharing): (Digesting, Sharing),
        identity: Option<Identity>,
        now_ms: u64,
    ) -> Self {
        let Version { length, validator, source, is_ranged } = version;
        let is_proof = digesting.expected.is_proof();
        let front = Front::new(digesting);
        let work = Work {
            parts: Parts::new(length, done),
            validator: Arc::new(validator),
            version: 0,
            mirrored: Ranges::default(),
            is_ranged,
            is_outdated: false,
            keeping: identity.map(|identity| Keeping::new(identity, source, None, now_ms)),
            found: Ranges::default(),
            resume: None,
            adopted: None,
            num_connects: 0,
            cuts: Vec::new(),
            changes: 0,
            is_over: false,
        };
        let is_digested = front.is_wanted();
        let (work, front) = (Mutex::new(work), Mutex::new(front));
        let (source, is_split) = (AtomicUsize::new(source), AtomicBool::new(false));
        Self { file, work, front, is_digested, is_proof, source, is_split, sharing }
    }

    /// A body that an earlier run left, as its record tells.
    pub(crate) fn found(
        file: PartialFile,
        record: &Record,
        of_run: (Digesting, Sharing),
        identity: Identity,
        now_ms: u64,
    ) -> Self {
        let (length, validator) = (record.length, record.validator.clone());
        let version = Version { length, validator, source: 0, is_ranged: true };
        let done = record.trusted(identity.boot_id).clone();
        let partial = Self::new(file, version, done, of_run, None, now_ms);
        {
            let mut work = partial.lock();
            work.keeping = Some(Keeping::new(identity, 0, Some(record), now_ms));
            work.take_found();
        }
        partial
    }

    /// Nothing of what an earlier run left is of use, for this reason. Its record was the update
    /// `sequence`, and must not be taken for a newer one than those that follow.
    pub(crate) fn found_useless(&self, why: Resume, sequence: u64) {
        {
            let mut work = self.lock();
            work.resume = Some(why);
            work.keeping.iter_mut().for_each(|keeping| keeping.follow(sequence));
        }
        self.outdate(why);
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to do for one more connection.
    pub(crate) fn next(self: &Arc<Self>, now_ms: u64) -> Next {
        let mut work = self.lock();
        let is_alone = work.parts.active() == 0;
        if work.is_outdated || (!work.is_ranged && !work.parts.is_whole()) {
            return if is_alone { Next::Anew } else { Next::Nothing };
        }
        if work.parts.is_whole() {
            return Next::Whole;
        }
        let connections_max = work.connections_max(&self.sharing);
        let taken = work.parts.take(now_ms, connections_max, self.sharing.splitting);
        if let Some(victim) = taken.as_ref().and_then(|taken| taken.victim) {
            work.cut(victim);
        }
        self.is_split.fetch_or(work.parts.active() > 1, Ordering::Relaxed);
        taken.map_or(Next::Nothing, |part| Next::Part(work.claim(self, part)))
    }

    /// What a request for a range of it says: the validator of what is there, and its length.
    pub(crate) fn terms(&self) -> (Arc<Validator>, Option<u64>) {
        let work = self.lock();
        (Arc::clone(&work.validator), work.parts.length())
    }

    /// Takes all of it for the response that brings it, whose first bytes are on their way: nothing
    /// of it is there, and nobody else is at it.
    pub(crate) fn take_all(self: &Arc<Self>, now_ms: u64) -> Claim {
        let mut work = self.lock();
        let taken = work.parts.take(now_ms, 1, self.sharing.splitting);
        work.claim(self, taken.expect("nothing of it is there or under way"))
    }

    /// A response brings all of a version, and nobody else is at work: what is there is not of it.
    /// Gives all of it for that response.
    ///
    /// # Errors
    /// The file cannot be emptied.
    pub(crate) fn restart(self: &Arc<Self>, version: Version, now_ms: u64) -> Result<Claim, Fault> {
        assert_eq!(self.lock().parts.active(), 0, "others write into the file");
        assert!(!self.is_adopted(), "it is to be given back");
        let emptied = self.file.truncate(0);
        emptied.map_err(write_fault)?;
        self.front().restart();
        let mut work = self.lock();
        let Version { length, validator, source, is_ranged } = version;
        work.parts.reset(length);
        work.mirrored.clear();
        work.validator = Arc::new(validator);
        self.source.store(source, Ordering::Release);
        work.version += 1;
        work.is_ranged = is_ranged && work.changes < CHANGES_MAX;
        work.is_outdated = false;
        // Had it been another version, that would have been said.
        work.lose_found(Resume::NoRanges);
        let Work { parts, validator, keeping, .. } = &mut *work;
        if let Some(keeping) = keeping {
            keeping.restart(source);
            keeping.tick(&self.file, (parts, validator), now_ms, true);
        }
        // Before anybody else finds something to do.
        let taken = work.parts.take(now_ms, 1, self.sharing.splitting);
        Ok(work.claim(self, taken.expect("nothing of it is there or under way")))
    }

    /// What is there is of no use, for this reason: whoever is alone with it begins again.
    /// Everybody else is told with the next bytes.
    pub(crate) fn outdate(&self, why: Resume) {
        let mut work = self.lock();
        let length = work.parts.length();
        work.parts.reset(length);
        work.mirrored.clear();
        work.is_outdated = true;
        work.changes += 1;
        work.lose_found(why);
    }

    /// What is there is of no use, and nobody begins again.
    pub(crate) fn abandon(&self) {
        self.lock().is_outdated = true;
    }

    /// No server is asked for a range of it any more: none is to be had, or none to be trusted.
    pub(crate) fn give_up_ranges(&self) {
        let mut work = self.lock();
        (work.is_ranged, work.changes) = (false, CHANGES_MAX);
    }

    /// A server that compared the version has nothing behind what came, and says how long all of it
    /// is. Whether that is the end of the body, whose length was not known so far.
    pub(crate) fn ends_at(&self, complete: Option<u64>) -> bool {
        let mut work = self.lock();
        let end = work.parts.done().front();
        let is_end = work.parts.length().is_none()
            && complete == Some(end)
            && work.parts.done().end() == end
            && work.validator.is_strong();
        is_end && work.parts.set_length(end)
    }

    /// A response to a range tells how long the file is.
    /// Whether it may be that long, as far as is known.
    pub(crate) fn learn_length(&self, length: u64) -> bool {
        self.lock().parts.set_length(length)
    }

    /// Cuts what the only part has ahead of it into pieces, for others to come.
    pub(crate) fn tile(&self) {
        let mut work = self.lock();
        let count = work.connections_max(&self.sharing);
        work.parts.tile(count, self.sharing.splitting.part_bytes_min);
    }

    /// How many more connections would have something to do.
    pub(crate) fn wants_more(&self, now_ms: u64) -> usize {
        let work = self.lock();
        if !work.is_ranged || work.is_outdated || work.parts.is_whole() {
            return 0;
        }
        let connections_max = work.connections_max(&self.sharing);
        work.parts.wants_more(now_ms, connections_max, self.sharing.splitting)
    }

    /// Ranges that somebody is at.
    pub(crate) fn active(&self) -> usize {
        self.lock().parts.active()
    }

    /// Whether what is there is kept for later runs.
    pub(crate) fn is_kept(&self) -> bool {
        let work = self.lock();
        work.is_ranged && !work.is_outdated && work.keeping.is_some()
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        let work = self.lock();
        !work.is_outdated && work.parts.is_whole()
    }

    /// How long the file is, where that is known, and how much of it is there.
    pub(crate) fn extent(&self) -> (Option<u64>, u64) {
        let work = self.lock();
        (work.parts.length(), work.parts.done().len_total())
    }

    /// What a row tells of it.
    pub(crate) fn told(&self) -> Told {
        let work = self.lock();
        let resumed = work.found.len_total();
        Told {
            resumed,
            came: work.parts.done().len_total() - resumed,
            num_parts: work.parts.fetched(),
            resume: work.resume,
            num_connects: work.num_connects,
            write_mode: Some(self.file.chosen().word()),
        }
    }

    /// The way of what is on its way to byte `upto` of the file, in a response that goes on to
    /// `response_end`: how far this part goes.
    fn reach(&self, id: PartId, upto: u64, response_end: u64) -> u64 {
        let mut work = self.lock();
        let mut end = work.parts.end(id).unwrap_or(0);
        while end < upto {
            match work.parts.extend(id, response_end) {
                Some(further) if further > end => end = further,
                Some(_) | None => break,
            }
        }
        end
    }

    /// Bytes of a part were written; see [`Parts::came`]. They are of another source where that
    /// `fits` in some way.
    fn came(&self, id: PartId, bytes: u64, fits: Option<Fit>, now_ms: u64) -> Course {
        let mut work = self.lock();
        let is_ours = work.is_ours();
        let Work { parts, validator, keeping, mirrored, .. } = &mut *work;
        let before = parts.position(id);
        let course = parts.came(id, bytes, now_ms);
        if let (Some(fit), Some(before), Some(after)) = (fits, before, parts.position(id)) {
            mirrored.insert(before..after);
            if let (Some(keeping), Fit::Vouched) = (&mut *keeping, fit) {
                keeping.leave_out(before..after);
            }
        }
        if let Some(keeping) = keeping.as_mut().filter(|_| is_ours) {
            keeping.tick(&self.file, (parts, validator), now_ms, false);
        }
        course
    }

    /// Nobody fetches the rest of this part any more.
    fn leave(&self, id: PartId) {
        let mut work = self.lock();
        work.parts.leave(id);
        work.cuts.retain(|(other, _)| *other != id);
    }

    /// A task beside the job opened so many connections.
    pub(crate) fn connected(&self, count: u32) {
        self.lock().num_connects += count;
    }

    /// What is there of it came in this run, in one response.
    pub(crate) fn came_in_one(&self) {
        self.lock().parts.count_done_as_fetched();
    }

    /// Whether the file is to be brought to the disk now; whoever is told so does it.
    fn is_sync_due(&self, now_ms: u64) -> bool {
        let mut work = self.lock();
        let is_ours = work.is_ours();
        work.keeping.as_mut().is_some_and(|keeping| is_ours && keeping.begins_sync(now_ms))
    }

    /// Brings the file to the disk.
    async fn sync(&self, io: &Io, now_ms: impl Fn() -> u64) {
        let done = self.lock().parts.done().clone();
        let synced = self.file.sync_data(io).await;
        {
            let mut work = self.lock();
            let Work { parts, validator, keeping, is_outdated, .. } = &mut *work;
            if let Some(keeping) = keeping {
                let done = Some(done).filter(|_| synced.is_ok() && !*is_outdated);
                keeping.ended_sync(done, now_ms());
                keeping.tick(&self.file, (parts, validator), now_ms(), true);
            }
        }
        // What is not on the disk is fetched again after a power cut: that is all.
        let _ = self.file.sync_record(io).await;
    }

    /// Computes the digest of what is there in order, a piece of it.
    ///
    /// # Errors
    /// The file cannot be read.
    fn follow(&self, bytes_max: u64) -> io::Result<()> {
        if !self.is_digested {
            return Ok(());
        }
        // Somebody else may be at it.
        let Ok(mut front) = self.front.try_lock() else { return Ok(()) };
        let until = self.lock().parts.front();
        front.catch_up(&self.file, until, bytes_max).map(drop)
    }

    /// Other bytes are to be there instead of these, which nobody is at.
    pub(crate) fn forget(&self, range: Range<u64>) {
        self.front().restart();
        let mut work = self.lock();
        work.mirrored.remove(range.clone());
        work.found.remove(range.clone());
        work.parts.forget(range);
    }

    /// The digest of all of it, where one is wanted.
    ///
    /// # Errors
    /// The file cannot be read; or it is not the one that was asked for.
    pub(crate) async fn digest(&self) -> Result<Result<Option<Digests>, Box<Mismatch>>, Fault> {
        let until = self.lock().parts.front();
        loop {
            let read = self.front().catch_up(&self.file, until, FOLLOW_BYTES);
            if read.map_err(|error| write_fault(io_cause(&error)))? {
                return Ok(self.front().finish(until));
            }
            // Others of the core have their turn.
            tokio::task::yield_now().await;
        }
    }

    /// What the file is to tell of the version that comes.
    pub(crate) fn set_stamp(&self, stamp: Option<Stamp>) {
        if stamp.is_some() {
            self.file.set_stamp(stamp);
        }
    }

    /// The file, for its name.
    pub(super) fn file(&self) -> &PartialFile {
        &self.file
    }

    /// The file has its name.
    pub(super) fn finished(&self) {
        self.lock().is_over = true;
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let source = self.source();
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        if work.is_over || !work.is_ours() {
            return;
        }
        // What no server can vouch for is of no use to later runs.
        let is_of_use = work.is_ranged && !work.is_outdated && !work.parts.done().is_empty();
        let is_adopted = work.adopted.is_some();
        let is_lasting = is_of_use && (!is_adopted || work.validator.is_strong());
        if is_lasting && let Some(keeping) = &mut work.keeping {
            keeping.tick(&self.file, (&work.parts, &work.validator), u64::MAX, true);
        } else if is_adopted {
            // Where the disk fails, it stays there with its record.
            let _ = work.give_back(&self.file, source);
        } else {
            self.file.discard();
        }
    }
}

/// The cause of an error of the file.
fn io_cause(error: &io::Error) -> crate::fault::Cause {
    disk_cause(error.raw_os_error().unwrap_or(5))
}

/// Versions of a file that are met before it is asked for in one piece only.
const CHANGES_MAX: u32 = 2;
/// Bytes of a file that are read back for its digest before others have their turn.
const FOLLOW_BYTES: u64 = 1 << 20;
