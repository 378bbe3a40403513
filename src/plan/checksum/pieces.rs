//! Digests of the pieces of a file (RFC 5854 section 4.2.15), and what finds out which is wrong.

use super::{Checksum, ChecksumError, Hasher, Kind};
use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;

/// The digests of a file that is cut into pieces of one length, of which the last may be shorter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pieces {
    length: NonZero<u64>,
    kind: Kind,
    /// The digests, one behind the other.
    digests: Vec<u8>,
}

impl Pieces {
    /// Pieces of `length` bytes, whose digests are of this kind; there are none so far.
    pub fn new(length: NonZero<u64>, kind: Kind) -> Self {
        Self { length, kind, digests: Vec::new() }
    }

    /// Adds the digest of the next piece, in hex digits.
    ///
    /// # Errors
    /// When it is not such a digest.
    pub fn push(&mut self, hex: &str) -> Result<(), ChecksumError> {
        let digest = Checksum::from_hex(self.kind, hex)?;
        self.digests.extend_from_slice(digest.digest());
        Ok(())
    }

    /// Length of a piece, in bytes.
    pub fn length(&self) -> u64 {
        self.length.get()
    }

    /// Kind of the digests.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of pieces.
    pub fn count(&self) -> u64 {
        (self.digests.len() / self.kind.digest_len()) as u64
    }

    /// Memory of the digests, in bytes.
    pub fn bytes(&self) -> usize {
        self.digests.len()
    }

    /// Digest of the piece of this number, from 0.
    pub fn digest(&self, index: u64) -> Option<Checksum> {
        let len = self.kind.digest_len();
        let at = usize::try_from(index).ok()?.checked_mul(len)?;
        let digest = self.digests.get(at..at.checked_add(len)?)?;
        Some(Checksum::new(self.kind, digest))
    }

    /// Whether a file of this many bytes has as many pieces.
    pub fn fit(&self, size: u64) -> bool {
        size.div_ceil(self.length.get()) == self.count()
    }
}

/// Checks the pieces of one file whose bytes come in order, in parts of any length.
#[derive(Debug)]
pub struct PieceCheck {
    pieces: Arc<Pieces>,
    /// Number of the piece that has begun.
    index: u64,
    hasher: Hasher,
    /// Bytes of that piece so far.
    filled: u64,
}

