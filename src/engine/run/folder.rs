//! The directory of the run: made, tried, and flushed in the end.

use crate::config::{Config, NameBy, Network, OwnFiles};
use crate::error::RunError;
use crate::ring::dir::{Dir, FileSystem, Kept, WriteOptions};
use crate::ring::file::Fsync;
use crate::ring::room;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes the directory of the run.
pub(crate) fn open_dir(config: &Config) -> anyhow::Result<Dir> {
    let Config { fsync, file_allocation: allocation, file_ops: ops, write_mode: mode, .. } =
        *config;
    let write_options = WriteOptions { fsync, allocation, ops, mode, name_by: config.naming };
    if !config.destination.has_dir() {
        return Dir::create(Path::new("."), write_options).context("cannot open .");
    }
    Dir::create(&config.dir, write_options).with_context(|| cannot_write_into(config))
}

/// What no download may replace, by device and inode. What is not there by now has its name
/// reserved ([`Naming::reserve`](crate::engine::feed::naming::Naming::reserve)).
pub(crate) fn irreplaceable(config: &Config) -> Arc<Kept> {
    let OwnFiles { files, list_folders } = &config.own_files;
    let (files, folders) = (files.iter(), list_folders.iter());
    Arc::new(Kept::new(files.map(PathBuf::as_path), folders.map(PathBuf::as_path)))
}

/// Finds out whether the directory of the run can be written; with `--fsync end` also gives the
/// file system that is flushed when the run ends.
pub(crate) fn check_output(config: &Config, dir: &Dir) -> anyhow::Result<Option<FileSystem>> {
    if !config.destination.has_dir() {
        // No file is made then, least of all beside a device.
        return Ok(None);
    }
    if config.network != Network::Sockets && !dir.was_empty() {
        bail!(RunError::usage(format!(
            "cannot use --network memory with {}, which is not empty: what is written then is no \
             file of any server, and would stand among or in place of those that are; give -d a \
             directory that is empty or not there",
            config.dir.display()
        )));
    }
    match dir.check_writable() {
        // There may be room by the time that it is needed, and it is waited for.
        Err(error) if config.disk_wait_ms > 0 && room::is_lacking(&error) => {}
        checked => {
            checked.with_context(|| cannot_write_into(config))?;
            if config.naming == NameBy::Link && !dir.has_unnamed() {
                bail!(RunError::local_file(format!(
                    "--naming link is not to be had in {}, which is on {}: it has no files without \
                     a name, or tells too late that it cannot store one; use --naming auto, or a \
                     folder on another file system",
                    config.dir.display(),
                    dir.file_system()
                )));
            }
        }
    }
    match dir.check_write_mode(config.write_mode) {
        Err(error) if config.disk_wait_ms > 0 && room::is_lacking(&error) => {}
        checked => checked.with_context(|| {
            RunError::local_file(format!(
                "--write-mode {} is not to be had in {}, which is on {} (or Linux is too old for \
                 it); use --write-mode auto, or a folder on another file system",
                config.write_mode,
                config.dir.display(),
                dir.file_system()
            ))
        })?,
    }
    Ok(match config.fsync {
        Fsync::End => Some(FileSystem::of(&config.dir).with_context(|| cannot_write_into(config))?),
        Fsync::None | Fsync::File | Fsync::Dir => None,
    })
}

fn cannot_write_into(config: &Config) -> RunError {
    RunError::local_file(format!("cannot write into {}", config.dir.display()))
}

/// Brings everything that was written onto the disk, with `--fsync end`.
pub(crate) fn sync(file_system: Option<&FileSystem>, dir: &Path) -> anyhow::Result<()> {
    file_system.map_or(Ok(()), FileSystem::sync).with_context(|| {
        RunError::local_file(format!(
            "cannot flush the file system of {} (syncfs): files of this run may be lost or damaged \
             although their rows say ok; pull them again onto a disk that works",
            dir.display()
        ))
    })
}
