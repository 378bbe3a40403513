//! Choice of the proxy that a URL goes through, if any.
//!
//! The choice depends on the origin alone: scheme, host and port. So the key of a pooled
//! connection, which is the origin, also says which proxy it leads through and with which
//! credentials, and no request can get onto a connection that was made for another way.

use super::address;
use super::target::{Scheme, Target, basic_auth};
use crate::http::request::{authority, basic};
use crate::limits;
use std::fmt;
use std::net::IpAddr;

/// Proxies as they were given. `Debug` shows no credentials.
#[derive(Clone, Default, PartialEq)]
pub struct Options {
    /// For http URLs.
    pub http: Option<Given>,
    /// For https URLs.
    pub https: Option<Given>,
    /// Hosts that are reached directly, as `no_proxy` lists them.
    pub no_proxy: String,
    /// `user:password`, for proxies without user information of their own.
    pub user: Option<String>,
    /// `-H 'Proxy-Authorization: ...'`, instead of Basic authentication; empty sends none.
    pub authorization: Option<String>,
}

impl Options {
    /// The one for https URLs, or for http URLs.
    pub fn of(&self, is_https: bool) -> Option<&Given> {
        if is_https { self.https.as_ref() } else { self.http.as_ref() }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

/// One proxy as it was given, and where.
#[derive(Clone, PartialEq)]
pub struct Given {
    /// As given; may hold credentials.
    pub url: String,
    /// The environment variable that has it; without one it is from `--proxy`.
    pub variable: Option<&'static str>,
}

/// How the connection to an origin is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route<'a> {
    /// To the origin itself.
    Direct,
    /// To an HTTP proxy, which is asked for the whole URL (RFC 9112 section 3.2.2).
    HttpForward(&'a Proxy),
    /// Through an HTTP proxy that was asked to CONNECT (RFC 9110 section 9.3.6).
    Tunnel(&'a Proxy),
    /// Through a SOCKS 5 proxy (RFC 1928).
    Socks5(&'a Proxy, NamesBy),
}

/// The side that looks up the name of the origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NamesBy {
    /// `socks5`: this program does.
    Us,
    /// `socks5h`: the proxy does.
    Proxy,
}

/// One proxy. Neither `Debug` nor `Display` shows its credentials.
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    kind: Kind,
    host: Box<str>,
    port: u16,
    /// User and password.
    credentials: Option<(Box<str>, Box<str>)>,
    /// Value of `Proxy-Authorization`.
    authorization: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Http,
    Socks5(NamesBy),
}

/// The proxies of a run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    no_proxy: NoProxy,
}

impl Proxies {
    /// Parses the proxies of the configuration.
    ///
    /// # Errors
    ///
    /// When a proxy cannot be used: the first such one, and where it was given.
    pub fn new(options: &Options) -> Result<Self, ProxyError> {
        let proxy = |scheme: Scheme| {
            let Some(given) = options.of(scheme == Scheme::Https) else { return Ok(None) };
            let parsed = Proxy::parse(&given.url).and_then(|proxy| proxy.complete(options));
            let source = given.variable.unwrap_or("--proxy");
            parsed.map(Some).map_err(|problem| ProxyError { source, problem })
        };
        Ok(Self {
            http: proxy(Scheme::Http)?,
            https: proxy(Scheme::Https)?,
            no_proxy: NoProxy::parse(&options.no_proxy),
        })
    }

    /// The proxy for URLs of this scheme, `--noproxy` aside.
    pub fn of(&self, scheme: Scheme) -> Option<&Proxy> {
        match scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }
    }

    /// Whether this program looks up the name of an origin, and not a proxy.
    pub fn is_name_ours(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        let proxy = self.of(scheme).filter(|_| !self.no_proxy.is_for(host, port));
        proxy.is_none_or(|proxy| proxy.kind == Kind::Socks5(NamesBy::Us))
    }

    /// The way to the origin of a target. Targets of the same origin have the same way.
    pub fn choose(&self, target: &Target) -> Route<'_> {
        let Some(proxy) = self.of(target.scheme()) else { return Route::Direct };
        if self.no_proxy.is_for(target.host(), target.port()) {
            return Route::Direct;
        }
        match (proxy.kind, target.scheme()) {
            (Kind::Http, Scheme::Http) => Route::HttpForward(proxy),
            (Kind::Http, Scheme::Https) => Route::Tunnel(proxy),
            (Kind::Socks5(names_by), Scheme::Http | Scheme::Https) => {
                Route::Socks5(proxy, names_by)
            }
        }
    }
}

