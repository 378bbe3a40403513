//! What the file systems of a run do to names: of `-d`, and of whatever is mounted beneath it.
//!
//! A name is fitted to its directory before it is claimed, so it depends on the list, the options
//! and the file systems only, and a run that is taken up again gives the same ones.

use crate::config::Config;
use crate::plan::name::{self, NameRules, RestrictNames};
use crate::ring::dir::{Dir, Rules, Volume};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The rules of directories, each looked at once.
#[derive(Debug)]
pub(crate) struct DirRules {
    restrict: Option<RestrictNames>,
    /// Of `-d`.
    base: NameRules,
    volume: Option<Volume>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By the path beneath `-d`.
    directories: HashMap<Box<str>, Place>,
    /// What was tried out: few file systems are mounted beneath one directory.
    volumes: Vec<(Volume, NameRules)>,
}

/// One directory.
#[derive(Clone, Copy, Debug)]
struct Place {
    rules: NameRules,
    /// One that is made by this run is like the one that it is made in.
    is_there: bool,
}

impl DirRules {
    /// Looks at `-d`, if anything is written there.
    pub(crate) fn new(config: &Config, dir: Option<&Dir>) -> Self {
        let restrict = config.restrict_names;
        Self {
            restrict,
            base: chosen(restrict, dir.map(Dir::rules).unwrap_or_default()),
            volume: dir.and_then(Dir::volume),
            known: Mutex::default(),
        }
    }

    /// The path that files are to have for this one, which is safe and relative to `dir`: its
    /// components as their directories take them.
    pub(crate) fn fit(&self, dir: Option<&Dir>, path: String) -> String {
        if !path.contains('/') && self.base == NameRules::default() {
            return path;
        }
        let mut place = Place { rules: self.base, is_there: true };
        let mut fitted = String::with_capacity(path.len());
        for component in path.split('/') {
            if !fitted.is_empty() {
                place = self.place(dir, &fitted, place);
            }
            name::push_component(&mut fitted, &name::fit(component, place.rules));
        }
        fitted
    }

    /// Whether several spellings of this path, which is a fitted one, are one file.
    pub(crate) fn folds(&self, dir: Option<&Dir>, path: &str) -> bool {
        let mut place = Place { rules: self.base, is_there: true };
        let mut slashes = path.match_indices('/').map(|(at, _)| &path[..at]);
        place.rules.folds
            || slashes.any(|parent| {
                place = self.place(dir, parent, place);
                place.rules.folds
            })
    }

    /// A directory beneath `-d`, in one that is known.
    fn place(&self, dir: Option<&Dir>, path: &str, parent: Place) -> Place {
        let Some(dir) = dir.filter(|_| parent.is_there) else { return parent };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.directories.get(path) {
            return *place;
        }
        let place = match dir.existing(path) {
            None => Place { is_there: false, ..parent },
            Some(dir) => Place { rules: self.look(&dir, &mut known.volumes), is_there: true },
        };
        if known.directories.len() >= DIRECTORIES_MAX {
            known.directories.clear();
        }
        known.directories.insert(path.into(), place);
        place
    }

    fn look(&self, dir: &Dir, volumes: &mut Vec<(Volume, NameRules)>) -> NameRules {
        let volume = dir.volume();
        if volume == self.volume {
            return self.base;
        }
        let found = volume.and_then(|volume| volumes.iter().find(|known| known.0 == volume));
        if let Some((_, rules)) = found {
            return *rules;
        }
        let rules = chosen(self.restrict, dir.rules());
        volumes.extend(volume.map(|volume| (volume, rules)));
        rules
    }
}

/// The rules of a directory, as far as `--restrict-file-names` lets it decide.
fn chosen(restrict: Option<RestrictNames>, found: Rules) -> NameRules {
    let Rules { folds, is_windows, has_short_names } = found;
    match restrict {
        None => NameRules { folds, is_windows, has_short_names },
        Some(RestrictNames::Unix) => NameRules { folds, is_windows: false, has_short_names },
        // They are to be distinct on Windows, too.
        Some(RestrictNames::Windows) => {
            NameRules { folds: true, is_windows: true, has_short_names }
        }
    }
}

/// Directories remembered; with more of them, all are forgotten and looked at again.
const DIRECTORIES_MAX: usize = 1 << 16;
