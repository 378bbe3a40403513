//! Content codings (RFC 9110 section 8.4.1): the gzip coding, undone while bytes come in, and
//! watched for bodies that are made to fill a disk.

use super::gunzip::{self, GunzipError};
use super::value::members;
use crate::limits;
use std::fmt;

/// Whether a `Content-Encoding` is the one coding that can be undone: `gzip`, or `x-gzip` as it was
/// called once (RFC 9110 section 8.4.1.3). `identity` says nothing.
pub fn is_gzip(content_encoding: &str) -> bool {
    let mut codings = codings(content_encoding.as_bytes());
    let is_gzip = |coding: &[u8]| {
        coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
    };
    codings.next().is_some_and(is_gzip) && codings.next().is_none()
}

/// The codings that a `Content-Encoding` lists, `identity` left out.
pub(super) fn codings(content_encoding: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_identity = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    members(content_encoding).filter(move |coding| !is_identity(coding))
}

/// Why a coded body has no content.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CodingProblem {
    /// The data is not gzip, or contradicts itself (its check sum included).
    Damaged,
    /// The body ends within the gzip data.
    EndsEarly,
    /// Something other than zero bytes follows the gzip data.
    Garbage,
    /// The data decodes to more than [`limits::DECODED_BYTES_FREE`] and
    /// [`limits::DECODED_BYTES_PER_BYTE_MAX`] allow.
    Bomb,
}

impl CodingProblem {
    /// Each of them.
    pub(crate) const ALL: [Self; 4] = [Self::Damaged, Self::EndsEarly, Self::Garbage, Self::Bomb];
}

impl fmt::Display for CodingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "the gzip data of the body is damaged",
            Self::EndsEarly => "the gzip data of the body ends early",
            Self::Garbage => "the gzip data of the body is followed by something else",
            Self::Bomb => "the body decodes to far more than was received",
        })
    }
}

impl std::error::Error for CodingProblem {}

/// Undoes the gzip coding of one body. An empty body is an empty content.
#[derive(Debug, Default)]
pub struct Gunzip {
    members: gunzip::Gunzip,
    /// Bytes read.
    read: u64,
    /// Bytes decoded.
    decoded: u64,
}

impl Gunzip {
    /// Reads from the front of `input`, which is not empty, and appends to `out` what that decodes
    /// to, some 64 KiB at most. Returns the bytes read, which may be none while something was
    /// decoded.
    ///
    /// # Errors
    ///
    /// Why the body has no content. There is no way on from there.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, CodingProblem> {
        let before = out.len();
        let used = self.members.decode(input, out)?;
        self.read += used as u64;
        self.decoded += (out.len() - before) as u64;
        self.check_ratio()?;
        Ok(used)
    }

    /// Ends the body: appends the last of its content to `out`. May be called again.
    ///
    /// # Errors
    ///
    /// As [`Gunzip::decode`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CodingProblem> {
        let before = out.len();
        self.members.finish(out)?;
        self.decoded += (out.len() - before) as u64;
        self.check_ratio()
    }

    /// Bytes decoded so far.
    pub fn decoded_bytes(&self) -> u64 {
        self.decoded
    }

    fn check_ratio(&self) -> Result<(), CodingProblem> {
        let earned = self.read.saturating_mul(limits::DECODED_BYTES_PER_BYTE_MAX);
        let decoded_max = limits::DECODED_BYTES_FREE.saturating_add(earned);
        if self.decoded > decoded_max { Err(CodingProblem::Bomb) } else { Ok(()) }
    }
}

