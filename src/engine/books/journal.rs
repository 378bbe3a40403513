//! The report as a journal: found, locked, read back and repaired before a run begins.

mod carry;
mod fate;
mod gone;
mod mark;
mod members;
mod noted;
mod scan;
mod shards;
mod stale;
mod sync;
mod taken;
mod told;
mod whole;

pub(crate) use carry::{carry, durable};
pub(crate) use fate::fate;
pub(crate) use gone::Watched;
pub(crate) use members::members_of;
pub(crate) use scan::{Source, scan, scan_in_batches};
pub(crate) use shards::{ASIDE, Gone, Tally};
pub(crate) use stale::{Removal, Stale};
pub(crate) use sync::{Run, Syncer, ToSync, start as start_sync};
pub(crate) use whole::compare;

use self::mark::{Epoch, Mark};
pub(crate) use self::taken::Body;
use self::taken::{Belief, Says, TakenRows};
use crate::config::{Config, OnConflict, ReportFile, RetryFailed, SyncMode};
use crate::engine::books::row_file::make_parent;
use crate::engine::books::row_sink::Appending;
use crate::engine::say::say;
use crate::error::RunError;
use crate::fault::{Cause, DiskProblem, Fault, Stage};
use crate::limits::LOOKAHEAD_JOBS_DEFAULT;
use crate::report::journal::{Done, Entry, Fate, Lost, Scanned, Which};
use crate::report::packing::{Packing, pack};
use crate::report::{Row, RowEncoder, RowFormat, Status};
use crate::ring::dir::{Dir, FileSystem, sync_names};
use crate::ring::journal::{Lock, durable_writes, lock, machine, set_xattr, xattr};
use anyhow::{Context as _, bail};
use roaring::RoaringTreemap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;

/// A report that rows may be appended to.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) format: RowFormat,
    pub(crate) packing: Packing,
    /// Whether a header line must come before the next row.
    pub(crate) needs_header: bool,
    /// Names of the columns of the list that its rows have.
    pub(crate) kept: Vec<String>,
    /// What the rows in it say.
    pub(crate) done: Done,
    /// The rows in it that are not believed.
    pub(crate) lost: Lost,
    /// Shards whose rows are not believed, and that are removed.
    gone: Gone,
    /// What the report is, as far as it was read.
    past: Past,
    epoch: Option<Epoch>,
    /// What unfinished files of runs with this report have in their names; `None` where that is no
    /// file.
    token: Option<u64>,
    /// What files of its lines are signed with; `None` where that cannot be remembered.
    owner: Option<u64>,
    /// Whether an earlier run may have left such files.
    has_past: bool,
    /// Whether what is in it is thrown away when the run begins.
    is_fresh: bool,
}

/// What is wanted of lines that rows say are done.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Files of theirs: rows of what was discarded are as good as none.
    files: bool,
    /// Another request for each (`--timestamping`), since the file may have changed. What rows
    /// tell of versions is noted with their files.
    again: bool,
    /// Which body each file has (`--dedupe content`).
    bodies: bool,
    /// A look at each, whether it is as its row says (`--check-integrity`).
    compared: bool,
}

/// What was found in a report.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// Bytes up to the end of its last row.
    length: u64,
    /// Rows in them.
    rows: u64,
    /// Rows that end behind this byte are believed only with a proof.
    trusted: u64,
    /// Whether its mark is of this epoch, and says no more than there is.
    is_current: bool,
}

