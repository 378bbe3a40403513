//! How a run can be watched: what was typed to what the run needs.

use super::{input, read_text};
use crate::cli::args::PullArgs;
use crate::config::WatchConfig;
use crate::error::RunError;
use crate::report::write_out::WriteOut;
use anyhow::{Context as _, bail};
use std::path::Path;

pub(super) fn watch(args: &PullArgs) -> anyhow::Result<WatchConfig> {
    let kept = input::keep(args)?;
    let kept: Vec<String> = kept.into_iter().map(|column| column.report_name).collect();
    let write_out = args.report.write_out.as_deref().map(|typed| form(typed, &kept)).transpose()?;
    if write_out.is_some() && args.output.output.as_deref() == Some("-") {
        bail!(RunError::usage("cannot write both -o - and -w to standard output: give -o a name"));
    }
    Ok(WatchConfig { metrics_addr: args.report.metrics_addr, write_out })
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
