//! What sites ask of robots.

use crate::plan::robots;
use clap::Args;

/// What sites ask of robots.
#[derive(Debug, Args)]
#[command(next_help_heading = "Concurrency and politeness")]
pub struct RobotsArgs {
    /// Obey robots.txt, which each host is asked for once.
    ///
    /// What it disallows is skipped (robots.disallowed), without effect on the exit status. Where
    /// it cannot be had (5xx, 429, no connection), URLs fail and are tried again
    /// (robots.unreachable). Crawl-delay is ignored: see --rate-per-host.
    #[arg(long)]
    pub robots: bool,
    /// Skip responses whose X-Robots-Tag has a directive of LIST.
    ///
    /// LIST is separated by commas. [default LIST: noai,noimageai,noindex,noimageindex]
    ///
    /// Their rows say skipped (robots.tag).
    #[arg(long = "respect-x-robots-tag", value_name = "LIST", value_delimiter = ',',
          num_args = 0..=1, require_equals = true,
          default_missing_value = "noai,noimageai,noindex,noimageindex",
          value_parser = directive, hide_short_help = true)]
    pub tags: Vec<String>,
}

impl RobotsArgs {
    /// Whether that is done.
    pub(crate) fn resolve(&self) -> robots::Options {
        robots::Options { is_obeyed: self.robots, tags: self.tags.clone() }
    }
}

/// One directive, in lower case.
fn directive(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a directive is empty; write for instance noai,noindex".to_owned()),
        text => Ok(text.to_ascii_lowercase()),
    }
}
