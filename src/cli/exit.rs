//! What the shell is told at the end. The table is wget's, with its rule that of several failures
//! the lowest number wins; for a batch only the class is meaningful, and every URL's own code is in
//! the report.

use crate::error::{ErrorClass, RunError};

/// Exit status of the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every input line is ok or skipped.
    Success = 0,
    /// ringpull is wrong, or the kernel has no io_uring for it.
    Internal = 1,
    /// What was typed, or a list that cannot be read or holds lines that are no URL.
    Usage = 2,
    /// Local files: a directory that cannot be written, a full disk.
    LocalFile = 3,
    /// Names, connections and deadlines.
    Network = 4,
    /// A certificate was not accepted.
    TlsVerification = 5,
    /// 401 or 407.
    Authentication = 6,
    /// The peer broke the protocol, or a body was cut short.
    Protocol = 7,
    /// Any other status of 400 or more.
    Status = 8,
    /// A limit on the whole run was reached with work left.
    Stopped = 9,
    /// SIGINT or SIGTERM; 128 + SIGINT, as shells count.
    Interrupted = 130,
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code as Self
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(u8::from(code))
    }
}

impl From<&anyhow::Error> for ExitCode {
    /// The class of the outermost [`RunError`] of the chain; internal without one.
    fn from(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<RunError>().map(|error| error.class) {
            Some(ErrorClass::Usage) => Self::Usage,
            Some(ErrorClass::LocalFile) => Self::LocalFile,
            Some(ErrorClass::Internal) | None => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_numbers_are_wgets() {
        let table = [
            (ExitCode::Success, 0),
            (ExitCode::Internal, 1),
            (ExitCode::Usage, 2),
            (ExitCode::LocalFile, 3),
            (ExitCode::Network, 4),
            (ExitCode::TlsVerification, 5),
            (ExitCode::Authentication, 6),
            (ExitCode::Protocol, 7),
            (ExitCode::Status, 8),
            (ExitCode::Stopped, 9),
            (ExitCode::Interrupted, 130),
        ];
        for (code, number) in table {
            assert_eq!(u8::from(code), number);
        }
    }

    #[test]
    fn a_chain_has_the_class_of_its_outermost_link() {
        let io = || std::io::Error::from_raw_os_error(13);
        let chain = |link: RunError| Err::<(), _>(io()).context(link).unwrap_err();
        assert_eq!(ExitCode::from(&chain(RunError::local_file("x"))), ExitCode::LocalFile);
        assert_eq!(ExitCode::from(&chain(RunError::usage("x"))), ExitCode::Usage);
        assert_eq!(ExitCode::from(&chain(RunError::internal("x"))), ExitCode::Internal);
        assert_eq!(ExitCode::from(&anyhow::Error::from(io())), ExitCode::Internal);

        let wrapped = chain(RunError::local_file("cannot write a")).context("cannot finish");
        assert_eq!(ExitCode::from(&wrapped), ExitCode::LocalFile);
        let outer = wrapped.context(RunError::usage("cannot start"));
        assert_eq!(ExitCode::from(&outer), ExitCode::Usage);
        let text = "cannot start: cannot finish: cannot write a: Permission denied (os error 13)";
        assert_eq!(format!("{outer:#}"), text);
    }
}
