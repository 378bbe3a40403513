//! Skipping ahead: what keeps a slow, paused or dead host from holding up the list behind it.
//!
//! When the look-ahead is full of jobs that nobody may begin while cores have nothing to do, the
//! reader goes over its inputs a second time, from where it stands. It passes over lines of hosts
//! that have enough waiting, and puts lines of others into a part of the look-ahead that is kept
//! for this. Nothing of what it passes over is stored but a few bits: which lines are done with, so
//! that they are not taken again, and whose names got a number, because names are claimed in the
//! order of the lines, once, and must come out the same when the line's turn comes.
//!
//! A sweep goes on whenever cores are idle again, up to the end of the inputs. The next one begins
//! where the reader stands by then, after a pause that keeps all of them within a fifth of a CPU,
//! and much less while they find nothing.

use crate::engine::feed::inputs::{Item, Lists};
use crate::engine::feed::judge::Judged;
use crate::engine::feed::naming::index_of;
use crate::engine::feed::reader::Reader;
use crate::engine::queue::queued::{Queued, place};
use crate::plan::job::{Entry, Job};
use crate::plan::name::{self, Claimed};
use roaring::RoaringTreemap;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What is remembered between the steps of a sweep, and between sweeps.
pub(crate) struct SkipAhead {
    sweep: Option<Sweep>,
    /// When the next sweep may begin.
    begins_at: Instant,
    /// Sweeps in a row that found nothing.
    fruitless: u32,
    /// Jobs of the look-ahead that the reader itself leaves free; none where nobody goes ahead.
    pub(crate) reserve: usize,
    pub(crate) ahead: Ahead,
}

/// One way from where the reader stands to the end of the inputs.
struct Sweep {
    lists: Lists,
    worked: Duration,
    taken: u64,
}

impl SkipAhead {
    /// One that goes ahead where the inputs can be read twice; not where the first lines are wanted
    /// (`is_sample`, by `--max-files`).
    pub(crate) fn new(lists: &Lists, lookahead_max: usize, is_sample: bool) -> Self {
        let may_go = !is_sample && lists.onward().is_some();
        let reserve = if may_go { lookahead_max / RESERVE_SHARE } else { 0 };
        Self {
            sweep: None,
            begins_at: Instant::now(),
            fruitless: 0,
            reserve,
            ahead: Ahead::default(),
        }
    }

    /// Whether a step may be made now.
    pub(crate) fn is_due(&self) -> bool {
        self.reserve > 0 && (self.sweep.is_some() || self.begins_at <= Instant::now())
    }

    /// The sweep to go on with, by a reader that stands in `lists`.
    fn resume(&mut self, lists: &Lists) -> Option<Sweep> {
        self.sweep
            .take()
            .or_else(|| Some(Sweep { lists: lists.onward()?, worked: Duration::ZERO, taken: 0 }))
    }

    fn end(&mut self, sweep: &Sweep) {
        self.fruitless = if sweep.taken > 0 { 0 } else { self.fruitless + 1 };
        let pause = (sweep.worked * PAUSE_PER_WORK).max(PAUSE_MIN);
        let pause = pause * 2_u32.saturating_pow(self.fruitless.min(FRUITLESS_MAX));
        self.begins_at = Instant::now() + pause;
    }
}

