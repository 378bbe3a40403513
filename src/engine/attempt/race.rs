//! A TCP connection to one of the addresses of a host: they race as [`crate::plan::eyeballs`] says,
//! the first that connects is taken, and the others are brought to their end behind its back.
//!
//! A job has a descriptor for a socket and one for a file, which is not open yet, so two may race
//! within what it has. More of them take what is free; for want of that they wait for each other.

use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::leftovers::Leftovers;
use crate::engine::attempt::trace::Trace;
use crate::fault::{Cause, Fault, Stage};
use crate::plan::eyeballs::{Heard, Outcome, Race, Step};
use crate::ring::io::Io;
use crate::ring::tcp::{self, Connecting, Socket};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// A host to connect to.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    pub(crate) name: &'a str,
    pub(crate) port: u16,
    pub(crate) addresses: &'a [IpAddr],
    /// An address that is tried last.
    pub(crate) failed_ip: Option<IpAddr>,
}

/// A connected socket to one of the addresses, within one deadline for all of them, and before the
/// job is over. However many are tried, it counts as one connection.
pub(crate) async fn connect(
    kit: &Kit,
    trace: &mut Trace,
    host: Host<'_>,
    job_at_ms: u64,
) -> Result<Socket, Fault> {
    let connected = match host.addresses {
        [address] => {
            let to = SocketAddr::new(*address, host.port);
            Socket::connect(kit.means(), to, kit.timeouts.connect_ms, job_at_ms)
                .await
                .map_err(|cause| vec![(*address, cause)])
        }
        // It is large, and most hosts need none.
        _ => Box::pin(race(kit, host, job_at_ms)).await,
    };
    let (address, connected) = match connected {
        Ok(socket) => {
            trace.times.connect = trace.began.elapsed();
            (Some(socket.peer()), Ok(socket))
        }
        Err(failed) => {
            let (address, fault) = fault(&failed, host.port);
            (address, Err(fault))
        }
    };
    trace.remote_ip = address;
    // For want of a descriptor nothing was sent to anybody.
    let is_unsent = matches!(&connected, Err(fault) if matches!(fault.cause, Cause::Resources(_)));
    trace.num_connects += u32::from(!is_unsent);
    connected
}

/// Addresses that failed, in the order in which they did.
type Failed = Vec<(IpAddr, Cause)>;

/// A race until `job_at_ms`. An address that failed the attempt before goes last.
async fn race(kit: &Kit, host: Host<'_>, job_at_ms: u64) -> Result<Socket, Failed> {
    let began_ms = kit.now_ms();
    let mut order = order(kit, host, began_ms);
    order.sort_by_key(|address| host.failed_ip == Some(*address));
    let timeout_ms = kit.timeouts.connect_ms;
    let mut race = Race::new(order.len(), timeout_ms);
    // What goes out of scope unfinished is ended.
    let mut running = Racers { running: Vec::new(), io: &kit.io, leftovers: &kit.leftovers };
    let mut failed = Failed::new();
    loop {
        let now_ms = kit.now_ms();
        match race.step(now_ms) {
            Step::Begin(index) => {
                let left_ms = (began_ms + timeout_ms).saturating_sub(now_ms).max(1);
                let to = SocketAddr::new(order[index], host.port);
                match Socket::begin(kit.means(), to, left_ms, job_at_ms) {
                    Ok(connecting) => {
                        race.began(index, now_ms);
                        running.running.push((index, connecting));
                    }
                    Err(Cause::Resources(_)) if !running.running.is_empty() => race.lacked(),
                    Err(cause @ Cause::Resources(_)) => return Err(vec![(order[index], cause)]),
                    Err(cause) => {
                        failed.push((order[index], cause));
                        race.failed(index, now_ms);
                    }
                }
            }
            Step::GiveWay(index) => running.give_way(index),
            Step::Wait(until_ms) => match running.next(until_ms.saturating_sub(now_ms)).await {
                None => {}
                Some((index, Ok(socket))) => {
                    let now_ms = kit.now_ms();
                    let silent = |index: &usize| race.is_silent(*index, now_ms);
                    let silent = running.indices().filter(silent).map(|index| order[index]);
                    let mut heard: Vec<_> = failed.iter().filter_map(heard_of).collect();
                    heard.extend(silent.map(|address| (address, Heard::Silence)));
                    let (name, winner) = (host.name, order[index]);
                    let outcome =
                        Outcome { host: name, order: &order, began_ms, winner, heard: &heard };
                    kit.common.eyeballs().connected(&outcome, now_ms);
                    return Ok(socket);
                }
                Some((index, Err(cause))) => {
                    let is_over = matches!(cause, Cause::Interrupted | Cause::JobTimeout);
                    failed.push((order[index], cause));
                    if is_over {
                        return Err(failed);
                    }
                    race.failed(index, kit.now_ms());
                }
            },
            Step::Over => return Err(failed),
        }
    }
}

/// The order in which the addresses of a host are tried. What a user gave stays as it is.
fn order(kit: &Kit, host: Host<'_>, now_ms: u64) -> Vec<IpAddr> {
    let source = |address| tcp::source(address).ok().flatten();
    let source: Option<&dyn Fn(IpAddr) -> Option<IpAddr>> =
        if kit.dns.is_given(host.name, host.port) { None } else { Some(&source) };
    kit.common.eyeballs().order(host.name, host.addresses, source, now_ms)
}

