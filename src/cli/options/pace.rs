//! Bandwidth limits.

use crate::cli::values::{self, Bytes};
use crate::plan::pace::Bandwidth;
use clap::Args;

/// Bandwidth limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Concurrency and politeness")]
pub struct PaceArgs {
    /// Body bytes a second over the whole run.
    ///
    /// 0 means no limit. curl's option of this name is per transfer: that is --max-download-limit
    /// here.
    ///
    /// Example: --limit-rate 20M
    #[arg(long, alias = "max-overall-download-limit", value_name = "BYTES",
          value_parser = values::bytes)]
    pub limit_rate: Option<Bytes>,
    /// Body bytes a second from each host, over all its transfers.
    ///
    /// 0 means no limit.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes, hide_short_help = true)]
    pub limit_rate_per_host: Option<Bytes>,
    /// Body bytes a second of each transfer.
    ///
    /// As curl's --limit-rate. 0 means no limit.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes, hide_short_help = true)]
    pub max_download_limit: Option<Bytes>,
}

impl PaceArgs {
    /// A limit of 0 is none.
    pub(crate) fn resolve(&self) -> Bandwidth {
        let rate = |typed: Option<Bytes>| typed.map(|bytes| bytes.0).filter(|rate| *rate > 0);
        Bandwidth {
            run: rate(self.limit_rate),
            per_host: rate(self.limit_rate_per_host),
            per_transfer: rate(self.max_download_limit),
        }
    }
}
