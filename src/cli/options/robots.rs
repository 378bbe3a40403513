//! What sites ask of robots.

use crate::config::RobotsConfig;
use clap::Args;

/// What sites ask of robots.
#[derive(Debug, Args)]
#[command(next_help_heading = "Robots")]
pub struct RobotsArgs {
    /// Ask each host for its robots.txt once, and skip what that disallows to robots
    #[arg(long)]
    pub robots: bool,
    /// Skip responses whose X-Robots-Tag has one of LIST: directives with commas
    /// [default LIST: noai,noimageai,noindex,noimageindex]
    #[arg(long = "respect-x-robots-tag", value_name = "LIST", value_delimiter = ',',
          num_args = 0..=1, require_equals = true,
          default_missing_value = "noai,noimageai,noindex,noimageindex",
          value_parser = directive)]
    pub tags: Vec<String>,
}

impl RobotsArgs {
    /// Whether that is done.
    pub(crate) fn resolve(&self) -> RobotsConfig {
        RobotsConfig { is_obeyed: self.robots, tags: self.tags.clone() }
    }
}

/// One directive, in lower case.
fn directive(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a directive is empty; write for instance noai,noindex".to_owned()),
        text => Ok(text.to_ascii_lowercase()),
    }
}
