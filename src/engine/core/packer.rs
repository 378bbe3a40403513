//! Bodies into archives: one open shard on each core, or the one archive on standard output.
//!
//! The row of a body is told when its shard has its name, and not before. So what is recorded is
//! there, and of a run that is killed the open shards alone are pulled again. Until then rows wait
//! here, with what a session would need of their jobs.

mod stream;

use crate::engine::attempt::fetch::Fetch;
use crate::engine::attempt::outcome::End;
use crate::engine::books::beside::{self, Beside};
use crate::engine::core::sample::{Sample, Sampler, joined};
use crate::engine::core::state::Core;
use crate::engine::moment::Moment;
use crate::engine::output::archive::{Archiving, PACKED, Pointing, ShardFile, Untold};
use crate::engine::output::collected::{Collected, ToPack};
use crate::engine::output::stored::{Location, Stored, write_fault};
use crate::engine::output::stored_once::{Claim, Content, Known};
use crate::engine::state::disk_full::{self, Full, Lacking};
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault};
use crate::pack::index::Index;
use crate::pack::stats::ShardStats;
use crate::pack::{Form, member, tar};
use crate::plan::job::Job;
use crate::plan::name;
use crate::report::{Row, Status};
use crate::ring::file::Gather;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// What one core packs.
pub(crate) struct Packer {
    open: Mutex<Option<Shard>>,
    /// Held by whoever finishes a shard. Nobody begins the next but one before that is done, so
    /// that no more rows wait than those of two shards.
    finishing: Mutex<()>,
    sampler: Sampler,
    /// Failures on this core that no shard has told of, by their code.
    failures: RefCell<BTreeMap<&'static str, u64>>,
}

/// A shard that is being filled.
struct Shard {
    file: ShardFile,
    packed: Vec<PackedBody>,
    index: Index,
    began: SystemTime,
    /// Whether a sample is being appended: what is left so by a panic is not whole.
    is_torn: bool,
}

/// A body that an archive is to have.
struct Packing<'b> {
    stored: Stored,
    body: &'b mut Collected,
    /// Where it is told which line has the body, if that is to be told.
    claim: Option<Claim<'b>>,
    /// Key and extension of its member.
    name: (String, String),
    /// When the last byte of it was there.
    now: Moment,
}

/// A body in a shard that has no name yet.
struct PackedBody {
    untold: Untold,
    /// The key of its sample, where that is to be told.
    key: String,
}

impl Packer {
    /// Nothing is packed so far.
    pub(crate) fn new(archive: Option<&Archiving>) -> Self {
        let kept = archive.map(|archive| archive.kept.clone()).unwrap_or_default();
        Self {
            open: Mutex::new(None),
            finishing: Mutex::new(()),
            sampler: Sampler::new(kept),
            failures: RefCell::default(),
        }
    }

    /// Counts a failure among what is told of the open shard.
    pub(crate) fn count_failure(&self, fault: &Fault) {
        *self.failures.borrow_mut().entry(fault.code()).or_default() += 1;
    }
}

impl Core {
    /// Ends a job whose body is collected: it is packed, and its row is told with those of its
    /// archive. The moment after it comes back.
    pub(crate) async fn pack(&self, mut fetch: Fetch, mut stored: Stored, now: Moment) -> Moment {
        let archive = self.shared.output.archive.as_ref().expect("what is collected is packed");
        let body = std::mem::replace(&mut stored.location, Location::Null);
        let Location::Collected(body) = body else { unreachable!("it was collected") };
        let ToPack { bytes: mut body, content } = *body;
        let name = member_name(archive, &fetch);
        let pointing = loop {
            match self.known(archive, content, fetch.job.index).await {
                Once::Nowhere(claim) => break Err(claim),
                Once::At(first) => {
                    stored.duplicate_of = Some(first);
                    let pointing = archive.once.point(first, || {
                        let job = self.job_of(&fetch);
                        Untold { row: duplicate_row(&mut fetch, &mut stored, now), job }
                    });
                    // Another core may have lost it since it was known.
                    if !matches!(pointing, Pointing::Lost) {
                        break Ok(pointing);
                    }
                    stored.duplicate_of = None;
                }
            }
        };
        match pointing {
            Ok(pointing) => {
                self.shared.queue.return_ticket();
                if let Pointing::Told(told) = pointing {
                    self.desk.rows.write(&told.row, None);
                }
            }
            Err(claim) => {
                let packing = Packing { stored, body: &mut body, claim, name, now };
                match archive.shards {
                    Some(_) => self.pack_into_shard(archive, &mut fetch, packing).await,
                    None => self.pack_into_stream(archive, &mut fetch, packing).await,
                }
            }
        }
        body.give_back(&self.kit.buffers);
        self.desk.rows.forget(fetch);
        self.kit.clocks.now()
    }

