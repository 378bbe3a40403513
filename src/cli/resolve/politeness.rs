//! Politeness: what was typed to what the run needs.

use crate::cli::args::PolitenessArgs;
use crate::config::PolitenessConfig;

/// How polite the run is.
pub(super) fn resolve(args: &PolitenessArgs) -> PolitenessConfig {
    PolitenessConfig {
        is_window_fixed: args.fixed_connections,
        rate: args.rate.or(args.tpslimit),
        rate_per_host: args.rate_per_host,
        host_fail_limit: args.host_fail_limit,
        host_fail_wait_ms: args.host_fail_wait.0,
    }
}
