//! Kernel paths, for those who compare them.

use crate::cli::values;
use crate::config::{
    Backend, FileOps, IOWQ_WORKERS_MAX, NameBy, Network, RecvMode, RingFlags, RingOptions,
    SQ_ENTRIES, Trigger, WriteMode,
};
use crate::error::RunError;
use crate::limits;
use anyhow::bail;
use clap::Args;
use clap::builder::TypedValueParser;
use std::path::Path;

/// Kernel paths, for those who compare them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel")]
pub struct KernelArgs {
    /// Kernel interface that moves the bytes.
    ///
    /// For those who compare kernel paths, or have no io_uring; see `ringpull help kernel`.
    #[arg(long, value_name = "INTERFACE", default_value = "uring", value_parser = backend(),
          hide_short_help = true)]
    pub backend: Backend,

    /// How rings are set up.
    ///
    /// Flags that the kernel does not have are an error, unless they were chosen by auto.
    #[arg(long, value_name = "FLAGS", default_value = "auto", value_parser = ring_flags(),
          hide_short_help = true)]
    pub ring_flags: RingFlags,

    /// Entries of each submission queue [default: as many as -j needs].
    ///
    /// A power of two from 256 to 32768.
    #[arg(long, value_name = "N", value_parser = ring_entries, hide_short_help = true)]
    pub ring_entries: Option<u32>,

    /// Longest wait for more completions once there is one, in microseconds.
    ///
    /// Trades latency for fewer system calls; --backend uring-own only, Linux 6.12.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, hide_short_help = true,
          value_parser = clap::value_parser!(u32).range(0..=limits::RING_MIN_WAIT_MAX_US))]
    pub ring_min_wait: u32,

    /// How answers are received.
    ///
    /// --backend uring-own only; see `ringpull help kernel`.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = recv_mode(),
          hide_short_help = true)]
    pub recv_mode: RecvMode,

    /// Kernel workers (io-wq) that each CPU may have.
    ///
    /// Bounded and unbounded ones each: they do what a ring cannot do at once (writes to ext4).
    #[arg(long, value_name = "N", default_value_t = IOWQ_WORKERS_MAX, hide_short_help = true,
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub iowq_workers: u32,

    /// How files are written.
    ///
    /// For those who compare kernel paths; see `ringpull help kernel`.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = file_ops(),
          hide_short_help = true)]
    pub file_ops: FileOps,

    /// How files get their final names.
    ///
    /// A file system that cannot do what was asked for is an error. Long files that may be
    /// continued have a temporary name whatever this says. What auto has chosen is in the
    /// statistics.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = naming(),
          hide_short_help = true)]
    pub naming: NameBy,

    /// Where answers come from: sockets, or memory:SIZE.
    ///
    /// With memory:SIZE nothing is asked of any server, and no name is looked up: each URL is
    /// answered by SIZE bytes that the program makes up itself. It is for measuring what files cost
    /// without a network (`ringpull help bench`, part=files), and pulls no real file. So it takes
    /// no report, from which a later run would learn that the list is done, and no directory with
    /// anything in it.
    ///
    /// Example: --network memory:50k
    #[arg(long, value_name = "WHERE", default_value = "sockets", value_parser = network,
          hide_short_help = true)]
    pub network: NetworkArg,
}

/// Where answers come from, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkArg(Network);

impl KernelArgs {
    /// The CPUs of the workers, of those that they may have: one each, but for a backend that has
    /// one worker a connection.
    pub(crate) fn workers(&self, cpus: Vec<usize>, in_flight_max: usize) -> Vec<usize> {
        match self.backend {
            Backend::Uring | Backend::UringOwn | Backend::Epoll(_) | Backend::Select => cpus,
            Backend::Blocking => {
                let count = in_flight_max.clamp(1, limits::BLOCKING_THREADS_MAX);
                cpus.iter().copied().cycle().take(count).collect()
            }
        }
    }

