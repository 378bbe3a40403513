//! A look at a run that goes on, for progress, for the state on a signal, and for metrics.

use super::pushing::Pushing;
use crate::limits::LONG_BYTES_MIN;
use std::time::Duration;

/// Transfers that the state of a run tells of; each core names so many.
pub const TRANSFERS_MAX: usize = 10;

/// State of a run at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Time since the run began.
    pub elapsed: Duration,
    /// Input lines read so far that have a row, or will have one.
    pub lines_read: u64,
    /// Whether all input lines were read.
    pub is_input_read: bool,
    /// Rows with status `ok`, and bodies in shards that have no name yet.
    pub ok: u64,
    /// Rows with status `skipped`.
    pub skipped: u64,
    /// Rows with status `failed`.
    pub failed: u64,
    /// Rows with status `cancelled`.
    pub cancelled: u64,
    /// Body bytes received, those of transfers under way and of failed ones included.
    pub bytes: u64,
    /// Long files under way.
    pub long: LongFiles,
    /// Jobs in flight.
    pub in_flight: usize,
    /// Jobs that may be in flight.
    pub in_flight_max: usize,
    /// Jobs that wait for a slot.
    pub queued: usize,
    /// Jobs that wait for their time, between two attempts.
    pub deferred: usize,
    /// Jobs that may be read ahead of the work.
    pub lookahead_max: usize,
    /// Whether the disk is full, so that nothing begins until there is room.
    pub is_paused: bool,
    /// Whether nothing begins any more: the run was interrupted, or has used up its budget.
    pub is_stopping: bool,
    /// How often a job lacked descriptors, memory or the like.
    pub shortages: u64,
    /// State of each core.
    pub cores: Vec<CoreView>,
    /// Hosts that hold the run up, the worst first.
    pub holdups: Vec<Holdup>,
    /// Hosts that push back and are worth a word, those with most refusals first.
    pub pushing: Vec<Pushing>,
    /// Hosts with jobs that are left alone, because they asked for it.
    pub hosts_resting: usize,
    /// Hosts with jobs that could not be reached.
    pub hosts_unreachable: usize,
    /// Hosts with jobs that take fewer at once than they may.
    pub hosts_lowered: usize,
    /// Names whose addresses are known, or known not to be.
    pub names_known: usize,
    /// Names that are being looked up.
    pub names_asked: usize,
    /// When the first job that waits may begin, on the clock of `elapsed`; zero where one may at
    /// any time.
    pub next_at: Duration,
    /// When all jobs can have begun at the earliest, on the same clock.
    pub all_begun_at: Duration,
}

/// What a run waits for in which nothing is in flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Idle {
    /// Hosts that are to be left alone for so long.
    Hosts(Duration),
    /// More lines of a list that somebody writes.
    List,
}

/// One core, as it was a moment ago.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CoreView {
    /// Jobs in flight.
    pub in_flight: usize,
    /// Connections kept for further requests.
    pub idle: usize,
}

/// Files under way whose length is known, and is [`LONG_BYTES_MIN`] or more.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LongFiles {
    /// Number of them.
    pub count: u64,
    /// Sum of their lengths in bytes.
    pub bytes: u64,
    /// Bytes of them that are there, also from before the run.
    pub bytes_there: u64,
}

impl LongFiles {
    /// Takes account of one more of this length; shorter files do not count.
    pub fn add(&mut self, bytes: u64, bytes_there: u64) {
        if bytes >= LONG_BYTES_MIN {
            self.count += 1;
            self.bytes += bytes;
            self.bytes_there += bytes_there.min(bytes);
        }
    }

    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            bytes: self.bytes + other.bytes,
            bytes_there: self.bytes_there + other.bytes_there,
        }
    }

    /// Bytes that are still to come.
    pub fn bytes_left(&self) -> u64 {
        self.bytes.saturating_sub(self.bytes_there)
    }
}

