//! A new connection to the origin of a task: name, TCP, TLS.

use super::core::Core;
use super::fetch::fault;
use super::task::{Story, Task};
use crate::config::Reach;
use crate::fault::{Cause, Fault, Stage};
use crate::plan::address;
use crate::plan::target::Scheme;
use crate::ring::conn::Connection;
use crate::ring::deadline::Rule;
use crate::ring::tcp::Socket;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A new connection: name, TCP, TLS.
pub(super) async fn open(core: &Core, task: &mut Task) -> Result<Connection, Fault> {
    let target = task.target().clone();
    let (host, port) = (target.host(), target.port());
    let job_at_ms = task.job_at_ms();
    let left = Duration::from_millis(job_at_ms.saturating_sub(core.shared.now_ms()));
    let addresses = tokio::select! {
        answer = core.dns.lookup(host, port) => answer,
        () = core.interrupted() => Err((Cause::Interrupted, None)),
        () = tokio::time::sleep(left) => Err((Cause::JobTimeout, None)),
    }
    .map_err(|failure| fault(Stage::Resolve, failure))?;
    let story = task.story.as_mut().expect("an attempt has begun");
    story.last.times.namelookup = story.last.began.elapsed();
    let addresses = reachable(core.shared.config.reach, addresses)?;
    let socket = connect(core, story, &addresses, port).await?;
    story.last.times.connect = story.last.began.elapsed();
    if target.scheme() == Scheme::Http {
        return Ok(Connection::plain(socket));
    }
    let tls_at_ms = core.shared.now_ms() + core.shared.config.timeouts.connect_ms;
    socket.arm(Rule::Total, tls_at_ms, job_at_ms);
    let connection = Connection::secure(socket, &core.tls, host, &core.buffers).await;
    story.last.times.appconnect = story.last.began.elapsed();
    connection.map_err(|failure| fault(Stage::Tls, failure))
}

/// The addresses that may be connected to. This is the one place that asks: what comes here are the
/// very addresses that are connected to, for every hop and every kind of host (a name, a literal,
/// `--resolve`), and a pooled connection came through here when it was opened.
fn reachable(reach: Reach, addresses: Arc<[IpAddr]>) -> Result<Arc<[IpAddr]>, Fault> {
    let refused = |address: &IpAddr| match reach {
        Reach::Any => None,
        Reach::Public => address::is_public(*address).err(),
    };
    let Some((first, kind)) = addresses.iter().find_map(|a| Some((*a, refused(a)?))) else {
        return Ok(addresses);
    };
    let left: Arc<[IpAddr]> = addresses.iter().copied().filter(|a| refused(a).is_none()).collect();
    if left.is_empty() {
        let detail = format!("{first} is {kind}, which --no-private refuses");
        return Err(Fault::new(Stage::Connect, Cause::PrivateAddress).with_detail(detail));
    }
    Ok(left)
}

/// A connected socket to one of the addresses, within one deadline for all of them.
async fn connect(
    core: &Core,
    story: &mut Story,
    addresses: &[IpAddr],
    port: u16,
) -> Result<Socket, Fault> {
    let at_ms = core.shared.now_ms() + core.shared.config.timeouts.connect_ms;
    let mut failed = Fault::new(Stage::Connect, Cause::Unreachable);
    for (index, address) in addresses.iter().enumerate() {
        let left_ms = at_ms.saturating_sub(core.shared.now_ms()).max(1);
        // An address that hangs must leave time for the others.
        let is_last = index + 1 == addresses.len();
        let timeout_ms = if is_last { left_ms } else { left_ms.div_ceil(2) };
        story.num_connects += 1;
        story.last.remote_ip = Some(*address);
        let address = SocketAddr::new(*address, port);
        match Socket::connect(address, timeout_ms, story.job_at_ms, &core.deadlines).await {
            Ok(socket) => return Ok(socket),
            Err(cause @ (Cause::Interrupted | Cause::JobTimeout | Cause::Resources(_))) => {
                return Err(Fault::new(Stage::Connect, cause));
            }
            Err(cause) => failed = Fault::new(Stage::Connect, cause).with_detail(address),
        }
    }
    Err(failed)
}
