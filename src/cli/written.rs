//! The files that a run reads and writes besides its downloads: one list of them. What is written
//! may be none of the others, and no download may take the place of any.

use super::options::{HeaderArg, OutputName, PullArgs};
use super::outlet::{self, Leads, leads, place};
use crate::config::{Input, OwnFiles, Pins};
use crate::error::RunError;
use anyhow::bail;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Checks that nothing the run writes replaces anything it needs: no list, no file of an option,
/// nothing else that it writes, by whatever path, link or redirection of the shell. `output` is the
/// path of `-o`, `roots` the file of `SSL_CERT_FILE`. Gives what downloads are kept from.
///
/// # Errors
/// A [`RunError`] of class usage that names both.
pub(super) fn check(
    args: &PullArgs,
    inputs: &[Input],
    output: Option<&Path>,
    roots: Option<&Path>,
) -> anyhow::Result<OwnFiles> {
    let own = own(args, inputs, output, roots);
    check_kinds(&own)?;
    for (at, written) in own.iter().enumerate() {
        let may_share = |other: &Own| match (written.role, other.role) {
            // A session takes its name when the list was read.
            (Role::Session, Role::List) => true,
            (Role::Written | Role::Drafted | Role::Session | Role::Output, _) => false,
            (Role::List | Role::Read | Role::Stream, _) => true,
        };
        let others = own.iter().enumerate().filter(|(other_at, _)| *other_at != at);
        let mut others = others.map(|(_, other)| other).filter(|other| !may_share(other));
        if let Some(other) = others.find(|other| written.id.is_same(&other.id)) {
            bail!(RunError::usage(match other.role {
                Role::Written | Role::Drafted | Role::Session | Role::Output => format!(
                    "cannot write {} and {} to the same file: give another one",
                    written.what, other.what
                ),
                Role::List | Role::Read | Role::Stream =>
                    format!("cannot write {} over {}: give another file", written.what, other.what),
            }));
        }
    }
    let list_folders = list_folders(args);
    check_folders(args, &own, &list_folders)?;
    let files = own.into_iter().filter(|own| own.role != Role::Output).map(|own| own.path);
    Ok(OwnFiles { files: files.collect(), list_folders })
}

/// One file of the run.
struct Own {
    /// In words, for messages.
    what: String,
    path: PathBuf,
    role: Role,
    id: FileId,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    /// Read as a list.
    List,
    /// Read for an option.
    Read,
    /// Open already.
    Stream,
    /// Written.
    Written,
    /// Written beside its name, which it takes when it is complete.
    Drafted,
    /// The list of what is left, written likewise.
    Session,
    /// The download, which the user has named.
    Output,
}

impl Own {
    fn new(what: impl Into<String>, path: &Path, role: Role) -> Self {
        Self { what: what.into(), path: path.to_owned(), role, id: FileId::of(path) }
    }

    fn of_option(flag: &str, path: &Path) -> Self {
        Self::new(format!("the file {} of {flag}", path.display()), path, Role::Read)
    }

    fn open(what: &str, stream: &impl AsFd) -> Self {
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&stream.as_fd()));
        let id = FileId::of_open(stream);
        Self { what: what.to_owned(), path: path.into(), role: Role::Stream, id }
    }
}

