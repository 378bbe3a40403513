//! Input lines to jobs: one [`Job`], or the fault of its row, for every line that asks for
//! something.
//!
//! A list has one URL a line. Blank lines and `#` comments are skipped; a UTF-8 byte order mark, CR
//! LF and white space around a line do not matter. Lines that begin with white space and have the
//! form `name=value` are options of the URL above them, as aria2c(1) has them under "Input File".
//! More URLs on the same line, with TABs between, are mirrors of the same file, as in aria2. What
//! tables and JSON Lines hold ([`super::input`]) become jobs here, too; a cell has one URL.

pub mod again;
mod bad;
mod left_out;
mod mirrors;
mod options;

use self::again::Numbers;
use self::bad::{bad_line, bad_mirror, message_of, option_name, shown_option};
use self::mirrors::Mirrors;
use self::options::{Login, Rules};
use super::checksum::{Checksum, ChecksumError, Expected, Pieces};
use super::kept::Kept;
use super::name::{self, Dirs, Template};
use super::target::{self, LastOrigin, Target};
use crate::fault::InputProblem;
use crate::limits;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use self::bad::BadLine;
pub(super) use self::bad::{At, REMEDY_NAME, bad_file, bad_record, remedy_of};
pub use self::left_out::LeftOut;

/// One download that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Physical line number over all inputs, from 1; skipped lines count too, so that people find
    /// the line again. It never repeats, but the numbers of jobs have gaps.
    pub index: u64,
    /// URL to fetch.
    pub target: Target,
    /// The URL as the list gave it, byte for byte but for its user information, where that is not
    /// the normal form that `target` has.
    pub given: Option<Box<str>>,
    /// Values of its row in the columns that the report keeps.
    pub kept: Kept,
    /// What the option lines said, where there were any.
    pub options: Option<Box<JobOptions>>,
}

/// Options that option lines give to one job. `Debug` shows the names of the fields only.
#[derive(Clone, Default, PartialEq)]
pub struct JobOptions {
    /// `out=`: path of the file below the directory, already made safe.
    pub out: Option<String>,
    /// `dir=`: directory below that of the run, already made safe; may be empty.
    pub dir: Option<String>,
    /// `header=`, `user-agent=` and `referer=` as fields, in order.
    pub headers: Vec<(String, String)>,
    /// `checksum=`: the digest that the stored bytes must have.
    pub checksum: Option<Box<Checksum>>,
    /// Further URLs of the same file, best first, none of them twice and none the one of
    /// [`Job::target`]: at most [`limits::MIRRORS_MAX`].
    pub mirrors: Vec<Target>,
    /// Length that the file must have, in bytes, by a metalink.
    pub size: Option<u64>,
    /// Digests that the pieces of the file must have, by a metalink.
    pub pieces: Option<Arc<Pieces>>,
}

impl Job {
    /// The job of a URL given as an argument, which counts as input line `index`.
    ///
    /// # Errors
    /// When the text is not a URL: the bad line for its row.
    pub fn from_argument(index: u64, text: &str) -> Entry {
        let at = At { index, line_number: index };
        let (mut origin, mut left_out) = (LastOrigin::default(), LeftOut::default());
        entry_of_url(at, text.trim_ascii(), &mut origin, &mut left_out)
    }

    /// The job of a URL that `target` was made of. `given` may have user information.
    pub fn new(index: u64, target: Target, given: &str) -> Self {
        let is_normal = given == target.as_str();
        let given = (!is_normal).then(|| target::without_userinfo(given));
        let given = given.filter(|given| **given != *target.as_str()).map(Into::into);
        Self { index, target, given, kept: Kept::default(), options: None }
    }

    /// The URL as the list gave it, without user information, as rows show it.
    pub fn url(&self) -> &str {
        self.given.as_deref().unwrap_or_else(|| self.target.as_str())
    }

    /// Further URLs of the same file, best first.
    pub fn mirrors(&self) -> &[Target] {
        self.options.as_deref().map_or(&[], |options| &options.mirrors)
    }

