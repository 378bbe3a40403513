//! Kernel paths, for those who compare them.

use crate::cli::values;
use crate::config::{Backend, FileOps, Trigger, WriteMode};
use crate::error::RunError;
use crate::limits;
use anyhow::bail;
use clap::Args;
use clap::builder::TypedValueParser;

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

    /// How files are written.
    ///
    /// For those who compare kernel paths; see `ringpull help kernel`.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = file_ops(),
          hide_short_help = true)]
    pub file_ops: FileOps,
}

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
    use crate::cli::tests::{config, unusable};

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