impl From<GunzipError> for CodingProblem {
    fn from(error: GunzipError) -> Self {
        match error {
            GunzipError::Damaged(_) => Self::Damaged,
            GunzipError::EndsEarly => Self::EndsEarly,
            GunzipError::Garbage => Self::Garbage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Decodes a body that comes in such pieces.
    fn gunzip(body: &[u8], piece_len: usize) -> Result<Vec<u8>, CodingProblem> {
        let mut gunzip = Gunzip::default();
        let mut content = Vec::new();
        for mut piece in body.chunks(piece_len.max(1)) {
            while !piece.is_empty() {
                let before = content.len();
                let used = gunzip.decode(piece, &mut content)?;
                assert!(content.len() - before <= 1 << 17, "memory is bounded");
                piece = &piece[used..];
            }
        }
        gunzip.finish(&mut content)?;
        gunzip.finish(&mut content)?;
        assert_eq!(gunzip.decoded_bytes(), content.len() as u64);
        Ok(content)
    }

    /// In every way that pieces can come.
    fn gunzip_all_ways(body: &[u8]) -> Result<Vec<u8>, CodingProblem> {
        let whole = gunzip(body, body.len());
        for piece_len in [1, 2, 3, 7, 100] {
            assert_eq!(gunzip(body, piece_len), whole, "pieces of {piece_len}");
        }
        whole
    }

    #[test]
    fn one_coding_and_only_that() {
        for text in ["gzip", "GZip", "x-gzip", " gzip\t", "gzip, identity", ",gzip,"] {
            assert!(is_gzip(text), "{text}");
        }
        for text in ["", "identity", "deflate", "br", "gzip, gzip", "gzip, br", "gzip;q=1", "zip"] {
            assert!(!is_gzip(text), "{text}");
        }
    }

    #[test]
    fn whole_bodies() {
        let long: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        assert_eq!(gunzip_all_ways(b""), Ok(Vec::new()));
        assert_eq!(gunzip_all_ways(&gzip(b"")), Ok(Vec::new()));
        assert_eq!(gunzip_all_ways(&gzip(b"hello")), Ok(b"hello".to_vec()));
        assert_eq!(gunzip_all_ways(&gzip(&long)), Ok(long));
        let two = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(gunzip_all_ways(&two), Ok(b"one two".to_vec()));
        let padded = [gzip(b"padded"), vec![0; 1_000]].concat();
        assert_eq!(gunzip_all_ways(&padded), Ok(b"padded".to_vec()));
    }

    #[test]
    fn fields_of_the_header_are_skipped() {
        let mut encoder = flate2::GzBuilder::new()
            .filename("../../name")
            .comment("comment")
            .extra(vec![7; 300])
            .write(Vec::new(), Compression::fast());
        encoder.write_all(b"content").unwrap();
        assert_eq!(gunzip_all_ways(&encoder.finish().unwrap()), Ok(b"content".to_vec()));
        // A name that does not end is not collected for ever.
        let head = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
        let endless = [&head[..], &[b'x'; 200_000]].concat();
        assert_eq!(gunzip(&endless, 1_000), Err(CodingProblem::Damaged));
    }

    #[test]
    fn damaged_bodies() {
        use CodingProblem::{Damaged, EndsEarly, Garbage};
        let good = gzip(b"hello, hello, hello, hello");
        for cut in 1..good.len() {
            assert_eq!(gunzip_all_ways(&good[..cut]), Err(EndsEarly), "cut at {cut}");
        }
        let two = [&good[..], &good[..]].concat();
        for cut in good.len() + 1..two.len() {
            assert_eq!(gunzip_all_ways(&two[..cut]), Err(EndsEarly), "cut at {cut}");
        }
        let trailer_at = good.len() - 8;
        for at in trailer_at..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(gunzip_all_ways(&bad), Err(Damaged), "the check sum or length at {at}");
        }
        for garbage in [&b"x"[..], b"\0x", b"\r\n", b"\0\0\x1f"] {
            assert_eq!(gunzip_all_ways(&[&good[..], garbage].concat()), Err(Garbage));
        }
        let again = [&good[..], b"\x1f\x8c and then not the second byte of a member"].concat();
        assert_eq!(gunzip_all_ways(&again), Err(Damaged));
        assert_eq!(gunzip_all_ways(b"plain text is not gzip"), Err(Damaged));
        let zlib = b"\x78\x9c\xcbH\xcd\xc9\xc9\x07\0\x06,\x02\x15";
        assert_eq!(gunzip_all_ways(zlib), Err(Damaged));
        let mut reserved_block = good[..10].to_vec();
        reserved_block.extend_from_slice(&[0xff; 20]);
        assert_eq!(gunzip_all_ways(&reserved_block), Err(Damaged));
    }

    #[test]
    fn a_bomb_ends_at_its_limit() {
        let member = gzip(&vec![0; 4 << 20]);
        let mut gunzip = Gunzip::default();
        let mut out = Vec::new();
        let mut decode = |members: usize| {
            let body = member.repeat(members);
            let mut rest = &body[..];
            while !rest.is_empty() {
                rest = &rest[gunzip.decode(rest, &mut out)?..];
                out.clear();
            }
            Ok(())
        };
        assert_eq!(decode(15), Ok(()));
        assert_eq!(decode(5), Err(CodingProblem::Bomb));
        assert!(gunzip.decoded_bytes() < 72 << 20, "{}", gunzip.decoded_bytes());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_content_comes_back(
            contents in prop::collection::vec(any::<Vec<u8>>(), 1..4),
            padding in 0_usize..20,
            piece_len in 1_usize..50,
        ) {
            let members = contents.iter().map(|content| gzip(content)).collect::<Vec<_>>().concat();
            let body = [members, vec![0; padding]].concat();
            prop_assert_eq!(gunzip(&body, piece_len), Ok(contents.concat()));
        }

        #[test]
        fn any_bytes_end_in_the_same_way(mut body in any::<Vec<u8>>(), magic in any::<bool>()) {
            if magic {
                body.splice(0..0, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
            }
            let whole = gunzip(&body, body.len());
            prop_assert_eq!(gunzip(&body, 1), whole);
        }
    }
}