impl<'a> Route<'a> {
    /// The proxy on the way.
    pub fn proxy(self) -> Option<&'a Proxy> {
        match self {
            Self::Direct => None,
            Self::HttpForward(proxy) | Self::Tunnel(proxy) | Self::Socks5(proxy, _) => Some(proxy),
        }
    }
}

impl Proxy {
    /// Takes `[scheme://][user[:password]@]host[:port][/]` apart; user and password are
    /// percent-decoded.
    ///
    /// # Errors
    ///
    /// When the text is not a proxy that can be used. The text itself is not repeated anywhere: it
    /// may hold a password.
    pub fn parse(text: &str) -> Result<Self, ProxyProblem> {
        let text = text.trim_matches(' ');
        let (kind, rest) = match text.split_once("://") {
            None => (Kind::Http, text),
            Some((scheme, rest)) => (Kind::parse(scheme)?, rest),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(ProxyProblem::Path);
        }
        let (userinfo, authority) = match rest.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, rest),
        };
        let credentials = userinfo.map(basic_auth).transpose();
        let credentials = credentials.map_err(|_| ProxyProblem::Credentials)?.flatten();
        // The port is looked at here: the parser of URLs leaves out that of their scheme.
        let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match authority[host_end..].rfind(':') {
            None => (authority, limits::PROXY_PORT_DEFAULT),
            Some(colon) => {
                let (host, port) = authority.split_at(host_end + colon);
                (host, port_of(&port[1..]).ok_or(ProxyProblem::Port)?)
            }
        };
        let target = Target::parse(&format!("http://{host}:{port}/"));
        let target = target.map_err(|_| ProxyProblem::Host)?;
        let host = target.host().into();
        Ok(Self { kind, host, port, credentials: credentials.map(split), authorization: None })
    }

    /// Adds the credentials that were given apart from the URL; those in the URL come first.
    fn complete(mut self, options: &Options) -> Result<Self, ProxyProblem> {
        if self.credentials.is_none() {
            self.credentials = options.user.as_deref().map(|user| split(user.into()));
        }
        let credentials = self.credentials.as_ref();
        match self.kind {
            Kind::Http => {
                let basic =
                    credentials.map(|(user, password)| basic(&format!("{user}:{password}")));
                let given = options.authorization.clone().or(basic);
                self.authorization = given.filter(|value| !value.is_empty()).map(Into::into);
            }
            Kind::Socks5(_) => {
                let is_long = |text: &str| text.len() > SOCKS_CREDENTIAL_BYTES_MAX;
                if credentials.is_some_and(|(user, password)| is_long(user) || is_long(password)) {
                    return Err(ProxyProblem::CredentialsTooLong);
                }
            }
        }
        Ok(self)
    }

    /// Whether the proxy looks up the names of origins itself.
    pub fn is_resolving(&self) -> bool {
        match self.kind {
            Kind::Http | Kind::Socks5(NamesBy::Proxy) => true,
            Kind::Socks5(NamesBy::Us) => false,
        }
    }

    /// ASCII host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 1-65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// User and password, for SOCKS. Never to be shown.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (&**user, &**password))
    }

    /// Value of `Proxy-Authorization`, for HTTP. Never to be shown, or sent to anyone else.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

/// `scheme://host:port`
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks5(NamesBy::Us) => "socks5",
            Kind::Socks5(NamesBy::Proxy) => "socks5h",
        };
        write!(f, "{scheme}://{}", authority(&self.host, self.port))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl Kind {
    fn parse(scheme: &str) -> Result<Self, ProxyProblem> {
        match scheme.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "socks5" => Ok(Self::Socks5(NamesBy::Us)),
            "socks5h" => Ok(Self::Socks5(NamesBy::Proxy)),
            "https" => Err(ProxyProblem::Https),
            "socks" | "socks4" | "socks4a" => Err(ProxyProblem::Socks4),
            _ => Err(ProxyProblem::Scheme),
        }
    }
}

/// Why a proxy cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProblem {
    /// An `https://` proxy.
    Https,
    /// A SOCKS 4 proxy; `socks://` means one with curl.
    Socks4,
    /// Another scheme.
    Scheme,
    /// The host is empty or not usable.
    Host,
    /// The port is not 1-65535.
    Port,
    /// There is something behind the port.
    Path,
    /// The user information cannot be sent: controls, bytes that are not UTF-8, a colon in the
    /// user.
    Credentials,
    /// The user or the password is longer than RFC 1929 can carry.
    CredentialsTooLong,
}