/// What a failed attempt says about its address.
fn heard_of((address, cause): &(IpAddr, Cause)) -> Option<(IpAddr, Heard)> {
    match cause {
        Cause::Refused | Cause::Reset => Some((*address, Heard::Refused)),
        Cause::Timeout => Some((*address, Heard::Silence)),
        _ => None,
    }
}

/// What is told of addresses that all failed: what says most, with its address, and the others
/// behind it.
fn fault(failed: &[(IpAddr, Cause)], port: u16) -> (Option<IpAddr>, Fault) {
    // What ended all of it comes last and goes before all else; then the one that answered.
    let rank = |cause: &Cause| match cause {
        Cause::Interrupted | Cause::JobTimeout | Cause::Resources(_) => 0,
        Cause::Refused | Cause::Reset | Cause::Socket(_) => 1,
        Cause::Timeout => 2,
        _ => 3,
    };
    let told = failed.iter().min_by_key(|(_, cause)| rank(cause));
    let Some((address, cause)) = told else {
        return (None, Fault::new(Stage::Connect, Cause::Unreachable));
    };
    let fault = Fault::new(Stage::Connect, cause.clone());
    if rank(cause) == 0 {
        return (Some(*address), fault);
    }
    let mut detail = SocketAddr::new(*address, port).to_string();
    let others = || failed.iter().filter(|(other, _)| other != address);
    for (index, (address, cause)) in others().take(OTHERS_TOLD_MAX).enumerate() {
        let before = if index == 0 { "; also " } else { ", " };
        let code = Fault::new(Stage::Connect, cause.clone()).code();
        write!(detail, "{before}{address} ({code})").expect("a string takes everything");
    }
    if let Some(more) = others().count().checked_sub(OTHERS_TOLD_MAX).filter(|more| *more > 0) {
        write!(detail, " and {more} more").expect("a string takes everything");
    }
    (Some(*address), fault.with_detail(detail))
}

/// Attempts on their way, by their place in the order; the oldest first.
struct Racers<'c> {
    running: Vec<(usize, Connecting)>,
    io: &'c Io,
    leftovers: &'c Rc<Leftovers>,
}

impl Racers<'_> {
    /// Waits for one to end, at most so many milliseconds.
    async fn next(&mut self, wait_ms: u64) -> Option<(usize, Result<Socket, Cause>)> {
        let running = &mut self.running;
        let ended = poll_fn(|context| {
            for at in 0..running.len() {
                if let Poll::Ready(result) = Pin::new(&mut running[at].1).poll(context) {
                    return Poll::Ready((running.remove(at).0, result));
                }
            }
            Poll::Pending
        });
        if wait_ms > WAIT_MAX_MS {
            return Some(ended.await);
        }
        // It is not the attempts that may be dropped here, but this look at them.
        self.io.timeout(Duration::from_millis(wait_ms), pin!(ended)).await
    }

    fn give_way(&self, index: usize) {
        self.running.iter().filter(|racer| racer.0 == index).for_each(|racer| racer.1.end());
    }

    fn indices(&self) -> impl Iterator<Item = usize> {
        self.running.iter().map(|racer| racer.0)
    }
}

impl Drop for Racers<'_> {
    fn drop(&mut self) {
        if !self.running.is_empty() {
            let running = std::mem::take(&mut self.running);
            self.leftovers.end(running.into_iter().map(|racer| racer.1).collect());
        }
    }
}

/// Longest wait that has a timer, in milliseconds: any other is for as long as it takes.
const WAIT_MAX_MS: u64 = 60_000;
/// Addresses that are told of beside the one whose failure says most.
const OTHERS_TOLD_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_most_is_told_first() {
        let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|n| IpAddr::from([192, 0, 2, n]));
        let told = |failed: &[(IpAddr, Cause)]| {
            let (address, fault) = fault(failed, 80);
            (address, fault.code(), fault.detail.unwrap_or_default().into_string())
        };
        let table = [
            (vec![], None, "connect.unreachable", ""),
            (vec![(a, Cause::Timeout)], Some(a), "connect.timeout", "192.0.2.1:80"),
            (
                vec![(a, Cause::Unreachable), (b, Cause::Refused), (c, Cause::Timeout)],
                Some(b),
                "connect.refused",
                "192.0.2.2:80; also 192.0.2.1 (connect.unreachable), 192.0.2.3 (connect.timeout)",
            ),
            (
                [a, b, c, d, e].map(|one| (one, Cause::Timeout)).to_vec(),
                Some(a),
                "connect.timeout",
                "192.0.2.1:80; also 192.0.2.2 (connect.timeout), 192.0.2.3 (connect.timeout), \
                 192.0.2.4 (connect.timeout) and 1 more",
            ),
            (vec![(a, Cause::Refused), (b, Cause::Interrupted)], Some(b), "run.interrupted", ""),
            (vec![(a, Cause::Timeout), (b, Cause::JobTimeout)], Some(b), "job.timeout", ""),
            (vec![(a, Cause::Resources(24))], Some(a), "run.resources", ""),
        ];
        for (failed, address, code, detail) in table {
            assert_eq!(told(&failed), (address, code, detail.to_owned()), "{failed:?}");
        }
    }
}
