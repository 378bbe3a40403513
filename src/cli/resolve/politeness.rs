//! Politeness: what was typed to what the run needs.

use crate::cli::args::PullArgs;
use crate::config::{PerHost, PolitenessConfig};
use crate::limits;

/// How polite the run is.
pub(super) fn resolve(args: &PullArgs) -> PolitenessConfig {
    let args = &args.politeness;
    PolitenessConfig {
        is_window_fixed: args.fixed_connections,
        rate: args.rate.or(args.tpslimit),
        rate_per_host: args.rate_per_host,
        host_fail_limit: args.host_fail_limit,
        host_fail_wait_ms: args.host_fail_wait.0,
    }
}

/// Connections of one host. What is fixed cannot be as many as pay.
pub(super) fn per_host(args: &PullArgs) -> PerHost {
    let given = args.concurrency.max_connections_per_host;
    let fixed = || args.politeness.fixed_connections.then_some(limits::PER_HOST_FIRST);
    given.or_else(fixed).map_or(PerHost::Automatic, PerHost::AtMost)
}