impl Opened {
    /// The run begins, and only now the report is changed: one that is begun anew is emptied. What
    /// was found to be lost is written down before the mark is moved to this epoch, because after
    /// that the rows in front of it are believed.
    pub(crate) fn begin(&mut self, path: &Path, config: &Config) -> anyhow::Result<()> {
        let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
        if !self.gone.is_empty() {
            // Without these rows, a shard that is not there would count as one that was moved.
            let gone = std::mem::take(&mut self.gone);
            self.tell_lost(path, |entry, _| gone.has(entry)).with_context(cannot)?;
            self.make_durable(path).with_context(cannot)?;
            gone.remove(&config.dir)?;
        }
        let is_current = self.past.is_current && !self.is_fresh && self.lost.untold() == 0;
        if self.token.is_none() || is_current {
            return Ok(());
        }
        if self.is_fresh || self.past.rows == 0 {
            self.set_mark(0);
            if self.is_fresh {
                self.file.set_len(0).with_context(cannot)?;
            }
            // Files that outlive a power loss must not be strangers because the report did not.
            return match config.on_conflict {
                OnConflict::Overwrite => Ok(()),
                OnConflict::Skip | OnConflict::Rename | OnConflict::Error => {
                    self.make_durable(path).with_context(cannot)
                }
            };
        }
        if self.lost.untold() > 0 {
            let trusted = self.past.trusted;
            let is_due = |entry: &Entry<'_>, end| {
                end > trusted && matches!(entry.status, Status::Ok | Status::Skipped)
            };
            self.tell_lost(path, is_due).with_context(cannot)?;
        }
        // Read is what is in memory, which may not be on the disk yet.
        if config.destination.has_dir() {
            let synced = FileSystem::of(&config.dir).and_then(|files| files.sync());
            synced.with_context(|| {
                RunError::local_file(format!("cannot flush {}", config.dir.display()))
            })?;
        }
        self.make_durable(path).with_context(cannot)?;
        self.set_mark(self.file.metadata().with_context(cannot)?.len());
        Ok(())
    }

    /// Lets the lines of shards that are gone be pulled again, and says how many have a row there.
    ///
    /// # Errors
    /// The report cannot be read.
    pub(crate) fn leave_out(&mut self, report: &ReportFile, gone: Gone) -> anyhow::Result<u64> {
        let lines = gone.lines(&self.file, report)?;
        for index in &lines {
            self.lost.find(index, "");
            self.done.reopen(index);
        }
        self.gone = gone;
        Ok(lines.len())
    }

    fn set_mark(&self, length: u64) {
        // Without a mark, the next run says so.
        let _: bool = Mark { epoch: self.epoch.clone(), length }.set(&self.file);
    }

    /// Brings the report to the disk, its name and its notes included.
    fn make_durable(&self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_names(File::open(parent.unwrap_or_else(|| Path::new(".")))?)
    }

    /// Appends a row of the code `disk.lost` for each line that was found to be lost, by a row that
    /// `is_due`, of which it is told where it ends.
    fn tell_lost(
        &mut self,
        path: &Path,
        is_due: impl Fn(&Entry<'_>, u64) -> bool,
    ) -> anyhow::Result<()> {
        let mut encoder = RowEncoder::new(self.format).keeping(self.kept.clone());
        let mut out = Vec::new();
        if std::mem::take(&mut self.needs_header) {
            encoder.header(&mut out);
        }
        let Self { file, format, packing, lost, past, .. } = self;
        let write = |rows: &mut Vec<u8>| {
            let mut packed = Vec::new();
            pack(*packing, rows, &mut packed);
            rows.clear();
            (&*file).write_all(&packed)
        };
        let mut written = Ok(());
        scan(file, path, *format, |entry, end| {
            if is_due(entry, end) && end <= past.length && lost.tell(entry.index) {
                encoder.encode(&lost_row(entry), &mut out);
            }
            if out.len() > TOLD_BYTES_MAX && written.is_ok() {
                written = write(&mut out);
            }
        })?;
        written?;
        Ok(write(&mut out)?)
    }

    /// Where rows go from now on.
    pub(crate) fn into_appending(self) -> Appending {
        let Self { file, format, packing, needs_header, kept, .. } = self;
        Appending { file, format, packing, needs_header, kept }
    }

    /// What names this report; `None` where it is no file.
    pub(crate) fn token(&self) -> Option<u64> {
        self.token
    }

    /// Has the run's files say whose they are: unfinished ones those of this report, and whole ones
    /// those of its lines. What is replaced in any case need not say it, but for shards.
    pub(crate) fn mark(&self, dir: &mut Dir, policy: OnConflict, has_shards: bool) {
        self.token.iter().for_each(|token| dir.set_token(*token));
        let owner = self.owner.filter(|_| has_shards || policy != OnConflict::Overwrite);
        owner.iter().for_each(|owner| dir.set_owner(*owner));
    }

    /// What is to be made durable; `None` where it is no file.
    pub(crate) fn to_sync(&self) -> anyhow::Result<Option<ToSync>> {
        let report = self.token.map(|_| self.file.try_clone()).transpose();
        let report = report.context("cannot open the report twice")?;
        // What was pulled again for the lack of a sync should not be pulled a third time.
        let is_due_at_end = self.epoch.is_none() || (self.past.rows > 0 && !self.past.is_current);
        Ok(report.map(|report| ToSync { report, epoch: self.epoch.clone(), is_due_at_end }))
    }

    /// Begins to look for what earlier runs left unfinished, if there was one. The last line that
    /// has a row is `last`; jobs were read so many lines ahead at most.
    pub(crate) fn remove_stale(
        &self,
        dir: &Dir,
        last: u64,
        lookahead_max: usize,
    ) -> anyhow::Result<Option<(Stale, Removal)>> {
        if !self.has_past {
            return Ok(None);
        }
        let ahead = lookahead_max.max(LOOKAHEAD_JOBS_DEFAULT) as u64;
        // Of a report that is thrown away it is not known how far its run came.
        let known = (!self.is_fresh).then(|| last.saturating_add(ahead));
        let dir = dir.send().context("cannot keep the directory open")?;
        stale::start(dir, known.unwrap_or(u64::MAX)).map(Some)
    }
}

