//! Kernel paths, for those who compare them.

use crate::config::FileOps;
use clap::{Args, ValueEnum};

/// Kernel paths, for those who compare them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel")]
pub struct KernelArgs {
    /// How files are written: plain system calls, the ring, the ring with linked chains, or by size
    /// and file system: where the ring costs at most 3 % of the CPU
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub file_ops: FileOpsArg,
}

/// `--file-ops`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::FileOps says")]
pub enum FileOpsArg {
    Auto,
    Sync,
    Ring,
    Chain,
}

/// How files are written.
pub(crate) fn file_ops(typed: FileOpsArg) -> FileOps {
    match typed {
        FileOpsArg::Auto => FileOps::Auto,
        FileOpsArg::Sync => FileOps::Sync,
        FileOpsArg::Ring => FileOps::Ring,
        FileOpsArg::Chain => FileOps::Chain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::config;

    #[test]
    fn file_operations() {
        for (word, value) in
            [("auto", FileOps::Auto), ("sync", FileOps::Sync), ("ring", FileOps::Ring)]
        {
            assert_eq!(config(&["--file-ops", word, "u"]).file_ops, value);
        }
    }
}
