//! Kernel paths, for those who compare them.

use crate::cli::values;
use crate::config::FileOps;
use clap::Args;
use clap::builder::TypedValueParser;

/// Kernel paths, for those who compare them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel")]
pub struct KernelArgs {
    /// How files are written.
    ///
    /// For those who compare kernel paths; see `ringpull help kernel`.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = file_ops(),
          hide_short_help = true)]
    pub file_ops: FileOps,
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
    use crate::cli::tests::config;

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
