//! `--verify`: compares the files of a tree with the rows of a report. No list is read, nothing is
//! pulled, and the report is left as it is.

use crate::config::Config;
use crate::engine::books::journal::{Source, compare, fate, helpers, scan_in_batches, token};
use crate::engine::books::parquet::unnamed_journal;
use crate::engine::books::session::Session;
use crate::engine::say::{self, say};
use crate::error::RunError;
use crate::fault::escape_hidden;
use crate::pack::member;
use crate::plan::job::again;
use crate::report::journal::{Done, Entry, Fate, RowSum};
use crate::report::session::Left;
use crate::report::verify::{Found, Verified};
use crate::report::{Status, location};
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Compares every file that the report of the configuration says is there, and tells of those that
/// differ on standard output: what is wrong, the path and the line number, with TABs between.
///
/// # Errors
/// The report cannot be read, or is none.
pub fn verify(config: &Config) -> anyhow::Result<Verified> {
    say::begin(&config.progress);
    let report = config.report.as_ref().context("--verify has a report")?;
    // A journal has all that its table has, and more.
    let table = report.parquet.as_ref().filter(|_| !report.path.exists());
    let (path, format) = (table.unwrap_or(&report.path), report.format);
    let cannot = || RunError::local_file(format!("cannot read the report {}", path.display()));
    let file = File::open(path).with_context(cannot)?;
    let unpacked = table.map(|table| unnamed_journal(table, &file)).transpose()?;
    let source = Source::new(unpacked.as_ref().unwrap_or(&file), path, format);
    let mut done = Done::default();
    let take = |fates: &mut Vec<_>, entry: &Entry<'_>, _| fates.push((entry.index, fate(entry)));
    let scanned = scan_in_batches(source, helpers(config.cpus.len()), &take, |fates| {
        let rows = fates.into_iter();
        rows.for_each(|(index, fate)| done.add(RowSum::uncompared(index), fate));
    })?;
    let session = Session::of(config)?;
    let mut check = Checking {
        left: Vec::new(),
        is_leaving: session.is_some(),
        verified: Verified { failed: done.failed(), ..Verified::default() },
        before: HashMap::new(),
        done: &done,
        seen: Done::default(),
        shards: BTreeSet::new(),
    };
    // Rows that a run writes meanwhile are another matter.
    let take = |looked: &mut Looked, entry: &Entry<'_>, end| {
        if end <= scanned.whole {
            looked.row(entry, done.rows_of(entry.index) == 1);
        }
    };
    let threads = config.cpus.len().saturating_mul(THREADS_PER_CPU);
    scan_in_batches(source, threads, &take, |looked| check.take(looked))?;
    let Checking { verified, mut left, shards, .. } = check;
    if let Some(session) = &session {
        leave_shards(source, &shards, &mut left)?;
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

/// What was found of some consecutive rows.
#[derive(Default)]
struct Looked {
    verified: Verified,
    /// The rows of which something is to be told, or which may not be the last of their lines.
    rows: Vec<Row>,
}

enum Row {
    /// The only row of its line, whose file is not as it says.
    Differs(Wanted, Found),
    /// One of several rows of its line, and what there is to look at if it is the last.
    OneOfSeveral(u64, Look),
}

/// What is looked for by the last row of a line.
enum Look {
    /// A file.
    File(Wanted),
    /// What the row before says: the file was left alone.
    AsBefore,
    /// Nothing: the line was not brought to an end.
    Open,
    /// Nothing.
    Nothing,
}

/// What a row says of its file.
struct Wanted {
    index: u64,
    url: Box<str>,
    filename: Box<str>,
    size_file: Option<u64>,
    digest: Box<str>,
}

impl Looked {
    /// Looks for the file of a row, unless another row of its line may come.
    fn row(&mut self, entry: &Entry<'_>, is_only: bool) {
        let is_open = match (entry.status, fate(entry)) {
            (Status::Ok, _) => None,
            (_, Fate::Good | Fate::Failed { .. }) => Some(false),
            (_, Fate::Open) => Some(true),
        };
        match (is_open, is_only) {
            (None, true) => {
                let found = look(&entry.filename, entry.size_file, &entry.digest);
                self.verified.count(found);
                if !found.is_as_told() {
                    self.rows.push(Row::Differs(Wanted::of(entry), found));
                }
            }
            (None, false) => self.several(entry.index, Look::File(Wanted::of(entry))),
            (Some(true), true) => self.verified.open += 1,
            (Some(true), false) => self.several(entry.index, Look::Open),
            (Some(false), true) => {}
            (Some(false), false) => {
                let is_left = entry.status == Status::Skipped && !entry.filename.is_empty();
                let look = if is_left { Look::AsBefore } else { Look::Nothing };
                self.several(entry.index, look);
            }
        }
    }

    fn several(&mut self, index: u64, look: Look) {
        self.rows.push(Row::OneOfSeveral(index, look));
    }
}

impl Wanted {
    fn of(entry: &Entry<'_>) -> Self {
        Self {
            index: entry.index,
            url: String::from_utf8_lossy(entry.url.trim_ascii()).into(),
            filename: (&*entry.filename).into(),
            size_file: entry.size_file,
            digest: (&*entry.digest).into(),
        }
    }

    fn look(&self) -> Found {
        look(&self.filename, self.size_file, &self.digest)
    }
}

/// Tells of files in the order of the report.
struct Checking<'d> {
    /// What differs, where it is to be pulled again.
    left: Vec<Wanted>,
    /// Shards with a member that differs.
    shards: BTreeSet<Box<str>>,
    is_leaving: bool,
    verified: Verified,
    /// Files of lines whose last row is still to come.
    before: HashMap<u64, Wanted>,
    /// How many rows lines have, and of those with several how many came so far.
    done: &'d Done,
    seen: Done,
}

