//! Where entries come from: the inputs of a run, one behind the other; files also for a second
//! reader, who goes ahead of the first one.

use crate::config::{Input, InputConfig, InputFormat};
use crate::error::RunError;
use crate::plan::input::{List, Packing, Unpacker, format_of};
use crate::plan::job::{Entry, Job};
use crate::ring::setup;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All inputs as one sequence of entries. It is the caller's loop that reads: no thread, no more
/// memory than one buffer.
pub(crate) struct Lists {
    sources: Vec<Source>,
    /// How many of them were begun.
    begun: usize,
    current: Option<Current>,
    config: InputConfig,
    /// Lines of the inputs that were read to their end.
    lines_before: u64,
    /// What users want to know of the inputs that were read to their end.
    notes: Notes,
}

/// What there is to say of inputs beside their entries.
#[derive(Clone, Debug, Default)]
struct Notes {
    /// Inputs without an entry.
    empty: Vec<String>,
    /// Options of aria2 that were passed over.
    passed_over: BTreeSet<&'static str>,
}

/// What reading on came to.
#[derive(Debug)]
pub(crate) enum Item {
    /// The next entry; it says its index itself.
    Entry(Entry),
    /// A pipe has nothing more for now, and the next call may wait for its writer: whoever keeps
    /// entries back lets go of them.
    Pause,
}

impl Lists {
    /// Looks at all inputs, so that a missing one is known before the run begins. Pipes in the file
    /// system are opened when their turn comes, because that waits for their writers.
    ///
    /// # Errors
    /// An input cannot be read.
    pub(crate) fn open(inputs: &[Input], config: &InputConfig, dir: &Path) -> anyhow::Result<Self> {
        // A path that is no text has nothing beneath it that a list can name.
        let dir = std::path::absolute(dir).ok().and_then(|dir| dir.to_str().map(str::to_owned));
        let config = InputConfig { dir: dir.unwrap_or_default(), ..config.clone() };
        let look = |input| Source::look(input, &config);
        let sources = inputs.iter().map(look).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            sources,
            begun: 0,
            current: None,
            config,
            lines_before: 0,
            notes: Notes::default(),
        })
    }

    /// The run goes on with the report of this token. Says whether what is to be read are lines of
    /// it that are pulled again, by a list of [`again`](crate::plan::job::again).
    pub(crate) fn continue_report(&mut self, token: u64) -> bool {
        self.config.is_of_report = matches!(
            self.sources.as_slice(),
            [Source::File { report: Some(report), .. }] if *report == token
        );
        self.config.is_of_report
    }

    /// The same inputs for a second reader, from where this one stands; a packed file from its
    /// start. `None` where one of them is a pipe or standard input, which give their entries once,
    /// or where another file has taken the place of the one that is being read.
    pub(crate) fn onward(&self) -> Option<Self> {
        let sources = self.sources.iter().map(Source::again).collect::<Option<_>>()?;
        let mut onward = Self {
            sources,
            begun: self.begun,
            current: None,
            config: self.config.clone(),
            lines_before: self.lines_before,
            notes: Notes::default(),
        };
        match &self.current {
            None => {}
            Some(Current::Arguments(urls)) => {
                onward.current = Some(Current::Arguments(urls.clone()));
            }
            Some(Current::Stream(stream)) => {
                let Source::File { path, .. } = &onward.sources[self.begun - 1] else {
                    return None;
                };
                let file = stream.reopened(path).ok()??;
                if stream.is_plain() {
                    let stream = stream.onward(file).ok()?;
                    onward.current = Some(Current::Stream(Box::new(stream)));
                } else {
                    onward.begun -= 1;
                }
            }
        }
        Some(onward)
    }

    /// The next entry, in the order of the inputs and their lines; nothing at their end.
    ///
    /// # Errors
    /// An input cannot be read to its end. All entries before that were given, and there is nothing
    /// behind it: its line numbers would change as soon as the input is mended.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Item>> {
        loop {
            let item = match &mut self.current {
                None if self.begun == self.sources.len() => return Ok(None),
                None => {
                    self.begin()?;
                    continue;
                }
                Some(Current::Stream(stream)) => {
                    let next = stream.next();
                    stream.is_empty &= !matches!(next, Some(Ok(Item::Entry(_)) | Err(_)));
                    next
                }
                Some(Current::Arguments(urls)) => urls.next().map(|url| {
                    self.lines_before += 1;
                    Ok(Item::Entry(Job::from_argument(self.lines_before, &url)))
                }),
            };
            match item {
                Some(Ok(item)) => return Ok(Some(item)),
                Some(Err(error)) => {
                    self.end_current();
                    self.begun = self.sources.len();
                    return Err(error);
                }
                None => self.end_current(),
            }
        }
    }

    fn end_current(&mut self) {
        if let Some(Current::Stream(stream)) = self.current.take() {
            self.lines_before = stream.list.lines_total();
            self.notes.passed_over.extend(stream.list.passed_over());
            if stream.is_empty {
                self.notes.empty.push(stream.name);
            }
        }
    }

    /// Sentences about the inputs that were read to their end.
    pub(crate) fn notes(&self) -> Vec<String> {
        let Notes { empty, passed_over } = &self.notes;
        let mut notes: Vec<String> =
            empty.iter().map(|name| format!("warning: there is no URL in {name}")).collect();
        if !passed_over.is_empty() {
            let names = passed_over.iter().copied().collect::<Vec<_>>().join(", ");
            notes.push(format!("note: options of aria2 without effect on files: {names}"));
        }
        notes
    }

    /// Whether what is read now comes to its end without anybody's help: a file, or arguments.
    pub(crate) fn is_steady(&self) -> bool {
        match &self.current {
            Some(Current::Stream(stream)) => stream.pace == Pace::Steady,
            Some(Current::Arguments(_)) | None => true,
        }
    }

    /// Lines of the inputs that were read to their end.
    pub(crate) fn lines_total(&self) -> u64 {
        self.lines_before
    }

    /// Begins the next source.
    fn begin(&mut self) -> anyhow::Result<()> {
        let source = &mut self.sources[self.begun];
        self.begun += 1;
        let (file, name) = match source {
            Source::Arguments(urls) => {
                self.current = Some(Current::Arguments(urls.clone().into_iter()));
                return Ok(());
            }
            Source::Stdin(file) => {
                (file.try_clone().context("cannot read standard input")?, STDIN.to_owned())
            }
            Source::File { path, .. } => {
                let name = path.display().to_string();
                (File::open(&*path).with_context(|| unusable(&name))?, name)
            }
        };
        let format = format_of_input(&self.config, &name);
        let list = List::new(format, &self.config, self.lines_before);
        self.current = Some(Current::Stream(Box::new(Stream::new(file, name, list))));
        Ok(())
    }
}