    /// What the file must be, by the list or else by `checksum`.
    pub fn expected(&self, checksum: Option<Checksum>) -> Expected {
        let Some(options) = self.options.as_deref() else {
            return Expected { checksum, ..Expected::default() };
        };
        Expected {
            checksum: options.checksum.as_deref().copied().or(checksum),
            size: options.size,
            pieces: options.pieces.clone(),
        }
    }

    /// The path that the job asks for, not yet claimed: `dir=`, and in it `out=`, or what the
    /// template or the URL says.
    pub fn path(&self, template: Option<&Template>) -> String {
        let options = self.options.as_deref();
        let name = match (options.and_then(|options| options.out.as_ref()), template) {
            (Some(out), _) => out.clone(),
            (None, Some(template)) => template.render(self.index, &self.target),
            (None, None) => name::from_target(&self.target),
        };
        self.path_of(name)
    }

    /// Whether the list or the template says what its file is called.
    pub fn is_named(&self, template: Option<&Template>) -> bool {
        let options = self.options.as_deref();
        template.is_some() || options.is_some_and(|options| options.out.is_some())
    }

    /// The path that the job asks for where a server proposes `name`, not yet claimed: `dir=` and
    /// that name. `None` where it says nothing new, or where `out=` has the say.
    pub fn proposed_path(&self, name: String) -> Option<String> {
        if self.options.as_ref().is_some_and(|options| options.out.is_some()) {
            return None;
        }
        (name != name::from_target(&self.target)).then(|| self.path_of(name))
    }

    /// The path in its folder of `--dirs`, which is beneath `dir=`; an explicit `out=` is taken as
    /// given. `path` is one that [`Self::path`] or [`Self::proposed_path`] gave.
    pub fn spread(&self, path: String, dirs: &Dirs) -> String {
        let options = self.options.as_deref();
        if options.is_some_and(|options| options.out.is_some()) {
            return path;
        }
        let dir = options.and_then(|options| options.dir.as_deref()).unwrap_or_default();
        let folder = name::folder(dirs, self.index, &self.target);
        match path.strip_prefix(dir).and_then(|name| name.strip_prefix('/')) {
            Some(name) if !dir.is_empty() => format!("{dir}/{folder}/{name}"),
            Some(_) | None => format!("{folder}/{path}"),
        }
    }

    /// The path of a name: `dir=` goes before it.
    fn path_of(&self, name: String) -> String {
        match self.options.as_ref().and_then(|options| options.dir.as_deref()) {
            None | Some("") => name,
            Some(dir) => format!("{dir}/{name}"),
        }
    }
}

impl fmt::Debug for JobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("JobOptions")
            .field("out", &self.out)
            .field("dir", &self.dir)
            .field("headers", &names)
            .field("checksum", &self.checksum)
            .field("mirrors", &self.mirrors)
            .field("size", &self.size)
            .field("pieces", &self.pieces.as_ref().map(|pieces| pieces.count()))
            .finish()
    }
}

/// The job of one input line, or why it has none.
pub type Entry = Result<Job, BadLine>;

/// How lines of text are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextOptions {
    /// `--allow-host-header`: lists may say `header=Host:`.
    pub allows_host_header: bool,
    /// Absolute path of the download directory, beneath which an absolute `dir=` must be; the
    /// engine fills it in. Empty refuses all of them.
    pub dir: String,
    /// The one list there is has lines of the report that are pulled again, with their numbers. The
    /// engine finds that out.
    pub is_of_report: bool,
}

/// The reader of one list: lines in, entries out. An entry comes out with the next URL line or at
/// the end, because option lines follow their URL.
#[derive(Clone, Debug)]
pub struct Lines {
    rules: Rules,
    /// `http-user=` and `http-passwd=` of the pending entry.
    login: Login,
    /// Lines of the inputs before this one.
    lines_before: u64,
    /// Lines of this input.
    line_number: u64,
    /// Numbers that comments give to URLs.
    numbers: Option<Numbers>,
    pending: Option<Entry>,
    /// Origin of the URL before.
    origin: LastOrigin,
    left_out: LeftOut,
}

impl Lines {
    /// A reader of an input that has `lines_before` lines in the inputs before it.
    pub fn new(lines_before: u64) -> Self {
        let (rules, login, origin, left_out) = Default::default();
        let (line_number, numbers, pending) = (0, None, None);
        Self { rules, login, lines_before, line_number, numbers, pending, origin, left_out }
    }

