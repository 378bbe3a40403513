//! Digests of files: the words of `checksum=` and of rows (`sha-256=HEX`), and what computes them
//! piece by piece.
//!
//! The kinds and their names are those of aria2c(1), "--checksum" and "Input File", and `blake3`.
//! MD5, SHA-1 and Adler-32 prove nothing against somebody who means to deceive; they are here
//! because datasets state them, and they find what was damaged by accident.

mod pieces;

pub use pieces::{PieceCheck, Pieces, WrongPiece};

use aws_lc_rs::digest;
use md5::Digest as _;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

/// What a digest is computed with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// RFC 1321
    Md5,
    /// FIPS 180-4
    Sha1,
    /// FIPS 180-4
    Sha224,
    /// FIPS 180-4
    Sha256,
    /// FIPS 180-4
    Sha384,
    /// FIPS 180-4
    Sha512,
    /// BLAKE3, not keyed, 32 bytes
    Blake3,
    /// RFC 1950 section 9
    Adler32,
}

impl Kind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Blake3,
        Self::Adler32,
    ];

    /// Name of the kind, as aria2 has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Blake3 => "blake3",
            Self::Adler32 => "adler32",
        }
    }

    /// Length of a digest of this kind, in bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Adler32 => 4,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// How hard it is to make another file with the same digest; only to be compared.
    pub fn strength(self) -> u8 {
        match self {
            Self::Adler32 => 0,
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Sha224 => 3,
            Self::Sha256 => 4,
            Self::Blake3 => 5,
            Self::Sha384 => 6,
            Self::Sha512 => 7,
        }
    }

    /// The kind that bare hex digits of this many bytes are usually of. BLAKE3 has the length of
    /// SHA-256 and Adler-32 that of CRC-32: neither is ever guessed.
    fn of_length(bytes: usize) -> Option<Self> {
        match bytes {
            16 => Some(Self::Md5),
            20 => Some(Self::Sha1),
            28 => Some(Self::Sha224),
            32 => Some(Self::Sha256),
            48 => Some(Self::Sha384),
            64 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// Reads the name of a kind, with or without its dash, in any case.
impl FromStr for Kind {
    type Err = ChecksumError;

    fn from_str(name: &str) -> Result<Self, ChecksumError> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        let wanted = plain(name);
        let found = Self::ALL.into_iter().find(|kind| plain(kind.name()) == wanted);
        found.ok_or(ChecksumError::Kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest and its kind. `Display` has it as `checksum=` does, in lower case.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Checksum {
    kind: Kind,
    /// The digest, and zeros behind it.
    bytes: [u8; DIGEST_BYTES_MAX],
}

impl Checksum {
    /// Reads `TYPE=HEX`, as aria2 has it, or `TYPE:HEX`, as package managers have it.
    ///
    /// # Errors
    /// When the text is not a checksum; the error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, ChecksumError> {
        let (kind, hex) = text.split_once(['=', ':']).ok_or(ChecksumError::Form)?;
        Self::from_hex(kind.trim_ascii().parse()?, hex.trim_ascii())
    }

    /// Reads hex digits alone; their number says of which kind they are: 32 is md5, 40 sha-1, 56
    /// sha-224, 64 sha-256, 96 sha-384, 128 sha-512.
    ///
    /// # Errors
    /// When no kind has so many digits, or they are not digits; the error says what to write
    /// instead.
    pub fn from_bare_hex(hex: &str) -> Result<Self, ChecksumError> {
        let hex = hex.trim_ascii();
        if hex.is_empty() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ChecksumError::Digits);
        }
        let digits = hex.len();
        let kind = Kind::of_length(digits / 2).filter(|_| digits.is_multiple_of(2));
        Self::from_hex(kind.ok_or(ChecksumError::Bare { digits })?, hex)
    }

    /// Reads the cell of a table: `TYPE=HEX`, `TYPE:HEX` or hex digits alone.
    ///
    /// # Errors
    /// When the text is not a checksum; the error says what to write instead.
    pub fn from_cell(text: &str) -> Result<Self, ChecksumError> {
        if text.contains(['=', ':']) { Self::parse(text) } else { Self::from_bare_hex(text) }
    }

    /// Reads the hex digits, in any case, of a digest of a known kind.
    ///
    /// # Errors
    /// When the kind has another number of digits, or they are not digits; the error says what to
    /// write instead.
    pub fn from_hex(kind: Kind, hex: &str) -> Result<Self, ChecksumError> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ChecksumError::Digits);
        }
        if hex.len() != 2 * kind.digest_len() {
            return Err(ChecksumError::Length { kind, digits: hex.len() });
        }
        let mut bytes = [0; DIGEST_BYTES_MAX];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let number = pair.iter().filter_map(digit).fold(0, |high, low| 16 * high + low);
            *byte = u8::try_from(number).expect("two hex digits are a byte");
        }
        Ok(Self { kind, bytes })
    }

    /// Kind of the digest.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of the digest.
    pub fn digest(&self) -> &[u8] {
        &self.bytes[..self.kind.digest_len()]
    }

    fn new(kind: Kind, digest: &[u8]) -> Self {
        let mut bytes = [0; DIGEST_BYTES_MAX];
        assert_eq!(digest.len(), kind.digest_len(), "a digest has the length of its kind");
        bytes[..digest.len()].copy_from_slice(digest);
        Self { kind, bytes }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        f.write_char('=')?;
        self.digest().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        Self::parse(text)
    }
}

