//! What files of a directory tell of their versions.

use super::Dir;
use crate::ring::file::Stamp;

impl Dir {
    /// Time and note of the file that has this name. `None` where that is no file; a symbolic link
    /// is none.
    pub fn stamp_of(&self, name: &str) -> Option<Stamp> {
        Stamp::of(&*self.fd, name)
    }
}
