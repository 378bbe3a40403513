//! Compressed inputs: gzip and zstd, known by their first bytes, undone piece by piece.
//!
//! Both formats may be several streams one behind the other, as `cat` makes them. [`Gunzip`] and
//! the `zstd` crate do the work. zstd is the C library, not a port: it is several times as fast,
//! takes its input in pieces of any size, and the compiler that it needs is needed for TLS anyway.

use crate::http::gunzip::{Gunzip, GunzipError};
use std::fmt;
use std::io;
use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

/// What an input is packed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packing {
    /// Nothing that is known.
    None,
    /// RFC 1952
    Gzip,
    /// RFC 8878
    Zstd,
    /// Something that cannot be read: its name, and a remedy.
    Foreign(&'static str),
}

impl Packing {
    /// The packing that the first bytes of an input tell. `None` when it takes more of them to
    /// know.
    pub fn of(head: &[u8]) -> Option<Self> {
        let is = |magic: &[u8]| head.starts_with(magic);
        let may_become = |magic: &[u8]| magic.starts_with(head);
        if let Some((_, packing)) = MAGICS.iter().find(|(magic, _)| is(magic)) {
            return Some(*packing);
        }
        let is_open = MAGICS.iter().any(|(magic, _)| may_become(magic));
        (!is_open).then_some(Self::None)
    }
}

/// Why packed bytes cannot be undone to their end.
#[derive(Debug)]
pub enum UnpackError {
    /// The packed bytes contradict themselves.
    Damaged(&'static str, io::Error),
    /// The input ends within a stream.
    EndsEarly(&'static str),
    /// Something else follows a stream.
    Garbage(&'static str),
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(name, _) => write!(f, "its {name} data is damaged"),
            Self::EndsEarly(name) => write!(f, "its {name} data ends early: it was cut off"),
            Self::Garbage(name) => write!(f, "something else follows its {name} data"),
        }
    }
}

impl std::error::Error for UnpackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged(_, error) => Some(error),
            Self::EndsEarly(_) | Self::Garbage(_) => None,
        }
    }
}

/// Undoes the packing of one input.
pub struct Unpacker(State);

enum State {
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
}

impl Unpacker {
    /// An unpacker for an input; `None` where there is nothing to undo.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(packing: Packing) -> io::Result<Option<Self>> {
        Ok(match packing {
            Packing::None | Packing::Foreign(_) => None,
            Packing::Gzip => Some(Self(State::Gzip(Box::default()))),
            Packing::Zstd => {
                let zstd = Zstd { decoder: Decoder::new()?, is_between: true };
                Some(Self(State::Zstd(Box::new(zstd))))
            }
        })
    }

    /// Reads from the front of `input` and writes to `output`, which is not empty: how many bytes
    /// were read and written. When both are none, it takes more input.
    ///
    /// # Errors
    /// When the packed bytes are damaged, or something else follows them.
    pub fn unpack(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(usize, usize), UnpackError> {
        match &mut self.0 {
            State::Gzip(gzip) => gzip.unpack(input, output),
            State::Zstd(zstd) => zstd.unpack(input, output),
        }
    }

    /// Ends the input, when [`Unpacker::unpack`] wants more.
    ///
    /// # Errors
    /// When the input ends within a stream.
    pub fn finish(&mut self) -> Result<(), UnpackError> {
        match &mut self.0 {
            State::Gzip(gzip) => gzip.finish(),
            State::Zstd(zstd) if zstd.is_between => Ok(()),
            State::Zstd(_) => Err(UnpackError::EndsEarly(ZSTD)),
        }
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Gzip(_) => GZIP,
            State::Zstd(_) => ZSTD,
        })
    }
}

/// gzip data, and what of its content waits for room.
#[derive(Default)]
struct Gzip {
    gunzip: Gunzip,
    content: Vec<u8>,
    /// Bytes of the content that were written.
    written: usize,
    /// Why there is no more behind it.
    failed: Option<UnpackError>,
}