    /// What a session would have to have of a job, where there is one.
    fn job_of(&self, fetch: &Fetch) -> Option<Box<(Job, String)>> {
        let job = || Box::new((fetch.job.clone(), fetch.planned_name().to_owned()));
        self.shared.books.session().map(|_| job())
    }

    /// The line that has the body already, where bodies are packed once only.
    async fn known(&self, archive: &Archiving, content: Option<Content>, index: u64) -> Once<'_> {
        let (Some(once), Some(content)) = (&self.shared.output.stored_once, content) else {
            return Once::Nowhere(None);
        };
        let mut useless = None;
        loop {
            match once.known(content, useless).await {
                None => return Once::Nowhere(None),
                Some(Known::Nowhere(claim)) => return Once::Nowhere(Some(claim)),
                // What this line had before is packed anew.
                Some(Known::At(found))
                    if found.first.index == index || archive.once.is_useless(&found.first) =>
                {
                    useless = Some(found.at);
                }
                Some(Known::At(found)) => return Once::At(found.first.index),
            }
        }
    }

    async fn pack_into_shard(&self, archive: &Archiving, fetch: &mut Fetch, packing: Packing<'_>) {
        let Packing { mut stored, body, claim, name, now } = packing;
        let mut open = self.packer.open.lock().await;
        let estimate = tar::member_bytes(HEADERS_BYTES, stored.size);
        if open.as_ref().is_some_and(|shard| shard.lacks_room(archive, estimate)) {
            let full = open.take();
            let turn = self.packer.finishing.lock().await;
            self.finish_shard(archive, full).await;
            drop(turn);
        }
        let dir = self.shared.output.dir_shown();
        if open.is_none() {
            match self.begin_shard(archive).await {
                Ok(shard) => *open = Some(shard),
                Err(fault) => {
                    self.shared.queue.return_ticket();
                    let row = fetch.row(End::Failed(fault), now.at, dir);
                    return self.desk.rows.write(&row, Some((&fetch.job, fetch.name())));
                }
            }
        }
        let Some(shard) = &mut *open else { return };
        let member = joined(&name);
        if let Some(claim) = claim {
            archive.once.begin(fetch.job.index);
            let path = format!("{}/{member}", shard.file.name);
            claim.remember(fetch.job.index, &path, Some(PACKED));
        }
        stored.location = Location::Member(Box::new((shard.file.name.clone(), member)));
        let row = Box::new(fetch.row(End::Done(stored), now.at, dir));
        let sample = self.packer.sampler.sample(archive, name, &row);
        let key = if archive.has_table { sample.name.0.clone() } else { String::new() };
        let untold = Untold { row, job: self.job_of(fetch) };
        shard.packed.push(PackedBody { untold, key });
        archive.count_waiting();
        self.end_when_enough(archive);
        shard.is_torn = true;
        let appended = self.append(shard, &sample, body).await;
        shard.is_torn = false;
        self.packer.sampler.keep(sample);
        let is_full = shard.is_full(archive);
        let done = if appended.is_err() || is_full { open.take() } else { None };
        let turn = match &done {
            Some(_) => Some(self.packer.finishing.lock().await),
            None => None,
        };
        // Others begin the next one meanwhile.
        drop(open);
        match (appended, done) {
            (Err(cause), Some(shard)) => self.give_up_shard(archive, shard, &cause).await,
            (_, done) => self.finish_shard(archive, done).await,
        }
        drop(turn);
    }

    /// Ends a run that has as many files as it is to have: those in open shards count, which have
    /// their rows when the run ends.
    fn end_when_enough(&self, archive: &Archiving) {
        let Some(files_max) = self.shared.config.budget.files_max else { return };
        if self.shared.books.rows().stats().ok + archive.waiting() >= files_max {
            self.shared.stop.set(Stop::Draining);
        }
    }

    /// Begins a shard. A full disk is waited for as long as the run may be paused.
    async fn begin_shard(&self, archive: &Archiving) -> Result<Shard, Fault> {
        let mut is_probe = false;
        let file = loop {
            match archive.begin_shard(&self.kit.dir, &self.kit.buffers) {
                Ok(file) => break file,
                Err(fault) => {
                    let waited = self.wait_for_room(fault.cause.clone(), 0).await;
                    is_probe = waited.map_err(|_| fault)?;
                }
            }
        };
        self.found_room(is_probe);
        let began = self.kit.clocks.now().date;
        let (packed, index) = (Vec::new(), Index::default());
        Ok(Shard { file, packed, index, began, is_torn: false })
    }

    /// Appends a sample to a shard.
    async fn append(
        &self,
        shard: &mut Shard,
        sample: &Sample,
        body: &mut Collected,
    ) -> Result<(), Cause> {
        let begin = shard.file.length();
        self.append_bytes(shard, sample.head()).await?;
        if body.lend(|body| shard.file.lend(body)) {
            self.write_down_to(shard, Gather::WRITE_BYTES - 1).await?;
        } else {
            let (mut at, mut buffer) = (0, Vec::new());
            while at < sample.body_bytes {
                let bytes = body.read(at, &mut buffer)?;
                assert!(!bytes.is_empty(), "a collected body is shorter than its row says");
                self.append_bytes(shard, bytes).await?;
                at += bytes.len() as u64;
            }
        }
        self.append_bytes(shard, sample.tail()).await?;
        shard.index.begin_sample();
        for (ext, offset, size) in sample.members() {
            shard.index.push((&sample.name.0, ext), begin + offset, size);
        }
        Ok(())
    }

    async fn append_bytes(&self, shard: &mut Shard, mut bytes: &[u8]) -> Result<(), Cause> {
        while !bytes.is_empty() {
            let count = shard.file.append(bytes);
            bytes = &bytes[count..];
            self.write_down_to(shard, Gather::WRITE_BYTES - 1).await?;
        }
        Ok(())
    }

    /// Writes what was appended, until at most so many bytes of it wait. A full disk is waited for
    /// as long as the run may be paused.
    async fn write_down_to(&self, shard: &mut Shard, left_max: usize) -> Result<(), Cause> {
        let mut is_probe = false;
        while shard.file.unwritten() > left_max {
            match shard.file.write().await {
                Ok(()) => self.found_room(std::mem::take(&mut is_probe)),
                Err(cause) => {
                    is_probe = self.wait_for_room(cause, shard.file.unwritten() as u64).await?;
                }
            }
        }
        Ok(())
    }

    /// What was to find out whether there is room has found some.
    fn found_room(&self, is_probe: bool) {
        if is_probe {
            let Self { shared, kit, .. } = self;
            shared.full_disk.probe_succeeded(kit.now_ms(), &shared.stop);
        }
    }

    /// Waits for room on a full disk, after something of `bytes` could not be written there. Says
    /// whether what is written next is to find out if there is any: jobs that could are waiting for
    /// this one.
    ///
    /// # Errors
    /// The cause, where it is another one, or the run does not wait for longer.
    async fn wait_for_room(&self, cause: Cause, bytes: u64) -> Result<bool, Cause> {
        let fault = write_fault(cause.clone());
        if !disk_full::lacks_room(&fault) {
            return Err(cause);
        }
        let lacking = Lacking { fault: &fault, parents: "", head: None, received: bytes };
        let Self { shared, kit, .. } = self;
        match shared.full_disk.met(&lacking, kit.now_ms(), &shared.stop) {
            Full::Wait => {}
            Full::Stopped => return Err(Cause::Interrupted),
            Full::Fail => return Err(cause),
        }
        while shared.full_disk.is_paused() && shared.stop.get() == Stop::Running {
            if shared.full_disk.take_probe() {
                return Ok(true);
            }
            kit.io.sleep(ROOM_LOOK).await;
        }
        match shared.full_disk.is_given_up() {
            // The same command goes on, as with files of their own.
            true => Err(Cause::Interrupted),
            false => Ok(false),
        }
    }

    /// Nothing more comes: the open shard is finished, and so is the archive on standard output
    /// where no other core adds to it.
    pub(crate) async fn finish_archive(&self) {
        let Some(archive) = &self.shared.output.archive else { return };
        let open = self.packer.open.lock().await.take();
        self.finish_shard(archive, open).await;
        if archive.shards.is_none() && archive.is_last_core() {
            self.end_stream(archive).await;
        }
    }

    /// Gives a shard its name, and then its rows to the books.
    async fn finish_shard(&self, archive: &Archiving, shard: Option<Shard>) {
        let Some(mut shard) = shard else { return };
        if shard.is_torn {
            // The same command pulls what was in it again.
            return self.give_up_shard(archive, shard, &Cause::Interrupted).await;
        }
        if let Err(cause) = self.name_shard(archive, &mut shard).await {
            return self.give_up_shard(archive, shard, &cause).await;
        }
        self.tell(archive, shard.packed, None).await;
    }

    /// Makes a shard whole: its end, what stands beside it, and its name.
    async fn name_shard(&self, archive: &Archiving, shard: &mut Shard) -> Result<(), Cause> {
        self.append_bytes(shard, &tar::END).await?;
        self.write_down_to(shard, 0).await?;
        let failures = std::mem::take(&mut *self.packer.failures.borrow_mut());
        let time_s = [shard.began, self.kit.clocks.now().date].map(seconds);
        let successes = shard.packed.len() as u64;
        let stats = ShardStats { successes, failures, time_s: time_s.into() };
        let table = archive.has_table.then(|| {
            let rows =
                shard.packed.iter_mut().map(|packed| (&mut *packed.untold.row, packed.key.clone()));
            beside::table(rows, &archive.kept)
        });
        let table = table.transpose()?;
        // The name first: where another run has it, what stands beside it is that run's.
        let mut is_probe = false;
        while let Err(cause) = shard.file.finish().await {
            // Bytes that did not get to the disk may be lost to the next try as well (fsync(2)).
            if !shard.file.is_flushed() {
                return Err(cause);
            }
            is_probe = self.wait_for_room(cause, 0).await?;
        }
        self.found_room(is_probe);
        let beside = (&shard.index, &stats, table.as_deref());
        let written = self.write_beside(&shard.file.name, beside).await;
        if written.is_err() {
            shard.file.take_back();
        }
        written
    }

    /// Writes what stands beside a shard. A full disk is waited for as long as the run may be
    /// paused.
    async fn write_beside(&self, name: &str, beside: Beside<'_>) -> Result<(), Cause> {
        let mut is_probe = false;
        while let Err(cause) = beside::write(&self.shared.config.dir, name, beside) {
            is_probe = self.wait_for_room(cause, 0).await?;
        }
        self.found_room(is_probe);
        Ok(())
    }

    /// A shard cannot be written: it is gone, and what was in it has failed.
    async fn give_up_shard(&self, archive: &Archiving, shard: Shard, cause: &Cause) {
        let Shard { file, packed, .. } = shard;
        let fault = write_fault(cause.clone()).with_detail(format_args!("in {}", file.name));
        drop(file);
        self.tell(archive, packed, Some(&fault)).await;
    }

    /// Gives rows to the books: with `fault`, as those of jobs that failed by it.
    async fn tell(&self, archive: &Archiving, packed: Vec<PackedBody>, fault: Option<&Fault>) {
        let has_pointing = self.shared.output.stored_once.is_some();
        for (count, PackedBody { untold, .. }) in (1..).zip(packed) {
            let first = untold.row.index;
            self.tell_one(untold, fault);
            archive.count_told();
            if fault.is_some() {
                self.shared.queue.return_ticket();
            }
            let pointing = match fault {
                _ if !has_pointing => Vec::new(),
                None => archive.once.end(first),
                Some(_) => archive.once.lose(first),
            };
            pointing.into_iter().for_each(|untold| self.tell_one(untold, fault));
            if count % ROWS_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn tell_one(&self, Untold { mut row, job }: Untold, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            fail(&mut row, fault);
        }
        let left = job.as_deref().filter(|_| fault.is_some());
        self.desk.rows.write(&row, left.map(|(job, name)| (job, &**name)));
    }
}

