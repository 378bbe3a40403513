//! The report as a journal: found, locked, read back and repaired before a run begins.

mod stale;
mod sync;
mod whole;

pub(super) use stale::{Removal, Stale};
pub(super) use sync::{Syncer, start as start_sync};
pub(super) use whole::compare;

use self::sync::Mark;
use super::compare::Given;
use super::progress::say;
use crate::config::{JournalConfig, OnConflict, ReportFile, RetryFailed, SyncMode};
use crate::error::RunError;
use crate::limits::LOOKAHEAD_JOBS_DEFAULT;
use crate::plan::retry::{self, Class};
use crate::report::journal::{Done, Entry, Fate, Scan, Scanned, Which};
use crate::report::{RowFormat, Status};
use crate::ring::dir::Dir;
use crate::ring::journal::{Lock, durable_writes, lock, machine, note, set_note};
use anyhow::{Context as _, bail};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A report that rows may be appended to.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) format: RowFormat,
    /// Whether a header line must come before the next row.
    pub(super) needs_header: bool,
    /// Names of the columns of the list that its rows have.
    pub(super) kept: Vec<String>,
    /// What the rows in it say.
    pub(super) done: Done,
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

impl Opened {
    /// The run begins: a report that is begun anew is emptied only now.
    pub(super) fn begin(&self, path: &Path) -> anyhow::Result<()> {
        if self.is_fresh {
            let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
            self.file.set_len(0).with_context(cannot)?;
            if let Some(mark) = Mark::now(0) {
                mark.set(&self.file);
            }
        }
        Ok(())
    }

    /// Has the run's files say whose they are: unfinished ones those of this report, and whole ones
    /// those of its lines. What is replaced in any case need not say it.
    pub(super) fn mark(&self, dir: &mut Dir, policy: OnConflict) {
        self.token.iter().for_each(|token| dir.set_token(*token));
        let owner = self.owner.filter(|_| policy != OnConflict::Overwrite);
        owner.iter().for_each(|owner| dir.set_owner(*owner));
    }

    /// Another descriptor of the report, for who makes it durable; `None` where it is no file.
    pub(super) fn to_sync(&self) -> anyhow::Result<Option<File>> {
        let file = self.token.map(|_| self.file.try_clone()).transpose();
        file.context("cannot open the report twice")
    }

