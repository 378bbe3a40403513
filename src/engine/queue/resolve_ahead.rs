//! Names that are looked up ahead: whenever the schedule has hosts whose names are not known, these
//! are asked for before their jobs begin. Nobody polls: cores call [`ResolveAhead::ask`] when the
//! schedule says so, and the resolver's thread calls it after each answer.

use crate::engine::attempt::open::is_looked_up_ahead;
use crate::engine::queue::jobs::Queue;
use crate::engine::state::stop::{Stop, StopFlag};
use crate::plan::address;
use crate::plan::proxy::Proxies;
use crate::plan::schedule::HostId;
use crate::ring::dns::Resolver;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Brings names from the schedule to the resolver, and answers back.
pub(crate) struct ResolveAhead {
    queue: Arc<Queue>,
    stop: Arc<StopFlag>,
    dns: Resolver,
    proxies: Arc<Proxies>,
    /// Calls that have not been served yet; the first caller serves those that come meanwhile.
    calls: AtomicUsize,
}

impl ResolveAhead {
    pub(crate) fn new(
        queue: &Arc<Queue>,
        stop: &Arc<StopFlag>,
        dns: &Resolver,
        proxies: &Arc<Proxies>,
    ) -> Self {
        Self {
            queue: Arc::clone(queue),
            stop: Arc::clone(stop),
            dns: dns.clone(),
            proxies: Arc::clone(proxies),
            calls: AtomicUsize::new(0),
        }
    }

    /// Asks for every name that the schedule gives out now.
    pub(crate) fn ask(self: &Arc<Self>) {
        // An answer may come while its question is put, and calls this: then it goes on here and
        // not one call deeper.
        if self.calls.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mut served = 1;
        loop {
            self.ask_all();
            match self.calls.compare_exchange(served, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(calls) => served = calls,
            }
        }
    }

    fn ask_all(self: &Arc<Self>) {
        while self.stop.get() == Stop::Running {
            let next = self.queue.next_unresolved();
            let Some((id, host)) = next else { return };
            if !is_looked_up_ahead(&self.proxies, &self.dns, &host) {
                self.answered(id);
                continue;
            }
            let (name, _) = address::name_and_port(&host);
            let this = Arc::clone(self);
            self.dns.ask(name, move || this.answered(id));
        }
    }

    /// The jobs of a host may begin, if only to learn that it has no address.
    fn answered(self: &Arc<Self>, id: HostId) {
        if self.queue.resolved(id) {
            self.ask();
        }
    }
}