impl Gzip {
    fn unpack(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), UnpackError> {
        let mut used = 0;
        loop {
            let waiting = &self.content[self.written..];
            if !waiting.is_empty() {
                let length = waiting.len().min(output.len());
                output[..length].copy_from_slice(&waiting[..length]);
                self.written += length;
                return Ok((used, length));
            }
            self.content.clear();
            self.written = 0;
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            let went_on = match &input[used..] {
                [] => match self.gunzip.flush(&mut self.content) {
                    Ok(()) if self.content.is_empty() => return Ok((used, 0)),
                    flushed => flushed,
                },
                rest => self.gunzip.decode(rest, &mut self.content).map(|length| used += length),
            };
            self.failed = went_on.err().map(UnpackError::from);
        }
    }

    fn finish(&mut self) -> Result<(), UnpackError> {
        self.gunzip.finish(&mut self.content)?;
        debug_assert!(self.content.is_empty(), "a flush leaves nothing for the end");
        Ok(())
    }
}

impl From<GunzipError> for UnpackError {
    fn from(error: GunzipError) -> Self {
        match error {
            GunzipError::Damaged(error) => Self::Damaged(GZIP, error),
            GunzipError::EndsEarly => Self::EndsEarly(GZIP),
            GunzipError::Garbage => Self::Garbage(GZIP),
        }
    }
}

/// Frames of zstd data (RFC 8878 section 3.1). A frame may ask for a window of 128 MiB, as with
/// zstd(1); more is an error of its decoder.
struct Zstd {
    decoder: Decoder<'static>,
    /// Before the first frame or behind one.
    is_between: bool,
}

impl Zstd {
    fn unpack(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), UnpackError> {
        if self.is_between && input.is_empty() {
            return Ok((0, 0));
        }
        let damaged = |error| UnpackError::Damaged(ZSTD, error);
        if std::mem::take(&mut self.is_between) {
            self.decoder.reinit().map_err(damaged)?;
        }
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
        let hint = self.decoder.run(&mut from, &mut to).map_err(damaged)?;
        self.is_between = hint == 0;
        Ok((from.pos(), to.pos()))
    }
}

/// The first bytes of what inputs may be packed with. A skippable frame of zstd (RFC 8878 section
/// 3.1.2), which pzstd begins with, has sixteen.
const MAGICS: [(&[u8], Packing); 11] = [
    (b"\x1f\x8b", Packing::Gzip),
    (b"\x28\xb5\x2f\xfd", Packing::Zstd),
    (b"\x50\x2a\x4d\x18", Packing::Zstd),
    (b"PAR1", Packing::Foreign(PARQUET)),
    (b"ARROW1", Packing::Foreign("an Arrow file, which is not read: save it as CSV")),
    (b"BZh91AY&SY", Packing::Foreign("bzip2 data: run bzcat FILE | ringpull -i -")),
    (b"\xfd7zXZ\0", Packing::Foreign("xz data: run xzcat FILE | ringpull -i -")),
    (b"\x04\x22\x4d\x18", Packing::Foreign("lz4 data: run lz4cat FILE | ringpull -i -")),
    (b"PK\x03\x04", Packing::Foreign("a zip archive: run unzip -p FILE | ringpull -i -")),
    (b"7z\xbc\xaf\x27\x1c", Packing::Foreign("a 7z archive: unpack it first")),
    (b"SQLite format 3\0", Packing::Foreign("a database: export its table as CSV")),
];
const PARQUET: &str = "Parquet, which is read from its end: save it to a file, and give that as -i \
     FILE.parquet";
