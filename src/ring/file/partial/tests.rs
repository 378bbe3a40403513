//! Unfinished files in a directory of their own, written by cores with rings.

use super::*;
use crate::fault::DiskProblem;
use crate::limits::ALLOCATE_BYTES_MIN;
use crate::ring::buf::{BufPool, RecvBuf, Size};
use crate::ring::dir::SentDir;
use crate::ring::file::{FileAllocation, FileOps, OutFile, SizeHint, WriteMode};
use crate::ring::io::{self, Backend, Io, RingOptions};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

mod modes;

const PART: &str = ".ringpull-part-0123456789abcdef";
const RECORD: &str = ".ringpull-part-0123456789abcdef.record";

struct Room {
    root: TempDir,
    dir: Dir,
}

impl Room {
    fn new() -> Self {
        Self::with(WriteOptions::default())
    }

    fn with(options: WriteOptions) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), options).unwrap();
        Self { root, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn create(&self) -> PartialFile {
        PartialFile::create(&self.dir, PART).unwrap()
    }

    fn open(&self) -> Option<PartialFile> {
        PartialFile::open(&self.dir, PART).unwrap()
    }

    fn names(&self) -> Vec<OsString> {
        names(self.root.path())
    }
}

fn names(dir: &Path) -> Vec<OsString> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// Runs on rings of its own, on a thread of its own.
fn on_rings<T: Send + 'static>(dir: &Dir, story: impl AsyncFnOnce(Dir) -> T + Send + 'static) -> T {
    let cpu = core_affinity::get_core_ids().unwrap()[0].id;
    let dir: SentDir = dir.send().unwrap();
    let run = move || {
        io::run((Backend::Uring, RingOptions::default()), cpu, 1, |_| story(Dir::from(dir)))
            .unwrap()
    };
    std::thread::spawn(run).join().unwrap()
}

fn body(bytes: &[u8]) -> RecvBuf {
    let mut buf = BufPool::default().take(Size::Large);
    buf.append_body(bytes);
    buf
}

fn locked<T>(result: Result<T, Cause>) -> bool {
    result.err() == Some(Cause::Disk(DiskProblem::Locked))
}

/// Bytes that tell their offset.
fn content(offset: usize, length: usize) -> Vec<u8> {
    (offset..offset + length).map(|at| (at * 7 + at / 251).to_le_bytes()[0]).collect()
}

#[test]
fn cores_share_it() {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<PartialFile>>();
}

#[test]
fn cores_write_at_offsets_in_every_way() {
    let all = [FileOps::Auto, FileOps::Sync, FileOps::Ring, FileOps::Chain];
    let modes = [WriteMode::Auto, WriteMode::Ring, WriteMode::Sync];
    for (ops, mode) in all.into_iter().flat_map(|ops| modes.map(|mode| (ops, mode))) {
        let allocation = FileAllocation::Prealloc;
        let room = Room::with(WriteOptions { ops, mode, allocation, ..WriteOptions::default() });
        let partial = Arc::new(room.create());
        let piece = 200_000;
        let cores: Vec<_> = (0..2)
            .map(|core| {
                let (partial, dir) = (Arc::clone(&partial), room.dir.send().unwrap());
                std::thread::spawn(move || {
                    on_rings(&Dir::from(dir), async move |_| {
                        let mut writer = partial.writer(&Io::default()).unwrap();
                        // From the back to the front, each core every second piece.
                        for number in (0..8_usize).rev().filter(|number| number % 2 == core) {
                            let at = number * piece;
                            let mut buf = body(&content(at, piece));
                            writer.write(&mut buf, at as u64).await.unwrap();
                            assert_eq!(buf.body_len(), 0);
                        }
                    });
                })
            })
            .collect();
        cores.into_iter().for_each(|core| core.join().unwrap());
        assert_eq!(partial.size().unwrap(), 8 * piece as u64, "{ops:?} {mode}");
        let mut bytes = vec![0; 8 * piece + 9];
        assert_eq!(partial.read_at(&mut bytes[..], 0).unwrap(), 8 * piece);
        assert!(bytes[..8 * piece] == content(0, 8 * piece), "{ops:?} {mode}");
        assert_eq!(partial.read_at(&mut bytes[..9], 3).unwrap(), 9);
        assert_eq!(bytes[..9], content(3, 9));
        partial.truncate(5).unwrap();
        assert_eq!(partial.size().unwrap(), 5);
    }
}

