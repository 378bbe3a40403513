//! Headers of tar archives: ustar (POSIX.1-1988), and extended ones (pax, POSIX.1-2001) for what
//! those cannot say.
//!
//! ustar has room for a name of 100 bytes with 155 more in front of a slash, and for a size of 8
//! GiB less one byte. A longer name, a name that is not ASCII, and a larger size go into an
//! extended header before it, which GNU tar, BSD tar and Python read.

use std::io;

/// Bytes of a block: headers are one each, and the content of a member fills whole ones.
pub const BLOCK_BYTES: usize = 512;

/// The end of an archive: two empty blocks.
pub const END: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

/// Appends the header of a regular file of `size` bytes, which was last modified so many seconds
/// after 1970 began. The content follows it, and [`padding`] that.
pub fn push_header(out: &mut Vec<u8>, name: &str, size: u64, mtime_s: u64) {
    let split = split(name).filter(|_| name.is_ascii());
    if split.is_none() || size > SIZE_MAX {
        let mut records = Vec::new();
        if split.is_none() {
            push_record(&mut records, "path", name);
        }
        if size > SIZE_MAX {
            push_record(&mut records, "size", &size.to_string());
        }
        let length = records.len() as u64;
        push_block(out, (b"PaxHeaders/member", b""), (length, mtime_s), EXTENDED);
        out.extend_from_slice(&records);
        out.resize(out.len() + padding(length), 0);
    }
    // Whoever does not read extended headers gets the end of the name.
    let short = &name.as_bytes()[name.len().saturating_sub(NAME_BYTES)..];
    let (prefix, name) = split.unwrap_or((b"", short));
    push_block(out, (name, prefix), (size.min(SIZE_MAX), mtime_s), REGULAR);
}

/// Zeros between the content of a member of `size` bytes and the next header.
pub fn padding(size: u64) -> usize {
    let last = size % BLOCK_BYTES as u64;
    (BLOCK_BYTES - usize::try_from(last).unwrap_or(0)) % BLOCK_BYTES
}

/// Bytes that a member takes, its headers and padding included, whose header is of `header_bytes`.
pub fn member_bytes(header_bytes: usize, size: u64) -> u64 {
    header_bytes as u64 + size + padding(size) as u64
}

/// A name as prefix and name of a ustar header, where it fits.
fn split(name: &str) -> Option<(&[u8], &[u8])> {
    let bytes = name.as_bytes();
    if bytes.len() <= NAME_BYTES {
        return Some((b"", bytes));
    }
    let fits = |at: &usize| *at <= PREFIX_BYTES && bytes.len() - at - 1 <= NAME_BYTES;
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let at = slashes.filter(|at| *at > 0 && at + 1 < bytes.len()).find(fits)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Appends a record of an extended header: its length in decimal, itself included, and what it
/// says.
fn push_record(out: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length.to_string().len() + rest != length {
        length = length.to_string().len() + rest;
    }
    out.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

fn push_block(
    out: &mut Vec<u8>,
    (name, prefix): (&[u8], &[u8]),
    (size, mtime_s): (u64, u64),
    kind: u8,
) {
    let at = out.len();
    out.resize(at + BLOCK_BYTES, 0);
    let block = &mut out[at..];
    block[..name.len()].copy_from_slice(name);
    put_octal(&mut block[100..108], 0o644);
    put_octal(&mut block[108..116], 0);
    put_octal(&mut block[116..124], 0);
    put_octal(&mut block[SIZE], size);
    put_octal(&mut block[136..148], mtime_s.min(SIZE_MAX));
    block[KIND] = kind;
    block[MAGIC].copy_from_slice(b"ustar\x0000");
    block[PREFIX][..prefix.len()].copy_from_slice(prefix);
    let sum = checksum(block);
    put_octal(&mut block[148..155], sum);
    block[155] = b' ';
}

/// Writes a number as octal digits and a zero byte, which fill the field.
fn put_octal(field: &mut [u8], mut value: u64) {
    let Some((_, digits)) = field.split_last_mut() else { return };
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
}

/// The sum of all bytes of a header, in which those of the sum itself count as blanks.
fn checksum(block: &[u8]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..])
}

