//! How many connections pay: the window of a host for which nobody gave one (`-x`).
//!
//! **Slow start.** A host begins with [`Caps::first`] connections. Each good answer that leaves a
//! full window adds one, so the window doubles with each round trip, as in TCP. What doubled
//! requests bring is judged a round at a time by Little's law: with `w` requests in flight that
//! take `t` each, the host answers `w / t`. When twice the requests bring little more, the window
//! is set to where the host was just busy, its answers a second times its lowest time
//! (bandwidth-delay product, as BBR has it), and some more. A round whose first bytes are all late
//! (HyStart) only makes growth wait for that judgement: a local server on a busy machine answers
//! in 1 ms now and in 20 ms then.
//!
//! **Steady.** Now and then one round is tried with a quarter more, or, while answers take longer
//! than they could, with a fifth less; what pays stays. Trials that brought nothing become rare.
//!
//! **Pushed back.** A refusal (429, 503) or a cut lowers the window once for all requests in
//! flight, to seven tenths of what the host bore, and is remembered: the window comes back along
//! CUBIC's curve (RFC 9438), fast at first and slow near that place, stays there, and tries one
//! more at times; when that is refused again, it goes back to the place and waits twice as long.
//!
//! A window that is not full, for whatever reason (few jobs, `-j`, a rate), neither grows nor is
//! judged (RFC 7661). All times are handed in.

use super::caps::Caps;
use super::signal::Round;

/// A good answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Round that its grant came with.
    pub(super) round: Round,
    /// Time from the request to its first byte, in milliseconds.
    pub(super) starttransfer_ms: u64,
    /// Time from the request to its end, in milliseconds.
    pub(super) took_ms: u64,
    /// Whether the window is what keeps jobs of the host waiting.
    pub(super) is_limited: bool,
    pub(super) now_ms: u64,
}

/// The window of one host.
#[derive(Debug, Default)]
pub(super) struct Speed {
    /// Connections that the host may have; 0 before anything is known.
    window: f32,
    /// The window when the current round began.
    opened: f32,
    state: State,
    /// Requests that began in the current round.
    current: Sample,
    /// Requests that began in the round before, in slow start.
    former: Sample,
    /// The window that paid last.
    base: Point,
    lowest: Lowest,
    /// Connections that the host bore when it pushed back last; 0 is unknown.
    ceiling: f32,
    /// When the window was lowered last.
    lowered_at_ms: u64,
    /// The burst of refusals that the window was lowered for.
    burst: Burst,
    /// When another window is tried, in milliseconds.
    trial_at_ms: u64,
    /// Pause after a trial that brought nothing, in seconds.
    pause_s: u16,
    /// Trials of a wider window in a row that were borne.
    borne: u8,
    is_down_next: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Start,
    /// Slow start whose last round did not pay: the window grows no more until the next one does.
    Doubt,
    Steady,
    /// Another window for a round.
    Trial {
        from: f32,
    },
    /// The window grows back to the ceiling.
    Back,
}

/// What the requests of one round came to.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    number: u32,
    begun: u32,
    /// Answers that are passed over at first.
    skip: u32,
    count: u32,
    in_flight: f32,
    took_ms: f32,
    first_byte_ms: f32,
    /// Answers whose requests began while the window was not full.
    unfilled: u32,
}

/// A number of requests in flight, and what it brought.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    in_flight: f32,
    per_ms: f32,
    took_ms: f32,
}

impl Sample {
    fn of(number: u32, skip: u32) -> Self {
        Self { number, skip, first_byte_ms: f32::MAX, ..Self::default() }
    }

    fn add(&mut self, answer: &Answer) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        if self.count >= SAMPLE_MAX {
            // What was long ago counts less.
            self.count /= 2;
            self.unfilled /= 2;
            self.in_flight /= 2.0;
            self.took_ms /= 2.0;
        }
        self.count += 1;
        self.in_flight += answer.round.in_flight as f32;
        self.took_ms += ms(answer.took_ms);
        self.first_byte_ms = self.first_byte_ms.min(ms(answer.starttransfer_ms));
        self.unfilled += u32::from(!answer.round.is_full);
    }

    fn point(&self) -> Point {
        let count = self.count.max(1) as f32;
        let took_ms = (self.took_ms / count).max(TOOK_MIN_MS);
        let in_flight = self.in_flight / count;
        Point { in_flight, per_ms: in_flight / took_ms, took_ms }
    }

    /// Whether there are enough answers to judge by; a clock of milliseconds that is coarse needs
    /// more.
    fn is_enough(&self, least: u32) -> bool {
        let is_coarse = self.took_ms < COARSE_MS * self.count as f32;
        self.count >= if is_coarse { least.max(COARSE_COUNT) } else { least }
    }
}

