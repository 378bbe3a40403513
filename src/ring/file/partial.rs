//! The unfinished file of one body that tasks on several cores write at offsets, and the record
//! beside it that says which of its bytes are there.
//!
//! What outlives what:
//! - Another attempt of the same run, or another task: all that was written. The file and its
//!   record stay until [`PartialFile::finish`] or [`PartialFile::discard`]; to drop it removes
//!   nothing.
//! - The end of the process, even by SIGKILL: all that was written, file and record, because the
//!   page cache belongs to the kernel. The lock does not outlive it.
//! - A reboot that was ordered: the same, since file systems are flushed when they are unmounted;
//!   but nobody can tell it from the next case afterwards.
//! - A power cut or a crash of the kernel: what [`PartialFile::sync_data`] covered, and the record
//!   that [`PartialFile::sync_record`] covered. Of the rest, any part may be there or be zeros, and
//!   the record may be older than the file, or newer. So a record that counts on synced ranges is
//!   written between the two.
//! - The loss of errors: a failed sync tells once that the kernel could not write back (fsync(2)),
//!   and drops the pages; the ranges since the last good sync are lost then.
//!
//! A lock (flock(2)) keeps two runs from one file. It lives with the open file description, so it
//! ends with the process, and it is asked for before the file is trusted. Where the file system has
//! no locks, there is none.

mod adopted;
mod open;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub(in crate::ring) use record::RECORD_SUFFIX;
pub use writer::PartWriter;

use super::print::FilePrint;
use super::way::Way;
use super::{Fsync, Naming, Stamp, WriteMode, WriteOptions, close, way_in};
use crate::fault::{Cause, DiskProblem};
use crate::ring::dir::Dir;
use crate::ring::disk_cause;
use crate::ring::io::Io;
use crate::ring::shim::{Op, call, call_after};
use record::Record;
use rustix::fs::{AtFlags, FlockOperation};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// An unfinished file that several cores share. Dropping it leaves file and record where they are.
#[derive(Debug)]
pub struct PartialFile {
    /// The folder, open as a place only (O_PATH): it stays the same even if its path leads
    /// elsewhere by the time the file is finished.
    folder: OwnedFd,
    /// Temporary name in the folder.
    name: String,
    /// The final name that it was adopted under, where another program left it.
    adopted: Option<Box<str>>,
    /// The file, open for reading and writing.
    fd: OwnedFd,
    record: Record,
    options: WriteOptions,
    way: Arc<Way>,
    stamp: Mutex<Option<Stamp>>,
    /// Whether the file has its final name, or none: also before it is taken over.
    is_gone: AtomicBool,
    /// Whether file and record are known to be found under their names after a power cut.
    has_durable_names: AtomicBool,
}

impl PartialFile {
    /// Takes a file over that is open and locked.
    fn new(dir: &Dir, name: &str, fd: OwnedFd) -> Result<Self, Errno> {
        let folder = call(Op::Open, || rustix::io::fcntl_dupfd_cloexec(&*dir.fd, 0))?;
        let way = way_in(dir);
        let size = rustix::fs::fstat(&fd)?.st_size;
        way.expect(u64::try_from(size).unwrap_or_default());
        Ok(Self {
            folder,
            name: name.to_owned(),
            adopted: None,
            fd,
            record: Record::beside(name),
            options: dir.run.write_options,
            way: Arc::new(way),
            stamp: Mutex::default(),
            is_gone: AtomicBool::new(false),
            has_durable_names: AtomicBool::new(false),
        })
    }

    /// Sets what the file is to tell of its version when it is whole.
    pub fn set_stamp(&self, stamp: Option<Stamp>) {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
    }

    /// Temporary name of the file in its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of the file for this core, as one of the run of `dir`.
    ///
    /// # Errors
    /// When there is no other descriptor to be had.
    pub fn folder(&self, dir: &Dir) -> Result<Dir, Cause> {
        let fd = call(Op::Open, || rustix::io::fcntl_dupfd_cloexec(&self.folder, 0));
        Ok(dir.at(fd.map_err(cause)?))
    }