const GZIP: &str = "gzip";
const ZSTD: &str = "zstd";

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Unpacks data that comes in such pieces into an output of this length: what came out, and
    /// how it ended.
    fn unpack(data: &[u8], piece: usize, room: usize) -> (Vec<u8>, Result<(), UnpackError>) {
        let packing = Packing::of(data).unwrap();
        let mut unpacker = Unpacker::new(packing).unwrap().expect("packed data");
        let (mut content, mut output) = (Vec::new(), vec![0; room]);
        for mut piece in data.chunks(piece) {
            loop {
                match unpacker.unpack(piece, &mut output) {
                    Ok((0, 0)) => break,
                    Ok((used, written)) => {
                        piece = &piece[used..];
                        content.extend_from_slice(&output[..written]);
                    }
                    Err(error) => return (content, Err(error)),
                }
            }
            assert!(piece.is_empty(), "{} bytes are left", piece.len());
        }
        let result = unpacker.finish();
        (content, result)
    }

    fn text() -> Vec<u8> {
        (0..30_000).flat_map(|n| format!("http://h/{n}\n").into_bytes()).collect()
    }

    #[test]
    fn what_was_packed_comes_out_however_it_is_cut() {
        let text = text();
        let (front, back) = text.split_at(1_000);
        let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let cases = [
            gzip(&text),
            [gzip(front), gzip(back)].concat(),
            [gzip(front), gzip(b""), gzip(back), vec![0; 600]].concat(),
            zstd(&text),
            [zstd(front), zstd(b""), zstd(back)].concat(),
            [skippable.clone(), zstd(front), skippable, zstd(back)].concat(),
        ];
        for (case, data) in cases.iter().enumerate() {
            for (piece, room) in [(data.len(), 1 << 20), (1, 70), (2, 1_000), (1_000, 30), (13, 13)]
            {
                let (content, result) = unpack(data, piece, room);
                assert!(result.is_ok(), "{case}: {result:?}");
                assert!(content == text, "{case}: pieces of {piece} into {room}");
            }
        }
    }

    #[test]
    fn cut_and_damaged_data_is_an_error_behind_what_was_good() {
        let text = text();
        for data in [gzip(&text), zstd(&text)] {
            for end in (12..data.len()).step_by(97) {
                let (content, result) = unpack(&data[..end], 1_000, 1_000);
                let mut unpacker = Unpacker::new(Packing::of(&data).unwrap()).unwrap().unwrap();
                let (mut at, mut output) = (0, vec![0; 1_000]);
                while at < end {
                    at += unpacker.unpack(&data[at..end], &mut output).unwrap().0;
                }
                while unpacker.unpack(&[], &mut output).unwrap() != (0, 0) {}
                assert!(unpacker.finish().is_err());
                assert_eq!(unpacker.unpack(&[], &mut output).unwrap(), (0, 0), "no more: {end}");
                assert!(matches!(result, Err(UnpackError::EndsEarly(_))), "{end}: {result:?}");
                assert!(text.starts_with(&content), "{end}");
            }
            let (content, _) = unpack(&data[..data.len() - 1], 100, 1_000);
            assert!(content.len() > text.len() / 2, "what can be known is given");
            let mut damaged = data.clone();
            damaged[data.len() / 2] ^= 0x55;
            assert!(unpack(&damaged, 1_000, 1_000).1.is_err());
            let (content, result) = unpack(&[&data[..], b"http://h/"].concat(), 1_000, 1_000);
            assert!(result.is_err() && content == text);
        }
        let (_, result) = unpack(&[gzip(b"a"), vec![0, 0, 1]].concat(), 1, 10);
        assert!(matches!(result, Err(UnpackError::Garbage(_))), "{result:?}");
    }

    #[test]
    fn a_bomb_needs_no_memory() {
        let zeros = vec![0; 50 << 20];
        for data in [gzip(&zeros), zstd(&zeros)] {
            let mut unpacker = Unpacker::new(Packing::of(&data).unwrap()).unwrap().unwrap();
            let (mut at, mut total, mut output) = (0, 0, vec![0; 1_000]);
            loop {
                let (used, written) = unpacker.unpack(&data[at..], &mut output).unwrap();
                (at, total) = (at + used, total + written);
                if (used, written) == (0, 0) {
                    break;
                }
            }
            assert_eq!((at, total), (data.len(), zeros.len()));
        }
    }

    #[test]
    fn the_first_bytes_say_what_it_is() {
        for (magic, packing) in MAGICS {
            assert_eq!(Packing::of(magic), Some(packing));
            for length in 0..magic.len() {
                assert_eq!(Packing::of(&magic[..length]), None, "{}", magic.escape_ascii());
            }
        }
        for text in [&b"http://"[..], b"\n", b"#", b"BZh9\n", b"\x1f\n", b"PAR\n", b"\xef\xbb\xbf"]
        {
            assert_eq!(Packing::of(text), Some(Packing::None), "{}", text.escape_ascii());
        }
    }
}
