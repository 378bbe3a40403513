//! Large files, and files that are there: what is continued, split, asked for again.

use crate::cli::options::OutputArgs;
use crate::cli::values::{self, Bytes};
use crate::config::{OnConflict, WriteMode};
use crate::error::RunError;
use crate::limits;
use crate::plan::partial::Continue;
use crate::plan::parts::{PART_BYTES_MIN_DEFAULT, Splitting};
use crate::plan::schedule::Limits;
use anyhow::bail;
use clap::Args;
use clap::builder::TypedValueParser;
use std::num::NonZero;

/// Large files, and files that are there.
#[derive(Debug, Args)]
#[command(next_help_heading = "Large files")]
pub struct TransferArgs {
    /// Continue unfinished files.
    ///
    /// Those of earlier runs; a retry within a run always does, and so does a run with --report.
    /// What is there is not asked for again where the ETag or the date of the response vouches for
    /// it; else the file is fetched whole, and the column `resume` of the report says why. With -c,
    /// a file of curl or wget that has its final name is continued, too. See `ringpull help large`.
    ///
    /// --continue=always also continues where nothing vouches for what is there. Not together with
    /// --discard.
    #[arg(short = 'c', long = "continue", value_name = "WHEN", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = continuing(),
          conflicts_with = "discard")]
    pub continuing: Option<Continue>,
    /// curl's word for --continue, where its value is -.
    #[arg(short = 'C', long, value_name = "OFFSET", hide = true, value_parser = continue_at,
          conflicts_with = "discard")]
    pub continue_at: Option<()>,
    /// Most connections for one file; 1 splits none [default: as it pays]
    ///
    /// Files from twice --min-split-size on are fetched in parts, as many as N and never more than
    /// -x and -j allow; without -x, the host begins with N connections. Without this option files
    /// of 64 MiB and more are, on connections that no other URL waits for. Parts that lag are split
    /// again.
    #[arg(short, long, value_name = "N", value_parser = split)]
    pub split: Option<NonZero<usize>>,
    /// Shortest part that is split off.
    ///
    /// At least 16k. curl's -k is --insecure.
    #[arg(short = 'k', long, value_name = "SIZE", value_parser = part_bytes_min,
          default_value_t = Bytes(PART_BYTES_MIN_DEFAULT), hide_short_help = true)]
    pub min_split_size: Bytes,
    /// Fetch files that are there only if they have changed.
    ///
    /// They are asked for with If-None-Match where their ETag is known, from the report or from an
    /// earlier run with -N, else with If-Modified-Since and the time of the file. What has not
    /// changed is skipped, also where a report says that it is done. Includes --remote-time. Not
    /// together with --no-clobber and --discard.
    #[arg(short = 'N', long, alias = "conditional-get", conflicts_with = "discard")]
    pub timestamping: bool,
    /// Give files the time of their Last-Modified.
    ///
    /// A file whose response has none, or one that is no date since 1970, keeps the time at which
    /// it was pulled.
    #[arg(short = 'R', long, conflicts_with = "discard", hide_short_help = true)]
    pub remote_time: bool,
    /// How the bodies of large files are written.
    ///
    /// A mode that the kernel or the file system of --dir does not have is an error. What auto has
    /// chosen is in the statistics. See `ringpull help large`.
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = write_mode(),
          hide_short_help = true)]
    pub write_mode: WriteMode,
}

impl TransferArgs {
    /// When unfinished files are continued: with a report, which is taken up again, they are.
    pub(crate) fn continuing(&self, has_report: bool) -> Continue {
        let typed = self.continue_at.map(|()| Continue::Validated);
        let default = if has_report { Continue::Runs } else { Continue::Run };
        self.continuing.or(typed).unwrap_or(default)
    }

    /// How one file is spread over connections, within the caps of the run.
    pub(crate) fn splitting(&self, caps: &Limits) -> Splitting {
        // How many of them one host may have is decided with the hosts of the file.
        let most = NonZero::new(caps.in_flight_max);
        let parts = self.split.map(|parts| most.map_or(parts, |most| parts.min(most)));
        Splitting { parts, part_bytes_min: self.min_split_size.0 }
    }

