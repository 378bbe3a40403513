//! What became of one URL, for the program that embeds a pull.

use crate::report;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What became of one URL. Each has exactly one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// Number of the URL among all that were given, from 1: that of its line where there are lists.
    pub line: u64,
    /// The URL as it was given, without its user information; what is no UTF-8 in it is replaced by
    /// U+FFFD.
    pub url: String,
    /// How it ended.
    pub status: Status,
    /// Why there is no file of it; `None` where it is ok, or was there already.
    pub problem: Option<Problem>,
    /// Status code of the last response, where there was one.
    pub response_code: Option<u16>,
    /// The file, or the shard with the name of the member behind it, where there is one.
    pub path: Option<PathBuf>,
    /// Body bytes of the file that came in this pull, as they were sent: of all attempts whose
    /// bytes are in it, or of the last response where there is no file.
    pub bytes: u64,
    /// Length of the file in bytes, where the URL is ok and has one. Not that of the body, where a
    /// coding was undone.
    pub size: Option<u64>,
    /// `Content-Type` of the response.
    pub content_type: Option<String>,
    /// `ETag` of the response.
    pub etag: Option<String>,
    /// Digest of the file as `sha-256=HEX`, where one was asked for (`compute-hash`).
    pub digest: Option<String>,
    /// The URL that was asked last, where that is another one.
    pub url_effective: Option<String>,
    /// The address that answered last.
    pub remote_ip: Option<IpAddr>,
    /// Attempts after the first.
    pub retries: u32,
    /// Redirects that were followed.
    pub redirects: u32,
    /// Time of all attempts, and of the waits between them; not that before the first one.
    pub time: Duration,
}

/// How a URL ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// The whole body is in its file.
    Ok,
    /// There was nothing to store: the file was there, the URL or the body is a duplicate, or the
    /// site does not want it to be pulled (`robots`). [`Row::problem`] may say which.
    Skipped,
    /// The URL failed; [`Row::problem`] says why.
    Failed,
    /// The pull ended before it was done.
    Cancelled,
}

impl fmt::Display for Status {
    /// The word that reports have: `ok`, `skipped`, `failed` or `cancelled`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Why a URL has no file of its own: it failed, was cancelled, or was skipped for a reason.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// A code that stays the same, such as `connect.timeout` or `http.status`: `ringpull help exit`
    /// lists them all. New ones may come.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl Row {
    pub(super) fn of(row: &report::Row) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Self {
            line: row.index,
            url: String::from_utf8_lossy(&row.url).into_owned(),
            status: match row.status {
                report::Status::Ok => Status::Ok,
                report::Status::Skipped => Status::Skipped,
                report::Status::Failed => Status::Failed,
                report::Status::Cancelled => Status::Cancelled,
            },
            problem: row
                .fault
                .as_ref()
                .map(|fault| Problem { code: fault.code(), message: fault.to_string() }),
            response_code: Some(row.response_code).filter(|code| *code != 0),
            path: row.filename.as_ref().map(PathBuf::from),
            bytes: row.size_download,
            size: row.size_file,
            content_type: text(&row.content_type),
            etag: text(&row.etag),
            digest: text(&row.digest),
            url_effective: row.url_effective.clone(),
            remote_ip: row.remote_ip,
            retries: row.num_retries,
            redirects: row.num_redirects,
            time: row.times.total,
        }
    }
}
