//! What a person or a script sees while the run goes on, on standard error.

use crate::config::ProgressMode;
use crate::report::state;
use crate::report::view::{Meter, View};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write as _;
use std::time::Duration;

/// Shows how a run goes.
pub(super) struct Progress {
    mode: ProgressMode,
    bar: Option<ProgressBar>,
    shown: Duration,
}

impl Progress {
    pub(super) fn new(mode: ProgressMode) -> Self {
        let bar = (mode == ProgressMode::Bar).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {wide_msg}"));
            bar
        });
        Self { mode, bar, shown: Duration::ZERO }
    }

    /// Whether anything is shown at all.
    pub(super) fn is_shown(&self) -> bool {
        self.mode != ProgressMode::None
    }

    /// Whether it is time to show something.
    pub(super) fn is_due(&self, elapsed: Duration) -> bool {
        let interval = match self.mode {
            ProgressMode::None => return false,
            ProgressMode::Bar => Duration::from_millis(200),
            ProgressMode::Plain => Duration::from_secs(5),
            ProgressMode::Json => Duration::from_secs(1),
        };
        elapsed >= self.shown + interval
    }

    /// Shows how the run goes.
    pub(super) fn show(&mut self, view: &View, meter: &Meter) {
        self.shown = view.elapsed;
        match (&self.bar, self.mode) {
            (Some(bar), _) => draw(bar, view, state::progress(view, meter)),
            (None, ProgressMode::Json) => say(&state::progress_json(view, meter)),
            (None, _) => say(&state::progress(view, meter)),
        }
    }

    /// Says something that is no progress, on lines of its own.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// The last look: takes the bar away, or says where the run ended.
    pub(super) fn finish(&mut self, view: &View, meter: &Meter) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.mode == ProgressMode::Json {
            say(&state::progress_json(view, meter));
        }
    }
}

fn draw(bar: &ProgressBar, view: &View, line: String) {
    if let (Some(total), None) = (view.total(), bar.length()) {
        bar.set_length(total);
        bar.set_style(style("[{bar:24}] {wide_msg}"));
    }
    bar.update(|state| state.set_pos(view.done()));
    bar.set_message(line);
}

/// A line of its own, cut off where the terminal ends.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates above are valid");
    style.progress_chars("=> ")
}

/// Whole lines on standard error, in one write. That nobody reads them is no reason to stop.
pub(super) fn say(text: &str) {
    let lines = format!("{text}\n");
    let _: std::io::Result<()> = std::io::stderr().lock().write_all(lines.as_bytes());
}
