//! Archives as bytes: headers of tar, names of members, and what stands beside a shard.
//!
//! - [`tar`]: headers of members, written and read.
//! - [`member`]: what the members of a sample are called.
//! - [`shard`]: names of shards, and when one is full.
//! - [`index`]: where the members of a shard are, for readers that do not want all of it.
//! - [`stats`]: what a shard came to.
//!
//! A shard here is an archive, one of many that a list is packed into; a machine's share of a list
//! is [`crate::plan::shard`].

pub mod index;
pub mod member;
pub mod shard;
pub mod stats;
pub mod tar;

/// What is in an archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Bodies, each under the path that its file would have.
    Tar,
    /// Samples of WebDataset: a body is `KEY.EXT`, its row `KEY.json`, its caption `KEY.txt`.
    WebDataset,
}
