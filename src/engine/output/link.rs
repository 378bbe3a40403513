//! Bodies that are stored already (`--dedupe content`), which become links to their files.

use crate::engine::output::destination::Output;
use crate::engine::output::named::named_fault;
use crate::engine::output::stored::{Location, Obstacle, Stored, write_fault};
use crate::engine::output::stored_once::{Claim, Content, Known};
use crate::fault::{Cause, DiskProblem};
use crate::plan::checksum::{Checksum, Hasher, Kind};
use crate::plan::contents::First;
use crate::plan::seen::Key;
use crate::ring::dir::Dir;
use crate::ring::file::NameBy;
use crate::ring::stored::StoredFile;
use std::io;

/// A body that has its name.
pub(crate) struct Linked {
    pub(crate) location: Location,
    pub(crate) has_replaced: bool,
    /// Number of the line that the body was stored for.
    pub(crate) first: u64,
}

impl Linked {
    /// What came of a body of this size, with this digest for its row.
    pub(super) fn stored(self, size: u64, digest: Option<Checksum>) -> Stored {
        let Self { location, has_replaced, first } = self;
        let naming = Some(NameBy::Link);
        Stored { location, size, digest, naming, has_replaced, duplicate_of: Some(first) }
    }
}

/// What becomes of a body.
pub(crate) enum Once<'s> {
    /// The body has its name: it is that of a file that was stored before.
    Linked(Linked),
    /// The body is to be stored, and whoever has a claim says where.
    Store(Option<Claim<'s>>),
}

impl Output {
    /// Links a body for input line `index` to the file `path` beneath `dir`, or another one where
    /// that may be, if it is stored already.
    ///
    /// # Errors
    /// The name is not to be had, as it would not be for the body itself.
    pub(crate) async fn link_or_store(
        &self,
        content: Option<Content>,
        dir: &Dir,
        (path, index): (&str, u64),
    ) -> Result<Once<'_>, Obstacle> {
        let (Some(stored), Some(content)) = (&self.stored_once, content) else {
            return Ok(Once::Store(None));
        };
        let mut useless = None;
        loop {
            let found = match stored.known(content, useless).await {
                None => return Ok(Once::Store(None)),
                Some(Known::Nowhere(claim)) => return Ok(Once::Store(Some(claim))),
                Some(Known::At(found)) => found,
            };
            // What this line had before is replaced, and not by itself.
            if found.first.index != index
                && let Some(file) = self.still_there(dir, content, &found.first).await
                && let Some(linked) = self.link(&file, dir, (path, index), &found.first).await?
            {
                return Ok(Once::Linked(linked));
            }
            useless = Some(found.at);
        }
    }

    /// The file of a body that was stored, if it is there and was not changed.
    async fn still_there(&self, dir: &Dir, content: Content, first: &First) -> Option<StoredFile> {
        let file = dir.stored(&first.path)?;
        match first.print {
            Some(print) => (file.print().0 == print).then_some(file),
            // Nobody has seen it in this run: only its bytes say what it is.
            None => {
                let is_it = file.size() == content.size && has_digest(&file, &content.key).await;
                let seen = First { print: Some(file.print().0), ..first.clone() };
                if is_it && let Some(stored) = &self.stored_once {
                    stored.remember(content.key, &seen);
                }
                is_it.then_some(file)
            }
        }
    }

    /// Gives a file another name. `None` where it cannot have one, or not there.
    async fn link(
        &self,
        file: &StoredFile,
        dir: &Dir,
        (path, index): (&str, u64),
        first: &First,
    ) -> Result<Option<Linked>, Obstacle> {
        let folder = dir.with_folders(|| dir.parent(path).map(|(folder, _)| folder));
        let folder = folder.map_err(|cause| named_fault(cause, path))?;
        if file.flush(&folder).await.is_err() {
            return Ok(None);
        }
        let give = async |name: &str, naming| file.name(&folder, name, naming, index);
        match self.give_name(path, index, give).await {
            Ok((location, has_replaced)) => {
                file.flush_name(&folder).await.map_err(write_fault)?;
                Ok(Some(Linked { location, has_replaced, first: first.index }))
            }
            Err(Obstacle::Kept) => Err(Obstacle::Kept),
            Err(Obstacle::Fault(fault)) => match fault.cause {
                Cause::Disk(DiskProblem::Exists) => Err(Obstacle::Fault(fault)),
                // EMLINK, EXDEV, EPERM, or the file is gone: the body is stored by itself.
                _ => Ok(None),
            },
        }
    }
}

/// Whether a file has this digest. Others of the core have their turn meanwhile.
async fn has_digest(file: &StoredFile, key: &Key) -> bool {
    let mut hasher = Hasher::new(Kind::Blake3);
    let mut bytes = vec![0; READ_BYTES];
    let mut at = 0;
    loop {
        match file.read_at(&mut bytes, at) {
            Ok(0) => return hasher.finish().digest() == key && file.is_unchanged(),
            Ok(count) => {
                hasher.update(&bytes[..count]);
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
        tokio::task::yield_now().await;
    }
}

/// Bytes of a file that are read at a time.
const READ_BYTES: usize = 256 * 1024;