impl Reader<'_> {
    /// Goes on with a sweep, or begins one, by as many lines as keep nobody waiting for long.
    pub(crate) fn step_ahead(&mut self) {
        let Some(mut sweep) = self.skip_ahead.resume(&self.lists) else {
            // An input is gone by now.
            self.skip_ahead.reserve = 0;
            return;
        };
        let begun = Instant::now();
        let mut taken = 0;
        let mut is_at_end = false;
        for _ in 0..STEP_LINES {
            let step = match sweep.lists.next() {
                Ok(Some(Item::Entry(entry))) => self.entry_ahead(entry),
                Ok(Some(Item::Pause)) => Step::Passed,
                // What is wrong with an input the reader will tell when it gets there.
                Ok(None) | Err(_) => {
                    is_at_end = true;
                    break;
                }
            };
            taken += u64::from(step != Step::Passed);
            if step == Step::TakenLast || taken >= STEP_TAKEN || self.judge.mismatch().is_some() {
                break;
            }
        }
        self.tell_bad_lines();
        sweep.worked += begun.elapsed();
        sweep.taken += taken;
        if is_at_end {
            self.skip_ahead.end(&sweep);
        } else {
            self.skip_ahead.sweep = Some(sweep);
        }
    }

    fn entry_ahead(&mut self, entry: Entry) -> Step {
        let index = index_of(&entry);
        if index <= self.at {
            return Step::Passed;
        }
        if self.skip_ahead.ahead.is_judged(index) {
            return match entry {
                Ok(job) if !self.skip_ahead.ahead.is_over(index) => self.try_ahead(job, None),
                Ok(_) | Err(_) => Step::Passed,
            };
        }
        self.skip_ahead.ahead.set_judged(index);
        match self.judge(entry) {
            Some(Judged { job, name, claimed }) => {
                self.skip_ahead.ahead.note(index, &name, claimed);
                self.try_ahead(job, Some(name))
            }
            None => {
                self.skip_ahead.ahead.set_over(index);
                Step::Passed
            }
        }
    }

    /// Puts a job on the schedule if its host has not enough there. Without `name` it is one that
    /// was passed over before.
    fn try_ahead(&mut self, job: Job, name: Option<String>) -> Step {
        // Lines of which it is not known whether they are those of the report must not begin.
        if !self.judge.is_confirmed() {
            return Step::Passed;
        }
        if self.has_enough(&job) {
            return Step::Passed;
        }
        let index = job.index;
        let name = name.unwrap_or_else(|| self.skip_ahead.ahead.name(index, self.judge.path(&job)));
        let queued = Queued::of_job(job, name, self.shared.now_ms());
        let room = self.shared.queue.push(queued);
        self.skip_ahead.ahead.set_over(index);
        if room == 0 { Step::TakenLast } else { Step::Taken }
    }

    /// Whether so many jobs of the host of this one wait that others go first: no host gets all
    /// there is, however many of them are slow.
    fn has_enough(&self, job: &Job) -> bool {
        let schedule = self.shared.queue.view();
        schedule.waiting(place(&job.target)) >= WAITING_MIN.max(schedule.room() / 2)
    }
}

/// What came of one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Passed,
    Taken,
    /// And there is no room for another.
    TakenLast,
}

/// What is known of the lines in front of the reader.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// Number of the last line that was judged ahead of the reader; what it said is not asked
    /// again.
    judged_to: u64,
    /// Lines that are done with: they are on the schedule, or there is nothing to pull.
    over: RoaringTreemap,
    /// Lines whose name has their number in it.
    numbered: RoaringTreemap,
    /// The rare names that are neither what was asked for nor that with the number.
    named: BTreeMap<u64, Box<str>>,
    /// What is before this line was forgotten.
    forgotten_to: u64,
}

impl Ahead {
    /// Whether a line was judged before its turn.
    pub(crate) fn is_judged(&self, index: u64) -> bool {
        index <= self.judged_to
    }

    /// Whether there is nothing left to do for a line that was judged.
    pub(crate) fn is_over(&self, index: u64) -> bool {
        self.over.contains(index)
    }

    /// The name that was claimed for a line that was judged, which asks for `path`.
    pub(crate) fn name(&self, index: u64, path: String) -> String {
        if self.numbered.contains(index) {
            return name::numbered(&path, index);
        }
        self.named.get(&index).map_or(path, |name| name.to_string())
    }

