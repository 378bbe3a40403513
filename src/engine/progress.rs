//! What a person or a script sees while the run goes on, on standard error.

use crate::config::ProgressMode;
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write as _;
use std::time::Duration;

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Snapshot {
    /// Since the run began.
    pub(super) elapsed: Duration,
    /// Rows made.
    pub(super) done: u64,
    /// Rows there will be, once the input was read to its end.
    pub(super) total: Option<u64>,
    pub(super) failed: u64,
    pub(super) bytes: u64,
    pub(super) in_flight: usize,
    /// Jobs that wait between two attempts.
    pub(super) waiting: usize,
    /// The disk is full, and nothing begins until there is room.
    pub(super) is_paused: bool,
}

/// Shows snapshots.
pub(super) struct Progress {
    mode: ProgressMode,
    bar: Option<ProgressBar>,
    shown: Duration,
    /// Rate over the recent past, in rows a second.
    rate: f64,
    before: Option<Snapshot>,
}

impl Progress {
    pub(super) fn new(mode: ProgressMode) -> Self {
        let bar = (mode == ProgressMode::Bar).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {msg}"));
            bar
        });
        Self { mode, bar, shown: Duration::ZERO, rate: 0.0, before: None }
    }

    /// Shows a snapshot, if it is time to.
    pub(super) fn show(&mut self, now: &Snapshot) {
        let interval = match self.mode {
            ProgressMode::None => return,
            ProgressMode::Bar => Duration::from_millis(200),
            ProgressMode::Plain => Duration::from_secs(5),
            ProgressMode::Json => Duration::from_secs(1),
        };
        if now.elapsed < self.shown + interval {
            return;
        }
        self.shown = now.elapsed;
        self.measure(now);
        match (&self.bar, self.mode) {
            (Some(bar), _) => draw(bar, now, &self.line(now)),
            (None, ProgressMode::Json) => say(&json(now, self.rate)),
            (None, _) => say(&self.line(now)),
        }
    }

    /// The last look: takes the bar away, or says where the run ended.
    pub(super) fn finish(&mut self, now: &Snapshot) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.mode == ProgressMode::Json {
            self.measure(now);
            say(&json(now, self.rate));
        }
    }

    fn measure(&mut self, now: &Snapshot) {
        let before = self.before.replace(*now);
        let (done, elapsed) =
            before.map_or((0, Duration::ZERO), |before| (before.done, before.elapsed));
        let seconds = (now.elapsed - elapsed).as_secs_f64();
        let rate = (now.done - done) as f64 / seconds.max(1e-9);
        self.rate = if before.is_none() { rate } else { self.rate * 0.8 + rate * 0.2 };
    }

    fn line(&self, now: &Snapshot) -> String {
        let total = now.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
        let millis = now.elapsed.as_millis().max(1);
        let per_second = u128::from(now.bytes) * 1_000 / millis;
        let mut line = format!(
            "{}/{total} done, {} failed, {} in flight, {} waiting, {:.0} files/s, {}/s",
            now.done,
            now.failed,
            now.in_flight,
            now.waiting,
            self.rate,
            HumanBytes(u64::try_from(per_second).unwrap_or(u64::MAX)),
        );
        if now.is_paused {
            line.push_str(", paused: the disk is full");
        } else if let Some(eta) = eta(now, self.rate) {
            line.push_str(&format!(", {} left", HumanDuration(eta)));
        }
        line
    }
}

/// Time left, once the total is known and something moves.
fn eta(now: &Snapshot, rate: f64) -> Option<Duration> {
    let left = now.total?.checked_sub(now.done)?;
    (rate > 0.0).then(|| Duration::from_secs_f64((left as f64 / rate).min(1e9)))
}

fn draw(bar: &ProgressBar, now: &Snapshot, line: &str) {
    if let (Some(total), None) = (now.total, bar.length()) {
        bar.set_length(total);
        bar.set_style(style("[{bar:24}] {msg}"));
    }
    bar.update(|state| state.set_pos(now.done));
    bar.set_message(line.to_owned());
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates above are valid");
    style.progress_chars("=> ")
}

fn json(now: &Snapshot, rate: f64) -> String {
    let eta_s = eta(now, rate).map(|eta| eta.as_secs());
    serde_json::json!({
        "elapsed": (now.elapsed.as_secs_f64() * 1e3).round() / 1e3,
        "done": now.done,
        "total": now.total,
        "failed": now.failed,
        "bytes": now.bytes,
        "in_flight": now.in_flight,
        "waiting": now.waiting,
        "paused": now.is_paused,
        "files_per_second": rate.round(),
        "eta": eta_s,
    })
    .to_string()
}

/// A line on standard error. That nobody reads it is no reason to stop.
pub(super) fn say(line: &str) {
    let _: std::io::Result<()> = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            elapsed: Duration::from_secs(10),
            done: 50,
            total: Some(150),
            failed: 2,
            bytes: 10 * 1024 * 1024,
            in_flight: 8,
            waiting: 1,
            is_paused: false,
        }
    }

    #[test]
    fn the_time_left_is_known_when_the_total_is() {
        assert_eq!(eta(&snapshot(), 10.0), Some(Duration::from_secs(10)));
        assert_eq!(eta(&Snapshot { total: None, ..snapshot() }, 10.0), None);
        assert_eq!(eta(&snapshot(), 0.0), None);
    }

    #[test]
    fn a_line_says_where_the_run_stands() {
        let mut progress = Progress::new(ProgressMode::Plain);
        progress.rate = 10.0;
        assert_eq!(
            progress.line(&snapshot()),
            "50/150 done, 2 failed, 8 in flight, 1 waiting, 10 files/s, 1.00 MiB/s, 10 seconds left"
        );
    }

    #[test]
    fn a_pause_is_shown() {
        let paused = Snapshot { is_paused: true, ..snapshot() };
        let line = Progress::new(ProgressMode::Plain).line(&paused);
        assert!(line.ends_with("/s, paused: the disk is full"), "{line}");
        assert!(json(&paused, 0.0).contains(r#""paused":true"#));
    }

    #[test]
    fn json_can_be_read_back() {
        let value: serde_json::Value = serde_json::from_str(&json(&snapshot(), 10.0)).unwrap();
        assert_eq!(value["eta"], 10);
        assert_eq!(value["total"], 150);
    }
}
