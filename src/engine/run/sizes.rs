//! How much a run does at once: what was asked for, as far as open files allow it.

use crate::config::{Config, Input, ProgressMode};
use crate::engine::run::scarcity;
use crate::engine::say::say;
use crate::error::RunError;
use crate::plan::memory;
use crate::plan::schedule::Limits;
use crate::ring::dns::DnsOptions;
use crate::ring::io::RingOptions;
use crate::ring::setup;

/// How much a run does at once.
pub(crate) struct Sizes {
    /// The configuration, with as many cores and as much in flight as open files allow.
    pub(crate) config: Config,
    /// Idle connections that one core may keep.
    pub(crate) idle_max: usize,
    /// Folders that one core may keep open.
    pub(crate) folders_max: usize,
}

/// The extent of a run that may have so many files open.
///
/// # Errors
/// Too few for a single job, or too little memory for the end of the run.
pub(crate) fn sized(config: &Config, nofile: u64) -> anyhow::Result<Sizes> {
    if nofile < NOFILE_MIN {
        let few = format!(
            "{nofile} open files are too few for a single download; raise: ulimit -n {NOFILE_MIN}"
        );
        return Err(RunError::local_file(few).into());
    }
    let wanted = config.limits.in_flight_max;
    let split = Split::of(
        usize::try_from(nofile).unwrap_or(usize::MAX),
        config.cpus.len(),
        config.dns.servers.len().max(1),
        config.dns.concurrency,
    );
    let carried = config.backend.in_flight_max(split.cores);
    let in_flight_max = wanted.min(split.jobs).min(carried);
    let what = match split.jobs < carried {
        true => format!(
            "{nofile} open files allow {in_flight_max} jobs in flight, not {wanted}; \
                         raise: ulimit -n"
        ),
        false => {
            format!("{} threads carry {in_flight_max} jobs in flight, not {wanted}", split.cores)
        }
    };
    // Less than half is not what was asked for, and whoever wants it quiet has to know that too.
    let is_told = config.summary && in_flight_max < wanted || in_flight_max < wanted.div_ceil(2);
    if is_told && config.progress.mode != ProgressMode::Json {
        say(&format!("warning: {what}"));
    }
    let kept = split.kept + 2 * (split.jobs - in_flight_max);
    let folders_max = kept / FOLDERS_PART / split.cores;
    let idle_max = in_flight_max.min(kept - folders_max * split.cores).div_ceil(split.cores);
    let dns = DnsOptions { concurrency: split.questions, ..config.dns.clone() };
    let cpus = cpus(config, split.cores);
    let in_flight_max = in_flight_max.min(config.backend.in_flight_max(cpus.len()));
    let limits = Limits {
        cores: cpus.len(),
        in_flight_max,
        lookahead_max: lookahead_max(config),
        resolve_ahead_max: resolve_ahead(in_flight_max, &dns),
        ..config.limits
    };
    let ring = RingOptions { bytes_max: ring_bytes_max(cpus.len()), ..config.ring };
    let config = Config { limits, cpus, dns, ring, ..config.clone() };
    scarcity::prepare(&config)?;
    Ok(Sizes { config, idle_max: idle_max.max(1), folders_max })
}

/// Bytes that the ring of each of so many cores may take, where locked memory is limited: half of
/// that is for other programs of the user, and for what else a core locks.
fn ring_bytes_max(cores: usize) -> Option<u64> {
    let cores = u64::try_from(cores).unwrap_or(u64::MAX).max(1);
    setup::locked_memory_limit().map(|bytes| bytes / 2 / cores)
}

/// The CPUs of the cores: as many as may be, and as there are URLs where these are given one by
/// one; then beginning with the one that this thread runs on, so that programs started side by side
/// do not all take the first.
fn cpus(config: &Config, cores_max: usize) -> Vec<usize> {
    let mut cpus = config.cpus.clone();
    cpus.truncate(cores_max);
    let urls = config.inputs.iter().try_fold(0_usize, |count, input| match input {
        Input::Urls(urls) => Some(count + urls.len()),
        Input::File(_) | Input::Stdin | Input::Given(_) => None,
    });
    if let Some(urls) = urls.filter(|urls| *urls < cpus.len()) {
        let here = setup::current_cpu();
        let first = cpus.iter().position(|cpu| *cpu == here).unwrap_or(0);
        cpus.rotate_left(first);
        cpus.truncate(urls.max(1));
        cpus.sort_unstable();
    }
    cpus
}

/// Jobs read ahead of the work: as many as were asked for, else what memory is enough for.
fn lookahead_max(config: &Config) -> usize {
    let limit_bytes = memory_limit_bytes();
    let fits = memory::lookahead(limit_bytes);
    if config.is_lookahead_given || fits >= config.limits.lookahead_max {
        return config.limits.lookahead_max;
    }
    if let Some(bytes) = limit_bytes
        && config.summary
        && config.progress.mode != ProgressMode::Json
    {
        let limit = bytes >> 20;
        say(&format!(
            "note: {limit} MiB of memory are allowed, so {fits} lines are read ahead (--lookahead)"
        ));
    }
    fits
}

