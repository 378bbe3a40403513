//! Reports read from their files: row by row, or by several threads at once.
//!
//! One thread cuts the file at line ends and hands whole lines to the others, in turn; what these
//! make of their rows comes back in the order of the report. So much of it is in memory as the
//! threads are at work on, and as much again.

use crate::engine::say::{heard, say};
use crate::error::RunError;
use crate::report::RowFormat;
use crate::report::journal::{Cut, Entry, Part, Reader, Refused, Scanned};
use crate::report::packing::Packing;
use anyhow::Context as _;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// A report to be read.
#[derive(Clone, Copy)]
pub(crate) struct Source<'s> {
    file: &'s File,
    path: &'s Path,
    format: RowFormat,
    /// Whether the versions of files are read, too.
    has_versions: bool,
    /// Bytes read at once.
    read_bytes: usize,
}

impl<'s> Source<'s> {
    pub(crate) fn new(file: &'s File, path: &'s Path, format: RowFormat) -> Self {
        Self { file, path, format, has_versions: false, read_bytes: READ_BYTES }
    }

    /// This report, with the versions of files if they are wanted.
    pub(crate) fn with_versions(self, has_versions: bool) -> Self {
        Self { has_versions, ..self }
    }

    fn reader(&self) -> Reader {
        let reader = Reader::new(self.format, Packing::of(self.path));
        if self.has_versions { reader.with_versions() } else { reader }
    }

    fn cannot(&self) -> RunError {
        RunError::local_file(format!("cannot read the report {}", self.path.display()))
    }

    fn refused(&self) -> RunError {
        RunError::usage(format!(
            "cannot continue {}, and it is left as it is (give another --report, or --fresh to \
             replace it)",
            self.path.display()
        ))
    }
}

/// Reads all rows of a report; `each` gets every row and where it ends.
pub(crate) fn scan(
    file: &File,
    path: &Path,
    format: RowFormat,
    each: impl FnMut(&Entry<'_>, u64),
) -> anyhow::Result<Scanned> {
    scan_source(Source::new(file, path, format), each)
}

fn scan_source(
    source: Source<'_>,
    mut each: impl FnMut(&Entry<'_>, u64),
) -> anyhow::Result<Scanned> {
    let mut reader = source.reader();
    let mut input = Input::new(source);
    while input.fill().with_context(|| source.cannot())? {
        let used = reader.feed(input.bytes(), |entry, end| each(&entry, end));
        input.forget(used.with_context(|| source.refused())?);
    }
    reader.finish(input.bytes()).with_context(|| source.refused())
}

/// Reads all rows of a report by so many threads beside this one. `take` gets each row and where it
/// ends, with a batch for it and its neighbours; `each` gets the batches, in the order of the
/// report, and all those before an error.
pub(crate) fn scan_in_batches<B, T>(
    source: Source<'_>,
    threads: usize,
    take: &T,
    each: impl FnMut(B),
) -> anyhow::Result<Scanned>
where
    B: Default + Send,
    T: Fn(&mut B, &Entry<'_>, u64) + Sync,
{
    std::thread::scope(|scope| {
        let mut batches =
            Batches { reader: source.reader(), helpers: VecDeque::new(), working: 0, take, each };
        for _ in 0..threads {
            match Helper::start(scope, take) {
                Ok(helper) => batches.helpers.push_back(helper),
                Err(error) => {
                    say(&format!("warning: the report is read by fewer threads: {error}"));
                    break;
                }
            }
        }
        let mut input = Input::new(source);
        while input.fill().with_context(|| source.cannot())? {
            input.forget(batches.feed(input.bytes()).with_context(|| source.refused())?);
        }
        batches.finish(input.bytes()).with_context(|| source.refused())
    })
}

/// Bytes of a file that were not used yet.
struct Input<'f> {
    file: &'f File,
    at: u64,
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

impl<'f> Input<'f> {
    fn new(source: Source<'f>) -> Self {
        let Source { file, read_bytes, .. } = source;
        Self { file, at: 0, buffer: vec![0; read_bytes], begin: 0, end: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    fn forget(&mut self, used: usize) {
        self.begin += used;
    }

    /// Reads on; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.file.read_at(&mut self.buffer[self.end..], self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                count => {
                    let count = count?;
                    self.end += count;
                    self.at += count as u64;
                    return Ok(count > 0);
                }
            }
        }
    }
}

/// The batches of a report in their order.
struct Batches<'t, B, T, E> {
    reader: Reader,
    /// The helpers of the reader: the one whose turn it is first, the one whose turn it was last.
    helpers: VecDeque<Helper<B>>,
    /// How many parts of the report were given to helpers and did not come back yet.
    working: usize,
    take: &'t T,
    each: E,
}

