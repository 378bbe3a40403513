//! What answers and refusals tell of how many requests a second a host bears.
//!
//! A limiter counts in a bucket: each request that it answers adds one, a fixed number a second
//! runs out, and a request that would make it overflow is refused. (nginx `limit_req`; a token
//! bucket is the same upside down.) So requests that were answered and one that was refused bound
//! the rate from both sides. With `k` answered from one that began at `t0` to one that began at
//! `t1`, in a bucket that bears `burst` more than one, the rate is at least
//! `(k - 1 - burst) / (t1 - t0)`; if the next one is refused at `t2`, it is less than
//! `(k - burst) / (t2 - t0)` for the `t0` that makes this largest, the last time that the bucket
//! was empty. When the bucket was full at `t0`, at a refusal, the rate is at least
//! `(k - 1) / (t1 - t0)`, whatever the burst is. Of a host that limits in another way this tells
//! less exactly.
//!
//! The burst is known by how many the host took at once, before it refused for the first time.

/// When requests began that a host answered, since it first refused one.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Begin of each answered request, in milliseconds of the run; the oldest is at `next`.
    began_ms: [u64; KEPT],
    next: usize,
    count: usize,
    /// Answers before the first refusal, and in how many seconds they came.
    first: (f32, f32),
    /// Whether they came in a burst; only then `first` is of use.
    is_burst: bool,
    /// Whether no request that began after the first refusal was answered yet.
    is_first: bool,
    /// Begin of the request that was refused last, in milliseconds.
    refused_ms: u64,
    /// Requests answered since that one was refused.
    since: u32,
}

/// What a refusal tells of the requests a second that a host bears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Told {
    /// The host bears at least this; 0 when unknown.
    pub(super) least_per_s: f32,
    /// The host bears less than this.
    pub(super) most_per_s: f32,
}

impl Bucket {
    /// A bucket of a host that answered `answered` requests, the first of which began at
    /// `first_ms`, before it refused one that began at `refused_ms`.
    pub(super) fn new(answered: u32, first_ms: u64, refused_ms: u64) -> Self {
        let for_ms = refused_ms.saturating_sub(first_ms);
        let is_burst = answered <= BURST_MAX && for_ms <= BURST_MS;
        let mut bucket = Self {
            began_ms: [0; KEPT],
            next: 0,
            count: 0,
            first: (answered as f32, seconds(for_ms)),
            is_burst,
            is_first: true,
            refused_ms,
            since: 0,
        };
        if is_burst {
            for number in 0..u64::from(answered) {
                bucket.keep(first_ms + for_ms * number / u64::from(answered));
            }
        }
        bucket
    }

    /// Adds an answer to a request that began at `began_ms`; `is_news` when that was after the last
    /// refusal.
    pub(super) fn answered(&mut self, began_ms: u64, is_news: bool) {
        self.is_first &= !is_news;
        if self.is_first && began_ms <= self.refused_ms.saturating_add(TOGETHER_MS) {
            // It was asked for together with the one that was refused first.
            self.first.0 += 1.0;
        }
        if began_ms > self.refused_ms {
            self.since = self.since.saturating_add(1);
        }
        self.keep(began_ms);
    }

    fn keep(&mut self, began_ms: u64) {
        self.began_ms[self.next] = began_ms;
        self.next = (self.next + 1) % KEPT;
        self.count = (self.count + 1).min(KEPT);
    }

    /// Adds a refusal of a request that began at `began_ms`, when about `per_s` a second were asked
    /// for. Gives what that tells of the rate.
    pub(super) fn refused(&mut self, began_ms: u64, per_s: f32) -> Option<Told> {
        let mut told = None;
        let (mut least, mut most) = (0.0, per_s);
        for _ in 0..ROUNDS {
            (least, most) = self.bounds(began_ms, most)?;
            told = Some(());
        }
        let for_s = seconds(began_ms.saturating_sub(self.refused_ms));
        let full = (self.since as f32 - 1.0) / for_s.max(SHORT_S);
        (self.refused_ms, self.since) = (began_ms, 0);
        told.map(|()| Told { least_per_s: least.max(full), most_per_s: most })
    }