impl Point {
    /// What part of the growth from `base` came through: 1 when twice the requests brought twice
    /// the answers, 0 when they brought nothing.
    fn gain(&self, base: &Self) -> f32 {
        let grown = self.in_flight / base.in_flight - 1.0;
        let brought = self.per_ms / base.per_ms - 1.0;
        if grown.abs() < 0.01 { 1.0 } else { brought / grown }
    }
}

/// The lowest times of this stretch and of the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Lowest {
    took_ms: [f32; 2],
    first_byte_ms: f32,
    stretch_ends_ms: u64,
}

impl Lowest {
    fn add(&mut self, point: &Point, first_byte_ms: f32, now_ms: u64) {
        if now_ms >= self.stretch_ends_ms {
            let is_first = self.stretch_ends_ms == 0;
            self.stretch_ends_ms = now_ms.saturating_add(STRETCH_MS);
            self.took_ms = [f32::MAX, if is_first { f32::MAX } else { self.took_ms[0] }];
            self.first_byte_ms = f32::MAX;
        }
        self.took_ms[0] = self.took_ms[0].min(point.took_ms);
        self.first_byte_ms = self.first_byte_ms.min(first_byte_ms);
    }

    fn took_ms(&self) -> f32 {
        self.took_ms[0].min(self.took_ms[1])
    }
}

/// Refusals that came of requests in flight together.
#[derive(Clone, Copy, Debug, Default)]
struct Burst {
    /// The window before it was lowered.
    window: f32,
    /// First round whose requests belong to it.
    from: u32,
    until: u32,
    /// Fewest requests in flight when one that was refused began.
    refused_min: f32,
    /// Most requests in flight when one that was answered began.
    good_max: f32,
}

impl Burst {
    /// What the host bears, as far as this tells.
    fn borne(&self) -> f32 {
        (self.refused_min - 1.0).max(self.good_max).clamp(1.0, self.window)
    }

    fn has(&self, number: u32) -> bool {
        is_from(number, self.from) && !is_from(number, self.until)
    }
}

/// Whether `number` is `from` or after it.
pub(super) fn is_from(number: u32, from: u32) -> bool {
    number.wrapping_sub(from) < u32::MAX / 2
}

impl Speed {
    /// Connections that the host may have.
    pub(super) fn window(&self, caps: Caps) -> u32 {
        let window = if self.window == 0.0 { caps.first as f32 } else { self.window };
        whole(window).clamp(1, caps.max)
    }

    /// Connections that are kept open, since a trial may go back to that window.
    pub(super) fn kept(&self) -> usize {
        match self.state {
            State::Trial { from } => whole(from) as usize,
            State::Start | State::Doubt | State::Steady | State::Back => 0,
        }
    }

    /// Whether there is anything that a fresh host would not have.
    pub(super) fn is_remarkable(&self) -> bool {
        self.ceiling > 0.0
    }

    /// What the host bore when it pushed back last.
    pub(super) fn borne(&self) -> f32 {
        self.ceiling
    }

    /// Widens the window by one, without any judgement.
    pub(super) fn widen(&mut self, caps: Caps) {
        self.window = (self.window(caps) as f32 + 1.0).min(caps.max as f32);
    }

    /// Narrows the window to what a host begins with.
    pub(super) fn back_to_first(&mut self, caps: Caps) {
        self.window = self.window.min(caps.first as f32);
    }

    /// Counts a request that begins in round `number`.
    pub(super) fn begin(&mut self, number: u32) {
        if self.current.number == number {
            self.current.begun = self.current.begun.saturating_add(1);
        } else {
            self.current = Sample { begun: 1, ..Sample::of(number, 0) };
        }
    }

