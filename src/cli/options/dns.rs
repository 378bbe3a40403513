//! Names and addresses.

use crate::cli::values::{self, Millis};
use crate::config::{DnsOptions, Family, ResolveOverride, Timeouts};
use crate::limits;
use crate::plan::address;
use crate::plan::address::AddressPolicy;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Name resolution.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub struct DnsArgs {
    /// Name servers instead of those of /etc/resolv.conf.
    ///
    /// ADDR or ADDR:PORT, separated by commas; the port is 53 by default. Queries are spread over
    /// them, and a server that does not answer is left alone for a while.
    ///
    /// Example: --dns-servers 9.9.9.9,10.0.0.1:5353
    #[arg(long, alias = "async-dns-server", value_name = "LIST", value_delimiter = ',',
          value_parser = dns_server, hide_short_help = true)]
    pub dns_servers: Vec<SocketAddr>,
    /// Queries in flight to each name server.
    ///
    /// From 1 to 10000.
    #[arg(long, value_name = "N", value_parser = dns_concurrency,
          default_value_t = limits::DNS_CONCURRENCY_DEFAULT, hide_short_help = true)]
    pub dns_concurrency: usize,
    /// Longest name lookup [default: as --connect-timeout]
    ///
    /// A slow lookup holds up no other URL.
    #[arg(long, value_name = "TIME", value_parser = values::deadline, hide_short_help = true)]
    pub dns_timeout: Option<Millis>,
    /// File in which addresses are kept between runs.
    ///
    /// Addresses in it are used while they hold, and it gets what this run learns. It is made when
    /// it is missing.
    #[arg(long, alias = "dns-cache-preload", value_name = "FILE",
          value_parser = values::path, hide_short_help = true)]
    pub dns_cache: Option<PathBuf>,
    /// Use ADDR for HOST, instead of looking it up.
    ///
    /// Repeatable. `*` is every host; several addresses are separated by commas and tried in this
    /// order, IPv6 in brackets.
    ///
    /// Example: --resolve example.com:443:127.0.0.1
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = resolve_override)]
    pub resolve: Vec<ResolveOverride>,
    /// Refuse loopback, private, link-local and metadata addresses.
    ///
    /// After every lookup and at every redirect: for lists that you do not trust. `=own` refuses
    /// the public addresses of this machine as well. Not together with a proxy that looks names up
    /// itself.
    #[arg(long, value_name = "own", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = address_policy)]
    pub no_private: Option<AddressPolicy>,
    /// Connect over IPv4 only.
    ///
    /// Not together with --ipv6.
    #[arg(short = '4', long, conflicts_with = "ipv6", hide_short_help = true)]
    pub ipv4: bool,
    /// Connect over IPv6 only.
    ///
    /// Not together with --ipv4.
    #[arg(short = '6', long, hide_short_help = true)]
    pub ipv6: bool,
}

impl DnsArgs {
    /// How names are looked up, where any is needed. A lookup takes no longer than a connect unless
    /// said otherwise.
    pub(crate) fn resolve(&self, timeouts: &Timeouts, is_needless: bool) -> DnsOptions {
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (false, true) => Family::V6,
            (false, false) => Family::Any,
        };
        let timeout_ms = self.dns_timeout.map_or(timeouts.connect_ms, |span| span.0);
        DnsOptions {
            servers: self.dns_servers.clone(),
            concurrency: self.dns_concurrency,
            // No job has so much time.
            timeout_ms: timeout_ms.min(timeouts.job_ms),
            overrides: self.resolve.clone(),
            family,
            is_needless,
        }
    }

    /// Which addresses may be connected to.
    pub(crate) fn address_policy(&self) -> AddressPolicy {
        self.no_private.unwrap_or_default()
    }
}

/// `--dns-concurrency`: a count that one name server can be expected to bear.
fn dns_concurrency(text: &str) -> Result<usize, String> {
    match values::count(text)? {
        count if count <= limits::DNS_CONCURRENCY_MAX => Ok(count),
        _ => Err(format!("at most {}", limits::DNS_CONCURRENCY_MAX)),
    }
}

/// `--no-private`, and `=own` behind it.
fn address_policy(text: &str) -> Result<AddressPolicy, String> {
    match text {
        "" => Ok(AddressPolicy::Public),
        "own" => Ok(AddressPolicy::PublicNotOwn),
        _ => Err("only `own`, or nothing, may follow --no-private".to_owned()),
    }
}

/// One of `--dns-servers`: an address, with a port where it is not 53.
fn dns_server(text: &str) -> Result<SocketAddr, String> {
    if let Some(ip) = address::parse(text) {
        return Ok(SocketAddr::new(ip, 53));
    }
    match text.parse::<SocketAddr>() {
        Ok(server) if server.port() != 0 => Ok(server),
        _ => Err("write an address, such as 9.9.9.9, 10.0.0.1:5353 or [2620:fe::fe]:53".to_owned()),
    }
}

