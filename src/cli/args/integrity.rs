//! `--compute-hash` and `--checksum`.

use crate::plan::checksum::{Checksum, Kind};
use clap::Args;

/// Digests of what is stored.
#[derive(Debug, Args)]
#[command(next_help_heading = "Integrity")]
pub struct IntegrityArgs {
    /// Digest of every stored file for its row: sha256, blake3, md5, sha1, sha224, sha384, sha512
    /// or adler32; none computes none
    #[arg(long, value_name = "TYPE", value_parser = compute_hash)]
    pub compute_hash: Option<ComputeHash>,
    /// What the file of a single URL must be, for instance sha-256=0f3a...; another one fails and
    /// leaves no file. In a list: checksum=TYPE=HEX
    #[arg(long, value_name = "TYPE=HEX")]
    pub checksum: Option<Checksum>,
}

/// `--compute-hash`: `none` undoes one that was typed before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ComputeHash(pub Option<Kind>);

fn compute_hash(text: &str) -> Result<ComputeHash, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(ComputeHash(None));
    }
    let kind = text.parse::<Kind>();
    kind.map(|kind| ComputeHash(Some(kind))).map_err(|why| format!("{why}, or none"))
}