    /// Connections that a host begins with, where `-x` does not say it: those of one file.
    pub(crate) fn per_host_first(&self, caps: &Limits, is_given: bool) -> usize {
        let parts = self.split.map_or(0, NonZero::get).min(caps.per_host_max);
        if is_given { caps.per_host_first } else { caps.per_host_first.max(parts) }
    }

    /// Whether files that are there are asked for conditionally.
    ///
    /// # Errors
    /// A [`RunError`] of class usage when files that are there are never asked for, or none are
    /// made.
    pub(crate) fn timestamping(
        &self,
        output: &OutputArgs,
        has_files: bool,
    ) -> anyhow::Result<bool> {
        if self.timestamping && output.on_conflict() == OnConflict::Skip {
            bail!(RunError::usage(
                "cannot use --timestamping with --no-clobber or --on-conflict skip: files that \
                 are there are then never asked for"
            ));
        }
        if self.timestamping && !has_files {
            bail!(RunError::usage(
                "cannot use --timestamping where no file is made: there is nothing to compare with"
            ));
        }
        Ok(self.timestamping)
    }

    /// Whether files have the time of their `Last-Modified`: `--timestamping` compares with it.
    pub(crate) fn remote_time(&self) -> bool {
        self.remote_time || self.timestamping
    }
}

/// The values of `--continue`; aria2 has the first two.
fn continuing() -> impl TypedValueParser<Value = Continue> {
    values::one_of([
        ("true", Continue::Validated, "where the response vouches for what is there"),
        ("false", Continue::Run, "within this run only, also with --report"),
        ("always", Continue::Always, "also where nothing vouches for what is there"),
    ])
}

/// `-C -`, the one form of curl's option that says no number.
fn continue_at(text: &str) -> Result<(), String> {
    match text {
        "-" => Ok(()),
        _ => Err("write -C - (or -c): a file goes on where it ends".to_owned()),
    }
}

/// `-s`: a count. In curl the letter means `--silent`, which is said instead of "not a number".
fn split(text: &str) -> Result<NonZero<usize>, String> {
    let is_letters = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let count = values::count(text).map_err(|problem| match is_letters {
        true => format!("{problem}; curl's -s is --quiet"),
        false => problem,
    })?;
    NonZero::new(count).ok_or_else(|| "must be at least 1".to_owned())
}

/// `-k`: a length that a part can have.
fn part_bytes_min(text: &str) -> Result<Bytes, String> {
    let lowest = Bytes(limits::PART_BYTES_MIN_LOWEST);
    match values::bytes(text) {
        Ok(Bytes(bytes)) if bytes < lowest.0 => Err(format!("must be at least {lowest}")),
        Ok(bytes) => Ok(bytes),
        Err(problem) => Err(format!("{problem}; did you mean --insecure, as curl's -k is?")),
    }
}

