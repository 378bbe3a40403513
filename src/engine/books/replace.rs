//! A file that is written whole: it takes the place of the one that has its name once all of it is
//! there, and leaves no trace when that never comes.

use crate::engine::books::row_file::{Flushed, RowFile, make_parent};
use crate::ring::draft::{Access, Draft, target};
use crate::ring::mount::mount_id;
use std::fs::File;
use std::io;
use std::path::Path;

/// A file that is being written, and is to have a name.
pub(crate) struct Replacement {
    /// Nothing where bytes go into a file that has its name already: a device, a pipe.
    draft: Option<Draft>,
    rows: RowFile,
}

impl Replacement {
    /// Begins one of what `path` leads to, in a directory that is made where it is missing. With
    /// `waits`, a full disk is waited for.
    ///
    /// # Errors
    /// No file can be made there.
    pub(crate) fn begin(path: &Path, access: Access, waits: bool) -> io::Result<Self> {
        make_parent(path)?;
        let draft = Draft::beside(path, access)?;
        let rows = RowFile::new(draft.file()?, waits);
        Ok(Self { draft: Some(draft), rows })
    }

    /// As [`Replacement::begin`], for those who may read the file now; where only the file itself
    /// can be written (its directory is somebody else's, or it is mounted there), it is emptied and
    /// written in place.
    ///
    /// # Errors
    /// The file cannot be written at all.
    pub(crate) fn begin_or_in_place(path: &Path, waits: bool) -> io::Result<Self> {
        make_parent(path)?;
        // What is no file stays: better to hear of that now than when all is pulled.
        if !is_other_than_file(path)
            && !is_mounted(path)
            && let Ok(replacement) = Self::begin(path, Access::AsBefore, waits)
        {
            return Ok(replacement);
        }
        Ok(Self::in_place(File::create(path)?, waits))
    }

    /// Writes into a file that has its name already, from where it stands.
    pub(crate) fn in_place(file: File, waits: bool) -> Self {
        Self { draft: None, rows: RowFile::new(file, waits) }
    }

    /// Appends what `encode` does. It is written when enough waits, unless the disk is full: then
    /// it waits in memory.
    pub(crate) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.rows.add(encode);
        if self.rows.is_due() && !self.rows.is_full() {
            self.rows.flush();
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) -> Flushed {
        self.rows.flush()
    }

    /// Gives it its name, with all that was added: on the disk before that, because a machine that
    /// loses its power may else keep the name and not the content.
    ///
    /// # Errors
    /// It could not be written, or cannot have the name: what has that is still there, as it was.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.draft {
            Some(draft) => {
                self.rows.close_durably()?;
                draft.publish()
            }
            None => self.rows.close(),
        }
    }
}

/// Whether something is there that is no file, which nothing can take the place of.
pub(crate) fn is_other_than_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// Whether a file is a mount of its own, as containers have them: it cannot be replaced.
fn is_mounted(path: &Path) -> bool {
    let path = target(path);
    // To open a FIFO would wait for its writer.
    if !path.is_file() {
        return false;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mount = |path: &Path| File::open(path).ok().and_then(|file| mount_id(&file));
    mount(&path).is_some_and(|own| mount(parent.unwrap_or_else(|| Path::new("."))) != Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn text(text: &str) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    fn names(dir: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        fs::read_dir(dir).unwrap().map(|entry| name(entry).unwrap()).collect()
    }

    #[test]
    fn what_was_there_stays_until_all_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        for (before, now) in [(None, "one"), (Some("one"), "two")] {
            let mut file = Replacement::begin(&path, Access::Owner, false).unwrap();
            file.add(text(now));
            assert_eq!(file.flush(), Flushed::All);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            file.finish().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), now);
        }
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(path.parent().unwrap()), ["file"]);
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "before").unwrap();
        let mut file = Replacement::begin(&path, Access::AsBefore, false).unwrap();
        file.add(text("now"));
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn who_could_read_it_still_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut file = Replacement::begin_or_in_place(&path, false).unwrap();
        file.add(text("now"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        file.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "now");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_directory_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::create_dir(&path).unwrap();
        assert!(is_other_than_file(&path) && !is_other_than_file(&dir.path().join("none")));
        assert!(Replacement::begin_or_in_place(&path, false).is_err(), "known from the start");
        let mut file = Replacement::begin(&path, Access::Owner, false).unwrap();
        file.add(text("now"));
        assert!(file.finish().is_err());
        assert_eq!(names(dir.path()), ["file"]);
    }
}
