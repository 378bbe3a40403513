//! Unfinished files: how they are called, and the control record beside each that says what of
//! which version it holds, so that a later attempt or run goes on with it.
//!
//! A record is two slots of [`SLOT_BYTES`] bytes, written in turn, each complete in itself and with
//! a digest of its own: one that was torn or damaged loses only what came since the other one. It
//! knows two sets of ranges: those that were *written* outlive the program, however it ends, and
//! those that were *synced* outlive the machine as well. Which of them counts is told by the boot
//! of the machine that wrote them ([`Record::trusted`]).

mod slot;

pub use slot::{RECORD_BYTES, SLOT_BYTES, Unusable};

use super::checksum::{Hasher, Kind};
use super::ranges::Ranges;
use super::validator::Validator;
use std::fmt::Write as _;

/// When an unfinished file is gone on with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Continue {
    /// Only by the attempts of one run.
    #[default]
    Run,
    /// By later runs as well, where a validator vouches for its bytes (a report).
    Runs,
    /// As `Runs`, and so is a file that another program left under the final name, where the
    /// response vouches for it (`--continue`).
    Validated,
    /// By later runs as well, whether anything vouches for its bytes or not (`--continue=always`).
    Always,
}

/// What is known of an unfinished file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Digest of the URL that it is of: [`url_digest`].
    pub url: [u8; 32],
    /// Length of the whole file in bytes, where it is known.
    pub length: Option<u64>,
    /// The version that its bytes are of.
    pub validator: Validator,
    /// Identifier of the boot in which `written` was written, as 16 bytes; zeros where there is
    /// none (random(4), `/proc/sys/kernel/random/boot_id`).
    pub boot_id: [u8; 16],
    /// Ranges whose writes were completed.
    pub written: Ranges,
    /// Ranges that were on the medium when the file was synced last.
    pub synced: Ranges,
    /// Number of the update, one more than that of the one before. It says which slot the record
    /// goes to.
    pub sequence: u64,
}

impl Record {
    /// Forgets what lies behind the end of a file of so many bytes: it was cut since then.
    pub fn cut(&mut self, size: u64) {
        self.written.truncate(size);
        self.synced.truncate(size);
    }

    /// Length of the file at most, in bytes, as far as the record knows.
    pub fn size_max(&self) -> u64 {
        self.length.unwrap_or_else(|| self.written.end())
    }

    /// The ranges that can be trusted to be in the file: those that were written, if the machine
    /// runs since then, or else those that were synced.
    pub fn trusted(&self, boot_id: [u8; 16]) -> &Ranges {
        let is_known = boot_id != [0; 16];
        if is_known && self.boot_id == boot_id { &self.written } else { &self.synced }
    }

    /// Replaces `out` by the slot of this record and says at which offset of the file it goes, in
    /// bytes.
    ///
    /// What does not fit is left out, and fetched again one day: a validator of more than 1 KiB,
    /// and the ranges that are furthest from the front. Some 400 ranges fit.
    pub fn encode(&self, out: &mut Vec<u8>) -> u64 {
        slot::encode(self, out)
    }

    /// Reads the bytes of the file of a record: the newer of its slots that is as it was written.
    ///
    /// # Errors
    /// When neither slot is.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        slot::decode(bytes)
    }
}

/// Digest of the URL of a job in its normal form, for [`Record::url`]: SHA-256.
pub fn url_digest(url: &str) -> [u8; 32] {
    let mut hasher = Hasher::new(Kind::Sha256);
    hasher.update(url.as_bytes());
    hasher.finish().digest().try_into().expect("SHA-256 has 32 bytes")
}

/// Name of the unfinished file of a file with this name, in the same folder. It says nothing of the
/// final name, which may be as long as names can be. Folders before the name do not matter.
pub fn part_name(final_name: &str) -> String {
    let name = final_name.rsplit('/').next().unwrap_or(final_name);
    let digest = url_digest(name);
    digest[..NAME_DIGEST_BYTES].iter().fold(PART_PREFIX.to_owned(), |mut part, byte| {
        write!(part, "{byte:02x}").expect("a string takes everything");
        part
    })
}

/// Name of the record of an unfinished file.
pub fn record_name(part_name: &str) -> String {
    format!("{part_name}{RECORD_SUFFIX}")
}

/// Beginning of the names of unfinished files that later runs may go on with.
pub const PART_PREFIX: &str = ".ringpull-part-";
/// End of the names of their records.
pub const RECORD_SUFFIX: &str = ".record";
/// Bytes of the digest that a name has.
const NAME_DIGEST_BYTES: usize = 8;

#[cfg(test)]
mod tests;
