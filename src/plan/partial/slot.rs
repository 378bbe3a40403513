//! The bytes of a control record.
//!
//! A slot has [`SLOT_BYTES`] bytes, numbers little-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 16 | `ringpull-part 1` and LF; `1` is the version of the format |
//! | 16 | 16 | first half of the BLAKE3 digest of all other bytes of the slot |
//! | 32 | 8 | sequence: even in the first slot, odd in the second |
//! | 40 | 32 | SHA-256 of the URL |
//! | 72 | 16 | boot identifier |
//! | 88 | 8 | length of the whole file; all bits set where it is not known |
//! | 96 | 2 | 1: has an ETag; 2: has a Last-Modified; 4: that date is a strong validator |
//! | 98 | 2 + 2 | length of the ETag, length of the Last-Modified |
//! | 102 | 2 + 2 | number of ranges written, number of ranges synced |
//! | 106 | | ETag, Last-Modified, ranges written, ranges synced; zeros |
//!
//! A range is two numbers: bytes between it and the one before, and its length; 7 bits a byte, the
//! lowest first, with bit 8 in all but the last (LEB128). Every version of the format keeps the
//! first 32 bytes.

use super::Record;
use crate::plan::checksum::{Hasher, Kind};
use crate::plan::ranges::Ranges;
use crate::plan::validator::Validator;
use std::fmt;

/// Length of a slot in bytes: a page, and a block of every usual file system.
pub const SLOT_BYTES: usize = 4_096;
/// Length of the file of a record in bytes.
pub const RECORD_BYTES: usize = 2 * SLOT_BYTES;

/// Why a record cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// Not as it was written.
    Damaged,
    /// Of another program, or of a later version of this one.
    Foreign,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "the record of the unfinished file is damaged",
            Self::Foreign => "the record of the unfinished file is of another program or version",
        })
    }
}

impl std::error::Error for Unusable {}

pub(super) fn encode(record: &Record, out: &mut Vec<u8>) -> u64 {
    let (etag, last_modified, flags) = validator_texts(&record.validator);
    let room = SLOT_BYTES - TEXT_OFFSET - etag.len() - last_modified.len();
    let [written, synced] = fitting([&record.written, &record.synced], room);
    out.clear();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; CHECKSUM_BYTES]);
    out.extend_from_slice(&record.sequence.to_le_bytes());
    out.extend_from_slice(&record.url);
    out.extend_from_slice(&record.boot_id);
    out.extend_from_slice(&record.length.unwrap_or(LENGTH_UNKNOWN).to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    for count in [etag.len(), last_modified.len(), written, synced] {
        let count = u16::try_from(count).expect("a slot is shorter than that");
        out.extend_from_slice(&count.to_le_bytes());
    }
    out.extend_from_slice(etag.as_bytes());
    out.extend_from_slice(last_modified.as_bytes());
    put_ranges(out, &record.written, written);
    put_ranges(out, &record.synced, synced);
    assert!(out.len() <= SLOT_BYTES, "what was to fit does not");
    out.resize(SLOT_BYTES, 0);
    let checksum = checksum(out);
    out[CHECKSUM_OFFSET..][..CHECKSUM_BYTES].copy_from_slice(&checksum);
    record.sequence % 2 * SLOT_BYTES as u64
}

pub(super) fn decode(bytes: &[u8]) -> Result<Record, Unusable> {
    let slots = bytes.chunks(SLOT_BYTES).take(2);
    let slots: Vec<_> = slots.zip(0..).map(|(slot, parity)| read_slot(slot, parity)).collect();
    if slots.contains(&Err(Unusable::Foreign)) {
        return Err(Unusable::Foreign);
    }
    let newest = slots.into_iter().flatten().max_by_key(|record| record.sequence);
    // The first record of a file goes to the second slot, so that either may be the only one.
    let mut of_slots = bytes.chunks(SLOT_BYTES).take(2);
    let is_ours =
        of_slots.any(|slot| slot.starts_with(MAGIC_NAME)) || bytes.iter().all(|byte| *byte == 0);
    newest.ok_or(if is_ours { Unusable::Damaged } else { Unusable::Foreign })
}

/// The texts of a validator, and the flags that say which there are. One that is too long is none
/// at all: its date alone would vouch for less than its tag.
fn validator_texts(validator: &Validator) -> (&str, &str, u16) {
    let (etag, date) = (validator.etag(), validator.last_modified());
    if [etag, date].into_iter().flatten().any(|text| text.len() > VALIDATOR_BYTES_MAX) {
        return ("", "", 0);
    }
    let flag = |is_set: bool, flag: u16| if is_set { flag } else { 0 };
    let flags = flag(etag.is_some(), HAS_ETAG)
        | flag(date.is_some(), HAS_DATE)
        | flag(validator.is_date_settled(), IS_DATE_SETTLED);
    (etag.unwrap_or_default(), date.unwrap_or_default(), flags)
}