    /// Counts the requests of the current round that have begun.
    pub(super) fn begun(&mut self, number: u32, begun: u32) {
        self.current = Sample { begun, ..Sample::of(number, 0) };
    }

    /// Takes note of a good answer. `number` is the current round; says whether a new one begins.
    pub(super) fn good(&mut self, answer: &Answer, number: u32, caps: Caps) -> bool {
        if self.window == 0.0 {
            self.window = caps.first as f32;
            self.opened = self.window;
        }
        let of = answer.round.number;
        if self.burst.has(of) {
            self.settle_burst(|burst| {
                burst.good_max = burst.good_max.max(answer.round.in_flight as f32);
            });
            return false;
        }
        if of == self.current.number {
            self.current.add(answer);
        } else if of == self.former.number {
            self.former.add(answer);
        }
        match self.state {
            State::Start | State::Doubt => self.start(answer, number, caps),
            State::Back => {
                self.back(answer, caps);
                false
            }
            State::Steady => self.steady(answer, number, caps),
            State::Trial { from } => self.trial(from, answer, number),
        }
    }

    fn start(&mut self, answer: &Answer, number: u32, caps: Caps) -> bool {
        let Sample { count, begun, .. } = self.former;
        // What is missing by the second has failed, or is slower than all that came behind it.
        let is_told = count >= (begun * 3 / 4).max(START_ANSWERS_MIN)
            || self.current.count >= begun.max(START_ANSWERS_MIN);
        if count > 0 && is_told {
            if count >= START_ANSWERS_MIN {
                self.judge_start(caps, answer.now_ms);
            }
            self.former = Sample::default();
            if self.state == State::Steady {
                return true;
            }
        }
        let is_late = {
            let sample = if self.current.count > 0 { &self.current } else { &self.former };
            let low_ms = self.lowest.first_byte_ms;
            self.base.per_ms > 0.0
                && sample.first_byte_ms < f32::MAX
                && sample.first_byte_ms > low_ms * LATE_TIMES + LATE_ABOVE_MS
        };
        if self.state == State::Start && answer.is_limited && !is_late {
            let most = (self.opened * 2.0).min(caps.max as f32);
            self.window = (self.window + 1.0).min(most.max(self.window));
        }
        // The next round begins with the first answer to what began in this one, when the one
        // before is judged.
        let is_over = answer.round.number == number
            && self.former.count == 0
            && (ms(answer.took_ms) >= COARSE_MS || self.current.count >= COARSE_COUNT);
        if is_over {
            self.former = self.current;
            self.opened = self.window;
            self.current = Sample::of(number.wrapping_add(1), 0);
        }
        is_over
    }

    fn judge_start(&mut self, caps: Caps, now_ms: u64) {
        let sample = std::mem::take(&mut self.former);
        let point = sample.point();
        self.lowest.add(&point, sample.first_byte_ms, now_ms);
        if sample.unfilled * 4 > sample.count && self.base.per_ms > 0.0 {
            return;
        }
        let is_first = self.base.per_ms == 0.0;
        let has_grown = point.in_flight > self.base.in_flight * 1.2;
        if is_first || has_grown && point.gain(&self.base) >= START_GAIN_MIN {
            (self.base, self.state) = (point, State::Start);
        } else if has_grown && self.state == State::Start {
            self.state = State::Doubt;
        } else if has_grown {
            let busy = point.per_ms.max(self.base.per_ms) * self.lowest.took_ms();
            let knee = (busy * KNEE_TIMES + 1.0).max(caps.first as f32);
            self.window = self.window.min(knee);
            self.settled(now_ms);
        }
        if self.window >= caps.max as f32 && self.state == State::Start {
            self.settled(now_ms);
        }
    }

    /// Ends a trial or slow start: from now on another window is tried at times only.
    fn settled(&mut self, now_ms: u64) {
        self.state = State::Steady;
        self.pause_s = PAUSE_FIRST_S;
        self.wait(now_ms);
        self.borne = 0;
    }

