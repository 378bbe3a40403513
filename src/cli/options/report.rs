//! What is told of a run, while it goes on and afterwards.

use crate::cli::outlet::{Leads, leads};
use crate::cli::values::{self, Millis};
use crate::config::{PrintedRows, ProgressMode, ProgressOptions, ReportFile, StatsFile};
use crate::error::RunError;
use crate::limits;
use crate::plan::input::Columns;
use crate::report::RowFormat;
use crate::report::look::Look;
use crate::report::write_out::WriteOut;
use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::TypedValueParser;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What is told of a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// One row per line: FILE.csv, .jsonl or .parquet; - is stdout.
    ///
    /// The name decides the format; .gz or .zst behind it packs the rows. A Parquet file is written
    /// when the run ends; until then its rows are in FILE.parquet.journal. A report that exists is
    /// continued: lines that it says are done are passed over, so that the same command finishes
    /// what is left. See `ringpull help report` and `ringpull help resume`.
    ///
    /// Example: --report REPORT.csv.zst
    #[arg(long, value_name = "FILE", value_parser = report_name)]
    pub report: Option<ReportName>,
    /// Format of the rows [default: by the name of --report]
    ///
    /// For names that do not say it, and for `--report -`, which is csv by default.
    #[arg(long, value_name = "FORMAT", requires = "report",
          value_parser = report_format(), hide_short_help = true)]
    pub report_format: Option<ReportForm>,
    /// Statistics of the run, as JSON.
    ///
    /// Written once, at its end: counts, bytes, times, faults.
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub stats: Option<PathBuf>,
    /// Progress on stderr.
    ///
    /// [default: bar on a terminal, else plain]
    ///
    /// A bar is as wide as the terminal, in colour unless NO_COLOR is set; it is left out where
    /// rows or a body are printed to the same terminal. See `ringpull help watch`.
    #[arg(long, value_name = "HOW", value_parser = progress())]
    pub progress: Option<ProgressMode>,
    /// Time between two lines of progress where stderr is not a terminal; 0 is none.
    ///
    /// [default: 1m; with --progress plain 5s, with --progress json 1s]
    ///
    /// Example: --summary-interval 10s
    #[arg(long, value_name = "TIME", value_parser = values::duration, hide_short_help = true)]
    pub summary_interval: Option<Millis>,
    /// No progress and no summary; errors only.
    ///
    /// The first failures are still told when there is no report.
    #[arg(short, long)]
    pub quiet: bool,
    /// Address on which metrics for Prometheus are served.
    ///
    /// At http://ADDR:PORT/metrics while the run goes on, to anyone who can connect; port 0 takes a
    /// free one and says which.
    ///
    /// Example: --metrics-addr 127.0.0.1:9400
    #[arg(long, value_name = "ADDR:PORT", value_parser = address, hide_short_help = true)]
    pub metrics_addr: Option<SocketAddr>,
    /// Text to print for every row, such as '%{http_code} %{url}\n'.
    ///
    /// In curl's form, with its variables and all columns of the report; '%{json}\n' is the whole
    /// row. @FILE reads the text. It goes to standard output. See `ringpull help watch`.
    #[arg(short, long, value_name = "FORM")]
    pub write_out: Option<String>,
}

