//! `--dedupe content`: which bodies are stored already, and where.
//!
//! Of each body one job at a time decides what becomes of it, whatever core it is on: it has a
//! [`Claim`]. Others that have the same body wait for its end, so that they can link to what it
//! has stored, or store the body themselves where that failed.

use crate::engine::say::say;
use crate::engine::state::spill::Spill;
use crate::plan::checksum::Digests;
use crate::plan::contents::{Contents, First, Found, Print};
use crate::plan::seen::Key;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Bodies of a run that are stored, for all of its threads.
pub(crate) struct StoredOnce {
    inner: Mutex<Inner>,
    /// Whether it was said that not all can be known.
    has_warned: AtomicBool,
}

struct Inner {
    contents: Contents<Spill>,
    /// Bodies that somebody has a claim to, and what is closed when that is over.
    claimed: HashMap<Key, Arc<Semaphore>>,
}

/// A body that is whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) key: Key,
    pub(crate) size: u64,
}

impl Content {
    /// The body with these digests. `None` of an empty one: nothing would be saved.
    pub(crate) fn of(digests: Option<&Digests>, size: u64) -> Option<Self> {
        let key = *digests?.content.as_ref()?.digest().first_chunk()?;
        (size > 0).then_some(Self { key, size })
    }
}

/// What is known of a body.
pub(crate) enum Known<'s> {
    /// The body is stored there.
    At(Found),
    /// Nobody has stored it: who asked may, and others wait for that.
    Nowhere(Claim<'s>),
}

/// The right to store a body. It ends when this is dropped: then somebody else may, unless the body
/// was remembered.
pub(crate) struct Claim<'s> {
    of: &'s StoredOnce,
    content: Content,
}

impl Claim<'_> {
    /// The body is stored for input line `index` at `path`, where it looks like `print`.
    pub(crate) fn remember(self, index: u64, path: &str, print: Option<Print>) {
        let Content { key, size } = self.content;
        self.of.remember(key, &First { index, size, print, path: path.to_owned() });
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(over) = self.of.lock().claimed.remove(&self.content.key) {
            over.close();
        }
    }
}

impl StoredOnce {
    /// Nothing is stored so far. What does not fit into so much memory goes into files in `dir`.
    pub(crate) fn new(dir: PathBuf, memory_bytes: u64) -> Self {
        let contents = Contents::new(Spill::new(dir), memory_bytes);
        let inner = Mutex::new(Inner { contents, claimed: HashMap::new() });
        Self { inner, has_warned: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a body, once nobody else is about to store it. A place that was found
    /// before and is of no use may be left out. `None` where that cannot be said: then the body is
    /// stored, and nobody knows of it.
    pub(crate) async fn known(&self, content: Content, useless: Option<u64>) -> Option<Known<'_>> {
        loop {
            let over = {
                let mut inner = self.lock();
                match inner.claimed.get(&content.key) {
                    Some(over) => Arc::clone(over),
                    None => match inner.contents.find(&content.key, content.size) {
                        Ok(Some(found)) if Some(found.at) != useless => {
                            return Some(Known::At(found));
                        }
                        Ok(_) => {
                            inner.claimed.insert(content.key, Arc::new(Semaphore::new(0)));
                            return Some(Known::Nowhere(Claim { of: self, content }));
                        }
                        Err(error) => {
                            self.warn(&error);
                            return None;
                        }
                    },
                }
            };
            // It gives no permits: it is closed.
            let _ = over.acquire().await;
        }
    }

    /// The body of this digest is stored there.
    pub(crate) fn remember(&self, key: Key, first: &First) {
        let remembered = self.lock().contents.remember(key, first);
        remembered.unwrap_or_else(|error| self.warn(&error));
    }

    fn warn(&self, error: &io::Error) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            say(&format!(
                "warning: cannot write down which bodies are stored ({error}), of which there are \
                 more than fit into memory (--dedupe-memory): some are stored twice"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn content(number: u64) -> Content {
        Content { key: crate::plan::seen::key_of(&number.to_le_bytes()), size: 7 }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn of_many_at_once_one_is_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let stored = StoredOnce::new(dir.path().to_owned(), 0);
        let firsts = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for core in 0..8 {
                let (stored, firsts) = (&stored, &firsts);
                scope.spawn(move || {
                    for number in 0..300 {
                        let known = block_on(stored.known(content(number), None)).unwrap();
                        let Known::Nowhere(claim) = known else { continue };
                        // Every core gives one claim in so many back.
                        if (number + core) % 3 == 0 {
                            drop(claim);
                            continue;
                        }
                        firsts.fetch_add(1, Ordering::Relaxed);
                        claim.remember(core, &number.to_string(), None);
                    }
                });
            }
        });
        let mut found = 0;
        for number in 0..300 {
            if let Known::At(at) = block_on(stored.known(content(number), None)).unwrap() {
                assert_eq!(at.first.path, number.to_string());
                found += 1;
            }
        }
        assert_eq!(firsts.into_inner(), found);
        assert!(stored.lock().claimed.is_empty());
    }

    #[test]
    fn a_place_of_no_use_is_one_for_somebody_else_to_take() {
        let dir = tempfile::tempdir().unwrap();
        let stored = StoredOnce::new(dir.path().to_owned(), 0);
        let known = |useless| block_on(stored.known(content(1), useless)).unwrap();
        let Known::Nowhere(claim) = known(None) else { panic!("it is not stored") };
        claim.remember(1, "a", None);
        let Known::At(first) = known(None) else { panic!("it is stored") };
        let Known::Nowhere(claim) = known(Some(first.at)) else { panic!("it is of no use") };
        claim.remember(2, "b", None);
        let Known::At(second) = known(Some(first.at)) else { panic!("it is stored elsewhere") };
        assert_eq!((first.first.path.as_str(), second.first.path.as_str()), ("a", "b"));
    }
}