/// Opens the report for appending, and reads what is in it, where that is a file. A torn end is cut
/// off. `kept` are the names of the columns of the list that rows have; `each` gets the name of the
/// file of every row, what it says of its line, and which body the file has, where that is wanted.
///
/// # Errors
/// It cannot be opened, read or written; another run has it; it is not a report in its format, or
/// has other columns of the list.
pub(crate) fn open(
    report: &ReportFile,
    kept: Vec<String>,
    config: &Config,
    dir: &Dir,
    each: impl FnMut(&str, Fate, Option<Body>),
) -> anyhow::Result<Opened> {
    let is_fresh = config.journal.is_fresh;
    let (path, format) = (&report.path, report.format);
    let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
    // Nothing is read back from a pipe or a device.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::create(path).with_context(cannot)?;
        return Ok(Opened {
            file,
            format,
            packing: Packing::of(path),
            needs_header: true,
            kept,
            done: Done::default(),
            lost: Lost::default(),
            gone: Gone::default(),
            past: Past::default(),
            epoch: None,
            token: None,
            owner: None,
            has_past: false,
            is_fresh: false,
        });
    }
    make_parent(path).with_context(cannot)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    if config.journal.sync == SyncMode::Always {
        options.custom_flags(durable_writes());
    }
    let (file, has_past) = match options.clone().create_new(true).open(path) {
        Ok(file) => (file, false),
        Err(_) => (options.create(true).open(path).with_context(cannot)?, true),
    };
    take(&file, path)?;
    let token = Some(token(&file).with_context(cannot)?);
    let owner = owner(&file, is_fresh);
    let mut opened = Opened {
        done: Done::default(),
        lost: Lost::new(config.on_conflict != OnConflict::Overwrite || config.timestamping),
        gone: Gone::default(),
        past: Past::default(),
        epoch: Epoch::now(&file, dir.mount_id()),
        file,
        format,
        packing: Packing::of(path),
        needs_header: true,
        kept,
        token,
        owner,
        has_past,
        is_fresh,
    };
    if !is_fresh {
        let wants_files = config.destination.keeps_bodies();
        let (again, bodies) = (config.timestamping, config.dedupe.contents);
        let compared = config.journal.is_check;
        let wanted = Wanted { files: wants_files, again, bodies, compared };
        opened.read(path, config.cpus.len(), wanted, each)?;
    }
    Ok(opened)
}

