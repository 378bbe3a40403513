//! Flags about names and addresses.

use crate::cli::values::{self, Millis};
use crate::config::{Reach, ResolveOverride};
use crate::limits;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Name resolution.
#[derive(Debug, Args)]
#[command(next_help_heading = "DNS")]
pub struct DnsArgs {
    /// Name servers instead of those of /etc/resolv.conf: ADDR or ADDR:PORT, with commas. Questions
    /// are spread over them; one that does not answer is left alone for a while
    #[arg(long, alias = "async-dns-server", value_name = "LIST", value_delimiter = ',',
          value_parser = values::dns_server)]
    pub dns_servers: Vec<SocketAddr>,
    /// Questions that one name server has to answer at once
    #[arg(long, value_name = "N", value_parser = values::dns_concurrency,
          default_value_t = limits::DNS_CONCURRENCY_DEFAULT)]
    pub dns_concurrency: usize,
    /// Longest name lookup, which holds up no other job [default: as --connect-timeout]
    #[arg(long, value_name = "TIME", value_parser = values::deadline)]
    pub dns_timeout: Option<Millis>,
    /// Use the addresses in FILE while they hold, and keep there what this run learns
    #[arg(long, alias = "dns-cache-preload", value_name = "FILE",
          value_parser = values::path)]
    pub dns_cache: Option<PathBuf>,
    /// Use ADDR (or several, with commas) for HOST (`*` for all), IPv6 in brackets. Repeatable
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = values::resolve_override)]
    pub resolve: Vec<ResolveOverride>,
    /// Refuse loopback, private, link-local and metadata addresses, after every lookup and at every
    /// redirect: for lists one does not trust; `=own`: the public ones of this machine as well
    #[arg(long, value_name = "own", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = values::reach)]
    pub no_private: Option<Reach>,
    /// Connect over IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Connect over IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
}
