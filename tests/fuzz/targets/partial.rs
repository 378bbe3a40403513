//! `partial`: the control record of an unfinished file; what follows the digest of a slot.

use ringpull::plan::checksum::{Hasher, Kind};
use ringpull::plan::partial::{RECORD_BYTES, Record, SLOT_BYTES};
use ringpull::plan::ranges::Ranges;

pub(crate) fn target(data: &[u8]) {
    if let Ok(record) = Record::decode(data) {
        check(&record);
    }
    let slot = sealed(data);
    let zeros = [0; SLOT_BYTES];
    for file in [[&slot[..], &zeros].concat(), [&zeros, &slot[..]].concat()] {
        if let Ok(record) = Record::decode(&file) {
            check(&record);
        }
    }
}

/// A slot with this behind its digest, and a digest that is right.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut behind = data[..data.len().min(SLOT_BYTES - 32)].to_vec();
    behind.resize(SLOT_BYTES - 32, 0);
    let magic = b"ringpull-part 1\n";
    let mut hasher = Hasher::new(Kind::Blake3);
    hasher.update(magic);
    hasher.update(&behind);
    [magic, &hasher.finish().digest()[..16], &behind].concat()
}

/// What was read is possible, and comes back.
fn check(record: &Record) {
    for ranges in [&record.written, &record.synced] {
        check_ranges(ranges, record.length);
    }
    let mut slot = Vec::new();
    let offset = usize::try_from(record.encode(&mut slot)).unwrap();
    assert!(slot.len() == SLOT_BYTES && offset % SLOT_BYTES == 0 && offset < RECORD_BYTES);
    let mut file = vec![0; offset];
    file.extend_from_slice(&slot);
    assert_eq!(Record::decode(&file).as_ref(), Ok(record));
    // What is torn is not taken for something else.
    file[offset + SLOT_BYTES / 2..].fill(0x5a);
    assert!(Record::decode(&file).is_err());
}

fn check_ranges(ranges: &Ranges, length: Option<u64>) {
    let mut before = None;
    for range in ranges.iter() {
        assert!(range.start < range.end && before.is_none_or(|before| before < range.start));
        before = Some(range.end);
    }
    assert!(length.is_none_or(|length| ranges.end() <= length));
}
