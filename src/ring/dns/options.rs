//! How names are looked up, as a user chooses it.

use crate::limits;
use std::net::{IpAddr, SocketAddr};

/// How names are looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsOptions {
    /// Servers to ask instead of those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Questions that one server has to answer at once, at least 1.
    pub concurrency: usize,
    /// Longest look-up of a name, once a server has room for it, in milliseconds.
    pub timeout_ms: u64,
    /// Static answers, first match wins.
    pub overrides: Vec<ResolveOverride>,
    /// Families to look up and connect to.
    pub family: Family,
    /// Whether no name is needed, since nothing is connected to.
    pub is_needless: bool,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            concurrency: limits::DNS_CONCURRENCY_DEFAULT,
            timeout_ms: limits::TIMEOUT_CONNECT_DEFAULT_MS,
            overrides: Vec::new(),
            family: Family::default(),
            is_needless: false,
        }
    }
}

/// Address families that may be connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Family {
    /// Both, the other one as fallback.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// One `--resolve host:port:addr[,addr]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolveOverride {
    /// Lower-case host name; `*` matches every host.
    pub host: String,
    /// Port it applies to.
    pub port: u16,
    /// Addresses used instead of a lookup.
    pub addresses: Vec<IpAddr>,
}

impl ResolveOverride {
    /// Whether it says where this host is.
    pub(super) fn is_for(&self, host: &str, port: u16) -> bool {
        self.port == port && (self.host == "*" || self.host.eq_ignore_ascii_case(host))
    }
}