/// A host whose jobs wait although there is room for more.
#[derive(Clone, Debug, PartialEq)]
pub struct Holdup {
    /// `name[:port]`.
    pub host: String,
    /// Jobs that wait for it.
    pub queued: u64,
    /// Jobs in flight there.
    pub in_flight: u64,
    /// Why they wait, in a few words.
    pub why: String,
}

/// One transfer under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// Input line.
    pub line: u64,
    /// Origin and path that it is fetched from, without what may be a secret.
    pub url: String,
    /// Time since its first attempt began.
    pub age: Duration,
    /// Body bytes of this attempt.
    pub bytes: u64,
    /// Body bytes that its response has in all, where that is known.
    pub length: Option<u64>,
    /// Phase of the attempt.
    pub phase: Phase,
}

/// Phase of a transfer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// The transfer waits for its turn under a bandwidth limit.
    Turn,
    /// The transfer looks the name up, connects or shakes hands.
    Connect,
    /// The transfer waits for the response.
    Head,
    /// The transfer receives the body.
    Body,
}

impl Phase {
    /// The phase in a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "its turn",
            Self::Connect => "connect",
            Self::Head => "response",
            Self::Body => "body",
        }
    }
}

impl View {
    /// Rows made.
    pub fn done(&self) -> u64 {
        self.ok + self.skipped + self.failed + self.cancelled
    }

    /// Rows that there will be, once that is known.
    pub fn total(&self) -> Option<u64> {
        self.is_input_read.then_some(self.lines_read)
    }

    /// What a run waits for in which nothing is in flight; `None` where it works.
    pub fn idle(&self) -> Option<Idle> {
        let waiting = self.queued + self.deferred;
        if self.in_flight > 0 || self.is_paused || self.is_stopping {
            return None;
        }
        let rest = self.next_at.saturating_sub(self.elapsed);
        match waiting {
            0 => (!self.is_input_read && self.done() >= self.lines_read).then_some(Idle::List),
            _ => (!rest.is_zero()).then_some(Idle::Hosts(rest)),
        }
    }

    /// Whether jobs wait although there is room for them, so that hosts hold the run up.
    pub fn is_held_up(&self) -> bool {
        self.in_flight < self.in_flight_max && self.queued > 0
    }
}

/// The speed of the recent past.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    before: Option<(Duration, u64, u64)>,
    rates: Option<Rates>,
    /// Rows when they were last seen to grow, and when that was.
    grown: Option<(u64, Duration)>,
    /// Bytes when they were last seen to grow, and when that was.
    came: Option<(u64, Duration)>,
}

/// Speeds in units a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Rows.
    pub files: f64,
    /// Bytes.
    pub bytes: f64,
}

impl Meter {
    /// Looks at the run, once a second at most; older measurements count half after three seconds.
    /// Time in which a run could only wait is none in which it was slow.
    pub fn measure(&mut self, view: &View) {
        if view.idle().is_some() {
            self.grown = Some((view.done(), view.elapsed));
            self.came = Some((view.bytes, view.elapsed));
            self.before = Some((view.elapsed, view.done(), view.bytes));
            return;
        }
        if self.grown.is_none_or(|(done, _)| done < view.done()) {
            self.grown = Some((view.done(), view.elapsed));
        }
        if self.came.is_none_or(|(bytes, _)| bytes < view.bytes) {
            self.came = Some((view.bytes, view.elapsed));
        }
        let (elapsed, done, bytes) = self.before.unwrap_or_default();
        let seconds = view.elapsed.saturating_sub(elapsed).as_secs_f64();
        if seconds < INTERVAL_S {
            return;
        }
        self.before = Some((view.elapsed, view.done(), view.bytes));
        let now = Rates {
            files: view.done().saturating_sub(done) as f64 / seconds,
            bytes: view.bytes.saturating_sub(bytes) as f64 / seconds,
        };
        let Some(rates) = &mut self.rates else {
            self.rates = Some(now);
            return;
        };
        let kept = 0.5_f64.powf(seconds / HALF_LIFE_S);
        // What has only begun to move was not slow before.
        let with = |before: f64, now: f64| match before > 0.0 {
            true => before * kept + now * (1.0 - kept),
            false => now,
        };
        *rates = Rates { files: with(rates.files, now.files), bytes: with(rates.bytes, now.bytes) };
    }

