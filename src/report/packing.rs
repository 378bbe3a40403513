//! Reports as gzip (RFC 1952) or zstd (RFC 8878), in parts.
//!
//! Each batch of rows is a part of its own: a member of gzip data, a frame of zstd data. Both
//! formats are one stream when parts follow each other, so every reader takes them for one file,
//! and a file that ends behind one of them is whole. So a report that is packed can be continued,
//! and the report of a run that was killed is readable up to its last whole batch.

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, Read, Write as _};
use std::path::Path;
use zstd::stream::{read, write};

/// What a report is packed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packing {
    /// Nothing.
    None,
    /// RFC 1952
    Gzip,
    /// RFC 8878
    Zstd,
}

impl Packing {
    /// What the suffix of its name says.
    pub fn of(path: &Path) -> Self {
        let suffix = path.extension().map(|suffix| suffix.to_ascii_lowercase());
        match suffix.as_ref().and_then(|suffix| suffix.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// First part of a packed report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FirstPart {
    /// A whole part, with its length in bytes.
    Whole(usize),
    /// The begin of a part, which may be empty.
    Begin,
    /// Bytes that are not a part, or contradict themselves.
    Damaged,
    /// A part with more rows in it than [`PART_BYTES_MAX`].
    TooLong,
}

/// Appends these rows as one part, or as they are where nothing is packed. No rows make no part.
pub fn pack(packing: Packing, rows: &[u8], out: &mut Vec<u8>) {
    if rows.is_empty() {
        return;
    }
    let packed = match packing {
        Packing::None => out.write_all(rows),
        Packing::Gzip => pack_gzip(rows, out),
        Packing::Zstd => pack_zstd(rows, out),
    };
    packed.expect("a Vec takes any bytes");
}

fn pack_gzip(rows: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = GzEncoder::new(out, Compression::new(GZIP_LEVEL));
    encoder.write_all(rows)?;
    encoder.finish().map(drop)
}

fn pack_zstd(rows: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = write::Encoder::new(out, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(rows.len() as u64))?;
    encoder.write_all(rows)?;
    encoder.finish().map(drop)
}

/// Unpacks the part that these bytes begin with, and appends its rows, even those of a part whose
/// end is missing.
pub fn unpack(packing: Packing, bytes: &[u8], out: &mut Vec<u8>) -> FirstPart {
    let room = PART_BYTES_MAX as u64 + 1;
    let before = out.len();
    let (result, rest) = match packing {
        Packing::None => {
            out.extend_from_slice(bytes);
            return FirstPart::Whole(bytes.len());
        }
        Packing::Gzip => {
            let mut decoder = GzDecoder::new(bytes);
            (decoder.by_ref().take(room).read_to_end(out), decoder.into_inner().len())
        }
        Packing::Zstd => match read::Decoder::with_buffer(bytes) {
            Ok(decoder) => {
                let mut decoder = decoder.single_frame();
                (decoder.by_ref().take(room).read_to_end(out), decoder.finish().len())
            }
            Err(error) => (Err(error), bytes.len()),
        },
    };
    match result {
        _ if out.len() - before > PART_BYTES_MAX => FirstPart::TooLong,
        // An empty input is none that has begun.
        Ok(_) if rest == bytes.len() => FirstPart::Begin,
        Ok(_) => FirstPart::Whole(bytes.len() - rest),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => FirstPart::Begin,
        Err(_) => FirstPart::Damaged,
    }
}

/// The first bytes of every part; none where nothing is packed.
pub(super) fn magic(packing: Packing) -> &'static [u8] {
    match packing {
        Packing::None => b"",
        Packing::Gzip => b"\x1f\x8b\x08",
        Packing::Zstd => b"\x28\xb5\x2f\xfd",
    }
}

/// Name of the packing.
pub(super) fn name(packing: Packing) -> &'static str {
    match packing {
        Packing::None => "plain",
        Packing::Gzip => "gzip",
        Packing::Zstd => "zstd",
    }
}

/// Most bytes of rows in one part, unpacked. A run writes far fewer; other programs make a whole
/// file one part.
pub const PART_BYTES_MAX: usize = 256 << 20;
/// Level of gzip: rows are much alike, and more effort saves little.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;
