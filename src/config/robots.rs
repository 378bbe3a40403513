//! What sites ask of robots, and whether it is done.

/// Whether the run does what sites ask of robots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RobotsConfig {
    /// `--robots`: robots.txt of each origin is asked for, and obeyed.
    pub is_obeyed: bool,
    /// `--respect-x-robots-tag`: directives of `X-Robots-Tag` that let a response be skipped, lower
    /// case; without any, the field does not matter.
    pub tags: Vec<String>,
}
