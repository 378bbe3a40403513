//! A new connection to the origin of a task: name, TCP, a tunnel where a proxy is on the way, TLS.

use crate::engine::attempt::fetch::{Outcome, fault};
use crate::engine::attempt::race::{Host, connect};
use crate::engine::attempt::task::{Story, Task};
use crate::engine::attempt::tunnel;
use crate::engine::core::desk::Core;
use crate::engine::say::say;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::http::tunnel::Destination;
use crate::plan::address::{self, Kind, Reach};
use crate::plan::proxy::{NamesBy, Proxy, Route};
use crate::plan::target::{Scheme, Target};
use crate::ring::conn::Connection;
use crate::ring::deadline::Rule;
use crate::ring::tcp;
use std::net::IpAddr;
use std::sync::Arc;

/// A new connection by this route, ready for a request.
pub(crate) async fn open(
    core: &Core,
    task: &mut Task,
    route: Route<'_>,
) -> Result<Connection, Outcome> {
    let target = task.target().clone();
    let job_at_ms = task.job_at_ms();
    let found = match route.proxy() {
        None => lookup_origin(core, &target, job_at_ms).await?,
        Some(proxy) => lookup(core, proxy.host(), proxy.port(), job_at_ms)
            .await
            .map_err(|fault| of_proxy(fault, proxy))?,
    };
    let destinations = match route {
        Route::Socks5(_, NamesBy::Us) => Some(lookup_origin(core, &target, job_at_ms).await?),
        Route::Direct | Route::HttpForward(_) | Route::Tunnel(_) => None,
        Route::Socks5(_, NamesBy::Proxy) => None,
    };
    let story = task.story_mut();
    story.last.times.namelookup = story.last.began.elapsed();
    let connection = match route {
        Route::Direct => {
            let (name, port, addresses) = (target.host(), target.port(), &found);
            Connection::plain(connect(core, story, Host { name, port, addresses }).await?)
        }
        Route::HttpForward(proxy) => connect_to_proxy(core, story, &found, proxy).await?,
        Route::Tunnel(proxy) => {
            let mut connection = connect_to_proxy(core, story, &found, proxy).await?;
            arm_connect(core, &connection, job_at_ms);
            let opened = tunnel::connect(core, &mut connection, &target, proxy).await;
            opened.map_err(|fault| of_proxy(fault, proxy))?;
            connection
        }
        Route::Socks5(proxy, _) => {
            let way = Way { core, proxy, found: &found, target: &target };
            let opened = way.socks5(story, destinations.as_deref()).await;
            opened.map_err(|fault| of_proxy(fault, proxy))?
        }
    };
    if target.scheme() == Scheme::Http {
        return Ok(connection);
    }
    core.tls.read_named_roots();
    arm_connect(core, &connection, job_at_ms);
    // Whoever is on the way: the certificate is that of the origin.
    let connection = connection.into_secure(&core.tls, target.host(), &core.buffers).await;
    story.last.times.appconnect = story.last.began.elapsed();
    if let Some(complaint) = core.tls.take_complaint() {
        say(&format!("warning: {complaint}"));
    }
    connection.map_err(|failure| fault(Stage::Tls, failure).into())
}

/// Sets the deadline of a handshake, that of a tunnel or that of TLS.
fn arm_connect(core: &Core, connection: &Connection, job_at_ms: u64) {
    let at_ms = core.shared.now_ms() + core.shared.config.timeouts.connect_ms;
    connection.arm(Rule::Total, at_ms, job_at_ms);
}

/// The addresses of an origin that may be connected to. They were looked up before the job began;
/// if that is too long ago, they are looked up again while the job waits without a slot.
async fn lookup_origin(
    core: &Core,
    target: &Target,
    job_at_ms: u64,
) -> Result<Arc<[IpAddr]>, Outcome> {
    let (host, port) = (target.host(), target.port());
    let found = match core.dns.known(host, port) {
        Some(answer) => answer.map_err(|failure| fault(Stage::Resolve, failure))?,
        None if core.shared.stop.get() == Stop::Running
            && core.gate.is_asked_for(target.host_header()) =>
        {
            return Err(Outcome::Unresolved);
        }
        None => lookup(core, host, port, job_at_ms).await?,
    };
    Ok(reachable(core.shared.config.reach, found)?)
}