/// What the lines of an input are.
fn format_of_input(config: &InputConfig, name: &str) -> InputFormat {
    config.format.unwrap_or_else(|| format_of(name))
}

/// One input that was looked at.
enum Source {
    /// A file, or a pipe in the file system; and the token of the report whose lines are in it.
    File { path: PathBuf, report: Option<u64> },
    /// Standard input, read once.
    Stdin(File),
    /// URLs given as arguments.
    Arguments(Vec<String>),
}

impl Source {
    /// The same for a second reader, where there can be one.
    fn again(&self) -> Option<Self> {
        match self {
            Self::File { path, report } if path.is_file() => {
                Some(Self::File { path: path.clone(), report: *report })
            }
            Self::File { .. } | Self::Stdin(_) => None,
            Self::Arguments(urls) => Some(Self::Arguments(urls.clone())),
        }
    }

    fn look(input: &Input, config: &InputConfig) -> anyhow::Result<Self> {
        Ok(match input {
            Input::Urls(urls) => Self::Arguments(urls.clone()),
            Input::Stdin => {
                let stdin = io::stdin().as_fd().try_clone_to_owned();
                Self::Stdin(File::from(stdin.context("cannot read standard input")?))
            }
            Input::File(path) => {
                let name = path.display().to_string();
                let cannot = || unusable(&name);
                let mut report = None;
                if path.metadata().with_context(cannot)?.is_file() {
                    let format = format_of_input(config, &name);
                    let list = List::new(format, config, 0);
                    let file = File::open(path).with_context(cannot)?;
                    report = Stream::new(file, name.clone(), list).check()?;
                }
                Self::File { path: path.clone(), report }
            }
        })
    }
}

/// The source that is being read.
enum Current {
    Stream(Box<Stream>),
    Arguments(std::vec::IntoIter<String>),
}

/// The bytes of one source and what reads them.
struct Stream {
    file: File,
    name: String,
    list: List,
    /// Bytes of the file.
    raw: Buffer,
    /// Bytes that were unpacked.
    unpacked: Buffer,
    /// What unpacks, where anything is packed; unknown before the first bytes.
    unpacker: Option<Option<Unpacker>>,
    pace: Pace,
    /// Whether it had no entry so far.
    is_empty: bool,
    /// Why the source could not be read to its end.
    broken: Option<anyhow::Error>,
    /// Lines of the inputs before it.
    lines_before: u64,
}

/// How a stream that can be slow is getting on.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// A file: what is not there is never there.
    Steady,
    /// The last read brought something.
    Flowing,
    /// There was nothing to read, and the caller was told so.
    Paused,
    /// The entry that waited for option lines was given, too.
    Released,
    /// Nothing is left to do but to wait.
    Waiting,
    /// It has ended.
    Ended,
}

