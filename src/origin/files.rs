//! What the origin remembers of each file: how it was asked for, and how often it changed.

use crate::limits;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counters of one file; `/stats/PATH` gives them as JSON.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct FileStats {
    /// Requests for the file, HEAD and refused ones included.
    pub requests: u64,
    /// Requests with a Range field.
    pub range_requests: u64,
    /// Connections that asked for the file.
    pub connections: u64,
    /// Bytes of its bodies that the kernel took, all responses together.
    pub body_bytes: u64,
    /// Changes that `/change/PATH` made.
    pub changes: u64,
    /// Most bodies of the file that were being sent at one time.
    pub sending_max: u64,
    /// The first requests with a Range field, in the order of their responses.
    pub ranges: Vec<RangeRequest>,
}

/// One request with a Range field.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RangeRequest {
    /// The value of Range.
    pub range: String,
    /// The value of If-Range.
    pub if_range: Option<String>,
    /// Status code of the response.
    pub status: u16,
}

/// The files that were asked for so far, by path without a query.
#[derive(Debug, Default)]
pub(super) struct Files(Mutex<HashMap<String, Arc<File>>>);

impl Files {
    /// The record of `path`. Beyond the limit an unseen path gets one that is forgotten.
    pub(super) fn file(&self, path: &str) -> Arc<File> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path) {
            return Arc::clone(file);
        }
        let file = Arc::<File>::default();
        if files.len() < limits::ORIGIN_FILES_MAX {
            files.insert(path.to_owned(), Arc::clone(&file));
        }
        file
    }
}

/// The record of one file.
#[derive(Debug, Default)]
pub(super) struct File {
    requests: AtomicU64,
    range_requests: AtomicU64,
    connections: AtomicU64,
    body_bytes: AtomicU64,
    changes: AtomicU64,
    sending: AtomicU64,
    sending_max: AtomicU64,
    ranges: Mutex<Vec<RangeRequest>>,
}

/// Place of a request among all requests for its file. Each number starts at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    /// Number among all requests.
    pub(super) request: u64,
    /// Number among those with a Range field, when it has one.
    pub(super) range_request: Option<u64>,
    /// Number of its connection among those that asked for the file.
    pub(super) connection: u64,
    /// Bytes of bodies that were sent before it.
    pub(super) body_bytes: u64,
    /// Changes that were made before it.
    pub(super) changes: u64,
}

impl File {
    /// Counts a request that comes over the `connection`th connection.
    pub(super) fn enter(&self, has_range: bool, connection: u64) -> Place {
        let next = |counter: &AtomicU64| counter.fetch_add(1, Ordering::SeqCst) + 1;
        Place {
            request: next(&self.requests),
            range_request: has_range.then(|| next(&self.range_requests)),
            connection,
            body_bytes: self.body_bytes.load(Ordering::SeqCst),
            changes: self.changes.load(Ordering::SeqCst),
        }
    }

    /// Counts a connection that asks for the first time, and gives its number.
    pub(super) fn connect(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Counts bytes of a body.
    pub(super) fn sent(&self, bytes: usize) {
        self.body_bytes.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    /// Has the file change, and tells how many changes there are now.
    pub(super) fn change(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Holds one of `most` places for a body that is being sent, unless all are taken.
    pub(super) fn send(self: Arc<Self>, most: u64) -> Option<Sending> {
        let sending = self.sending.fetch_add(1, Ordering::SeqCst) + 1;
        let place = Sending(self);
        if sending > most {
            return None;
        }
        place.0.sending_max.fetch_max(sending, Ordering::SeqCst);
        Some(place)
    }

    /// Remembers a request with a Range field, unless there are too many.
    pub(super) fn remember(&self, request: RangeRequest) {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        if ranges.len() < limits::ORIGIN_RANGES_MAX {
            ranges.push(request);
        }
    }

    /// The counters.
    pub(super) fn stats(&self) -> FileStats {
        FileStats {
            requests: self.requests.load(Ordering::SeqCst),
            range_requests: self.range_requests.load(Ordering::SeqCst),
            connections: self.connections.load(Ordering::SeqCst),
            body_bytes: self.body_bytes.load(Ordering::SeqCst),
            changes: self.changes.load(Ordering::SeqCst),
            sending_max: self.sending_max.load(Ordering::SeqCst),
            ranges: self.ranges.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// A body of a file that is being sent; until it is dropped.
#[derive(Debug)]
pub(super) struct Sending(Arc<File>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_their_places_and_bodies_their_limit() {
        let files = Files::default();
        let file = files.file("/a");
        assert_eq!(file.connect(), 1);
        assert_eq!(file.enter(false, 1).range_request, None);
        file.sent(5);
        file.change();
        let place = files.file("/a").enter(true, 1);
        assert_eq!((place.request, place.range_request), (2, Some(1)));
        assert_eq!((place.body_bytes, place.changes), (5, 1));
        let one = Arc::clone(&file).send(1).unwrap();
        assert!(Arc::clone(&file).send(1).is_none());
        drop(one);
        assert_eq!(file.stats().sending_max, 1);
        assert!(Arc::clone(&file).send(1).is_some());
        assert_eq!(files.file("/b").stats().requests, 0);
    }
}