/// Why a text is not a checksum. `Display` says what to write instead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChecksumError {
    /// Not `TYPE=HEX`.
    Form,
    /// A type that is not known.
    Kind,
    /// Something other than hex digits.
    Digits,
    /// Another number of digits than a digest of that kind has.
    Length {
        /// The kind that was named.
        kind: Kind,
        /// Number of digits that were given.
        digits: usize,
    },
    /// A number of digits that no digest has which may stand without its kind.
    Bare {
        /// Number of digits that were given.
        digits: usize,
    },
}

impl fmt::Display for ChecksumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("a checksum is TYPE=HEX, for instance sha-256=0f3a..."),
            Self::Kind => {
                f.write_str("unknown type of checksum; it is one of ")?;
                for (place, kind) in Kind::ALL.into_iter().enumerate() {
                    let before = if place == 0 { "" } else { ", " };
                    write!(f, "{before}{kind}")?;
                }
                Ok(())
            }
            Self::Digits => f.write_str("a checksum is written in hex digits, 0-9 and a-f"),
            Self::Length { kind, digits } => {
                let wanted = 2 * kind.digest_len();
                write!(f, "{kind} has {wanted} hex digits, not {digits}; correct or remove it")
            }
            Self::Bare { digits } => write!(
                f,
                "no checksum is known that has {digits} hex digits; write TYPE=HEX, for instance \
                 blake3=0f3a..."
            ),
        }
    }
}

impl std::error::Error for ChecksumError {}

/// Computes one digest from the bytes of a file, in order, in pieces of any length.
pub struct Hasher {
    kind: Kind,
    state: State,
}

enum State {
    Sha(Box<digest::Context>),
    Md5(Box<md5::Md5>),
    /// Two KiB.
    Blake3(Box<blake3::Hasher>),
    Adler32(adler2::Adler32),
}

