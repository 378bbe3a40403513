//! One core: all of it belongs to its thread.

use crate::engine::attempt::fetch::Fetch;
use crate::engine::attempt::kit::{Common, Kit, Ways};
use crate::engine::attempt::outcome::End;
use crate::engine::core::desk::Desk;
use crate::engine::core::packer::Packer;
use crate::engine::core::rows::Written;
use crate::engine::core::shortage::Shortage;
use crate::engine::moment::Moment;
use crate::engine::queue::resolve_ahead::ResolveAhead;
use crate::engine::shared::Shared;
use crate::engine::state::stop::Stop;
use crate::plan::requests::Requests;
use crate::report::view::{CoreView, TRANSFERS_MAX};
use crate::ring::dir::SentDir;
use crate::ring::io::Io;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use tokio::sync::Notify;

/// What a core is made of, ready to be sent to its thread.
pub(crate) struct Seed {
    pub(crate) index: usize,
    pub(crate) cpu: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) common: Arc<Common>,
    pub(crate) ways: Ways,
    pub(crate) ahead: Arc<ResolveAhead>,
    pub(crate) requests: Requests,
    pub(crate) dir: SentDir,
    /// Jobs in flight on this core.
    pub(crate) in_flight_max: usize,
    /// Idle connections that the core may keep.
    pub(crate) idle_max: usize,
}

/// The state of one core.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) kit: Kit,
    pub(crate) desk: Desk,
    pub(crate) shortage: Shortage,
    pub(crate) packer: Packer,
    pub(crate) slot_ended: Notify,
    random: RefCell<fastrand::Rng>,
    /// The last question about transfers that was answered.
    answered: Cell<u64>,
}

impl Core {
    pub(crate) fn new(seed: Seed, io: Io) -> Self {
        let Seed { index, shared, common, ways, ahead, requests, dir, idle_max, .. } = seed;
        Self {
            kit: Kit::new(&shared.config, common, ways, requests, (io, dir.into())),
            desk: Desk::new(index, Arc::clone(&shared), ahead, idle_max),
            shortage: Shortage::default(),
            packer: Packer::new(shared.output.archive.as_ref()),
            slot_ended: Notify::new(),
            random: RefCell::new(fastrand::Rng::new()),
            answered: Cell::new(0),
            shared,
        }
    }

    /// A random number, for what must not happen everywhere at once.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// Ends a job. The moment after it comes back: a row may wait for the disk of the report, which
    /// is no time of the next job.
    pub(crate) fn close(&self, fetch: Fetch, end: End, now: Moment) -> Moment {
        if let (Some(fault), Some(_)) = (end.fault(), &self.shared.output.archive) {
            self.packer.count_failure(fault);
        }
        match self.desk.rows.close(fetch, end, now) {
            Written::Counted => now,
            Written::Row => self.kit.clocks.now(),
        }
    }

    /// One look at everything that has a deadline.
    pub(crate) fn sweep(&self) {
        let kit = &self.kit;
        kit.clocks.set();
        kit.deadlines.sweep();
        kit.dir.tick();
        self.publish();
        if self.shared.stop.get() == Stop::Now {
            kit.deadlines.interrupt();
            kit.interrupt.notify_waiters();
        }
        self.desk.recall();
        self.desk.grow(kit.clocks.now());
        let is_short = self.shortage.is_new(&self.shared);
        if is_short {
            kit.dir.give_up_folders();
        }
        self.desk.trim_idle(is_short);
    }

    /// Tells those who watch the run how this core stands.
    pub(crate) fn publish(&self) {
        let gauges = &self.shared.gauges;
        let (index, transfers) = (self.desk.index, &self.kit.transfers);
        let view = CoreView { in_flight: self.kit.in_flight.get(), idle: self.desk.idle() };
        gauges.publish(index, view, (transfers.received(), transfers.long()));
        let question = gauges.question();
        if self.answered.replace(question) != question {
            gauges.answer(question, index, transfers.longest(TRANSFERS_MAX));
        }
    }
}
