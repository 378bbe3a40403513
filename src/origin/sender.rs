//! What goes out over a connection: heads and short bodies in one write, long bodies piece by
//! piece, at a rate if there is one. Bytes of bodies are counted as the kernel takes them.

use super::content::Piece;
use super::files::File;
use super::reply::Reply;
use super::route::{Cut, Framing};
use super::shared::{Listener, Shared};
use super::source::Source;
use super::wire::Transport;
use flate2::Crc;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// The sending side of a connection.
pub(super) struct Sender<'a> {
    shared: &'a Shared,
    /// The connection.
    pub(super) transport: Transport,
    /// Bytes sent next: the head, and the body where it is short. Kept for its memory.
    pub(super) out: Vec<u8>,
    /// How many of these are of a body.
    waiting: usize,
    /// When the next byte may go out, where there is a rate.
    due: Option<Instant>,
}

/// Counters that the bytes of a body go to.
#[derive(Clone, Copy)]
pub(super) struct Meter<'a> {
    /// The file, unless it is something else.
    pub(super) file: Option<&'a File>,
    /// The listener.
    pub(super) listener: Listener,
}

impl<'a> Sender<'a> {
    /// The sending side of a new connection.
    pub(super) fn new(shared: &'a Shared, transport: Transport) -> Self {
        Self { shared, transport, out: Vec::new(), waiting: 0, due: None }
    }

    /// Sends the first `len` bytes of the body with what is waiting, all of it.
    pub(super) fn body(&mut self, reply: &Reply, len: u64, meter: Meter<'_>) -> io::Result<()> {
        if reply.rate.is_some() {
            self.flush(meter)?;
            // Time in which nothing was asked for is not made up for.
            self.due = Some(self.due.unwrap_or_else(Instant::now).max(Instant::now()));
        }
        match (reply.is_gzip, reply.framing) {
            (true, framing) => self.coded(reply, len, framing, meter)?,
            (false, Framing::Chunked) => self.chunked(reply, len, meter)?,
            (false, _) => self.span(&reply.source, 0..len, reply.rate, meter)?,
        }
        // What breaks off does not say that it is whole.
        if reply.framing == Framing::Chunked && reply.cut == Cut::Nowhere {
            self.out.extend_from_slice(b"0\r\nX-End: yes\r\n\r\n");
        }
        self.flush(meter)
    }

    /// Sends chunks of sizes that end nowhere near a power of two, with an extension on the odd
    /// ones.
    fn chunked(&mut self, reply: &Reply, len: u64, meter: Meter<'_>) -> io::Result<()> {
        let (mut offset, mut chunk) = (0, 0);
        while offset < len {
            let left = usize::try_from(len - offset).unwrap_or(usize::MAX);
            let size = left.min(CHUNK_BYTES[chunk % CHUNK_BYTES.len()]);
            let extension = if chunk % 2 == 1 { ";n=1" } else { "" };
            self.frame(&format!("{size:x}{extension}\r\n"), meter)?;
            let end = offset + size as u64;
            self.span(&reply.source, offset..end, reply.rate, meter)?;
            self.frame("\r\n", meter)?;
            (offset, chunk) = (end, chunk + 1);
        }
        Ok(())
    }

    /// Sends the body in gzip, in chunks unless the end of the connection ends it.
    fn coded(
        &mut self,
        reply: &Reply,
        len: u64,
        framing: Framing,
        meter: Meter<'_>,
    ) -> io::Result<()> {
        let mut crc = Crc::new();
        let mut coded = GZIP_HEAD.to_vec();
        let mut offset = 0;
        while offset < len {
            let left = u16::try_from(len - offset).unwrap_or(u16::MAX);
            let piece = reply.source.piece(offset, usize::from(left));
            let bytes = piece.as_slice();
            crc.update(bytes);
            stored(&mut coded, bytes, false);
            offset += bytes.len() as u64;
            self.block(std::mem::take(&mut coded), framing, reply.rate, meter)?;
        }
        if reply.cut == Cut::Nowhere {
            stored(&mut coded, b"", true);
            coded.extend_from_slice(&crc.sum().to_le_bytes());
            coded.extend_from_slice(&crc.amount().to_le_bytes());
            self.block(coded, framing, reply.rate, meter)?;
        }
        Ok(())
    }

    /// Sends some coded bytes, as a chunk unless the end of the connection ends the body.
    fn block(
        &mut self,
        bytes: Vec<u8>,
        framing: Framing,
        rate: Option<u64>,
        meter: Meter<'_>,
    ) -> io::Result<()> {
        let source = Source::bytes(bytes);
        if framing == Framing::Chunked {
            self.frame(&format!("{:x}\r\n", source.len), meter)?;
        }
        self.span(&source, 0..source.len, rate, meter)?;
        if framing == Framing::Chunked {
            self.frame("\r\n", meter)?;
        }
        Ok(())
    }

