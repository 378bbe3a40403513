//! What a run needs before it begins, and the step after which it has begun.

use crate::config::{Config, RequestConfig, StatsFile};
use crate::engine::books::closing::Books;
use crate::engine::books::dns_cache::DnsCache;
use crate::engine::books::journal::{self, Body, Opened, Removal, Stale, Syncer, Tally, Watched};
use crate::engine::books::listener::RowListener;
use crate::engine::books::parquet::{PendingTable, Table, restore};
use crate::engine::books::replace::Replacement;
use crate::engine::books::row_sink::RowSink;
use crate::engine::books::session::Session;
use crate::engine::books::shard_claim::ShardClaim;
use crate::engine::books::shards::settle;
use crate::engine::books::write_out::RowPrinter;
use crate::engine::feed::compare::follow;
use crate::engine::feed::inputs::Lists;
use crate::engine::feed::naming::{Naming, beneath};
use crate::engine::output::destination::Output;
use crate::engine::output::dir_rules::DirRules;
use crate::engine::output::stored_once::StoredOnce;
use crate::engine::queue::jobs::Queue;
use crate::engine::run::folder::{check_output, irreplaceable, open_dir};
use crate::engine::run::scarcity;
use crate::engine::run::signals::Signals;
use crate::engine::run::sizes::{Sizes, sized};
use crate::engine::run::threads::ToStart;
use crate::engine::shared::Shared;
use crate::engine::state::stop::{Stop, StopFlag};
use crate::engine::state::wakes::Wakes;
use crate::engine::watch::observe;
use crate::error::RunError;
use crate::http::request::{Codings, Parts};
use crate::plan::contents::First;
use crate::plan::requests::Requests;
use crate::report::journal::{Check, Fate};
use crate::ring::dir::{Dir, FileSystem};
use crate::ring::dns::Resolver;
use crate::ring::heap;
use crate::ring::listen::Listener;
use crate::ring::setup;
use crate::ring::stream;
use crate::ring::tls::Settings;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// A run that could begin: all that it needs was opened, looked at and found good, and no file of
/// an earlier run was replaced. It may be dropped.
pub(crate) struct Prepared {
    /// With as much at once as this machine allows.
    config: Config,
    /// Number of the first shard that may be begun, where bodies are packed.
    first_shard: u64,
    shard_claim: Option<ShardClaim>,
    metrics: Option<Listener>,
    lists: Lists,
    naming: Naming,
    dir: Dir,
    rules: DirRules,
    /// Idle connections that one core may keep.
    idle_max: usize,
    /// What the report becomes in the end, if that is another file.
    table: Option<Table>,
    opened: Option<Opened>,
    check: Check,
    /// What is flushed in the end.
    file_system: Option<FileSystem>,
    tls: Settings,
    requests: Requests,
    dns: Resolver,
    dns_cache: Option<DnsCache>,
    /// Bodies that earlier runs have stored, where each is to be stored once.
    stored_once: Option<StoredOnce>,
}

/// A run that has begun: what earlier runs left under the names of its files is replaced.
pub(crate) struct Begun {
    pub(crate) shared: Arc<Shared>,
    pub(crate) to_start: ToStart,
    pub(crate) beside: Beside,
}

/// What goes on beside the jobs of a run, and is finished after them.
pub(crate) struct Beside {
    pub(crate) started_at: SystemTime,
    pub(crate) stats_file: Option<Replacement>,
    pub(crate) file_system: Option<FileSystem>,
    pub(crate) dns_cache: Option<DnsCache>,
    /// The file that the report becomes in the end.
    pub(crate) table: Option<PendingTable>,
    /// The report where it is looked for.
    pub(crate) watched: Option<Watched>,
    pub(crate) syncer: Option<Syncer>,
    /// The removal of what earlier runs left unfinished.
    pub(crate) removal: Option<Removal>,
    pub(crate) shard_claim: Option<ShardClaim>,
}

