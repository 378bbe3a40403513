//! A target as bytes, for queues of millions.

use super::{Scheme, Target};

/// The numbers of a target. With its text, and its user information where it has some, they are all
/// of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offsets {
    /// http or https.
    pub scheme: Scheme,
    /// Where the host ends in the text, a closing bracket included.
    pub host_end: u32,
    /// Where the path begins in the text.
    pub path_at: u32,
    /// Where the path ends in the text.
    pub path_end: u32,
}

impl Target {
    /// Numbers that [`Target::from_parts`] takes beside the text.
    pub fn offsets(&self) -> Offsets {
        let Self { scheme, host_end, path_at, path_end, .. } = *self;
        Offsets { scheme, host_end, path_at, path_end }
    }

    /// `user:pass`, percent-decoded; without the colon when no password was given. Never to be
    /// shown.
    pub fn userinfo(&self) -> Option<&str> {
        self.basic_auth.as_deref()
    }

    /// Puts a target together from its parts.
    ///
    /// # Panics
    /// When no target has these parts.
    pub fn from_parts(text: &str, offsets: Offsets, userinfo: Option<&str>) -> Self {
        let Offsets { scheme, host_end, path_at, path_end } = offsets;
        let port = match &text[host_end as usize..path_at as usize] {
            "" => scheme.port_default(),
            port => port[1..].parse().expect("a port follows its colon"),
        };
        let (text, basic_auth) = (text.into(), userinfo.map(Box::from));
        Self { text, basic_auth, host_end, path_at, path_end, port, scheme }
    }
}