    /// CUBIC: grows the window by the time since it was lowered.
    fn back(&mut self, answer: &Answer, caps: Caps) {
        if !answer.is_limited {
            return;
        }
        let since_s = ms(answer.now_ms.saturating_sub(self.lowered_at_ms)) / 1_000.0;
        let turn_s = (self.ceiling * (1.0 - LOWERED_PART) / CUBIC_C).cbrt();
        let offset = since_s.min(turn_s) - turn_s;
        let cubic = self.ceiling + CUBIC_C * offset * offset * offset;
        // As fast as TCP of old where that is faster: where answers take a few milliseconds.
        let one_a_round = self.window + 1.0 / self.window;
        let goal = self.plateau().min(caps.max as f32);
        self.window = cubic.clamp(one_a_round, self.window + 1.0).min(goal).max(1.0);
        if self.window >= goal {
            let pause_s = self.pause_s;
            self.settled(answer.now_ms);
            self.pause_s = self.pause_s.max(pause_s);
            self.wait(answer.now_ms);
        }
    }

    /// Where the window stays: at what the host bore, or a little below when that was found too
    /// much before long.
    fn plateau(&self) -> f32 {
        if self.pause_s > PAUSE_FIRST_S {
            (self.ceiling * AGAIN_PART).floor()
        } else {
            self.ceiling
        }
    }

    /// Puts off the next trial for a while.
    fn wait(&mut self, now_ms: u64) {
        self.trial_at_ms = now_ms.saturating_add(u64::from(self.pause_s) * 1_000);
    }

    fn steady(&mut self, answer: &Answer, number: u32, caps: Caps) -> bool {
        let enough = (whole(self.window) * 4).max(64);
        if !answer.is_limited || !self.current.is_enough(enough) {
            return false;
        }
        if answer.now_ms < self.trial_at_ms {
            return false;
        }
        let point = self.current.point();
        self.lowest.add(&point, self.current.first_byte_ms, answer.now_ms);
        if self.current.unfilled * 4 > self.current.count {
            return false;
        }
        self.base = point;
        let from = self.window;
        let is_slow = point.took_ms > self.lowest.took_ms() * SLOW_TIMES;
        let can_grow = from < caps.max as f32;
        let is_down = is_slow && from >= 2.0 && (self.is_down_next || !can_grow);
        self.is_down_next = !is_down;
        self.window = if is_down {
            (from * DOWN_PART).floor().max(1.0)
        } else if !can_grow {
            self.wait(answer.now_ms);
            return false;
        } else if self.ceiling > 0.0 && from + 0.5 >= self.ceiling {
            from + f32::from(1_u8 << self.borne.min(6))
        } else {
            from * UP_TIMES + 1.0
        };
        self.window = self.window.min(caps.max as f32).floor();
        self.state = State::Trial { from };
        self.current = Sample::of(number.wrapping_add(1), whole(from));
        true
    }

    fn trial(&mut self, from: f32, answer: &Answer, number: u32) -> bool {
        let enough = (whole(self.window) * 2).max(32);
        if self.current.number != number || !self.current.is_enough(enough) {
            return false;
        }
        let sample = self.current;
        let point = sample.point();
        let is_filled = sample.unfilled * 4 <= sample.count;
        let is_down = self.window < from;
        let is_kept = is_filled
            && match is_down {
                true if self.window < DOWN_FREE => point.per_ms > self.base.per_ms * 1.15,
                true => point.per_ms >= self.base.per_ms * 0.97,
                // So little more cannot be told from noise.
                false if self.window < from * 1.15 => true,
                false => point.gain(&self.base) >= TRIAL_GAIN_MIN,
            };
        if is_kept {
            self.pause_s = PAUSE_FIRST_S;
            self.borne = if is_down { 0 } else { (self.borne + 1).min(6) };
            if !is_down && self.ceiling > 0.0 {
                self.ceiling = self.ceiling.max(self.window);
            }
        } else {
            self.window = from;
            self.rarer();
        }
        self.state = State::Steady;
        self.wait(answer.now_ms);
        self.current = Sample::of(number.wrapping_add(1), whole(self.window));
        true
    }

    fn rarer(&mut self) {
        self.pause_s = (self.pause_s * 2).clamp(PAUSE_FIRST_S, PAUSE_MAX_S);
        self.borne = 0;
    }