impl Hasher {
    /// A hasher that took no bytes yet.
    pub fn new(kind: Kind) -> Self {
        let sha = |algorithm| State::Sha(Box::new(digest::Context::new(algorithm)));
        let state = match kind {
            Kind::Md5 => State::Md5(Box::default()),
            Kind::Sha1 => sha(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Kind::Sha224 => sha(&digest::SHA224),
            Kind::Sha256 => sha(&digest::SHA256),
            Kind::Sha384 => sha(&digest::SHA384),
            Kind::Sha512 => sha(&digest::SHA512),
            Kind::Blake3 => State::Blake3(Box::default()),
            Kind::Adler32 => State::Adler32(adler2::Adler32::new()),
        };
        Self { kind, state }
    }

    /// Kind of the digest.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha(context) => context.update(bytes),
            State::Md5(hasher) => hasher.update(bytes),
            State::Blake3(hasher) => {
                hasher.update(bytes);
            }
            State::Adler32(adler) => adler.write_slice(bytes),
        }
    }

    /// The digest of all bytes taken.
    pub fn finish(self) -> Checksum {
        let kind = self.kind;
        match self.state {
            State::Sha(context) => Checksum::new(kind, context.finish().as_ref()),
            State::Md5(hasher) => Checksum::new(kind, &hasher.finalize()),
            State::Blake3(hasher) => Checksum::new(kind, hasher.finalize().as_bytes()),
            State::Adler32(adler) => Checksum::new(kind, &adler.checksum().to_be_bytes()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a file must be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    /// Digest of the whole file.
    pub checksum: Option<Checksum>,
    /// Length of the file, in bytes.
    pub size: Option<u64>,
    /// Digests of its pieces.
    pub pieces: Option<Arc<Pieces>>,
}

impl Expected {
    /// Whether digests of all bytes are known that show every damage, so that bytes of several
    /// sources may be put together. Adler-32 shows too little.
    pub fn is_proof(&self) -> bool {
        let kind = match (&self.checksum, &self.pieces) {
            (Some(checksum), _) => Some(checksum.kind()),
            (None, pieces) => pieces.as_ref().map(|pieces| pieces.kind()),
        };
        kind.is_some_and(|kind| kind.strength() > Kind::Adler32.strength())
    }
}

/// Checks the bytes of one file against a checksum and computes the digest of its row in one go.
#[derive(Debug)]
pub struct Check {
    expected: Option<Checksum>,
    /// Computes the digest of the row, and that of `expected` unless `proof` does.
    record: Hasher,
    proof: Option<Hasher>,
    /// Computes what tells the content from any other, where neither of these two does.
    content: Option<Hasher>,
    /// Whether that is wanted.
    wants_content: bool,
    /// Checks the pieces where there is no checksum of the whole file, until one is wrong.
    pieces: Option<PieceCheck>,
    wrong: Option<Box<WrongPiece>>,
}

impl Check {
    /// The check of a file that must be `expected`, and whose row has a digest of the kind
    /// `record`. Each kind is computed once; without a `record` the row has that of `expected`.
    /// `None` when nothing is asked for.
    pub fn new(expected: Option<Checksum>, record: Option<Kind>) -> Option<Self> {
        Self::of(&Expected { checksum: expected, ..Expected::default() }, record)
    }

    /// As [`Check::new`]. Pieces prove a file of which no checksum is known, and their kind is then
    /// that of the row. The length is for [`Mismatch::check_size`].
    pub fn of(expected: &Expected, record: Option<Kind>) -> Option<Self> {
        let Expected { checksum, pieces, size: _ } = expected;
        let pieces = pieces.as_ref().filter(|_| checksum.is_none());
        let expected_kind = checksum.map(|checksum| checksum.kind());
        let kind = record.or(expected_kind).or_else(|| pieces.map(|pieces| pieces.kind()))?;
        let proof = expected_kind.filter(|expected| *expected != kind).map(Hasher::new);
        let pieces = pieces.map(|pieces| PieceCheck::new(Arc::clone(pieces), 0));
        Some(Self {
            expected: *checksum,
            record: Hasher::new(kind),
            proof,
            content: None,
            wants_content: false,
            pieces,
            wrong: None,
        })
    }

    /// This check, which finds out besides what tells the content from any other.
    pub fn with_content(self) -> Self {
        let has_it = |hasher: &Hasher| hasher.kind() == CONTENT;
        let is_known = has_it(&self.record) || self.proof.as_ref().is_some_and(has_it);
        let content = (!is_known).then(|| Hasher::new(CONTENT));
        Self { content, wants_content: true, ..self }
    }

    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.record.update(bytes);
        if let Some(proof) = &mut self.proof {
            proof.update(bytes);
        }
        if let Some(content) = &mut self.content {
            content.update(bytes);
        }
        if let Some(pieces) = &mut self.pieces
            && let Err(wrong) = pieces.update(bytes)
        {
            (self.pieces, self.wrong) = (None, Some(wrong));
        }
    }

    /// The digest of the row, and what tells the content from any other.
    ///
    /// # Errors
    /// When the file is not the expected one.
    pub fn finish(self) -> Result<Digests, Box<Mismatch>> {
        let pieces = self.pieces.map_or(Ok(()), PieceCheck::finish);
        if let Some(wrong) = self.wrong.or_else(|| pieces.err()) {
            return Err(Mismatch::Piece(*wrong).into());
        }
        let record = self.record.finish();
        let got = self.proof.map_or(record, Hasher::finish);
        match self.expected {
            Some(expected) if expected != got => Err(Mismatch::Digest { got, expected }.into()),
            Some(_) | None => {
                let content = self.content.map(Hasher::finish);
                let known = [record, got].into_iter().find(|digest| digest.kind() == CONTENT);
                let content = content.or(known).filter(|_| self.wants_content);
                Ok(Digests { row: record, content })
            }
        }
    }
}

/// Digests of a file that is the expected one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Digests {
    /// Digest for the row of the file.
    pub row: Checksum,
    /// Digest that tells the content from any other, where that is wanted: BLAKE3.
    pub content: Option<Checksum>,
}

