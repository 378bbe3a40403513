//! Content that the origin serves: bytes that are a function of a seed and an offset, and small
//! JPEGs.
//!
//! Eight bytes of seed come first, so that no two paths share a body; a fixed noise table follows,
//! read from a place that the seed chooses. The table's period is prime, so a block of any usual
//! size that ends up at the wrong offset is seen.

use jpeg_encoder::{ColorType, Encoder};
use std::sync::{LazyLock, OnceLock};

/// The seed of a path's content. A query does not count.
pub fn seed(path: &str) -> u64 {
    let path = path.split('?').next().unwrap_or_default();
    // FNV-1a, finished by a multiply-xorshift so that similar paths start far apart in the table.
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash)
}

/// The seed of what a path has after `version` changes of its content.
pub fn version_seed(path: &str, version: u64) -> u64 {
    changed(seed(path), version)
}

/// The seed that `seed` becomes after `version` changes.
pub(super) fn changed(seed: u64, version: u64) -> u64 {
    if version == 0 { seed } else { mix(seed ^ mix(version)) }
}

/// Writes the content of `seed` from byte `offset` on into `out`.
pub fn fill(seed: u64, offset: u64, mut out: &mut [u8]) {
    let mut offset = offset;
    while !out.is_empty() {
        let piece = piece(seed, offset, out.len());
        let (front, rest) = out.split_at_mut(piece.as_slice().len());
        front.copy_from_slice(piece.as_slice());
        offset += front.len() as u64;
        out = rest;
    }
}

/// The first `len` bytes of the content that the origin serves below `path` (of `/bytes`,
/// `/chunked`, `/close`...).
pub fn body(path: &str, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    fill(seed(path), 0, &mut out);
    out
}

/// The JPEG at `/image/N.jpg`: one of a few pictures, and a comment segment that tells N. Encoding
/// one picture for each request would measure the encoder.
pub fn image(number: u64) -> Vec<u8> {
    const VARIANTS: usize = 64;
    static PICTURES: [OnceLock<Vec<u8>>; VARIANTS] = [const { OnceLock::new() }; VARIANTS];

    let variant = u8::try_from(number % VARIANTS as u64).expect("there are fewer than 256");
    let picture = PICTURES[usize::from(variant)].get_or_init(|| picture(variant));
    let comment = format!("ringpull image {number:020}");
    let mut out = Vec::with_capacity(picture.len() + 4 + comment.len());
    out.extend_from_slice(&picture[..JPEG_START.len()]);
    out.extend_from_slice(&[0xff, 0xfe, 0, 2 + IMAGE_COMMENT_BYTES]);
    out.extend_from_slice(comment.as_bytes());
    out.extend_from_slice(&picture[JPEG_START.len()..]);
    out
}

/// Some bytes of content.
pub(super) enum Piece<'a> {
    /// Bytes of the seed that leads the content.
    Lead([u8; LEAD_BYTES], std::ops::Range<usize>),
    /// Bytes of the table, or of a body in memory.
    Slice(&'a [u8]),
}

impl Piece<'_> {
    /// The bytes of the piece.
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Lead(bytes, range) => &bytes[range.clone()],
            Self::Slice(bytes) => bytes,
        }
    }
}

/// The content of `seed` at `offset`: at most `len_max` bytes, at least one unless that is 0.
pub(super) fn piece(seed: u64, offset: u64, len_max: usize) -> Piece<'static> {
    if let Some(start) = usize::try_from(offset).ok().filter(|&start| start < LEAD_BYTES) {
        let end = LEAD_BYTES.min(start.saturating_add(len_max));
        return Piece::Lead(seed.to_le_bytes(), start..end);
    }
    let start = usize::try_from((seed % PERIOD + offset % PERIOD) % PERIOD)
        .expect("the period fits 16 bits");
    Piece::Slice(&NOISE[start..start + len_max.min(PIECE_BYTES_MAX)])
}

/// At most `len_max` bytes of zeros, at least one unless that is 0.
pub(super) fn zeros(len_max: usize) -> &'static [u8] {
    static ZEROS: [u8; PIECE_BYTES_MAX] = [0; PIECE_BYTES_MAX];
    &ZEROS[..len_max.min(PIECE_BYTES_MAX)]
}

fn picture(variant: u8) -> Vec<u8> {
    let side = 80 + u16::from(variant % 8) * 10;
    let pixels: Vec<u8> = (0..u32::from(side) * u32::from(side))
        .flat_map(|at| {
            let (x, y) = (at % u32::from(side), at / u32::from(side));
            let noise = u32::from(noise_byte(u64::from(at) << 8 | u64::from(variant)) / 4);
            [x * 2 + noise, y * 2 + noise, u32::from(variant) * 3 + noise]
        })
        .map(|value| u8::try_from(value).unwrap_or(u8::MAX))
        .collect();
    let mut out = Vec::new();
    Encoder::new(&mut out, 70)
        .encode(&pixels, side, side, ColorType::Rgb)
        .expect("a square of RGB pixels into memory always encodes");
    assert!(out.starts_with(&JPEG_START));
    out
}

fn noise_byte(at: u64) -> u8 {
    mix(at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()[0]
}

/// The finalizer of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

static NOISE: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let period: Vec<u8> = (1..=PERIOD).map(noise_byte).collect();
    period.iter().copied().cycle().take(period.len() + PIECE_BYTES_MAX).collect()
});

/// The largest prime below 64 Ki.
const PERIOD: u64 = 65_521;
/// Longest piece, in bytes.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// Length of the seed that leads the content, in bytes.
const LEAD_BYTES: usize = 8;
/// The marker that every JPEG starts with.
const JPEG_START: [u8; 2] = [0xff, 0xd8];
/// Length of the comment that tells an image's number, in bytes.
const IMAGE_COMMENT_BYTES: u8 = 35;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_agrees_with_the_whole() {
        let whole = body("/bytes/200000/a", 200_000);
        let seed = seed("/bytes/200000/a?query=left-out");
        for (offset, len) in [(0, 3), (3, 20), (7, 1), (8, 9), (65_513, 70_000), (199_999, 1)] {
            let mut part = vec![0; len];
            fill(seed, offset as u64, &mut part);
            assert_eq!(part, whole[offset..offset + len], "at {offset} for {len}");
        }
    }

    #[test]
    fn paths_differ_and_blocks_do_not_repeat() {
        assert_ne!(body("/a", 32), body("/b", 32));
        assert_eq!(version_seed("/a", 0), seed("/a"));
        let third = version_seed("/a", 3);
        let mut changed = [0; 64];
        fill(third, 1 << 40, &mut changed);
        let mut first = [0; 64];
        fill(seed("/a"), 1 << 40, &mut first);
        assert!(third != version_seed("/a", 2) && changed != first);
        let whole = body("/a", 400_000);
        for size in [4_096, 16_384, 65_536, 131_072] {
            assert_ne!(whole[8..1_008], whole[8 + size..1_008 + size], "blocks of {size}");
        }
    }

    #[test]
    fn images_are_small_distinct_jpegs() {
        for number in [0, 1, 63, 64, u64::MAX] {
            let jpeg = image(number);
            assert!((2_000..8_192).contains(&jpeg.len()), "{number} has {} bytes", jpeg.len());
            assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff, 0xfe, 0, 37]));
            assert!(jpeg.ends_with(&[0xff, 0xd9]));
            let comment = format!("ringpull image {number:020}");
            assert_eq!(comment.len(), usize::from(IMAGE_COMMENT_BYTES));
            assert_eq!(&jpeg[6..41], comment.as_bytes());
        }
        assert_ne!(image(0), image(64));
    }
}
