//! Names, folders, and a full disk.

use crate::cli::args::OutputArgs;
use crate::config::DiskConfig;

/// What was typed about names, folders and a full disk.
pub(super) fn resolve(args: &OutputArgs) -> DiskConfig {
    DiskConfig {
        dirs: args.dirs.clone(),
        restrict_names: args.restrict_file_names,
        wait_ms: args.disk_wait.0,
    }
}
