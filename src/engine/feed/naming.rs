//! How files are named where the list does not say, and which names are taken before a run begins.

use crate::config::Config;
use crate::engine::output::dir_rules::DirRules;
use crate::plan::job::Entry;
use crate::plan::name::{Names, Template};
use crate::ring::dir::Dir;
use std::path::{Path, PathBuf, absolute};

/// How files are named, where the list does not say.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// `--name-template`.
    pub(crate) template: Option<Template>,
    /// Paths beneath the directory that no download may take: those of the run's own files.
    pub(super) reserved: Vec<String>,
    /// Paths of files that earlier runs wrote and that are not pulled again.
    pub(super) written: Names,
}

impl Naming {
    pub(crate) fn new(config: &Config) -> Self {
        let template = config.name_template.clone();
        Self { template, reserved: Vec::new(), written: Names::new() }
    }

    /// Keeps the name of an earlier run's file from downloads: the list, its options or the order
    /// in which names were given may have been others then.
    pub(crate) fn keep(&mut self, filename: &str, (root, dir): (&Path, &Dir), rules: &DirRules) {
        if let Some(path) = beneath(root, filename) {
            let folds = rules.folds(Some(dir), &path);
            self.written.occupy(&path, folds);
        }
    }

    /// No name is kept any more.
    pub(crate) fn forget_kept(&mut self) {
        self.written = Names::new();
    }

    /// Keeps the names of this run's own files from downloads, and those of links to them.
    pub(crate) fn reserve(&mut self, config: &Config) {
        let Ok(dir) = config.dir.canonicalize() else { return };
        let own = config.own_files.files.iter();
        self.reserved = own
            .flat_map(|path| [place(path), path.canonicalize().ok()])
            .filter_map(|path| Some(path?.strip_prefix(&dir).ok()?.to_str()?.to_owned()))
            .collect();
    }
}

/// The path of a row's file beneath the directory of the run, which may be spelled otherwise now.
pub(crate) fn beneath(root: &Path, filename: &str) -> Option<String> {
    if let Some(path) = plainly_beneath(root, filename) {
        return Some(path.to_owned());
    }
    if let Ok(path) = Path::new(filename).strip_prefix(root) {
        return path.to_str().map(str::to_owned);
    }
    let (root, path) = (absolute(root).ok()?, absolute(filename).ok()?);
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// [`beneath`] where the directory is spelled as it was, and the rest has plain components only, as
/// in nearly all rows.
fn plainly_beneath<'f>(root: &Path, filename: &'f str) -> Option<&'f str> {
    let path = match root.to_str()? {
        "" | "." => filename,
        root => filename.strip_prefix(root)?.strip_prefix('/')?,
    };
    let odd = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
    let is_plain = !path.is_empty()
        && !path.starts_with(['/', '.'])
        && !path.ends_with('/')
        && !path.as_bytes().windows(2).any(odd);
    is_plain.then_some(path)
}

/// Where a file is, or would be.
fn place(path: &Path) -> Option<PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new(".")).canonicalize().ok()?;
    Some(parent.join(path.file_name()?))
}

/// The number of an entry's line.
pub(crate) fn index_of(entry: &Entry) -> u64 {
    match entry {
        Ok(job) => job.index,
        Err(line) => line.index,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plainly_beneath_is_beneath() {
        for root in ["out", "out/", "./out", "a/out", "/tmp/out", ".", "", "/"] {
            for rest in
                ["a", "a/b.c", "a//b", "./a", "a/./b", "a/", ".a", "a/.b", "/a", "", "a/..b"]
            {
                for filename in [format!("{root}/{rest}"), format!("{root}{rest}"), rest.to_owned()]
                {
                    let root = Path::new(root);
                    if let Some(path) = plainly_beneath(root, &filename) {
                        let slow = Path::new(&filename).strip_prefix(root).ok().map(Path::to_owned);
                        let slow = slow.or_else(|| {
                            let (root, path) = (absolute(root).ok()?, absolute(&filename).ok()?);
                            path.strip_prefix(root).ok().map(Path::to_owned)
                        });
                        // Nothing is absolute beneath a directory without a name.
                        let slow = slow.or_else(|| Some(PathBuf::from(&filename)));
                        assert_eq!(slow, Some(PathBuf::from(path)), "{root:?} {filename}");
                        assert_eq!(slow.unwrap().to_str(), Some(path));
                    }
                }
            }
        }
        assert_eq!(plainly_beneath(Path::new("out"), "out/a/b"), Some("a/b"));
        assert_eq!(plainly_beneath(Path::new("."), "a"), Some("a"));
        assert_eq!(plainly_beneath(Path::new("out"), "output/a"), None);
    }
}
