//! What one attempt sees on its way.

use crate::engine::moment::ms;
use crate::http::Head;
use crate::http::head::Location;
use crate::plan::feedback::Seen;
use crate::report::{Row, Times};
use std::net::IpAddr;
use std::time::Instant;

/// What an attempt has seen so far.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) began: Instant,
    /// The last head that came.
    pub(crate) head: Option<Box<Head>>,
    /// Body bytes that came.
    pub(crate) size_download: u64,
    /// The address that was connected to, or was to be.
    pub(crate) remote_ip: Option<IpAddr>,
    pub(crate) is_tls_resumed: Option<bool>,
    pub(crate) times: Times,
    /// Connections that were opened, or were to be.
    pub(crate) num_connects: u32,
    /// Number of the attempt among the transfers of its core, while it goes on.
    pub(crate) transfer: usize,
}

impl Trace {
    /// Nothing was seen so far by an attempt that begins now.
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            began,
            head: None,
            size_download: 0,
            remote_ip: None,
            is_tls_resumed: None,
            times: Times::default(),
            num_connects: 0,
            transfer: 0,
        }
    }

    /// Keeps the head, of which rows tell. What was acted upon by now is left out: it may be long,
    /// and the job may wait for another attempt among very many.
    pub(crate) fn keep_head(&mut self, mut head: Box<Head>) {
        head.location = Location::Absent;
        (head.content_disposition, head.robots_tags) = (None, None);
        self.head = Some(head);
    }

    /// Another request of the same attempt begins.
    pub(crate) fn begin_next(&mut self) {
        self.size_download = 0;
    }

    /// Forgets a response that was another's.
    pub(crate) fn forget_response(&mut self) {
        (self.head, self.size_download) = (None, 0);
    }

    /// Whether the attempt asked nobody for anything.
    pub(crate) fn saw_nothing(&self) -> bool {
        self.head.is_none() && self.remote_ip.is_none()
    }

    /// Tells of the attempt `before` what this one did not see.
    pub(crate) fn go_on_from(&mut self, before: Self) {
        if self.saw_nothing() {
            *self = before;
        } else if self.head.is_none() {
            self.head = before.head;
        }
    }

    /// Tells a row what the last response says of itself.
    pub(crate) fn tell(&mut self, row: &mut Row) {
        row.remote_ip = self.remote_ip;
        row.tls_resumed = self.is_tls_resumed;
        if let Some(head) = self.head.take() {
            row.http_minor_version = Some(head.minor_version);
            row.content_type = head.content_type;
            row.content_encoding = head.content_encoding;
            row.etag = head.etag;
        }
    }

    /// What the attempt saw of its host.
    pub(crate) fn seen(&self) -> Seen {
        let times = &self.times;
        let opened = times.namelookup.max(times.connect).max(times.appconnect);
        // From the request to the first byte, without the opening of the connection.
        let waited = times.starttransfer.saturating_sub(opened);
        Seen {
            has_head: self.head.is_some(),
            has_peer: self.remote_ip.is_some(),
            opening_ms: ms(opened),
            starttransfer_ms: ms(waited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_answer_takes_what_the_connection_did_not() {
        let mut trace = Trace::new(Instant::now());
        assert_eq!(trace.seen(), Seen::default());
        trace.times = Times {
            namelookup: Duration::from_millis(10),
            connect: Duration::from_millis(30),
            starttransfer: Duration::from_millis(75),
            ..Times::default()
        };
        trace.remote_ip = Some(IpAddr::from([192, 0, 2, 1]));
        let seen = trace.seen();
        assert_eq!((seen.opening_ms, seen.starttransfer_ms), (30, 45));
        assert_eq!((seen.has_head, seen.has_peer), (false, true));
        trace.times.appconnect = Duration::from_millis(80);
        assert_eq!((trace.seen().opening_ms, trace.seen().starttransfer_ms), (80, 0));
    }
}
