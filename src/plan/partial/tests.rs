//! Tests of the names of unfinished files and of their records.

use super::*;
use proptest::prelude::*;
use std::ops::Range;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn record(sequence: u64) -> Record {
    Record {
        url: url_digest("http://a.example/file"),
        length: Some(1 << 30),
        validator: Validator::from_parts(Some("\"one\""), Some(DATE), true),
        boot_id: [7; 16],
        written: [0..4_096, 1 << 20..3 << 20].into_iter().collect(),
        synced: std::iter::once(0..4_000).collect(),
        sequence,
    }
}

/// The file after these updates.
fn file(records: &[Record]) -> Vec<u8> {
    let (mut file, mut slot) = (Vec::new(), Vec::new());
    for record in records {
        let offset = usize::try_from(record.encode(&mut slot)).unwrap();
        assert_eq!(slot.len(), SLOT_BYTES);
        file.resize(file.len().max(offset + SLOT_BYTES), 0);
        file[offset..][..SLOT_BYTES].copy_from_slice(&slot);
    }
    file
}

#[test]
fn names_depend_on_the_final_name_alone() {
    // printf model.bin | sha256sum
    let part = part_name("model.bin");
    assert_eq!(part, ".ringpull-part-15d442008fc30bee");
    assert_eq!(part_name("some/folder/model.bin"), part);
    assert_ne!(part_name("model.bin2"), part);
    assert_eq!(record_name(&part), ".ringpull-part-15d442008fc30bee.record");
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let plain = record(4);
    let table = [
        plain.clone(),
        Record { sequence: 5, ..plain.clone() },
        Record { sequence: u64::MAX, ..plain.clone() },
        Record { length: None, ..plain.clone() },
        Record { length: Some(0), written: Ranges::new(), synced: Ranges::new(), ..plain.clone() },
        Record { validator: Validator::default(), ..plain.clone() },
        Record { validator: Validator::from_parts(Some(""), None, false), ..plain.clone() },
        Record { validator: Validator::from_parts(None, Some(DATE), false), ..plain.clone() },
        Record { length: None, written: [0..1, 2..u64::MAX].into_iter().collect(), ..plain },
        Record::default(),
    ];
    for record in table {
        assert_eq!(Record::decode(&file(std::slice::from_ref(&record))), Ok(record));
    }
}

#[test]
fn the_slots_take_turns_and_the_newer_counts() {
    let mut slot = Vec::new();
    assert_eq!((record(0).encode(&mut slot), record(1).encode(&mut slot)), (0, 4_096));
    let records: Vec<Record> = (0..5).map(record).collect();
    for count in 1..=5 {
        let file = file(&records[..count]);
        assert_eq!(Record::decode(&file), Ok(records[count - 1].clone()), "{count}");
        // Whatever is behind does not matter.
        let longer = [&file[..], &[1; 5_000]].concat();
        if count > 1 {
            assert_eq!(Record::decode(&longer), Ok(records[count - 1].clone()), "{count}");
        }
    }
}

#[test]
fn a_damaged_slot_loses_the_last_update_only() {
    let file = file(&[record(1), record(2)]);
    for at in (0..300).chain((300..SLOT_BYTES).step_by(97)) {
        for bit in [0, 3, 7] {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            assert_eq!(Record::decode(&damaged), Ok(record(1)), "{at}");
            damaged[SLOT_BYTES + at] ^= 1 << bit;
            assert!(Record::decode(&damaged).is_err(), "{at}");
        }
    }
    for torn in (0..SLOT_BYTES).step_by(512) {
        let mut damaged = file.clone();
        damaged[..torn].fill(0xa5);
        let wanted = if torn == 0 { record(2) } else { record(1) };
        assert_eq!(Record::decode(&damaged), Ok(wanted), "{torn}");
    }
    // A slot of another place counts as damaged: its sequence says where it belongs.
    let swapped = [&file[SLOT_BYTES..], &file[..SLOT_BYTES]].concat();
    assert_eq!(Record::decode(&swapped), Err(Unusable::Damaged));
}

#[test]
fn what_is_no_record_is_told() {
    let whole = file(&[record(0)]);
    let mut later = whole.clone();
    later[14] = b'2';
    let mut sealed = later.clone();
    let checksum = slot::checksum(&sealed);
    sealed[16..32].copy_from_slice(&checksum);
    let table: &[(&[u8], Unusable)] = &[
        (b"", Unusable::Damaged),
        (&[0; RECORD_BYTES], Unusable::Damaged),
        (&whole[..SLOT_BYTES - 1], Unusable::Damaged),
        (b"ringpull-part 1\n", Unusable::Damaged),
        (&later, Unusable::Damaged),
        (&sealed, Unusable::Foreign),
        (b"\x00\x01 somebody else's", Unusable::Foreign),
        (&[b'x'; RECORD_BYTES], Unusable::Foreign),
    ];
    for (bytes, wanted) in table {
        let shown = bytes[..bytes.len().min(20)].escape_ascii();
        assert_eq!(Record::decode(bytes), Err(*wanted), "{shown}");
    }
    // Where a later version took over, what this one wrote before is not the truth any more.
    let both = [&sealed[..], &file(&[record(1)])[SLOT_BYTES..]].concat();
    assert_eq!(Record::decode(&both), Err(Unusable::Foreign));
}

