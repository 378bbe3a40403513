//! A new connection to the origin of a job: name, TCP, a tunnel where a proxy is on the way, TLS.

use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::outcome::Outcome;
use crate::engine::attempt::race::{Host, connect};
use crate::engine::attempt::request::Request;
use crate::engine::attempt::trace::Trace;
use crate::engine::attempt::tunnel;
use crate::engine::say::say;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::http::tunnel::Destination;
use crate::plan::address::{self, AddressPolicy, Kind};
use crate::plan::proxy::{NamesBy, Proxies, Proxy, Route};
use crate::plan::target::{Scheme, Target};
use crate::ring::Network;
use crate::ring::conn::Connection;
use crate::ring::deadline::Rule;
use crate::ring::dns::Resolver;
use crate::ring::tcp::{self, Socket};
use std::net::IpAddr;
use std::sync::Arc;

/// A new connection by this route, ready for the request; or one to memory, where that is the
/// network.
pub(crate) async fn open(
    kit: &Kit,
    request: &Request<'_>,
    trace: &mut Trace,
    route: Route<'_>,
) -> Result<Connection, Outcome> {
    if let Network::Memory { body_bytes } = kit.network {
        // No name, no address, no proxy, no TLS.
        return Ok(Connection::to_memory(&kit.deadlines, body_bytes));
    }
    let Request { target, job_at_ms, failed_ip, .. } = *request;
    let found = match route.proxy() {
        None => lookup_origin(kit, target, job_at_ms).await?,
        Some(proxy) => lookup(kit, proxy.host(), proxy.port(), job_at_ms)
            .await
            .map_err(|fault| of_proxy(fault, proxy))?,
    };
    let destinations = match route {
        Route::Socks5(_, NamesBy::Us) => Some(lookup_origin(kit, target, job_at_ms).await?),
        Route::Direct | Route::HttpForward(_) | Route::Tunnel(_) => None,
        Route::Socks5(_, NamesBy::Proxy) => None,
    };
    trace.times.namelookup = trace.began.elapsed();
    let mut way = Way { kit, trace: &mut *trace, found: &found, failed_ip, job_at_ms };
    let connection = match route {
        Route::Direct => Connection::plain(way.connect(target.host(), target.port()).await?),
        Route::HttpForward(proxy) => way.connect_to_proxy(proxy).await?,
        Route::Tunnel(proxy) => {
            let mut connection = way.connect_to_proxy(proxy).await?;
            arm_connect(kit, &connection, job_at_ms);
            let opened = Box::pin(tunnel::connect(kit, &mut connection, target, proxy)).await;
            opened.map_err(|fault| of_proxy(fault, proxy))?;
            connection
        }
        Route::Socks5(proxy, _) => {
            let opened = Box::pin(way.socks5(proxy, target, destinations.as_deref())).await;
            opened.map_err(|fault| of_proxy(fault, proxy))?
        }
    };
    if target.scheme() == Scheme::Http {
        return Ok(connection);
    }
    kit.tls.read_named_roots();
    arm_connect(kit, &connection, job_at_ms);
    // Whoever is on the way: the certificate is that of the origin.
    // Boxed, as the others are: this future is there once for each connection that begins.
    let securing = Box::pin(connection.into_secure(&kit.tls, target.host(), &kit.buffers));
    let connection = securing.await;
    trace.times.appconnect = trace.began.elapsed();
    if let Some(complaint) = kit.tls.take_complaint() {
        say(&format!("warning: {complaint}"));
    }
    connection.map_err(|failure| failure.at(Stage::Tls).into())
}

/// Sets the deadline of a handshake, that of a tunnel or that of TLS.
fn arm_connect(kit: &Kit, connection: &Connection, job_at_ms: u64) {
    let at_ms = kit.now_ms() + kit.timeouts.connect_ms;
    connection.arm(Rule::Total, at_ms, job_at_ms);
}

/// The addresses of an origin that may be connected to. They were looked up before the job began;
/// if that is too long ago, they are looked up again while the job waits without a slot.
async fn lookup_origin(
    kit: &Kit,
    target: &Target,
    job_at_ms: u64,
) -> Result<Arc<[IpAddr]>, Outcome> {
    let (host, port) = (target.host(), target.port());
    let found = match kit.dns.known(host, port) {
        Some(answer) => answer.map_err(|failure| failure.at(Stage::Resolve))?,
        None if kit.common.stop.get() == Stop::Running
            && is_looked_up_ahead(&kit.proxies, &kit.dns, target.host_header()) =>
        {
            return Err(Outcome::Unresolved);
        }
        None => lookup(kit, host, port, job_at_ms).await?,
    };
    Ok(reachable(kit.address_policy, found)?)
}

/// Whether the name of a host (`name[:port]`) is looked up before its jobs begin. A host that is an
/// address or has some by `--resolve` needs no question, nor does one that a proxy looks up. Where
/// that holds for `http://` or `https://` alone, the jobs of the other scheme look it up
/// themselves: a question that nobody needs may tell what a proxy was to hide.
pub(crate) fn is_looked_up_ahead(proxies: &Proxies, dns: &Resolver, host: &str) -> bool {
    let (name, port) = address::name_and_port(host);
    [Scheme::Http, Scheme::Https].into_iter().all(|scheme| {
        let port = port.unwrap_or_else(|| scheme.port_default());
        proxies.is_name_ours(scheme, name, port) && !dns.is_given(name, port)
    })
}

