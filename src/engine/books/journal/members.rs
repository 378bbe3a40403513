//! Members of shards that rows tell of: where they are, by the headers of the shards themselves.

use crate::pack::tar::{Member, read_members};
use crate::report::location;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A shard whose members are known.
pub(super) struct OpenShard {
    pub(super) file: File,
    members: HashMap<Box<str>, (u64, u64)>,
}

impl OpenShard {
    /// Offset and size of a member.
    pub(super) fn member(&self, name: &str) -> Option<(u64, u64)> {
        self.members.get(name).copied()
    }
}

/// Reads the headers of a shard.
///
/// # Errors
/// It cannot be read, or is damaged.
pub(crate) fn members_of(path: &Path, each: impl FnMut(Member)) -> io::Result<File> {
    let file = File::open(path)?;
    read_members(|buffer, at| file.read_exact_at(buffer, at), each)?;
    Ok(file)
}

/// The shard that a row names, and the name of the member in it; nothing where the row tells of a
/// file.
///
/// # Errors
/// The shard cannot be read.
pub(super) fn find(filename: &str) -> io::Result<Option<(Arc<OpenShard>, &str)>> {
    let is_file = |path: &str| Path::new(path).metadata().is_ok_and(|found| found.is_file());
    let Some((path, name)) = location::members(filename).find(|(path, _)| is_file(path)) else {
        return Ok(None);
    };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = known.iter().position(|(shard, _)| **shard == *path) {
        let shard = known.remove(at);
        let found = Arc::clone(&shard.1);
        known.push(shard);
        return Ok(Some((found, name)));
    }
    drop(known);
    let mut members = HashMap::new();
    let file = members_of(Path::new(path), |Member { name, offset, size }| {
        members.insert(name.into(), (offset, size));
    })?;
    let shard = Arc::new(OpenShard { file, members });
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= KNOWN_MAX {
        known.remove(0);
    }
    known.push((path.into(), Arc::clone(&shard)));
    Ok(Some((shard, name)))
}

/// Shards whose members are known, the one that was asked for last at the end. Rows of one shard
/// follow each other, and several threads read a report.
static KNOWN: Mutex<Vec<(Box<str>, Arc<OpenShard>)>> = Mutex::new(Vec::new());
const KNOWN_MAX: usize = 16;
