//! Inputs: what was typed to the lists and URLs of the run, in their order.

use crate::cli::args::PullArgs;
use crate::config::{Columns, Input, InputConfig};
use crate::error::RunError;
use anyhow::{Context as _, bail};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// How the inputs are read.
pub(super) fn resolve(args: &PullArgs) -> InputConfig {
    let typed = &args.input;
    InputConfig {
        format: typed.input_format,
        columns: Columns {
            url: typed.url_col.clone(),
            out: typed.out_col.clone(),
            checksum: typed.checksum_col.clone(),
        },
        allows_host_header: typed.allow_host_header,
        dir: String::new(),
    }
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