    /// The rates, or those of the run so far before the first look.
    pub fn rates(&self, view: &View) -> Rates {
        self.rates.unwrap_or_else(|| {
            let seconds = view.elapsed.as_secs_f64().max(1e-3);
            Rates { files: view.done() as f64 / seconds, bytes: view.bytes as f64 / seconds }
        })
    }

    /// Time left, once the total is known, if something moves and something is left. Where nothing
    /// was done for a while, it takes as long again at least: the last files may be large. With
    /// long files under way it is the time of the bytes that are to come, where each file that has
    /// not begun is taken to be as long as those before it. What hosts have asked to wait is waited
    /// in any case.
    pub fn left(&self, view: &View) -> Option<Duration> {
        let left = view.total()?.saturating_sub(view.done());
        if view.is_paused || view.is_stopping || left == 0 {
            return None;
        }
        let rest = match view.idle() {
            Some(Idle::Hosts(rest)) => rest,
            Some(Idle::List) | None => Duration::ZERO,
        };
        let work = match view.long.count {
            0 => self.left_by_files(view, left),
            long => {
                let others = left.saturating_sub(long);
                let bytes = self.left_by_bytes(view, others);
                // Many short files take long for other reasons than their bytes.
                let files = self.left_by_files(view, others).filter(|_| others > 0);
                bytes.map(|bytes| files.map_or(bytes, |files| bytes.max(files)))
            }
        };
        Some((work? + rest).max(view.all_begun_at.saturating_sub(view.elapsed)))
    }

    /// Time until so many files are done.
    fn left_by_files(&self, view: &View, left: u64) -> Option<Duration> {
        let rate = self.rates(view).files;
        let silence = silence(self.grown, view.done(), view.elapsed);
        (rate > 0.0)
            .then(|| Duration::from_secs_f64((left as f64 / rate).min(LEFT_S_MAX)).max(silence))
    }

    /// Time until the long files under way are there, and `others` that have not begun.
    fn left_by_bytes(&self, view: &View, others: u64) -> Option<Duration> {
        let rate = self.rates(view).bytes;
        let mean = match (others, view.done()) {
            (0, _) => 0.0,
            (_, 0) => return None,
            (_, done) => view.bytes.saturating_sub(view.long.bytes_there) as f64 / done as f64,
        };
        let bytes = view.long.bytes_left() as f64 + others as f64 * mean;
        let silence = silence(self.came, view.bytes, view.elapsed);
        (rate >= BYTES_RATE_MIN)
            .then(|| Duration::from_secs_f64((bytes / rate).min(LEFT_S_MAX)).max(silence))
    }
}

/// How long a number has not grown, by when it was last seen to.
fn silence(seen: Option<(u64, Duration)>, now: u64, elapsed: Duration) -> Duration {
    let seen = seen.filter(|(before, _)| *before == now);
    seen.map_or(Duration::ZERO, |(_, at)| elapsed.saturating_sub(at))
}

