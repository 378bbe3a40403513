//! The members of gzip data (RFC 1952 section 2.2), undone while bytes come in.
//!
//! The format of a member is the `flate2` crate's; what may stand behind one is decided here, for
//! bodies and lists alike. Members may follow each other, zero bytes may follow the last one, as
//! gzip(1) has it for tapes, and anything else behind it is a fault: what is there was meant for
//! somebody, and we do not know what it says.

use flate2::write::GzDecoder;
use std::io::{self, Write as _};

/// Undoes gzip data that comes in pieces. No data at all is no content.
#[derive(Debug, Default)]
pub struct Gunzip {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// No byte was read.
    #[default]
    Start,
    /// Within a member.
    Member(Box<GzDecoder<Vec<u8>>>),
    /// Behind a member.
    Between,
    /// Within the zero bytes behind the last member.
    Padding,
    /// The data ended within a member. What its decoder made of the question whether it did is no
    /// content.
    Cut,
}

/// Why gzip data has no content from some byte on.
#[derive(Debug)]
pub enum GunzipError {
    /// The data contradicts itself, its check sum included.
    Damaged(io::Error),
    /// The data ends within a member.
    EndsEarly,
    /// Something other than zero bytes follows the last member.
    Garbage,
}

impl Gunzip {
    /// Reads from the front of `input`, which is not empty, and appends to `out` what that decodes
    /// to, some 64 KiB at most. Returns the bytes read, which may be none while something was
    /// decoded or a member ended.
    ///
    /// # Errors
    /// When the data is not gzip, or something else follows it. What was decoded before is in
    /// `out`.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, GunzipError> {
        debug_assert!(!input.is_empty());
        match &mut self.state {
            State::Start => {
                self.state = member();
                Ok(0)
            }
            State::Between if input[0] == 0 => {
                self.state = State::Padding;
                Ok(0)
            }
            // The first byte of every member (RFC 1952 section 2.3.1).
            State::Between if input[0] == 0x1f => {
                self.state = member();
                Ok(0)
            }
            State::Between => Err(GunzipError::Garbage),
            State::Padding if input.iter().any(|byte| *byte != 0) => Err(GunzipError::Garbage),
            State::Padding => Ok(input.len()),
            State::Cut => Err(GunzipError::EndsEarly),
            State::Member(decoder) => {
                let used = decoder.write(input).and_then(|used| {
                    if used == 0 {
                        // It takes no more: its trailer was read.
                        decoder.try_finish()?;
                    }
                    Ok(used)
                });
                give(decoder, out);
                let used = used.map_err(GunzipError::Damaged)?;
                if used == 0 {
                    self.state = State::Between;
                }
                Ok(used)
            }
        }
    }

    /// Appends to `out` what the bytes read so far decode to and was kept back.
    ///
    /// # Errors
    /// As [`Gunzip::decode`].
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), GunzipError> {
        let State::Member(decoder) = &mut self.state else { return Ok(()) };
        let flushed = decoder.flush();
        give(decoder, out);
        flushed.map_err(GunzipError::Damaged)
    }

    /// Ends the data: appends the last of its content to `out`. May be called again.
    ///
    /// # Errors
    /// As [`Gunzip::decode`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), GunzipError> {
        let decoder = match &mut self.state {
            State::Member(decoder) => decoder,
            State::Cut => return Err(GunzipError::EndsEarly),
            State::Start | State::Between | State::Padding => return Ok(()),
        };
        // Only a member that is complete takes no further byte.
        if !matches!(decoder.write(&[0]), Ok(0)) {
            self.state = State::Cut;
            return Err(GunzipError::EndsEarly);
        }
        decoder.try_finish().map_err(GunzipError::Damaged)?;
        give(decoder, out);
        self.state = State::Between;
        Ok(())
    }
}

/// Appends what a decoder has to `out`. Where nothing is in `out`, the two change their memory, and
/// nothing is copied.
fn give(decoder: &mut GzDecoder<Vec<u8>>, out: &mut Vec<u8>) {
    let decoded = decoder.get_mut();
    if out.is_empty() {
        std::mem::swap(decoded, out);
    } else {
        out.append(decoded);
    }
}

fn member() -> State {
    State::Member(Box::new(GzDecoder::new(Vec::new())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Decodes data that comes in such pieces; with `is_flushed` nothing is kept back between them.
    fn gunzip(data: &[u8], piece_len: usize, is_flushed: bool) -> Option<Vec<u8>> {
        let (mut gunzip, mut content) = (Gunzip::default(), Vec::new());
        for mut piece in data.chunks(piece_len) {
            while !piece.is_empty() {
                let used = gunzip.decode(piece, &mut content).ok()?;
                piece = &piece[used..];
            }
            if is_flushed {
                gunzip.flush(&mut content).ok()?;
            }
        }
        if is_flushed {
            let len = content.len();
            gunzip.finish(&mut content).ok()?;
            assert_eq!(content.len(), len, "a flush leaves nothing for the end");
        }
        gunzip.finish(&mut content).ok()?;
        Some(content)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn members_are_read_as_another_reader_reads_them(
            members in prop::collection::vec(prop::collection::vec(0_u8..8, 0..5_000), 1..4),
            piece_len in 1_usize..3_000,
            is_flushed in any::<bool>(),
            damage in prop::option::of((any::<prop::sample::Index>(), 1_u8..=255)),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut data: Vec<u8> = members.iter().flat_map(|member| gzip(member)).collect();
            if let Some((at, bits)) = damage {
                let at = at.index(data.len());
                data[at] ^= bits;
            }
            if let Some(cut) = cut {
                data.truncate(cut.index(data.len()).max(1));
            }
            let mut expected = Vec::new();
            let mut other = flate2::read::MultiGzDecoder::new(&*data);
            let other = other.read_to_end(&mut expected).is_ok();
            let ours = gunzip(&data, piece_len, is_flushed);
            match (ours, other) {
                (Some(content), true) => prop_assert_eq!(content, expected),
                (None, false) => {}
                // Behind a whole member that one takes what does not begin as another one for the
                // end, or has read it as far as it was cut.
                (None, true) => prop_assert!(damage.is_some() || cut.is_some()),
                (Some(_), false) => prop_assert!(false, "what another reader refuses is taken"),
            }
        }

        #[test]
        fn zero_bytes_may_follow_and_nothing_else(
            content in prop::collection::vec(any::<u8>(), 0..200),
            zeros in 0_usize..600,
            other in prop::option::of(1_u8..=0x1e),
            piece_len in 1_usize..300,
        ) {
            let mut data = gzip(&content);
            data.extend(std::iter::repeat_n(0, zeros));
            data.extend(other);
            let expected = other.is_none().then_some(content);
            prop_assert_eq!(gunzip(&data, piece_len, false), expected);
        }
    }
}
