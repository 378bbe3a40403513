//! Bandwidth limits: what was typed to what the run needs.

use crate::cli::args::PaceArgs;
use crate::cli::values::Bytes;
use crate::config::PaceConfig;

/// A limit of 0 is none.
pub(super) fn pace(args: &PaceArgs) -> PaceConfig {
    let rate = |typed: Option<Bytes>| typed.map(|bytes| bytes.0).filter(|rate| *rate > 0);
    PaceConfig {
        run: rate(args.limit_rate),
        per_host: rate(args.limit_rate_per_host),
        per_transfer: rate(args.max_download_limit),
    }
}
