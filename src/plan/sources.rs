//! The sources of one file that several connections fetch: which of them further connections go to,
//! and whether the bytes of another source are put beside those that are there.
//!
//! Source 0 is the URL of the job, and the mirrors follow, best first. One source is in use: the
//! job itself is at it. Further connections go to the host that has the fewest of them, so that all
//! hosts have their share. A mirror that nothing is known of is asked on one connection at first,
//! and one that does not fit is not asked again.

use super::validator::Validator;
use crate::http::Head;

/// The sources of one file, and how those who fetch it are spread over them.
#[derive(Clone, Debug)]
pub struct Sources {
    all: Vec<Source>,
    in_use: usize,
    /// Whether mirrors were given up all together.
    is_in_use_alone: bool,
}

#[derive(Clone, Debug)]
struct Source {
    /// The first source of the same host.
    host: usize,
    /// Tasks that fetch from it, or are about to.
    tasks: usize,
    state: State,
    /// Times in a row that it failed.
    failed: u32,
    /// No further task goes there before, in milliseconds.
    rests_until_ms: u64,
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Untried,
    /// The source has the version that is fetched.
    Fits,
    /// The source is asked no more.
    Out,
}

/// Why a task that fetched from a source beside the job is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leave {
    /// Nothing is left for it to do.
    Idle,
    /// A failure, after which the source may do better later.
    Failed,
    /// A failure, after which the source would do no better.
    Refused,
}

/// Why the bytes of another source are of the version that is fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fit {
    /// The length and the strong entity tag are the same.
    Same,
    /// The length is the same, and a digest will show in the end whether the bytes are.
    Vouched,
}