impl Opened {
    /// Reads what the rows say, and cuts off what is none.
    fn read(
        &mut self,
        path: &Path,
        threads: usize,
        wanted: Wanted,
        each: impl FnMut(&str, Fate, Option<Body>),
    ) -> anyhow::Result<()> {
        let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
        let mark = Mark::of(&self.file);
        let is_same = mark.as_ref().is_some_and(|mark| mark.is_of(self.epoch.as_ref()));
        let believed = mark.as_ref().filter(|_| !is_same).map_or(u64::MAX, |mark| mark.length);
        let scanned = self.read_rows(path, threads, (believed, wanted), each)?;
        check_kept(path, self.format, scanned.kept.as_deref(), &self.kept)?;
        let length = self.file.metadata().with_context(cannot)?.len();
        if scanned.whole < length {
            self.file.set_len(scanned.whole).with_context(cannot)?;
            say(&format!(
                "warning: the last {} bytes of {} are an incomplete row, as a killed run leaves \
                 one: they are cut off, and what they were about is pulled again",
                length - scanned.whole,
                path.display()
            ));
        }
        if mark.is_none() && scanned.rows > 0 {
            say(&format!(
                "warning: {} is not marked with what was on the disk (it was copied, or its file \
                 system keeps no user attributes): its rows are believed; if the power or the \
                 disk failed since, --verify compares them with their files",
                path.display()
            ));
        }
        self.needs_header = scanned.needs_header;
        self.past = Past {
            length: scanned.whole,
            rows: scanned.rows,
            trusted: if wanted.compared { 0 } else { believed },
            is_current: is_same && mark.is_some_and(|mark| mark.length <= scanned.whole),
        };
        Ok(())
    }

    /// Rows of another epoch that are behind the mark are believed only with a proof, and those of
    /// what was discarded tell nothing to who wants files.
    fn read_rows(
        &mut self,
        path: &Path,
        threads: usize,
        (believed, wanted): (u64, Wanted),
        mut each: impl FnMut(&str, Fate, Option<Body>),
    ) -> anyhow::Result<Scanned> {
        let mut doubted = RoaringTreemap::new();
        let Self { file, format, done, lost, .. } = self;
        let source = Source::new(file, path, *format).with_versions(wanted.again);
        let take = |rows: &mut TakenRows, entry: &Entry<'_>, end| {
            let belief = match wanted.compared {
                _ if end > believed => Belief::Proved,
                true => Belief::Compared,
                false => Belief::Whole,
            };
            rows.take(entry, belief, wanted);
        };
        let mut discarded = RoaringTreemap::new();
        let scanned = scan_in_batches(source, helpers(threads), &take, |rows: TakenRows| {
            for row in rows.iter() {
                let index = row.sum.index();
                if row.is_doubted {
                    doubted.insert(index);
                }
                // Who left a file alone says nothing of what is in it.
                let is_good = matches!(row.says, Says::Fate(Fate::Good));
                let is_still_lost = is_good && !row.is_ours && lost.is_untold(index);
                if row.is_discarded {
                    discarded.insert(row.sum.index());
                } else if !discarded.is_empty() {
                    discarded.remove(row.sum.index());
                }
                let filename = if row.is_ours { row.filename } else { "" };
                match row.says {
                    _ if is_still_lost => {}
                    Says::LostNow => lost.find(row.sum.index(), filename),
                    Says::Lost => lost.told(row.sum.index(), filename),
                    Says::Fate(Fate::Good) => lost.forget(row.sum.index()),
                    // It is not there yet, whatever came between.
                    Says::Fate(_) => {
                        lost.tell(row.sum.index());
                    }
                }
                let fate = match row.fate() {
                    Fate::Good if wanted.again || is_still_lost => Fate::Open,
                    fate => fate,
                };
                each(row.filename, fate, row.body);
                done.add(row.sum, fate);
            }
        })?;
        told::discarded(path, discarded.len());
        let counts = (lost.untold(), doubted.len());
        told::lost(path, counts, believed < u64::MAX, wanted.compared);
        Ok(scanned)
    }
}

