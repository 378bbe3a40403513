//! How a run can be watched, as it is typed.

use clap::Args;
use std::net::SocketAddr;

/// What is told of a run while it goes on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub struct WatchArgs {
    /// Serve metrics for Prometheus at http://ADDR:PORT/metrics while the run goes on, to anyone
    /// who can connect; port 0 takes a free one and says which
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub metrics_addr: Option<SocketAddr>,
}

/// An address of this machine, and a port of it.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:9100".to_owned())
}
