//! The files that a run writes besides its downloads: none may be one that the run reads, or
//! another one that it writes.

use super::args::PullArgs;
use super::values::HeaderArg;
use crate::config::{Input, Pins};
use crate::error::RunError;
use anyhow::bail;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Checks that the report and the statistics replace nothing that this run needs: not each other,
/// not a list, not a file of an option, by whatever path, link or redirection of the shell.
///
/// # Errors
/// A [`RunError`] of class usage that names both.
pub(super) fn check(args: &PullArgs, inputs: &[Input]) -> anyhow::Result<()> {
    let report = args.report.report.as_ref().map(|report| report.path.as_path());
    let stats = args.report.stats.as_deref();
    if let (Some(report), Some(stats)) = (report, stats)
        && FileId::of(report).is_same(&FileId::of(stats))
    {
        bail!(RunError::usage("cannot write --report and --stats to the same file"));
    }
    check_folders(args)?;
    check_session(args)?;
    let written = [("--report", report), ("--stats", stats)];
    let written = written.into_iter().filter_map(|(flag, path)| Some((flag, path?)));
    let kept = if report.or(stats).is_some() { kept(args, inputs) } else { Vec::new() };
    for (flag, path) in written {
        let id = FileId::of(path);
        if let Some((what, _)) = kept.iter().find(|(_, other)| id.is_same(other)) {
            bail!(RunError::usage(format!("cannot write {flag} over {what}: give another file")));
        }
    }
    Ok(())
}

/// The session may replace a list: it takes its name when that was read. It may replace nothing
/// else of the run.
fn check_session(args: &PullArgs) -> anyhow::Result<()> {
    let Some(session) = &args.journal.save_session else { return Ok(()) };
    let id = FileId::of(session);
    let written = [("--report", args.report.report.as_ref().map(|report| &report.path))];
    let written = written.into_iter().chain([("--stats", args.report.stats.as_ref())]);
    let written = written.filter_map(|(flag, path)| Some((flag.to_owned(), FileId::of(path?))));
    if let Some((what, _)) = written.chain(kept(args, &[])).find(|(_, other)| id.is_same(other)) {
        bail!(RunError::usage(format!(
            "cannot write --save-session over {what}: give another file"
        )));
    }
    Ok(())
}

/// What a run writes into a folder of lists, the next run would read as a list.
fn check_folders(args: &PullArgs) -> anyhow::Result<()> {
    let report = args.report.report.as_ref().map(|report| report.path.as_path());
    let written = [("--report", report), ("--stats", args.report.stats.as_deref())];
    let written = written.into_iter().filter_map(|(flag, path)| Some((flag, place(path?))));
    let mut folders = vec![("files", fs::canonicalize(&args.output.dir).ok())];
    folders.extend(written.map(|(flag, path)| (flag, path.parent().map(Path::to_owned))));
    for list in &args.input.files {
        let Ok(list) = fs::canonicalize(list) else { continue };
        if let Some((what, _)) = folders.iter().find(|(_, folder)| folder.as_ref() == Some(&list)) {
            bail!(RunError::usage(format!(
                "cannot write {what} into {}, whose files are lists: the next run would read that \
                 as a list; give another place",
                list.display()
            )));
        }
    }
    Ok(())
}

