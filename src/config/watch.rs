//! What is told of a run while it goes on.

use super::ReportFormat;
use std::net::SocketAddr;

/// How a run can be watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchConfig {
    /// `--metrics-addr`: where metrics are served; port 0 is any free one.
    pub metrics_addr: Option<SocketAddr>,
    /// `--write-out`: the form of what every row has written to standard output, checked by
    /// `report::write_out::WriteOut::parse`.
    pub write_out: Option<String>,
    /// `--report -`: how the rows are encoded that standard output gets.
    pub rows: Option<ReportFormat>,
}
