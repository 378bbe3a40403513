//! Folders, and a full disk.

use crate::cli::values::{self, Millis};
use crate::config::Dirs;
use crate::limits;
use clap::Args;

/// Folders, and a full disk.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct DiskArgs {
    /// Spread files over folders: hash:2/2 by digits of the SHA-256 of their URL, seq:1000 by input
    /// line, so many a folder, host by the host of their URL. out= goes before it
    #[arg(long, value_name = "HOW", conflicts_with = "output", value_parser = values::dirs)]
    pub dirs: Option<Dirs>,
    /// How long a run waits for room on a full disk, paused, before it stops; 0 fails the URL that
    /// finds it full and goes on
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::DISK_WAIT_DEFAULT_MS))]
    pub disk_wait: Millis,
}
