//! Long bodies written in each mode, and what is left of them in the page cache.

use super::*;
use crate::limits::RECV_BUFFER_LARGE_BYTES;
use crate::ring::file::Naming;
use proptest::prelude::*;

/// A room whose files are written in a mode; nothing where the file system has no such mode.
#[allow(clippy::print_stderr, reason = "whoever reads the result should know")]
fn room(mode: WriteMode, ops: FileOps) -> Option<Room> {
    let room = Room::with(WriteOptions { mode, ops, ..WriteOptions::default() });
    if let Err(error) = room.dir.check_write_mode(mode) {
        eprintln!("skipped: {mode} is not to be had on {}: {error}", room.dir.file_system());
        return None;
    }
    assert_eq!(room.names(), [""; 0], "what was tried out leaves nothing");
    Some(room)
}

/// Writes pieces, each at an offset, and says in which mode.
fn write_all(room: &Room, partial: &Arc<PartialFile>, pieces: Vec<(usize, usize)>) -> WriteMode {
    let partial = Arc::clone(partial);
    on_rings(&room.dir, async move |_| {
        let mut writer = partial.writer(&Io::default()).unwrap();
        for (at, length) in pieces {
            let mut buf = body(&content(at, length));
            writer.write(&mut buf, at as u64).await.unwrap();
            assert_eq!(buf.body_len(), 0);
            let mut bytes = vec![0; length];
            assert_eq!(partial.read_at(&mut bytes, at as u64).unwrap(), length);
            assert!(bytes == content(at, length), "it can be read at once");
        }
        assert_eq!(writer.chosen(), partial.chosen());
        writer.chosen()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn bytes_go_where_they_belong_in_each_mode(
        pieces in prop::collection::vec((0..2_000_000_usize, 1..=RECV_BUFFER_LARGE_BYTES), 1..8),
        blocks in prop::collection::vec((0..400_usize, 1..=64_usize), 0..4),
        is_sync in any::<bool>(),
    ) {
        // Some begin and end with a block, others anywhere.
        let blocks = blocks.into_iter().map(|(at, length)| (at * 4096, length * 4096));
        let pieces: Vec<_> = pieces.into_iter().chain(blocks).collect();
        let mut wanted = Vec::new();
        for (at, length) in &pieces {
            wanted.resize(wanted.len().max(at + length), 0);
            wanted[*at..at + length].copy_from_slice(&content(*at, *length));
        }
        let ops = if is_sync { FileOps::Sync } else { FileOps::Auto };
        for mode in WriteMode::ALL {
            let Some(room) = room(mode, ops) else { continue };
            let partial = Arc::new(room.create());
            let chosen = write_all(&room, &partial, pieces.clone());
            match mode {
                WriteMode::Auto if is_sync => prop_assert_eq!(chosen, WriteMode::Sync),
                WriteMode::Auto => prop_assert_eq!(chosen, WriteMode::Ring),
                asked => prop_assert_eq!(chosen, asked),
            }
            drop(partial);
            prop_assert!(fs::read(room.path(PART)).unwrap() == wanted, "{}", mode);
        }
    }
}

#[test]
fn more_writers_than_buffers_take_turns() {
    let Some(room) = room(WriteMode::Direct, FileOps::Auto) else { return };
    let partial = Arc::new(room.create());
    let (piece, count) = (100_001, 40);
    let shared = Arc::clone(&partial);
    on_rings(&room.dir, async move |_| {
        let write = async |number: usize| {
            let mut buf = body(&content(number * piece, piece));
            let mut writer = shared.writer(&Io::default()).unwrap();
            writer.write(&mut buf, (number * piece) as u64).await.unwrap();
        };
        futures(count, write).await;
        assert_eq!(shared.chosen(), WriteMode::Direct);
    });
    let mut bytes = vec![0; piece * count + 1];
    assert_eq!(partial.read_at(&mut bytes, 0).unwrap(), piece * count);
    assert!(bytes[..piece * count] == content(0, piece * count));
}

/// Polls `count` futures side by side, until all are done.
async fn futures<F: AsyncFn(usize)>(count: usize, story: F) {
    let mut all: Vec<_> = (0..count).map(|number| Some(Box::pin(story(number)))).collect();
    std::future::poll_fn(|cx| {
        for slot in &mut all {
            if slot.as_mut().is_some_and(|future| future.as_mut().poll(cx).is_ready()) {
                *slot = None;
            }
        }
        match all.iter().any(Option::is_some) {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(()),
        }
    })
    .await;
}

#[test]
fn a_long_body_in_order_is_whole_in_each_mode() {
    for mode in WriteMode::ALL {
        for ops in [FileOps::Auto, FileOps::Chain, FileOps::Sync] {
            let Some(room) = room(mode, ops) else { continue };
            on_rings(&room.dir, async move |dir| {
                let mut file = OutFile::create(&dir, 1, SizeHint::Long(Some(700_001))).unwrap();
                for (at, length) in [(0, 250_000), (250_000, 200_001), (450_001, 200_000)] {
                    file.write(&mut body(&content(at, length))).await.unwrap();
                }
                let mut end = body(&content(650_001, 50_000));
                file.finish(&mut end, "whole", Naming::Replace).await.unwrap();
            });
            assert_eq!(room.names(), ["whole"], "{mode} {ops:?}");
            assert!(fs::read(room.path("whole")).unwrap() == content(0, 700_001), "{mode} {ops:?}");
        }
    }
}

#[test]
fn a_body_that_is_expected_to_be_very_long_leaves_the_page_cache_to_others() {
    let Some(room) = room(WriteMode::Auto, FileOps::Auto) else { return };
    let in_memory = room.dir.offers.is_in_memory;
    let partial = Arc::new(room.create());
    let shared = Arc::clone(&partial);
    on_rings(&room.dir, async move |_| {
        let mut writer = shared.writer(&Io::default()).unwrap();
        writer.expect(0..u64::MAX);
        assert_eq!(writer.chosen(), WriteMode::Ring, "that says nothing");
        shared.writer(&Io::default()).unwrap().expect(1 << 40..2 << 40);
        writer.write(&mut body(&content(0, 200_000)), 0).await.unwrap();
        let chosen = writer.chosen();
        let sparing = matches!(chosen, WriteMode::DontCache | WriteMode::Behind);
        assert_eq!(sparing, !in_memory, "{chosen}");
    });
    assert!(fs::read(room.path(PART)).unwrap() == content(0, 200_000));
    drop(partial);
    let again = room.open().unwrap();
    assert_eq!(again.chosen(), WriteMode::Ring, "it is not that long");
    again.truncate(1 << 40).unwrap();
    drop(again);
    let sparing = room.open().unwrap().chosen();
    assert_eq!(sparing == WriteMode::DontCache, !in_memory, "{sparing}");
}

#[test]
fn what_memory_cannot_do_is_said_before() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let dir = Dir::create(dir.path(), WriteOptions::default()).unwrap();
    assert_eq!(dir.file_system(), "tmpfs");
    for mode in WriteMode::ALL {
        let is_had = !matches!(mode, WriteMode::Direct | WriteMode::DontCache);
        assert_eq!(dir.check_write_mode(mode).is_ok(), is_had, "{mode}");
    }
}
