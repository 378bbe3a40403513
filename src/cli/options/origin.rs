//! `ringpull origin`: where the embedded server listens.

use crate::cli::values;
use crate::error::RunError;
use crate::origin::OriginConfig;
use anyhow::bail;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the embedded server listens.
#[derive(Args, Debug)]
#[command(
    version,
    display_name = "ringpull origin",
    args_override_self = true,
    after_help = "What it serves, and how it misbehaves on request: ringpull help origin"
)]
pub struct OriginArgs {
    /// Where HTTP is served; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub http_addr: SocketAddr,
    /// Where HTTPS is served, on the same address; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub https_addr: SocketAddr,
    /// Serve HTTP only
    #[arg(long, conflicts_with = "https_addr")]
    pub no_tls: bool,
    /// Congestion control to send with, such as cubic [default: that of the machine]
    #[arg(long, value_name = "NAME")]
    pub congestion: Option<String>,
    /// Directory for origin.json (the ports) and ca.pem (the certificate to trust)
    #[arg(long, value_name = "DIR", default_value = ".", value_parser = values::path)]
    pub dir: PathBuf,
}

impl OriginArgs {
    /// Makes the configuration of `ringpull origin`.
    ///
    /// # Errors
    /// The two listeners have different addresses.
    pub fn resolve(&self) -> anyhow::Result<OriginConfig> {
        let https_port = (!self.no_tls).then_some(self.https_addr.port());
        if https_port.is_some() && self.http_addr.ip() != self.https_addr.ip() {
            let (http, https) = (self.http_addr.ip(), self.https_addr.ip());
            bail!(RunError::usage(format!(
                "cannot serve HTTP on {http} and HTTPS on {https}: give both the same address"
            )));
        }
        Ok(OriginConfig {
            addr: self.http_addr.ip(),
            http_port: self.http_addr.port(),
            https_port,
            congestion: self.congestion.clone(),
            dir: self.dir.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::command::Command;
    use crate::cli::tests::typed;
    use std::path::Path;

    #[test]
    fn origin_has_one_address() {
        let origin = |line: &[&str]| {
            let Command::Origin(args) = typed(line) else { panic!("{line:?} is no origin") };
            args.resolve()
        };
        let config = origin(&["origin", "--dir", "d"]).unwrap();
        assert_eq!((config.addr.to_string().as_str(), config.http_port), ("127.0.0.1", 0));
        assert_eq!((config.https_port, config.dir.as_path()), (Some(0), Path::new("d")));
        assert_eq!(origin(&["origin", "--no-tls"]).unwrap().https_port, None);
        assert!(origin(&["origin", "--http-addr", "[::1]:0"]).is_err());
        assert!(origin(&["origin", "--no-tls", "--http-addr", "[::1]:0"]).is_ok());
    }
}