    /// Lowers the window when the host pushed back for the first time since the round `since`. The
    /// next round begins.
    pub(super) fn refused(
        &mut self,
        round: Round,
        since: u32,
        number: u32,
        now_ms: u64,
        caps: Caps,
    ) {
        let window = if self.window == 0.0 { caps.first as f32 } else { self.window };
        let in_flight = round.in_flight as f32;
        if let State::Trial { from } = self.state
            && from < window
            && self.current.number == round.number
        {
            // Only what was tried is too much.
            self.window = from;
            self.ceiling = from;
            self.rarer();
            self.state = State::Steady;
            self.wait(now_ms);
            self.current = Sample::of(number.wrapping_add(1), 0);
            return;
        }
        self.burst = Burst {
            window,
            from: since,
            until: number.wrapping_add(1),
            refused_min: in_flight,
            good_max: 0.0,
        };
        let is_again = self.ceiling > 0.0
            && now_ms.saturating_sub(self.lowered_at_ms) < u64::from(self.pause_s) * AGAIN_MS;
        if is_again {
            self.rarer();
        } else {
            (self.pause_s, self.borne) = (PAUSE_FIRST_S, 0);
        }
        self.state = State::Back;
        self.lowered_at_ms = now_ms;
        self.former = Sample::default();
        self.settle_burst(|_| {});
    }

    /// Takes note of another refusal among requests that were in flight together.
    pub(super) fn refused_late(&mut self, round: Round) {
        if self.burst.has(round.number) {
            self.settle_burst(|burst| {
                burst.refused_min = burst.refused_min.min(round.in_flight as f32);
            });
        }
    }

    fn settle_burst(&mut self, change: impl Fn(&mut Burst)) {
        change(&mut self.burst);
        if self.state == State::Back {
            self.ceiling = self.burst.borne();
            self.window = (self.ceiling * LOWERED_PART).max(1.0);
        }
    }
}

/// A number of connections without its fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole(window: f32) -> u32 {
    window as u32
}

/// Milliseconds as a float; a request takes less than three hours or so.
fn ms(ms: u64) -> f32 {
    u32::try_from(ms).unwrap_or(u32::MAX).min(10_000_000) as f32
}

/// Most answers of one sample; with more of them the older half counts half.
const SAMPLE_MAX: u32 = 1_024;
/// Shortest time that a request is taken to need, in milliseconds.
const TOOK_MIN_MS: f32 = 0.05;
/// Times below this are too short for a few answers by a clock of milliseconds, in milliseconds.
const COARSE_MS: f32 = 8.0;
/// Answers that are enough all the same.
const COARSE_COUNT: u32 = 64;
/// Length of a stretch, in milliseconds: the lowest times of this one and of the last are
/// remembered.
const STRETCH_MS: u64 = 60_000;
/// First bytes of a round are late when all come after this many times the earliest, and
/// [`LATE_ABOVE_MS`] after it.
const LATE_TIMES: f32 = 1.25;
/// Late first bytes also come this much after the earliest, in milliseconds.
const LATE_ABOVE_MS: f32 = 4.0;
/// Fewest answers that a round of slow start is judged by.
const START_ANSWERS_MIN: u32 = 8;
/// Slow start goes on when this part of what was added to the window came through as answers.
const START_GAIN_MIN: f32 = 0.3;
/// A trial has paid when this part of what was added to the window came through as answers.
const TRIAL_GAIN_MIN: f32 = 0.3;
/// Width of the window, in what keeps the host just busy.
const KNEE_TIMES: f32 = 1.25;
/// Answers take long when they take this many times the lowest time.
const SLOW_TIMES: f32 = 1.25;
/// A trial of a wider window, in windows.
const UP_TIMES: f32 = 1.25;
const DOWN_PART: f32 = 0.8;
/// A window smaller than this must bring more, not just as much.
const DOWN_FREE: f32 = 8.0;
/// What is left of a window when the host pushes back (RFC 9438).
const LOWERED_PART: f32 = 0.7;
/// Part of what was found too much again and again at which the window stays.
const AGAIN_PART: f32 = 0.9;
/// Time for each second of the pause within which finding it counts as again, in milliseconds.
const AGAIN_MS: u64 = 5_000;
/// CUBIC's constant, in connections per second cubed (RFC 9438).
const CUBIC_C: f32 = 0.4;
/// First pause between two trials, in seconds.
const PAUSE_FIRST_S: u16 = 1;
const PAUSE_MAX_S: u16 = 64;