/// Memory that this process may have, in bytes, where there is a limit.
fn memory_limit_bytes() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let files = memory::limit_files(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
    let of_groups = files.iter().filter_map(|file| memory::limit(&read(file)));
    let address_space = setup::address_space_limit();
    let of_process = address_space.map(|bytes| bytes.saturating_sub(ADDRESS_SPACE_UNUSED_BYTES));
    of_groups.chain(of_process).min()
}

/// What the files that may be open are for.
#[derive(Debug, PartialEq)]
struct Split {
    cores: usize,
    /// Questions outstanding at each name server. How many servers `/etc/resolv.conf` names is not
    /// known yet; questions that get no socket wait.
    questions: usize,
    /// Jobs in flight, each with a socket and a file.
    jobs: usize,
    /// Idle connections and folders that are kept open: what is given up first.
    kept: usize,
}

impl Split {
    /// Divides `nofile` descriptors among at most `cpus` cores, the questions for `servers` name
    /// servers, and jobs.
    fn of(nofile: usize, cpus: usize, servers: usize, questions_max: usize) -> Self {
        let left = nofile.saturating_sub(FDS_RESERVED);
        let cores = (left / (FDS_PER_CORE + 2 * JOBS_PER_CORE_MIN)).clamp(1, cpus);
        let questions = (left / 16 / servers).max(FDS_OF_QUESTIONS_MIN).min(questions_max);
        let left = left.saturating_sub(cores * FDS_PER_CORE + questions * servers);
        // Four fifths for jobs.
        let jobs = (left / 5 * 2).max(1);
        Self { cores, questions, jobs, kept: left.saturating_sub(2 * jobs) }
    }
}

/// Hosts whose names are asked for ahead of their jobs: enough for every job in flight to be
/// followed by another host's, and for the servers to be busy meanwhile. Those whose servers keep
/// silent count as well.
fn resolve_ahead(in_flight_max: usize, dns: &DnsOptions) -> usize {
    let questions = dns.concurrency * dns.servers.len().max(1);
    (in_flight_max.saturating_mul(2).saturating_add(questions)).min(RESOLVE_AHEAD_MAX)
}

/// Address space that a process has and does not use: its code, and what its threads reserve.
const ADDRESS_SPACE_UNUSED_BYTES: u64 = 256 << 20;
/// Most hosts whose names are asked for ahead: so many are known at once by far.
const RESOLVE_AHEAD_MAX: usize = 50_000;
/// Open files that are not for jobs: the list, the report, what the resolver waits with and the
/// like.
const FDS_RESERVED: usize = 24;
/// Open files of one core: two rings, three descriptors that wake it, the directory, and one more.
const FDS_PER_CORE: usize = 7;
/// Jobs in flight without which no further core is worth its descriptors.
const JOBS_PER_CORE_MIN: usize = 8;
/// Fewest open files that a run can do with, whatever it is asked for.
const NOFILE_MIN: u64 = 30;
/// Questions that one name server has to answer at once, however few files may be open.
const FDS_OF_QUESTIONS_MIN: usize = 2;
/// One descriptor in so many of those that are kept open may be a folder.
const FOLDERS_PART: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_go_to_jobs_first() {
        // Open files, CPUs, name servers; cores, questions for each server, jobs.
        let table = [
            (30, 2, 1, 1, 2, 1),
            (40, 2, 1, 1, 2, 2),
            (64, 1, 1, 1, 2, 12),
            (64, 64, 1, 1, 2, 12),
            (64, 2, 3, 1, 2, 10),
            (128, 2, 1, 2, 6, 32),
            (256, 2, 1, 2, 14, 80),
            (1_024, 2, 1, 2, 62, 368),
            (1_024, 64, 1, 43, 62, 254),
            (1_048_576, 64, 2, 64, 100, 419_160),
        ];
        for (nofile, cpus, servers, cores, questions, jobs) in table {
            let split = Split::of(nofile, cpus, servers, 100);
            assert_eq!(
                (split.cores, split.questions, split.jobs),
                (cores, questions, jobs),
                "{nofile} files, {cpus} CPUs, {servers} servers"
            );
        }
        for nofile in 31..5_000 {
            for (cpus, servers) in [(1, 1), (2, 3), (64, 1), (1_024, 8)] {
                let Split { cores, questions, jobs, kept } = Split::of(nofile, cpus, servers, 100);
                let used = cores * FDS_PER_CORE + questions * servers + 2 * jobs + kept;
                let spare = nofile.saturating_sub(FDS_RESERVED + used);
                assert!(jobs >= 1 && (1..=cpus).contains(&cores) && spare == 0, "{nofile}");
                // Whoever has fewer than a core and two questions take has one job all the same.
                assert!(jobs == 1 || FDS_RESERVED + used <= nofile, "{nofile}");
            }
        }
    }
}
