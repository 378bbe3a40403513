//! A body that is collected before it goes anywhere: an archive says how long a member is before
//! its first byte.
//!
//! A body that fits its receive buffer stays there. A longer one is put together in memory, and one
//! that is too long for that, or comes when too many others wait there, in a file without a name.

use crate::engine::output::stored_once::Content;
use crate::fault::Cause;
use crate::limits::{COLLECTED_BYTES_MAX, MEMBER_MEMORY_BYTES_MAX};
use crate::ring::buf::{BufPool, RecvBuf};
use crate::ring::file::Spill;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of collected bodies that are in memory, over all cores.
pub(crate) type Account = Arc<AtomicUsize>;

/// A whole body that is to be packed.
#[derive(Debug)]
pub(crate) struct ToPack {
    pub(crate) bytes: Box<Collected>,
    /// What the body is known by, where bodies are packed once only.
    pub(crate) content: Option<Content>,
}

/// What came of a body so far, in order.
#[derive(Debug)]
pub(crate) struct Collected {
    bytes: Bytes,
    /// Where the file is made, if there is to be one.
    dir: Arc<Path>,
    account: Account,
}

#[derive(Debug)]
enum Bytes {
    /// Nothing but what waits in a receive buffer.
    Buffer(RecvBuf),
    Memory(Vec<u8>),
    File(Spill),
}

impl Collected {
    /// Begins a body, of which nothing came; `dir` has room for long ones.
    pub(crate) fn new(dir: &Arc<Path>, account: &Account) -> Self {
        let (dir, account) = (Arc::clone(dir), Arc::clone(account));
        Self { bytes: Bytes::Memory(Vec::new()), dir, account }
    }

    /// Takes the waiting body of a buffer.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn take(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        self.push(buf.body())?;
        buf.body_written();
        Ok(())
    }

    /// Takes the last of the body, which waits in a buffer: with the buffer, where that has all of
    /// it and nothing else.
    pub(super) fn take_last(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        let is_all = matches!(&self.bytes, Bytes::Memory(memory) if memory.is_empty());
        if is_all && buf.has_memory() && buf.unread_len() == 0 {
            self.bytes = Bytes::Buffer(mem::take(buf));
            return Ok(());
        }
        self.take(buf)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        if let Bytes::Memory(memory) = &mut self.bytes {
            let length = memory.len() + bytes.len();
            let others = self.account.load(Ordering::Relaxed);
            if length <= MEMBER_MEMORY_BYTES_MAX && others + bytes.len() <= COLLECTED_BYTES_MAX {
                self.account.fetch_add(bytes.len(), Ordering::Relaxed);
                memory.extend_from_slice(bytes);
                return Ok(());
            }
            let mut file = Spill::create(&self.dir)?;
            file.write(memory)?;
            self.account.fetch_sub(memory.len(), Ordering::Relaxed);
            self.bytes = Bytes::File(file);
        }
        match &mut self.bytes {
            Bytes::File(file) => file.write(bytes),
            Bytes::Buffer(_) | Bytes::Memory(_) => unreachable!("only the last is taken whole"),
        }
    }

    /// The bytes from `at` on, as many as are at hand: those in memory as they are, others by way
    /// of `buffer`. None at the end.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn read<'b>(&'b self, at: u64, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Cause> {
        let from = |bytes: &'b [u8]| {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            bytes.get(at..).unwrap_or_default()
        };
        match &self.bytes {
            Bytes::Buffer(buf) => Ok(from(buf.body())),
            Bytes::Memory(memory) => Ok(from(memory)),
            Bytes::File(file) => {
                buffer.resize(READ_BYTES, 0);
                let count = file.read(buffer, at)?;
                Ok(&buffer[..count])
            }
        }
    }

    /// Has `taker` take the buffer with the whole body, if that is where it is, and says whether it
    /// did. Otherwise the body stays.
    pub(crate) fn lend(&mut self, taker: impl FnOnce(RecvBuf) -> Result<(), RecvBuf>) -> bool {
        let Bytes::Buffer(buf) = &mut self.bytes else { return false };
        let taken = taker(mem::take(buf));
        let is_taken = taken.is_ok();
        if let Err(back) = taken {
            *buf = back;
        }
        is_taken
    }

    /// Gives the memory back, which others may use.
    pub(crate) fn give_back(mut self, buffers: &BufPool) {
        if let Bytes::Buffer(buf) = &mut self.bytes {
            buffers.give(mem::take(buf));
        }
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        if let Bytes::Memory(memory) = &self.bytes {
            self.account.fetch_sub(memory.len(), Ordering::Relaxed);
        }
    }
}

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::buf::Size;

    fn all(collected: &Collected) -> Vec<u8> {
        let (mut bytes, mut buffer) = (Vec::new(), Vec::new());
        loop {
            let more = collected.read(bytes.len() as u64, &mut buffer).unwrap();
            if more.is_empty() {
                return bytes;
            }
            bytes.extend_from_slice(more);
        }
    }

    #[test]
    fn bodies_are_whole_wherever_they_waited() {
        let root = tempfile::tempdir().unwrap();
        let dir: Arc<Path> = root.path().into();
        let (buffers, account) = (BufPool::default(), Account::default());
        let piece: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        for (pieces, others, is_file) in [
            (1, 0, false),
            (3, 0, false),
            (3, COLLECTED_BYTES_MAX - 150_000, true),
            (MEMBER_MEMORY_BYTES_MAX / piece.len() + 2, 0, true),
        ] {
            account.store(others, Ordering::Relaxed);
            let mut collected = Collected::new(&dir, &account);
            for number in 1..=pieces {
                let mut buf = buffers.take(Size::Large);
                buf.append_body(&piece);
                if number < pieces {
                    collected.take(&mut buf).unwrap();
                } else {
                    collected.take_last(&mut buf).unwrap();
                }
            }
            assert!(all(&collected) == piece.repeat(pieces), "{pieces} pieces");
            assert_eq!(matches!(collected.bytes, Bytes::File(_)), is_file, "{pieces}");
            assert_eq!(matches!(collected.bytes, Bytes::Buffer(_)), pieces == 1);
            collected.give_back(&buffers);
            assert_eq!(account.load(Ordering::Relaxed), others);
        }
        let mut empty = Collected::new(&dir, &account);
        empty.take_last(&mut RecvBuf::default()).unwrap();
        assert!(all(&empty).is_empty());
    }
}
