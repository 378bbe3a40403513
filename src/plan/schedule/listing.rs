//! Which lists a host is in, and how long its record lives.

use super::Schedule;
use super::hosts::{Listed, Name};
use crate::limits;

impl<T> Schedule<T> {
    /// Brings lists, holds and the record itself in line with what has changed in the record.
    pub(super) fn settle(&mut self, index: u32) {
        self.list(index);
        let host = self.hosts.at_mut(index);
        if let Some(live) = &mut host.live {
            live.holds.retain(|hold| hold.held() > 0);
            if live.holds.is_empty() && live.waits_until_ms.is_none() {
                host.live = None;
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
        adjust(&mut self.parked, &mut host.is_parked, is_parked);
        if is_idle && (!is_parked || self.parked > limits::PAUSED_ORIGINS_MAX) {
            self.forget(index);
        }
    }

    /// Frees the record of a host that is in no list.
    fn forget(&mut self, index: u32) {
        let host = self.hosts.remove(index);
        self.cores[usize::from(host.home)].hosts -= 1;
        self.parked -= usize::from(host.is_parked);
        self.ahead -= usize::from(host.is_ahead);
        self.unknown -= usize::from(host.name_state == Name::Unknown);
        if let Some(until) = host.waits_until_ms() {
            self.pauses.remove(&(until, index));
        }
    }

    /// Puts a host into the lists it belongs to, and takes it out of the others.
    fn list(&mut self, index: u32) {
        let queue_small_max = self.queue_small_max();
        let per_host_max = self.limits.per_host_max;
        let host = self.hosts.at_mut(index);
        let is_known = matches!(host.name_state, Name::Known | Name::Served);
        let is_ready = host.has_queued() && is_known && host.waits_until_ms().is_none();
        let listed = if !is_ready || host.open() >= per_host_max {
            Listed::Nowhere
        } else if host.queued() > queue_small_max {
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
            }
            match listed {
                Listed::Nowhere => {}
                Listed::Home => assert!(home.insert(key), "was not listed at home"),
                Listed::Big => assert!(self.big.insert(key), "was not listed as big"),
            }
            self.has_openable.set(usize::from(host.home), !home.is_empty());
            host.listed = listed;
        }
        let Some(live) = &mut host.live else { return };
        for hold in &mut live.holds {
            let is_listed = is_ready && hold.idle() > 0;
            if is_listed != hold.is_listed {
                let reusable = &mut self.cores[hold.core].reusable;
                let is_changed =
                    if is_listed { reusable.insert(key) } else { reusable.remove(&key) };
                assert!(is_changed, "a hold knows whether it is listed");
                self.has_reusable.set(hold.core, !reusable.is_empty());
                hold.is_listed = is_listed;
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
        }
        self.has_openable.set(usize::from(host.home), !home.is_empty());
        let Some(live) = &mut host.live else { return };
        for hold in live.holds.iter_mut().filter(|hold| hold.is_listed) {
            let reusable = &mut self.cores[hold.core].reusable;
            reusable.remove(&key);
            self.has_reusable.set(hold.core, !reusable.is_empty());
            hold.is_listed = false;
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