#[test]
fn space_is_reserved_for_a_part_and_no_more_than_comes() {
    for ops in [FileOps::Sync, FileOps::Ring] {
        let allocation = FileAllocation::Prealloc;
        let room = Room::with(WriteOptions { ops, allocation, ..WriteOptions::default() });
        let partial = Arc::new(room.create());
        let blocks = on_rings(&room.dir, async move |_| {
            let mut writer = partial.writer(&Io::default()).unwrap();
            writer.expect(ALLOCATE_BYTES_MIN..100 * ALLOCATE_BYTES_MIN);
            writer.write(&mut body(b"begin"), ALLOCATE_BYTES_MIN).await.unwrap();
            let blocks = |partial: &PartialFile| rustix::fs::fstat(&partial.fd).unwrap().st_blocks;
            let first = blocks(&partial);
            // A short part is not worth it.
            writer.expect(0..ALLOCATE_BYTES_MIN - 1);
            writer.write(&mut body(b"begin"), 0).await.unwrap();
            assert_eq!(partial.size().unwrap(), ALLOCATE_BYTES_MIN + 5, "it grows no longer");
            (first * 512, (blocks(&partial) - first) * 512)
        });
        let reserved = i64::try_from(ALLOCATE_BYTES_MIN).unwrap();
        assert!((reserved..2 * reserved).contains(&blocks.0), "{ops:?} {blocks:?}");
        assert!(blocks.1 < reserved, "{ops:?} {blocks:?}");
    }
}

#[test]
fn file_and_record_stay_until_somebody_says_otherwise() {
    let room = Room::new();
    let partial = room.create();
    assert_eq!(room.names(), [PART]);
    assert_eq!(partial.read_record().unwrap(), b"");
    partial.write_record(b"second", 4096).unwrap();
    partial.write_record(b"first", 0).unwrap();
    let (path, at) = (room.path(PART), fs::metadata(room.path(RECORD)).unwrap());
    assert_eq!((at.mode() & 0o777, at.nlink()), (0o600, 1));
    fs::write(&path, b"bytes").unwrap();
    drop(partial);
    assert_eq!(room.names(), [PART, RECORD]);

    let partial = room.open().expect("it is there");
    assert_eq!((partial.size().unwrap(), partial.name()), (5, PART));
    let record = partial.read_record().unwrap();
    assert_eq!((&record[..5], &record[4096..]), (&b"first"[..], &b"second"[..]));
    partial.write_record(b"FI", 0).unwrap();
    assert_eq!(&partial.read_record().unwrap()[..5], b"FIrst");
    partial.discard();
    assert_eq!(room.names(), [""; 0]);
    // Another run may have begun anew by now.
    let other = room.create();
    partial.discard();
    assert_eq!(room.names(), [PART]);
    drop(other);
}

#[test]
fn a_long_record_is_read_in_part() {
    let room = Room::new();
    fs::write(room.path(RECORD), vec![b'x'; 3 * RECORD_BYTES_MAX]).unwrap();
    fs::write(room.path(PART), b"").unwrap();
    assert_eq!(room.open().unwrap().read_record().unwrap().len(), RECORD_BYTES_MAX);
}

#[test]
fn a_record_without_its_file_is_not_believed_of_the_next_one() {
    let room = Room::new();
    let left = || fs::write(room.path(RECORD), b"all is there").unwrap();
    left();
    let partial = room.create();
    assert_eq!(partial.read_record().unwrap(), b"");
    partial.discard();

    left();
    let file = OutFile::create(&room.dir, 1, SizeHint::Long(None)).unwrap();
    assert_eq!(file.keep(PART).unwrap().read_record().unwrap(), b"");
    fs::remove_file(room.path(PART)).unwrap();

    left();
    fs::write(room.path("theirs"), b"abc").unwrap();
    let adopted = PartialFile::adopt(&room.dir, "theirs", PART).unwrap().unwrap();
    adopted.take_over(&room.dir, 1, || {}).unwrap();
    assert_eq!(adopted.read_record().unwrap(), b"");
}

