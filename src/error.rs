//! Why a whole run failed, as the class its exit status needs. (Why one URL failed is a
//! [`crate::fault::Fault`] and never comes here.)
//!
//! A [`RunError`] is put on an error chain with `anyhow::Context::context`; whoever ends the
//! process finds it again with `downcast_ref`. A chain without one is an internal error.

use std::fmt;

/// Whose fault it is that the run could not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorClass {
    /// What was typed or a list given as input: exit status 2.
    Usage,
    /// A local file or directory that cannot be made, written or read: exit status 3.
    LocalFile,
    /// The kernel or ringpull itself: exit status 1.
    Internal,
}

/// One link of an error chain that says its class.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunError {
    /// The class; the outermost link of a chain decides.
    pub class: ErrorClass,
    /// `cannot ...`: what was being done, without the cause and without a full stop.
    pub what: String,
}

impl RunError {
    /// A mistake in what was typed, or in a list.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { class: ErrorClass::Usage, what: what.into() }
    }

    /// A local file or directory that does not do what is needed.
    pub fn local_file(what: impl Into<String>) -> Self {
        Self { class: ErrorClass::LocalFile, what: what.into() }
    }

    /// The kernel refuses, or ringpull is wrong.
    pub fn internal(what: impl Into<String>) -> Self {
        Self { class: ErrorClass::Internal, what: what.into() }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for RunError {}