    fn span(
        &mut self,
        source: &Source,
        range: std::ops::Range<u64>,
        rate: Option<u64>,
        meter: Meter<'_>,
    ) -> io::Result<()> {
        let mut offset = range.start;
        while offset < range.end {
            let left = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
            let sent = match rate {
                None => self.send(&source.piece(offset, left), meter)?,
                Some(rate) => {
                    let piece = source.piece(offset, left.min(piece_bytes_max(rate)));
                    self.send_at(rate, &piece, meter)?
                }
            };
            if sent == 0 {
                // The source is shorter than was said, which no file is.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            offset += sent as u64;
        }
        Ok(())
    }

    /// Sends a piece with what is waiting; a short one waits itself. Returns its length.
    fn send(&mut self, piece: &Piece<'_>, meter: Meter<'_>) -> io::Result<usize> {
        let bytes = piece.as_slice();
        if self.out.len() + bytes.len() <= OUT_BYTES {
            self.out.extend_from_slice(bytes);
            self.waiting += bytes.len();
        } else {
            self.flush(meter)?;
            self.write(bytes, bytes.len(), meter)?;
        }
        Ok(bytes.len())
    }

    /// Sends a piece when it is due. Returns its length.
    fn send_at(&mut self, rate: u64, piece: &Piece<'_>, meter: Meter<'_>) -> io::Result<usize> {
        let bytes = piece.as_slice();
        let now = Instant::now();
        // A peer that was slow for a while does not get a burst for all of it.
        let due = self.due.unwrap_or(now).max(now.checked_sub(CATCH_UP_MAX).unwrap_or(now));
        let early = due.saturating_duration_since(now);
        if early >= SLEEP_MIN && !self.shared.pause_for(early) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.flush(meter)?;
        self.write(bytes, bytes.len(), meter)?;
        self.due = Some(due + Duration::from_secs_f64(bytes.len() as f64 / rate as f64));
        Ok(bytes.len())
    }

    /// Puts a line of the chunked coding to what is waiting.
    fn frame(&mut self, line: &str, meter: Meter<'_>) -> io::Result<()> {
        if self.out.len() + line.len() > OUT_BYTES {
            self.flush(meter)?;
        }
        self.out.extend_from_slice(line.as_bytes());
        Ok(())
    }

    /// Sends what is waiting.
    pub(super) fn flush(&mut self, meter: Meter<'_>) -> io::Result<()> {
        let out = std::mem::take(&mut self.out);
        let body = std::mem::take(&mut self.waiting);
        let result = self.write(&out, body, meter);
        self.out = out;
        self.out.clear();
        result?;
        self.transport.flush()
    }

    /// Writes all of `bytes`, the last `body` of which are of a body.
    fn write(&mut self, bytes: &[u8], body: usize, meter: Meter<'_>) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            match self.transport.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    let body_left = body.min(left.len());
                    left = &left[sent..];
                    self.count(body_left - body.min(left.len()), meter);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn count(&self, bytes: usize, meter: Meter<'_>) {
        if let Some(file) = meter.file.filter(|_| bytes > 0) {
            file.sent(bytes);
            self.shared.count_body(meter.listener, bytes);
        }
    }
}

/// Appends a block that is stored as it is (RFC 1951 section 3.2.4): a compressor would need more
/// of the stack than these threads have.
fn stored(out: &mut Vec<u8>, bytes: &[u8], is_last: bool) {
    let len = u16::try_from(bytes.len()).expect("it was cut to that");
    out.push(u8::from(is_last));
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Longest piece at a rate, in bytes: some milliseconds of it.
fn piece_bytes_max(rate: u64) -> usize {
    usize::try_from(rate / 128).unwrap_or(usize::MAX).clamp(1, OUT_BYTES)
}

/// A head and a body up to this many bytes go out in one write.
const OUT_BYTES: usize = 64 * 1024;
/// Start of a gzip stream without a name and a time (RFC 1952 section 2.3).
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// Sizes of chunks, in turn.
const CHUNK_BYTES: [usize; 5] = [1, 1_000, 17, 40_000, 3];
/// Shortest sleep for the sake of a rate: what is due earlier goes out early.
const SLEEP_MIN: Duration = Duration::from_millis(4);
/// Longest time that a response makes up for when it is late.
const CATCH_UP_MAX: Duration = Duration::from_millis(100);
