//! Why a whole run failed, with the exit status it ends with. (Why one URL failed is a
//! [`crate::fault::Fault`] and never comes here.)
//!
//! A [`RunError`] is put on an error chain with `anyhow::Context::context`; whoever ends the
//! process finds it again with `downcast_ref`. A chain without one is an internal error.

use crate::exit::ExitStatus;
use std::fmt;

/// One link of an error chain that says the exit status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunError {
    /// The exit status; the outermost link of a chain decides.
    pub status: ExitStatus,
    /// `cannot ...`: what was being done, without the cause and without a full stop.
    pub what: String,
}

impl RunError {
    /// A mistake in what was typed, or in a list.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { status: ExitStatus::Usage, what: what.into() }
    }

    /// A local file or directory that does not do what is needed.
    pub fn local_file(what: impl Into<String>) -> Self {
        Self { status: ExitStatus::LocalFile, what: what.into() }
    }

    /// The kernel refuses, or ringpull is wrong.
    pub fn internal(what: impl Into<String>) -> Self {
        Self { status: ExitStatus::Internal, what: what.into() }
    }
}

impl From<&anyhow::Error> for ExitStatus {
    /// The status of the outermost [`RunError`] of the chain; internal without one.
    fn from(error: &anyhow::Error) -> Self {
        error.downcast_ref::<RunError>().map_or(Self::Internal, |error| error.status)
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for RunError {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_chain_has_the_status_of_its_outermost_link() {
        let io = || std::io::Error::from_raw_os_error(13);
        let chain = |link: RunError| Err::<(), _>(io()).context(link).unwrap_err();
        assert_eq!(ExitStatus::from(&chain(RunError::local_file("x"))), ExitStatus::LocalFile);
        assert_eq!(ExitStatus::from(&chain(RunError::usage("x"))), ExitStatus::Usage);
        assert_eq!(ExitStatus::from(&chain(RunError::internal("x"))), ExitStatus::Internal);
        assert_eq!(ExitStatus::from(&anyhow::Error::from(io())), ExitStatus::Internal);

        let wrapped = chain(RunError::local_file("cannot write a")).context("cannot finish");
        assert_eq!(ExitStatus::from(&wrapped), ExitStatus::LocalFile);
        let outer = wrapped.context(RunError::usage("cannot start"));
        assert_eq!(ExitStatus::from(&outer), ExitStatus::Usage);
        let text = "cannot start: cannot finish: cannot write a: Permission denied (os error 13)";
        assert_eq!(format!("{outer:#}"), text);
    }
}