/// `--resolve`: `HOST:PORT:ADDR[,ADDR]`. curl's leading `+` is accepted and changes nothing,
/// because an override never expires here.
fn resolve_override(text: &str) -> Result<ResolveOverride, String> {
    let form = || "write HOST:PORT:ADDR[,ADDR], IPv6 addresses in brackets".to_owned();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:").ok_or_else(form)?,
        None => text.split_once(':').ok_or_else(form)?,
    };
    let (port, addresses) = rest.split_once(':').ok_or_else(form)?;
    let port = match port.parse::<u16>() {
        Ok(0) | Err(_) => return Err(format!("`{port}` is not a port; {}", form())),
        Ok(port) => port,
    };
    if host.is_empty() {
        return Err(form());
    }
    let addresses = addresses
        .split(',')
        .map(|text| {
            address::parse(text).ok_or_else(|| format!("`{text}` is not an address; {}", form()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ResolveOverride { host: host.to_ascii_lowercase(), port, addresses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, options, refused};
    use std::net::IpAddr;
    use std::path::Path;

    #[test]
    fn servers() {
        for (text, server) in [
            ("9.9.9.9", "9.9.9.9:53"),
            ("10.0.0.1:5353", "10.0.0.1:5353"),
            ("2620:fe::fe", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]:54", "[2620:fe::fe]:54"),
        ] {
            assert_eq!(dns_server(text).unwrap().to_string(), server);
        }
        for text in ["", "dns.example", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "[1.2.3.4]"] {
            assert!(dns_server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resolve_overrides() {
        let parsed = resolve_override("Example.COM:443:127.0.0.1,[::1],::2").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port), ("example.com", 443));
        let addresses: Vec<_> = parsed.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1", "::1", "::2"]);
        assert_eq!(resolve_override("*:80:10.0.0.1").unwrap().host, "*");
        assert_eq!(resolve_override("+h:80:10.0.0.1").unwrap().host, "h");
        assert_eq!(resolve_override("[::1]:80:10.0.0.1").unwrap().host, "::1");
        for text in
            ["", "h", "h:80", "h:80:", "h:0:1.2.3.4", "h:x:1.2.3.4", ":80:1.2.3.4", "h:80:1.2.3.4,"]
        {
            assert!(resolve_override(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_of_names_and_addresses() {
        let args = options(&["--dns-servers", "9.9.9.9,[::1]:54", "--dns-servers=1.1.1.1"]);
        let servers: Vec<_> = args.dns.dns_servers.iter().map(SocketAddr::to_string).collect();
        assert_eq!(servers, ["9.9.9.9:53", "[::1]:54", "1.1.1.1:53"]);
        let args = options(&["--resolve", "h:80:127.0.0.1,[::1]", "--resolve", "*:443:127.0.0.1"]);
        assert_eq!(args.dns.resolve.len(), 2);
        assert_eq!(args.dns.resolve[0].addresses.len(), 2);
        for flag in ["-4", "--ipv4"] {
            assert!(options(&[flag]).dns.ipv4, "{flag}");
        }
        for flag in ["-6", "--ipv6"] {
            assert!(options(&[flag]).dns.ipv6, "{flag}");
        }
        refused(&["-4", "-6", "u"]);
    }

    #[test]
    fn look_ups() {
        let dns = |line: &[&str]| config(&[line, &["u"]].concat()).dns;
        let default = DnsOptions::default();
        assert_eq!(dns(&[]), default);
        assert_eq!(dns(&["--dns-concurrency", "7"]).concurrency, 7);
        let cache = config(&["--dns-cache-preload", "f", "u"]).dns_cache;
        assert_eq!(cache.as_deref(), Some(Path::new("f")));
        let timeout = |line: &[&str]| dns(line).timeout_ms;
        assert_eq!(timeout(&["--dns-timeout", "3s"]), 3_000);
        assert_eq!(timeout(&["--connect-timeout", "3s"]), 3_000, "as it was before the flag");
        assert_eq!(timeout(&["-T", "4s"]), 4_000);
        assert_eq!(timeout(&["-T", "4s", "--dns-timeout", "1m"]), 60_000);
        assert_eq!(timeout(&["-m", "2s"]), 2_000, "no job has longer");
    }

    #[test]
    fn families() {
        assert_eq!(config(&["-4", "u"]).dns.family, Family::V4);
        assert_eq!(config(&["-6", "u"]).dns.family, Family::V6);
        assert_eq!(config(&["u"]).dns.family, Family::Any);
    }

    #[test]
    fn addresses_that_are_reached() {
        assert_eq!(config(&["u"]).address_policy, AddressPolicy::Any);
        assert_eq!(config(&["--no-private", "u"]).address_policy, AddressPolicy::Public);
        assert_eq!(config(&["--no-private=own", "u"]).address_policy, AddressPolicy::PublicNotOwn);
    }

    #[test]
    fn questions_at_once() {
        assert_eq!(dns_concurrency("10000"), Ok(10_000));
        assert!(dns_concurrency("0").is_err() && dns_concurrency("10001").is_err());
    }
}
