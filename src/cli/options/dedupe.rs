//! What is pulled and stored once only.

use crate::cli::values::{self, Bytes};
use crate::config::{Dedupe, Destination};
use crate::error::RunError;
use anyhow::bail;
use clap::{Args, ValueEnum};

/// What is pulled and stored once only.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct DedupeArgs {
    /// Pull each URL once (url), store each body once (content).
    ///
    /// url: a line whose URL is that of an earlier line is not asked for. Its row says skipped
    /// (dedupe.url), and the column duplicate_of has the number of the first line. The URL alone
    /// decides, in its normal form and without fragment, user and password: not the option lines
    /// of the list (out=, header=, checksum=), nor what became of the first line.
    ///
    /// content: a body that is the same as one that is stored (BLAKE3 and length) becomes a hard
    /// link to that file. Its row is ok with a name of its own, and duplicate_of. In archives it is
    /// left out: its row says skipped (dedupe.content), and duplicate_of is the line whose body it
    /// is. It is pulled all the same. Files of earlier runs are known by the report, if it has
    /// their digests (--compute-hash blake3, or --dedupe content without another --compute-hash). A
    /// file that was changed since, or cannot be linked, is no reason to fail: the body is stored.
    /// Linked names share one file: its time (-R), its attributes, and what is written into it
    /// later.
    ///
    /// Both may be given.
    #[arg(
        long,
        value_name = "url,content",
        value_delimiter = ',',
        value_enum,
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub dedupe: Vec<DedupeBy>,
    /// Memory for what --dedupe has seen; more goes to disk.
    ///
    /// That is for URLs and for bodies each. An entry takes 48 to 73 bytes: 1G is enough for 14
    /// million lines. What is more goes into temporary files without a name in the directory of the
    /// run, 40 bytes an entry, and is looked up there. [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = values::bytes, hide_short_help = true)]
    pub dedupe_memory: Option<Bytes>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum DedupeBy {
    /// The URLs of lines.
    Url,
    /// The bodies that come.
    Content,
}

impl DedupeArgs {
    /// What is pulled and stored once only, of bodies that go to `destination`.
    ///
    /// # Errors
    /// There are no files that could be linked.
    pub(crate) fn resolve(&self, destination: &Destination) -> anyhow::Result<Dedupe> {
        let contents = self.dedupe.contains(&DedupeBy::Content);
        let is_packed = destination.archive().is_some();
        if contents && !destination.has_files() && !is_packed {
            bail!(RunError::usage(
                "cannot use --dedupe content without files, which are what is linked: leave out \
                 --discard, and -o of what is no file"
            ));
        }
        let default = Dedupe::default().memory_bytes;
        Ok(Dedupe {
            urls: self.dedupe.contains(&DedupeBy::Url),
            contents,
            memory_bytes: self.dedupe_memory.map_or(default, |bytes| bytes.0),
        })
    }
}
