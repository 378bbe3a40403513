//! Directories: opened beneath the one of the run and never through a symbolic link, made where
//! they are missing.
//!
//! Names come from lists and servers, so a path is not trusted even after `plan::name` made it
//! safe: something else may have put a link on its way. The kernel walks it in one call
//! (openat2(2), Linux 5.6); where that is missing or forbidden, each component is opened by itself
//! and refused if it is a link (`Walk`). Only the directory of the run itself may be a link: the
//! user chose it.

mod folders;
mod found;
mod kept;
mod naming;
mod no_replace;
mod owner;
mod rules;
mod stale;
mod stamped;

pub use super::file::WriteOptions;
pub use found::Found;
pub use kept::Kept;
pub use rules::{Rules, Volume};

use super::file::{CacheShare, Fsync};
use super::io::Io;
use super::mount::mount_id;
use super::shim::{Op, call};
use folders::Folders;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// An open directory that files go beneath.
#[derive(Clone, Debug)]
pub struct Dir {
    pub(super) fd: Rc<OwnedFd>,
    pub(super) offers: Rc<Offers>,
    pub(super) run: Rc<OfRun>,
}

/// State that all directories of a run share.
#[derive(Clone, Debug)]
pub(super) struct OfRun {
    walk: Rc<Cell<Walk>>,
    /// Distinguishes temporary names between runs: in containers, process numbers come again.
    nonce: u32,
    /// What the temporary names of all runs with the same report have in them.
    token: Option<u64>,
    /// Number that files are signed with.
    owner: Option<u64>,
    /// Whether files of one line may be links to those of another.
    has_links: bool,
    /// Files and folders that no file beneath may replace.
    kept: Arc<Kept>,
    was_empty: bool,
    pub(super) write_options: WriteOptions,
    /// What long bodies may leave in the page cache.
    pub(super) cache_share: Arc<CacheShare>,
    folders: Rc<Folders>,
    /// Backend of the core.
    io: Io,
}

/// Abilities of a file system, as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Offers {
    /// Files without a name.
    pub(super) unnamed: Cell<bool>,
    /// Writes that the ring makes at once, without a kernel worker.
    pub(super) has_ring_writes: bool,
    /// Whether there is no disk behind it, only memory.
    pub(super) is_in_memory: bool,
    /// Way to a name that nothing else has.
    naming: Cell<NamingWay>,
}

/// Way in which a file with a temporary name gets a final one that nothing had.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum NamingWay {
    /// renameat2(2) with RENAME_NOREPLACE.
    Rename,
    /// linkat(2), which replaces nothing, and then the temporary name is removed: FUSE and NFS lack
    /// RENAME_NOREPLACE.
    Link,
    /// An empty file takes the name (O_EXCL) and is replaced: some have no hard links either.
    Placeholder,
}

impl Offers {
    fn of(dir: &OwnedFd) -> Self {
        let magic = magic(dir);
        Self {
            unnamed: Cell::new(SILENT_FILE_SYSTEMS.contains(&magic)),
            has_ring_writes: magic == XFS,
            is_in_memory: [TMPFS, RAMFS].contains(&magic),
            naming: Cell::new(NamingWay::Rename),
        }
    }
}

/// A directory on its way to another thread.
#[derive(Debug)]
pub struct SentDir {
    fd: OwnedFd,
    walk: Walk,
    offers: Offers,
    nonce: u32,
    token: Option<u64>,
    owner: Option<u64>,
    has_links: bool,
    kept: Arc<Kept>,
    was_empty: bool,
    write_options: WriteOptions,
    cache_share: Arc<CacheShare>,
    folders_max: usize,
}

/// How a path of several components is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Walk {
    /// openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS.
    Kernel,
    /// One openat(2) with O_NOFOLLOW per component, each beneath the one before.
    Components,
}

