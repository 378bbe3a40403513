//! Bandwidth limits.

use crate::cli::values::{self, Bytes};
use crate::config::PaceConfig;
use clap::Args;

/// Bandwidth limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bandwidth")]
pub struct PaceArgs {
    /// Bytes of body a second over the whole run (curl's option of this name is per transfer: that
    /// is --max-download-limit); 0 is any. k, M and G as in curl
    #[arg(long, alias = "max-overall-download-limit", value_name = "BYTES",
          value_parser = values::bytes)]
    pub limit_rate: Option<Bytes>,
    /// Bytes a second from each host, over all its transfers
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub limit_rate_per_host: Option<Bytes>,
    /// Bytes a second of each transfer
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub max_download_limit: Option<Bytes>,
}

impl PaceArgs {
    /// A limit of 0 is none.
    pub(crate) fn resolve(&self) -> PaceConfig {
        let rate = |typed: Option<Bytes>| typed.map(|bytes| bytes.0).filter(|rate| *rate > 0);
        PaceConfig {
            run: rate(self.limit_rate),
            per_host: rate(self.limit_rate_per_host),
            per_transfer: rate(self.max_download_limit),
        }
    }
}