/// The addresses of a name, which may be an address itself. The job keeps its slot meanwhile: this
/// is for the names of proxies, which all jobs wait for alike, and for the end of a run.
pub(crate) async fn lookup(
    kit: &Kit,
    host: &str,
    port: u16,
    job_at_ms: u64,
) -> Result<Arc<[IpAddr]>, Fault> {
    let answer = kit.bounds(job_at_ms).until(kit.dns.lookup(host, port)).await;
    answer.unwrap_or_else(|cause| Err(cause.into())).map_err(|failure| failure.at(Stage::Resolve))
}

/// The addresses that may be connected to. This is the one place that asks: what comes here are the
/// very addresses that are connected to (by us, or by a SOCKS proxy), for every hop and every kind
/// of host (a name, a literal, `--resolve`), and a pooled connection came through here when it was
/// opened.
fn reachable(policy: AddressPolicy, addresses: Arc<[IpAddr]>) -> Result<Arc<[IpAddr]>, Fault> {
    if policy == AddressPolicy::Any {
        return Ok(addresses);
    }
    let (mut left, mut refused) = (Vec::new(), None);
    for address in addresses.iter().copied() {
        let kind = match address::is_public(address) {
            Err(kind) => Some(kind),
            Ok(()) if policy == AddressPolicy::PublicNotOwn => {
                let is_own =
                    tcp::is_own(address).map_err(|cause| Fault::new(Stage::Connect, cause));
                is_own?.then_some(Kind::Own)
            }
            Ok(()) => None,
        };
        match kind {
            None => left.push(address),
            Some(kind) => refused = refused.or(Some((address, kind))),
        }
    }
    match refused {
        Some((first, kind)) if left.is_empty() => {
            let detail = format!("{first} is {kind}");
            Err(Fault::new(Stage::Connect, Cause::PrivateAddress).with_detail(detail))
        }
        Some(_) => Ok(left.into()),
        None => Ok(addresses),
    }
}

/// A way to the addresses of an origin or of a proxy.
struct Way<'a> {
    kit: &'a Kit,
    trace: &'a mut Trace,
    found: &'a [IpAddr],
    failed_ip: Option<IpAddr>,
    job_at_ms: u64,
}

impl Way<'_> {
    /// A connected socket to the host of this name, which has the addresses.
    async fn connect(&mut self, name: &str, port: u16) -> Result<Socket, Fault> {
        let host = Host { name, port, addresses: self.found, failed_ip: self.failed_ip };
        connect(self.kit, self.trace, host, self.job_at_ms).await
    }

    /// A connection to a proxy, which has the addresses.
    async fn connect_to_proxy(&mut self, proxy: &Proxy) -> Result<Connection, Fault> {
        let connected = self.connect(proxy.host(), proxy.port()).await;
        connected.map(Connection::plain).map_err(|fault| of_proxy(fault, proxy))
    }

    /// A tunnel through a SOCKS proxy to the target: to one of its addresses, or by its name where
    /// there are none.
    async fn socks5(
        &mut self,
        proxy: &Proxy,
        target: &Target,
        addresses: Option<&[IpAddr]>,
    ) -> Result<Connection, Fault> {
        let (host, port) = (target.host(), target.port());
        let Some(addresses) = addresses else {
            let address = host.parse().map(Destination::Address);
            let to = address.unwrap_or(Destination::Name(host));
            return self.socks5_to(proxy, (to, port)).await;
        };
        let mut failed = Fault::new(Stage::Connect, Cause::Unreachable);
        for address in addresses.iter().take(SOCKS_ADDRESSES_MAX) {
            match self.socks5_to(proxy, (Destination::Address(*address), port)).await {
                // The proxy may reach another one: it may lack IPv6, for instance.
                Err(fault) if matches!(fault.cause, Cause::Socks(1 | 3..=6 | 8)) => {
                    failed = fault.with_detail(format_args!("for {address}"));
                }
                ended => return ended,
            }
        }
        Err(failed)
    }

    async fn socks5_to(
        &mut self,
        proxy: &Proxy,
        to: (Destination<'_>, u16),
    ) -> Result<Connection, Fault> {
        let mut connection = Connection::plain(self.connect(proxy.host(), proxy.port()).await?);
        arm_connect(self.kit, &connection, self.job_at_ms);
        tunnel::socks5(self.kit, &mut connection, to, proxy).await?;
        Ok(connection)
    }
}

/// Says of a failure that it happened with the proxy and not with the host of the URL.
fn of_proxy(fault: Fault, proxy: &Proxy) -> Fault {
    match (&fault.cause, &fault.detail) {
        (Cause::Interrupted | Cause::JobTimeout | Cause::Resources(_), _) => fault,
        (_, None) => fault.with_detail(format_args!("proxy {proxy}")),
        (_, Some(detail)) => {
            let detail = format!("proxy {proxy}: {detail}");
            // It was escaped when it was made.
            Fault { detail: Some(detail.into()), ..fault }
        }
    }
}

/// Addresses of an origin that a SOCKS proxy is asked for.
const SOCKS_ADDRESSES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_taken_out_of_an_answer() {
        let addresses = |text: &str| -> Arc<[IpAddr]> {
            text.split(' ').map(|address| address.parse().unwrap()).collect()
        };
        let mixed = addresses("127.0.0.1 9.9.9.9 ::1 2620:fe::fe 10.0.0.1");
        assert_eq!(reachable(AddressPolicy::Any, mixed.clone()), Ok(mixed.clone()));
        assert_eq!(reachable(AddressPolicy::Public, mixed), Ok(addresses("9.9.9.9 2620:fe::fe")));
        let fault = reachable(AddressPolicy::Public, addresses("fd00::1 10.0.0.1")).unwrap_err();
        assert_eq!((fault.code(), fault.facts().curl), ("connect.private", 7));
        let text = fault.to_string();
        assert!(text.contains("fd00::1 is private") && text.matches("--no-private").count() == 1);
    }
}
