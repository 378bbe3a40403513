//! Which lines of the inputs are pulled.

/// Which lines of the inputs are pulled. By default all of them are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinesConfig {
    /// `--dry-run`: none; the list is read, and what is in it is told.
    pub is_dry_run: bool,
    /// `--shard`: those of some hosts.
    pub shard: Option<ShardConfig>,
}

/// Which of several processes that pull one list this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShardConfig {
    /// From 0 to `count - 1`.
    pub index: u32,
    /// At least 1.
    pub count: u32,
    /// The environment variable that says so; without one it is from `--shard`.
    pub variable: Option<&'static str>,
}