impl ReportArgs {
    /// Whether the report is standard output.
    pub fn is_report_printed(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.path.as_os_str() == "-")
    }

    /// The file of the report, if it is one.
    pub fn report_path(&self) -> Option<&Path> {
        let report = self.report.as_ref().filter(|_| !self.is_report_printed());
        report.map(|report| report.path.as_path())
    }

    /// The journal of the report, if that is a Parquet file.
    pub fn journal_path(&self) -> Option<PathBuf> {
        let by_name = self.report.as_ref().and_then(|report| report.format);
        let path = self.report_path()?;
        let mut journal = path.as_os_str().to_owned();
        journal.push(".journal");
        (by_name.or(self.report_format) == Some(ReportForm::Parquet)).then(|| journal.into())
    }

    /// What standard output gets of every row, if anything. The report has the kept ones of
    /// `columns` too; `is_body_printed` says that the download is standard output.
    pub(crate) fn printed(
        &self,
        columns: &Columns,
        is_body_printed: bool,
    ) -> anyhow::Result<Option<PrintedRows>> {
        let kept = columns.report_names();
        let form = self.write_out.as_deref().map(|typed| form(typed, &kept)).transpose()?;
        if form.is_some() && is_body_printed {
            bail!(RunError::usage(
                "cannot write both -o - and -w to standard output: give -o a name"
            ));
        }
        let rows =
            self.is_report_printed().then(|| self.printed_rows(is_body_printed)).transpose()?;
        Ok(form.map(PrintedRows::WriteOut).or_else(|| rows.map(PrintedRows::Report)))
    }

    /// The report as a file, if it is to be one.
    pub(crate) fn file(&self) -> anyhow::Result<Option<ReportFile>> {
        let Some(path) = self.report_path() else { return Ok(None) };
        let by_name = self.report.as_ref().and_then(|report| report.format);
        let format = match (by_name, self.report_format) {
            (Some(by_name), Some(asked)) if by_name != asked => bail!(RunError::usage(format!(
                "cannot write {} in another format than its name says: leave --report-format out, \
                 or give another name",
                path.display()
            ))),
            (by_name, asked) => by_name.or(asked).with_context(|| {
                RunError::usage(format!(
                    "cannot tell the format of --report {}: its name must end in .csv or .jsonl \
                     (and .gz or .zst behind that) or .parquet, or say --report-format csv, jsonl \
                     or parquet",
                    path.display()
                ))
            })?,
        };
        Ok(Some(match (format, self.journal_path()) {
            (ReportForm::Rows(format), _) => {
                ReportFile { path: path.to_owned(), format, parquet: None }
            }
            (ReportForm::Parquet, journal) => ReportFile {
                path: journal.unwrap_or_default(),
                format: RowFormat::JsonLines,
                parquet: Some(path.to_owned()),
            },
        }))
    }

    /// How rows are encoded that go to standard output, where nothing else may go then.
    fn printed_rows(&self, is_body_printed: bool) -> anyhow::Result<RowFormat> {
        let typed = [
            ("-o -", is_body_printed, "give -o a name"),
            ("-w", self.write_out.is_some(), "give --report a file"),
        ];
        if let Some((other, _, remedy)) = typed.iter().find(|(_, is_typed, _)| *is_typed) {
            bail!(RunError::usage(format!(
                "cannot write both --report - and {other} to standard output: {remedy}"
            )));
        }
        match self.report_format.unwrap_or(ReportForm::Rows(RowFormat::Csv)) {
            ReportForm::Rows(format) => Ok(format),
            ReportForm::Parquet => bail!(RunError::usage(
                "cannot write --report - as Parquet, which is written as a whole when the run \
                 ends: give --report FILE.parquet"
            )),
        }
    }

    /// What was asked for; else a bar where somebody can see it, and lines where nobody can. Quiet
    /// is neither, and so is a terminal that is printed to.
    pub(crate) fn progress(&self, has_bar: bool, is_printed_to: bool) -> ProgressMode {
        match self.progress {
            Some(typed) => typed,
            None if self.quiet => ProgressMode::None,
            None if !has_bar => ProgressMode::Plain,
            None if is_printed_to => ProgressMode::None,
            None => ProgressMode::Bar,
        }
    }

    /// Progress in this mode and look.
    pub(crate) fn shown(&self, mode: ProgressMode, look: Look) -> ProgressOptions {
        let usual = match (mode, self.progress) {
            (ProgressMode::Json, _) => limits::PROGRESS_JSON_DEFAULT_MS,
            (_, Some(_)) => limits::PROGRESS_PLAIN_DEFAULT_MS,
            (_, None) => limits::PROGRESS_LOG_DEFAULT_MS,
        };
        let interval_ms = self.summary_interval.map_or(usual, |interval| interval.0);
        ProgressOptions { mode, interval_ms, look }
    }
}

/// `--report`, as far as the name tells what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportName {
    /// As it was typed; `-` is standard output.
    pub path: PathBuf,
    /// What its suffix says.
    pub format: Option<ReportForm>,
}

/// What a report is in the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportForm {
    /// A row is appended when its line is done.
    Rows(RowFormat),
    /// A table, written when the run ends.
    Parquet,
}

/// The values of `--report-format`.
fn report_format() -> impl TypedValueParser<Value = ReportForm> {
    values::one_of([
        ("csv", ReportForm::Rows(RowFormat::Csv), "RFC 4180, with a header line"),
        ("jsonl", ReportForm::Rows(RowFormat::JsonLines), "a JSON object a line"),
        ("parquet", ReportForm::Parquet, "a table with typed columns, written at the end"),
    ])
}

