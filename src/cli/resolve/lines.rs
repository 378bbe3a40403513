//! Which lines of the inputs are pulled.

use crate::cli::args::LinesArgs;
use crate::config::LinesConfig;

/// Makes that part of the configuration.
pub(super) fn resolve(args: &LinesArgs) -> LinesConfig {
    LinesConfig { is_dry_run: args.dry_run }
}