    /// Size of the file, in bytes: the end of the last byte that was written.
    ///
    /// # Errors
    /// When the file system is gone.
    pub fn size(&self) -> io::Result<u64> {
        let stat = call(Op::Pread, || rustix::fs::fstat(&self.fd))?;
        Ok(u64::try_from(stat.st_size).unwrap_or_default())
    }

    /// What the file is like.
    pub fn print(&self) -> Option<FilePrint> {
        FilePrint::of_file(&self.fd)
    }

    /// Reads from an offset on, most often from the page cache. Gives the number of bytes, which is
    /// short at the end of the file, and 0 behind it. Ranges that were not written are zeros.
    /// Where bytes are not to stay in the page cache ([`WriteMode`]), they are read from the disk
    /// if they have left it, and leave it again.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut count = 0;
        while count < bytes.len() {
            let (rest, at) = (&mut bytes[count..], offset + count as u64);
            match call(Op::Pread, || self.way.read(&self.fd, rest, at))? {
                0 => break,
                more => count += more,
            }
        }
        Ok(count)
    }

    /// Cuts the file off, or fills it up with zeros, at a length in bytes.
    ///
    /// # Errors
    /// When the disk failed, or the length is more than the file system allows.
    pub fn truncate(&self, length: u64) -> Result<(), Cause> {
        call(Op::Truncate, || rustix::fs::ftruncate(&self.fd, length)).map_err(cause)
    }

    /// A writer for this core, which keeps the file open by itself.
    ///
    /// # Errors
    /// When there is no other descriptor to be had.
    pub fn writer(&self, io: &Io) -> Result<PartWriter, Cause> {
        Ok(PartWriter::new(io.clone(), self.share()?, Arc::clone(&self.way)))
    }

    /// Mode in which bytes are written from now on, as far as is known; never [`WriteMode::Auto`].
    /// It depends on the length that writers expect ([`PartWriter::expect`]), and on what the first
    /// write finds the file system able to do.
    pub fn chosen(&self) -> WriteMode {
        self.way.chosen()
    }

    /// Waits until all that was written is on the disk, and can be found again there
    /// (fdatasync(2)). The record may be told so afterwards.
    ///
    /// # Errors
    /// When bytes written since the last call could not be stored: they may be gone.
    pub async fn sync_data(&self, io: &Io) -> Result<(), Cause> {
        io.fdatasync(&self.share()?).await.map_err(disk_cause)
    }

    /// Waits until the record is on the disk, and when that was not yet so, the names of file and
    /// record too.
    ///
    /// # Errors
    /// When the disk failed.
    pub async fn sync_record(&self, io: &Io) -> Result<(), Cause> {
        if let Some(record) = self.record.share()? {
            io.fdatasync(&record).await.map_err(disk_cause)?;
        }
        if !self.has_durable_names.load(Ordering::Acquire) {
            self.sync_folder(io).await?;
            self.has_durable_names.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Waits until the file and then the record are on the disk: [`Self::sync_data`] and
    /// [`Self::sync_record`], for a record that was written before.
    ///
    /// # Errors
    /// As those two.
    pub async fn sync(&self, io: &Io) -> Result<(), Cause> {
        self.sync_data(io).await?;
        self.sync_record(io).await
    }

    /// The record, at most [`RECORD_BYTES_MAX`] bytes of it; empty where there is none, or
    /// something that cannot be one.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn read_record(&self) -> io::Result<Vec<u8>> {
        Ok(self.record.read(&self.folder)?)
    }

    /// Writes a piece of the record at an offset of it, in bytes. The first one makes the record.
    ///
    /// # Errors
    /// When the record could not be made or written.
    pub fn write_record(&self, bytes: &[u8], slot_offset: u64) -> Result<(), Cause> {
        if self.record.write(&self.folder, bytes, slot_offset)? {
            self.has_durable_names.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Gives the file, of which all was written, its final name, by the options of the run that
    /// `dir` is of; says whether that replaced a file. The record and the lock are gone then. Where
    /// the run says so, file and name are on the disk before (`--fsync`). One that was adopted and
    /// not taken over may have it already.
    ///
    /// A file system behind a network or another process may tell only of a close(2) that it could
    /// not store what it had taken. Other cores may have the file open, so a second descriptor is
    /// made and closed, which asks it all the same; that comes before the name.
    ///
    /// # Errors
    /// When the bytes could not be stored, or the name cannot be given. When the name is taken
    /// (EEXIST), this may be called again with another one.
    pub async fn finish(
        &self,
        dir: &Dir,
        name: &str,
        naming: Naming,
        index: u64,
    ) -> Result<bool, Cause> {
        let at = self.folder(dir)?;
        let (io, fsync) = (dir.io(), self.options.fsync);
        if let Some(stamp) = self.stamp.lock().unwrap_or_else(PoisonError::into_inner).take() {
            stamp.apply(&self.fd);
        }
        if matches!(fsync, Fsync::File | Fsync::Dir) {
            io.fsync(&self.share()?).await.map_err(disk_cause)?;
        }
        // Opened before, so that a lack of descriptors does not come when the name is given.
        let folder = match fsync {
            Fsync::Dir => Some(Rc::new(at.readable().map_err(cause)?)),
            Fsync::None | Fsync::File | Fsync::End => None,
        };
        at.sign(&self.fd, index);
        let second = call(Op::Open, || rustix::io::fcntl_dupfd_cloexec(&self.fd, 0));
        call_after(Op::Close, close(second.map_err(cause)?)).map_err(cause)?;
        let from = match self.adopted_name() {
            // Somebody else's file is not named instead of it.
            Some(adopted) if !self.has_name(&at, adopted) => {
                return Err(Cause::Disk(DiskProblem::Locked));
            }
            adopted => adopted.unwrap_or(&self.name),
        };
        let has_replaced = from != name
            && at.give_name_again(name, naming, index, |naming| {
                at.give_name(from, name, naming, index, false)
            })?;
        self.is_gone.store(true, Ordering::Release);
        let synced = match folder {
            // The file stays where it is if this fails: it is whole, and what it replaced is gone.
            Some(folder) => io.fsync(&folder).await.map_err(disk_cause),
            None => Ok(()),
        };
        // A record without a file says nothing: the next file of that name begins without it.
        at.remove(self.record.name());
        if let Ok(fd) = self.share() {
            self.way.leave(io, &fd).await;
        }
        self.unlock();
        synced.map(|()| has_replaced)
    }

    /// Removes file and record, unless the file has its final name. Nothing is to be written
    /// afterwards.
    pub fn discard(&self) {
        if self.is_gone.swap(true, Ordering::AcqRel) {
            return;
        }
        // The record first: without it, a file is begun anew.
        for name in [self.record.name(), &self.name] {
            let _: Result<(), Errno> =
                call(Op::Unlink, || rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()));
        }
        self.unlock();
    }

    /// Ends the lock, which the descriptors of other cores would keep.
    fn unlock(&self) {
        let _: Result<(), Errno> = rustix::fs::flock(&self.fd, FlockOperation::Unlock);
    }

    /// The descriptor for operations of this core.
    fn share(&self) -> Result<Rc<OwnedFd>, Cause> {
        share(&self.fd).map_err(cause)
    }

    async fn sync_folder(&self, io: &Io) -> Result<(), Cause> {
        let readable = crate::ring::dir::readable(&self.folder).map_err(cause)?;
        match io.fsync(&Rc::new(readable)).await {
            // The file system syncs no directories: nothing more can be done.
            Ok(()) | Err(libc::EINVAL) => Ok(()),
            Err(errno) => Err(disk_cause(errno)),
        }
    }
}

/// A second descriptor, which the operations of one core hold.
fn share(fd: &OwnedFd) -> Result<Rc<OwnedFd>, Errno> {
    call(Op::Open, || rustix::io::fcntl_dupfd_cloexec(fd, 0)).map(Rc::new)
}

/// Largest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 8 * 1024;

fn cause(errno: Errno) -> Cause {
    disk_cause(errno.raw_os_error())
}
