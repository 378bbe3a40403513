//! Which lists a host is in, and how long its record lives.

use super::Schedule;
use super::breaker::Breaker;
use super::choose::queue_small_max;
use super::hosts::{Name, ReadyList, Reuse};
use crate::limits;

impl<T> Schedule<T> {
    /// Brings the lists of a host and its record itself in line with what has changed in the
    /// record.
    pub(super) fn reindex(&mut self, index: u32) {
        if self.hosts.at(index).active.as_ref().is_some_and(|active| active.is_spaced()) {
            self.rewait(index);
        }
        self.list(index);
        let now_ms = self.now_ms;
        let limits = self.limits;
        let host = self.hosts.at_mut(index);
        let has_jobs = host.waiting() > 0;
        if let Some(active) = &mut host.active {
            active.by_core.retain(|of_core| of_core.open() > 0);
            let is_waiting = active.waits_until_ms.is_some() || active.due.at_ms() > now_ms;
            // Jobs that wait find the window that was found.
            let has_window = active.throttle.window(&limits) != limits.per_host_first;
            let is_known = active.throttle.is_remarkable() || has_jobs && has_window;
            if active.by_core.is_empty() && !is_waiting && !is_known {
                host.active = None;
            } else if active.by_core.is_empty() && !has_jobs {
                active.throttle.forget();
            }
        }
        let is_ahead = match host.name_state {
            Name::Unknown | Name::Served => false,
            Name::Asked => true,
            Name::Known => host.ready_list != ReadyList::Nowhere,
        };
        adjust(&mut self.ahead, &mut host.is_ahead, is_ahead);
        let is_idle = !host.has_queued() && host.deferred == 0 && host.open() == 0;
        let is_dormant = is_idle && host.active.is_some();
        let key = (host.last_served, index);
        match (host.is_dormant, is_dormant) {
            (false, true) => assert!(self.dormant.insert(key), "was not parked"),
            (true, false) => assert!(self.dormant.remove(&key), "was parked"),
            (true, true) | (false, false) => {}
        }
        host.is_dormant = is_dormant;
        if is_idle && !is_dormant {
            self.forget(index);
        } else if self.dormant.len() > limits::HOSTS_REMEMBERED_MAX
            && let Some((_, oldest)) = self.dormant.first()
        {
            self.forget(*oldest);
        }
    }

    /// Frees the record of a host that is in no list.
    fn forget(&mut self, index: u32) {
        let host = self.hosts.remove(index);
        self.cores[usize::from(host.home)].hosts -= 1;
        if host.is_dormant {
            self.dormant.remove(&(host.last_served, index));
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
        let breaker = host.active.as_ref().map(|active| &active.throttle.breaker);
        let is_down = breaker.is_some_and(Breaker::is_down);
        let is_held = is_down || breaker.is_some_and(Breaker::is_probing);
        let is_waiting = host.waits_until_ms().is_some();
        let is_spread = host.active.as_ref().is_some_and(|active| active.is_spread);
        let window = host.window(&self.limits);
        let is_ready = host.has_queued() && is_known && !is_waiting && !is_held;
        let ready_list = if is_down && host.has_queued() {
            ReadyList::Down
        } else if !is_ready || host.open() >= window {
            ReadyList::Nowhere
        } else if is_spread || host.queued() > queue_small_max(window) {
            ReadyList::Big
        } else {
            ReadyList::Home
        };
        let key = (host.last_served, index);
        if ready_list != host.ready_list {
            let home = &mut self.cores[usize::from(host.home)].openable;
            match host.ready_list {
                ReadyList::Nowhere => {}
                ReadyList::Home => assert!(home.remove(&key), "listed at home"),
                ReadyList::Big => assert!(self.big.remove(&key), "listed as big"),
                ReadyList::Down => assert!(self.down.remove(&key), "listed as down"),
            }
            match ready_list {
                ReadyList::Nowhere => {}
                ReadyList::Home => assert!(home.insert(key), "was not listed at home"),
                ReadyList::Big => assert!(self.big.insert(key), "was not listed as big"),
                ReadyList::Down => assert!(self.down.insert(key), "was not listed as down"),
            }
            self.has_openable.set(usize::from(host.home), !home.is_empty());
            host.ready_list = ready_list;
        }
        let Some(active) = &mut host.active else { return };
        let may_use = is_ready && active.in_use < window;
        for of_core in &mut active.by_core {
            let ready_list = match may_use && of_core.idle() > 0 {
                false => Reuse::Nowhere,
                true if of_core.quantum_used < limits::QUANTUM_JOBS => Reuse::Continuing,
                true => Reuse::QuantumOver,
            };
            if ready_list != of_core.ready_list {
                let core = &mut self.cores[of_core.core];
                let was = core.reuse_list(of_core.ready_list).is_none_or(|list| list.remove(&key));
                let is = core.reuse_list(ready_list).is_none_or(|list| list.insert(key));
                assert!(was && is, "a hold knows where it is listed");
                self.has_reusable.set(of_core.core, core.has_reusable());
                of_core.ready_list = ready_list;
            }
        }
    }

    /// Takes a host out of all lists, before its `last_served` or its home changes.
    pub(super) fn unlist(&mut self, index: u32) {
        let host = self.hosts.at_mut(index);
        let key = (host.last_served, index);
        let home = &mut self.cores[usize::from(host.home)].openable;
        match std::mem::replace(&mut host.ready_list, ReadyList::Nowhere) {
            ReadyList::Nowhere => {}
            ReadyList::Home => assert!(home.remove(&key), "listed at home"),
            ReadyList::Big => assert!(self.big.remove(&key), "listed as big"),
            ReadyList::Down => assert!(self.down.remove(&key), "listed as down"),
        }
        self.has_openable.set(usize::from(host.home), !home.is_empty());
        let Some(active) = &mut host.active else { return };
        for of_core in &mut active.by_core {
            let core = &mut self.cores[of_core.core];
            if let Some(list) = core.reuse_list(of_core.ready_list) {
                list.remove(&key);
                self.has_reusable.set(of_core.core, core.has_reusable());
                of_core.ready_list = Reuse::Nowhere;
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
