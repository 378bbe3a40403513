//! One run, from the configuration to its statistics.

use crate::config::Config;
use crate::engine::run::close::close;
use crate::engine::run::ended::Ended;
use crate::engine::run::oversee::oversee;
use crate::engine::run::prepared::{Begun, Prepared};
use crate::engine::run::signals::Signals;

/// Pulls everything the configuration names.
///
/// # Errors
/// When the run as a whole cannot begin or go on: no io_uring, a list that cannot be read, a
/// directory or report that cannot be written. A job that fails is no error but a row.
pub fn run(config: &Config) -> anyhow::Result<Ended> {
    let signals = Signals::catch()?;
    let prepared = Prepared::open(config)?;
    let Begun { shared, to_start, mut beside } = prepared.begin(&signals)?;
    let mut threads = to_start.start(&shared, beside.started_at)?;
    let watch = oversee(&shared, &signals, &mut beside);
    threads.end_metrics();
    let failure = threads.join(&shared, watch.is_stopped, watch.is_abandoned);
    close(&shared, failure, watch, &signals, beside)
}
