//! Where a job goes: its host, and which of the two origins of that.

use crate::plan::target::Scheme;

/// The host and the origin whose queue a job goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place<'p> {
    /// `scheme://host:port` (`plan::target::Target::origin_str`).
    pub origin: &'p str,
    /// `host[:port]`, the default port left out (`plan::target::Target::host_header`).
    pub host: &'p str,
}

impl Place<'_> {
    /// Scheme of the origin. A default port is left out for one scheme only, so the host and this
    /// name the origin.
    pub(super) fn scheme(self) -> Scheme {
        if self.origin.starts_with("https:") { Scheme::Https } else { Scheme::Http }
    }
}

/// A host, for as long as it is known. Its number is used again for another host, its generation is
/// not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct HostId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// An origin, for as long as it holds a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OriginId {
    pub(super) host: HostId,
    pub(super) scheme: Scheme,
}