impl Dir {
    /// Opens `path`, making it and its parents where they are missing. A symbolic link is followed
    /// here, and only here.
    ///
    /// # Errors
    /// When the path is not a directory, or cannot be made or opened.
    pub fn create(path: &Path, write_options: WriteOptions) -> io::Result<Self> {
        match std::fs::create_dir_all(path) {
            // To open what has the name says what it is: a file (ENOTDIR), a link to nothing
            // (ENOENT), a link to itself (ELOOP).
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let flags = PLACE.difference(OFlags::NOFOLLOW);
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self {
            offers: Rc::new(Offers::of(&fd)),
            run: Rc::new(OfRun {
                walk: Rc::new(Cell::new(Walk::Kernel)),
                nonce: fastrand::u32(..),
                token: None,
                owner: None,
                has_links: false,
                kept: Arc::default(),
                was_empty: is_empty(&fd),
                write_options,
                cache_share: Arc::new(CacheShare::of_machine()),
                folders: Rc::new(Folders::new(FOLDERS_MAX)),
                io: Io::default(),
            }),
            fd: Rc::new(fd),
        })
    }

    /// This directory with at most `folders_max` folders beneath it kept open, and no more than
    /// [`FOLDERS_MAX`].
    #[must_use]
    pub fn keeping(mut self, folders_max: usize) -> Self {
        self.of_run().folders = Rc::new(Folders::new(folders_max.min(FOLDERS_MAX)));
        self
    }

    /// This directory for files that are written by `io`.
    #[must_use]
    pub fn by(mut self, io: Io) -> Self {
        self.of_run().io = io;
        self
    }

    /// This directory for files that are brought to the disk as `fsync` says.
    #[must_use]
    pub fn flushing(mut self, fsync: Fsync) -> Self {
        self.of_run().write_options.fsync = fsync;
        self
    }

    /// This directory for long files of which [`WriteMode::Auto`](super::file::WriteMode) leaves
    /// nothing in the page cache, however much of that is free.
    #[must_use]
    pub fn sparing_cache(mut self) -> Self {
        self.of_run().cache_share = Arc::new(CacheShare::with(0));
        self
    }

    /// Backend of the core.
    pub(super) fn io(&self) -> &Io {
        &self.run.io
    }

    /// State of the run, to be changed before the run begins.
    fn of_run(&mut self) -> &mut OfRun {
        Rc::make_mut(&mut self.run)
    }

    /// This directory for another thread. It stays the same even if its path leads elsewhere by
    /// then, or nowhere.
    ///
    /// # Errors
    /// When there is no other descriptor to be had.
    pub fn send(&self) -> io::Result<SentDir> {
        Ok(SentDir {
            fd: self.fd.try_clone()?,
            walk: self.run.walk.get(),
            offers: Offers::clone(&self.offers),
            nonce: self.run.nonce,
            token: self.run.token,
            owner: self.run.owner,
            has_links: self.run.has_links,
            kept: Arc::clone(&self.run.kept),
            was_empty: self.run.was_empty,
            write_options: self.run.write_options,
            cache_share: Arc::clone(&self.run.cache_share),
            folders_max: self.run.folders.count_max(),
        })
    }

    /// Sets the files and folders that are not replaced from now on.
    pub fn set_kept(&mut self, kept: Arc<Kept>) {
        self.of_run().kept = kept;
    }

    /// Whether the directory of the run was empty when it was opened. Files beneath it were made by
    /// the run then, or came meanwhile.
    pub fn was_empty(&self) -> bool {
        self.run.was_empty
    }

    /// The mount that the directory is on; see [`mount_id`].
    pub fn mount_id(&self) -> Option<u64> {
        mount_id(&*self.fd)
    }

    /// The temporary name of job `index`: `.ringpull-RANDOM-INDEX`, or
    /// `.ringpull-TOKEN-RANDOM-INDEX`. It is distinct within a run by the job, between runs by
    /// chance.
    pub fn temporary_name(&self, index: u64) -> String {
        match self.run.token {
            Some(token) => format!("{}{:08x}-{index}", prefix(token), self.run.nonce),
            None => format!(".ringpull-{:08x}-{index}", self.run.nonce),
        }
    }

