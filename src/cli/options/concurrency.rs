//! How much at once, and where.

use crate::cli::values;
use crate::config::Pipeline;
use crate::error::RunError;
use crate::limits;
use anyhow::bail;
use clap::Args;

/// How much at once.
#[derive(Debug, Args)]
#[command(next_help_heading = "Concurrency and politeness")]
pub struct ConcurrencyArgs {
    /// Downloads in flight over all CPUs.
    ///
    /// At least 1. Each takes 80 KiB of memory at first, and at most 400 KiB, or 1.2 MiB over TLS
    /// with --compressed.
    #[arg(short = 'j', long, value_name = "N", value_parser = values::count,
          default_value_t = limits::IN_FLIGHT_DEFAULT,
          aliases = ["parallel-max", "max-concurrent-files", "transfers"])]
    pub max_concurrent_downloads: usize,
    /// Connections per host [default: from 8 to 96, as it pays]
    ///
    /// Over the whole process; a host is a name and a port, so that http://a/ and https://a/ are
    /// one. Without this option a host begins with 8 and gets more while that makes it faster. With
    /// -x N it begins with N and never has more: fewer while it is too busy (429, 503, resets, ever
    /// later first bytes), and N again as it answers well.
    ///
    /// -x 1 is the gentlest. See --fixed-connections and `ringpull help hosts`.
    #[arg(short = 'x', long, value_name = "N", value_parser = per_host,
          aliases = ["max-connection-per-server", "parallel-max-host", "max-conn-per-host"])]
    pub max_connections_per_host: Option<usize>,
    /// Requests sent at a time on one connection, an experiment.
    ///
    /// Up to 64. With more than 1, requests for files that come next are sent together with the
    /// one whose turn it is (HTTP pipelining), on connections that have served --pipeline-after
    /// responses, to origins that support ranges: every second request is one for the range from
    /// byte 0 on, so that a response that comes twice or not at all is found out. Servers must
    /// answer in order. At the first thing that is not as expected an origin is asked singly
    /// again, at no cost for the URLs. An odd N sends one less. See `ringpull help kernel`.
    #[arg(long, value_name = "N", hide_short_help = true, default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=limits::PIPELINE_MAX),
          conflicts_with_all = ["rate", "rate_per_host", "tpslimit", "limit_rate",
              "limit_rate_per_host", "max_download_limit", "compressed", "timestamping", "robots",
              "network"])]
    pub pipeline: u32,
    /// Responses in good order before requests are sent ahead on a connection.
    ///
    /// For --pipeline.
    #[arg(long, value_name = "N", hide_short_help = true, requires = "pipeline",
          default_value_t = limits::PIPELINE_AFTER_DEFAULT)]
    pub pipeline_after: u32,
    /// Worker threads, each pinned to one CPU [default: one per CPU]
    ///
    /// At most as many as there are CPUs that this process may use (taskset, cgroups), or that
    /// --cpus lists. For more downloads at once there is -j.
    #[arg(long, value_name = "N", value_parser = values::count, hide_short_help = true)]
    pub threads: Option<usize>,
    /// CPUs to work on, such as 0,2-5 [default: all permitted]
    ///
    /// They must be among those that this process may use (taskset, cgroups). With --threads only
    /// the first of them are used.
    #[arg(long, value_name = "LIST", value_parser = cpus, hide_short_help = true)]
    pub cpus: Option<CpuList>,
}

impl ConcurrencyArgs {
    /// Requests that are sent ahead of their turn.
    pub(crate) fn pipeline(&self) -> Pipeline {
        Pipeline { depth: self.pipeline, after: self.pipeline_after }
    }

    /// Permitted CPUs, of them those of `--cpus`, of them the first `--threads`.
    pub(crate) fn cpus(&self, permitted: &[usize]) -> anyhow::Result<Vec<usize>> {
        let mut cpus = permitted.to_vec();
        if let Some(wanted) = &self.cpus {
            if let Some(cpu) = wanted.0.iter().find(|cpu| !permitted.contains(cpu)) {
                bail!(RunError::usage(format!(
                    "cannot use CPU {cpu} of --cpus: this process is permitted {}",
                    ranges(permitted)
                )));
            }
            cpus.clone_from(&wanted.0);
        }
        if let Some(threads) = self.threads {
            if threads > cpus.len() {
                let usable = ranges(&cpus);
                bail!(RunError::usage(format!(
                    "cannot start {threads} threads on CPU {usable}: each worker has a CPU of its \
                     own; more downloads at once is -j"
                )));
            }
            cpus.truncate(threads);
        }
        Ok(cpus)
    }
}

