//! The room without a network: bodies come out of buffers, in pieces of any size.

use super::assembly::Coming;
use super::body::Body;
use super::destination::Output;
use super::dir_rules::DirRules;
use super::stored::{Location, Obstacle, Stored};
use crate::config::{Config, Destination, OnConflict};
use crate::engine::moment::Bounds;
use crate::fault::{Cause, DiskProblem, Fault};
use crate::http::coding::CodingProblem;
use crate::http::head::Framing;
use crate::http::{Exchange, Head, Step};
use crate::plan::checksum::{Checksum, Hasher, Kind};
use crate::plan::job::{Job, JobOptions};
use crate::plan::name::Template;
use crate::report::journal::Lost;
use crate::ring::buf::{BufPool, RecvBuf, Size};
use crate::ring::dir::{Dir, WriteOptions};
use crate::ring::io::Io;
use crate::ring::stream::Outlet;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;
use tokio::sync::Notify;

/// A run that has one directory.
struct Room {
    root: TempDir,
    dir: Dir,
    output: Output,
    buffers: BufPool,
    interrupt: Notify,
    io: Io,
}

/// Why a body did not become a file.
#[derive(Debug)]
enum Problem {
    Mismatch,
    Obstacle(Obstacle),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Obstacle(fault.into())
    }
}

impl Problem {
    fn cause(&self) -> &Cause {
        match self {
            Self::Obstacle(Obstacle::Fault(fault)) => &fault.cause,
            Self::Mismatch | Self::Obstacle(Obstacle::Kept) => panic!("{self:?} has no cause"),
        }
    }
}

impl Room {
    /// A run as `config` has it, with these files before it began.
    fn new(config: Config, before: &[&str]) -> Self {
        Self::losing(config, before, Lost::default())
    }

    /// A run of which some rows are not believed.
    fn losing(mut config: Config, before: &[&str], lost: Lost) -> Self {
        let root = tempfile::tempdir().unwrap();
        for path in before {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"before").unwrap();
        }
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        config.dir = "out".into();
        let rules = DirRules::new(&config, Some(&dir));
        let output = Output::new(&config, rules, lost);
        let (buffers, interrupt) = (BufPool::default(), Notify::new());
        Self { root, dir, output, buffers, interrupt, io: Io::default() }
    }

    /// Everything that is in the directory, in order: paths and contents.
    fn files(&self) -> Vec<(String, String)> {
        fn walk(root: &Path, path: &Path, files: &mut Vec<(String, String)>) {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(root, &path, files);
                    continue;
                }
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(path).unwrap()));
            }
        }
        let mut files = Vec::new();
        walk(self.root.path(), self.root.path(), &mut files);
        files.sort();
        files
    }

    fn bounds(&self) -> Bounds<'_> {
        let (io, began, interrupt) = (&self.io, Instant::now(), &self.interrupt);
        Bounds { io, began, job_at_ms: 60_000, interrupt }
    }

    /// Takes a body as an attempt does, in pieces of `piece` bytes, of which each waits in the
    /// buffer until the next one comes.
    fn take(&self, came: &Came<'_>, piece: usize) -> Result<Stored, Problem> {
        let Came { job, path, framing, bytes, is_coded } = *came;
        let coming = Coming { job, path, framing, is_coded };
        let taking = async {
            let mut buf = self.buffers.take(Size::Small);
            let place = (&self.dir, &self.buffers);
            let mut body = Body::begin(&self.output, coming, place, self.bounds())?;
            body.admit(bytes.len() as u64)?;
            pass(&mut body, &mut buf, bytes, piece).await?;
            body.conclude(&mut buf).await?.map_err(|_| Problem::Mismatch)?;
            body.finish(&mut buf, path).await.map_err(Problem::Obstacle)
        };
        block_on(taking)
    }

    fn store(&self, path: &str, body: &[u8]) -> Result<Stored, Problem> {
        self.take(&Came::plain(&job(), path, body), 3)
    }
}