    /// How rings are set up.
    ///
    /// # Errors
    /// The backend has no ring, or not such a one.
    pub(crate) fn ring(&self) -> anyhow::Result<RingOptions> {
        let asked = [
            (self.ring_flags != RingFlags::Auto, "--ring-flags", self.backend.has_ring()),
            (self.ring_entries.is_some(), "--ring-entries", self.backend.has_ring()),
            (self.iowq_workers != IOWQ_WORKERS_MAX, "--iowq-workers", self.backend.has_ring()),
            (self.ring_min_wait > 0, "--ring-min-wait", self.backend == Backend::UringOwn),
            (self.recv_mode != RecvMode::Auto, "--recv-mode", self.backend == Backend::UringOwn),
            (
                matches!(self.ring_flags, RingFlags::Defer | RingFlags::SqPoll),
                "--ring-flags defer or sqpoll",
                self.backend == Backend::UringOwn,
            ),
        ];
        let is_deferred = matches!(self.ring_flags, RingFlags::Auto | RingFlags::Defer);
        if self.recv_mode == RecvMode::Multishot && !is_deferred {
            let flags = self.ring_flags.as_str();
            bail!(RunError::usage(format!(
                "cannot use --recv-mode multishot with --ring-flags {flags}: leave one of them out"
            )));
        }
        let unfit = asked.into_iter().find(|(is_asked, _, is_fit)| *is_asked && !is_fit);
        if let Some((_, option, _)) = unfit {
            let backend = self.backend.as_str();
            bail!(RunError::usage(format!(
                "cannot use {option} with --backend {backend}: use --backend uring-own, or leave \
                 it out"
            )));
        }
        Ok(RingOptions {
            flags: self.ring_flags,
            entries: self.ring_entries,
            workers_max: self.iowq_workers,
            min_wait_us: self.ring_min_wait,
            recv_mode: self.recv_mode,
            ..RingOptions::default()
        })
    }

    /// Whether answers are made up.
    pub(crate) fn is_network_made_up(&self) -> bool {
        self.network.0 != Network::Sockets
    }

    /// Where answers come from. A report would say of what was made up that it was pulled.
    ///
    /// # Errors
    /// There is to be a report.
    pub(crate) fn network(&self, report: Option<&Path>) -> anyhow::Result<Network> {
        match (self.network.0, report) {
            (Network::Memory { .. }, Some(report)) => bail!(RunError::usage(format!(
                "cannot use --network memory with --report {}: it would say of made-up bytes that \
                 they are files of servers, and later runs would believe it; use --report -, or \
                 leave it out",
                report.display()
            ))),
            (network, _) => Ok(network),
        }
    }

    /// How files get their final names.
    ///
    /// # Errors
    /// A chain was asked for, which renames.
    pub(crate) fn resolved_naming(&self) -> anyhow::Result<NameBy> {
        match (self.naming, self.file_ops) {
            (NameBy::Link, FileOps::Chain) => bail!(RunError::usage(
                "cannot use --naming link with --file-ops chain, whose last operation is a rename: \
                 leave one of them out"
            )),
            (naming, _) => Ok(naming),
        }
    }

    /// How files are written: through a ring only where there is one.
    ///
    /// # Errors
    /// It was asked for the ring, and the backend has none.
    pub(crate) fn resolved_file_ops(&self, mode: WriteMode) -> anyhow::Result<FileOps> {
        if self.backend.has_ring() {
            return Ok(self.file_ops);
        }
        let asked = match (self.file_ops, mode) {
            (FileOps::Ring, _) => "--file-ops ring",
            (FileOps::Chain, _) => "--file-ops chain",
            (FileOps::Auto | FileOps::Sync, WriteMode::Ring) => "--write-mode ring",
            (FileOps::Auto | FileOps::Sync, _) => return Ok(FileOps::Sync),
        };
        let backend = self.backend.as_str();
        bail!(RunError::usage(format!(
            "cannot use {asked} with --backend {backend}, which has no ring: leave one of them out"
        )))
    }
}

/// The values of `--backend`.
fn backend() -> impl TypedValueParser<Value = Backend> {
    let meaning = |backend| match backend {
        Backend::Uring => "io_uring by tokio-uring",
        Backend::UringOwn => "io_uring by a ring of our own, entered once a turn",
        Backend::Epoll(Trigger::Level) => "non-blocking sockets, level-triggered epoll",
        Backend::Epoll(Trigger::Edge) => "non-blocking sockets, edge-triggered epoll",
        Backend::Select => "non-blocking sockets and select, for comparison",
        Backend::Blocking => "blocking sockets, one thread a connection, for comparison",
    };
    values::one_of(Backend::ALL.map(|backend| (backend.as_str(), backend, meaning(backend))))
}

