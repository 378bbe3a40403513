//! Records one behind the other, found again by where they begin: what numbers of [`super::Seen`]
//! may stand for.

use super::{Piece, Room};
use std::io;

/// Records in room on a disk, the newest of them in memory.
#[derive(Debug)]
pub struct Log<R: Room> {
    room: R,
    /// Made when the first records are written out.
    piece: Option<R::Piece>,
    /// Bytes that were written out.
    written: u64,
    /// Bytes behind them.
    newest: Vec<u8>,
}

impl<R: Room> Log<R> {
    /// An empty one.
    pub fn new(room: R) -> Self {
        Self { room, piece: None, written: 0, newest: Vec::new() }
    }

    /// Adds a record, and gives where it begins.
    ///
    /// # Errors
    /// There is no room for those that are in memory.
    pub fn add(&mut self, record: &[u8]) -> io::Result<u64> {
        if self.newest.len() >= NEWEST_BYTES_MAX {
            let piece = match &mut self.piece {
                Some(piece) => piece,
                None => self.piece.insert(self.room.piece()?),
            };
            piece.append(&self.newest)?;
            self.written += self.newest.len() as u64;
            self.newest.clear();
        }
        let at = self.written + self.newest.len() as u64;
        let length = u32::try_from(record.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.newest.extend_from_slice(&length.to_le_bytes());
        self.newest.extend_from_slice(record);
        Ok(at)
    }

    /// The record that begins there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, at: u64) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.read_at(&mut length, at)?;
        let mut record = vec![0; u32::from_le_bytes(length) as usize];
        self.read_at(&mut record, at + length.len() as u64)?;
        Ok(record)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        match (at.checked_sub(self.written), &self.piece) {
            (Some(at), _) => {
                let begin = usize::try_from(at).unwrap_or(usize::MAX);
                let record = self.newest.get(begin..).and_then(|rest| rest.get(..bytes.len()));
                bytes.copy_from_slice(record.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            (None, Some(piece)) => piece.read_at(bytes, at),
            (None, None) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Bytes that are kept in memory before they are written out.
const NEWEST_BYTES_MAX: usize = 64 * 1024;