    /// This reader, with the user's permissions for option lines.
    pub fn ruled(self, options: &TextOptions) -> Self {
        let numbers = options.is_of_report.then(Numbers::default);
        Self { rules: Rules::new(options), numbers, ..self }
    }

    /// Whether the input is to be read as lines of a report ([`again`]) and is not such a list:
    /// nothing follows but the entry that waits for its options.
    pub fn lacks_numbers(&self) -> bool {
        self.numbers.as_ref().is_some_and(Numbers::is_broken)
    }

    /// Options of aria2 that were met and change no file, each once.
    pub fn passed_over(&self) -> &[&'static str] {
        self.rules.passed_over()
    }

    /// What was met and is not used.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Reads one line, its line end included or not. A line longer than [`LINE_PREFIX_BYTES`] may
    /// be cut to that length.
    pub fn line(&mut self, raw: &[u8]) -> Option<Entry> {
        self.line_number += 1;
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let is_too_long = raw.len() > limits::LINE_BYTES_MAX;
        let raw = match raw.strip_prefix(b"\xef\xbb\xbf") {
            Some(raw) if self.line_number == 1 => raw,
            _ => raw,
        };
        let text = raw.trim_ascii();
        let is_blank = text.is_empty() && !is_too_long;
        if is_blank || text.first() == Some(&b'#') {
            self.numbers.iter_mut().for_each(|numbers| numbers.comment(text));
            return None;
        }
        let line = if is_too_long {
            Err(InputProblem::LineTooLong)
        } else {
            std::str::from_utf8(text).map_err(|_| InputProblem::NotUtf8)
        };
        let is_indented = raw.first().is_some_and(u8::is_ascii_whitespace);
        if is_indented && option_name(text).is_some() {
            return self.option_line(text, line);
        }
        let at = At { index: self.index()?, ..self.at() };
        let entry = match line {
            Ok(line) => entry_of_url(at, line, &mut self.origin, &mut self.left_out),
            Err(problem) => Err(bad_line(at, text, problem)),
        };
        let before = self.finish();
        self.pending = Some(entry);
        before
    }

    /// Gives the entry that waits for its options, when the input has ended.
    pub fn finish(&mut self) -> Option<Entry> {
        let login = std::mem::take(&mut self.login);
        let mut entry = self.pending.take()?;
        if let Ok(job) = &mut entry {
            login.give(job);
        }
        Some(entry)
    }

    /// Lines of all inputs so far: what the reader of the next input begins with.
    pub fn lines_total(&self) -> u64 {
        self.lines_before + self.line_number
    }

    /// The number of the entry that begins with this line, if it has one.
    fn index(&mut self) -> Option<u64> {
        match &mut self.numbers {
            None => Some(self.lines_total()),
            Some(numbers) => numbers.take(),
        }
    }

    fn at(&self) -> At {
        At { index: self.lines_total(), line_number: self.line_number }
    }

    /// Reads an option line into the pending entry. A bad one makes a fault of it, and the options
    /// of an entry that is a fault already do not matter any more.
    fn option_line(&mut self, text: &[u8], line: Result<&str, InputProblem>) -> Option<Entry> {
        let at = self.at();
        match &mut self.pending {
            None => {
                let remedy = "an option line needs a URL above it; begin a URL line with the URL";
                let bad = message_of(at, &shown_option(text), InputProblem::Option, remedy);
                self.pending = Some(Err(bad));
            }
            Some(Err(_)) => {}
            Some(Ok(job)) => {
                let text = shown_option(text);
                let result = match line {
                    Ok(line) => self
                        .rules
                        .apply(&mut job.options, &mut self.login, line)
                        .map_err(|(problem, remedy)| message_of(at, &text, problem, &remedy)),
                    Err(problem) => Err(bad_line(at, &text, problem)),
                };
                if let Err(bad) = result {
                    // The row is that of the URL, not one more.
                    let text = job.url().into();
                    self.pending = Some(Err(BadLine { index: job.index, text, ..bad }));
                }
            }
        }
        None
    }
}

/// Most bytes of a line that [`Lines::line`] looks at: the longest good line and CR LF.
pub const LINE_PREFIX_BYTES: usize = limits::LINE_BYTES_MAX + 2;

