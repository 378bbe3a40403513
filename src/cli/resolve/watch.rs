//! How a run can be watched: what was typed to what the run needs.

use super::{input, read_text};
use crate::cli::args::{OutputName, PullArgs, ReportFormatArg};
use crate::config::{ReportFile, ReportFormat, WatchConfig};
use crate::error::RunError;
use crate::report::write_out::WriteOut;
use anyhow::{Context as _, bail};
use std::path::Path;

pub(super) fn watch(args: &PullArgs) -> anyhow::Result<WatchConfig> {
    let kept = input::keep(args)?;
    let kept: Vec<String> = kept.into_iter().map(|column| column.report_name).collect();
    let write_out = args.report.write_out.as_deref().map(|typed| form(typed, &kept)).transpose()?;
    if write_out.is_some() && args.output.output == Some(OutputName::Stdout) {
        bail!(RunError::usage("cannot write both -o - and -w to standard output: give -o a name"));
    }
    let rows = args.report.is_report_printed().then(|| printed_rows(args)).transpose()?;
    Ok(WatchConfig { metrics_addr: args.report.metrics_addr, write_out, rows })
}

/// The report as a file, if it is to be one.
pub(super) fn report(args: &PullArgs) -> anyhow::Result<Option<ReportFile>> {
    let Some(path) = args.report.report_path() else { return Ok(None) };
    let by_name = args.report.report.as_ref().and_then(|report| report.format);
    let format = match (by_name, asked_format(args)) {
        (Some(by_name), Some(asked)) if by_name != asked => bail!(RunError::usage(format!(
            "cannot write {} in another format than its name says: leave --report-format out, or \
             give another name",
            path.display()
        ))),
        (by_name, asked) => by_name.or(asked).with_context(|| {
            RunError::usage(format!(
                "cannot tell the format of --report {}: its name must end in .csv or .jsonl \
                 (and .gz or .zst behind that), or say --report-format csv or jsonl",
                path.display()
            ))
        })?,
    };
    Ok(Some(ReportFile { path: path.to_owned(), format }))
}

/// How rows are encoded that go to standard output, where nothing else may go then.
fn printed_rows(args: &PullArgs) -> anyhow::Result<ReportFormat> {
    let typed = [
        ("-o -", args.output.output == Some(OutputName::Stdout), "give -o a name"),
        ("-w", args.report.write_out.is_some(), "give --report a file"),
    ];
    if let Some((other, _, remedy)) = typed.iter().find(|(_, is_typed, _)| *is_typed) {
        bail!(RunError::usage(format!(
            "cannot write both --report - and {other} to standard output: {remedy}"
        )));
    }
    Ok(asked_format(args).unwrap_or(ReportFormat::Csv))
}

fn asked_format(args: &PullArgs) -> Option<ReportFormat> {
    args.report.report_format.map(|asked| match asked {
        ReportFormatArg::Csv => ReportFormat::Csv,
        ReportFormatArg::Jsonl => ReportFormat::JsonLines,
    })
}

/// The form of `-w`, or of the file that it names.
fn form(typed: &str, kept: &[String]) -> anyhow::Result<String> {
    let form = match typed.strip_prefix('@') {
        Some("" | "-") => {
            bail!(RunError::usage("write -w @FILE; the form is not read from standard input"))
        }
        Some(path) => read_text(Path::new(path))
            .with_context(|| RunError::usage(format!("cannot read the form of -w {typed}")))?,
        None => typed.to_owned(),
    };
    match WriteOut::parse(&form, kept) {
        Ok(_) => Ok(form),
        Err(problem) => bail!(RunError::usage(format!("cannot use the form of -w: {problem}"))),
    }
}