    /// Begins to look for what earlier runs left unfinished, if there was one. The last line that
    /// has a row is `last`; jobs were read so many lines ahead at most.
    pub(super) fn remove_stale(
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
/// off. `kept` are the names of the columns of the list that rows have; `each` gets every row.
///
/// # Errors
/// It cannot be opened, read or written; another run has it; it is not a report in its format, or
/// has other columns of the list.
pub(super) fn open(
    report: &ReportFile,
    kept: Vec<String>,
    config: &JournalConfig,
    each: impl FnMut(&Entry<'_>, Fate),
) -> anyhow::Result<Opened> {
    let is_fresh = config.is_fresh;
    let (path, format) = (&report.path, super::run::format(report.format));
    let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
    // Nothing is read back from a pipe or a device.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::create(path).with_context(cannot)?;
        return Ok(Opened {
            file,
            format,
            needs_header: true,
            kept,
            done: Done::default(),
            token: None,
            owner: None,
            has_past: false,
            is_fresh: false,
        });
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    if config.sync == SyncMode::Always {
        options.custom_flags(durable_writes());
    }
    let (file, has_past) = match options.clone().create_new(true).open(path) {
        Ok(file) => (file, false),
        Err(_) => (options.create(true).open(path).with_context(cannot)?, true),
    };
    take(&file, path)?;
    let token = Some(token(&file).with_context(cannot)?);
    let owner = owner(&file, is_fresh);
    let mut done = Done::default();
    if is_fresh {
        let needs_header = true;
        return Ok(Opened {
            file,
            format,
            needs_header,
            kept,
            done,
            token,
            owner,
            has_past,
            is_fresh,
        });
    }
    let mark = Mark::of(&file);
    let scanned = read(&file, path, format, mark.as_ref(), &mut done, each)?;
    check_kept(path, format, scanned.kept.as_deref(), &kept)?;
    let length = file.metadata().with_context(cannot)?.len();
    if scanned.whole < length {
        file.set_len(scanned.whole).with_context(cannot)?;
        say(&format!(
            "warning: the last {} bytes of {} were no whole row, as a run leaves them that was \
             killed: they are cut off, and what they were about is pulled again",
            length - scanned.whole,
            path.display()
        ));
    }
    // What was read is what is on the disk: after another boot, because it was read from there.
    if let Some(now) = Mark::now(scanned.whole)
        && mark.is_none_or(|mark| mark.boot != now.boot || mark.length > now.length)
    {
        now.set(&file);
    }
    let needs_header = scanned.needs_header;
    Ok(Opened { file, format, needs_header, kept, done, token, owner, has_past, is_fresh })
}

/// Refuses a report whose rows have other columns of the list than those to come.
fn check_kept(
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
fn token(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    let place = metadata.ino().wrapping_mul(ODD);
    let noted = note(file, NOTE_TOKEN).and_then(|text| u64::from_str_radix(&text, 16).ok());
    if let Some(random) = noted {
        return Ok(random ^ place);
    }
    let random = fastrand::u64(..);
    if set_note(file, NOTE_TOKEN, &format!("{random:016x}")) {
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
    let noted = note(file, NOTE_OWNER).and_then(|text| u64::from_str_radix(&text, 16).ok());
    if let (Some(owner), false) = (noted, is_fresh) {
        return Some(owner ^ place);
    }
    let owner = fastrand::u64(..);
    set_note(file, NOTE_OWNER, &format!("{owner:016x}")).then_some(owner ^ place)
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
                "warning: the file system of {} has no locks: see that no other run writes it",
                path.display()
            ));
            Ok(())
        }
    }
}

/// Reads what the rows of a report say. Those of another boot that are behind its mark are compared
/// with their files.
fn read(
    file: &File,
    path: &Path,
    format: RowFormat,
    mark: Option<&Mark>,
    done: &mut Done,
    mut each: impl FnMut(&Entry<'_>, Fate),
) -> anyhow::Result<Scanned> {
    let now = Mark::now(0);
    let of_other_boot = mark.filter(|mark| now.is_some_and(|now| now.boot != mark.boot));
    let trusted = of_other_boot.map_or(u64::MAX, |mark| mark.length);
    let (mut compared, mut lost) = (0_u64, 0_u64);
    let scanned = scan(file, path, format, |entry, end| {
        let mut fate = fate(entry);
        if end > trusted && entry.status == Status::Ok {
            compared += 1;
            if !whole::is_whole(entry) {
                fate = Fate::Open;
                lost += 1;
            }
        }
        each(entry, fate);
        done.record(entry.index, Given::of_row(entry).url(), fate);
    })?;
    if lost > 0 {
        say(&format!(
            "warning: the machine was started anew since the last sync of {}: of {compared} files \
             pulled after it {lost} are lost or damaged, and are pulled again",
            path.display()
        ));
    }
    Ok(scanned)
}

/// Reads all rows of a report; `each` gets every row and where it ends.
pub(super) fn scan(
    mut file: &File,
    path: &Path,
    format: RowFormat,
    mut each: impl FnMut(&Entry<'_>, u64),
) -> anyhow::Result<Scanned> {
    let cannot = || RunError::local_file(format!("cannot read the report {}", path.display()));
    let refused = || {
        RunError::usage(format!(
            "cannot continue {}, and it is left as it is (give another --report, or --fresh to \
             replace it)",
            path.display()
        ))
    };
    let mut scan = Scan::new(format);
    let mut buffer = vec![0; READ_BYTES];
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        let count = match file.read(&mut buffer[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count.with_context(cannot)?,
        };
        if count == 0 {
            return scan.finish(&buffer[..filled]).with_context(refused);
        }
        filled += count;
        let used =
            scan.feed(&buffer[..filled], |entry, end| each(&entry, end)).with_context(refused)?;
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
}

/// What a row says of its line.
pub(super) fn fate(entry: &Entry<'_>) -> Fate {
    Fate::of(entry.status, || {
        let (class, again) = retry::of_row(&entry.error_code, entry.response_code);
        (class, again == Class::Transient)
    })
}

/// Which of the lines that failed are tried again.
pub(super) fn which(retry: RetryFailed) -> Which {
    match retry {
        RetryFailed::None => Which::None,
        RetryFailed::Transient => Which::Transient,
        RetryFailed::All => Which::All,
    }
}

/// The name of the note that tells unfinished files of runs with this report.
const NOTE_TOKEN: &str = "user.ringpull.token";
/// The name of the note that tells what files are signed with.
const NOTE_OWNER: &str = "user.ringpull.owner";
/// Spreads a number over all bits; any odd one with half of its bits set does.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
