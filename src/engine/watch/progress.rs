//! What a person or a script sees while the run goes on, on standard error.

use crate::config::{Config, ProgressMode, ProgressOptions};
use crate::engine::say::{self, say};
use crate::report::look::Look;
use crate::report::view::{Meter, View};
use crate::report::{progress, state};
use crate::ring::terminal::{self, Size};
use std::time::Duration;

/// Shows how a run goes.
pub(crate) struct Progress {
    mode: ProgressMode,
    /// Time between two lines, or two JSON objects, if there are any.
    interval: Option<Duration>,
    look: Look,
    display: progress::Display,
    shown: Duration,
}

impl Progress {
    pub(crate) fn new(config: &Config) -> Self {
        let ProgressOptions { mode, interval_ms, look } = config.progress;
        let asked = Some(Duration::from_millis(interval_ms)).filter(|asked| !asked.is_zero());
        let interval = match mode {
            ProgressMode::Bar => Some(BAR_INTERVAL),
            ProgressMode::Plain | ProgressMode::Json => asked,
            ProgressMode::None => None,
        };
        Self { mode, interval, look, display: progress::Display::default(), shown: Duration::ZERO }
    }

    /// Whether anything is shown at all.
    pub(crate) fn is_shown(&self) -> bool {
        self.interval.is_some()
    }

    /// Whether it is time to show something.
    pub(crate) fn is_due(&self, elapsed: Duration) -> bool {
        self.interval.is_some_and(|interval| elapsed >= self.shown + interval)
    }

    /// Shows how the run goes.
    pub(crate) fn show(&mut self, view: &View, meter: &Meter) {
        self.shown = view.elapsed;
        match self.mode {
            ProgressMode::None => {}
            ProgressMode::Bar => self.draw(view, meter),
            ProgressMode::Plain => say(&progress::line(view, meter)),
            ProgressMode::Json => say(&state::progress_json(view, meter)),
        }
    }

    /// The last look: takes the lines away, or says where the run ended.
    pub(crate) fn finish(&mut self, view: &View, meter: &Meter) {
        say::clear();
        if self.mode == ProgressMode::Json {
            say(&state::progress_json(view, meter));
        }
    }

    /// Draws the lines over those before, as wide as the terminal is by now.
    fn draw(&mut self, view: &View, meter: &Meter) {
        let Some(Size { columns, rows }) = terminal::size() else { return };
        // A full line would move the cursor on, on some terminals; and Ctrl-C writes two letters.
        let margin = if columns < MARGIN_COLUMNS_MIN { 1 } else { 3 };
        let room = (columns.saturating_sub(margin), rows);
        let plain = Look { has_color: false, ..self.look };
        // Widths are those of the text without its colours.
        let mut measured = self.display;
        let widths = measured.lines(view, meter, room, plain);
        let widths = widths.iter().map(|line| line.chars().count()).collect();
        let lines = self.display.lines(view, meter, room, self.look);
        say::draw(&lines, widths, columns);
    }
}

/// How often the lines are drawn anew.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
/// Columns from which on a line leaves room for what the terminal writes on Ctrl-C.
const MARGIN_COLUMNS_MIN: usize = 40;