#[test]
fn a_boot_decides_what_is_trusted() {
    let record = record(0);
    assert_eq!(record.trusted([7; 16]), &record.written);
    assert_eq!(record.trusted([8; 16]), &record.synced);
    let unknown = Record { boot_id: [0; 16], ..record };
    assert_eq!(unknown.trusted([0; 16]), &unknown.synced);
}

#[test]
fn validators_fit_or_are_none() {
    let largest = format!("\"{}\"", "x".repeat(1_022));
    for (etag, fits) in [(largest.clone(), true), (largest + "x", false)] {
        let validator = Validator::from_parts(Some(&etag), Some(DATE), true);
        let wanted = if fits { validator.clone() } else { Validator::default() };
        let record = Record { validator, ..record(0) };
        let found = Record::decode(&file(std::slice::from_ref(&record))).unwrap();
        assert_eq!(found, Record { validator: wanted, ..record });
    }
}

#[test]
fn ranges_that_do_not_fit_are_the_furthest() {
    let scattered = |count: u64| -> Ranges {
        (0..count).map(|index| index << 27..(index << 27) + (100 << 20) + 17).collect()
    };
    let many =
        Record { length: None, written: scattered(900), synced: scattered(700), ..record(0) };
    let found = Record::decode(&file(std::slice::from_ref(&many))).unwrap();
    let (written, synced) = (found.written.count(), found.synced.count());
    assert!(written.abs_diff(synced) <= 1 && written + synced > 400, "{written} {synced}");
    assert!(found.written.iter().eq(many.written.iter().take(written)));
    assert!(found.synced.iter().eq(many.synced.iter().take(synced)));
    assert_eq!((found.url, found.validator), (many.url, many.validator));
    let parts =
        Record { length: None, written: scattered(128), synced: scattered(128), ..record(0) };
    assert_eq!(Record::decode(&file(std::slice::from_ref(&parts))), Ok(parts));
}

#[test]
fn what_can_be_text_is_text() {
    let file = file(&[record(0)]);
    for text in ["ringpull-part 1\n", "\"one\"", DATE] {
        assert!(file.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
}

fn ranges() -> impl Strategy<Value = Ranges> {
    let range = (0..60_u32, any::<u64>(), 0..60_u32, any::<u64>()).prop_map(|(a, b, c, d)| {
        let start = b >> (63 - a);
        start..start.saturating_add(d >> (63 - c))
    });
    prop::collection::vec(range, 0..40)
        .prop_map(|ranges: Vec<Range<u64>>| ranges.into_iter().collect())
}

fn records() -> impl Strategy<Value = Record> {
    let texts = (any::<Option<String>>(), any::<bool>(), any::<bool>());
    let validator = texts.prop_map(|(etag, has_date, is_settled)| {
        Validator::from_parts(etag.as_deref(), Some(DATE).filter(|_| has_date), is_settled)
    });
    let numbers = (any::<[u8; 32]>(), any::<[u8; 16]>(), any::<u64>(), any::<bool>());
    (numbers, validator, ranges(), ranges()).prop_map(|(numbers, validator, written, synced)| {
        let (url, boot_id, sequence, has_length) = numbers;
        let length = written.end().max(synced.end());
        let length = (has_length && length < u64::MAX).then_some(length);
        Record { url, length, validator, boot_id, written, synced, sequence }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn records_come_back(record in records()) {
        prop_assert_eq!(Record::decode(&file(std::slice::from_ref(&record))), Ok(record));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..9_000)) {
        prop_assert!(Record::decode(&bytes).is_err());
    }

    #[test]
    fn sealed_nonsense_does_no_harm(
        record in records(),
        changes in prop::collection::vec((32..SLOT_BYTES, any::<u8>()), 0..20),
        near in prop::collection::vec((88..200_usize, any::<u8>()), 0..9),
    ) {
        let mut slot = Vec::new();
        let record = Record { sequence: record.sequence & !1, ..record };
        record.encode(&mut slot);
        for (at, byte) in changes.into_iter().chain(near) {
            slot[at] = byte;
        }
        let checksum = slot::checksum(&slot);
        slot[16..32].copy_from_slice(&checksum);
        if let Ok(found) = Record::decode(&slot) {
            let length = found.length.unwrap_or(u64::MAX);
            prop_assert!(found.written.end() <= length && found.synced.end() <= length);
            prop_assert_eq!(Record::decode(&file(std::slice::from_ref(&found))), Ok(found));
        }
    }
}