/// Slowest rate from which a time left is told, in bytes a second.
const BYTES_RATE_MIN: f64 = 1.0;
/// Shortest time between two looks, in seconds.
const INTERVAL_S: f64 = 1.0;
/// Time after which a measurement counts half, in seconds.
const HALF_LIFE_S: f64 = 3.0;
/// Longest time left that is shown, in seconds: some thirty years.
const LEFT_S_MAX: f64 = 1e9;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run in the middle of its work, for tests.
    pub(crate) fn view() -> View {
        View {
            elapsed: Duration::from_secs(10),
            lines_read: 150,
            is_input_read: true,
            ok: 47,
            skipped: 1,
            failed: 2,
            cancelled: 0,
            bytes: 10_000_000,
            long: LongFiles::default(),
            in_flight: 8,
            in_flight_max: 64,
            queued: 91,
            deferred: 1,
            lookahead_max: 1_000_000,
            is_paused: false,
            is_stopping: false,
            shortages: 0,
            cores: vec![CoreView { in_flight: 5, idle: 2 }, CoreView { in_flight: 3, idle: 0 }],
            holdups: vec![
                Holdup {
                    host: "slow.example".to_owned(),
                    queued: 1_204,
                    in_flight: 4,
                    why: "429, rests 12 s".to_owned(),
                },
                Holdup {
                    host: "dead.example:8080".to_owned(),
                    queued: 310,
                    in_flight: 0,
                    why: "down".to_owned(),
                },
            ],
            pushing: Vec::new(),
            hosts_resting: 3,
            hosts_unreachable: 1,
            hosts_lowered: 0,
            names_known: 1_030,
            names_asked: 2,
            next_at: Duration::ZERO,
            all_begun_at: Duration::ZERO,
        }
    }

    #[test]
    fn the_time_left_is_known_when_the_total_is() {
        let meter = Meter::default();
        assert_eq!(meter.left(&view()), Some(Duration::from_secs(20)));
        assert_eq!(meter.left(&View { is_input_read: false, ..view() }), None);
        assert_eq!(meter.left(&View { is_paused: true, ..view() }), None);
        assert_eq!(meter.left(&View { is_stopping: true, ..view() }), None);
        assert_eq!(meter.left(&View { ok: 147, ..view() }), None);
        let none = View { ok: 0, skipped: 0, failed: 0, ..view() };
        assert_eq!(meter.left(&none), None);
    }

    #[test]
    fn what_takes_long_is_not_done_at_once() {
        // The last of a thousand files is large.
        let at = |s| View { elapsed: Duration::from_secs(s), lines_read: 1_000, ok: 996, ..view() };
        let mut meter = Meter::default();
        meter.measure(&at(1));
        let left = meter.left(&at(1)).unwrap();
        assert!(left < Duration::from_millis(10), "{left:?}");
        for s in 2..=21 {
            meter.measure(&at(s));
        }
        assert_eq!(meter.left(&at(21)), Some(Duration::from_secs(20)));
        meter.measure(&View { ok: 997, ..at(22) });
        let none = View { ok: 997, ..at(22) };
        assert_eq!(meter.left(&none), None);
    }

    #[test]
    fn long_files_take_the_time_of_their_bytes() {
        let long = |bytes, bytes_there| {
            let mut long = LongFiles::default();
            long.add(bytes, bytes_there);
            long
        };
        assert_eq!(long(LONG_BYTES_MIN - 1, 0), LongFiles::default());
        assert_eq!(long(LONG_BYTES_MIN, u64::MAX).bytes_left(), 0);
        let both = long(50_000_000, 10_000_000).and(long(20_000_000, 0));
        assert_eq!(both, LongFiles { count: 2, bytes: 70_000_000, bytes_there: 10_000_000 });
        // At 1 MB a second; what was there before the run came at no rate.
        let one = View { lines_read: 1, ok: 0, skipped: 0, failed: 0, ..view() };
        let meter = Meter::default();
        let left = |view: &View| meter.left(view).map(|left| left.as_secs());
        assert_eq!(left(&View { long: long(80_000_000, 60_000_000), ..one.clone() }), Some(20));
        let stalled = View { bytes: 0, ..one };
        assert_eq!(left(&View { long: long(80_000_000, 60_000_000), ..stalled }), None);
        // The last ones of a list, however fast the small ones before were.
        let last = View { ok: 145, long: both, ..view() };
        assert_eq!(left(&View { lines_read: 150, ..last.clone() }), Some(60));
        // Others are as long as those before on average: 2 MB.
        let others =
            View { ok: 2, skipped: 0, failed: 2, lines_read: 8, bytes: 18_000_000, ..last };
        let meter = Meter { rates: Some(Rates { files: 0.0, bytes: 1e6 }), ..Meter::default() };
        assert_eq!(meter.left(&others).map(|left| left.as_secs()), Some(60 + 2 * 2));
        assert_eq!(meter.left(&View { ok: 0, failed: 0, ..others.clone() }), None);
        // Many small ones take as long as they took so far.
        let slow = Meter { rates: Some(Rates { files: 0.02, bytes: 1e6 }), ..Meter::default() };
        assert_eq!(slow.left(&others).map(|left| left.as_secs()), Some(100));
    }

    #[test]
    fn what_begins_late_was_not_slow_and_what_stalls_takes_long() {
        let seconds = Duration::from_secs;
        let long = LongFiles { count: 1, bytes: 100_000_000, bytes_there: 50_000_000 };
        let one = View { lines_read: 1, ok: 0, skipped: 0, failed: 0, long, ..view() };
        let at = |s, bytes| View { elapsed: seconds(s), bytes, ..one.clone() };
        let mut meter = Meter::default();
        meter.measure(&at(9, 0));
        meter.measure(&at(10, 10_000_000));
        assert_eq!(meter.rates(&one).bytes, 1e7);
        assert_eq!(meter.left(&at(10, 10_000_000)), Some(seconds(5)));
        for s in 11..=25 {
            meter.measure(&at(s, 10_000_000));
        }
        assert!(meter.left(&at(25, 10_000_000)) >= Some(seconds(15)));
    }

    #[test]
    fn what_hosts_asked_to_wait_is_waited() {
        let seconds = Duration::from_secs;
        let mut meter = Meter::default();
        meter.measure(&view());
        // Others go on meanwhile.
        let rests = View { all_begun_at: seconds(75), ..view() };
        assert_eq!(meter.left(&rests), Some(seconds(65)));
        assert_eq!(meter.left(&View { all_begun_at: seconds(12), ..view() }), Some(seconds(20)));
        // Nothing can go on: the rate is none of those seconds, and they come on top.
        for at in 11..=29 {
            let idle = View { elapsed: seconds(at), in_flight: 0, next_at: seconds(30), ..view() };
            assert_eq!(idle.idle(), Some(Idle::Hosts(seconds(30 - at))));
            meter.measure(&idle);
            assert_eq!(meter.left(&idle), Some(seconds(30 - at + 20)));
        }
        let works = View { elapsed: seconds(30), next_at: seconds(30), in_flight: 0, ..view() };
        assert_eq!((works.idle(), meter.left(&works)), (None, Some(seconds(20))));
        let list = View { queued: 0, deferred: 0, is_input_read: false, lines_read: 50, ..works };
        assert_eq!(list.idle(), Some(Idle::List));
        assert_eq!(View { lines_read: 51, ..list.clone() }.idle(), None, "rows are on their way");
        assert_eq!(View { is_paused: true, ..list }.idle(), None);
    }

    #[test]
    fn rates_follow_the_recent_past() {
        let mut meter = Meter::default();
        let at = |s, ok, bytes| View {
            elapsed: Duration::from_secs(s),
            ok,
            bytes,
            in_flight: 1,
            ..View::default()
        };
        meter.measure(&at(2, 20, 2_000));
        assert_eq!(meter.rates(&at(2, 0, 0)), Rates { files: 10.0, bytes: 1_000.0 });
        // Too soon for a look.
        meter.measure(&View { elapsed: Duration::from_millis(2_500), ..at(2, 999, 999) });
        meter.measure(&at(5, 20, 2_000));
        assert_eq!(meter.rates(&at(5, 0, 0)), Rates { files: 5.0, bytes: 500.0 });
        meter.measure(&at(8, 20, 2_000));
        assert_eq!(meter.rates(&at(8, 0, 0)), Rates { files: 2.5, bytes: 250.0 });
    }
}
