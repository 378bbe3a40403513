//! Where bodies go.

use super::{Archive, Outlet};

/// Where the bodies of a run go: chosen once, for all of its jobs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Destination {
    /// Files beneath the directory of the run, each with the name that its job gives it.
    #[default]
    Files,
    /// One file (`-o NAME`): its name in the directory of the run, taken literally.
    File(String),
    /// Standard output (`-o -`).
    Stdout,
    /// Something that is no file and is written into (`-o NAME`): a device, a FIFO, a descriptor
    /// that the program was started with.
    Device {
        /// The name of the device, in the directory of the run.
        name: String,
        /// What the name leads to.
        outlet: Outlet,
    },
    /// Archives (`--output-format`), of which each has many bodies.
    Archive(Archive),
    /// Nowhere (`--discard`): bodies are counted, digests computed, and nothing is kept.
    Null,
}

impl Destination {
    /// Whether bodies become files, each with a name of its own.
    pub fn has_files(&self) -> bool {
        match self {
            Self::Files | Self::File(_) => true,
            Self::Stdout | Self::Device { .. } | Self::Archive(_) | Self::Null => false,
        }
    }

    /// Whether something is written beneath the directory of the run.
    pub fn has_dir(&self) -> bool {
        match self {
            Self::Files | Self::File(_) => true,
            Self::Archive(archive) => archive.shards().is_some(),
            Self::Stdout | Self::Device { .. } | Self::Null => false,
        }
    }

    /// What bodies are packed into, where they are.
    pub fn archive(&self) -> Option<&Archive> {
        match self {
            Self::Archive(archive) => Some(archive),
            Self::Files | Self::File(_) | Self::Stdout | Self::Device { .. } | Self::Null => None,
        }
    }

    /// Whether anything is kept of bodies, which a row can be about.
    pub fn keeps_bodies(&self) -> bool {
        match self {
            Self::Files | Self::File(_) | Self::Stdout | Self::Device { .. } | Self::Archive(_) => {
                true
            }
            Self::Null => false,
        }
    }

    /// The name of the one body, where it is not for its job to give one. Standard output has an
    /// empty one.
    pub fn name(&self) -> Option<&str> {
        match self {
            // What is discarded has the name that its file would have.
            Self::Files | Self::Archive(_) | Self::Null => None,
            Self::File(name) | Self::Device { name, .. } => Some(name),
            Self::Stdout => Some(""),
        }
    }

    /// What the one body is streamed into, where that is no file.
    pub fn outlet(&self) -> Option<&Outlet> {
        match self {
            Self::Files | Self::File(_) | Self::Archive(_) | Self::Null => None,
            Self::Stdout => Some(&STDOUT),
            Self::Device { outlet, .. } => Some(outlet),
        }
    }
}

static STDOUT: Outlet = Outlet::Descriptor(1);
