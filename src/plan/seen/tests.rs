//! What was seen, compared with a plain map.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

/// Room in memory that may be used up.
#[derive(Clone, Debug)]
struct Pages(Rc<Cell<usize>>);

#[derive(Debug)]
struct Page(Vec<u8>);

impl Room for Pages {
    type Piece = Page;

    fn piece(&self) -> io::Result<Page> {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.ok_or(io::ErrorKind::StorageFull)?);
        Ok(Page(Vec::new()))
    }
}

impl Piece for Page {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let begin = usize::try_from(at).unwrap();
        bytes.copy_from_slice(&self.0[begin..begin + bytes.len()]);
        Ok(())
    }
}

fn seen(pieces: usize) -> Seen<Pages> {
    Seen::new(Pages(Rc::new(Cell::new(pieces))), 0)
}

/// A key among few, of which many begin alike.
fn key(number: u16, is_alike: bool) -> Key {
    let mut key = [7; 32];
    if !is_alike {
        key[..32].copy_from_slice(blake3::hash(&number.to_le_bytes()).as_bytes());
    }
    key[30..].copy_from_slice(&number.to_be_bytes());
    key
}

#[test]
fn memory_says_how_many_there_are() {
    assert_eq!(entries_max(1 << 30), 14_680_064);
    assert_eq!(entries_max((1 << 30) - 1), 7_340_032);
    assert_eq!([0, 1, 1_024, 2_048].map(entries_max), [14, 14, 14, 28]);
}

#[test]
fn a_table_grows_no_further_than_it_may() {
    let mut seen = seen(1_000);
    for number in 0..5_000 {
        assert_eq!(seen.find_or_set(key(number, false), number.into()).unwrap(), None);
        assert!(seen.table.capacity() <= 14);
    }
    // Of 357 runs: 4^4 and 4^3 + 4^2 + 4^2 and so on.
    assert!(seen.runs.len() <= 4 * 4, "{}", seen.runs.len());
    for number in 0..5_000 {
        assert_eq!(seen.find_or_set(key(number, false), 0).unwrap(), Some(number.into()));
    }
}

#[test]
fn without_room_what_was_seen_is_still_known() {
    let mut seen = seen(3);
    let set = |seen: &mut Seen<Pages>, number: u16| seen.set(key(number, false), number.into());
    let failed = (0..200).find(|number| set(&mut seen, *number).is_err()).unwrap();
    assert_eq!(failed, 4 * 14, "after three runs");
    for number in 0..failed {
        assert_eq!(seen.find(&key(number, false)).unwrap(), Some(number.into()));
    }
    assert_eq!(seen.find(&key(failed, false)).unwrap(), None);
    // The merge of four runs lacks the room for one more.
    seen.room.0.set(1);
    assert!(set(&mut seen, failed).is_err());
    for number in 0..failed {
        assert_eq!(seen.find(&key(number, false)).unwrap(), Some(number.into()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_is_a_map(
        ops in prop::collection::vec((any::<bool>(), 0..600_u16, any::<u64>()), 0..1_500),
        is_alike in any::<bool>(),
    ) {
        let (mut seen, mut model) = (seen(usize::MAX), HashMap::new());
        for (is_set, number, value) in ops {
            let key = key(number, is_alike);
            let known = model.get(&key).copied();
            prop_assert_eq!(seen.find(&key).unwrap(), known);
            if is_set {
                seen.set(key, value).unwrap();
                model.insert(key, value);
            } else {
                prop_assert_eq!(seen.find_or_set(key, value).unwrap(), known);
                model.entry(key).or_insert(value);
            }
        }
        for number in 0..600 {
            let key = key(number, is_alike);
            prop_assert_eq!(seen.find(&key).unwrap(), model.get(&key).copied());
        }
    }
}