impl fmt::Display for ProxyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Https => {
                "https:// proxies are not supported; give http://, which carries https too"
            }
            Self::Socks4 => "SOCKS 4 proxies are not supported; give socks5:// or socks5h://",
            Self::Scheme => "a proxy begins with http://, socks5:// or socks5h://",
            Self::Host => "its host is empty or not usable; write http://HOST:PORT",
            Self::Port => "its port is not 1 to 65535; write http://HOST:PORT",
            Self::Path => {
                "it ends with its port; in a user or password write / ? # \\ as %2F %3F %23 %5C"
            }
            Self::Credentials => "its user or password cannot be sent; check the %XX in it",
            Self::CredentialsTooLong => "SOCKS 5 takes a user and a password of up to 255 bytes",
        })
    }
}

/// A proxy that cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProxyError {
    /// Option or environment variable that has it.
    pub source: &'static str,
    /// What is wrong with it.
    pub problem: ProxyProblem,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the proxy of {}: {}", self.source, self.problem)
    }
}

impl std::error::Error for ProxyError {}

/// Hosts that are reached without a proxy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    host: Host,
    /// The only port that is meant; `None` for all.
    port: Option<u16>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Host {
    Any,
    /// A name and everything below it, without a final dot.
    Name(Box<str>),
    /// Addresses whose first bits are these.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Reads a list with commas or white space between: `*` for all hosts, names (`example.com` and
    /// `.example.com` both mean that name and everything below it), addresses, networks
    /// (`10.0.0.0/8`), each with an optional `:port`. Entries that can match no host are left out,
    /// as with curl: these lists are shared by many programs.
    pub fn parse(text: &str) -> Self {
        let words = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
        Self { entries: words.filter_map(Entry::parse).collect() }
    }

    /// Whether a host (ASCII, lower case, no brackets) is in the list.
    pub fn is_for(&self, host: &str, port: u16) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let address = host.parse::<IpAddr>().ok();
        let host = host.strip_suffix('.').unwrap_or(host);
        self.entries.iter().any(|entry| {
            let is_host = match (&entry.host, address) {
                (Host::Any, _) => true,
                (Host::Name(name), None) => is_below(host, name),
                (Host::Network(network, bits), Some(address)) => is_in(address, *network, *bits),
                // The end of an address is no name.
                (Host::Name(_), Some(_)) | (Host::Network(..), None) => false,
            };
            is_host && entry.port.is_none_or(|wanted| wanted == port)
        })
    }
}

impl Entry {
    fn parse(word: &str) -> Option<Self> {
        if let Some((address, bits)) = word.split_once('/') {
            let (bits, port) = match bits.split_once(':') {
                Some((bits, port)) => (bits, Some(port_of(port)?)),
                None => (bits, None),
            };
            let address = address::parse(address)?;
            let bits = digits(bits)?;
            let bits_max = if address.is_ipv4() { u32::BITS } else { u128::BITS };
            return (bits <= bits_max).then_some(Self { host: Host::Network(address, bits), port });
        }
        if let Some(address) = address::parse(word) {
            return Some(Self { host: Host::address(address), port: None });
        }
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) => (host, Some(port_of(port)?)),
            None => (word, None),
        };
        if host == "*" {
            return Some(Self { host: Host::Any, port });
        }
        let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let name = name.trim_start_matches('.');
        if name.is_empty() || name.contains(['?', '#', '@']) {
            return None;
        }
        // The same parser as for URLs, so that both have the same spelling.
        let target = Target::parse(&format!("http://{name}/")).ok()?;
        let host = match target.host().parse() {
            Ok(address) => Host::address(address),
            Err(_) => Host::Name(target.host().trim_end_matches('.').into()),
        };
        Some(Self { host, port })
    }
}

impl Host {
    fn address(address: IpAddr) -> Self {
        Self::Network(address, if address.is_ipv4() { u32::BITS } else { u128::BITS })
    }
}

/// Whether `host` is `name` or below it.
fn is_below(host: &str, name: &str) -> bool {
    let front = host.strip_suffix(name);
    front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// Whether the first `bits` bits of both addresses are the same.
fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn port_of(text: &str) -> Option<u16> {
    digits(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

/// A number of digits only: `parse` alone would take a `+`.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Splits user and password: the user ends at the first colon (RFC 7617 section 2).
fn split(user: Box<str>) -> (Box<str>, Box<str>) {
    match user.split_once(':') {
        Some((user, password)) => (user.into(), password.into()),
        None => (user, Box::default()),
    }
}

/// Longest user, and longest password (RFC 1929 section 2: the length is one byte).
const SOCKS_CREDENTIAL_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests;