/// Ranges of each set that fit, from the front on.
fn fitting(sets: [&Ranges; 2], room: usize) -> [usize; 2] {
    let sizes = sets.map(|set| {
        let mut before = 0;
        let size = |range: std::ops::Range<u64>| {
            let size = number_len(range.start - before) + number_len(range.end - range.start);
            before = range.end;
            (range.start, size)
        };
        set.iter().map(size).collect::<Vec<_>>()
    });
    let mut counts = sizes.each_ref().map(Vec::len);
    let mut total: usize = sizes.iter().flatten().map(|(_, size)| size).sum();
    while total > room {
        let last = |set: usize| counts[set].checked_sub(1).map(|last| sizes[set][last]);
        let furthest = if last(0) >= last(1) { 0 } else { 1 };
        total -= last(furthest).map_or(0, |(_, size)| size);
        counts[furthest] -= 1;
    }
    counts
}

fn put_ranges(out: &mut Vec<u8>, ranges: &Ranges, count: usize) {
    let mut before = 0;
    for range in ranges.iter().take(count) {
        put_number(out, range.start - before);
        put_number(out, range.end - range.start);
        before = range.end;
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn number_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// First half of the digest of what is not the digest itself.
pub(super) fn checksum(slot: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Hasher::new(Kind::Blake3);
    hasher.update(&slot[..CHECKSUM_OFFSET]);
    hasher.update(&slot[CHECKSUM_OFFSET + CHECKSUM_BYTES..]);
    let digest = hasher.finish();
    digest.digest()[..CHECKSUM_BYTES].try_into().expect("it has 32 bytes")
}

fn read_slot(slot: &[u8], parity: u64) -> Result<Record, Unusable> {
    let is_whole = slot.len() == SLOT_BYTES
        && slot.starts_with(MAGIC_NAME)
        && slot[CHECKSUM_OFFSET..][..CHECKSUM_BYTES] == checksum(slot);
    if !is_whole {
        return Err(Unusable::Damaged);
    }
    if !slot.starts_with(MAGIC) {
        return Err(Unusable::Foreign);
    }
    let record = read_record(&slot[CHECKSUM_OFFSET + CHECKSUM_BYTES..]);
    record.filter(|record| record.sequence % 2 == parity).ok_or(Unusable::Damaged)
}

/// The record from its sequence on.
fn read_record(mut rest: &[u8]) -> Option<Record> {
    let rest = &mut rest;
    let sequence = u64::from_le_bytes(take(rest)?);
    let (url, boot_id) = (take(rest)?, take(rest)?);
    let length = Some(u64::from_le_bytes(take(rest)?)).filter(|len| *len != LENGTH_UNKNOWN);
    let mut number = || take(rest).map(u16::from_le_bytes);
    let (flags, etag_len, date_len) = (number()?, number()?, number()?);
    let (written, synced) = (number()?, number()?);
    let etag = take_text(rest, etag_len)?;
    let date = take_text(rest, date_len)?;
    let has = |flag: u16| flags & flag != 0;
    let validator = Validator::from_parts(
        Some(etag).filter(|_| has(HAS_ETAG)),
        Some(date).filter(|_| has(HAS_DATE)),
        has(IS_DATE_SETTLED),
    );
    let written = take_ranges(rest, written, length)?;
    let synced = take_ranges(rest, synced, length)?;
    Some(Record { url, length, validator, boot_id, written, synced, sequence })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*first)
}

fn take_text<'a>(rest: &mut &'a [u8], len: u16) -> Option<&'a str> {
    let (text, behind) = rest.split_at_checked(len.into())?;
    *rest = behind;
    str::from_utf8(text).ok().filter(|text| text.len() <= VALIDATOR_BYTES_MAX)
}

/// Ranges within the file, in order, none empty, no two touching.
fn take_ranges(rest: &mut &[u8], count: u16, length: Option<u64>) -> Option<Ranges> {
    let mut ranges = Ranges::new();
    for index in 0..count {
        let (gap, len) = (take_number(rest)?, take_number(rest)?);
        let start = ranges.end().checked_add(gap)?;
        let end = start.checked_add(len)?;
        let touches = index > 0 && gap == 0;
        if touches || len == 0 || length.is_some_and(|length| end > length) {
            return None;
        }
        ranges.insert(start..end);
    }
    Some(ranges)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Beginning of every slot, with the version of the format.
const MAGIC: &[u8; CHECKSUM_OFFSET] = b"ringpull-part 1\n";
/// Beginning of every slot in all versions.
const MAGIC_NAME: &[u8] = b"ringpull-part ";
const CHECKSUM_OFFSET: usize = 16;
const CHECKSUM_BYTES: usize = 16;
/// Offset of what has no fixed length.
const TEXT_OFFSET: usize = 106;
const LENGTH_UNKNOWN: u64 = u64::MAX;
const HAS_ETAG: u16 = 1;
const HAS_DATE: u16 = 2;
const IS_DATE_SETTLED: u16 = 4;
/// Longest text of a validator in bytes: as much as heads keep of it.
const VALIDATOR_BYTES_MAX: usize = crate::limits::HEAD_TEXT_BYTES_MAX;

const _: () = assert!(TEXT_OFFSET + 2 * VALIDATOR_BYTES_MAX < SLOT_BYTES, "validators fit");
