//! Inputs: what was typed to the lists and URLs of the run, in their order.

use crate::cli::args::PullArgs;
use crate::config::{Columns, Input, InputConfig, KeptColumn};
use crate::error::RunError;
use crate::report::row::COLUMNS;
use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// How the inputs are read.
pub(super) fn resolve(args: &PullArgs) -> anyhow::Result<InputConfig> {
    let typed = &args.input;
    let is_told = args.report.report.is_some() || args.report.write_out.is_some();
    if typed.keep_cols.is_some() && !is_told && !args.lines.dry_run {
        bail!(RunError::usage("--keep-cols copies columns into the report: give --report FILE"));
    }
    Ok(InputConfig {
        format: typed.input_format,
        columns: Columns {
            url: typed.url_col.clone(),
            out: typed.out_col.clone(),
            checksum: typed.checksum_col.clone(),
            keep: keep(args)?,
        },
        delimiter: typed.delimiter,
        allows_host_header: typed.allow_host_header,
        ..InputConfig::default()
    })
}

/// The columns that the report keeps, with names that nothing else in it has, whether a reader
/// minds capitals or not.
pub(super) fn keep(args: &PullArgs) -> anyhow::Result<Vec<KeptColumn>> {
    let typed = args.input.keep_cols.as_ref().map_or(&[][..], |names| &names.0);
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let has_header = args.input.url_col.as_deref().is_none_or(|name| !is_number(name));
    let mut columns: Vec<KeptColumn> = Vec::new();
    for name in typed {
        let report_name = match name {
            number if is_number(number) && !has_header => format!("column_{number}"),
            name if COLUMNS.iter().any(|own| own.eq_ignore_ascii_case(name)) => {
                format!("list_{name}")
            }
            name => name.clone(),
        };
        if columns.iter().any(|other| other.report_name.eq_ignore_ascii_case(&report_name)) {
            bail!(RunError::usage(format!(
                "--keep-cols has two columns that the report would call {report_name:?}: leave one \
                 of them out, or give it another name in the list"
            )));
        }
        columns.push(KeptColumn { name: name.clone(), report_name });
    }
    Ok(columns)
}

/// Lists first, then the URLs of the command line as one input; `-` in either place is standard
/// input, and a folder is the files in it. A list that is missing is found before the first
/// download, not hours into the run.
pub(super) fn inputs(args: &PullArgs) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in &args.input.files {
        if path.as_os_str() == "-" {
            inputs.push(Input::Stdin);
            continue;
        }
        // Only metadata is read: opening a FIFO (`<(...)` of a shell) would take it from the
        // reader.
        let doing = || RunError::usage(format!("cannot read the list {}", path.display()));
        if fs::metadata(path).with_context(doing)?.is_dir() {
            inputs.extend(folder(path)?.into_iter().map(Input::File));
        } else {
            inputs.push(Input::File(path.clone()));
        }
    }
    for url in &args.urls {
        refuse_list(url)?;
        match (url.as_str(), inputs.last_mut()) {
            ("-", _) => inputs.push(Input::Stdin),
            (_, Some(Input::Urls(urls))) => urls.push(url.clone()),
            _ => inputs.push(Input::Urls(vec![url.clone()])),
        }
    }
    if inputs.iter().filter(|input| **input == Input::Stdin).count() > 1 {
        bail!(RunError::usage("cannot read standard input twice: give `-` once"));
    }
    Ok(inputs)
}

/// A list among the URLs is a slip that would cost a row and pull nothing.
fn refuse_list(url: &str) -> anyhow::Result<()> {
    let path = Path::new(url);
    if url == "-" || url.contains("://") || !path.exists() {
        return Ok(());
    }
    let what = if path.is_dir() { "folder" } else { "file" };
    let shown = url.escape_debug();
    bail!(RunError::usage(format!(
        "{shown} is a {what} here, and no URL; to pull the URLs in it: -i {shown}"
    )))
}

/// The regular files of a folder, by the bytes of their names, so that line numbers stay what they
/// are. Hidden files are left out, and so are folders within it.
fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let doing = || RunError::usage(format!("cannot read the folder {}", path.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(doing)? {
        let entry = entry.with_context(doing)?;
        if entry.file_name().as_bytes().starts_with(b".") {
            continue;
        }
        let file = entry.path();
        let cannot = || RunError::usage(format!("cannot read the list {}", file.display()));
        // Links are followed.
        if fs::metadata(&file).with_context(cannot)?.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        let what = "there is no list in it; hidden files and folders within it are not read";
        return Err(anyhow::anyhow!(what)).with_context(doing);
    }
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(files)
}