/// The addresses of a name, which may be an address itself. The job keeps its slot meanwhile: this
/// is for the names of proxies, which all jobs wait for alike, and for the end of a run.
pub(crate) async fn lookup(
    core: &Core,
    host: &str,
    port: u16,
    job_at_ms: u64,
) -> Result<Arc<[IpAddr]>, Fault> {
    let answer = core.until(job_at_ms, core.dns.lookup(host, port)).await;
    answer
        .unwrap_or_else(|cause| Err(cause.into()))
        .map_err(|failure| fault(Stage::Resolve, failure))
}

/// The addresses that may be connected to. This is the one place that asks: what comes here are the
/// very addresses that are connected to (by us, or by a SOCKS proxy), for every hop and every kind
/// of host (a name, a literal, `--resolve`), and a pooled connection came through here when it was
/// opened.
fn reachable(reach: Reach, addresses: Arc<[IpAddr]>) -> Result<Arc<[IpAddr]>, Fault> {
    if reach == Reach::Any {
        return Ok(addresses);
    }
    let (mut left, mut refused) = (Vec::new(), None);
    for address in addresses.iter().copied() {
        let kind = match address::is_public(address) {
            Err(kind) => Some(kind),
            Ok(()) if reach == Reach::PublicNotOwn => {
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
            let detail = format!("{first} is {kind}, which --no-private refuses");
            Err(Fault::new(Stage::Connect, Cause::PrivateAddress).with_detail(detail))
        }
        Some(_) => Ok(left.into()),
        None => Ok(addresses),
    }
}

async fn connect_to_proxy(
    core: &Core,
    story: &mut Story,
    addresses: &[IpAddr],
    proxy: &Proxy,
) -> Result<Connection, Fault> {
    let connected = connect(core, story, of_proxy_host(proxy, addresses)).await;
    connected.map(Connection::plain).map_err(|fault| of_proxy(fault, proxy))
}

/// A proxy as a host to connect to.
fn of_proxy_host<'a>(proxy: &'a Proxy, addresses: &'a [IpAddr]) -> Host<'a> {
    Host { name: proxy.host(), port: proxy.port(), addresses }
}

/// A way through a SOCKS proxy.
struct Way<'a> {
    core: &'a Core,
    proxy: &'a Proxy,
    /// Addresses of the proxy.
    found: &'a [IpAddr],
    target: &'a Target,
}

impl Way<'_> {
    /// A tunnel to the target: to one of its addresses, or by its name where there are none.
    async fn socks5(
        &self,
        story: &mut Story,
        addresses: Option<&[IpAddr]>,
    ) -> Result<Connection, Fault> {
        let host = self.target.host();
        let Some(addresses) = addresses else {
            let address = host.parse().map(Destination::Address);
            return self.socks5_to(story, address.unwrap_or(Destination::Name(host))).await;
        };
        let mut failed = Fault::new(Stage::Connect, Cause::Unreachable);
        for address in addresses.iter().take(SOCKS_ADDRESSES_MAX) {
            match self.socks5_to(story, Destination::Address(*address)).await {
                // The proxy may reach another one: it may lack IPv6, for instance.
                Err(fault) if matches!(fault.cause, Cause::Socks(1 | 3..=6 | 8)) => {
                    failed = fault.with_detail(format_args!("for {address}"));
                }
                ended => return ended,
            }
        }
        Err(failed)
    }

    async fn socks5_to(&self, story: &mut Story, to: Destination<'_>) -> Result<Connection, Fault> {
        let host = of_proxy_host(self.proxy, self.found);
        let socket = connect(self.core, story, host).await?;
        let mut connection = Connection::plain(socket);
        arm_connect(self.core, &connection, story.job_at_ms);
        let port = self.target.port();
        tunnel::socks5(self.core, &mut connection, (to, port), self.proxy).await?;
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
        assert_eq!(reachable(Reach::Any, mixed.clone()), Ok(mixed.clone()));
        assert_eq!(reachable(Reach::Public, mixed), Ok(addresses("9.9.9.9 2620:fe::fe")));
        let fault = reachable(Reach::Public, addresses("fd00::1 10.0.0.1")).unwrap_err();
        assert_eq!((fault.code(), fault.facts().curl), ("connect.private", 7));
        let text = fault.to_string();
        assert!(text.contains("fd00::1 is private") && text.contains("--no-private"), "{text}");
    }
}
