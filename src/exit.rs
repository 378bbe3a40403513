//! Every exit status of the program, once. Which one a failure adds is said where its facts are
//! (`fault/facts.rs` of one URL, [`crate::error::RunError`] of a whole run); of several the lowest
//! number wins, so that the status does not depend on their order.
//!
//! The numbers up to 8 are those of wget's table.

/// What the shell is told when the process ends.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum ExitStatus {
    /// Every URL is ok or skipped; or help, the version, a server that was asked to end.
    Success = 0,
    /// ringpull is wrong, or the kernel has no io_uring for it.
    Internal = 1,
    /// What was typed, a list that cannot be opened, or an input line.
    Usage = 2,
    /// A local file operation failed, or this machine ran out of something.
    LocalFile = 3,
    /// Name resolution, connections, deadlines.
    Network = 4,
    /// TLS, certificates included.
    Tls = 5,
    /// The server or a proxy asked for credentials (401, 407).
    Auth = 6,
    /// The peer broke HTTP, or the body is not whole or not wanted; what `--verify` found.
    Protocol = 7,
    /// The server answered with an error status.
    Status = 8,
    /// The run was stopped with work left.
    Stopped = 9,
    /// `ringpull bench --compare` found something that has become worse.
    Regression = 10,
    /// The run was interrupted: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

/// One line of the table of exit statuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Meaning {
    /// The status; its number is [`ExitStatus::number`].
    pub status: ExitStatus,
    /// One word for scripts and headings.
    pub name: &'static str,
    /// What it means, for the documentation.
    pub sentence: &'static str,
}

/// The table of exit statuses, in the order of their numbers.
pub const ALL: [Meaning; 12] = [
    meaning(ExitStatus::Success, "success", "every URL is ok or skipped"),
    meaning(ExitStatus::Internal, "internal", "internal error, or no io_uring"),
    meaning(
        ExitStatus::Usage,
        "usage",
        "usage, a list that cannot be opened, a line that is not a URL",
    ),
    meaning(
        ExitStatus::LocalFile,
        "local_file",
        "local files: a directory that cannot be written, a full disk",
    ),
    meaning(ExitStatus::Network, "network", "network: names, connections, deadlines"),
    meaning(ExitStatus::Tls, "tls", "TLS: a certificate that was not accepted"),
    meaning(ExitStatus::Auth, "auth", "authentication: 401 or 407"),
    meaning(
        ExitStatus::Protocol,
        "protocol",
        "protocol: a malformed or truncated response, a wrong checksum, too many redirects; what \
         `--verify` found",
    ),
    meaning(ExitStatus::Status, "status", "any other status of 400 or more"),
    meaning(
        ExitStatus::Stopped,
        "stopped",
        "ended by `--max-errors`, `--max-duration` or `--quota` with work left",
    ),
    meaning(
        ExitStatus::Regression,
        "regression",
        "`--compare` of the bench found a cell that has become worse",
    ),
    meaning(ExitStatus::Interrupted, "interrupted", "interrupted by SIGINT, SIGTERM or SIGHUP"),
];

const fn meaning(status: ExitStatus, name: &'static str, sentence: &'static str) -> Meaning {
    Meaning { status, name, sentence }
}

impl ExitStatus {
    /// The number that the shell sees.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The status of a response whose status code is a failure. Some proxies say 401.
    pub fn of_response(code: u16) -> Self {
        match code {
            401 | 407 => Self::Auth,
            _ => Self::Status,
        }
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_wgets() {
        let numbers = ALL.map(|meaning| meaning.status.number());
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
        let words = ALL.map(|meaning| format!("{:?}", meaning.status).to_ascii_lowercase());
        assert_eq!(words, ALL.map(|meaning| meaning.name.replace('_', "")));
    }

    #[test]
    fn the_lowest_wins() {
        let both = [ExitStatus::Status, ExitStatus::Tls];
        assert_eq!(both.into_iter().min(), Some(ExitStatus::Tls));
        assert!(ALL.is_sorted_by_key(|meaning| meaning.status));
    }
}
