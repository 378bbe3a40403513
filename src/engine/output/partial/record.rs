//! What is written beside an unfinished file, so that a later run can go on with it.

use crate::plan::partial::Record;
use crate::plan::parts::Parts;
use crate::plan::ranges::Ranges;
use crate::plan::validator::Validator;
use crate::ring::file::PartialFile;
use std::ops::Range;

/// Identity of an unfinished file that is kept for later runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// SHA-256 of the URL of the job in its normal form.
    pub(crate) url: [u8; 32],
    /// This boot of the machine (/proc/sys/kernel/random/boot_id).
    pub(crate) boot_id: [u8; 16],
}

/// The record of one unfinished file, as far as it was written.
#[derive(Debug)]
pub(super) struct Keeping {
    identity: Identity,
    sequence: u64,
    /// Bytes that had come when it was written last.
    recorded: u64,
    /// When it was written last, in milliseconds of the run.
    recorded_ms: u64,
    /// What is known to be on the disk.
    synced: Ranges,
    /// When that was found out last.
    synced_ms: u64,
    /// Somebody waits for the disk.
    is_syncing: bool,
    memory: Vec<u8>,
    /// Whether the version is that of the URL of the job, which a later run asks first.
    is_of_first: bool,
    /// What came of other sources and only a digest vouches for in the end: a later run may not
    /// know that.
    left_out: Ranges,
}

impl Keeping {
    /// Nothing was written so far, or `found` was, of the version of `source`; 0 is the URL of the
    /// job.
    pub(super) fn new(
        identity: Identity,
        source: usize,
        found: Option<&Record>,
        now_ms: u64,
    ) -> Self {
        Self {
            identity,
            sequence: found.map_or(0, |record| record.sequence),
            recorded: 0,
            recorded_ms: now_ms,
            synced: found.map(|record| record.synced.clone()).unwrap_or_default(),
            synced_ms: now_ms,
            is_syncing: false,
            memory: Vec::new(),
            is_of_first: source == 0,
            left_out: Ranges::default(),
        }
    }

    /// What is written next comes after the update `sequence`.
    pub(super) fn follow(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// Nothing of the file counts any more: it is the version of `source` from now on.
    pub(super) fn restart(&mut self, source: usize) {
        (self.synced, self.left_out) = Default::default();
        self.is_of_first = source == 0;
    }

    /// Leaves a range out that came of another source.
    pub(super) fn leave_out(&mut self, range: Range<u64>) {
        self.left_out.insert(range);
    }

    /// What a later run may go on with of this.
    fn kept(&self, done: &Ranges) -> Ranges {
        let mut kept = done.clone();
        self.left_out.iter().for_each(|range| kept.remove(range));
        kept
    }

    /// Writes the record if enough has come since, or if it `must` be written. A record that cannot
    /// be written is an older one: what it does not tell of is fetched again.
    pub(super) fn tick(
        &mut self,
        file: &PartialFile,
        (parts, validator): (&Parts, &Validator),
        now_ms: u64,
        must: bool,
    ) {
        let came = parts.came_in_all();
        let (bytes, since_ms) =
            (came.saturating_sub(self.recorded), now_ms.saturating_sub(self.recorded_ms));
        if must || bytes >= RECORD_BYTES || (bytes > 0 && since_ms >= RECORD_MS) {
            self.write(file, parts, validator);
            (self.recorded, self.recorded_ms) = (came, now_ms);
        }
    }

    fn write(&mut self, file: &PartialFile, parts: &Parts, validator: &Validator) {
        self.sequence += 1;
        // The date of another server vouches for nothing at the first.
        let of_mirror = (!self.is_of_first).then(|| validator.without_date());
        let record = Record {
            url: self.identity.url,
            length: parts.length(),
            validator: of_mirror.unwrap_or_else(|| validator.clone()),
            boot_id: self.identity.boot_id,
            written: self.kept(parts.done()),
            synced: self.synced.clone(),
            sequence: self.sequence,
        };
        let offset = record.encode(&mut self.memory);
        let _ = file.write_record(&self.memory, offset);
    }

    /// Whether the file is to be brought to the disk now; then it is noted that somebody does.
    pub(super) fn begins_sync(&mut self, now_ms: u64) -> bool {
        let is_due = !self.is_syncing && now_ms.saturating_sub(self.synced_ms) >= SYNC_MS;
        self.is_syncing |= is_due;
        is_due
    }

    /// The file was brought to the disk; `done` of it where that succeeded.
    pub(super) fn ended_sync(&mut self, done: Option<Ranges>, now_ms: u64) {
        (self.is_syncing, self.synced_ms) = (false, now_ms);
        if let Some(done) = done {
            self.synced = self.kept(&done);
        }
    }
}

/// Bytes that may come before the record is written again, over all connections of a file.
const RECORD_BYTES: u64 = 2 << 20;
/// Longest time before the record tells of what came, in milliseconds.
const RECORD_MS: u64 = 1_000;
/// How often a file is brought to the disk while it comes, in milliseconds: what came since is
/// lost in a power cut.
const SYNC_MS: u64 = 30_000;