/// A member of an archive that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Name of the member.
    pub name: String,
    /// Offset of its content in the archive.
    pub offset: u64,
    /// Bytes of its content.
    pub size: u64,
}

/// Reads the members of an archive that [`push_header`] made, and of others that have no more than
/// regular files and extended headers. `read_at` fills the whole buffer from an offset.
///
/// # Errors
/// It cannot be read, or is none: it has no end, or a header of another kind.
pub fn read_members(
    mut read_at: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    mut each: impl FnMut(Member),
) -> io::Result<()> {
    let mut read_at = |buffer: &mut [u8], at| read_at(buffer, at).map_err(cut_short);
    let (mut at, mut block) = (0, [0; BLOCK_BYTES]);
    let (mut path, mut length) = (None, None);
    loop {
        read_at(&mut block, at)?;
        at += BLOCK_BYTES as u64;
        if block == [0; BLOCK_BYTES] {
            return Ok(());
        }
        let size =
            octal(&block[SIZE]).filter(|_| octal(&block[148..156]) == Some(checksum(&block)));
        let size = size.ok_or_else(|| not_tar("a header is damaged"))?;
        match block[KIND] {
            EXTENDED if size <= EXTENDED_BYTES_MAX => {
                let mut records = vec![0; usize::try_from(size).unwrap_or(0)];
                read_at(&mut records, at)?;
                for (key, value) in records_of(&records) {
                    match key {
                        b"path" => path = Some(String::from_utf8_lossy(value).into_owned()),
                        b"size" => length = std::str::from_utf8(value).ok(),
                        _ => {}
                    }
                }
                let number = length.map(str::parse);
                at += size + padding(size) as u64;
                read_member(&mut read_at, &mut at, (path.take(), number.transpose()), &mut each)?;
                length = None;
            }
            REGULAR | 0 => {
                let name = name_of(&block);
                each(Member { name, offset: at, size });
                at += size + padding(size) as u64;
            }
            _ => return Err(not_tar("it has members that are no files")),
        }
    }
}

/// An error of reading, with what it says of an archive.
fn cut_short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it is cut short"),
        _ => error,
    }
}

/// Reads the header that an extended one is about.
fn read_member(
    read_at: &mut impl FnMut(&mut [u8], u64) -> io::Result<()>,
    at: &mut u64,
    (path, size): (Option<String>, Result<Option<u64>, std::num::ParseIntError>),
    each: &mut impl FnMut(Member),
) -> io::Result<()> {
    let mut block = [0; BLOCK_BYTES];
    read_at(&mut block, *at)?;
    *at += BLOCK_BYTES as u64;
    let said = size.map_err(|_| not_tar("an extended header is damaged"))?;
    let is_whole = octal(&block[148..156]) == Some(checksum(&block));
    let size = said.or_else(|| octal(&block[SIZE])).filter(|size| is_whole && *size < FILE_BYTES);
    let size = size.ok_or_else(|| not_tar("a header is damaged"))?;
    let name = path.unwrap_or_else(|| name_of(&block));
    each(Member { name, offset: *at, size });
    *at += size + padding(size) as u64;
    Ok(())
}

/// The records of an extended header: key and value.
fn records_of(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let blank = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
        let record = bytes.get(blank + 1..length.checked_sub(1)?)?;
        bytes = bytes.get(length..)?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        Some((&record[..equals], &record[equals + 1..]))
    })
}

fn name_of(block: &[u8]) -> String {
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).into_owned()
    };
    let (name, prefix) = (text(&block[..NAME_BYTES]), text(&block[PREFIX]));
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}