/// Cells of a row of a table, or members of a JSON object, about one job; an empty one says
/// nothing.
#[derive(Debug, Default)]
pub(super) struct Cells<'a> {
    pub(super) url: &'a [u8],
    /// The value of `out=`.
    pub(super) out: &'a [u8],
    /// The value of `checksum=`, or the digits alone.
    pub(super) checksum: &'a [u8],
}

/// The job of a row, or why there is none; either has the cells that the report keeps.
pub(super) fn entry_of_row(
    at: At,
    cells: &Cells<'_>,
    kept: Kept,
    origin: &mut LastOrigin,
) -> Entry {
    match entry_of_cells(at, cells, origin) {
        Ok(job) => Ok(Job { kept, ..job }),
        Err(bad) => Err(BadLine { kept, ..bad }),
    }
}

fn entry_of_cells(at: At, cells: &Cells<'_>, origin: &mut LastOrigin) -> Entry {
    let url = cells.url.trim_ascii();
    if url.is_empty() {
        let remedy = "the URL is missing; fill it in, or remove the row";
        return Err(message_of(at, url, InputProblem::Url, remedy));
    }
    let text = std::str::from_utf8(url).map_err(|_| InputProblem::NotUtf8);
    let parsed = text.and_then(|text| origin.parse(text));
    let target = parsed.map_err(|problem| {
        let bad = bad_line(at, &url[..url.len().min(LINE_PREFIX_BYTES)], problem);
        let is_shortened = problem == InputProblem::LineTooLong;
        let text = if is_shortened { bad.text } else { padded(&bad.text, cells.url) };
        BadLine { text, ..bad }
    })?;
    // What was trimmed is ASCII.
    let mut job = Job::new(at.index, target, &String::from_utf8_lossy(cells.url));
    for (name, cell) in [("out", cells.out), ("checksum", cells.checksum)] {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            continue;
        }
        let options = job.options.get_or_insert_default();
        let applied = match std::str::from_utf8(cell) {
            Ok(cell) => apply_cell(options, name, cell)
                .map_err(|(problem, remedy)| message_of(at, cell.as_bytes(), problem, &remedy)),
            Err(_) => Err(bad_line(at, cell, InputProblem::NotUtf8)),
        };
        if let Err(bad) = applied {
            return Err(BadLine { text: job.url().into(), ..bad });
        }
    }
    Ok(job)
}

/// A cell's text to show, between the blanks around the cell.
fn padded(shown: &[u8], cell: &[u8]) -> Vec<u8> {
    let front = cell.len() - cell.trim_ascii_start().len();
    let back = cell.trim_ascii_end().len();
    [&cell[..front], shown, &cell[back..]].concat()
}

/// Reads a cell that is not empty into the options.
fn apply_cell(
    options: &mut JobOptions,
    name: &str,
    cell: &str,
) -> Result<(), (InputProblem, Cow<'static, str>)> {
    if name == "checksum" {
        let bad = |why: ChecksumError| (InputProblem::Checksum, why.to_string().into());
        options.checksum = Some(Box::new(Checksum::from_cell(cell).map_err(bad)?));
        return Ok(());
    }
    Rules::default().apply_plain(options, name, cell)
}

fn entry_of_url(at: At, line: &str, origin: &mut LastOrigin, left_out: &mut LeftOut) -> Entry {
    let (url, rest) = line.split_once('\t').unwrap_or((line, ""));
    let target = origin.parse(url).map_err(|problem| bad_line(at, line.as_bytes(), problem))?;
    let mut job = Job::new(at.index, target, url.trim_matches(' '));
    let mut mirrors = Mirrors::default();
    let urls = rest.split('\t').filter(|url| !url.trim_ascii().is_empty());
    for (number, url) in (1..).zip(urls) {
        if let Err(problem) = mirrors.add(url, &job.target) {
            return Err(bad_mirror(at, number, url, problem).of_row(job.url()));
        }
    }
    let (mirrors, others) = mirrors.finish();
    *left_out += others;
    if !mirrors.is_empty() {
        job.options.get_or_insert_default().mirrors = mirrors;
    }
    Ok(job)
}

#[cfg(test)]
mod tests;