/// The row of a line whose file is to be pulled again, made of the one that says ok.
fn lost_row(entry: &Entry<'_>) -> Row {
    let is_ours = entry.status == Status::Ok && !entry.filename.is_empty();
    Row {
        fault: Some(Fault::new(Stage::Write, Cause::Disk(DiskProblem::Lost))),
        filename: is_ours.then(|| entry.filename.clone().into_owned()),
        ..Row::new(entry.index, entry.url.clone().into_owned(), SystemTime::now())
    }
}

/// Refuses a report whose rows have other columns of the list than those to come.
pub(crate) fn check_kept(
    path: &Path,
    format: RowFormat,
    found: Option<&[String]>,
    kept: &[String],
) -> anyhow::Result<()> {
    let Some(found) = found else { return Ok(()) };
    // Members of an object have no order.
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    if found == kept || format == RowFormat::JsonLines && sorted(found) == sorted(kept) {
        return Ok(());
    }
    let shown = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => format!("{:?}", names.join(",")),
    };
    bail!(RunError::usage(format!(
        "cannot continue {}: the columns of the list in it are {}, and --keep-cols says {}; give \
         the same --keep-cols, another --report, or --fresh to begin anew",
        path.display(),
        shown(found),
        shown(kept)
    )))
}

/// What names the report, and nothing else: a random number that is noted with it, and its inode,
/// because a copy has the note too. Where a file system keeps no notes, its place on this machine.
pub(crate) fn token(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    let place = metadata.ino().wrapping_mul(ODD);
    let noted = xattr(file, XATTR_TOKEN).and_then(|text| u64::from_str_radix(&text, 16).ok());
    if let Some(random) = noted {
        return Ok(random ^ place);
    }
    let random = fastrand::u64(..);
    if set_xattr(file, XATTR_TOKEN, &format!("{random:016x}")) {
        return Ok(random ^ place);
    }
    let machine = machine()
        .iter()
        .fold(metadata.dev(), |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(ODD));
    Ok(machine ^ place)
}

/// What tells files of this report's lines from those of others; another number when it is begun
/// anew, because what it was about before is somebody else's then. As with the token, a copy is
/// another report.
fn owner(file: &File, is_fresh: bool) -> Option<u64> {
    let place = file.metadata().ok()?.ino().wrapping_mul(ODD);
    let noted = xattr(file, XATTR_OWNER).and_then(|text| u64::from_str_radix(&text, 16).ok());
    if let (Some(owner), false) = (noted, is_fresh) {
        return Some(owner ^ place);
    }
    let owner = fastrand::u64(..);
    set_xattr(file, XATTR_OWNER, &format!("{owner:016x}")).then_some(owner ^ place)
}

/// Locks the report, or says who has it.
fn take(file: &File, path: &Path) -> anyhow::Result<()> {
    match lock(file) {
        Lock::Ours => Ok(()),
        Lock::Others => bail!(RunError::local_file(format!(
            "cannot continue {}: another run is writing it; wait for its end, or give this one \
             another --report",
            path.display()
        ))),
        Lock::Unknown => {
            say(&format!(
                "warning: the file system of {} has no locks: make sure that no other run \
                 writes it",
                path.display()
            ));
            Ok(())
        }
    }
}

/// Threads that help this one, where so many may run at once.
pub(crate) fn helpers(threads: usize) -> usize {
    if threads > 1 { threads } else { 0 }
}

/// Which of the lines that failed are tried again.
pub(crate) fn which(retry: RetryFailed) -> Which {
    match retry {
        RetryFailed::None => Which::None,
        RetryFailed::Transient => Which::Transient,
        RetryFailed::All => Which::All,
    }
}

/// The name of the note that tells unfinished files of runs with this report.
const XATTR_TOKEN: &str = "user.ringpull.token";
/// The name of the note that tells what files are signed with.
const XATTR_OWNER: &str = "user.ringpull.owner";
/// Spreads a number over all bits; any odd one with half of its bits set does.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Rows of lines that are lost are written when so many bytes of them wait.
const TOLD_BYTES_MAX: usize = 1 << 20;
