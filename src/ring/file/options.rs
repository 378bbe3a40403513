//! How files are written, as a user chooses it.

use std::fmt;

/// Which kernel path file operations take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FileOps {
    /// Body writes by `write(2)`; every operation a plain system call.
    Sync,
    /// Body writes through the ring; open, rename and close by plain system calls.
    Ring,
    /// As `Ring`, and the last write, close and rename of a file as one linked chain.
    Chain,
    /// `Sync` for what fits the first buffer, where a trip to a kernel worker costs more than the
    /// write; `Ring` above, where a disk that makes a write wait must not hold up its core, and on
    /// xfs, which needs no worker, from 48 KiB on. `benches/results/README.md` says why.
    #[default]
    Auto,
}

/// What must be on the disk before a file counts as done, or the run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fsync {
    /// Nothing: the kernel writes when it likes.
    #[default]
    None,
    /// The file, before it has its final name (fsync(2)).
    File,
    /// The file, and then its name: the directory too.
    Dir,
    /// The whole file system, once, when the run ends (syncfs(2)).
    End,
}

/// Whether disk space is reserved before it is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FileAllocation {
    /// No.
    #[default]
    None,
    /// For bodies of known length from [`crate::limits::ALLOCATE_BYTES_MIN`] on (fallocate(2)).
    Prealloc,
}

/// Way of the bytes of a long body to the disk, as `--write-mode` chooses it. Short bodies, which
/// fit the first buffer, go the way of [`FileOps`] whatever this says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WriteMode {
    /// Chosen by the size of the body: through the page cache as [`FileOps`] says, and for a body
    /// that would fill much of it, in a way that leaves it to others.
    #[default]
    Auto,
    /// Through the page cache, by the ring: a kernel worker copies, and the core goes on.
    Ring,
    /// Through the page cache, by write(2): the core itself copies.
    Sync,
    /// Around the page cache (open(2), O_DIRECT).
    Direct,
    /// Through the page cache, which lets go of the bytes as soon as they are on the disk
    /// (RWF_DONTCACHE, Linux 6.14).
    DontCache,
    /// Through the page cache, which is told to let go of what is on the disk
    /// (sync_file_range(2), posix_fadvise(2)): what `Auto` does where `DontCache` is not to be
    /// had. It cannot be asked for.
    Behind,
}

impl WriteMode {
    /// Each mode that can be asked for, in the order of the manual.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Ring, Self::Sync, Self::Direct, Self::DontCache];

    /// Word of the mode on the command line and in statistics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ring => "ring",
            Self::Sync => "sync",
            Self::Direct => "direct",
            Self::DontCache => "dontcache",
            Self::Behind => "behind",
        }
    }
}

impl fmt::Display for WriteMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Way in which a file gets its final name, as `--naming` chooses it. Long files that may be
/// continued, or that several connections fill, have a temporary name whatever this says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NameBy {
    /// `Link` for short files where the file system has that, else `Rename`.
    #[default]
    Auto,
    /// The file has no name until it is whole (open(2), O_TMPFILE; linkat(2)).
    Link,
    /// The file has a temporary name, and is renamed when it is whole.
    Rename,
}

impl NameBy {
    /// Each way that can be asked for, in the order of the manual.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Link, Self::Rename];

    /// Word of the way on the command line and in statistics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Link => "link",
            Self::Rename => "rename",
        }
    }
}

/// Options for writing files.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WriteOptions {
    /// Whether a file must be on the disk before it counts as done.
    pub fsync: Fsync,
    /// Whether space is reserved before it is written.
    pub allocation: FileAllocation,
    /// Which path of the kernel the operations take.
    pub ops: FileOps,
    /// Which way the bytes of long bodies take to the disk.
    pub mode: WriteMode,
    /// Which way files get their final names.
    pub name_by: NameBy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_a_word_of_its_own() {
        let words = WriteMode::ALL.map(|mode| mode.to_string());
        assert_eq!(words, ["auto", "ring", "sync", "direct", "dontcache"]);
        assert_eq!(WriteMode::default(), WriteMode::ALL[0]);
    }
}