/// The values of `--write-mode`.
fn write_mode() -> impl TypedValueParser<Value = WriteMode> {
    values::one_of([
        ("auto", WriteMode::Auto, "by size, kernel and file system"),
        ("ring", WriteMode::Ring, "through the page cache, by the ring"),
        ("sync", WriteMode::Sync, "through the page cache, by plain system calls"),
        ("direct", WriteMode::Direct, "past the page cache (O_DIRECT)"),
        (
            "dontcache",
            WriteMode::DontCache,
            "through the page cache, and out of it when written (RWF_DONTCACHE)",
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, refused, unusable};

    #[test]
    fn what_is_continued() {
        for (line, continuing) in [
            (&["http://h/"][..], Continue::Run),
            (&["-c", "http://h/"], Continue::Validated),
            (&["--continue", "http://h/"], Continue::Validated),
            (&["--continue=true", "http://h/"], Continue::Validated),
            (&["-c", "--continue=always", "http://h/"], Continue::Always),
            (&["-C", "-", "http://h/"], Continue::Validated),
            (&["--continue-at", "-", "http://h/"], Continue::Validated),
            (&["--report", "r.csv", "http://h/"], Continue::Runs),
            (&["--report", "r.csv", "--continue=always", "http://h/"], Continue::Always),
            (&["--report", "r.csv", "--continue=false", "http://h/"], Continue::Run),
            (&["--report", "-", "http://h/"], Continue::Run),
            (&["-nc", "http://h/"], Continue::Run),
        ] {
            assert_eq!(config(line).continuing, continuing, "{line:?}");
        }
        assert!(refused(&["-C", "100", "http://h/"]).contains("write -C -"));
        for line in [
            ["-c", "--discard", "http://h/"],
            ["-N", "--discard", "http://h/"],
            ["-R", "--discard", "http://h/"],
        ] {
            assert!(refused(&line).contains("cannot be used with"), "{line:?}");
        }
    }

    #[test]
    fn parts_within_the_caps() {
        let parts = |line: &[&str]| {
            let config = config(line);
            let parts = config.splitting.parts.map(NonZero::get);
            (parts, config.limits.per_host_first, config.limits.per_host_max)
        };
        let (first, max) = (limits::PER_HOST_FIRST, limits::PER_HOST_MAX);
        assert_eq!(parts(&["http://h/"]), (None, first, max));
        assert_eq!(parts(&["-s", "1", "http://h/"]), (Some(1), first, max));
        assert_eq!(parts(&["-s", "16", "http://h/"]), (Some(16), 16, max));
        assert_eq!(parts(&["-s16", "-x4", "http://h/"]), (Some(16), 4, 4));
        assert_eq!(parts(&["-s", "200", "http://h/"]), (Some(200), max, max));
        assert_eq!(parts(&["-s", "16", "-j", "2", "http://h/"]).0, Some(2));
        assert_eq!(
            parts(&["-s", "16", "--fixed-connections", "http://h/"]),
            (Some(16), first, first)
        );
        assert_eq!(config(&["-k", "1M", "http://h/"]).splitting.part_bytes_min, 1 << 20);
        assert_eq!(config(&["http://h/"]).splitting, Splitting::default());
        assert!(refused(&["-s", "0", "http://h/"]).contains("at least 1"));
        assert!(refused(&["-k", "16383", "http://h/"]).contains("at least 16k"));
    }

    #[test]
    fn curls_letters_are_told_apart() {
        assert!(refused(&["-k", "http://h/"]).contains("--insecure"));
        assert!(refused(&["--min-split-size=http://h/"]).contains("did you mean --insecure"));
        assert!(refused(&["-s", "http://h/"]).contains("--quiet"));
        assert!(refused(&["-sSL", "http://h/"]).contains("--quiet"));
    }

    #[test]
    fn files_that_are_there() {
        let both = |line: &[&str]| {
            let config = config(line);
            (config.timestamping, config.remote_time)
        };
        assert_eq!(both(&["http://h/"]), (false, false));
        assert_eq!(both(&["-R", "http://h/"]), (false, true));
        for flag in ["-N", "--timestamping", "--conditional-get"] {
            assert_eq!(both(&[flag, "http://h/"]), (true, true), "{flag}");
        }
        for line in [&["-N", "-nc", "http://h/"][..], &["-N", "--on-conflict", "skip", "http://h/"]]
        {
            assert!(unusable(line).contains("never asked for"), "{line:?}");
        }
        assert!(unusable(&["-N", "-o", "-", "http://h/"]).contains("nothing to compare"));
    }

    #[test]
    fn modes_of_writing() {
        for (word, mode) in [
            ("auto", WriteMode::Auto),
            ("ring", WriteMode::Ring),
            ("sync", WriteMode::Sync),
            ("direct", WriteMode::Direct),
            ("dontcache", WriteMode::DontCache),
        ] {
            assert_eq!(config(&["--write-mode", word, "http://h/"]).write_mode, mode);
            assert_eq!(mode.word(), word);
        }
    }
}
