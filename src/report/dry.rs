//! The result of `--dry-run` for people: a few lines of text.

use super::figures::{Number, Of, Size, Time};
use crate::fault::escape_hidden;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// Content of a list, and how fast it was read.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    /// Lines of all inputs, blank ones and comments included.
    pub lines: u64,
    /// Lines that would be pulled.
    pub jobs: u64,
    /// Lines that would fail as they stand.
    pub bad: u64,
    /// Lines that have the URL of an earlier one, and would not be pulled.
    pub duplicates: u64,
    /// Lines that are other shards'.
    pub others: u64,
    /// Different hosts, ports included.
    pub hosts: u64,
    /// Whether there were too many hosts to count each: then `hosts` is an estimate, and the counts
    /// of `largest` are lower bounds.
    pub is_estimate: bool,
    /// Hosts with the most jobs, and their number of jobs.
    pub largest: Vec<(String, u64)>,
    /// CPU time for reading, parsing and naming all lines.
    pub time_parse: Duration,
    /// CPU time for putting all jobs on the schedule and taking them from it.
    pub time_schedule: Duration,
    /// Time on the clock for everything.
    pub time: Duration,
    /// Most resident memory of the process, in bytes, where the kernel told it.
    pub memory_peak: Option<u64>,
}

impl DryRun {
    /// The text, its last line end included.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a String takes any text");
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let Self { lines, jobs, bad, duplicates, others, hosts, .. } = *self;
        write!(text, "dry run: {}: {} to pull", Of(lines, "line"), Of(jobs, "URL"))?;
        let rest = lines.saturating_sub(jobs + bad + duplicates + others);
        let others_than_jobs = [
            (duplicates, "with the URL of an earlier line"),
            (bad, "bad"),
            (rest, "blank or comments or options"),
        ];
        for (count, what) in others_than_jobs {
            if count > 0 {
                write!(text, ", {} {what}", Number(count))?;
            }
        }
        text.push('\n');
        if others > 0 {
            let are = if others == 1 { "is" } else { "are" };
            writeln!(text, "{} {are} for other shards", Of(others, "line"))?;
        }
        let about = if self.is_estimate { "about " } else { "" };
        write!(text, "{about}{}", Of(hosts, "host"))?;
        text.push_str(if self.largest.is_empty() { "\n" } else { "; those with the most URLs:\n" });
        let at_least = if self.is_estimate { "at least " } else { "" };
        for (host, count) in &self.largest {
            writeln!(text, "{at_least}{:>9}  {}", Number(*count), escape_hidden(host))?;
        }
        if lines > 0 {
            write!(
                text,
                "one CPU parses and names {} lines/s",
                per_second(lines, self.time_parse)
            )?;
        }
        if jobs > 0 {
            write!(text, ", and schedules {} lines/s", per_second(jobs, self.time_schedule))?;
        }
        if lines > 0 {
            writeln!(text, "; {} in all", Time(self.time))?;
        }
        match self.memory_peak {
            Some(bytes) => writeln!(text, "peak resident memory {bytes} bytes ({})", Size(bytes)),
            None => Ok(()),
        }
    }
}

fn per_second(count: u64, time: Duration) -> Number {
    let rate = u128::from(count) * 1_000_000_000 / time.as_nanos().max(1);
    Number(u64::try_from(rate).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text() {
        let mut dry = DryRun {
            lines: 12,
            jobs: 1,
            bad: 2,
            duplicates: 3,
            hosts: 1,
            largest: vec![("a.example:81".to_owned(), 1)],
            time_parse: Duration::from_millis(6),
            time_schedule: Duration::from_micros(1),
            time: Duration::from_millis(1_500),
            memory_peak: Some(7_340_032),
            ..DryRun::default()
        };
        assert_eq!(
            dry.text(),
            "dry run: 12 lines: 1 URL to pull, 3 with the URL of an earlier line, 2 bad, \
             6 blank or comments or options\n\
             1 host; those with the most URLs:\n\
             \x20       1  a.example:81\n\
             one CPU parses and names 2,000 lines/s, and schedules 1,000,000 lines/s; 1.5 s in \
             all\n\
             peak resident memory 7340032 bytes (7.3 MB)\n"
        );
        (dry.hosts, dry.is_estimate) = (2_000_000, true);
        let text = dry.text();
        assert!(text.contains("about 2,000,000 hosts") && text.contains("at least "), "{text}");
        let empty = DryRun::default().text();
        assert!(empty == "dry run: 0 lines: 0 URLs to pull\n0 hosts\n", "{empty}");
    }
}
