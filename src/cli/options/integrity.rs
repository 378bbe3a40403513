//! Digests of what is stored.

use crate::error::RunError;
use crate::plan::checksum::{Checksum, Kind};
use anyhow::bail;
use clap::Args;

/// Digests of what is stored.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct IntegrityArgs {
    /// Digest of every stored file, for its row in the report.
    ///
    /// TYPE is sha256, blake3, md5, sha1, sha224, sha384, sha512 or adler32; none undoes an earlier
    /// one. With digests, --verify and a run after a power cut can prove what is on the disk.
    #[arg(long, value_name = "TYPE", value_parser = compute_hash)]
    pub compute_hash: Option<ComputeHash>,
    /// Digest that the file of a single URL must have.
    ///
    /// A file with a different digest fails and is not kept. Lists have checksum=TYPE=HEX below a
    /// URL for this.
    ///
    /// Example: --checksum sha-256=0f343b0931126a20f133d67c2b018a3b...
    #[arg(long, value_name = "TYPE=HEX", hide_short_help = true)]
    pub checksum: Option<Checksum>,
}

impl IntegrityArgs {
    /// The digest that the file must have of a run that pulls one URL of the command line or more.
    pub(crate) fn checksum(&self, is_single: bool) -> anyhow::Result<Option<Checksum>> {
        if self.checksum.is_some() && !is_single {
            bail!(RunError::usage(
                "cannot check several downloads against the one digest of --checksum: use it with \
                 a single URL, or write checksum=TYPE=HEX below each URL of a list"
            ));
        }
        Ok(self.checksum)
    }
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