/// The values of `--progress`.
fn progress() -> impl TypedValueParser<Value = ProgressMode> {
    values::one_of([
        ("bar", ProgressMode::Bar, "a line or two, drawn anew in their place"),
        ("plain", ProgressMode::Plain, "a line of text now and then"),
        ("json", ProgressMode::Json, "a JSON object now and then"),
        ("none", ProgressMode::None, "nothing"),
    ])
}

/// `--report`: the suffix decides the format.
fn report_name(text: &str) -> Result<ReportName, String> {
    let lower = text.to_ascii_lowercase();
    let packed = lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst"));
    let plain = packed.unwrap_or(&lower);
    let format = if plain.ends_with(".csv") {
        Some(ReportForm::Rows(RowFormat::Csv))
    } else if plain.ends_with(".jsonl") {
        Some(ReportForm::Rows(RowFormat::JsonLines))
    } else if plain.ends_with(".parquet") {
        if packed.is_some() {
            return Err("Parquet is compressed within: leave .gz or .zst out".to_owned());
        }
        Some(ReportForm::Parquet)
    } else {
        None
    };
    Ok(ReportName { path: values::path(text)?, format })
}

/// An address of this machine, and a port of it.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:9100".to_owned())
}

/// The form of `-w`, or of the file that it names.
fn form(typed: &str, kept: &[String]) -> anyhow::Result<WriteOut> {
    let form = match typed.strip_prefix('@') {
        Some("" | "-") => {
            bail!(RunError::usage("write -w @FILE; the form is not read from standard input"))
        }
        Some(path) => values::read_text(Path::new(path))
            .with_context(|| RunError::usage(format!("cannot read the form of -w {typed}")))?,
        None => typed.to_owned(),
    };
    match WriteOut::parse(&form, kept) {
        Ok(form) => Ok(form),
        Err(problem) => bail!(RunError::usage(format!("cannot use the form of -w: {problem}"))),
    }
}

