//! Hosts as models, pulled from by the real schedule: how fast, how politely, and with how many
//! connections. Discrete events in microseconds, no clock, everything from a seed that is told.

mod curves;
mod models;
mod plots;

use super::*;
use models::{Host, Reply};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A run over some hosts.
struct Sim {
    schedule: Schedule<Job>,
    limits: Limits,
    hosts: Vec<Host>,
    names: Vec<String>,
    rng: Rng,
    now_us: u64,
    /// What happens, when, and in which order.
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    running: Vec<Option<(Grant<Job>, Reply)>>,
    /// When the clock leaps, and by how much, in milliseconds.
    leap: Option<(u64, u64)>,
    sequence: u64,
    /// What came of it, by host.
    told: Vec<Told>,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    host: usize,
    attempt: u32,
}

/// What came of one host.
#[derive(Clone, Debug, Default)]
struct Told {
    /// Files that are there.
    done: u64,
    refused: u64,
    failed: u64,
    /// When the last one was there, in milliseconds.
    ended_ms: u64,
    window_max: usize,
    /// Most jobs that waited for another attempt.
    deferred_max: usize,
    /// How it stood, every [`STEP_MS`].
    curve: Vec<Standing>,
}

/// How one host stood at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    at_ms: u64,
    window: usize,
    in_flight: usize,
    done: u64,
    /// 0 while none was found.
    per_s: f64,
}

/// Uniform numbers of a seed (SplitMix64).
struct Rng(u64);

impl Rng {
    /// From 0 to below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        let _ = self.part();
        self.0 % limit
    }

    /// From 0 to below 1.
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Options of a run without `-x`.
fn automatic() -> Limits {
    Limits {
        per_host_first: limits::PER_HOST_FIRST,
        per_host_max: limits::PER_HOST_MAX,
        lookahead_max: 10_000_000,
        host_fail_limit: limits::HOST_FAIL_LIMIT_DEFAULT,
        ..limits(1, limits::IN_FLIGHT_DEFAULT, 1)
    }
}

impl Sim {
    fn new(limits: Limits, hosts: Vec<(Host, u64)>, seed: u64) -> Self {
        let mut schedule = Schedule::new(limits);
        let names: Vec<String> = (0..hosts.len()).map(|host| format!("h{host}")).collect();
        let most = hosts.iter().map(|(_, files)| *files).max().unwrap_or(0);
        for n in 0..most {
            for (host, (_, files)) in hosts.iter().enumerate() {
                if n < *files {
                    let _ = schedule.push(at(&names[host]), Job { host, attempt: 1 });
                }
            }
        }
        let told = vec![Told::default(); hosts.len()];
        let hosts = hosts.into_iter().map(|(host, _)| host).collect();
        Self {
            schedule,
            limits,
            hosts,
            names,
            rng: Rng(seed),
            now_us: 0,
            events: BinaryHeap::new(),
            running: Vec::new(),
            leap: None,
            sequence: 0,
            told,
        }
    }

    /// One host, without `-x`.
    fn one(host: Host, files: u64, seed: u64) -> Told {
        let mut sim = Self::new(automatic(), vec![(host, files)], seed);
        sim.run(u64::MAX);
        sim.told.remove(0)
    }

    fn now_ms(&self) -> u64 {
        self.now_us / 1_000
    }

    /// Until everything is done, or for so long.
    fn run(&mut self, until_ms: u64) {
        let mut sampled_ms = 0;
        loop {
            self.fill();
            let due_us = self.schedule.next_due_ms().map(|due| (due * 1_000).max(self.now_us + 1));
            let event_us = self.events.peek().map(|event| event.0.0);
            let Some(next_us) = due_us.into_iter().chain(event_us).min() else { break };
            while sampled_ms * 1_000 <= next_us && sampled_ms < until_ms.min(SAMPLED_MAX_MS) {
                self.sample(sampled_ms);
                sampled_ms += STEP_MS;
            }
            self.now_us = self.now_us.max(next_us);
            if let Some((_, by_ms)) = self.leap.take_if(|leap| leap.0 <= next_us / 1_000) {
                self.now_us += by_ms * 1_000;
            }
            if self.now_ms() >= until_ms {
                break;
            }
            if event_us == Some(next_us)
                && let Some(Reverse((_, _, slot))) = self.events.pop()
            {
                self.answered(slot);
            }
            if self.is_over() {
                break;
            }
        }
    }

