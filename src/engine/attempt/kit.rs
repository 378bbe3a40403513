//! What the attempts of one core work with.

use crate::config::{Config, Pipeline, ProgressMode, Timeouts};
use crate::engine::attempt::keep_alive::Origins;
use crate::engine::attempt::leftovers::Leftovers;
use crate::engine::attempt::pace::Paces;
use crate::engine::attempt::rules::Robots;
use crate::engine::attempt::transfers::Transfers;
use crate::engine::moment::{Bounds, Clocks};
use crate::engine::state::stop::StopFlag;
use crate::limits::FIRST_BUFFERS_FROM;
use crate::plan::address::AddressPolicy;
use crate::plan::eyeballs;
use crate::plan::proxy::Proxies;
use crate::plan::requests::Requests;
use crate::plan::target::Target;
use crate::plan::verdict;
use crate::ring::Network;
use crate::ring::buf::{BufPool, RecvBuf, Size};
use crate::ring::conn::Connection;
use crate::ring::deadline::{Deadlines, StallLimits};
use crate::ring::dir::Dir;
use crate::ring::dns::Resolver;
use crate::ring::io::Io;
use crate::ring::tls::Settings;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// What the attempts of all cores have in common.
pub(crate) struct Common {
    /// When the run began: all times count from here.
    pub(crate) began: Instant,
    /// How far the end of the run has come.
    pub(crate) stop: Arc<StopFlag>,
    /// Bandwidth limits, where there are any.
    pub(crate) paces: Option<Paces>,
    /// How far origins can be trusted with a connection that is used again.
    pub(crate) origins: Origins,
    /// What is known of robots.txt files.
    pub(crate) robots: Robots,
    /// Which addresses answer.
    eyeballs: Mutex<eyeballs::Memory>,
}

impl Common {
    /// Nothing is known so far.
    pub(crate) fn new(config: &Config, began: Instant, stop: Arc<StopFlag>) -> Self {
        Self {
            began,
            stop,
            paces: Paces::new(&config.bandwidth),
            origins: Origins::default(),
            robots: Robots::new(&config.request.user_agent),
            eyeballs: Mutex::default(),
        }
    }

    /// What is remembered of addresses.
    pub(crate) fn eyeballs(&self) -> MutexGuard<'_, eyeballs::Memory> {
        self.eyeballs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How connections are made, for all cores of a run.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) dns: Resolver,
    pub(crate) tls: Settings,
    pub(crate) proxies: Arc<Proxies>,
}

/// The means of one core; all of it belongs to its thread.
pub(crate) struct Kit {
    pub(crate) common: Arc<Common>,
    /// Backend of the core.
    pub(crate) io: Io,
    /// Where answers come from.
    pub(crate) network: Network,
    pub(crate) clocks: Clocks,
    pub(crate) deadlines: Deadlines,
    pub(crate) timeouts: Timeouts,
    /// What is expected of a peer while a body is received.
    pub(crate) patience: StallLimits,
    pub(crate) buffers: BufPool,
    pub(crate) dir: Dir,
    pub(crate) dns: Resolver,
    pub(crate) address_policy: AddressPolicy,
    pub(crate) tls: Settings,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) requests: Requests,
    pub(crate) policy: verdict::Policy,
    /// Whether robots.txt is asked for, and obeyed.
    pub(crate) obeys_robots: bool,
    /// How many requests go out on one connection at a time.
    pub(crate) pipeline: Pipeline,
    /// Whether waits are told of.
    pub(crate) tells_waits: bool,
    /// What the attempts do, for who asks.
    pub(crate) transfers: Transfers,
    /// Attempts to connect that lost, on their way to their end.
    pub(crate) leftovers: Rc<Leftovers>,
    /// Jobs that are under way on this core.
    pub(crate) in_flight: Cell<usize>,
    /// Polls of attempts so far: while it stands, nobody has waited for anything.
    pub(crate) polls: Cell<u64>,
    /// Tells everybody who waits that the run is to stop now.
    pub(crate) interrupt: Notify,
    request_memory: RefCell<Vec<Vec<u8>>>,
}

impl Kit {
    /// The means of a core that makes files beneath `dir`.
    pub(crate) fn new(
        config: &Config,
        common: Arc<Common>,
        ways: Ways,
        requests: Requests,
        (io, dir): (Io, Dir),
    ) -> Self {
        let Ways { dns, tls, proxies } = ways;
        Self {
            clocks: Clocks::new(common.began),
            deadlines: Deadlines::new(common.began),
            timeouts: config.timeouts,
            patience: patience(&config.timeouts),
            buffers: io.buffers(),
            dir: dir.by(io.clone()),
            io,
            network: config.network,
            dns,
            address_policy: config.address_policy,
            tls,
            proxies,
            requests,
            policy: verdict::Policy {
                redirects: config.redirects,
                robots_token: common.robots.token().into(),
                robots_tags: config.robots.tags.clone(),
            },
            obeys_robots: config.robots.is_obeyed,
            pipeline: config.pipeline,
            tells_waits: config.summary && config.progress.mode != ProgressMode::Json,
            transfers: Transfers::default(),
            leftovers: Rc::default(),
            in_flight: Cell::new(0),
            polls: Cell::new(0),
            interrupt: Notify::new(),
            request_memory: RefCell::default(),
            common,
        }
    }

    /// Milliseconds since the run began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.deadlines.now_ms()
    }

    /// What connections are made with.
    pub(crate) fn means(&self) -> (&Io, &Deadlines) {
        (&self.io, &self.deadlines)
    }

    /// What ends the waits of a job that is over at `job_at_ms` of the run.
    pub(crate) fn bounds(&self, job_at_ms: u64) -> Bounds<'_> {
        let (io, began, interrupt) = (&self.io, self.common.began, &self.interrupt);
        Bounds { io, began, job_at_ms, interrupt }
    }

    /// Gives a connection to the origin of `target` back if nothing has come on it since its last
    /// response; otherwise closes it.
    pub(crate) fn undisturbed(
        &self,
        connection: Connection,
        target: &Target,
    ) -> Option<Connection> {
        self.common.origins.undisturbed(connection, target.origin_str(), self.polls.get())
    }

    /// The buffer with which an answer is waited for: none where the answer brings its memory. A
    /// buffer that a body was received into keeps its memory, and where very many wait there would
    /// be one for each of them.
    pub(crate) fn first_buffer(&self) -> RecvBuf {
        match self.in_flight.get() {
            _ if self.io.provides_memory() => RecvBuf::default(),
            ..=FIRST_BUFFERS_FROM => self.buffers.take(Size::Small),
            _ => self.buffers.take(Size::First),
        }
    }

    /// Memory for a request, used again.
    pub(crate) fn request_memory(&self) -> Vec<u8> {
        self.request_memory.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes such memory back.
    pub(crate) fn keep_request_memory(&self, memory: Vec<u8>) {
        if memory.capacity() <= REQUEST_BYTES_KEPT_MAX {
            self.request_memory.borrow_mut().push(memory);
        }
    }
}

/// When a body is given up.
fn patience(timeouts: &Timeouts) -> StallLimits {
    let window_bytes = timeouts.speed_min.saturating_mul(timeouts.speed_ms);
    StallLimits {
        idle_ms: timeouts.read_ms,
        window_ms: timeouts.speed_ms,
        window_bytes_min: window_bytes.div_ceil(1_000),
    }
}

/// Longest memory of a request that is kept for the next one, in bytes.
const REQUEST_BYTES_KEPT_MAX: usize = 4_096;
