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
    /// Write this to standard output for every row: '%{http_code} %{url}\n', with the variables of
    /// curl and all columns of the report, '%{json}\n' for the whole row; @FILE reads it
    #[arg(short, long, value_name = "FORM")]
    pub write_out: Option<String>,
}

/// An address of this machine, and a port of it.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:9100".to_owned())
}