/// All of them: an option that names a file gets its line here, and nowhere else.
fn own(args: &PullArgs, inputs: &[Input], output: Option<&Path>, roots: Option<&Path>) -> Vec<Own> {
    let journal = args.report.journal_path();
    let report = if journal.is_some() { Role::Drafted } else { Role::Written };
    let written = [
        ("--report", args.report.report_path(), report),
        ("--report", journal.as_deref(), Role::Written),
        ("--stats", args.report.stats.as_deref(), Role::Written),
        ("--save-session", args.journal.save_session.as_deref(), Role::Session),
        ("--dns-cache", args.dns.dns_cache.as_deref(), Role::Drafted),
        ("-o", output, Role::Output),
    ];
    let written = written.into_iter();
    let mut own: Vec<Own> =
        written.filter_map(|(what, path, role)| Some(Own::new(what, path?, role))).collect();
    own.extend(inputs.iter().filter_map(|input| match input {
        Input::File(list) => {
            Some(Own::new(format!("the list {}", list.display()), list, Role::List))
        }
        Input::Stdin => Some(Own::open("the list on standard input", &io::stdin())),
        Input::Urls(_) | Input::Given(_) => None,
    }));
    let printed = [
        (args.report.write_out.is_some(), "what -w writes to standard output"),
        (args.report.is_report_printed(), "the report on standard output"),
        (args.output.output == Some(OutputName::Stdout), "the download on standard output"),
    ];
    let printed = printed.into_iter().filter(|(is_printed, _)| *is_printed);
    own.extend(printed.map(|(_, what)| Own::open(what, &io::stdout())));
    own.push(Own::open("the messages on standard error", &io::stderr()));
    own.extend(args.http.headers.iter().filter_map(|header| match header {
        HeaderArg::File(path) => Some(Own::of_option("-H", path)),
        HeaderArg::Field { .. } => None,
    }));
    own.extend(args.tls.ca_files.iter().map(|path| Own::of_option("--cacert", path)));
    let form = args.report.write_out.as_deref().and_then(|form| form.strip_prefix('@'));
    let netrc = args.http.netrc_path();
    let pin = args.tls.pins.as_ref().and_then(|pins| match pins {
        Pins::File(path) => Some(&**path),
        Pins::Sha256(_) => None,
    });
    let read = [
        ("-w", form.map(Path::new)),
        ("--netrc-file", netrc.as_deref()),
        ("--cert", args.tls.cert_file.as_deref()),
        ("--key", args.tls.key_file.as_deref()),
        ("--pinnedpubkey", pin),
        ("SSL_CERT_FILE", roots),
    ];
    own.extend(read.into_iter().filter_map(|(flag, path)| Some(Own::of_option(flag, path?))));
    own
}

/// What takes its name only when it is complete must be a file.
fn check_kinds(own: &[Own]) -> anyhow::Result<()> {
    for Own { what, path, role, .. } in own {
        let is_file = leads(path) == Leads::File && !path.is_dir();
        if matches!(role, Role::Drafted | Role::Session) && !is_file {
            bail!(RunError::usage(format!(
                "cannot write {what} to {}, which is not a file: it takes its name when it is \
                 complete; give the name of a file",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The folders among the lists, each by its real path.
fn list_folders(args: &PullArgs) -> Vec<PathBuf> {
    let folders = args.input.files.iter().filter_map(|list| fs::canonicalize(list).ok());
    folders.filter(|list| list.is_dir()).collect()
}

/// What a run writes into a folder of lists, the next run would read as a list. Hidden files are
/// none.
fn check_folders(args: &PullArgs, own: &[Own], list_folders: &[PathBuf]) -> anyhow::Result<()> {
    let mut written = vec![("files", fs::canonicalize(&args.output.dir).ok())];
    written.extend(own.iter().filter_map(|own| match own.role {
        Role::Written | Role::Drafted | Role::Session => {
            let place = place(&own.path);
            let is_hidden = place.file_name()?.as_bytes().starts_with(b".");
            (!is_hidden).then(|| (own.what.as_str(), place.parent().map(Path::to_owned)))
        }
        Role::List | Role::Read | Role::Stream | Role::Output => None,
    }));
    for list in list_folders {
        if let Some((what, _)) = written.iter().find(|(_, folder)| folder.as_ref() == Some(list)) {
            bail!(RunError::usage(format!(
                "cannot write {what} into {}, whose files are lists: the next run would read that \
                 as a list; give another place",
                list.display()
            )));
        }
    }
    Ok(())
}

/// Which file it is, whatever it is called.
#[derive(Debug, PartialEq)]
enum FileId {
    /// Device and inode: hard links and detours are one file.
    There(u64, u64),
    /// A file that would be made at this path.
    Missing(PathBuf),
    /// No regular file, or an open one by its descriptor: to write into it replaces nothing.
    Other,
}

impl FileId {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(_) if outlet::descriptor(path).is_some() => Self::Other,
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
            ("a/b/new", "sub/../a/b/new"),
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