#[test]
fn two_runs_do_not_write_one_file() {
    let room = Room::new();
    let first = room.create();
    assert!(locked(PartialFile::open(&room.dir, PART)));
    on_rings(&room.dir, async move |_| drop(first.writer(&Io::default()).unwrap()));
    let second = room.open().expect("the lock went with the last descriptor");
    assert!(locked(PartialFile::open(&room.dir, PART)));
    second.discard();
    // Not even a descriptor that is left keeps a new file locked.
    let third = room.create();
    drop(third);
    room.open().unwrap();
    // What another program has locked is not taken over.
    let theirs = fs::File::create(room.path("theirs")).unwrap();
    theirs.lock().unwrap();
    assert!(locked(PartialFile::adopt(&room.dir, "theirs", PART)));
    let taken = PartialFile::create(&room.dir, PART);
    assert_eq!(taken.err(), Some(Cause::Disk(DiskProblem::Exists)));
}

#[test]
fn what_cannot_be_ours_is_not_written_to() {
    let room = Room::new();
    assert!(room.open().is_none());
    fs::write(room.path("precious"), b"precious").unwrap();
    type Plant = fn(&Room);
    let plants: [Plant; 3] = [
        |room| symlink("precious", room.path(PART)).unwrap(),
        |room| symlink("nowhere", room.path(PART)).unwrap(),
        |room| fs::hard_link(room.path("precious"), room.path(PART)).unwrap(),
    ];
    for plant in plants {
        plant(&room);
        assert!(room.open().is_none());
        assert_eq!(room.names(), ["precious"]);
        plant(&room);
        let create = PartialFile::create(&room.dir, PART);
        assert_eq!(create.err(), Some(Cause::Disk(DiskProblem::Exists)));
        fs::remove_file(room.path(PART)).unwrap();
    }
    fs::create_dir(room.path(PART)).unwrap();
    let not_a_file = PartialFile::open(&room.dir, PART).err();
    assert_eq!(not_a_file, Some(Cause::Disk(DiskProblem::NotAFile)));
    fs::remove_dir(room.path(PART)).unwrap();

    // The same for a record.
    let partial = room.create();
    for plant in [(|room| symlink("precious", room.path(RECORD)).unwrap()) as Plant, |room| {
        fs::hard_link(room.path("precious"), room.path(RECORD)).unwrap()
    }] {
        plant(&room);
        assert_eq!(partial.read_record().unwrap(), b"");
        plant(&room);
        let fresh = PartialFile { record: Record::beside(PART), ..room_again(&room, &partial) };
        fresh.write_record(b"record", 0).unwrap();
        assert_eq!(fs::read(room.path(RECORD)).unwrap(), b"record");
        fs::remove_file(room.path(RECORD)).unwrap();
    }
    assert_eq!(fs::read(room.path("precious")).unwrap(), b"precious");
}

/// The same file once more, as if it were opened anew.
fn room_again(room: &Room, partial: &PartialFile) -> PartialFile {
    PartialFile::new(&room.dir, PART, partial.fd.try_clone().unwrap()).unwrap()
}

#[test]
fn a_plain_file_of_another_program_is_left_alone_or_taken_over() {
    let room = Room::new();
    let adopt = |name| PartialFile::adopt(&room.dir, name, PART).unwrap();
    assert!(adopt("theirs").is_none());
    fs::write(room.path("theirs"), b"half").unwrap();
    fs::set_permissions(room.path("theirs"), fs::Permissions::from_mode(0o640)).unwrap();
    let partial = adopt("theirs").expect("it is a plain file");
    assert_eq!((room.names(), partial.size().unwrap()), (vec![OsString::from("theirs")], 4));
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    // The time of a file comes from a clock that is some milliseconds behind.
    let times = partial.times().unwrap();
    assert!(times.created_s.is_none_or(|at| (now - 60..=now).contains(&at)), "{times:?}");
    assert!((now - 60..=now).contains(&times.modified_s), "{times:?}");
    // Whatever comes of it, it is not ours to remove.
    partial.discard();
    assert_eq!(room.names(), ["theirs"]);
    assert_eq!(fs::metadata(room.path("theirs")).unwrap().mode() & 0o777, 0o640);
    // Somebody else's file is not taken instead of it.
    fs::rename(room.path("theirs"), room.path("moved")).unwrap();
    fs::write(room.path("theirs"), b"other").unwrap();
    let record = || partial.write_record(b"x", 0).unwrap();
    assert!(partial.take_over(&room.dir, 1, record).is_err());
    assert_eq!(room.names(), ["moved", "theirs"]);
    fs::rename(room.path("moved"), room.path("theirs")).unwrap();
    let record = || {
        assert_eq!(room.names(), ["theirs"], "it is said what it is before it is that");
        partial.write_record(b"x", 0).unwrap();
    };
    partial.take_over(&room.dir, 1, record).unwrap();
    assert_eq!(room.names(), [PART, &*format!("{PART}.record")]);
    drop(partial);
    fs::rename(room.path(PART), room.path("theirs")).unwrap();
    fs::remove_file(room.path(&format!("{PART}.record"))).unwrap();

    fs::hard_link(room.path("theirs"), room.path("same")).unwrap();
    symlink("theirs", room.path("link")).unwrap();
    fs::create_dir(room.path("folder")).unwrap();
    for name in ["theirs", "link", "folder"] {
        assert!(adopt(name).is_none(), "{name}");
    }
    assert_eq!(room.names(), ["folder", "link", "same", "theirs"]);
    fs::remove_file(room.path("same")).unwrap();
    fs::write(room.path(PART), b"").unwrap();
    let taken = adopt("theirs").unwrap().take_over(&room.dir, 1, || {}).err();
    assert_eq!(taken, Some(Cause::Disk(DiskProblem::Exists)));
    assert!(room.path("theirs").exists());
}

