//! What the shell is told when a run could not begin or go on. The numbers are those of wget's
//! table; what the rows of a finished run add up to is `report::summary::exit_code`'s to say.

use crate::error::{ErrorClass, RunError};

/// Exit status of the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum ExitCode {
    /// Help, the version, or a server that was asked to end.
    Success = 0,
    /// ringpull is wrong, or the kernel has no io_uring for it.
    Internal = 1,
    /// What was typed, or a list that cannot be opened.
    Usage = 2,
    /// Local files: a directory or a report that cannot be written.
    LocalFile = 3,
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
