//! Jobs that go out ahead of their turn, on a connection that another job has.

use super::Schedule;
use super::place::OriginId;

impl<T> Schedule<T> {
    /// Takes further jobs of an origin for somebody who has a grant for it: they share its
    /// connection and end before it does. They are the first of their queue, an odd number of them:
    /// as many as `fit` in a row, no more than `count_max`. For each connection that the host may
    /// have one job is left, so that none of them has nothing to do while another one has much.
    /// None of a host that is left alone for now, or that has a rate to keep to.
    pub fn take_ahead(
        &mut self,
        origin: OriginId,
        count_max: usize,
        fit: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        let index = self.hosts.index_of(origin);
        let host = self.hosts.at(index);
        let is_held_back = host
            .active
            .as_ref()
            .is_none_or(|active| active.waits_until_ms.is_some() || active.throttle.is_paced());
        if is_held_back {
            return Vec::new();
        }
        self.unlist(index);
        let host = self.hosts.at_mut(index);
        let left = host.open().max(host.window(&self.limits));
        let queue = &mut host.queues[origin.scheme as usize];
        let count = queue.len().saturating_sub(left).min(count_max);
        let count = self.jobs.iter(*queue).take(count).take_while(|item| fit(item)).count();
        let odd = if count % 2 == 0 { count.saturating_sub(1) } else { count };
        let taken: Vec<T> = (0..odd).filter_map(|_| self.jobs.pop_front(queue)).collect();
        self.queued -= taken.len();
        self.reindex(index);
        taken
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::schedule::{Assignment, Limits, Place, Schedule};

    #[test]
    fn the_first_that_fit_are_taken_and_some_are_left() {
        let limits = Limits { per_host_first: 2, per_host_max: 2, ..Limits::default() };
        let mut schedule: Schedule<u8> = Schedule::new(limits);
        let [http, https] = ["http", "https"].map(|scheme| format!("{scheme}://h"));
        let place = Place { origin: &http, host: "h" };
        (0..9).for_each(|item| _ = schedule.push(place, item));
        _ = schedule.push(Place { origin: &https, host: "h" }, 99);
        let Assignment::Job(grant) = schedule.take(0, 0).assignment else { panic!("no job") };
        assert_eq!(grant.item, 0);
        let mut take =
            |count_max, below| schedule.take_ahead(grant.origin, count_max, |item| *item < below);
        assert_eq!(take(3, 100), [1, 2, 3]);
        assert_eq!(take(3, 4), [0; 0], "the first does not fit");
        assert_eq!(take(4, 6), [4], "the third does not fit, and two are not odd");
        assert_eq!(take(9, 100), [5], "one is left for each connection");
        assert_eq!(take(9, 100), [6]);
        assert_eq!(take(9, 100), [0; 0]);
        assert_eq!((schedule.queued(), schedule.in_flight()), (3, 1));
        assert_eq!(schedule.drain(), [7, 8, 99]);
    }
}