    /// Opens a directory beneath this one. Other things than names of directories (`..`, an
    /// absolute path) are refused whatever the walk: EXDEV, as openat2(2) says of an escape.
    fn open_beneath(&self, path: &str) -> Result<Self, Errno> {
        if path.split('/').any(|component| matches!(component, "" | "." | "..")) {
            return Err(Errno::XDEV);
        }
        if self.run.walk.get() == Walk::Kernel {
            match self.open_at_once(path) {
                // ENOSYS before Linux 5.6; EPERM, which openat2(2) has no other use for here, from
                // seccomp filters older than the call.
                Err(Errno::NOSYS | Errno::PERM) => self.run.walk.set(Walk::Components),
                // The tree changed under each of the tries (openat2(2)).
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
        self.open_by_component(path)
    }

    fn open_at_once(&self, path: &str) -> Result<Self, Errno> {
        let beneath =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // With O_NOFOLLOW a link at the end would be "not a directory" and not ELOOP.
        let flags = PLACE.difference(OFlags::NOFOLLOW);
        let open = |resolve| {
            let mut opened = Err(Errno::AGAIN);
            for _ in 0..AGAIN_MAX {
                opened = call(Op::Open, || {
                    rustix::fs::openat2(&*self.fd, path, flags, Mode::empty(), resolve)
                });
                if opened.as_ref().err() != Some(&Errno::AGAIN) {
                    break;
                }
            }
            opened
        };
        match open(beneath | ResolveFlags::NO_XDEV) {
            Ok(fd) => Ok(self.on_same_file_system(fd)),
            // Another file system is mounted there, which the user may do, and which has to be
            // looked at; or it is an escape after all.
            Err(Errno::XDEV) => Ok(self.on_other_file_system(open(beneath)?)),
            Err(errno) => Err(errno),
        }
    }

    fn open_by_component(&self, path: &str) -> Result<Self, Errno> {
        let mut at = Rc::clone(&self.fd);
        for component in path.split('/') {
            let opened =
                call(Op::Open, || rustix::fs::openat(&*at, component, PLACE, Mode::empty()));
            at = match opened {
                Ok(fd) => Rc::new(fd),
                // A link is "not a directory" too: told apart as openat2(2) does.
                Err(Errno::NOTDIR) => {
                    let stat = rustix::fs::statat(&*at, component, AtFlags::SYMLINK_NOFOLLOW)?;
                    let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
                    return Err(if is_link { Errno::LOOP } else { Errno::NOTDIR });
                }
                Err(errno) => return Err(errno),
            };
        }
        let fd = Rc::into_inner(at).ok_or(Errno::XDEV)?;
        Ok(self.on_other_file_system(fd))
    }

    fn on_same_file_system(&self, fd: OwnedFd) -> Self {
        Self { fd: Rc::new(fd), ..self.clone() }
    }

    /// Opens a directory that is on another file system, whose abilities are not known.
    fn on_other_file_system(&self, fd: OwnedFd) -> Self {
        let offers = Rc::new(Offers::of(&fd));
        Self { fd: Rc::new(fd), offers, ..self.clone() }
    }

    /// Opens a directory beneath this one, making it and its parents where they are missing. Most
    /// are there, or lack the last component only.
    fn open_or_make(&self, path: &str) -> Result<Self, Errno> {
        match self.open_beneath(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let (dir, name) = match path.rsplit_once('/') {
            Some((parents, name)) => (self.open_or_make(parents)?, name),
            None => (self.clone(), path),
        };
        let mode = Mode::from_raw_mode(0o777);
        match call(Op::Mkdir, || rustix::fs::mkdirat(&*dir.fd, name, mode)) {
            // Rare enough to wait for: a directory is made once.
            Ok(()) if self.run.write_options.fsync == Fsync::Dir => {
                let fd = dir.readable()?;
                call(Op::Fsync, || rustix::fs::fsync(&fd))?;
            }
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        dir.open_beneath(name)
    }

    /// Another directory of the same run that is open already.
    pub(super) fn at(&self, fd: OwnedFd) -> Self {
        let device = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| stat.st_dev);
        match (device(&self.fd), device(&fd)) {
            (Ok(one), Ok(other)) if one == other => self.on_same_file_system(fd),
            _ => self.on_other_file_system(fd),
        }
    }

    /// This directory, open for more than to find names in it: to be flushed.
    pub(super) fn readable(&self) -> Result<OwnedFd, Errno> {
        readable(&self.fd)
    }
}

impl From<SentDir> for Dir {
    fn from(sent: SentDir) -> Self {
        Self {
            fd: Rc::new(sent.fd),
            offers: Rc::new(sent.offers),
            run: Rc::new(OfRun {
                walk: Rc::new(Cell::new(sent.walk)),
                nonce: sent.nonce,
                token: sent.token,
                owner: sent.owner,
                has_links: sent.has_links,
                kept: sent.kept,
                was_empty: sent.was_empty,
                write_options: sent.write_options,
                cache_share: sent.cache_share,
                folders: Rc::new(Folders::new(sent.folders_max)),
                io: Io::default(),
            }),
        }
    }
}

/// The file system of the run's directory. Opened before the first file is written: it tells of
/// failed writes since then (syncfs(2)).
#[derive(Debug)]
pub struct FileSystem {
    fd: OwnedFd,
}

impl FileSystem {
    /// The file system of an existing directory.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::openat(CWD, dir, flags, Mode::empty())? })
    }

    /// Waits until everything written so far is on the disk (syncfs(2)).
    ///
    /// # Errors
    /// When a write failed since the last call, or the file system is gone.
    pub fn sync(&self) -> io::Result<()> {
        rustix::fs::syncfs(&self.fd)?;
        // Of a file system that was shut down, ext4 before Linux 6.10 says that all is well there,
        // and not here.
        sync_names(&self.fd)
    }
}

/// Brings the names in an open directory to the disk (fsync(2)). Where the file system cannot be
/// asked for that (EINVAL, as some FUSE and network ones), nothing more can be done.
///
/// # Errors
/// When the disk failed, or the file system is gone.
pub fn sync_names(dir: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(dir) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens a directory, which may be open as a place only, for more than to find names in it.
pub(super) fn readable(dir: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    call(Op::Open, || rustix::fs::openat(dir, ".", flags, Mode::empty()))
}

/// Begin of the temporary names of all runs with one report.
fn prefix(token: u64) -> String {
    format!(".ringpull-{token:016x}-")
}

/// Flags of a directory that names are found in: it need not be readable (O_PATH), and is not a
/// link.
const PLACE: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Folders that one core keeps open.
pub const FOLDERS_MAX: usize = 64;

/// Times that openat2(2) is asked again at most.
const AGAIN_MAX: usize = 64;

/// Whether a directory is seen to be empty.
fn is_empty(dir: &OwnedFd) -> bool {
    let is_self = |name: &[u8]| matches!(name, b"." | b"..");
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let readable = rustix::fs::openat(dir, ".", flags, Mode::empty());
    let entries = readable.and_then(rustix::fs::Dir::new);
    entries.is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| is_self(entry.file_name().to_bytes())))
    })
}

