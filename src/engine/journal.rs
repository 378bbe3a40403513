//! The report as a journal: found, locked, read back and repaired before a run begins.

use super::progress::say;
use crate::config::{ReportFile, RetryFailed};
use crate::error::RunError;
use crate::plan::retry::{self, Class};
use crate::report::RowFormat;
use crate::report::journal::{Done, Entry, Fate, Mismatch, Scan, Scanned, Which};
use crate::ring::journal::{Lock, lock};
use anyhow::{Context as _, bail};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// A report that rows may be appended to.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) format: RowFormat,
    /// Whether a header line must come before the next row.
    pub(super) needs_header: bool,
    /// What the rows in it say.
    pub(super) done: Done,
}

/// Opens the report for appending, and reads what is in it, where that is a file. A torn end is cut
/// off. `each` gets every row.
///
/// # Errors
/// It cannot be opened, read or written; another run has it; it is not a report in its format.
pub(super) fn open(
    report: &ReportFile,
    format: RowFormat,
    is_fresh: bool,
    each: impl FnMut(&Entry<'_>),
) -> anyhow::Result<Opened> {
    let path = &report.path;
    let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
    // Nothing is read back from a pipe or a device.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::create(path).with_context(cannot)?;
        return Ok(Opened { file, format, needs_header: true, done: Done::default() });
    }
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).open(path).with_context(cannot)?;
    take(&file, path)?;
    if is_fresh {
        file.set_len(0).with_context(cannot)?;
        return Ok(Opened { file, format, needs_header: true, done: Done::default() });
    }
    let mut done = Done::default();
    let scanned = scan(&file, path, format, &mut done, each)?;
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
    Ok(Opened { file, format, needs_header: scanned.needs_header, done })
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

/// Reads all rows of a report.
fn scan(
    mut file: &File,
    path: &Path,
    format: RowFormat,
    done: &mut Done,
    mut each: impl FnMut(&Entry<'_>),
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
        let used = scan
            .feed(&buffer[..filled], |entry, _| {
                each(&entry);
                done.record(entry.index, &entry.url, fate(&entry));
            })
            .with_context(refused)?;
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
}

/// What a row says of its line.
fn fate(entry: &Entry<'_>) -> Fate {
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

/// The error of a run whose list is another one than that of its report.
pub(super) fn other_list(mismatch: Mismatch, path: &Path) -> anyhow::Error {
    anyhow::Error::new(mismatch).context(RunError::usage(format!(
        "cannot continue {}: this is not the list that the report is about, or lines of it were \
         changed, moved or removed; nothing was pulled from there on. Give the list as it was (it \
         may grow at its end), another --report, or --fresh to begin anew",
        path.display()
    )))
}

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
