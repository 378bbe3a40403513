//! What sites ask of robots.

use crate::cli::args::RobotsArgs;
use crate::config::RobotsConfig;

/// What was typed about robots.
pub(super) fn resolve(args: &RobotsArgs) -> RobotsConfig {
    RobotsConfig { is_obeyed: args.robots, tags: args.tags.clone() }
}
