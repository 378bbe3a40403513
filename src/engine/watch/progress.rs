//! What a person or a script sees while the run goes on, on standard error.

use crate::config::ProgressMode;
use crate::engine::say::{self, say};
use crate::report::view::{Meter, View};
use crate::report::{progress, state};
use crate::ring::terminal;
use std::time::Duration;

/// Shows how a run goes.
pub(crate) struct Progress {
    mode: ProgressMode,
    shown: Duration,
}

impl Progress {
    pub(crate) fn new(mode: ProgressMode) -> Self {
        Self { mode, shown: Duration::ZERO }
    }

    /// Whether anything is shown at all.
    pub(crate) fn is_shown(&self) -> bool {
        self.mode != ProgressMode::None
    }

    /// Whether it is time to show something.
    pub(crate) fn is_due(&self, elapsed: Duration) -> bool {
        let interval = match self.mode {
            ProgressMode::None => return false,
            ProgressMode::Bar => Duration::from_millis(200),
            ProgressMode::Plain => Duration::from_secs(5),
            ProgressMode::Json => Duration::from_secs(1),
        };
        elapsed >= self.shown + interval
    }

    /// Shows how the run goes.
    pub(crate) fn show(&mut self, view: &View, meter: &Meter) {
        self.shown = view.elapsed;
        match self.mode {
            ProgressMode::None => {}
            ProgressMode::Bar => draw(view, meter),
            ProgressMode::Plain => say(&progress::line(view, meter, None)),
            ProgressMode::Json => say(&state::progress_json(view, meter)),
        }
    }

    /// The last look: takes the line away, or says where the run ended.
    pub(crate) fn finish(&mut self, view: &View, meter: &Meter) {
        say::clear();
        if self.mode == ProgressMode::Json {
            say(&state::progress_json(view, meter));
        }
    }
}

/// Draws the line over the one before, as wide as the terminal is by now.
fn draw(view: &View, meter: &Meter) {
    let Some(columns) = terminal::columns() else { return };
    // A full line would move the cursor on, on some terminals.
    let line = progress::line(view, meter, Some(columns.saturating_sub(1)));
    say::draw(&line);
}