impl Stream {
    fn new(file: File, name: String, list: List) -> Self {
        let is_steady = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Self {
            file,
            name,
            lines_before: list.lines_total(),
            list,
            raw: Buffer::default(),
            unpacked: Buffer::default(),
            unpacker: None,
            pace: if is_steady { Pace::Steady } else { Pace::Flowing },
            is_empty: true,
            broken: None,
        }
    }

    /// Whether it is not packed, as far as it was read.
    fn is_plain(&self) -> bool {
        matches!(self.unpacker, Some(None)) && self.broken.is_none()
    }

    /// Its file, opened again, if that is what is at `path`.
    fn reopened(&self, path: &Path) -> io::Result<Option<File>> {
        let file = File::open(path)?;
        let (ours, other) = (self.file.metadata()?, file.metadata()?);
        let is_same = (ours.dev(), ours.ino()) == (other.dev(), other.ino());
        Ok(is_same.then_some(file))
    }

    /// The same from where this one stands, reading what is not packed from `file`.
    fn onward(&self, mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start((&self.file).stream_position()?))?;
        Ok(Self {
            file,
            name: self.name.clone(),
            list: self.list.clone(),
            raw: self.raw.clone(),
            unpacked: Buffer::default(),
            unpacker: Some(None),
            pace: self.pace,
            is_empty: self.is_empty,
            broken: None,
            lines_before: self.lines_before,
        })
    }

    /// Finds out whether it can be read at all, as far as its first bytes say, and the token of the
    /// report whose lines it has.
    fn check(mut self) -> anyhow::Result<Option<u64>> {
        while self.unpacker.is_none() && self.pace != Pace::Ended {
            self.fill();
        }
        // Up to the first entry: behind the names of the columns, or the first line.
        match self.next() {
            Some(Err(error)) if error.is::<RunError>() => Err(error),
            // What breaks off later is told when it was read so far.
            Some(_) | None => Ok(self.list.report_token()),
        }
    }

    /// The next entry, or why there is none.
    fn next(&mut self) -> Option<anyhow::Result<Item>> {
        loop {
            match self.read() {
                Ok(Some(entry)) => return Some(Ok(Item::Entry(entry))),
                Ok(None) => {}
                Err(error) => {
                    self.pace = Pace::Ended;
                    (self.raw, self.unpacked) = Default::default();
                    self.broken.get_or_insert(error);
                }
            }
            match self.pace {
                Pace::Ended => return self.ending(),
                Pace::Flowing if !setup::is_readable(&self.file, Duration::ZERO) => {
                    self.pace = Pace::Paused;
                    return Some(Ok(Item::Pause));
                }
                Pace::Paused if !setup::is_readable(&self.file, OPTIONS_WAIT) => {
                    // Option lines come with their URL or not at all.
                    let entry = self.list.pause();
                    self.pace = if entry.is_some() { Pace::Released } else { Pace::Waiting };
                    if let Some(entry) = entry {
                        return Some(Ok(Item::Entry(entry)));
                    }
                }
                Pace::Released => {
                    self.pace = Pace::Waiting;
                    return Some(Ok(Item::Pause));
                }
                Pace::Steady | Pace::Flowing | Pace::Paused | Pace::Waiting => self.fill(),
            }
        }
    }

    /// The next entry of the bytes that are there.
    fn read(&mut self) -> anyhow::Result<Option<Entry>> {
        loop {
            let window = match &self.unpacker {
                Some(None) => &mut self.raw,
                Some(Some(_)) | None => &mut self.unpacked,
            };
            let step = self.list.read(window.bytes());
            let step = step.with_context(|| unusable(&self.name))?;
            window.begin += step.used;
            if step.entry.is_some() {
                return Ok(step.entry);
            }
            let Some(Some(unpacker)) = &mut self.unpacker else { return Ok(None) };
            let (used, written) = unpacker.unpack(self.raw.bytes(), self.unpacked.room())?;
            self.raw.begin += used;
            self.unpacked.end = written;
            if (used, written) == (0, 0) {
                return Ok(None);
            }
        }
    }

    /// Reads from the file.
    fn fill(&mut self) {
        if self.unpacker.is_some() {
            debug_assert!(self.raw.bytes().is_empty(), "bytes would be lost");
            self.raw.room();
        }
        match self.file.read(self.raw.free()) {
            Ok(0) => self.pace = Pace::Ended,
            Ok(length) => {
                self.raw.end += length;
                if self.pace != Pace::Steady {
                    self.pace = Pace::Flowing;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => {
                self.pace = Pace::Ended;
                self.broken = Some(error.into());
            }
        }
        if self.unpacker.is_none() {
            let packing = Packing::of(self.raw.bytes());
            let is_short = self.pace == Pace::Ended;
            match packing.or_else(|| is_short.then_some(Packing::None)) {
                None => {}
                Some(Packing::Foreign(what)) => {
                    self.pace = Pace::Ended;
                    let broken = anyhow::anyhow!("it is {what}");
                    self.broken = Some(broken.context(unusable(&self.name)));
                }
                Some(packing) => match Unpacker::new(packing) {
                    Ok(unpacker) => self.unpacker = Some(unpacker),
                    Err(error) => {
                        self.pace = Pace::Ended;
                        self.broken = Some(error.into());
                    }
                },
            }
        }
    }

    /// What is left when no byte is.
    fn ending(&mut self) -> Option<anyhow::Result<Item>> {
        if self.broken.is_none()
            && let Some(Some(unpacker)) = &self.unpacker
        {
            self.broken = unpacker.finish().err().map(anyhow::Error::from);
        }
        if self.broken.is_none() {
            match self.list.finish() {
                Ok(entry) => return entry.map(|entry| Ok(Item::Entry(entry))),
                Err(error) => return Some(Err(error).context(unusable(&self.name))),
            }
        }
        if let Some(entry) = self.list.abandon() {
            return Some(Ok(Item::Entry(entry)));
        }
        let error = self.broken.take()?;
        if error.is::<RunError>() {
            return Some(Err(error));
        }
        let lines = self.list.lines_total() - self.lines_before;
        let cannot = format!("cannot read {} to its end, only {lines} whole lines", self.name);
        Some(Err(error.context(RunError::local_file(cannot))))
    }
}

/// Bytes of a buffer that were not read yet.
#[derive(Clone, Default)]
struct Buffer {
    /// Made when it is needed first.
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    /// The whole buffer, for new bytes.
    fn room(&mut self) -> &mut [u8] {
        (self.begin, self.end) = (0, 0);
        self.free()
    }

    /// What is free behind the bytes.
    fn free(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ_BYTES];
        }
        &mut self.buffer[self.end..]
    }
}