/// The values of `--ring-flags`.
fn ring_flags() -> impl TypedValueParser<Value = RingFlags> {
    let meaning = |flags| match flags {
        RingFlags::Auto => "coop with uring, defer with uring-own, plain on an older kernel",
        RingFlags::Plain => "none: a completion interrupts its thread",
        RingFlags::Coop => "COOP_TASKRUN, SINGLE_ISSUER: it waits for the next system call",
        RingFlags::Defer => "DEFER_TASKRUN, SINGLE_ISSUER: it waits until it is waited for",
        RingFlags::SqPoll => "SQPOLL: a thread of the kernel submits, on a CPU of its own",
    };
    values::one_of(RingFlags::ALL.map(|flags| (flags.as_str(), flags, meaning(flags))))
}

/// The values of `--recv-mode`.
fn recv_mode() -> impl TypedValueParser<Value = RecvMode> {
    let meaning = |mode| match mode {
        RecvMode::Auto => "oneshot",
        RecvMode::Oneshot => "one operation for each receive, which holds its memory as it waits",
        RecvMode::Provided => "the same, into memory that the kernel chooses when an answer comes",
        RecvMode::Multishot => "one operation for a connection, into such memory (Linux 6.1)",
    };
    values::one_of(RecvMode::ALL.map(|mode| (mode.as_str(), mode, meaning(mode))))
}

/// The value of `--ring-entries`.
fn ring_entries(text: &str) -> Result<u32, String> {
    let entries = text.parse().ok().filter(|entries: &u32| entries.is_power_of_two());
    let most = u32::try_from(*SQ_ENTRIES.end()).unwrap_or(u32::MAX);
    let within = entries.filter(|entries| (SQ_ENTRIES_MIN..=most).contains(entries));
    within.ok_or_else(|| format!("a power of two from {SQ_ENTRIES_MIN} to {most}"))
}

/// Fewest entries that can be asked for: a chain never waits for room.
const SQ_ENTRIES_MIN: u32 = 256;

/// The value of `--network`.
fn network(text: &str) -> Result<NetworkArg, String> {
    let network = match text.split_once(':') {
        None if text == "sockets" => Network::Sockets,
        Some(("memory", size)) => Network::Memory { body_bytes: values::bytes(size)?.0 },
        _ => return Err("write sockets, or memory:SIZE, such as memory:50k".to_owned()),
    };
    Ok(NetworkArg(network))
}

/// The values of `--naming`.
fn naming() -> impl TypedValueParser<Value = NameBy> {
    let meaning = |naming| match naming {
        NameBy::Auto => "link for short files where the file system has that, else rename",
        NameBy::Link => "no name until the file is whole (O_TMPFILE, linkat)",
        NameBy::Rename => "a temporary name until the file is whole (renameat2)",
    };
    values::one_of(NameBy::ALL.map(|naming| (naming.word(), naming, meaning(naming))))
}