/// Whether the body of a job is packed already.
enum Once<'c> {
    /// The body is packed, for the line of this number.
    At(u64),
    /// The body is to be packed, and whoever has a claim says where.
    Nowhere(Option<Claim<'c>>),
}

/// The row of a job whose body is that of another line, which has it in an archive.
fn duplicate_row(fetch: &mut Fetch, stored: &mut Stored, now: Moment) -> Box<Row> {
    let Stored { size, digest, naming, has_replaced, duplicate_of, .. } = *stored;
    let location = Location::Null;
    let stored = Stored { location, size, digest, naming, has_replaced, duplicate_of };
    let mut row = Box::new(fetch.row(End::Done(stored), now.at, ""));
    row.status = Status::Skipped;
    row.fault = Some(write_fault(Cause::DuplicateBody));
    (row.filename, row.size_file) = (None, None);
    row
}

impl Shard {
    fn size(&self) -> (u64, u64) {
        (self.packed.len() as u64, self.file.length())
    }

    fn lacks_room(&self, archive: &Archiving, more: u64) -> bool {
        archive.shards.as_ref().is_some_and(|(_, capacity)| capacity.lacks_room(self.size(), more))
    }

    fn is_full(&self, archive: &Archiving) -> bool {
        archive.shards.as_ref().is_some_and(|(_, capacity)| capacity.is_full(self.size()))
    }
}

