//! Archives that bodies are packed into.

use crate::pack::Form;
use crate::pack::shard::{Capacity, ShardName};

/// How bodies are packed: chosen once, for all jobs of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archive {
    /// What is in it.
    pub form: Form,
    /// Where it goes.
    pub place: ArchivePlace,
    /// Which of the columns that the report keeps is the caption of a sample, counted from 0.
    pub caption: Option<usize>,
    /// Whether the rows of each shard stand beside it as Parquet.
    pub has_table: bool,
}

/// Where archives go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ArchivePlace {
    /// Shards in the directory of the run.
    Shards(ShardName, Capacity),
    /// Standard output, one archive.
    Stdout,
}

impl Archive {
    /// How shards are named and when they are full, where there are shards.
    pub fn shards(&self) -> Option<(&ShardName, Capacity)> {
        match &self.place {
            ArchivePlace::Shards(name, capacity) => Some((name, *capacity)),
            ArchivePlace::Stdout => None,
        }
    }
}
