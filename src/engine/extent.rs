//! How much a run does at once: what was asked for, as far as open files allow it.

use super::progress::say;
use crate::config::{Config, DnsConfig, RequestRate};
use crate::error::RunError;
use crate::plan::schedule::{Limits, Rate};
use crate::ring::setup;

/// The configuration, with as many cores and as much in flight as open files allow.
///
/// # Errors
/// Too few for a single job.
pub(super) fn sized(config: &Config, nofile: u64) -> anyhow::Result<Config> {
    if nofile < NOFILE_MIN {
        let few = format!(
            "{nofile} open files are too few for a single download; raise: ulimit -n {NOFILE_MIN}"
        );
        return Err(RunError::local_file(few).into());
    }
    let nofile = usize::try_from(nofile).unwrap_or(usize::MAX);
    // A question to a name server holds a socket. How many servers /etc/resolv.conf names is not
    // known yet, and questions that get no socket wait.
    let servers = config.dns.servers.len().max(1);
    let questions = (nofile / 16 / servers).max(FDS_OF_QUESTIONS_MIN).min(config.dns.concurrency);
    let left = nofile.saturating_sub(FDS_RESERVED + questions * servers);
    let mut cpus = config.cpus.clone();
    // Half of them at most go to the rings of cores.
    cpus.truncate((left / 2 / FDS_PER_CORE).max(1));
    let left = left.saturating_sub(cpus.len() * FDS_PER_CORE);
    // A job in flight holds a socket and a file; as many again go to idle connections.
    let fits = (left / 4).max(1);
    if fits < config.in_flight_max {
        say(&format!(
            "warning: {nofile} open files allow {fits} jobs in flight, not {}; raise: ulimit -n",
            config.in_flight_max
        ));
    }
    let fits = fits.min(setup::IN_FLIGHT_PER_CORE_MAX * cpus.len());
    let dns = DnsConfig { concurrency: questions, ..config.dns.clone() };
    Ok(Config { in_flight_max: config.in_flight_max.min(fits), cpus, dns, ..config.clone() })
}

/// Folders that a core may keep open: a small part of all descriptors.
pub(super) fn folders_max(nofile: u64, cores: usize) -> usize {
    usize::try_from(nofile).unwrap_or(usize::MAX) / FOLDERS_PART / cores
}

/// Hosts whose names are asked for ahead of their jobs: enough for every job in flight to be
/// followed by another host's, and for the servers to be busy meanwhile. Those whose servers keep
/// silent count as well.
fn resolve_ahead(config: &Config) -> usize {
    let questions = config.dns.concurrency * config.dns.servers.len().max(1);
    (config.in_flight_max.saturating_mul(2).saturating_add(questions)).min(RESOLVE_AHEAD_MAX)
}

/// The caps of the run, as the schedule has them.
pub(super) fn limits(config: &Config) -> Limits {
    let rate = |rate: &RequestRate| Rate::new(rate.count, rate.per_ms);
    Limits {
        cores: config.cpus.len(),
        in_flight_max: config.in_flight_max,
        per_host_max: config.per_host_max,
        lookahead_max: config.lookahead_max,
        resolve_ahead_max: resolve_ahead(config),
        is_window_fixed: config.politeness.is_window_fixed,
        host_fail_limit: config.politeness.host_fail_limit,
        host_fail_wait_ms: config.politeness.host_fail_wait_ms,
        rate: config.politeness.rate.as_ref().map(rate),
        rate_per_host: config.politeness.rate_per_host.as_ref().map(rate),
    }
}

/// Most hosts whose names are asked for ahead: so many are known at once by far.
const RESOLVE_AHEAD_MAX: usize = 50_000;
/// Open files that are not for jobs: the list, the report, what the resolver waits with and the
/// like.
const FDS_RESERVED: usize = 24;
/// Open files of one core: its rings, what wakes it, the directory.
const FDS_PER_CORE: usize = 8;
/// Fewest open files that a run can do with, whatever it is asked for.
const NOFILE_MIN: u64 = 30;
/// Questions that one name server has to answer at once, however few files may be open.
const FDS_OF_QUESTIONS_MIN: usize = 2;
/// One descriptor in so many may be a folder that is kept open.
const FOLDERS_PART: usize = 16;
