//! Happy Eyeballs (RFC 8305): which address of a host is connected to first, when the next one
//! joins, and what is remembered of it.
//!
//! - [`order`] says which family goes first (RFC 6724) and lets families take turns.
//! - [`Race`] is one connection on its way: the next address begins [`DELAY_MS`] after the one
//!   before, or when one failed; the first that connects wins.
//! - [`Memory`] is of the run: a host's address that answered, and a family that does not answer at
//!   several hosts in a row.
//!
//! Times are milliseconds since the run began.

mod memory;
pub mod order;

pub use memory::{Heard, Memory, Outcome};

/// Time between the begins of two attempts, in milliseconds (RFC 8305 section 5, Connection Attempt
/// Delay).
pub const DELAY_MS: u64 = 250;
/// Least time between the begins of two attempts, in milliseconds (RFC 8305 section 5): for many
/// addresses within a short `--connect-timeout`.
const DELAY_MIN_MS: u64 = 10;
/// Attempts of one connection that go on at once, each with a socket.
pub const RACERS_MAX: usize = 4;

/// The attempts of one connection. Addresses go by their place in the order.
#[derive(Debug)]
pub struct Race {
    count: usize,
    /// The first address that was not begun.
    next: usize,
    delay_ms: u64,
    next_at_ms: u64,
    /// The oldest first.
    running: Vec<Racer>,
    /// Whether there was no descriptor for one more attempt, so that a running one has to give its
    /// own back.
    is_lacking: bool,
}

#[derive(Clone, Copy, Debug)]
struct Racer {
    index: usize,
    began_ms: u64,
    is_leaving: bool,
}

/// The next thing to do in a race.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Begin with this address, and report the result: [`Race::began`], [`Race::failed`] or
    /// [`Race::lacked`].
    Begin(usize),
    /// End the attempt at this address, which waited longest: others have to be tried.
    GiveWay(usize),
    /// Wait for an attempt to end, at most until this time, `u64::MAX` for as long as that takes.
    Wait(u64),
    /// All have failed.
    Over,
}

impl Race {
    /// A race of `count` addresses, which has `timeout_ms` for all of them.
    pub fn new(count: usize, timeout_ms: u64) -> Self {
        // The last of them needs some time as well.
        let share_ms = timeout_ms / (count as u64 + 1);
        Self {
            count,
            next: 0,
            delay_ms: share_ms.clamp(DELAY_MIN_MS, DELAY_MS),
            next_at_ms: 0,
            running: Vec::new(),
            is_lacking: false,
        }
    }

    /// The next thing to do.
    pub fn step(&mut self, now_ms: u64) -> Step {
        if self.running.is_empty() {
            return if self.next < self.count { Step::Begin(self.next) } else { Step::Over };
        }
        if self.next == self.count || self.is_lacking {
            return Step::Wait(u64::MAX);
        }
        if now_ms < self.next_at_ms {
            return Step::Wait(self.next_at_ms);
        }
        if self.running.len() < RACERS_MAX {
            return Step::Begin(self.next);
        }
        if self.running.iter().any(|racer| racer.is_leaving) {
            return Step::Wait(u64::MAX);
        }
        self.running[0].is_leaving = true;
        Step::GiveWay(self.running[0].index)
    }

    /// Takes note that an attempt is on its way.
    pub fn began(&mut self, index: usize, now_ms: u64) {
        self.next = index + 1;
        self.next_at_ms = now_ms.saturating_add(self.delay_ms);
        self.running.push(Racer { index, began_ms: now_ms, is_leaving: false });
    }

    /// Takes note that an attempt failed, or could not begin: the next one begins at once.
    pub fn failed(&mut self, index: usize, now_ms: u64) {
        self.running.retain(|racer| racer.index != index);
        self.next = self.next.max(index + 1);
        self.next_at_ms = now_ms;
        self.is_lacking = false;
    }

    /// Takes note that there was no descriptor for an attempt. It begins when one of the others has
    /// failed.
    ///
    /// # Panics
    ///
    /// When there are no others.
    pub fn lacked(&mut self) {
        assert!(!self.running.is_empty(), "nobody would give a descriptor back");
        self.is_lacking = true;
    }

