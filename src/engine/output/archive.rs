//! Archives that bodies are packed into: what all threads of a run know of them, and the file of
//! one shard.

use crate::config::{Archive, ArchivePlace, Config};
use crate::engine::output::collected::{Account, Collected};
use crate::engine::output::named::named_fault;
use crate::fault::{Cause, Fault};
use crate::pack::Form;
use crate::pack::shard::{Capacity, ShardName, index_of};
use crate::plan::contents::{First, Print};
use crate::plan::job::Job;
use crate::plan::name::Template;
use crate::report::Row;
use crate::report::journal::Lost;
use crate::ring::buf::{BufPool, RecvBuf};
use crate::ring::dir::Dir;
use crate::ring::file::{Fsync, Gather, Naming, OutFile, SizeHint};
use crate::ring::stream::Stream;
use roaring::RoaringTreemap;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use tokio::sync::Mutex;

/// The archives of one run, for all of its threads.
pub(crate) struct Archiving {
    pub(crate) form: Form,
    /// Which of the columns that rows keep is the caption.
    pub(crate) caption: Option<usize>,
    /// Names of the columns of the list that rows have.
    pub(crate) kept: Vec<String>,
    /// Whether the rows of a shard stand beside it as Parquet.
    pub(crate) has_table: bool,
    /// How samples are named, where the list does not say.
    pub(crate) template: Option<Template>,
    /// How shards are named and when they are full, where there are shards.
    pub(crate) shards: Option<(ShardName, Capacity)>,
    /// Bytes of bodies that wait in memory.
    collected: Account,
    /// Where those wait that are too long for that.
    spill_dir: Arc<Path>,
    /// Bodies in shards that have no name yet.
    waiting: AtomicU64,
    /// Bodies of these whose content is packed once only.
    pub(crate) once: PackedOnce,
    /// Number of the next shard.
    next: AtomicU64,
    /// The one archive that goes to standard output.
    pub(crate) stream: Mutex<Streaming>,
    /// Cores that may still add to it.
    cores_left: AtomicUsize,
}

/// Bodies that are packed once only, while the shards that they are in have no name yet: by the
/// number of the line that has the body, the rows of lines that have the same one. They wait for
/// the row of that line, for they are worth nothing without it.
#[derive(Default)]
pub(crate) struct PackedOnce {
    lines: std::sync::Mutex<HashMap<u64, Option<Vec<Untold>>>>,
    /// Lines of which what earlier rows say is not so, or was not so at some time.
    stale: RoaringTreemap,
}

/// A row that is not told yet, and what a session would have to have: the job and the path of its
/// file.
pub(crate) struct Untold {
    pub(crate) row: Box<Row>,
    pub(crate) job: Option<Box<(Job, String)>>,
}

/// What becomes of a row that points at another line.
pub(crate) enum Pointing {
    /// The row waits for that of the other line.
    Waits,
    /// This row may be told: the line that it points at has its own.
    Told(Untold),
    /// Nothing may point at that line: its body is not there.
    Lost,
}

/// What a body looks like that was packed in this run: it is told from those of earlier rows.
pub(crate) const PACKED: Print = [0; 40];

impl PackedOnce {
    fn lines(&self) -> MutexGuard<'_, HashMap<u64, Option<Vec<Untold>>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None so far, with what an earlier run has lost.
    pub(crate) fn without(lost: &Lost) -> Self {
        let lines = lost.lines().map(|line| (line, None)).collect();
        Self { lines: std::sync::Mutex::new(lines), stale: lost.ever().clone() }
    }

    /// Whether the body that was found for a line is one that it does not have: of a line that was
    /// pulled again, only what was packed in this run is known.
    pub(crate) fn is_useless(&self, found: &First) -> bool {
        self.is_lost(found.index) || found.print.is_none() && self.stale.contains(found.index)
    }

    /// The body of this line is in a shard that has no name yet.
    pub(crate) fn begin(&self, first: u64) {
        self.lines().insert(first, Some(Vec::new()));
    }

    /// Has a row point at line `first`, unless the body of that is not there: then it is not made.
    pub(crate) fn point(&self, first: u64, row: impl FnOnce() -> Untold) -> Pointing {
        match self.lines().get_mut(&first) {
            Some(Some(rows)) => {
                rows.push(row());
                Pointing::Waits
            }
            Some(None) => Pointing::Lost,
            None => Pointing::Told(row()),
        }
    }

    /// The line has its row: gives those that waited for it.
    pub(crate) fn end(&self, first: u64) -> Vec<Untold> {
        self.lines().remove(&first).flatten().unwrap_or_default()
    }

    /// The body of this line is not there: nothing may point at it from then on. Gives the rows
    /// that did.
    pub(crate) fn lose(&self, first: u64) -> Vec<Untold> {
        self.lines().insert(first, None).flatten().unwrap_or_default()
    }

    /// Whether the body of this line is not there.
    fn is_lost(&self, first: u64) -> bool {
        matches!(self.lines().get(&first), Some(None))
    }
}

/// How far the archive on standard output is.
pub(crate) enum Streaming {
    /// Nothing was written.
    Closed,
    /// So far every member is whole.
    Open(Stream),
    /// Nothing more goes into it: it cannot be written, for this reason.
    Broken(Cause),
}

