//! Names looked up ahead of the work: a host whose name is not known yet takes no slot.
//!
//! Names are asked for in the order in which their hosts first got work, and only so far ahead of
//! the work that answers are still fresh when they are used: hosts that were asked for, or that are
//! known and could be served but have not been, count. A host that is known and may not be served
//! now (it rests, for instance) does not count, so that it is in no other host's way.
//!
//! A caller that learns of [`Schedule::has_unresolved`] takes names by
//! [`Schedule::next_unresolved`] until there is none. A push that finds every core asleep wakes one
//! for that alone.

use super::Schedule;
use super::answers::Wake;
use super::hosts::Name;
use super::place::{HostId, Place};

impl<T> Schedule<T> {
    /// Whether there is a name to be asked for now.
    pub fn has_unresolved(&self) -> bool {
        self.unknown > 0 && self.ahead < self.limits.resolve_ahead_max
    }

    /// The next host (`name[:port]`) whose name is to be asked for now. [`Self::resolved`] follows,
    /// whatever the answer is.
    pub fn next_unresolved(&mut self) -> Option<(HostId, Box<str>)> {
        while self.has_unresolved() {
            let id = self.unasked.pop_front().expect("a host that is unknown is in line");
            let Some(index) = self.hosts.find_id(id) else { continue };
            let host = self.hosts.at_mut(index);
            assert_eq!(host.name_state, Name::Unknown, "a host is in line once");
            host.name_state = Name::Asked;
            self.unknown -= 1;
            self.reindex(index);
            return Some((id, self.hosts.name(index).into()));
        }
        None
    }

    /// Takes note that the question for a host is answered: its jobs may begin, if only to fail for
    /// want of an address. An answer for a host that was forgotten meanwhile changes nothing.
    pub fn resolved(&mut self, host: HostId) -> Wake {
        let Some(index) = self.hosts.find_id(host) else { return Wake::Nobody };
        let host = self.hosts.at_mut(index);
        if host.name_state != Name::Asked {
            return Wake::Nobody;
        }
        host.name_state = Name::Known;
        let home = usize::from(host.home);
        self.reindex(index);
        self.wake(home)
    }

    /// Takes note that the answer for a host is no longer valid: its name is asked for again,
    /// before all others, and no job of it begins until then. Nothing happens where names are not
    /// resolved ahead, or while this one is asked for already.
    pub fn unresolve(&mut self, place: Place<'_>) -> Wake {
        let Some(index) = self.hosts.find(place.host) else { return Wake::Nobody };
        let host = self.hosts.at_mut(index);
        let is_asked_for = matches!(host.name_state, Name::Unknown | Name::Asked);
        if self.limits.resolve_ahead_max == 0 || is_asked_for {
            return Wake::Nobody;
        }
        host.name_state = Name::Unknown;
        let home = usize::from(host.home);
        self.unknown += 1;
        self.unasked.push_front(self.hosts.id(index));
        self.reindex(index);
        self.wake(home)
    }
}