fn not_tar(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Longest name of a ustar header, in bytes.
const NAME_BYTES: usize = 100;
/// Longest prefix of one, in bytes.
const PREFIX_BYTES: usize = 155;
/// Largest size that eleven octal digits say, in bytes.
const SIZE_MAX: u64 = (1 << 33) - 1;
/// Length that no file has, in bytes: offsets that are added up do not overflow.
const FILE_BYTES: u64 = 1 << 62;
/// Longest extended header that is read, in bytes.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;
const SIZE: std::ops::Range<usize> = 124..136;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..345 + PREFIX_BYTES;
const REGULAR: u8 = b'0';
const EXTENDED: u8 = b'x';

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in members {
            push_header(&mut out, name, content.len() as u64, 1_700_000_000);
            out.extend_from_slice(content);
            out.resize(out.len() + padding(content.len() as u64), 0);
        }
        out.extend_from_slice(&END);
        out
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<Member>> {
        let mut members = Vec::new();
        let read_at = |buffer: &mut [u8], at: u64| {
            let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..at + buffer.len()));
            buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        };
        read_members(read_at, |member| members.push(member)).map(|()| members)
    }

    #[test]
    fn a_header_is_that_of_posix() {
        let bytes = archive(&[("a/b.jpg", b"x")]);
        assert_eq!(bytes.len(), 4 * BLOCK_BYTES);
        assert_eq!(&bytes[..8], b"a/b.jpg\0");
        assert_eq!(&bytes[SIZE], b"00000000001\0");
        assert_eq!(&bytes[136..148], b"14524770400\0");
        assert_eq!(&bytes[MAGIC], b"ustar\x0000");
        assert_eq!(octal(&bytes[148..156]), Some(checksum(&bytes[..BLOCK_BYTES])));
        assert_eq!(bytes[BLOCK_BYTES], b'x');
        assert_eq!(padding(512), 0);
    }

    #[test]
    fn what_ustar_cannot_say_is_said_before_it() {
        let long = "n".repeat(101);
        let deep = format!("{}/{}", "d".repeat(155), "n".repeat(100));
        let deeper = format!("{}/{}", "d".repeat(156), "n".repeat(100));
        for (name, blocks) in
            [(&*"n".repeat(100), 1), (&*long, 3), (&*deep, 1), (&*deeper, 3), ("\u{e4}.jpg", 3)]
        {
            let mut out = Vec::new();
            push_header(&mut out, name, 0, 0);
            assert_eq!(out.len(), blocks * BLOCK_BYTES, "{name}");
            assert_eq!(read(&archive(&[(name, b"")])).unwrap()[0].name, name);
        }
        let mut out = Vec::new();
        push_header(&mut out, "large", SIZE_MAX + 1, 0);
        assert_eq!(&out[BLOCK_BYTES..][..19], b"19 size=8589934592\n");
        // A number that is longer by a digit because of its own length.
        let mut record = Vec::new();
        push_record(&mut record, "path", &"x".repeat(91));
        assert!(record.starts_with(b"101 path=") && record.len() == 101, "{}", record.len());
    }

    #[test]
    fn what_is_no_archive_is_told() {
        let whole = archive(&[("a", b"content")]);
        assert!(read(&whole[..BLOCK_BYTES]).is_err());
        let mut damaged = whole.clone();
        damaged[3] ^= 1;
        assert_eq!(read(&damaged).unwrap_err().to_string(), "a header is damaged");
        assert!(read(&[]).is_err());
        for size in [u64::MAX - 1_535, u64::MAX, FILE_BYTES - 1] {
            let (mut endless, mut records) = (Vec::new(), Vec::new());
            push_record(&mut records, "size", &size.to_string());
            push_block(&mut endless, (b"x", b""), (records.len() as u64, 0), EXTENDED);
            endless.extend_from_slice(&records);
            endless.resize(2 * BLOCK_BYTES, 0);
            push_block(&mut endless, (b"a", b""), (0, 0), REGULAR);
            endless.extend_from_slice(&END);
            assert!(read(&endless).is_err(), "{size}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn members_come_back(
            members in prop::collection::vec(
                ("[a-zäλ/]{1,300}", prop::collection::vec(any::<u8>(), 0..1_500)),
                0..6,
            ),
        ) {
            let members: Vec<(&str, &[u8])> =
                members.iter().map(|(name, content)| (&**name, &**content)).collect();
            let bytes = archive(&members);
            let read = read(&bytes).unwrap();
            prop_assert_eq!(read.len(), members.len());
            for (member, (name, content)) in read.iter().zip(members) {
                prop_assert_eq!(&member.name, name);
                let at = usize::try_from(member.offset).unwrap();
                prop_assert_eq!(member.size, content.len() as u64);
                prop_assert_eq!(&bytes[at..at + content.len()], content);
            }
        }
    }
}