/// The values of `--file-ops`.
fn file_ops() -> impl TypedValueParser<Value = FileOps> {
    values::one_of([
        (
            "auto",
            FileOps::Auto,
            "by size and file system: ring where it costs at most 3 % of the CPU, else sync",
        ),
        ("sync", FileOps::Sync, "plain system calls"),
        ("ring", FileOps::Ring, "bodies through the ring, all else by plain system calls"),
        (
            "chain",
            FileOps::Chain,
            "as ring, with the last write, close and rename of a file in one chain",
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, refused, unusable};

    #[test]
    fn backends() {
        for backend in Backend::ALL {
            let config = config(&["--backend", backend.as_str(), "-j", "7", "u"]);
            assert_eq!(config.backend, backend);
            let (ops, workers) = match backend {
                Backend::Uring | Backend::UringOwn => (FileOps::Auto, 4),
                Backend::Epoll(_) | Backend::Select => (FileOps::Sync, 4),
                Backend::Blocking => (FileOps::Sync, 7),
            };
            assert_eq!((config.file_ops, config.cpus.len()), (ops, workers), "{backend:?}");
        }
    }

    #[test]
    fn rings() {
        let ring = |line: &[&str]| config(&[line, &["u"]].concat()).ring;
        let default = RingOptions::default();
        assert_eq!(ring(&[]), default);
        let own = ["--backend", "uring-own"];
        for flags in RingFlags::ALL {
            let line = [&own[..], &["--ring-flags", flags.as_str()]].concat();
            assert_eq!(ring(&line), RingOptions { flags, ..default });
        }
        let line = ["--ring-entries", "512", "--iowq-workers", "7", "--ring-min-wait", "20"];
        let wanted = RingOptions {
            entries: Some(512),
            workers_max: 7,
            min_wait_us: 20,
            ..RingOptions::default()
        };
        assert_eq!(ring(&[&own[..], &line].concat()), wanted);
        for recv_mode in RecvMode::ALL {
            let line = [&own[..], &["--recv-mode", recv_mode.as_str()]].concat();
            assert_eq!(ring(&line), RingOptions { recv_mode, ..default });
        }
        let line = ["--recv-mode", "multishot", "--ring-flags", "coop", "u"];
        let told = unusable(&[&own[..], &line].concat());
        assert!(told.contains("--recv-mode multishot with --ring-flags coop"), "{told}");
        for bad in ["0", "128", "300", "65536", "x"] {
            let told = refused(&["--ring-entries", bad, "u"]);
            assert!(told.contains("a power of two from 256 to 32768"), "{told}");
        }
        for (backend, line) in [
            ("epoll", ["--ring-flags", "plain"]),
            ("select", ["--ring-entries", "256"]),
            ("blocking", ["--iowq-workers", "1"]),
            ("uring", ["--ring-min-wait", "1"]),
            ("uring", ["--recv-mode", "oneshot"]),
            ("epoll", ["--recv-mode", "provided"]),
            ("uring", ["--ring-flags", "defer"]),
            ("uring", ["--ring-flags", "sqpoll"]),
        ] {
            let told = unusable(&["--backend", backend, line[0], line[1], "u"]);
            assert!(told.contains(line[0]) && told.contains(backend), "{told}");
        }
    }

    #[test]
    fn a_ring_is_asked_for_only_where_there_is_one() {
        for asked in [["--file-ops", "ring"], ["--file-ops", "chain"], ["--write-mode", "ring"]] {
            let [flag, word] = asked;
            config(&["--backend", "uring-own", flag, word, "u"]);
            let error = unusable(&["--backend", "epoll", flag, word, "u"]);
            let told = format!("cannot use {flag} {word} with --backend epoll");
            assert!(error.starts_with(&told), "{error}");
        }
    }

    #[test]
    fn answers_from_memory() {
        assert_eq!(config(&["u"]).network, Network::Sockets);
        assert!(!config(&["u"]).dns.is_needless);
        let made_up = config(&["--network", "memory:50k", "--report", "-", "u"]);
        assert_eq!(made_up.network, Network::Memory { body_bytes: 50 << 10 });
        assert!(made_up.dns.is_needless);
        for bad in ["memory", "memory:", "memory:x", "socket", "sockets:1k", ""] {
            let told = refused(&["--network", bad, "u"]);
            assert!(told.contains("memory:50k") || told.contains("number of bytes"), "{told}");
        }
        let told = unusable(&["--network", "memory:1k", "--report", "r.csv", "u"]);
        assert!(told.contains("--report r.csv") && told.contains("--report -"), "{told}");
    }

    #[test]
    fn ways_to_a_name() {
        for naming in NameBy::ALL {
            assert_eq!(config(&["--naming", naming.word(), "u"]).naming, naming);
        }
        config(&["--naming", "rename", "--file-ops", "chain", "u"]);
        let told = unusable(&["--naming", "link", "--file-ops", "chain", "u"]);
        assert!(told.contains("--naming link with --file-ops chain"), "{told}");
        assert!(refused(&["--naming", "move", "u"]).contains("rename"));
    }

    #[test]
    fn file_operations() {
        for (word, value) in [
            ("auto", FileOps::Auto),
            ("sync", FileOps::Sync),
            ("ring", FileOps::Ring),
            ("chain", FileOps::Chain),
        ] {
            assert_eq!(config(&["--file-ops", word, "u"]).file_ops, value);
        }
    }
}
