//! Hosts that push back: how often each refused (429, 503), what was made of it, and what that
//! means for the job that was refused.

use super::Schedule;
use super::place::OriginId;
use super::record::Record;
use crate::plan::retry::Tally;

/// A host that refused requests, and what was made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushing {
    /// `name[:port]`
    pub host: Box<str>,
    /// Answers of the host that were no refusals.
    pub answers: u64,
    /// 429, 503, and other answers that asked for a wait.
    pub refusals: u64,
    /// Connections that the host may have now.
    pub window: usize,
    /// Requests a second that the host was found to bear; `None` where it does not limit them.
    pub rate: Option<f64>,
    /// Jobs for the host, waiting or in flight.
    pub jobs: usize,
}

/// What a refusal means for the job that met it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The host answers others: the refusal was about how much it is asked, says nothing about the
    /// job and costs it no attempt. (One URL may be refused always, so this must not count for ever
    /// in favour of one job.)
    pub is_progressing: bool,
    /// What the host has answered so far, without the refusal at hand.
    pub tally: Tally,
}

impl<T> Schedule<T> {
    /// What it means for the job of a grant that its host refused it at `now_ms`. To be asked
    /// before the grant ends.
    ///
    /// # Panics
    /// When the grant of `origin` has ended.
    pub fn refused(&self, origin: OriginId, now_ms: u64) -> Refused {
        let active = self.hosts.at(self.hosts.index_of(origin)).active.as_ref();
        let record = active.map(|active| &active.throttle.record);
        Refused {
            is_progressing: record.is_some_and(|record| record.is_progressing(now_ms)),
            tally: record.map_or_else(Tally::default, Record::tally),
        }
    }

    /// The hosts that refused requests and are still remembered, in no order. Walks all hosts, as
    /// [`Self::holdups`] does.
    pub fn pushing(&self) -> Vec<Pushing> {
        let pushing = self.hosts.iter().filter_map(|(index, host)| {
            let active = host.active.as_ref()?;
            let throttle = &active.throttle;
            let Tally { answers, refusals } = throttle.record.tally();
            (refusals > 0).then(|| Pushing {
                host: self.hosts.name(index).into(),
                answers: u64::from(answers),
                refusals: u64::from(refusals),
                window: throttle.window(&self.limits),
                rate: throttle.found_per_s(),
                jobs: host.waiting() + active.in_use,
            })
        });
        pushing.collect()
    }
}