    /// The reader has got to a line: nobody asks for those before it.
    pub(crate) fn reached(&mut self, index: u64) {
        if self.judged_to > 0 && index >= self.judged_to {
            *self = Self::default();
        } else if self.judged_to > 0 && index >= self.forgotten_to + FORGET_EVERY_LINES {
            self.forgotten_to = index;
            self.over.remove_range(..index);
            self.numbered.remove_range(..index);
            self.named = self.named.split_off(&index);
        }
    }

    fn set_judged(&mut self, index: u64) {
        self.judged_to = index;
    }

    fn set_over(&mut self, index: u64) {
        self.over.insert(index);
    }

    fn note(&mut self, index: u64, name: &str, claimed: Claimed) {
        match claimed {
            Claimed::AsAsked => {}
            Claimed::Numbered => {
                self.numbered.insert(index);
            }
            Claimed::Otherwise => {
                self.named.insert(index, name.into());
            }
        }
    }
}

/// One part in so many of the look-ahead is kept for this.
const RESERVE_SHARE: usize = 8;
/// Jobs that any host may have waiting.
const WAITING_MIN: usize = 64;
/// Lines read in one step: a few milliseconds at most.
const STEP_LINES: usize = 1_024;
/// Jobs taken in one step, before it is asked again whether cores are idle.
const STEP_TAKEN: u64 = 256;
/// Pause after a sweep for each time that it took.
const PAUSE_PER_WORK: u32 = 4;
/// Shortest pause after a sweep.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// How often the pause doubles at most.
const FRUITLESS_MAX: u32 = 4;
/// How often what is behind the reader is forgotten.
const FORGET_EVERY_LINES: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::name::Names;

    #[test]
    fn names_come_out_as_they_were_claimed() {
        let (mut names, mut ahead) = (Names::new(), Ahead::default());
        let paths = ["a.jpg", "b", "a.jpg", "d/a.jpg", "a.jpg", "c.5.x", "c.x", "c.x"];
        let claimed: Vec<String> = (1..)
            .zip(paths)
            .map(|(index, path)| {
                let (name, claimed) = names.claim_noting(path.to_owned(), index, false);
                ahead.set_judged(index);
                ahead.note(index, &name, claimed);
                name
            })
            .collect();
        assert!(claimed.contains(&"a.3.jpg".to_owned()), "{claimed:?}");
        for (index, (path, name)) in (1..).zip(paths.iter().zip(&claimed)) {
            assert!(ahead.is_judged(index));
            assert_eq!(ahead.name(index, (*path).to_owned()), *name);
        }
        assert!(!ahead.is_judged(9));
        ahead.reached(8);
        assert!(!ahead.is_judged(1) && ahead.numbered.is_empty());
    }

    #[test]
    fn a_name_that_is_neither_is_kept() {
        let (mut names, mut ahead) = (Names::new(), Ahead::default());
        names.claim("x.1.y".to_owned(), 7, false);
        names.claim("x.y".to_owned(), 8, false);
        let (name, claimed) = names.claim_noting("x.y".to_owned(), 1, false);
        assert_eq!((name.as_str(), claimed), ("x.1.2.y", Claimed::Otherwise));
        ahead.set_judged(1);
        ahead.note(1, &name, claimed);
        assert_eq!(ahead.name(1, "x.y".to_owned()), name);
    }

    #[test]
    fn what_is_behind_is_forgotten() {
        let mut ahead = Ahead::default();
        for index in 1..=3 * FORGET_EVERY_LINES {
            ahead.set_judged(index);
            ahead.set_over(index);
        }
        ahead.reached(5);
        assert!(ahead.is_over(1));
        // Whatever the numbers of the lines that are entries: option lines are none.
        for at in [FORGET_EVERY_LINES + 1, 2 * FORGET_EVERY_LINES + 3] {
            ahead.reached(at);
            assert!(!ahead.is_over(at - 1) && ahead.is_over(at));
            assert_eq!(ahead.over.len(), 3 * FORGET_EVERY_LINES - at + 1);
        }
    }
}
