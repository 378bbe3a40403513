//! Bodies that are stored: by what is in them, the line that each was stored for first, and where.
//!
//! In memory there is no more of a body than its digest and a number ([`super::seen`]). The rest
//! is a record in a log on disk: 60 bytes, and the path.

use super::seen::{Key, Log, Room, Seen};
use std::io;

/// What tells a file from any other one, and from what it was before a change. Whoever looks at
/// files knows what is in it.
pub type Print = [u8; 40];

/// The place where a body was stored first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct First {
    /// Number of the input line.
    pub index: u64,
    /// Bytes of the body.
    pub size: u64,
    /// What the file was like; `None` where nobody has seen it in this run.
    pub print: Option<Print>,
    /// Path of the file beneath the directory of the run, or whatever else says where it is.
    pub path: String,
}

/// A place that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The place.
    pub first: First,
    /// What tells it from others that the same body was found at.
    pub at: u64,
}

/// All bodies that are stored.
#[derive(Debug)]
pub struct Contents<R: Room> {
    seen: Seen<R>,
    log: Log<R>,
}

impl<R: Room + Clone> Contents<R> {
    /// None so far. What takes more memory than so many bytes goes into `room`.
    pub fn new(room: R, memory_bytes: u64) -> Self {
        Self { seen: Seen::new(room.clone(), memory_bytes), log: Log::new(room) }
    }
}

impl<R: Room> Contents<R> {
    /// Where the body of this digest and size is, if it is stored.
    ///
    /// # Errors
    /// What was written out cannot be read back.
    pub fn find(&self, key: &Key, size: u64) -> io::Result<Option<Found>> {
        let Some(at) = self.seen.find(key)? else { return Ok(None) };
        let first = decode(&self.log.read(at)?).ok_or(io::ErrorKind::InvalidData)?;
        Ok((first.size == size).then_some(Found { first, at }))
    }

    /// The body of this digest is stored there, wherever it was before.
    ///
    /// # Errors
    /// There is no room to write that down.
    pub fn remember(&mut self, key: Key, first: &First) -> io::Result<()> {
        let at = self.log.add(&encode(first))?;
        self.seen.set(key, at)
    }
}

fn encode(first: &First) -> Vec<u8> {
    let First { index, size, print, path } = first;
    let mut record = Vec::with_capacity(FRONT_BYTES + path.len());
    record.extend_from_slice(&index.to_le_bytes());
    record.extend_from_slice(&size.to_le_bytes());
    // No file has a print of zeros: it has a number.
    record.extend_from_slice(&print.unwrap_or([0; size_of::<Print>()]));
    record.extend_from_slice(path.as_bytes());
    record
}

fn decode(record: &[u8]) -> Option<First> {
    let (index, rest) = record.split_first_chunk()?;
    let (size, rest) = rest.split_first_chunk()?;
    let (print, path) = rest.split_first_chunk::<{ size_of::<Print>() }>()?;
    Some(First {
        index: u64::from_le_bytes(*index),
        size: u64::from_le_bytes(*size),
        print: Some(*print).filter(|print| print.iter().any(|byte| *byte != 0)),
        path: String::from_utf8(path.to_vec()).ok()?,
    })
}

/// Bytes of a record in front of the path.
const FRONT_BYTES: usize = 8 + 8 + size_of::<Print>();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::seen::{Piece, key_of};

    #[derive(Clone, Debug)]
    struct Pages;

    #[derive(Debug)]
    struct Page(Vec<u8>);

    impl Room for Pages {
        type Piece = Page;

        fn piece(&self) -> io::Result<Page> {
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

    #[test]
    fn what_was_stored_is_found_where_it_is_by_now() {
        let mut contents = Contents::new(Pages, 0);
        let key = |number: u64| key_of(&number.to_le_bytes());
        let first = |number: u64, print| First {
            index: number,
            size: number,
            print,
            path: "d/".repeat((number % 200) as usize) + "ä",
        };
        for number in 0..3_000 {
            let print = (number % 2 == 0).then_some([7; 40]);
            contents.remember(key(number), &first(number, print)).unwrap();
        }
        for number in 0..3_000 {
            let found = contents.find(&key(number), number).unwrap().unwrap();
            assert_eq!(found.first, first(number, (number % 2 == 0).then_some([7; 40])));
            assert_eq!(contents.find(&key(number), number + 1).unwrap(), None);
        }
        assert_eq!(contents.find(&key(3_000), 3_000).unwrap(), None);
        let before = contents.find(&key(5), 5).unwrap().unwrap().at;
        let moved = First { path: "elsewhere".to_owned(), ..first(5, None) };
        contents.remember(key(5), &moved).unwrap();
        let found = contents.find(&key(5), 5).unwrap().unwrap();
        assert!(found.first == moved && found.at != before);
    }
}