impl Sources {
    /// The sources at these hosts, the first one's before those of the mirrors, of which the job is
    /// at number `in_use`.
    pub fn new<'h>(hosts: impl IntoIterator<Item = &'h str>, in_use: usize) -> Self {
        let hosts: Vec<&str> = hosts.into_iter().collect();
        let first_of = |host: &str| hosts.iter().position(|other| *other == host).unwrap_or(0);
        let source = |(number, host): (usize, &&str)| Source {
            host: first_of(host),
            tasks: usize::from(number == in_use),
            state: if number == in_use { State::Fits } else { State::Untried },
            failed: 0,
            rests_until_ms: 0,
        };
        let all = hosts.iter().enumerate().map(source).collect();
        Self { all, in_use, is_in_use_alone: false }
    }

    /// The source that the job is at.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Number of different hosts.
    pub fn num_hosts(&self) -> usize {
        self.all.iter().enumerate().filter(|(number, source)| source.host == *number).count()
    }

    /// The job goes on at this source.
    pub fn go_on_at(&mut self, source: usize) {
        self.leave(self.in_use, Leave::Idle, 0);
        self.in_use = source;
        self.join(source);
    }

    /// One more task goes to this source.
    pub fn join(&mut self, source: usize) {
        self.all[source].tasks += 1;
    }

    /// A task at this source is over. The source in use may rest, and is never given up.
    pub fn leave(&mut self, source: usize, why: Leave, now_ms: u64) {
        let is_in_use = source == self.in_use;
        let of = &mut self.all[source];
        of.tasks = of.tasks.saturating_sub(1);
        match why {
            Leave::Idle if of.state == State::Fits => of.failed = 0,
            Leave::Idle => {}
            Leave::Refused if !is_in_use => of.state = State::Out,
            Leave::Failed | Leave::Refused => self.failed(source, now_ms),
        }
    }

    /// Something failed at this source, or lagged behind all others. Those that fail together are
    /// one failure.
    pub fn failed(&mut self, source: usize, now_ms: u64) {
        let is_in_use = source == self.in_use;
        let source = &mut self.all[source];
        if now_ms < source.rests_until_ms {
            return;
        }
        let rest_ms = REST_MS << source.failed.min(REST_DOUBLED_MAX);
        source.failed += 1;
        source.rests_until_ms = now_ms.saturating_add(rest_ms);
        if !is_in_use && source.state != State::Out {
            let is_out = source.failed >= FAILED_MAX;
            source.state = if is_out { State::Out } else { State::Untried };
        }
    }

    /// Whether the source in use may be asked again.
    pub fn is_in_use_ready(&self, now_ms: u64) -> bool {
        self.all[self.in_use].rests_until_ms <= now_ms
    }

    /// This source has the version that is fetched.
    pub fn fits(&mut self, source: usize) {
        let source = &mut self.all[source];
        if source.state != State::Out {
            (source.state, source.failed) = (State::Fits, 0);
        }
    }

    /// This source does not have the version that is fetched.
    pub fn give_up(&mut self, source: usize) {
        self.all[source].state = State::Out;
    }

    /// No mirror is asked any more. Whether that is new.
    pub fn give_up_mirrors(&mut self) -> bool {
        !std::mem::replace(&mut self.is_in_use_alone, true)
    }

    /// Whether this source is asked no more.
    pub fn is_out(&self, source: usize) -> bool {
        let is_mirror = source != self.in_use;
        self.all[source].state == State::Out || (self.is_in_use_alone && is_mirror)
    }

    /// Where up to `count` further tasks go: sources, and how many go to each. `spare` has the
    /// connections that each source may have beside those it has.
    pub fn choose(&self, spare: &[usize], count: usize, now_ms: u64) -> Vec<(usize, usize)> {
        let mut chosen = vec![0; self.all.len()];
        for _ in 0..count {
            let open = (0..self.all.len()).filter(|source| {
                let left = spare.get(*source).copied().unwrap_or(0);
                chosen[*source] < left && self.takes(*source, chosen[*source], now_ms)
            });
            let load = |source: &usize| {
                let is_mirror = *source != self.in_use;
                (self.tasks_at(self.all[*source].host, &chosen), is_mirror, *source)
            };
            let Some(best) = open.min_by_key(load) else { break };
            chosen[best] += 1;
        }
        chosen.into_iter().enumerate().filter(|(_, count)| *count > 0).collect()
    }

    /// Whether one more task may go to a source that so many were chosen for.
    fn takes(&self, number: usize, chosen: usize, now_ms: u64) -> bool {
        let source = &self.all[number];
        let is_probed = source.tasks + chosen > 0;
        let is_open = match source.state {
            State::Fits => true,
            State::Untried => !is_probed,
            State::Out => false,
        };
        is_open
            && !self.is_out(number)
            && source.rests_until_ms <= now_ms
            && self.speaker(source.host) == Some(number)
    }

    /// The one source of a host that is asked: a second one would bring no second host.
    fn speaker(&self, host: usize) -> Option<usize> {
        if self.all[self.in_use].host == host {
            return Some(self.in_use);
        }
        (0..self.all.len()).find(|number| self.all[*number].host == host && !self.is_out(*number))
    }

    /// Tasks at a host, those that were just chosen included.
    fn tasks_at(&self, host: usize, chosen: &[usize]) -> usize {
        let all = self.all.iter().zip(chosen);
        all.filter(|(source, _)| source.host == host)
            .map(|(source, more)| source.tasks + more)
            .sum()
    }
}

/// Whether the bytes of another source are put beside those of a version, whose validator and
/// length these are. The other source told of itself in a head, and its length in that; a digest
/// `is_expected` of the whole, or of all pieces of it, proves the bytes in the end.
///
/// An entity tag is the word of one server (RFC 9110 section 8.8.3), and dates say little across
/// servers. So only a strong tag together with the length counts, which are made of content, or of
/// time and length, by those who mean to serve one file from several hosts.
pub fn fit(
    (version, length): (&Validator, Option<u64>),
    (head, complete): (&Head, Option<u64>),
    is_expected: bool,
) -> Option<Fit> {
    if length.is_none() || complete != length {
        return None;
    }
    match version.is_same_tag(head) {
        true => Some(Fit::Same),
        false => is_expected.then_some(Fit::Vouched),
    }
}

/// For how long no further task goes to a source after one failed, in milliseconds; doubled with
/// each further failure.
const REST_MS: u64 = 1_000;
/// How often that is doubled.
const REST_DOUBLED_MAX: u32 = 5;
/// Failures in a row after which a mirror is given up.
const FAILED_MAX: u32 = 3;

#[cfg(test)]
mod tests;
