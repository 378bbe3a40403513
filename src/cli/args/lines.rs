//! Options about which lines of the inputs are pulled.

use clap::Args;

/// Which lines of the inputs are pulled.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct LinesArgs {
    /// Read the inputs, tell what is in them and how fast they were read, and pull nothing
    #[arg(long)]
    pub dry_run: bool,
}
