//! The names that the files of a run have got.

use crate::engine::output::dir_rules::DirRules;
use crate::plan::name::{Claimed, Names};
use crate::ring::dir::Dir;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The names given to files: by the reader, and by cores where servers may propose them.
#[derive(Debug)]
pub(crate) struct GivenNames {
    claimed: Mutex<Names>,
    /// What directories make of names.
    rules: DirRules,
}

impl GivenNames {
    /// No name was given.
    pub(crate) fn new(rules: DirRules) -> Self {
        Self { claimed: Mutex::default(), rules }
    }

    /// Takes names that were claimed before the run began.
    pub(crate) fn adopt(&self, names: Names) {
        *self.claimed() = names;
    }

    /// The path that files are to have for this one; see [`DirRules::fit`].
    pub(crate) fn fit(&self, dir: Option<&Dir>, path: String) -> String {
        self.rules.fit(dir, path)
    }

    /// No other line gets this path, which is one beneath `dir`.
    pub(crate) fn occupy(&self, dir: Option<&Dir>, path: &str) {
        let folds = self.rules.folds(dir, path);
        self.claimed().occupy(path, folds);
    }

    /// Claims a path for the file of input line `index`, beneath `dir`; see [`Names::claim`].
    pub(crate) fn claim(&self, dir: Option<&Dir>, path: String, index: u64) -> String {
        self.claim_noting(dir, path, index).0
    }

    /// Claims a path as [`Self::claim`] does, for the reader; see [`Names::claim_noting`].
    pub(crate) fn claim_noting(
        &self,
        dir: Option<&Dir>,
        path: String,
        index: u64,
    ) -> (String, Claimed) {
        let folds = self.rules.folds(dir, &path);
        self.claimed().claim_noting(path, index, folds)
    }

    fn claimed(&self) -> MutexGuard<'_, Names> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
