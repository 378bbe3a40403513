//! Jobs that fill one file beside another, on connections that nobody waits for.

use super::Schedule;
use super::answers::Wake;
use super::place::Place;

impl<T> Schedule<T> {
    /// How many more jobs of the host of `place` could begin now without keeping another one
    /// waiting: none while jobs of the host wait or while it is left alone, and no more than its
    /// window, `-x` and `-j` permit. A host that nothing is known of has its first window.
    pub fn spare(&self, place: Place<'_>) -> usize {
        if self.is_rate_reached() {
            return 0;
        }
        let host = self.hosts.find(place.host).map(|index| self.hosts.at(index));
        let of_host = match host {
            None => self.limits.per_host_first,
            Some(host) if host.has_queued() => 0,
            Some(host) => match &host.active {
                None => host.window(&self.limits),
                Some(active) if active.waits_until_ms.is_some() => 0,
                Some(active) if active.throttle.breaker.is_down() => 0,
                Some(active) => host.window(&self.limits).saturating_sub(active.in_use),
            },
        };
        // Jobs that wait for their hosts alone wait for nothing that is spare.
        let queued = if self.has_ready() { self.queued } else { 0 };
        let of_run = self.window.limit().saturating_sub(self.in_flight + queued);
        of_host.min(of_run)
    }

    /// Puts a job before all others of its origin, as [`Self::push_front`] does, that does part of
    /// the work of another one: all cores are to take part in what the host has to do by now.
    pub fn push_spread(&mut self, place: Place<'_>, item: T, ends_ms: u64) -> Wake {
        if let Some(index) = self.hosts.find(place.host) {
            self.unlist(index);
            self.hosts.at_mut(index).active_mut().is_spread = true;
        }
        self.push_front(place, item, ends_ms)
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::schedule::{After, Assignment, Limits, Place, Schedule};

    fn place() -> Place<'static> {
        Place { origin: "http://h", host: "h" }
    }

    fn limits() -> Limits {
        Limits {
            cores: 2,
            per_host_first: 4,
            per_host_max: 8,
            in_flight_max: 16,
            ..Limits::default()
        }
    }

    #[test]
    fn only_what_nobody_waits_for_is_spare() {
        let mut schedule: Schedule<u8> = Schedule::new(limits());
        assert_eq!(schedule.spare(place()), 4, "the first window of a host nobody was at");
        let _ = schedule.push(place(), 1);
        let _ = schedule.push(place(), 2);
        let first = schedule.take(0, 0).assignment;
        assert!(matches!(first, Assignment::Job(_)));
        assert_eq!(schedule.spare(place()), 0, "a job waits");
        assert!(matches!(schedule.take(0, 0).assignment, Assignment::Job(_)));
        assert_eq!(schedule.spare(place()), 2);
    }

    #[test]
    fn jobs_that_wait_for_their_host_leave_others_their_room() {
        let other = Place { origin: "http://i", host: "i" };
        let limits = Limits { per_host_first: 1, per_host_max: 1, in_flight_max: 4, ..limits() };
        let mut schedule: Schedule<u8> = Schedule::new(limits);
        for item in 0..9 {
            let _ = schedule.push(place(), item);
        }
        assert_eq!(schedule.spare(other), 0, "all of them could begin");
        assert!(matches!(schedule.take(0, 0).assignment, Assignment::Job(_)));
        assert_eq!((schedule.spare(other), schedule.spare(place())), (1, 0));
    }

    #[test]
    fn what_fills_one_file_is_spread_over_the_cores() {
        let mut schedule: Schedule<u8> = Schedule::new(limits());
        let _ = schedule.push(place(), 1);
        let Assignment::Job(lead) = schedule.take(0, 0).assignment else { panic!("it is there") };
        for item in 2..=4 {
            let _ = schedule.push_spread(place(), item, u64::MAX);
        }
        let taken = |schedule: &mut Schedule<u8>, core| {
            std::iter::from_fn(|| match schedule.take(core, 0).assignment {
                Assignment::Job(grant) => Some(grant.item),
                _ => None,
            })
            .count()
        };
        assert_eq!((taken(&mut schedule, 0), taken(&mut schedule, 1)), (1, 2));
        let _ = schedule.release(0, lead.origin, After::Closed);
    }
}
