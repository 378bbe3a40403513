//! Digests: what was typed to what the run needs.

use crate::cli::args::IntegrityArgs;
use crate::config::IntegrityConfig;
use crate::error::RunError;
use anyhow::bail;

/// The digests of the run, which pulls one URL of the command line or more.
pub(super) fn resolve(args: &IntegrityArgs, is_single: bool) -> anyhow::Result<IntegrityConfig> {
    if args.checksum.is_some() && !is_single {
        bail!(RunError::usage(
            "cannot check several downloads against the one digest of --checksum: use it with a \
             single URL, or write checksum=TYPE=HEX below each URL of a list"
        ));
    }
    let compute_hash = args.compute_hash.and_then(|hash| hash.0);
    Ok(IntegrityConfig { compute_hash, checksum: args.checksum })
}