#[test]
fn what_was_taken_over_goes_back_as_it_was() {
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1_234_567_890_123_456_789);
    for is_taken_by_another in [false, true] {
        let room = Room::new();
        let file = fs::File::create(room.path("theirs")).unwrap();
        fs::write(room.path("theirs"), b"half").unwrap();
        file.set_modified(old).unwrap();
        let partial = PartialFile::adopt(&room.dir, "theirs", PART).unwrap().unwrap();
        let times = partial.times().unwrap();
        partial.take_over(&room.dir, 1, || partial.write_record(b"x", 0).unwrap()).unwrap();
        fs::write(room.path(PART), b"half and more").unwrap();
        let mut content = &b"half"[..];
        if is_taken_by_another {
            content = b"other";
            fs::write(room.path("theirs"), content).unwrap();
        }
        partial.give_back(4, Some(times)).unwrap();
        assert_eq!(room.names(), ["theirs"]);
        assert_eq!(fs::read(room.path("theirs")).unwrap(), content);
        let is_old = fs::metadata(room.path("theirs")).unwrap().modified().unwrap() == old;
        assert_ne!(is_old, is_taken_by_another);
        partial.discard();
        fs::File::open(room.path("theirs")).unwrap().try_lock().expect("nobody has it");
        assert_eq!(room.names(), ["theirs"]);
    }
}

#[test]
fn what_is_whole_where_it_stands_keeps_its_name_or_gets_another() {
    for name in ["theirs", "other"] {
        let room = Room::new();
        fs::write(room.path("theirs"), b"whole").unwrap();
        let partial = PartialFile::adopt(&room.dir, "theirs", PART).unwrap().unwrap();
        on_rings(&room.dir, async move |dir| {
            partial.finish(&dir, name, Naming::Replace, 1).await.unwrap();
        });
        assert_eq!(room.names(), [name]);
        assert_eq!(fs::read(room.path(name)).unwrap(), b"whole");
    }
    // Somebody else's file is not named instead of it.
    let room = Room::new();
    fs::write(room.path("theirs"), b"whole").unwrap();
    let partial = PartialFile::adopt(&room.dir, "theirs", PART).unwrap().unwrap();
    fs::write(room.path("new"), b"new").unwrap();
    fs::rename(room.path("new"), room.path("theirs")).unwrap();
    let finish = async move |dir: Dir| partial.finish(&dir, "other", Naming::Replace, 1).await;
    assert!(locked(on_rings(&room.dir, finish)));
    assert_eq!(room.names(), ["theirs"]);
}

#[test]
fn a_file_whose_body_proves_long_is_kept() {
    for expected in [SizeHint::Long(None), SizeHint::Short] {
        let room = Room::new();
        on_rings(&room.dir, async move |dir| {
            let mut file = OutFile::create(&dir, 7, expected).unwrap();
            file.write(&mut body(b"be")).await.unwrap();
            let partial = file.keep(PART).unwrap();
            assert!(locked(PartialFile::open(&dir, PART)));
            partial.writer(&Io::default()).unwrap().write(&mut body(b"gin"), 2).await.unwrap();
            let mut bytes = [0; 9];
            assert_eq!(partial.read_at(&mut bytes, 0).unwrap(), 5);
            assert_eq!(&bytes[..5], b"begin");
        });
        assert_eq!(room.names(), [PART]);
        let file = OutFile::create(&room.dir, 8, expected).unwrap();
        let taken = file.keep(PART).err();
        assert_eq!(taken, Some(Cause::Disk(DiskProblem::Exists)), "{expected:?}");
        assert_eq!(room.names(), [PART]);
    }
}

