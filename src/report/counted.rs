//! Numbers that a run counts of one row, whether anybody reads the row or not: all that its
//! statistics need.

use super::row::{Row, Status, Times};
use crate::fault::Fault;

/// The part of a row that is counted; see [`Row`] for each field.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// How the job ended.
    pub status: Status,
    /// Why it failed.
    pub fault: Option<&'a Fault>,
    /// Status code of the last response; 0 when there was none.
    pub response_code: u16,
    /// Body bytes that came in this run for the file.
    pub size_download: u64,
    /// Length of the file in bytes, of a row that says ok.
    pub size_file: Option<u64>,
    /// Bytes of the file that were there before the run.
    pub size_resumed: u64,
    /// Byte ranges that the file came in, each by a request of its own.
    pub num_parts: u32,
    /// Word for how the body was written, where `--write-mode` decides it.
    pub write_mode: Option<&'static str>,
    /// Word for how the file got its name, where it is a file.
    pub naming: Option<&'static str>,
    /// Whether the file took the place of one that was there before the run.
    pub has_replaced: bool,
    /// Whether the file is one that was stored for another line (`--dedupe content`).
    pub is_linked: bool,
    /// Attempts after the first.
    pub num_retries: u32,
    /// Redirects followed.
    pub num_redirects: u32,
    /// Connections opened.
    pub num_connects: u32,
    /// When things happened.
    pub times: Times,
    /// The origin that was asked last (`scheme://host[:port]`); empty for input faults.
    pub host: &'a str,
}

impl<'a> From<&'a Row> for Counted<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            status: row.status,
            fault: row.fault.as_ref(),
            response_code: row.response_code,
            size_download: row.size_download,
            size_file: row.size_file,
            size_resumed: row.size_resumed,
            num_parts: row.num_parts,
            write_mode: row.write_mode,
            naming: row.naming,
            has_replaced: row.has_replaced,
            is_linked: row.status == Status::Ok && row.duplicate_of.is_some(),
            num_retries: row.num_retries,
            num_redirects: row.num_redirects,
            num_connects: row.num_connects,
            times: row.times,
            host: &row.host,
        }
    }
}