    /// Whether an attempt has had its head start over the next one, and no answer.
    pub fn is_silent(&self, index: usize, now_ms: u64) -> bool {
        let racer = self.running.iter().find(|racer| racer.index == index);
        racer.is_some_and(|racer| now_ms.saturating_sub(racer.began_ms) >= self.delay_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps until there is something to wait for, each attempt on its way at once.
    fn run(race: &mut Race, now_ms: u64) -> (Vec<usize>, Step) {
        let mut begun = Vec::new();
        loop {
            match race.step(now_ms) {
                Step::Begin(index) => {
                    race.began(index, now_ms);
                    begun.push(index);
                }
                other => return (begun, other),
            }
        }
    }

    #[test]
    fn the_next_one_begins_after_the_delay_or_a_failure() {
        let mut race = Race::new(3, 10_000);
        assert_eq!(run(&mut race, 100), (vec![0], Step::Wait(350)));
        assert_eq!(run(&mut race, 349), (vec![], Step::Wait(350)));
        assert_eq!(run(&mut race, 350), (vec![1], Step::Wait(600)));
        assert!(race.is_silent(0, 350) && !race.is_silent(1, 599) && race.is_silent(1, 600));
        race.failed(0, 400);
        assert_eq!(run(&mut race, 400), (vec![2], Step::Wait(u64::MAX)));
        assert!(!race.is_silent(0, 9_999), "it said something");
        race.failed(2, 500);
        assert_eq!(run(&mut race, 500), (vec![], Step::Wait(u64::MAX)));
        race.failed(1, 600);
        assert_eq!(run(&mut race, 600), (vec![], Step::Over));
    }

    #[test]
    fn what_cannot_begin_costs_no_time() {
        let mut race = Race::new(2, 10_000);
        assert_eq!(race.step(0), Step::Begin(0));
        race.failed(0, 0);
        assert_eq!(race.step(0), Step::Begin(1));
        race.failed(1, 0);
        assert_eq!(race.step(0), Step::Over);
    }

    #[test]
    fn the_oldest_gives_way_where_there_are_many() {
        let mut race = Race::new(6, 60_000);
        for n in 0..4 {
            assert_eq!(run(&mut race, n * 250).0, [usize::try_from(n).unwrap()]);
        }
        assert_eq!(race.step(999), Step::Wait(1_000));
        assert_eq!(race.step(1_000), Step::GiveWay(0));
        assert_eq!(race.step(1_001), Step::Wait(u64::MAX), "it is asked once");
        race.failed(0, 1_002);
        assert_eq!(run(&mut race, 1_002), (vec![4], Step::Wait(1_252)));
        assert_eq!(race.step(1_252), Step::GiveWay(1));
        race.failed(1, 1_252);
        // The last ones have all the time that is left.
        assert_eq!(run(&mut race, 1_252), (vec![5], Step::Wait(u64::MAX)));
    }

    #[test]
    fn one_that_lacks_a_descriptor_waits_for_one() {
        let mut race = Race::new(2, 10_000);
        assert_eq!(run(&mut race, 0).0, [0]);
        assert_eq!(race.step(250), Step::Begin(1));
        race.lacked();
        assert_eq!(race.step(5_000), Step::Wait(u64::MAX));
        race.failed(0, 6_000);
        assert_eq!(race.step(6_000), Step::Begin(1));
    }

    #[test]
    fn a_short_timeout_has_room_for_all() {
        for (count, timeout_ms, delay_ms) in
            [(2, 10_000, 250), (32, 10_000, 250), (2, 300, 100), (4, 500, 100), (9, 1, 10)]
        {
            let mut race = Race::new(count, timeout_ms);
            assert_eq!(run(&mut race, 7).1, Step::Wait(7 + delay_ms), "{count} in {timeout_ms}");
        }
    }

    /// Whatever happens, each address is begun once and in order, few run at once, and all of it
    /// ends.
    #[test]
    fn every_address_has_its_turn() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let count = random.usize(1..12);
            let mut race = Race::new(count, random.u64(1..20_000));
            let (mut begun, mut running, mut now_ms) = (0, Vec::new(), 0);
            for round in 0.. {
                assert!(round < 1_000, "seed {seed}: no end");
                match race.step(now_ms) {
                    Step::Begin(index) => {
                        assert_eq!(index, begun, "seed {seed}");
                        if !running.is_empty() && random.u8(..) < 50 {
                            race.lacked();
                            continue;
                        }
                        begun += 1;
                        if random.bool() {
                            race.began(index, now_ms);
                            running.push(index);
                            assert!(running.len() <= RACERS_MAX, "seed {seed}");
                        } else {
                            race.failed(index, now_ms);
                        }
                    }
                    Step::GiveWay(index) => {
                        assert_eq!(index, running.remove(0), "seed {seed}");
                        race.failed(index, now_ms);
                    }
                    Step::Wait(until_ms) => {
                        assert!(until_ms > now_ms && !running.is_empty(), "seed {seed}");
                        if until_ms == u64::MAX || random.bool() {
                            let index = running.remove(random.usize(..running.len()));
                            race.failed(index, now_ms);
                        } else {
                            now_ms = until_ms;
                        }
                    }
                    Step::Over => break,
                }
            }
            assert!(begun == count && running.is_empty(), "seed {seed}");
        }
    }
}