impl Prepared {
    /// Opens and looks at everything that a run needs, which may have `nofile` files open.
    ///
    /// # Errors
    /// The run cannot begin: no io_uring, a list that cannot be read or is another one than that of
    /// the report, a directory or report that cannot be written, too little of something.
    pub(crate) fn open(config: &Config, nofile: u64) -> anyhow::Result<Self> {
        if config.backend.has_ring() {
            setup::check_io_uring()?;
        }
        let metrics = observe::listen(config.metrics_addr)?;
        let mut lists = Lists::open(&config.inputs, &config.input, &config.dir)?;
        let mut naming = Naming::new(config);
        let tls = Settings::new(&config.tls)?;
        let Sizes { config, idle_max, folders_max } = sized(config, nofile)?;
        let mut dir = open_dir(&config)?;
        let rules = DirRules::new(&config, config.destination.has_files().then_some(&dir));
        let stored_once = config
            .dedupe
            .contents
            .then(|| StoredOnce::new(config.dir.clone(), config.dedupe.memory_bytes));
        let mut tally = Tally::new(&config);
        let told = (&mut naming, stored_once.as_ref(), &mut tally);
        let (mut opened, table) = open_report(&config, told, (&dir, &rules))?;
        if let Some(opened) = &opened {
            opened.mark(&mut dir, config.on_conflict, config.destination.archive().is_some());
            dir.set_links(config.dedupe.contents && config.destination.has_files());
        }
        let names = tally.names.map(|names| ShardClaim::take(&config.dir, names));
        let shard_claim = names.transpose()?.flatten();
        let first_shard = settle(&config, &tally, opened.as_mut(), &dir)?;
        let file_system = check_output(&config, &dir)?;
        let check = follow(&config, opened.as_mut(), &mut lists, (&dir, &rules), &mut naming)?;
        let dir = dir.keeping(folders_max);
        let requests = requests(&config.request)?;
        let dns = Resolver::start(&config.dns).with_context(scarcity::too_little)?;
        let cache = config.dns_cache.as_deref();
        let dns_cache = cache.map(|path| DnsCache::open(path, &dns)).transpose()?;
        drop(tally);
        Ok(Self {
            config,
            first_shard,
            shard_claim,
            metrics,
            lists,
            naming,
            dir,
            rules,
            idle_max,
            table,
            opened,
            check,
            file_system,
            tls,
            requests,
            dns,
            dns_cache,
            stored_once,
        })
    }

    /// Begins: the files that the run writes are made, and its report is ready for rows. From now
    /// on signals end it in good order.
    ///
    /// # Errors
    /// A file of the run cannot be written.
    pub(crate) fn begin(
        self,
        signals: &Signals,
        listener: Option<RowListener>,
    ) -> anyhow::Result<Begun> {
        let Self { config, mut naming, mut dir, mut opened, table, check, .. } = self;
        let stats_file = config.stats.as_ref().map(|stats| create(stats, &config)).transpose()?;
        let session = Session::of(&config)?;
        let report = begin_report(&config, opened.as_mut(), check.last(), &dir)?;
        let (stale, removal) = report.unzip();
        let to_sync = opened.as_ref().map(Opened::to_sync).transpose()?.flatten();
        let watched = Watched::of(&config, opened.as_ref())?;
        let table = table.zip(opened.as_ref()).map(|(table, opened)| table.begin(opened));
        let table = table.transpose()?;
        let lost = opened.as_mut().map(|opened| std::mem::take(&mut opened.lost));
        let report = opened.map(Opened::into_appending);
        let mut rows = RowSink::new(report, &config.budget, config.disk_wait_ms > 0);
        rows.print(RowPrinter::of(&config));
        rows.tell(listener);
        signals.set_begun();
        naming.reserve(&config);
        dir.set_kept(irreplaceable(&config));
        let (began, started_at) = (Instant::now(), SystemTime::now());
        let wakes = Arc::new(Wakes::new(config.cpus.len()));
        let queue = Queue::new(config.limits, config.budget.files_max, Arc::clone(&wakes));
        let stop = Arc::new(StopFlag::new(wakes));
        let books = Books::new(rows, session, Arc::clone(&stop));
        let lost = lost.unwrap_or_default();
        let output = Output::new(&config, self.rules, lost).storing_once(self.stored_once);
        output.archive.iter().for_each(|archive| archive.begin_at(self.first_shard));
        let shared = Arc::new(Shared::new(config, began, queue, stop, books, output));
        write_rows_at_last(&shared);
        shared.gauges.watch_dns(&self.dns);
        let syncer = journal::start_sync(to_sync, &shared.config, for_sync(&shared))?;
        let to_start = ToStart {
            metrics: self.metrics,
            lists: self.lists,
            naming,
            dir,
            idle_max: self.idle_max,
            check,
            stale,
            tls: self.tls,
            requests: self.requests,
            dns: self.dns,
        };
        let (file_system, dns_cache) = (self.file_system, self.dns_cache);
        let beside = Beside {
            started_at,
            stats_file,
            file_system,
            dns_cache,
            table,
            watched,
            syncer,
            removal,
            shard_claim: self.shard_claim,
        };
        Ok(Begun { shared, to_start, beside })
    }
}

