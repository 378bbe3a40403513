//! Which lines of the inputs are pulled.

/// Which lines of the inputs are pulled. By default all of them are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinesConfig {
    /// `--dry-run`: none; the list is read, and what is in it is told.
    pub is_dry_run: bool,
}
