//! The threads of a run: one a core, and one that reads.

use crate::engine::attempt::kit::{Common, Ways};
use crate::engine::books::journal::Stale;
use crate::engine::core::state::Seed;
use crate::engine::core::worker;
use crate::engine::feed::inputs::Lists;
use crate::engine::feed::judge::Judge;
use crate::engine::feed::naming::Naming;
use crate::engine::feed::reader::Reader;
use crate::engine::queue::resolve_ahead::ResolveAhead;
use crate::engine::run::scarcity;
use crate::engine::say::heard;
use crate::engine::shared::Shared;
use crate::engine::watch::observe;
use crate::plan::requests::Requests;
use crate::report::journal::Check;
use crate::ring::dir::Dir;
use crate::ring::dns::Resolver;
use crate::ring::listen::{Listener, Serving};
use crate::ring::tls::Settings;
use anyhow::Context as _;
use std::sync::Arc;
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime};

/// What the threads of a run are started with.
pub(crate) struct ToStart {
    pub(crate) metrics: Option<Listener>,
    pub(crate) lists: Lists,
    pub(crate) naming: Naming,
    pub(crate) dir: Dir,
    /// Idle connections that one core may keep.
    pub(crate) idle_max: usize,
    pub(crate) check: Check,
    pub(crate) stale: Option<Stale>,
    pub(crate) tls: Settings,
    pub(crate) requests: Requests,
    pub(crate) dns: Resolver,
}

/// The threads of a run.
pub(crate) struct Threads {
    cores: Vec<Running>,
    reader: Running,
    /// Serves metrics until it is dropped.
    metrics: Option<Serving>,
}

/// A thread, and what its part of the run comes to.
type Running = JoinHandle<anyhow::Result<()>>;

impl ToStart {
    /// Starts them.
    ///
    /// # Errors
    /// There is no memory for one of them, or no descriptor.
    pub(crate) fn start(
        self,
        shared: &Arc<Shared>,
        started_at: SystemTime,
    ) -> anyhow::Result<Threads> {
        let cores = self.start_cores(shared)?;
        let dir = shared.output.has_files().then(|| self.dir.send()).transpose();
        let dir = dir.context("cannot keep the directory open")?;
        let (lists, naming, check, stale) = (self.lists, self.naming, self.check, self.stale);
        let end = ReaderEnd(Arc::clone(shared));
        let reader = std::thread::Builder::new()
            .name("reader".into())
            .spawn(heard::inherit(move || {
                let shared = &end.0;
                let parts = (&shared.books, &shared.output.names, &shared.reader);
                let judge = Judge::new(&shared.config, parts, dir.map(Dir::from), naming, check);
                Reader::new(shared, lists, judge.clearing(stale)).read_all()
            }))
            .with_context(scarcity::too_little)?;
        let metrics = observe::serve(self.metrics, shared, started_at)?;
        Ok(Threads { cores, reader, metrics })
    }

    fn start_cores(&self, shared: &Arc<Shared>) -> anyhow::Result<Vec<Running>> {
        let Self { dir, idle_max, tls, requests, dns, .. } = self;
        let config = &shared.config;
        let common = Arc::new(Common::new(config, shared.began, Arc::clone(&shared.stop)));
        let proxies = Arc::new(config.proxies.clone());
        let ahead = Arc::new(ResolveAhead::new(&shared.queue, &shared.stop, dns, &proxies));
        let ways = Ways { dns: dns.clone(), tls: tls.clone(), proxies };
        let in_flight_max = config.limits.in_flight_max.div_ceil(config.cpus.len());
        let start = |(index, cpu): (usize, &usize)| {
            let seed = Seed {
                index,
                cpu: *cpu,
                shared: Arc::clone(shared),
                common: Arc::clone(&common),
                ways: ways.clone(),
                ahead: Arc::clone(&ahead),
                requests: requests.clone(),
                dir: dir.send().context("cannot keep the directory open")?,
                in_flight_max,
                idle_max: *idle_max,
            };
            let done = Done(Arc::clone(shared), std::thread::current());
            std::thread::Builder::new()
                .name(format!("core-{cpu}"))
                .spawn(heard::inherit(move || {
                    let _done = done;
                    worker::run(seed).map_err(scarcity::explained)
                }))
                .with_context(scarcity::too_little)
        };
        config.cpus.iter().enumerate().map(start).collect()
    }
}

impl Threads {
    /// Metrics are served no more.
    pub(crate) fn end_metrics(&mut self) {
        self.metrics = None;
    }

    /// The first reason why the run as a whole failed. With `is_stopped` the run was stopped before
    /// its list ended: the reader may sit in a read of a pipe for as long as its writer likes. With
    /// `is_abandoned` a core did not end although it was told to.
    pub(crate) fn join(
        self,
        shared: &Shared,
        is_stopped: bool,
        is_abandoned: bool,
    ) -> Option<anyhow::Error> {
        let bug = || anyhow::anyhow!("a thread panicked: this is a bug");
        let outcome =
            |thread: JoinHandle<anyhow::Result<()>>| thread.join().unwrap_or_else(|_| Err(bug()));
        if is_abandoned {
            return None;
        }
        let failures: Vec<_> =
            self.cores.into_iter().filter_map(|core| outcome(core).err()).collect();
        if let Some(failure) = failures.into_iter().next() {
            return Some(failure);
        }
        if shared.stop.is_broken() {
            return Some(bug());
        }
        // Most often it ends as soon as it sees that the run does.
        let patience_ends = Instant::now() + READER_PATIENCE;
        while is_stopped && !self.reader.is_finished() && !shared.reader.is_list_refused() {
            if patience_ends < Instant::now() && !shared.reader.is_reading_on() {
                return None;
            }
            std::thread::sleep(READER_PATIENCE / 20);
        }
        outcome(self.reader).err()
    }
}

/// Tells the overseeing thread that a core's thread has ended, however it did.
struct Done(Arc<Shared>, Thread);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.stop.core_done();
        self.1.unpark();
    }
}

/// Lets a run end whose reader panicked: nobody would close the input.
struct ReaderEnd(Arc<Shared>);

impl Drop for ReaderEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.set_broken();
        }
    }
}

/// How long the reader may take to end once the run was stopped and its cores have.
const READER_PATIENCE: Duration = Duration::from_millis(100);