impl Checking<'_> {
    fn take(&mut self, looked: Looked) {
        self.verified.add(&looked.verified);
        let mut told = Vec::new();
        for row in looked.rows {
            let (wanted, found) = match row {
                Row::Differs(wanted, found) => (wanted, found),
                Row::OneOfSeveral(index, look) => {
                    let Some(wanted) = self.wanted(index, look) else { continue };
                    let found = wanted.look();
                    self.verified.count(found);
                    (wanted, found)
                }
            };
            if !found.is_as_told() {
                let Wanted { index, filename, .. } = &wanted;
                told.extend_from_slice(
                    format!("{}\t{}\t{index}\n", found.word(), escape_hidden(filename)).as_bytes(),
                );
                if let Some((shard, _)) = packed(filename) {
                    self.shards.insert(shard.into());
                } else if self.is_leaving {
                    self.left.push(wanted);
                }
            }
        }
        if !told.is_empty() {
            // Whoever stopped listening still gets the exit status.
            let _: io::Result<()> = io::stdout().lock().write_all(&told);
        }
    }

    /// The file that is to be looked at, if this is the last row of its line, which has several.
    fn wanted(&mut self, index: u64, look: Look) -> Option<Wanted> {
        let is_last = self.is_last(index);
        let before = self.before.remove(&index);
        let wanted = match look {
            Look::File(wanted) => Some(wanted),
            Look::AsBefore => before,
            Look::Open => {
                self.verified.open += u64::from(is_last);
                None
            }
            Look::Nothing => None,
        };
        if is_last {
            return wanted;
        }
        wanted.and_then(|wanted| self.before.insert(index, wanted));
        None
    }

    /// Whether this is the last row of its line, which has several.
    fn is_last(&mut self, index: u64) -> bool {
        self.seen.add(RowSum::uncompared(index), Fate::Open);
        self.seen.rows_of(index) == self.done.rows_of(index)
    }
}

/// The shard and the member that a row tells of, if it does: a folder may have such a name as well.
fn packed(filename: &str) -> Option<(&str, &str)> {
    location::members(filename).find(|(shard, _)| !Path::new(shard).is_dir())
}

/// Leaves all lines of shards of which a member differs: who pulls one member again has it in
/// another shard, too.
fn leave_shards(
    source: Source<'_>,
    shards: &BTreeSet<Box<str>>,
    left: &mut Vec<Wanted>,
) -> anyhow::Result<()> {
    if shards.is_empty() {
        return Ok(());
    }
    let mut lines = BTreeMap::new();
    let is_of_shard = |entry: &Entry<'_>| {
        entry.status == Status::Ok
            && location::members(&entry.filename).any(|(shard, _)| shards.contains(shard))
    };
    let take = |found: &mut Vec<_>, entry: &Entry<'_>, _| {
        found.push((entry.index, is_of_shard(entry).then(|| Wanted::of(entry))));
    };
    scan_in_batches(source, 0, &take, |found: Vec<(u64, Option<Wanted>)>| {
        for (index, wanted) in found {
            match wanted {
                Some(wanted) => lines.insert(index, wanted),
                None => lines.remove(&index),
            };
        }
    })?;
    left.extend(lines.into_values());
    for shard in shards.iter().filter(|shard| Path::new(&***shard).exists()) {
        say(&format!(
            "remove {shard} before what is left is pulled: all of its lines are, and would be \
             twice in the set"
        ));
    }
    Ok(())
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
        if let Some((_, member)) = packed(filename) {
            let (key, _) = member::key_of_path(member);
            // A key that is the number of the line needs no name.
            let out = (key != member::key_of_index(*index)).then_some(member);
            session.add_left(&Left { url, out, ..Left::default() });
            continue;
        }
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
            mirrors: &[],
            dir: folder.as_deref().and_then(Path::to_str),
            out: out.and_then(Path::to_str),
            headers: &[],
            checksum: None,
        });
    }
}

fn look(filename: &str, size_file: Option<u64>, digest: &str) -> Found {
    compare(filename, size_file, digest).unwrap_or_else(|error| {
        say(&format!("cannot read {}: {error}", escape_hidden(filename)));
        Found::Unreadable
    })
}

/// Most of the time a thread waits for the disk.
const THREADS_PER_CPU: usize = 4;