/// What a run reads, or writes to standard output, with words for it.
fn kept(args: &PullArgs, inputs: &[Input]) -> Vec<(String, FileId)> {
    let mut kept = Vec::new();
    for input in inputs {
        match input {
            Input::File(list) => {
                kept.push((format!("the list {}", list.display()), FileId::of(list)));
            }
            Input::Stdin => {
                let id = FileId::of_open(&io::stdin());
                kept.push(("the list on standard input".to_owned(), id));
            }
            Input::Urls(_) => {}
        }
    }
    if args.report.write_out.is_some() {
        let id = FileId::of_open(&io::stdout());
        kept.push(("what -w writes to standard output".to_owned(), id));
    }
    if args.output.output.as_deref() == Some("-") {
        let id = FileId::of_open(&io::stdout());
        kept.push(("the download on standard output".to_owned(), id));
    }
    let fields = args.http.headers.iter().filter_map(|header| match header {
        HeaderArg::File(path) => Some(path),
        HeaderArg::Field { .. } => None,
    });
    let pins = args.tls.pins.iter().filter_map(|pins| match pins {
        Pins::File(path) => Some(path),
        Pins::Sha256(_) => None,
    });
    let files = fields.map(|path| ("-H", path));
    let files = files.chain(args.http.netrc_file.iter().map(|path| ("--netrc-file", path)));
    let files = files.chain(args.tls.ca_files.iter().map(|path| ("--cacert", path)));
    let files = files.chain(args.tls.cert_file.iter().map(|path| ("--cert", path)));
    let files = files.chain(args.tls.key_file.iter().map(|path| ("--key", path)));
    let files = files.chain(pins.map(|path| ("--pinnedpubkey", path)));
    // It is replaced as well, but only by itself.
    let files = files.chain(args.dns.dns_cache.iter().map(|path| ("--dns-cache", path)));
    kept.extend(
        files.map(|(flag, path)| {
            (format!("the file {} of {flag}", path.display()), FileId::of(path))
        }),
    );
    kept
}

/// Which file it is, whatever it is called.
#[derive(Debug, PartialEq)]
enum FileId {
    /// Device and inode: hard links and detours are one file.
    There(u64, u64),
    /// It would be made here.
    Missing(PathBuf),
    /// No regular file: to write into a device or a pipe replaces nothing.
    Other,
}

impl FileId {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(metadata) => Self::of_metadata(&metadata),
            Err(_) => Self::Missing(place(path)),
        }
    }

    fn of_open(stream: &impl AsFd) -> Self {
        let copy = stream.as_fd().try_clone_to_owned().map(File::from);
        // What cannot be asked about is closed: nothing is written over.
        copy.and_then(|file| file.metadata())
            .map_or(Self::Other, |metadata| Self::of_metadata(&metadata))
    }

    fn of_metadata(metadata: &Metadata) -> Self {
        if metadata.is_file() { Self::There(metadata.dev(), metadata.ino()) } else { Self::Other }
    }

    fn is_same(&self, other: &Self) -> bool {
        *self != Self::Other && self == other
    }
}

/// Where a file would be made: links that lead to nothing are followed, as open(2) does.
fn place(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.with_file_name(target);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match (fs::canonicalize(parent.unwrap_or_else(|| Path::new("."))), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path,
    }
}

/// As many as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn one_file_by_many_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), b"x").unwrap();
        fs::write(path("other"), b"x").unwrap();
        fs::create_dir(path("sub")).unwrap();
        fs::hard_link(path("file"), path("hard")).unwrap();
        symlink("file", path("soft")).unwrap();
        symlink("sub/new", path("dangling")).unwrap();
        symlink("loop", path("loop")).unwrap();
        let is_same = |a: &str, b: &str| FileId::of(&path(a)).is_same(&FileId::of(&path(b)));
        for (a, b) in [
            ("file", "hard"),
            ("file", "soft"),
            ("file", "sub/../file"),
            ("new", "./new"),
            ("new", "sub/../new"),
            ("sub/new", "dangling"),
        ] {
            assert!(is_same(a, b) && is_same(b, a), "{a} {b}");
        }
        for (a, b) in [("file", "other"), ("file", "new"), ("new", "sub/new"), ("loop", "new")] {
            assert!(!is_same(a, b) && !is_same(b, a), "{a} {b}");
        }
        let null = Path::new("/dev/null");
        assert!(!FileId::of(null).is_same(&FileId::of(null)), "nothing is lost there");
        let file = File::open(path("hard")).unwrap();
        assert!(FileId::of_open(&file).is_same(&FileId::of(&path("file"))));
    }
}
