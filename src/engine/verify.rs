//! `--verify`: compares the files of a tree with the rows of a report. No list is read, nothing is
//! pulled, and the report is left as it is.

use super::compare::Given;
use super::journal::{compare, fate, scan, token};
use super::progress::say;
use super::run::format;
use super::session::Session;
use crate::config::Config;
use crate::error::RunError;
use crate::fault::escape_hidden;
use crate::plan::job::again;
use crate::report::Status;
use crate::report::journal::{Done, Entry, Fate};
use crate::report::session::Left;
use crate::report::verify::{Found, Verified};
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Compares every file that the report of the configuration says is there, and tells of those that
/// differ on standard output: what is wrong, the path and the line number, with TABs between.
///
/// # Errors
/// The report cannot be read, or is none.
pub fn verify(config: &Config) -> anyhow::Result<Verified> {
    let report = config.report.as_ref().context("--verify has a report")?;
    let (path, format) = (&report.path, format(report.format));
    let cannot = || RunError::local_file(format!("cannot read the report {}", path.display()));
    let file = File::open(path).with_context(cannot)?;
    let mut done = Done::default();
    let scanned = scan(&file, path, format, |entry, _| {
        done.record(entry.index, Given::of_row(entry).url(), fate(entry));
    })?;
    let session = Session::of(config)?;
    let mut check = Checking {
        left: Vec::new(),
        is_leaving: session.is_some(),
        verified: Verified { failed: done.failed(), ..Verified::default() },
        batch: Vec::with_capacity(BATCH),
        threads: config.cpus.len().saturating_mul(THREADS_PER_CPU),
    };
    let mut seen = Done::default();
    let file = File::open(path).with_context(cannot)?;
    scan(&file, path, format, |entry, end| {
        // Rows that a run writes meanwhile are another matter.
        if end <= scanned.whole && is_last(&done, &mut seen, entry) {
            check.row(entry);
        }
    })?;
    check.compare();
    let Checking { verified, left, .. } = check;
    if let Some(session) = &session {
        let token = token(&file).with_context(cannot)?;
        leave(session, left, &again::title(token, &path.to_string_lossy()), &config.dir);
        session.finish()?;
    }
    if config.summary {
        let place = std::env::current_dir().unwrap_or_default();
        say(verified.text(&place.to_string_lossy()).trim_end());
    }
    Ok(verified)
}

/// Whether this is the last row of its line. Most lines have one; rows of others are counted.
fn is_last(done: &Done, seen: &mut Done, entry: &Entry<'_>) -> bool {
    let rows = done.rows_of(entry.index);
    if rows == 1 {
        return true;
    }
    seen.record(entry.index, Given::of_row(entry).url(), Fate::Open);
    seen.rows_of(entry.index) == rows
}

/// Compares files, some thousand at a time, so that what is told is in the order of the report.
struct Checking {
    /// What differs, where it is to be pulled again.
    left: Vec<Wanted>,
    is_leaving: bool,
    verified: Verified,
    batch: Vec<Wanted>,
    threads: usize,
}

/// What a row says of its file.
struct Wanted {
    index: u64,
    url: Box<str>,
    filename: Box<str>,
    size_file: Option<u64>,
    digest: Box<str>,
}

impl Checking {
    fn row(&mut self, entry: &Entry<'_>) {
        match (entry.status, fate(entry)) {
            (Status::Ok, _) => {}
            (_, Fate::Good | Fate::Failed { .. }) => return,
            (_, Fate::Open) => {
                self.verified.open += 1;
                return;
            }
        }
        self.batch.push(Wanted {
            index: entry.index,
            url: String::from_utf8_lossy(entry.url.trim_ascii()).into(),
            filename: (&*entry.filename).into(),
            size_file: entry.size_file,
            digest: (&*entry.digest).into(),
        });
        if self.batch.len() >= BATCH {
            self.compare();
        }
    }

    fn compare(&mut self) {
        let share = self.batch.len().div_ceil(self.threads).max(1);
        let found: Vec<Found> = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .batch
                .chunks(share)
                .map(|part| scope.spawn(|| part.iter().map(look).collect::<Vec<_>>()))
                .collect();
            let looked = threads.into_iter();
            // A panic there is one here.
            looked.flat_map(|thread| thread.join().expect("no file makes it panic")).collect()
        });
        let mut told = Vec::new();
        let batch = std::mem::take(&mut self.batch);
        for (wanted, found) in batch.into_iter().zip(found) {
            self.verified.count(found);
            if !found.is_as_told() {
                let Wanted { index, filename, .. } = &wanted;
                told.extend_from_slice(
                    format!("{}\t{}\t{index}\n", found.word(), escape_hidden(filename)).as_bytes(),
                );
                if self.is_leaving {
                    self.left.push(wanted);
                }
            }
        }
        // Whoever stopped listening still gets the exit status.
        let _: io::Result<()> = io::stdout().lock().write_all(&told);
    }
}

/// Lists what is to be pulled again, by the numbers of the lines. Rows tell of no user information
/// and no header fields. `dir` is the directory of the run that pulls it, if it was given.
fn leave(session: &Session, mut left: Vec<Wanted>, title: &str, dir: &Path) {
    left.sort_by_key(|wanted| wanted.index);
    session.add_comment(title);
    for Wanted { index, url, filename, .. } in &left {
        // A report may have been written by others, and no job's URL has a control character.
        if url.contains(char::is_control) {
            session.add_bad(url.as_bytes());
            continue;
        }
        session.add_comment(&again::number(*index));
        let path = Path::new(&**filename);
        // Names in a report count from the directory in which its run began. Where that of its
        // files is not known, the whole path finds it.
        let (folder, out) = match path.strip_prefix(dir) {
            Ok(out) if dir != Path::new(".") => (None, Some(out)),
            Ok(_) | Err(_) => (
                path.parent().and_then(|parent| std::path::absolute(parent).ok()),
                path.file_name().map(Path::new),
            ),
        };
        session.add_left(&Left {
            url,
            user: None,
            dir: folder.as_deref().and_then(Path::to_str),
            out: out.and_then(Path::to_str),
            headers: &[],
            checksum: None,
        });
    }
}

fn look(wanted: &Wanted) -> Found {
    let Wanted { filename, size_file, digest, .. } = wanted;
    compare(filename, *size_file, digest).unwrap_or_else(|error| {
        say(&format!("cannot read {}: {error}", escape_hidden(filename)));
        Found::Unreadable
    })
}

/// Files compared before what differs of them is told.
const BATCH: usize = 4_096;
/// Most of the time a thread waits for the disk.
const THREADS_PER_CPU: usize = 4;
