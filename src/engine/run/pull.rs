//! One run, from the configuration to its statistics.

use crate::config::Config;
use crate::engine::Hearer;
use crate::engine::books::listener::RowListener;
use crate::engine::run::close::close;
use crate::engine::run::ended::Ended;
use crate::engine::run::oversee::oversee;
use crate::engine::run::prepared::{Begun, Prepared};
use crate::engine::run::signals::Signals;
use crate::engine::say::{self, heard};
use crate::ring::setup;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Pulls everything the configuration names.
///
/// # Errors
/// When the run as a whole cannot begin or go on: no io_uring, a list that cannot be read, a
/// directory or report that cannot be written. A job that fails is no error but a row.
pub fn run(config: &Config) -> anyhow::Result<Ended> {
    say::begin(&config.progress);
    let signals = Signals::catch()?;
    setup::ignore_write_signals();
    pull(config, &signals, setup::raise_nofile()?, None)
}

/// As [`run`], within another program and on a thread of its own: it catches no signals, changes no
/// limit of the process and prints nothing. `listener` is told every row, and `hearer` what the
/// command line would say; the run ends in good order once `cancels` is 1, and at once when it is
/// more.
///
/// # Errors
/// As for [`run`].
pub fn embedded(
    config: &Config,
    listener: RowListener,
    hearer: &Arc<Hearer>,
    cancels: Arc<AtomicUsize>,
) -> anyhow::Result<Ended> {
    heard::set(hearer);
    pull(config, &Signals::none(cancels), setup::nofile(), Some(listener))
}

fn pull(
    config: &Config,
    signals: &Signals,
    nofile: u64,
    listener: Option<RowListener>,
) -> anyhow::Result<Ended> {
    let prepared = Prepared::open(config, nofile)?;
    let Begun { shared, to_start, mut beside } = prepared.begin(signals, listener)?;
    let mut threads = to_start.start(&shared, beside.started_at)?;
    let watch = oversee(&shared, signals, &mut beside);
    threads.end_metrics();
    let failure = threads.join(&shared, watch.is_stopped, watch.is_abandoned);
    close(&shared, failure, watch, signals, beside)
}