/// What all requests of a run say.
fn requests(config: &RequestConfig) -> anyhow::Result<Requests> {
    let parts = Parts {
        user_agent: &config.user_agent,
        referer: config.referer.as_deref(),
        codings: if config.compressed { Codings::Gzip } else { Codings::Identity },
        fields: &config.headers,
    };
    let requests = Requests::new(&parts, config.basic_auth.as_deref(), config.netrc.clone());
    requests.context("cannot use the given headers")
}

/// Opens the report, if there is to be one, and reads what earlier runs wrote there.
fn open_report(
    config: &Config,
    (naming, stored_once, tally): (&mut Naming, Option<&StoredOnce>, &mut Tally<'_>),
    (dir, rules): (&Dir, &DirRules),
) -> anyhow::Result<(Option<Opened>, Option<Table>)> {
    let Some(report) = &config.report else { return Ok((None, None)) };
    let kept = config.input.columns.report_names();
    let restored = restore(report, &kept, config.journal.is_fresh)?;
    let opened = journal::open(report, kept, config, dir, |filename, fate, body| {
        tally.count(filename, fate);
        if fate == Fate::Good && config.destination.has_files() {
            naming.keep(filename, (&config.dir, dir), rules);
        }
        if let (Some(stored_once), Some(body)) = (stored_once, body)
            && let Some(path) = beneath(&config.dir, filename)
        {
            let Body { index, key, size } = body;
            stored_once.remember(key, &First { index, size, print: None, path });
        }
    })?;
    let table = restored.map(|restored| restored.checked(&opened)).transpose()?;
    Ok((Some(opened), table))
}

/// Makes the report ready for rows, and begins to look for what its runs left unfinished.
fn begin_report(
    config: &Config,
    opened: Option<&mut Opened>,
    last: u64,
    dir: &Dir,
) -> anyhow::Result<Option<(Stale, Removal)>> {
    let (Some(report), Some(opened)) = (&config.report, opened) else { return Ok(None) };
    opened.begin(&report.path, config)?;
    if !config.destination.has_dir() {
        return Ok(None);
    }
    opened.remove_stale(dir, last, config.limits.lookahead_max)
}

/// Has the rows written whatever happens.
fn write_rows_at_last(shared: &Arc<Shared>) {
    // What is set there stays to the end of the process, and drafts are to go with their run.
    let shared = Arc::downgrade(shared);
    heap::set_last_resort(move || {
        if let Some(shared) = shared.upgrade() {
            shared.books.flush_at_last();
        }
    });
}

/// What the thread that syncs asks of a run, for as long as there is one.
fn for_sync(shared: &Arc<Shared>) -> journal::Run {
    let (flushed, stopped) = (Arc::downgrade(shared), Arc::downgrade(shared));
    journal::Run {
        flush: Box::new(move || {
            if let Some(shared) = flushed.upgrade() {
                shared.books.rows().flush();
            }
        }),
        stop: Box::new(move || {
            if let Some(shared) = stopped.upgrade() {
                shared.stop.set(Stop::Draining);
            }
        }),
    }
}

/// Begins the file of the statistics: it takes its name at the end of the run.
fn create(stats: &StatsFile, config: &Config) -> anyhow::Result<Replacement> {
    let waits = config.disk_wait_ms > 0;
    let file = match &stats.outlet {
        Some(outlet) => stream::open_to_end(outlet).map(|file| Replacement::in_place(file, waits)),
        None => Replacement::begin_or_in_place(&stats.path, waits),
    };
    file.with_context(|| RunError::local_file(format!("cannot write {}", stats.path.display())))
}