/// Number of a directory's file system in statfs(2); 0 where that cannot be had.
fn magic(dir: &OwnedFd) -> u32 {
    let stat = rustix::fs::fstatfs(dir);
    stat.map_or(0, |stat| u32::try_from(stat.f_type & 0xffff_ffff).unwrap_or_default())
}

/// Local file systems without a `flush` operation, by their number in statfs(2): close(2) has
/// nothing to report there. Errors come with write(2) and fsync(2), while a file system behind a
/// network or another process sends what it holds back with the close, and may fail then. A file
/// without a name gets its name before it is closed, so it is for the former only.
const SILENT_FILE_SYSTEMS: [u32; 8] = [
    0x0000_ef53, // ext2, ext3, ext4
    XFS,
    0x9123_683e, // btrfs
    TMPFS,
    0xf2f5_2010, // f2fs
    0x794c_7630, // overlayfs, which has one, for that of the local file system below
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // zfs
];

/// File systems in memory, by their number in statfs(2).
const TMPFS: u32 = 0x0102_1994;
const RAMFS: u32 = 0x8584_58f6;

/// xfs, to whose page cache the ring writes at once (FOP_BUFFER_WASYNC of the kernel), by its
/// number in statfs(2). btrfs is another, which was not measured. Writes to the others go by way of
/// a kernel worker.
const XFS: u32 = 0x5846_5342;

#[cfg(test)]
mod tests;
