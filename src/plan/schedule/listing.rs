//! Which lists a host is in, and how long its record lives.

use super::Schedule;
use super::breaker::Breaker;
use super::choose::queue_small_max;
use super::hosts::{Listed, Name, Reuse};
use crate::limits;

impl<T> Schedule<T> {
    /// Brings lists, holds and the record itself in line with what has changed in the record.
    pub(super) fn settle(&mut self, index: u32) {
        if self.hosts.at(index).live.as_ref().is_some_and(|live| live.is_spaced()) {
            self.rewait(index);
        }
        self.list(index);
        let now_ms = self.now_ms;
        let limits = self.limits;
        let host = self.hosts.at_mut(index);
        let has_jobs = host.waiting() > 0;
        if let Some(live) = &mut host.live {
            live.holds.retain(|hold| hold.held() > 0);
            let is_waiting = live.waits_until_ms.is_some() || live.due.at_ms() > now_ms;
            // Jobs that wait find the window that was found.
            let has_window = live.polite.window(&limits) != limits.per_host_first;
            let is_known = live.polite.is_remarkable() || has_jobs && has_window;
            if live.holds.is_empty() && !is_waiting && !is_known {
                host.live = None;
            } else if live.holds.is_empty() && !has_jobs {
                live.polite.forget();
            }
        }
        let is_ahead = match host.name_state {
            Name::Unknown | Name::Served => false,
            Name::Asked => true,
            Name::Known => host.listed != Listed::Nowhere,
        };
        adjust(&mut self.ahead, &mut host.is_ahead, is_ahead);
        let is_idle = !host.has_queued() && host.deferred == 0 && host.open() == 0;
        let is_parked = is_idle && host.live.is_some();
        let key = (host.stamp, index);
        match (host.is_parked, is_parked) {
            (false, true) => assert!(self.parked.insert(key), "was not parked"),
            (true, false) => assert!(self.parked.remove(&key), "was parked"),
            (true, true) | (false, false) => {}
        }
        host.is_parked = is_parked;
        if is_idle && !is_parked {
            self.forget(index);
        } else if self.parked.len() > limits::HOSTS_REMEMBERED_MAX
            && let Some((_, oldest)) = self.parked.first()
        {
            self.forget(*oldest);
        }
    }

    /// Frees the record of a host that is in no list.
    fn forget(&mut self, index: u32) {
        let host = self.hosts.remove(index);
        self.cores[usize::from(host.home)].hosts -= 1;
        if host.is_parked {
            self.parked.remove(&(host.stamp, index));
        }
        self.ahead -= usize::from(host.is_ahead);
        self.unknown -= usize::from(host.name_state == Name::Unknown);
        if let Some(until) = host.waits_until_ms() {
            self.waits.remove(&(until, index));
        }
    }

    /// Puts a host into the lists it belongs to, and takes it out of the others.
    fn list(&mut self, index: u32) {
        let host = self.hosts.at_mut(index);
        let is_known = matches!(host.name_state, Name::Known | Name::Served);
        let breaker = host.live.as_ref().map(|live| &live.polite.breaker);
        let is_down = breaker.is_some_and(Breaker::is_down);
        let is_held = is_down || breaker.is_some_and(Breaker::is_probing);
        let is_waiting = host.waits_until_ms().is_some();
        let window = host.window(&self.limits);
        let is_ready = host.has_queued() && is_known && !is_waiting && !is_held;
        let listed = if is_down && host.has_queued() {
            Listed::Down
        } else if !is_ready || host.open() >= window {
            Listed::Nowhere
        } else if host.queued() > queue_small_max(window) {
            Listed::Big
        } else {
            Listed::Home
        };
        let key = (host.stamp, index);
        if listed != host.listed {
            let home = &mut self.cores[usize::from(host.home)].openable;
            match host.listed {
                Listed::Nowhere => {}
                Listed::Home => assert!(home.remove(&key), "listed at home"),
                Listed::Big => assert!(self.big.remove(&key), "listed as big"),
                Listed::Down => assert!(self.down.remove(&key), "listed as down"),
            }
            match listed {
                Listed::Nowhere => {}
                Listed::Home => assert!(home.insert(key), "was not listed at home"),
                Listed::Big => assert!(self.big.insert(key), "was not listed as big"),
                Listed::Down => assert!(self.down.insert(key), "was not listed as down"),
            }
            self.has_openable.set(usize::from(host.home), !home.is_empty());
            host.listed = listed;
        }
        let Some(live) = &mut host.live else { return };
        let may_use = is_ready && live.in_use < window;
        for hold in &mut live.holds {
            let listed = match may_use && hold.idle() > 0 {
                false => Reuse::Nowhere,
                true if hold.turn < limits::TURN_JOBS => Reuse::Continuing,
                true => Reuse::Turned,
            };
            if listed != hold.listed {
                let core = &mut self.cores[hold.core];
                let was = core.reuse_list(hold.listed).is_none_or(|list| list.remove(&key));
                let is = core.reuse_list(listed).is_none_or(|list| list.insert(key));
                assert!(was && is, "a hold knows where it is listed");
                self.has_reusable.set(hold.core, core.has_reusable());
                hold.listed = listed;
            }
        }
    }

    /// Takes a host out of all lists, before its stamp or its home changes.
    pub(super) fn unlist(&mut self, index: u32) {
        let host = self.hosts.at_mut(index);
        let key = (host.stamp, index);
        let home = &mut self.cores[usize::from(host.home)].openable;
        match std::mem::replace(&mut host.listed, Listed::Nowhere) {
            Listed::Nowhere => {}
            Listed::Home => assert!(home.remove(&key), "listed at home"),
            Listed::Big => assert!(self.big.remove(&key), "listed as big"),
            Listed::Down => assert!(self.down.remove(&key), "listed as down"),
        }
        self.has_openable.set(usize::from(host.home), !home.is_empty());
        let Some(live) = &mut host.live else { return };
        for hold in &mut live.holds {
            let core = &mut self.cores[hold.core];
            if let Some(list) = core.reuse_list(hold.listed) {
                list.remove(&key);
                self.has_reusable.set(hold.core, core.has_reusable());
                hold.listed = Reuse::Nowhere;
            }
        }
    }
}

/// Counts one host in or out.
fn adjust(count: &mut usize, was: &mut bool, is: bool) {
    match (*was, is) {
        (false, true) => *count += 1,
        (true, false) => *count -= 1,
        (true, true) | (false, false) => {}
    }
    *was = is;
}