/// CPU numbers, ascending and each once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CpuList(pub Vec<usize>);

/// `--cpus`: `0,2-5`.
pub(super) fn cpus(text: &str) -> Result<CpuList, String> {
    let mut list = Vec::new();
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let cpu = |text: &str| match text.parse::<usize>() {
            Ok(cpu) if cpu < limits::CPUS_MAX && !text.starts_with('+') => Ok(cpu),
            _ => Err(format!("`{item}` is neither a CPU nor a range; write for instance 0,2-5")),
        };
        let (first, last) = (cpu(first)?, cpu(last)?);
        if first > last {
            return Err(format!("the range `{item}` runs backwards"));
        }
        list.extend(first..=last);
    }
    list.sort_unstable();
    list.dedup();
    Ok(CpuList(list))
}

/// `-x`: a count. In curl the letter means a proxy, which is said instead of "not a number".
fn per_host(text: &str) -> Result<usize, String> {
    values::count(text).map_err(|problem| {
        if text.contains(':') {
            "-x is the number of connections per host; a proxy is --proxy URL".to_owned()
        } else {
            problem
        }
    })
}

/// `0-3,8`: ascending CPU numbers as `--cpus` takes them.
fn ranges(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let text = |&(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, options, refused, unusable};

    #[test]
    fn cpu_lists() {
        assert_eq!(cpus("0"), Ok(CpuList(vec![0])));
        assert_eq!(cpus("5,0,2-4,3"), Ok(CpuList(vec![0, 2, 3, 4, 5])));
        for text in ["", ",", "1,", "-", "1-", "-1", "3-1", "a", "+1", "1--2", "0-99999999999"] {
            assert!(cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_the_options() {
        for flag in [
            "-j",
            "--max-concurrent-downloads",
            "--parallel-max",
            "--max-concurrent-files",
            "--transfers",
        ] {
            assert_eq!(options(&[flag, "7"]).concurrency.max_concurrent_downloads, 7, "{flag}");
        }
        for flag in [
            "-x",
            "--max-connections-per-host",
            "--max-connection-per-server",
            "--parallel-max-host",
            "--max-conn-per-host",
        ] {
            assert_eq!(
                options(&[flag, "7"]).concurrency.max_connections_per_host,
                Some(7),
                "{flag}"
            );
        }
        assert_eq!(options(&["--threads", "2"]).concurrency.threads, Some(2));
        assert_eq!(options(&["--cpus", "3,0-1"]).concurrency.cpus, Some(CpuList(vec![0, 1, 3])));
        assert!(refused(&["-j", "0", "u"]).contains("must be at least 1"));
    }

    #[test]
    fn cpus_are_permitted_ones() {
        assert_eq!(config(&["--cpus", "1-2,5", "u"]).cpus, [1, 2, 5]);
        assert_eq!(config(&["--cpus", "1-2,5", "--threads", "2", "u"]).cpus, [1, 2]);
        assert_eq!(config(&["--threads", "4", "u"]).cpus, [0, 1, 2, 5]);
        let text = unusable(&["--cpus", "1,3", "u"]);
        assert!(text.contains("CPU 3") && text.contains("permitted 0-2,5"), "{text}");
        let text = unusable(&["--threads", "5", "u"]);
        assert!(text.contains("0-2,5") && text.contains("-j"), "{text}");
        unusable(&["--cpus", "1-2", "--threads", "3", "u"]);
    }

    #[test]
    fn a_proxy_behind_x_is_told_apart() {
        assert!(per_host("http://proxy:3128").unwrap_err().contains("prox"));
        assert_eq!(per_host("0").unwrap_err(), "must be at least 1");
    }
}