/// A body, and what is said of it before it comes.
#[derive(Clone, Copy)]
struct Came<'a> {
    job: &'a Job,
    path: &'a str,
    framing: Framing,
    bytes: &'a [u8],
    is_coded: bool,
}

impl<'a> Came<'a> {
    fn plain(job: &'a Job, path: &'a str, bytes: &'a [u8]) -> Self {
        let framing = match bytes.len() as u64 {
            0 => Framing::Empty,
            length => Framing::Length(length),
        };
        Self { job, path, framing, bytes, is_coded: false }
    }
}

fn block_on<T>(doing: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(doing)
}

/// Gives a body its bytes; the last piece is left in the buffer.
async fn pass(
    body: &mut Body<'_>,
    buf: &mut RecvBuf,
    bytes: &[u8],
    piece: usize,
) -> Result<(), Fault> {
    for piece in bytes.chunks(piece) {
        if buf.body_len() > 0 {
            body.write(buf).await?;
            buf.make_room();
        }
        buf.append_body(piece);
    }
    Ok(())
}

fn job() -> Job {
    Job::from_argument(7, "http://h/a/name.txt").unwrap()
}

fn with_checksum(checksum: Checksum) -> Job {
    let options = JobOptions { checksum: Some(Box::new(checksum)), ..JobOptions::default() };
    Job { options: Some(Box::new(options)), ..job() }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn sha256(content: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(Kind::Sha256);
    hasher.update(content);
    hasher.finish()
}

fn policy(on_conflict: OnConflict) -> Config {
    Config { on_conflict, ..Config::default() }
}

fn hashing() -> Config {
    Config { compute_hash: Some(Kind::Sha256), ..Config::default() }
}

fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn a_body_is_stored_whole_however_it_comes() {
    let content = "0123456789 abcdefghij ".repeat(40);
    let coded = gzip(content.as_bytes());
    let coded = [&coded[..], &gzip(b"and more")].concat();
    let decoded = format!("{content}and more");
    let job = job();
    for piece in [1, 2, 7, 100, 4_000] {
        for (bytes, is_coded, whole) in
            [(content.as_bytes(), false, &content), (&coded[..], true, &decoded)]
        {
            let length = bytes.len() as u64;
            for framing in [Framing::Length(length), Framing::Chunked, Framing::Close] {
                let room = Room::new(hashing(), &[]);
                let came = Came { framing, is_coded, ..Came::plain(&job, "a/b", bytes) };
                let stored = room.take(&came, piece).unwrap();
                assert_eq!(room.files(), pairs(&[("a/b", whole)]), "pieces of {piece}");
                assert_eq!(stored.location, Location::Planned);
                assert_eq!(stored.size, whole.len() as u64);
                assert_eq!(stored.digest, Some(sha256(whole.as_bytes())));
                assert!(!stored.has_replaced);
            }
        }
    }
}

#[test]
fn nothing_is_stored_of_a_body_that_is_not_the_one() {
    let right = with_checksum(sha256(b"right"));
    let room = Room::new(Config::default(), &[]);
    for body in [&b"wrong"[..], b"", b"righ", b"rightt"] {
        let problem = room.take(&Came::plain(&right, "a", body), 2).unwrap_err();
        assert!(matches!(problem, Problem::Mismatch), "{problem:?}");
    }
    let coded = gzip(b"right");
    let cut = Came { is_coded: true, ..Came::plain(&right, "a", &coded[..coded.len() - 1]) };
    let problem = room.take(&cut, 4).unwrap_err();
    assert_eq!(*problem.cause(), Cause::Coding(CodingProblem::EndsEarly));
    assert_eq!(room.files(), []);

    let stored = room.take(&Came::plain(&right, "a", b"right"), 2).unwrap();
    assert_eq!(stored.digest, Some(sha256(b"right")));
    let came = Came { is_coded: true, ..Came::plain(&right, "b", &coded) };
    assert_eq!(room.take(&came, 4).unwrap().size, 5);
    assert_eq!(room.files(), pairs(&[("a", "right"), ("b", "right")]));
}

#[test]
fn a_body_that_is_too_long_is_refused_as_received_and_as_decoded() {
    let config = Config { body_bytes_max: Some(10), ..Config::default() };
    let room = Room::new(config, &[]);
    let coded = gzip(&[b'a'; 11]);
    let job = job();
    let plain = |bytes| Came::plain(&job, "a", bytes);
    let chunked = Came { framing: Framing::Chunked, ..plain(b"12345678901") };
    let decoded = Came { framing: Framing::Close, is_coded: true, ..plain(&coded) };
    for came in [plain(b"12345678901"), chunked, decoded] {
        let problem = room.take(&came, 3).unwrap_err();
        assert_eq!(*problem.cause(), Cause::TooLarge { limit: 10 });
    }
    assert_eq!(room.files(), []);
    assert_eq!(room.store("a", b"1234567890").unwrap().size, 10);
}

#[test]
fn what_has_the_name_is_replaced_kept_or_avoided() {
    use OnConflict::{Error, Overwrite, Rename, Skip};
    for (on_conflict, before, after, location, has_replaced) in [
        (Overwrite, &["d/a"][..], &[("d/a", "new")][..], Location::Planned, true),
        (Overwrite, &[], &[("d/a", "new")], Location::Planned, false),
        (Skip, &[], &[("d/a", "new")], Location::Planned, false),
        (Error, &["d/b"], &[("d/a", "new"), ("d/b", "before")], Location::Planned, false),
        (
            Rename,
            &["d/a", "d/a.1"],
            &[("d/a", "before"), ("d/a.1", "before"), ("d/a.2", "new")],
            Location::Renamed("d/a.2".to_owned()),
            false,
        ),
    ] {
        let room = Room::new(policy(on_conflict), before);
        let checked = room.output.check(&room.dir, "d/a", 7);
        assert!(checked.is_ok(), "{on_conflict:?}: {checked:?}");
        let stored = room.store("d/a", b"new").unwrap();
        assert_eq!((stored.location, stored.has_replaced), (location, has_replaced));
        assert_eq!(room.files(), pairs(after), "{on_conflict:?}");
    }
    // The same found before the request, and when the file gets its name.
    for on_conflict in [Skip, Error] {
        let room = Room::new(policy(on_conflict), &["d/a"]);
        let checked = Problem::Obstacle(room.output.check(&room.dir, "d/a", 7).unwrap_err());
        let stored = room.store("d/a", b"new").unwrap_err();
        for problem in [checked, stored] {
            match on_conflict {
                Skip => assert!(matches!(problem, Problem::Obstacle(Obstacle::Kept))),
                _ => assert_eq!(*problem.cause(), Cause::Disk(DiskProblem::Exists)),
            }
        }
        assert_eq!(room.files(), pairs(&[("d/a", "before")]));
    }
}

#[test]
fn a_folder_is_in_the_way_of_every_file() {
    for on_conflict in [OnConflict::Overwrite, OnConflict::Skip, OnConflict::Error] {
        let room = Room::new(policy(on_conflict), &["a/b"]);
        let obstacle = room.output.check(&room.dir, "a", 7).unwrap_err();
        let cause = Cause::Disk(DiskProblem::NotAFile);
        assert_eq!(*Problem::Obstacle(obstacle).cause(), cause, "{on_conflict:?}");
        // A file where a folder must be.
        let obstacle = room.output.check(&room.dir, "a/b/c", 7).unwrap_err();
        assert!(matches!(obstacle, Obstacle::Fault(_)), "{on_conflict:?}");
    }
}

#[test]
fn a_file_of_a_row_that_is_not_believed_is_replaced() {
    for on_conflict in [OnConflict::Skip, OnConflict::Error, OnConflict::Rename] {
        let mut lost = Lost::new(true);
        lost.find(7, "out/a");
        let room = Room::losing(policy(on_conflict), &["a", "b"], lost);
        assert!(room.output.check(&room.dir, "a", 7).is_ok());
        let stored = room.store("a", b"new").unwrap();
        assert_eq!((stored.location, stored.has_replaced), (Location::Planned, true));
        assert_eq!(room.files(), pairs(&[("a", "new"), ("b", "before")]));
    }
}

/// The head of a response with this field.
fn head(field: &str) -> Box<Head> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{field}\r\n\r\n").into_bytes();
    match Exchange::new().receive(&mut bytes) {
        Ok(Step::Head { head, .. }) => head,
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_server_proposes_a_name_where_the_user_has_said_nothing() {
    let field = "Content-Disposition: attachment; filename=\"their own.bin\"";
    let config = Config { content_disposition: true, ..Config::default() };
    let in_dir = Job {
        options: Some(Box::new(JobOptions { dir: Some("d".to_owned()), ..JobOptions::default() })),
        ..job()
    };
    let named = Job {
        options: Some(Box::new(JobOptions { out: Some("o".to_owned()), ..JobOptions::default() })),
        ..job()
    };
    let proposal = |config: Config, job: &Job, field: &str| {
        let room = Room::new(config, &[]);
        room.output.proposal(&room.dir, job, &head(field))
    };
    let theirs = |path: &str| Some(path.to_owned());
    assert_eq!(proposal(config.clone(), &job(), field), theirs("their own.bin"));
    assert_eq!(proposal(config.clone(), &in_dir, field), theirs("d/their own.bin"));
    assert_eq!(proposal(config.clone(), &named, field), None);
    assert_eq!(proposal(config.clone(), &job(), "Vary: *"), None);
    assert_eq!(proposal(Config::default(), &job(), field), None);
    let template = Config { name_template: Template::parse("{seq}").ok(), ..config.clone() };
    assert_eq!(proposal(template, &job(), field), None);
    for destination in [Destination::File("a".to_owned()), Destination::Stdout] {
        assert_eq!(proposal(Config { destination, ..config.clone() }, &job(), field), None);
    }
}

#[test]
fn names_are_given_once() {
    let room = Room::new(Config::default(), &[]);
    let names = &room.output.names;
    names.occupy(None, "x/b.txt");
    assert_eq!(names.claim(None, "x/a.txt".to_owned(), 1), "x/a.txt");
    assert_eq!(names.claim(None, "x/a.txt".to_owned(), 2), "x/a.2.txt");
    assert_eq!(names.claim(None, "x/b.txt".to_owned(), 3), "x/b.3.txt");
}

#[test]
fn a_stream_has_the_body_and_no_file_is_made() {
    let content = vec![b's'; 20_000];
    let job = job();
    let coded = gzip(&content);
    for (destination, location) in
        [(None, Location::Stdout), (Some("fifo".to_owned()), Location::Planned)]
    {
        for (bytes, is_coded) in [(&content[..], false), (&coded[..], true)] {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let outlet = Outlet::Descriptor(writer.as_raw_fd());
            let name = destination.clone().unwrap_or_default();
            let config = Config { destination: Destination::Device { name, outlet }, ..hashing() };
            let mut room = Room::new(config, &["name"]);
            let opening = room.output.open_stream(room.bounds(), || true, |_| {});
            assert!(block_on(opening).unwrap());
            if destination.is_none() {
                // That of this program is not for bodies.
                room.output.destination = Destination::Stdout;
            }
            drop(writer);
            assert!(room.output.check(&room.dir, "name", 7).is_ok());
            let came = Came { is_coded, ..Came::plain(&job, "name", bytes) };
            let stored = room.take(&came, 5_000).unwrap();
            assert_eq!((&stored.location, stored.size), (&location, 20_000));
            assert_eq!(stored.digest, Some(sha256(&content)));
            drop(room);
            let mut told = Vec::new();
            reader.read_to_end(&mut told).unwrap();
            assert_eq!(told, content);
        }
    }
}

#[test]
fn what_is_discarded_is_counted_and_nothing_is_made() {
    let content = b"discarded".repeat(1_000);
    let coded = gzip(&content);
    let job = job();
    let config = Config { destination: Destination::Null, ..hashing() };
    let room = Room::new(config, &["a"]);
    assert!(room.output.check(&room.dir, "a", 7).is_ok());
    assert!(!block_on(room.output.open_stream(room.bounds(), || true, |_| {})).unwrap());
    for (bytes, is_coded) in [(&content[..], false), (&coded[..], true)] {
        let came = Came { is_coded, ..Came::plain(&job, "a", bytes) };
        for piece in [10, 7_000] {
            let stored = room.take(&came, piece).unwrap();
            assert_eq!((stored.location, stored.size), (Location::Null, 9_000));
            assert_eq!(stored.digest, Some(sha256(&content)));
        }
    }
    let wrong = with_checksum(sha256(b"another"));
    let problem = room.take(&Came::plain(&wrong, "b", &content), 100).unwrap_err();
    assert!(matches!(problem, Problem::Mismatch));
    assert_eq!(room.files(), pairs(&[("a", "before")]));
}

#[test]
fn locations_are_shown_as_the_column_has_them() {
    let shown = |location: Location, dir: &str| location.shown(dir, "a/b");
    assert_eq!(shown(Location::Planned, "").as_deref(), Some("a/b"));
    assert_eq!(shown(Location::Planned, "out/").as_deref(), Some("out/a/b"));
    let renamed = Location::Renamed("a/b.1".to_owned());
    assert_eq!(shown(renamed, "out/").as_deref(), Some("out/a/b.1"));
    assert_eq!(shown(Location::Stdout, "out/").as_deref(), Some("-"));
    assert_eq!(shown(Location::Null, "out/"), None);
}

#[test]
fn a_text_is_kept_up_to_its_limit() {
    let buffers = BufPool::default();
    let text = |bytes: &[u8], is_coded: bool, piece: usize| {
        let body = Body::text(10);
        let mut body = if is_coded { body.decoding(&buffers) } else { body };
        let mut buf = buffers.take(Size::Small);
        let taken = block_on(async {
            pass(&mut body, &mut buf, bytes, piece).await?;
            body.conclude(&mut buf).await.map(|checked| checked.unwrap())
        });
        let (text, is_full) = body.into_text();
        (taken.map_err(|fault| fault.cause), String::from_utf8(text).unwrap(), is_full)
    };
    let too_large = Err(Cause::TooLarge { limit: 10 });
    for piece in [1, 3, 10, 100] {
        for is_coded in [false, true] {
            let of = |content: &str| {
                let content = content.as_bytes();
                let bytes = if is_coded { gzip(content) } else { content.to_vec() };
                text(&bytes, is_coded, piece)
            };
            assert_eq!(of(""), (Ok(()), String::new(), false));
            assert_eq!(of("short"), (Ok(()), "short".to_owned(), false));
            assert_eq!(of("0123456789"), (Ok(()), "0123456789".to_owned(), true));
            let long = of("0123456789 and more");
            assert_eq!(long, (too_large.clone(), "0123456789".to_owned(), true));
        }
    }
}

#[test]
fn of_what_is_read_for_its_connection_nothing_becomes() {
    let buffers = BufPool::default();
    let read = |bytes: &[u8]| {
        let mut body = Body::nothing(10);
        let mut buf = buffers.take(Size::Small);
        block_on(async {
            pass(&mut body, &mut buf, bytes, 4).await?;
            body.conclude(&mut buf).await.map(|checked| checked.unwrap())
        })
    };
    assert_eq!(read(b"").map_err(|fault| fault.cause), Ok(()));
    assert_eq!(read(b"0123456789").map_err(|fault| fault.cause), Ok(()));
    assert!(read(b"01234567890").is_err());
}