/// The list of this name is not one, or cannot be read.
fn unusable(name: &str) -> RunError {
    RunError::usage(format!("cannot read the list {name}"))
}

/// What standard input is called.
const STDIN: &str = "standard input";
/// How long a URL at the end of what a pipe has sent waits for its option lines.
const OPTIONS_WAIT: Duration = Duration::from_millis(50);
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn indices(lists: &mut Lists, count: usize) -> Vec<u64> {
        let next = || match lists.next().unwrap()? {
            Item::Entry(entry) => Some(entry.map_or_else(|line| line.index, |job| job.index)),
            Item::Pause => panic!("a file has no pauses"),
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn a_second_reader_begins_where_the_first_one_stands() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (1..=4).map(|n| format!("http://a/{n}\n  out={n}\n")).collect();
        let (plain, packed) = (dir.path().join("a.txt"), dir.path().join("b.txt.gz"));
        std::fs::write(&plain, &text).unwrap();
        let file = File::create(&packed).unwrap();
        let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
        let urls = Input::Urls(vec!["http://u/1".to_owned(), "http://u/2".to_owned()]);
        let inputs = [urls, Input::File(plain), Input::File(packed)];
        let open = || Lists::open(&inputs, &InputConfig::default(), Path::new("")).unwrap();
        let all = indices(&mut open(), usize::MAX);
        assert_eq!(all, [1, 2, 3, 5, 7, 9, 11, 13, 15, 17]);
        for read in 0..=all.len() {
            let mut lists = open();
            indices(&mut lists, read);
            let ahead = indices(&mut lists.onward().unwrap(), usize::MAX);
            // A packed file is read anew.
            let from = read.min(6);
            assert_eq!(ahead, all[from..], "{read}");
            assert_eq!(
                indices(&mut lists, usize::MAX),
                all[read..],
                "the first one is in its place"
            );
        }
    }

    #[test]
    fn a_list_that_was_replaced_has_no_second_reader() {
        let dir = tempfile::tempdir().unwrap();
        let (list, other) = (dir.path().join("a.txt"), dir.path().join("b.txt"));
        std::fs::write(&list, "http://a/1\nhttp://a/2\n").unwrap();
        std::fs::write(&other, "# a comment\nhttp://a/3\n").unwrap();
        let mut lists =
            Lists::open(&[Input::File(list.clone())], &InputConfig::default(), Path::new(""))
                .unwrap();
        assert_eq!(indices(&mut lists, 1), [1]);
        std::fs::rename(&other, &list).unwrap();
        assert!(lists.onward().is_none());
        assert_eq!(indices(&mut lists, 2), [2], "what was opened is read on");
    }

    #[test]
    fn a_pipe_is_read_once() {
        let lists = Lists::open(&[Input::Stdin], &InputConfig::default(), Path::new("")).unwrap();
        assert!(lists.onward().is_none());
    }
}
