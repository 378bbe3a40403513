//! Models of hosts: what comes of a request that arrives at a time.

use super::Rng;

/// What comes of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) at_us: u64,
    pub(super) first_byte_us: u64,
    pub(super) refusal: Option<Refusal>,
    /// It is an answer that says nothing of the host, such as 500.
    pub(super) is_broken: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) asked_ms: Option<u64>,
    pub(super) is_for_host: bool,
}

/// A host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// There and back.
    pub(super) rtt_ms: f64,
    /// Work on one request.
    pub(super) service_ms: f64,
    /// Requests worked on at once; others wait in line.
    pub(super) servers: usize,
    /// With so many in it, work takes twice as long, and more with the square.
    pub(super) strained_at: f64,
    /// More at once are refused.
    pub(super) at_once_max: usize,
    /// Requests a second, and how many more at once: a leaky bucket as nginx has it.
    pub(super) rate: Option<(f64, f64)>,
    pub(super) refusal: Refusal,
    /// One request in so many takes ten times as long.
    pub(super) noise: f64,
    /// Part of requests that are refused for no reason.
    pub(super) moody: f64,
    /// Part of requests whose answer says nothing of the host.
    pub(super) broken: f64,
    /// Part of requests that go to an address where work takes so many milliseconds.
    pub(super) slow_address: Option<(f64, f64)>,
    /// What others hold at once, at most.
    pub(super) others: u64,
    /// From then on, in milliseconds, it is as this says.
    pub(super) change: Option<(u64, Box<Self>)>,
    pub(super) free_us: Vec<u64>,
    pub(super) ends_us: Vec<u64>,
    pub(super) excess: f64,
    pub(super) accepted_us: u64,
}

impl Host {
    /// It answers whatever it is asked after so long.
    pub(super) fn far(rtt_ms: f64) -> Self {
        Self {
            rtt_ms,
            service_ms: 0.0,
            servers: usize::MAX,
            strained_at: f64::INFINITY,
            at_once_max: usize::MAX,
            rate: None,
            refusal: Refusal { asked_ms: None, is_for_host: false },
            noise: 0.0,
            moody: 0.0,
            broken: 0.0,
            slow_address: None,
            others: 0,
            change: None,
            free_us: Vec::new(),
            ends_us: Vec::new(),
            excess: 0.0,
            accepted_us: 0,
        }
    }

    /// It works on so many at once, for so long on each.
    pub(super) fn serving(servers: usize, service_ms: f64) -> Self {
        Self { servers, service_ms, ..Self::far(0.2) }
    }

    pub(super) fn request(&mut self, now_us: u64, rng: &mut Rng) -> Reply {
        if let Some((at_ms, host)) = self.change.take_if(|change| change.0 * 1_000 <= now_us) {
            let Self { free_us, ends_us, .. } = std::mem::replace(self, *host);
            (self.free_us, self.ends_us, self.accepted_us) = (free_us, ends_us, at_ms * 1_000);
        }
        let half_us = us(self.rtt_ms / 2.0);
        let here_us = now_us + half_us;
        self.ends_us.retain(|end| *end > here_us);
        let is_broken = self.broken > 0.0 && rng.part() < self.broken;
        let reply =
            |at_us: u64| Reply { at_us, first_byte_us: at_us - now_us, refusal: None, is_broken };
        let refused = |at_us: u64| Reply { refusal: Some(self.refusal), ..reply(at_us) };
        let others = usize::try_from(rng.below(self.others + 1)).unwrap_or(0);
        if self.ends_us.len() + others >= self.at_once_max || rng.part() < self.moody {
            return refused(here_us + half_us + 200);
        }
        if let Some((per_s, burst)) = self.rate {
            let since_s = (here_us.saturating_sub(self.accepted_us)) as f64 / 1e6;
            let is_first = self.accepted_us == 0;
            let excess = (self.excess - per_s * since_s).max(-1.0) + 1.0;
            let excess = if is_first { 0.0 } else { excess.max(0.0) };
            if excess > burst {
                return refused(here_us + half_us + 200);
            }
            (self.excess, self.accepted_us) = (excess, here_us.max(1));
        }
        let at_once = self.ends_us.len() as f64 + 1.0;
        let strain = 1.0 + (at_once / self.strained_at).powi(2);
        let slow = if rng.part() < self.noise { 10.0 } else { 1.0 };
        let jitter = 0.9 + 0.2 * rng.part();
        let work_us = us(self.service_ms * strain * slow * jitter);
        let slow_ms = self.slow_address.and_then(|(part, ms)| (rng.part() < part).then_some(ms));
        let work_us = slow_ms.map_or(work_us, us);
        let begins_us = if slow_ms.is_some() { here_us } else { self.begin(here_us, work_us) };
        let end_us = begins_us + work_us + us(self.rtt_ms * 0.02 * rng.part() * slow);
        self.ends_us.push(end_us);
        let at_us = end_us + half_us;
        reply(at_us)
    }

    /// When it is its turn.
    fn begin(&mut self, here_us: u64, work_us: u64) -> u64 {
        if self.free_us.len() < self.servers {
            self.free_us.retain(|free| *free > here_us);
            self.free_us.push(here_us + work_us);
            return here_us;
        }
        let free = self.free_us.iter_mut().min().expect("there is a server");
        let begins_us = here_us.max(*free);
        *free = begins_us + work_us;
        begins_us
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn us(ms: f64) -> u64 {
    (ms * 1_000.0) as u64
}