impl PieceCheck {
    /// A check that begins with the piece of this number, from 0.
    pub fn new(pieces: Arc<Pieces>, index: u64) -> Self {
        let hasher = Hasher::new(pieces.kind);
        Self { pieces, index, hasher, filled: 0 }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// When a piece that ends in them is not the expected one. Nothing may follow then.
    pub fn update(&mut self, mut bytes: &[u8]) -> Result<(), Box<WrongPiece>> {
        while !bytes.is_empty() {
            let room = self.pieces.length.get() - self.filled;
            let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.hasher.update(now);
            self.filled += now.len() as u64;
            bytes = later;
            if self.filled == self.pieces.length.get() {
                self.end_piece()?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the last piece is not the expected one, or not the last one.
    pub fn finish(mut self) -> Result<(), Box<WrongPiece>> {
        if self.filled > 0 {
            self.end_piece()?;
        }
        match self.pieces.digest(self.index) {
            None => Ok(()),
            expected => Err(self.wrong(None, expected)),
        }
    }

    fn end_piece(&mut self) -> Result<(), Box<WrongPiece>> {
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new(self.pieces.kind));
        let (got, expected) = (hasher.finish(), self.pieces.digest(self.index));
        if expected != Some(got) {
            return Err(self.wrong(Some(got), expected));
        }
        self.index += 1;
        self.filled = 0;
        Ok(())
    }

    fn wrong(&self, got: Option<Checksum>, expected: Option<Checksum>) -> Box<WrongPiece> {
        let begin = self.index.saturating_mul(self.pieces.length.get());
        let range = begin..begin.saturating_add(self.filled);
        WrongPiece { index: self.index, range, got, expected }.into()
    }
}

/// A piece that is not the expected one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrongPiece {
    /// Number of the piece, from 0.
    pub index: u64,
    /// The bytes of the file that it is, as far as they are there.
    pub range: Range<u64>,
    /// Digest of these bytes; nothing where the file ends before them.
    pub got: Option<Checksum>,
    /// Digest that was asked for; nothing where there is to be no such piece.
    pub expected: Option<Checksum>,
}

impl fmt::Display for WrongPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, range, got, expected } = self;
        write!(f, "piece {index} (bytes from {}): ", range.start)?;
        match (got, expected) {
            (Some(got), Some(expected)) => write!(f, "got {got}, expected {expected}"),
            (Some(_), None) => f.write_str("the file is longer than its pieces"),
            (None, _) => f.write_str("the file is shorter than its pieces"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(length: u64, file: &[u8]) -> Arc<Pieces> {
        let length = NonZero::new(length).unwrap();
        let mut pieces = Pieces::new(length, Kind::Sha1);
        for piece in file.chunks(usize::try_from(length.get()).unwrap()) {
            let mut hasher = Hasher::new(Kind::Sha1);
            hasher.update(piece);
            let digest = hasher.finish().to_string();
            pieces.push(digest.strip_prefix("sha-1=").unwrap()).unwrap();
        }
        assert!(pieces.fit(file.len() as u64));
        pieces.into()
    }

    fn check(pieces: &Arc<Pieces>, parts: &[&[u8]]) -> Result<(), Box<WrongPiece>> {
        let mut check = PieceCheck::new(Arc::clone(pieces), 0);
        parts.iter().try_for_each(|part| check.update(part))?;
        check.finish()
    }

    #[test]
    fn the_wrong_piece_is_named() {
        let pieces = pieces(4, b"0123456789");
        assert_eq!((pieces.count(), pieces.length(), pieces.kind()), (3, 4, Kind::Sha1));
        assert!(pieces.fit(9) && pieces.fit(12) && !pieces.fit(8) && !pieces.fit(13));
        assert_eq!(pieces.digest(3), None);
        for (file, index, range) in [
            (&b"x123456789"[..], 0, 0..4),
            (b"0123x56789", 1, 4..8),
            (b"01234567x9", 2, 8..10),
            (b"012345678", 2, 8..9),
            (b"01234567", 2, 8..8),
            (b"", 0, 0..0),
            (b"01234567890", 2, 8..11),
        ] {
            let wrong = check(&pieces, &[file]).unwrap_err();
            assert_eq!((wrong.index, &wrong.range), (index, &range), "{wrong}");
        }
        let wrong = check(&pieces, &[b"01234567x9"]).unwrap_err().to_string();
        assert!(wrong.starts_with("piece 2 (bytes from 8): got sha-1="), "{wrong}");
    }

    #[test]
    fn a_check_begins_at_any_piece() {
        let pieces = pieces(4, b"0123456789");
        let mut later = PieceCheck::new(Arc::clone(&pieces), 1);
        later.update(b"456789").unwrap();
        assert_eq!(later.finish(), Ok(()));
        let mut longer = PieceCheck::new(pieces, 3);
        longer.update(b"abcd").unwrap_err();
    }

    #[test]
    fn a_digest_of_another_kind_is_refused() {
        let mut pieces = Pieces::new(NonZero::<u64>::MIN, Kind::Md5);
        assert!(pieces.push("00").is_err());
        assert_eq!((pieces.count(), pieces.bytes()), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_good_file_is_good_however_it_comes(
            file in prop::collection::vec(any::<u8>(), 0..200),
            length in 1_u64..50,
            part in 1_usize..60,
            at in any::<prop::sample::Index>(),
        ) {
            let pieces = pieces(length, &file);
            let parts: Vec<&[u8]> = file.chunks(part).collect();
            prop_assert_eq!(check(&pieces, &parts), Ok(()));
            if !file.is_empty() {
                let at = at.index(file.len());
                let mut other = file.clone();
                other[at] ^= 1;
                let parts: Vec<&[u8]> = other.chunks(part).collect();
                let wrong = check(&pieces, &parts).unwrap_err();
                prop_assert!(wrong.range.contains(&(at as u64)));
            }
        }
    }
}