#[test]
fn a_whole_file_gets_its_name_and_leaves_nothing() {
    for fsync in [Fsync::None, Fsync::File, Fsync::Dir, Fsync::End] {
        let room = Room::with(WriteOptions { fsync, ..WriteOptions::default() });
        fs::create_dir(room.path("folder")).unwrap();
        fs::write(room.path("taken"), b"theirs").unwrap();
        let begin = |bytes: &'static [u8]| {
            let partial = room.create();
            partial.write_record(b"x", 0).unwrap();
            fs::write(room.path(PART), bytes).unwrap();
            partial
        };
        let story = |partial: PartialFile, name: &'static str, naming| {
            on_rings(&room.dir, async move |dir| {
                let named = partial.finish(&dir, name, naming, 1).await;
                (named, partial)
            })
        };
        let (named, partial) = story(begin(b"one"), "one", Naming::NoReplace);
        assert_eq!(named, Ok(false));
        assert_eq!(room.names(), ["folder", "one", "taken"]);
        partial.discard();
        let free = fs::File::open(room.path("one")).unwrap();
        free.try_lock().expect("the lock is gone before the last descriptor is");

        let (named, partial) = story(begin(b"two"), "taken", Naming::NoReplace);
        assert_eq!(named, Err(Cause::Disk(DiskProblem::Exists)));
        assert_eq!(fs::read(room.path("taken")).unwrap(), b"theirs");
        assert!(locked(PartialFile::open(&room.dir, PART)));
        let (named, partial) = story(partial, "taken.1", Naming::NoReplace);
        assert_eq!(named, Ok(false));
        drop(partial);

        let (named, partial) = story(begin(b"three"), "folder", Naming::Replace);
        assert_eq!(named, Err(Cause::Disk(DiskProblem::NotAFile)));
        let (named, _) = story(partial, "taken", Naming::Replace);
        assert_eq!(named, Ok(true));
        assert_eq!(fs::read(room.path("taken")).unwrap(), b"three");
        assert_eq!(room.names(), ["folder", "one", "taken", "taken.1"]);
    }
}

#[test]
fn a_folder_that_was_moved_meanwhile_gets_the_file() {
    let room = Room::new();
    let (sub, _) = room.dir.parent("sub/x").unwrap();
    let partial = PartialFile::create(&sub, PART).unwrap();
    fs::rename(room.path("sub"), room.path("moved")).unwrap();
    on_rings(&room.dir, async move |dir| {
        partial.finish(&dir, "x", Naming::NoReplace, 1).await.unwrap();
    });
    assert!(room.path("moved/x").exists() && !room.path("sub").exists());
}

#[test]
fn what_was_written_can_be_synced_in_two_steps() {
    let room = Room::new();
    let partial = room.create();
    on_rings(&room.dir, async move |_| {
        let is_durable = |partial: &PartialFile| partial.has_durable_names.load(Ordering::Acquire);
        partial.sync_data(&Io::default()).await.unwrap();
        partial.sync_record(&Io::default()).await.unwrap();
        assert!(is_durable(&partial));
        // The record is a new name in the folder.
        partial.write_record(b"x", 0).unwrap();
        assert!(!is_durable(&partial));
        partial.sync(&Io::default()).await.unwrap();
        assert!(is_durable(&partial));
        partial.write_record(b"y", 0).unwrap();
        assert!(is_durable(&partial));
    });
}

#[test]
#[allow(clippy::print_stderr, reason = "whoever reads the result should know")]
fn a_file_of_another_user_is_not_taken_up() {
    let room = Room::new();
    fs::write(room.path(PART), b"x").unwrap();
    if std::os::unix::fs::chown(room.path(PART), Some(65_534), None).is_err() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    assert!(room.open().is_none());
    assert_eq!(room.names(), [""; 0]);
    fs::write(room.path("theirs"), b"x").unwrap();
    std::os::unix::fs::chown(room.path("theirs"), Some(65_534), None).unwrap();
    assert!(PartialFile::adopt(&room.dir, "theirs", PART).unwrap().is_none());
    assert_eq!(room.names(), ["theirs"]);
}