impl Archiving {
    /// The archives of a run, where bodies are packed.
    pub(crate) fn of(config: &Config, lost: &Lost) -> Option<Self> {
        let Archive { form, place, caption, has_table } = config.destination.archive()?;
        Some(Self {
            form: *form,
            caption: *caption,
            has_table: *has_table,
            kept: config.input.columns.report_names(),
            template: config.name_template.clone(),
            shards: match place {
                ArchivePlace::Shards(name, capacity) => Some((name.clone(), *capacity)),
                ArchivePlace::Stdout => None,
            },
            collected: Account::default(),
            spill_dir: match config.destination.has_dir() {
                true => config.dir.as_path().into(),
                false => std::env::temp_dir().into(),
            },
            waiting: AtomicU64::new(0),
            once: PackedOnce::without(lost),
            next: AtomicU64::new(0),
            stream: Mutex::new(Streaming::Closed),
            cores_left: AtomicUsize::new(config.cpus.len()),
        })
    }

    /// No shard is begun with a number below this one: they are there, or rows tell of them.
    pub(crate) fn begin_at(&self, number: u64) {
        self.next.fetch_max(number, Ordering::Relaxed);
    }

    /// Begins a body that is to be packed.
    pub(super) fn collect(&self) -> Collected {
        Collected::new(&self.spill_dir, &self.collected)
    }

    /// A body is in a shard that has no name yet.
    pub(crate) fn count_waiting(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// One of them has its row.
    pub(crate) fn count_told(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Bodies in shards that have no name yet, whose rows wait for that.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A core adds nothing more; whether it was the last one that could.
    pub(crate) fn is_last_core(&self) -> bool {
        self.cores_left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// The file of a shard that is being filled. It has its name only when it is whole; dropped before
/// that, it is gone.
pub(crate) struct ShardFile {
    /// File name of the shard, beneath the directory of the run.
    pub(crate) name: String,
    file: OutFile,
    /// Bytes on their way to the file.
    gather: Gather,
    /// Bytes so far, those on their way included.
    length: u64,
}

impl ShardFile {
    /// Begins the next shard in a directory. What is in it is on the disk before it has its name.
    ///
    /// # Errors
    /// No file can be made there.
    pub(crate) fn create(
        (number, names): (&AtomicU64, &ShardName),
        dir: &Dir,
        buffers: &BufPool,
    ) -> Result<Self, Fault> {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let (name, index) = (names.name(number), index_of(number));
        // The disk may as well begin at once with what is waited for in the end: half of the time
        // to write a shard (`benches/results/README.md`, packed datasets).
        let dir = dir.clone().flushing(Fsync::Dir).sparing_cache();
        let file = OutFile::create(&dir, index, SizeHint::Long(None));
        let file = file.map_err(|cause| named_fault(cause, &name))?;
        Ok(Self { name, file, gather: Gather::new(buffers), length: 0 })
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that were appended and not yet written.
    pub(crate) fn unwritten(&self) -> usize {
        self.gather.length()
    }

    /// Removes the file, which has its name.
    pub(crate) fn take_back(&self) {
        self.file.take_back(&self.name);
    }

    /// Appends as many of these bytes as there is room for before the next [`ShardFile::write`],
    /// and says how many that were.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> usize {
        let count = self.gather.copy(bytes);
        self.length += count as u64;
        count
    }

    /// Appends a body, which is written from where it is.
    ///
    /// # Errors
    /// It comes back where it is rather to be copied.
    pub(crate) fn lend(&mut self, body: RecvBuf) -> Result<(), RecvBuf> {
        if self.file.is_copied() {
            return Err(body);
        }
        let count = body.body_len() as u64;
        self.gather.lend(body)?;
        self.length += count;
        Ok(())
    }

    /// Writes what was appended, or as much of it as is written at once.
    ///
    /// # Errors
    /// It cannot be written; it waits on, and may be written again.
    pub(crate) async fn write(&mut self) -> Result<(), Cause> {
        self.file.write_gathered(&mut self.gather).await
    }

    /// Whether all of it is on the disk, so that it lacks nothing but its name.
    pub(crate) fn is_flushed(&self) -> bool {
        self.file.is_flushed()
    }

    /// Brings all that was written to the disk, and gives the file its name, which nothing else may
    /// have.
    ///
    /// # Errors
    /// As above, or the name is taken. Where the shard is flushed, it may be tried again.
    pub(crate) async fn finish(&mut self) -> Result<(), Cause> {
        let Self { file, name, .. } = self;
        let nothing_left = &mut RecvBuf::default();
        file.finish(nothing_left, name, Naming::NoReplace).await.map(|_| ())
    }
}

impl Archiving {
    /// Begins the next shard; see [`ShardFile::create`].
    ///
    /// # Errors
    /// No file can be made.
    pub(crate) fn begin_shard(&self, dir: &Dir, buffers: &BufPool) -> Result<ShardFile, Fault> {
        let (names, _) = self.shards.as_ref().expect("it is asked for where there are shards");
        ShardFile::create((&self.next, names), dir, buffers)
    }
}
