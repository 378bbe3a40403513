//! One row per input line: what was asked, what happened, and when.

use crate::fault::Fault;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// How a job ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Status {
    /// The whole body is in its file.
    Ok,
    /// Nothing was asked for: the file was there (`--no-clobber`).
    Skipped,
    /// It failed; the fault says why.
    Failed,
    /// The run was interrupted before it was done.
    Cancelled,
}

/// Times of the last attempt, as curl's `--write-out` names and defines them: each counts from the
/// start of that attempt, except `queue`, which is what the job waited before its first attempt, and
/// `total`, which is the whole job, all attempts and waits between them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Waiting for a slot before the first attempt.
    pub queue: Duration,
    /// Until the name was resolved.
    pub namelookup: Duration,
    /// Until the TCP connection was open.
    pub connect: Duration,
    /// Until the TLS handshake was done; zero without TLS.
    pub appconnect: Duration,
    /// Until the first byte of the response.
    pub starttransfer: Duration,
    /// Until the job was done.
    pub total: Duration,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Input line number over all inputs, from 1.
    pub index: u64,
    /// The URL as asked for (userinfo removed), or the whole line when it is no URL.
    pub url: String,
    /// Status code of the last response; 0 when there was none.
    pub response_code: u16,
    /// How the job ended.
    pub status: Status,
    /// Why it failed.
    pub fault: Option<Fault>,
    /// Path of the file, the directory included, when there is one.
    pub filename: Option<String>,
    /// Body bytes of the last response.
    pub size_download: u64,
    /// `Content-Type`.
    pub content_type: Option<Box<str>>,
    /// `Content-Encoding` of the stored bytes.
    pub content_encoding: Option<Box<str>>,
    /// `ETag`.
    pub etag: Option<Box<str>>,
    /// Attempts after the first.
    pub num_retries: u32,
    /// Redirects followed.
    pub num_redirects: u32,
    /// Connections opened.
    pub num_connects: u32,
    /// The URL that answered last, where it is not `url`.
    pub url_effective: Option<String>,
    /// The peer that answered last.
    pub remote_ip: Option<IpAddr>,
    /// `host:port` of the origin that answered last, for the per-host table; empty for input faults.
    pub host: String,
    /// Minor version of HTTP/1 of the last response.
    pub http_minor_version: Option<u8>,
    /// Whether the TLS session of the last connection was resumed; `None` without TLS.
    pub tls_resumed: Option<bool>,
    /// When things happened.
    pub times: Times,
    /// When the first attempt began (or the row was made, where there was none).
    pub attempted_at: SystemTime,
}