/// The file of `--stats`.
pub(crate) fn stats(path: &Path) -> StatsFile {
    let outlet = match leads(path) {
        Leads::Outlet(outlet) => Some(outlet),
        // To open a socket fails, and says why.
        Leads::File | Leads::Socket => None,
    };
    StatsFile { path: path.to_owned(), outlet }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::Command;
    use crate::cli::resolve::{Host, resolve};
    use crate::cli::tests::{config, host, options, refused, typed, unusable};

    #[test]
    fn report_names() {
        let format = |text| report_name(text).unwrap().format;
        assert_eq!(format("a/R.CSV"), Some(ReportForm::Rows(RowFormat::Csv)));
        assert_eq!(format("r.jsonl"), Some(ReportForm::Rows(RowFormat::JsonLines)));
        assert_eq!(format("r.csv.gz"), Some(ReportForm::Rows(RowFormat::Csv)));
        assert_eq!(format("r.jsonl.ZST"), Some(ReportForm::Rows(RowFormat::JsonLines)));
        assert_eq!(format("r.Parquet"), Some(ReportForm::Parquet));
        assert!(report_name("r.parquet.zst").unwrap_err().contains("leave .gz or .zst out"));
        for text in ["r.json", "csv", "-", "/dev/fd/3", "r.gz", "r.csv.bz2"] {
            assert_eq!(format(text), None, "{text}");
        }
        assert!(report_name("").is_err());
    }

    #[test]
    fn names_of_the_options() {
        let report = options(&["--report", "R.csv"]).report.report.unwrap();
        assert_eq!(
            (report.path, report.format),
            (PathBuf::from("R.csv"), Some(ReportForm::Rows(RowFormat::Csv)))
        );
        assert!(refused(&["--report-format", "csv", "u"]).contains("--report"));
        assert_eq!(options(&["--stats", "s.json"]).report.stats, Some(PathBuf::from("s.json")));
        for (word, value) in [
            ("bar", ProgressMode::Bar),
            ("plain", ProgressMode::Plain),
            ("json", ProgressMode::Json),
            ("none", ProgressMode::None),
        ] {
            assert_eq!(options(&["--progress", word]).report.progress, Some(value));
        }
        assert!(options(&["-q"]).report.quiet && options(&["--quiet"]).report.quiet);
    }

    #[test]
    fn the_format_of_a_report() {
        let file = |words: &[&str]| config(&[words, &["u"]].concat()).report.unwrap().format;
        assert_eq!(file(&["--report", "r.csv"]), RowFormat::Csv);
        assert_eq!(file(&["--report", "r.txt", "--report-format", "jsonl"]), RowFormat::JsonLines);
        assert_eq!(file(&["--report", "r.csv", "--report-format", "csv"]), RowFormat::Csv);
        let text = unusable(&["--report", "R.txt", "u"]);
        assert!(text.contains(".csv or .jsonl") && text.contains("--report-format"), "{text}");
        let text = unusable(&["--report", "r.csv", "--report-format", "jsonl", "u"]);
        assert!(text.contains("than its name says"), "{text}");

        let printed = config(&["--report", "-", "u"]);
        let csv = Some(PrintedRows::Report(RowFormat::Csv));
        assert_eq!((printed.report, printed.printed), (None, csv));
        let printed = config(&["--report", "-", "--report-format", "jsonl", "--fresh", "u"]);
        assert_eq!(printed.printed, Some(PrintedRows::Report(RowFormat::JsonLines)));
        for (words, wanted) in [
            (&["-o", "-", "u"][..], "both --report - and -o -"),
            (&["-w", "%{url}", "u"], "both --report - and -w"),
            (&["--retry-failed=all", "u"], "cannot use --retry-failed with --report -"),
            (&["--verify"], "cannot use --verify with --report -"),
        ] {
            let text = unusable(&[&["--report", "-"], words].concat());
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_bar_is_for_a_terminal_without_quiet() {
        let progress = |line: &[&str], has_bar| {
            let Command::Pull(args) = typed(line) else { panic!("{line:?} pulls nothing") };
            let host = Host { has_bar, is_stdout_terminal: true, ..host() };
            let config = resolve(&args, &host).unwrap().config;
            (config.progress.mode, config.summary)
        };
        assert_eq!(progress(&["u"], true), (ProgressMode::Bar, true));
        assert_eq!(progress(&["u"], false), (ProgressMode::Plain, true));
        for printed in [&["-o", "-", "u"][..], &["-w", "%{url}", "u"], &["--report", "-", "u"]] {
            assert_eq!(progress(printed, true), (ProgressMode::None, true), "{printed:?}");
        }
        assert_eq!(progress(&["-q", "u"], true), (ProgressMode::None, false));
        assert_eq!(progress(&["-q", "--progress", "json", "u"], true), (ProgressMode::Json, false));
        assert_eq!(progress(&["--progress", "plain", "u"], true), (ProgressMode::Plain, true));
        assert_eq!(progress(&["--progress", "bar", "u"], false), (ProgressMode::Bar, true));
        assert_eq!(progress(&["-q", "u"], false), (ProgressMode::None, false));
        assert_eq!(progress(&["--progress", "none", "u"], true), (ProgressMode::None, true));
    }

    #[test]
    fn lines_of_progress_have_their_time() {
        let interval = |words: &[&str]| config(&[words, &["u"]].concat()).progress.interval_ms;
        assert_eq!(interval(&[]), 60_000);
        assert_eq!(interval(&["--progress", "plain"]), 5_000);
        assert_eq!(interval(&["--progress", "json"]), 1_000);
        assert_eq!(interval(&["--progress", "json", "--summary-interval", "1m"]), 60_000);
        assert_eq!(interval(&["--summary-interval", "0"]), 0);
    }

    #[test]
    fn a_table_has_a_journal_beside_it() {
        for args in [
            &["--report", "a/r.parquet"][..],
            &["--report", "a/r.parquet", "--report-format", "parquet"],
        ] {
            let report = config(&[args, &["u"]].concat()).report.unwrap();
            assert_eq!(report.parquet, Some("a/r.parquet".into()));
            assert_eq!(report.path, PathBuf::from("a/r.parquet.journal"));
            assert_eq!(report.format, RowFormat::JsonLines);
        }
        let report = config(&["--report", "r", "--report-format", "parquet", "u"]).report.unwrap();
        assert_eq!((report.parquet, report.path), (Some("r".into()), "r.journal".into()));
        let report = config(&["--report", "r.jsonl", "u"]).report.unwrap();
        assert_eq!((report.parquet, report.path), (None, "r.jsonl".into()));
        let text = unusable(&["--report", "-", "--report-format", "parquet", "u"]);
        assert!(text.contains("FILE.parquet"), "{text}");
        let own = config(&["--report", "r.parquet", "u"]).own_files.files;
        let has = |name: &str| own.iter().any(|path| path.ends_with(name));
        assert!(has("r.parquet") && has("r.parquet.journal"), "{own:?}");
    }
}
