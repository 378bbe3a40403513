//! The descriptor of a file that is written: counted only where operations of the ring hold it too.

use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The descriptor of a file.
#[derive(Debug)]
pub(super) enum Descriptor {
    Closed,
    Own(OwnedFd),
    /// Operations of the ring hold the descriptor too, while they last.
    Shared(Rc<OwnedFd>),
}

impl Descriptor {
    /// The descriptor, if it is open.
    pub(super) fn get(&self) -> Option<&OwnedFd> {
        match self {
            Self::Closed => None,
            Self::Own(fd) => Some(fd),
            Self::Shared(fd) => Some(fd),
        }
    }

    /// The descriptor for operations of the ring.
    pub(super) fn share(&mut self) -> Option<Rc<OwnedFd>> {
        let fd = match std::mem::replace(self, Self::Closed) {
            Self::Closed => return None,
            Self::Own(fd) => Rc::new(fd),
            Self::Shared(fd) => fd,
        };
        *self = Self::Shared(Rc::clone(&fd));
        Some(fd)
    }

    /// Takes the descriptor out, so that nothing is left to be closed. Every operation was joined,
    /// so nobody else holds it.
    pub(super) fn take(&mut self) -> Option<OwnedFd> {
        match std::mem::replace(self, Self::Closed) {
            Self::Closed => None,
            Self::Own(fd) => Some(fd),
            Self::Shared(fd) => Rc::into_inner(fd),
        }
    }
}