/// What the body of a job is called in its archive: key, and extension where it has one.
fn member_name(archive: &Archiving, fetch: &Fetch) -> (String, String) {
    let planned = fetch.name();
    if archive.form == Form::Tar {
        return (planned.to_owned(), String::new());
    }
    let path = fetch.job.path(archive.template.as_ref());
    let is_named = fetch.job.is_named(archive.template.as_ref());
    let given = member::key_of_path(&path).1.filter(|_| is_named);
    let head = fetch.history.trace.head.as_deref();
    let content_type = head.and_then(|head| head.content_type.as_deref());
    let url_name = name::from_target(fetch.target());
    (planned.to_owned(), member::extension(given, content_type, &url_name))
}

/// Makes the row of what was pulled that of what could not be stored.
fn fail(row: &mut Row, fault: &Fault) {
    let is_cut = fault.cause == Cause::Interrupted;
    row.status = if is_cut { Status::Cancelled } else { Status::Failed };
    row.fault = Some(fault.clone());
    (row.filename, row.size_file, row.digest) = (None, None, None);
    row.duplicate_of = None;
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Bytes that headers and the row of a sample take, roughly.
const HEADERS_BYTES: usize = 3 * tar::BLOCK_BYTES + 1_024;
/// Rows that are told before others have their turn.
const ROWS_AT_ONCE: u64 = 512;
/// How often the end of a pause is looked for.
const ROOM_LOOK: Duration = Duration::from_millis(50);