    /// Forgets all earlier answers: they tell nothing any more.
    pub(super) fn forget(&mut self) {
        self.count = 0;
    }

    /// Least and most requests a second, with the burst that follows from about `per_s`.
    fn bounds(&self, refused_ms: u64, per_s: f32) -> Option<(f32, f32)> {
        let (answered, for_s) = self.first;
        if !self.is_burst || answered == 0.0 {
            return None;
        }
        let burst = (answered - 1.0 - per_s * for_s).max(0.0);
        let (mut least, mut most) = (0.0_f32, 0.0_f32);
        for from in 0..self.count {
            let from_ms = self.at(from);
            for to in from + 1..self.count {
                let for_s = seconds(self.at(to).saturating_sub(from_ms));
                let count = (to - from) as f32;
                if for_s >= SHORT_S {
                    least = least.max((count - burst) / for_s);
                }
            }
            let for_s = seconds(refused_ms.saturating_sub(from_ms)).max(0.001);
            most = most.max(((self.count - from) as f32 - burst) / for_s);
        }
        (most > 0.0).then_some((least, most))
    }

    /// Begin of the answered request in this place, the oldest one first.
    fn at(&self, place: usize) -> u64 {
        self.began_ms[(self.next + KEPT - self.count + place) % KEPT]
    }
}

fn seconds(ms: u64) -> f32 {
    u32::try_from(ms).unwrap_or(u32::MAX) as f32 / 1_000.0
}

/// Answers that are remembered.
const KEPT: usize = 64;
/// Most answers that count as a burst.
const BURST_MAX: u32 = 48;
/// Longest time in which they come, in milliseconds.
const BURST_MS: u64 = 1_000;
/// Requests that begin within this time may arrive in another order, in milliseconds.
const TOGETHER_MS: u64 = 10;
/// Shortest time that a clock of milliseconds can tell a rate by, in seconds.
const SHORT_S: f32 = 0.03;
/// Rounds in which burst and rate, each of which follows from the other, are brought together.
const ROUNDS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// nginx's bucket, asked as often as it is told.
    fn asked(per_s: f32, burst: u16, every_ms: u64) -> Told {
        let mut bucket = Bucket::new(u32::from(burst) + 1, 0, 0);
        let (burst, asked_per_s) = (f32::from(burst), 1.0 / seconds(every_ms));
        let (mut held, mut last_ms, mut now_ms) = (burst, 0, 1_000);
        loop {
            let now_held = (held - per_s * seconds(now_ms - last_ms)).max(-1.0) + 1.0;
            if now_held.max(0.0) > burst {
                return bucket.refused(now_ms, asked_per_s).expect("it is known");
            }
            (held, last_ms) = (now_held.max(0.0), now_ms);
            bucket.answered(now_ms, true);
            now_ms += every_ms;
        }
    }

    #[test]
    fn a_rate_is_between_what_is_told() {
        for (per_s, borne_every_ms) in [(2.0, 500), (10.0, 100), (40.0, 25)] {
            for burst in [1, 5, 9] {
                for part in [80, 65, 50] {
                    let every_ms = borne_every_ms * part / 100;
                    let told = asked(per_s, burst, every_ms);
                    let Told { least_per_s, most_per_s } = told;
                    assert!(least_per_s <= per_s * 1.01, "{per_s} {burst} {part}: {told:?}");
                    assert!(most_per_s >= per_s * 0.99, "{per_s} {burst} {part}: {told:?}");
                    let asked_per_s = 1.0 / seconds(every_ms);
                    assert!(most_per_s <= asked_per_s * 1.01, "{per_s} {burst} {part}: {told:?}");
                }
            }
        }
    }

    #[test]
    fn a_burst_that_is_not_known_tells_nothing() {
        let mut bucket = Bucket::new(2_000, 0, 30_000);
        bucket.answered(31_000, true);
        assert_eq!(bucket.refused(31_100, 10.0), None);
        let mut bucket = Bucket::new(2, 0, 0);
        bucket.answered(1_000, true);
        bucket.forget();
        assert_eq!(bucket.refused(1_100, 10.0), None);
    }
}