impl<B, T, E> Batches<'_, B, T, E>
where
    B: Default,
    T: Fn(&mut B, &Entry<'_>, u64),
    E: FnMut(B),
{
    /// Takes the next bytes; see [`Reader::feed`].
    fn feed(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let mut used = 0;
        loop {
            let (length, cut) = match self.reader.cut(&bytes[used..]) {
                Ok(cut) => cut,
                Err(problem) => {
                    self.collect_all()?;
                    return Err(self.reader.refused(problem));
                }
            };
            if length == 0 {
                return Ok(used);
            }
            used += length;
            self.give(cut)?;
        }
    }

    fn finish(mut self, rest: &[u8]) -> Result<Scanned, Refused> {
        self.collect_all()?;
        self.reader.finish(rest)
    }

    /// Has lines read: by the helper whose turn it is, unless only those before them tell how.
    fn give(&mut self, cut: Cut) -> Result<(), Refused> {
        if self.working == self.helpers.len() * LINES_PER_HELPER {
            self.collect()?;
        }
        let part = if self.helpers.is_empty() { None } else { self.reader.part(&cut) };
        match (part, self.helpers.pop_front()) {
            (Some(part), Some(helper)) => {
                let lines = Lines { cut, part, batch: B::default() };
                // Should it be gone, it panicked, and the scope says so.
                let _ = helper.lines.send(lines);
                self.helpers.push_back(helper);
                self.working += 1;
                Ok(())
            }
            (_, helper) => {
                helper.into_iter().for_each(|helper| self.helpers.push_front(helper));
                self.collect_all()?;
                self.read(&cut)
            }
        }
    }

    fn collect_all(&mut self) -> Result<(), Refused> {
        while self.working > 0 {
            self.collect()?;
        }
        Ok(())
    }

    /// Takes what comes back next, if anything does.
    fn collect(&mut self) -> Result<(), Refused> {
        let Some(later) = self.working.checked_sub(1) else { return Ok(()) };
        let count = self.helpers.len();
        let helper = &self.helpers[count - 1 - later % count];
        self.working = later;
        let Ok(Lines { cut, part, batch }) = helper.read.recv() else { return Ok(()) };
        match self.reader.join(part) {
            Some(result) => {
                (self.each)(batch);
                result
            }
            None => self.read(&cut),
        }
    }

    fn read(&mut self, cut: &Cut) -> Result<(), Refused> {
        let mut batch = B::default();
        let result = self.reader.read(cut, |entry, end| (self.take)(&mut batch, &entry, end));
        (self.each)(batch);
        result
    }
}

/// Lines on their way to a helper and back.
struct Lines<B> {
    cut: Cut,
    part: Part,
    batch: B,
}

/// A thread that reads lines.
struct Helper<B> {
    lines: SyncSender<Lines<B>>,
    read: Receiver<Lines<B>>,
}

impl<B: Send> Helper<B> {
    fn start<'s, T>(scope: &'s Scope<'s, '_>, take: &'s T) -> io::Result<Self>
    where
        B: 's,
        T: Fn(&mut B, &Entry<'_>, u64) + Sync,
    {
        let (lines, received) = sync_channel::<Lines<B>>(LINES_PER_HELPER);
        let (send, read) = sync_channel(LINES_PER_HELPER);
        let read_all = move || {
            for mut lines in received {
                let Lines { cut, part, batch } = &mut lines;
                cut.read(part, |entry, end| take(batch, &entry, end));
                if send.send(lines).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("report".into())
            .spawn_scoped(scope, heard::inherit(read_all))?;
        Ok(Self { lines, read })
    }
}

/// Lines are given to a thread before it is done with those it has.
const LINES_PER_HELPER: usize = 2;
/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Fault, Stage};
    use crate::report::packing::pack;
    use crate::report::{Row, RowEncoder, Status};
    use proptest::prelude::*;
    use std::io::Write as _;
    use std::time::SystemTime;

    /// What is compared: line, what the row says and where it ends, and what the whole came to.
    type Read = (Vec<(u64, String, u64)>, Result<Scanned, String>);

    fn told(entry: &Entry<'_>, end: u64) -> (u64, String, u64) {
        let Entry { url, status, filename, size_file, version, .. } = entry;
        let url = String::from_utf8_lossy(url);
        (entry.index, format!("{url} {status:?} {filename} {size_file:?} {version:?}"), end)
    }

    fn by_one(source: Source<'_>) -> Read {
        let mut rows = Vec::new();
        let each = |entry: &Entry<'_>, end| rows.push(told(entry, end));
        let scanned = scan_source(source, each);
        (rows, scanned.map_err(|error| format!("{error:#}")))
    }

    fn by_many(source: Source<'_>, threads: usize) -> Read {
        let mut rows = Vec::new();
        let take = |rows: &mut Vec<_>, entry: &Entry<'_>, end| rows.push(told(entry, end));
        let scanned =
            scan_in_batches(source, threads, &take, |mut batch: Vec<_>| rows.append(&mut batch));
        (rows, scanned.map_err(|error| format!("{error:#}")))
    }

    fn row(index: u64, kind: u8) -> Row {
        let url = format!("http://h/{}", "x".repeat(usize::from(kind) % 7));
        let mut row = Row::new(index, url.into_bytes(), SystemTime::UNIX_EPOCH);
        match kind % 4 {
            0 => row.fault = Some(Fault::new(Stage::Connect, Cause::Interrupted)),
            1 => row.url = b"no url, \"but\" \xff, \n".to_vec(),
            _ => {
                row.status = Status::Ok;
                row.etag = Some("\"82-4\"".into());
                row.filename = Some(format!("out/{index}, \"a\""));
                row.size_file = Some(index);
            }
        }
        row
    }

    /// A piece of a report, or of what may be in one.
    #[derive(Clone, Debug)]
    enum Piece {
        Row(u8),
        Header(Vec<String>),
        Old,
        Damage(Vec<u8>),
    }

    fn piece() -> impl Strategy<Value = Piece> {
        let kept = prop::collection::vec("[a-c\"]{1,3}", 0..2);
        let damage = prop::sample::select(vec![
            &b"\0"[..],
            b"torn\n",
            b"\n",
            b"\r\n",
            b"\0\0\nrest\n",
            b"a,b",
            b"{\"url\":1}\n",
            b"\"\n",
        ]);
        prop_oneof![
            60 => any::<u8>().prop_map(Piece::Row),
            1 => kept.prop_map(Piece::Header),
            1 => Just(Piece::Old),
            1 => damage.prop_map(|bytes| Piece::Damage(bytes.to_vec())),
        ]
    }

    fn report(format: RowFormat, packing: Packing, pieces: &[Piece]) -> Vec<u8> {
        let mut encoder = RowEncoder::new(format);
        let (mut report, mut packed) = (Vec::new(), Vec::new());
        encoder.header(&mut report);
        for (index, piece) in (1..).zip(pieces) {
            match piece {
                Piece::Row(kind) => encoder.encode(&row(index, *kind), &mut report),
                Piece::Header(kept) => {
                    encoder = RowEncoder::new(format).keeping(kept.clone());
                    encoder.header(&mut report);
                }
                Piece::Old => {
                    report.extend_from_slice(b"url,response_code,index,status\nhttp://a/,,7,ok\n");
                    encoder = RowEncoder::new(format);
                    encoder.header(&mut report);
                }
                Piece::Damage(bytes) => report.extend_from_slice(bytes),
            }
            if index % 5 == 0 {
                pack(packing, &report, &mut packed);
                report.clear();
            }
        }
        pack(packing, &report, &mut packed);
        packed
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Several threads make of any report, whole or damaged, what one makes of it.
        #[test]
        fn a_report_says_the_same_to_many_threads_as_to_one(
            pieces in prop::collection::vec(piece(), 0..60),
            format in prop::sample::select(vec![RowFormat::Csv, RowFormat::JsonLines]),
            packing in prop::sample::select(vec!["", ".gz", ".zst"]),
            cut in prop::option::of(0_usize..3_000),
            zeros in prop::sample::select(vec![0_usize, 0, 700]),
            read_bytes in prop::sample::select(vec![1_usize, 300, 900, 5_000]),
            threads in 0_usize..4,
            has_versions in any::<bool>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(format!("report{packing}"));
            let mut bytes = report(format, Packing::of(&path), &pieces);
            bytes.truncate(bytes.len() - cut.unwrap_or(0).min(bytes.len()));
            bytes.resize(bytes.len() + zeros, 0);
            let mut file = File::create_new(&path).unwrap();
            file.write_all(&bytes).unwrap();
            let file = File::open(&path).unwrap();
            let source = Source { read_bytes, ..Source::new(&file, &path, format) };
            let source = source.with_versions(has_versions);
            prop_assert_eq!(by_many(source, threads), by_one(source));
        }
    }
}
