//! How files are written, as a user chooses it.

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