    fn is_over(&self) -> bool {
        let Schedule { queued, in_flight, .. } = &self.schedule;
        *queued == 0 && *in_flight == 0 && self.schedule.deferred() == 0
    }

    fn fill(&mut self) {
        while let Some(grant) = self.schedule.take(0, self.now_ms()).assignment.grant() {
            let host = grant.item.host;
            let reply = self.hosts[host].request(self.now_us, &mut self.rng);
            let free = self.running.iter().position(Option::is_none);
            let slot = free.unwrap_or_else(|| {
                self.running.push(None);
                self.running.len() - 1
            });
            self.events.push(Reverse((reply.at_us, self.sequence, slot)));
            self.sequence += 1;
            self.running[slot] = Some((grant, reply));
        }
    }

    fn answered(&mut self, slot: usize) {
        let (grant, reply) = self.running[slot].take().expect("it runs");
        let now_ms = self.now_ms();
        let Job { host, attempt } = grant.item;
        let signal = match reply.refusal {
            None if reply.is_broken => HostSignal::Answered,
            None => {
                HostSignal::Good { starttransfer_ms: reply.first_byte_us / 1_000, opening_ms: 0 }
            }
            Some(refusal) => {
                HostSignal::Busy { asked_ms: refusal.asked_ms, is_for_host: refusal.is_for_host }
            }
        };
        let _ = self.schedule.observe(grant.origin, grant.round, signal, now_ms);
        let name = &self.names[host];
        let told = &mut self.told[host];
        if reply.refusal.is_none() {
            told.done += 1;
            told.ended_ms = now_ms;
        } else {
            told.refused += 1;
            let refused = self.schedule.refused(grant.origin, now_ms);
            if refused.is_progressing || attempt <= limits::RETRIES_DEFAULT {
                let next = attempt + u32::from(!refused.is_progressing);
                let wait_ms = self.rng.below(1_000 << (next - 1).min(5));
                let asked_ms = reply.refusal.and_then(|refusal| refusal.asked_ms).unwrap_or(0);
                let until_ms = now_ms + wait_ms.max(asked_ms);
                self.schedule.defer(at(name), Job { host, attempt: next }, until_ms, u64::MAX);
            } else {
                told.failed += 1;
            }
        }
        let _ = self.schedule.release(0, grant.origin, After::Kept);
        let window = self.window(host);
        let deferred = self.schedule.deferred();
        let told = &mut self.told[host];
        told.deferred_max = told.deferred_max.max(deferred);
        told.window_max = told.window_max.max(window);
    }

    fn window(&self, host: usize) -> usize {
        let found = self.schedule.hosts.find(&self.names[host]);
        found.map_or(self.limits.per_host_first, |index| {
            self.schedule.hosts.at(index).window(&self.limits)
        })
    }

    fn sample(&mut self, at_ms: u64) {
        for host in 0..self.hosts.len() {
            let found = self.schedule.hosts.find(&self.names[host]);
            let active = found.and_then(|index| self.schedule.hosts.at(index).active.as_ref());
            let standing = Standing {
                at_ms,
                window: self.window(host),
                in_flight: active.map_or(0, |active| active.in_use),
                done: self.told[host].done,
                per_s: active.and_then(|active| active.throttle.found_per_s()).unwrap_or(0.0),
            };
            self.told[host].curve.push(standing);
        }
    }
}

impl Told {
    /// Refusals of all requests.
    fn share_refused(&self) -> f64 {
        self.refused as f64 / (self.refused + self.done).max(1) as f64
    }

    /// How it stood at the end.
    fn last(&self) -> Standing {
        self.curve.last().copied().unwrap_or_default()
    }
}

/// How often it is noted how hosts stand, in milliseconds.
const STEP_MS: u64 = 10;
/// For how long, in milliseconds.
const SAMPLED_MAX_MS: u64 = 600_000;
