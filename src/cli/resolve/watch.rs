//! How a run can be watched: what was typed to what the run needs.

use crate::cli::args::WatchArgs;
use crate::config::WatchConfig;

pub(super) fn watch(args: &WatchArgs) -> WatchConfig {
    WatchConfig { metrics_addr: args.metrics_addr }
}
