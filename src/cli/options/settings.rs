//! Where options come from, besides the command line.

use crate::cli::values;
use clap::Args;
use std::path::PathBuf;

/// Where options come from, besides the command line.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Take options from FILE, instead of ~/.config/ringpull/config.toml.
    ///
    /// TOML: the long name of each option, without its dashes, and its value. Environment variables
    /// (RINGPULL_RETRY=5 for --retry 5) go before the file, and the command line before both.
    /// `ringpull config` shows what holds. See `ringpull help config`.
    #[arg(long, value_name = "FILE", value_parser = values::path, hide_short_help = true,
          overrides_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Take options from the command line only.
    ///
    /// Neither a config file nor RINGPULL_ variables count: for scripts that do the same
    /// everywhere.
    #[arg(long, hide_short_help = true)]
    pub no_config: bool,
}