/// The kind of digest that tells a content from any other.
const CONTENT: Kind = Kind::Blake3;

/// A file that is not the expected one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mismatch {
    /// The whole file has another digest.
    Digest {
        /// Digest of the file.
        got: Checksum,
        /// Digest that was asked for.
        expected: Checksum,
    },
    /// A piece of the file is another one.
    Piece(WrongPiece),
    /// The file has another length, in bytes.
    Size {
        /// Length of the file.
        got: u64,
        /// Length that was asked for.
        expected: u64,
    },
}

impl Mismatch {
    /// Compares the length of a whole file, in bytes, with the one that it must have, if any.
    ///
    /// # Errors
    /// When they differ.
    pub fn check_size(got: u64, expected: Option<u64>) -> Result<(), Box<Self>> {
        match expected {
            Some(expected) if expected != got => Err(Self::Size { got, expected }.into()),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { got, expected } => write!(f, "got {got}, expected {expected}"),
            Self::Piece(wrong) => fmt::Display::fmt(wrong, f),
            Self::Size { got, expected } => write!(f, "got {got} bytes, expected {expected}"),
        }
    }
}

/// Length of the longest digest in bytes.
const DIGEST_BYTES_MAX: usize = 64;
// The length of an array that asks a function is a cycle to some builds (rustc 1.95, tests with
// optimization).
const _: () = assert!(Kind::Sha512.digest_len() == DIGEST_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest_of(kind: Kind, pieces: &[&[u8]]) -> String {
        let mut hasher = Hasher::new(kind);
        pieces.iter().for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.kind(), kind);
        hasher.finish().to_string()
    }

    /// `printf abc | sha1sum` and its like; BLAKE3's is `b3sum`'s.
    const OF_ABC: [&str; 8] = [
        "md5=900150983cd24fb0d6963f7d28e17f72",
        "sha-1=a9993e364706816aba3e25717850c26c9cd0d89d",
        "sha-224=23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        "sha-256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha-384=cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
         8086072ba1e7cc2358baeca134c825a7",
        "sha-512=ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "blake3=6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        "adler32=024d0127",
    ];

    /// The same of nothing.
    const OF_NOTHING: [&str; 8] = [
        "md5=d41d8cd98f00b204e9800998ecf8427e",
        "sha-1=da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha-224=d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
        "sha-256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha-384=38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da\
         274edebfe76f65fbd51ad2f14898b95b",
        "sha-512=cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
         47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        "blake3=af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        "adler32=00000001",
    ];

    #[test]
    fn what_tells_contents_apart_is_computed_once() {
        let of = |kind: Kind| {
            let mut hasher = Hasher::new(kind);
            hasher.update(b"abc");
            hasher.finish()
        };
        let kinds = [None, Some(Kind::Blake3), Some(Kind::Sha256)];
        for (expected, record) in kinds.iter().flat_map(|one| kinds.map(|other| (*one, other))) {
            let Some(check) = Check::new(expected.map(of), record) else { continue };
            let mut check = check.with_content();
            let is_known = [expected, record].contains(&Some(Kind::Blake3));
            assert_eq!(check.content.is_some(), !is_known, "{expected:?} {record:?}");
            check.update(b"a");
            check.update(b"bc");
            let row = of(record.or(expected).unwrap());
            assert_eq!(check.finish(), Ok(Digests { row, content: Some(of(Kind::Blake3)) }));
        }
        let check = Check::new(None, Some(Kind::Blake3)).unwrap();
        assert_eq!(check.finish().unwrap().content, None, "nobody asked");
    }

    #[test]
    fn known_answers() {
        for (kind, (of_abc, of_nothing)) in
            Kind::ALL.into_iter().zip(OF_ABC.into_iter().zip(OF_NOTHING))
        {
            assert_eq!(digest_of(kind, &[b"abc"]), of_abc);
            assert_eq!(digest_of(kind, &[]), of_nothing);
            assert_eq!(digest_of(kind, &[b"", b"a", b"", b"bc"]), of_abc);
        }
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for text in OF_ABC {
            let checksum = Checksum::parse(text).unwrap();
            assert_eq!(checksum.to_string(), text);
            assert_eq!(format!("{checksum:?}"), text);
            assert_eq!(checksum.digest().len(), checksum.kind().digest_len());
            assert_eq!(text.to_ascii_uppercase().parse(), Ok(checksum));
            assert_eq!(Checksum::parse(&text.replace('-', "")), Ok(checksum));
            assert_eq!(Checksum::from_cell(&format!(" {} ", text.replace('=', ":"))), Ok(checksum));
            let (_, hex) = text.split_once('=').unwrap();
            let bare = Checksum::from_cell(hex);
            match checksum.kind() {
                Kind::Blake3 => assert_eq!(bare.unwrap().kind(), Kind::Sha256),
                Kind::Adler32 => assert_eq!(bare, Err(ChecksumError::Bare { digits: 8 })),
                _ => assert_eq!(bare, Ok(checksum)),
            }
        }
        let one = Checksum::parse(OF_ABC[3]).unwrap();
        let other = Checksum::parse(&OF_ABC[3].replace("=ba", "=bb")).unwrap();
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        let cases = [
            ("sha-256", "a checksum is TYPE=HEX"),
            ("", "a checksum is TYPE=HEX"),
            ("crc32=00000000", "md5, sha-1, sha-224, sha-256, sha-384, sha-512, blake3, adler32"),
            ("=00", "unknown type"),
            ("md5=0g", "0-9 and a-f"),
            ("md5=é", "0-9 and a-f"),
            ("sha-1=00", "sha-1 has 40 hex digits, not 2"),
            ("sha-1=", "sha-1 has 40 hex digits, not 0"),
            ("md5=0", "md5 has 32 hex digits, not 1"),
        ];
        for (text, said) in cases {
            let error = Checksum::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        for (text, said) in
            [("", "0-9"), ("0123456789", "10 hex digits"), ("é", "0-9"), ("abc", "3 hex digits")]
        {
            let error = Checksum::from_bare_hex(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        // An odd number is no whole number of bytes.
        assert!(Checksum::from_bare_hex(&"0".repeat(33)).is_err());
    }

    #[test]
    fn a_check_knows_right_from_wrong() {
        assert!(Check::new(None, None).is_none());
        let of = |text: &str| Some(Checksum::parse(text).unwrap());
        let check = |expected, record| {
            let mut check = Check::new(expected, record).unwrap();
            check.update(b"a");
            check.update(b"bc");
            check.finish().map(|digests| digests.row.to_string())
        };
        // What the list wants, what the row should have, what it gets.
        let right = [(None, 6, 6), (Some(0), 0, 0), (Some(3), 6, 6)];
        for (expected, record, row) in right {
            let expected = expected.and_then(|kind: usize| of(OF_ABC[kind]));
            assert_eq!(check(expected, Some(Kind::ALL[record])), Ok(OF_ABC[row].to_owned()));
        }
        assert_eq!(check(of(OF_ABC[1]), None), Ok(OF_ABC[1].to_owned()));
        for record in [None, Some(Kind::Sha256), Some(Kind::Md5)] {
            let mismatch = check(of(OF_NOTHING[3]), record).unwrap_err();
            let said = format!("got {}, expected {}", OF_ABC[3], OF_NOTHING[3]);
            assert_eq!(mismatch.to_string(), said);
        }
    }

    #[test]
    fn pieces_prove_a_file_without_a_checksum() {
        let mut pieces = Pieces::new(std::num::NonZero::new(3).unwrap(), Kind::Sha1);
        pieces.push(OF_ABC[1].split_once('=').unwrap().1).unwrap();
        let pieces = Some(Arc::new(pieces));
        let expected = Expected { pieces, size: Some(3), checksum: None };
        let check = |expected: &Expected, record, file: &[u8]| {
            let mut check = Check::of(expected, record).unwrap();
            file.chunks(2).for_each(|part| check.update(part));
            check.finish().map(|digests| digests.row.to_string()).map_err(|wrong| wrong.to_string())
        };
        assert_eq!(check(&expected, None, b"abc"), Ok(OF_ABC[1].to_owned()));
        assert_eq!(check(&expected, Some(Kind::Md5), b"abc"), Ok(OF_ABC[0].to_owned()));
        for wrong in [&b"abx"[..], b"ab", b"abcd", b""] {
            let said = check(&expected, None, wrong).unwrap_err();
            assert!(said.starts_with("piece "), "{said}");
        }
        // One digest of the whole file says as much.
        let checksum = Some(Checksum::parse(OF_ABC[3]).unwrap());
        let both = Expected { checksum, ..expected.clone() };
        assert_eq!(check(&both, None, b"abc"), Ok(OF_ABC[3].to_owned()));
        assert!(check(&both, None, b"abx").unwrap_err().starts_with("got sha-256="));
        assert_eq!(Mismatch::check_size(3, both.size), Ok(()));
        let said = Mismatch::check_size(4, both.size).unwrap_err().to_string();
        assert_eq!(said, "got 4 bytes, expected 3");
        assert_eq!(Mismatch::check_size(9, None), Ok(()));
        assert!(Check::of(&Expected { size: Some(1), ..Expected::default() }, None).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_digest_does_not_depend_on_how_bytes_were_split(
            bytes in prop::collection::vec(any::<u8>(), 0..4_096),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            for kind in Kind::ALL {
                prop_assert_eq!(digest_of(kind, &pieces), digest_of(kind, &[&bytes]));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,140}", digits in "[0-9a-fA-F]{0,130}") {
            for text in [text, digits.clone(), format!("sha1={digits}")] {
                let (parsed, bare) = (Checksum::from_cell(&text), Checksum::from_bare_hex(&text));
                for checksum in [parsed, bare].into_iter().flatten() {
                    prop_assert_eq!(Checksum::parse(&checksum.to_string()), Ok(checksum));
                }
            }
        }
    }
}
