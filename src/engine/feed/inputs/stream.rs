//! One input as bytes: a file or a pipe, packed or not, read piece by piece.

use super::item::{Item, unusable};
use crate::error::RunError;
use crate::plan::input::{List, Packing, Unpacker};
use crate::plan::job::{Entry, LeftOut};
use crate::ring::setup;
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// The bytes of one source and what reads them.
pub(super) struct Stream {
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
    /// The stream has ended.
    Ended,
}

impl Stream {
    /// Reads a file or pipe of this name, whose bytes are what `list` says.
    pub(super) fn new(file: File, name: String, list: List) -> Self {
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
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.unpacker, Some(None)) && self.broken.is_none()
    }

    /// Opens the file of the stream again, if that is what is at `path`.
    pub(super) fn reopened(&self, path: &Path) -> io::Result<Option<File>> {
        let file = File::open(path)?;
        let (ours, other) = (self.file.metadata()?, file.metadata()?);
        let is_same = (ours.dev(), ours.ino()) == (other.dev(), other.ino());
        Ok(is_same.then_some(file))
    }

    /// A second stream from where this one stands, which reads what is not packed from `file`.
    pub(super) fn onward(&self, mut file: File) -> io::Result<Self> {
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
    pub(super) fn check(mut self) -> anyhow::Result<Option<u64>> {
        while self.unpacker.is_none() && self.pace != Pace::Ended {
            self.fill();
        }
        // Up to the first entry: behind the names of the columns, or the first line.
        match self.go_on() {
            Some(Err(error)) if error.is::<RunError>() => Err(error),
            // What breaks off later is told when it was read so far.
            Some(_) | None => Ok(self.list.report_token()),
        }
    }

    /// The next entry, or why there is none.
    pub(super) fn next(&mut self) -> Option<anyhow::Result<Item>> {
        let next = self.go_on();
        self.is_empty &= !matches!(next, Some(Ok(Item::Entry(_)) | Err(_)));
        next
    }

    fn go_on(&mut self) -> Option<anyhow::Result<Item>> {
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

    /// Whether it comes to its end without anybody's help: a file does, and a pipe may not.
    pub(super) fn is_steady(&self) -> bool {
        self.pace == Pace::Steady
    }

    /// Lines up to here, those of the inputs before it included.
    pub(super) fn lines_total(&self) -> u64 {
        self.list.lines_total()
    }

    /// Options of aria2 that were passed over.
    pub(super) fn passed_over(&self) -> &[&'static str] {
        self.list.passed_over()
    }

    /// What was met and is not used.
    pub(super) fn left_out(&self) -> LeftOut {
        self.list.left_out()
    }

    /// The name of the stream, if it had no entry.
    pub(super) fn into_empty_name(self) -> Option<String> {
        self.is_empty.then_some(self.name)
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
            && let Some(Some(unpacker)) = &mut self.unpacker
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

/// How long a URL at the end of what a pipe has sent waits for its option lines.
const OPTIONS_WAIT: Duration = Duration::from_millis(50);
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
