//! Idle connections of one core, by origin, the last one used first.
//!
//! The origin is the whole security context of a connection: certificates, name resolution and
//! credentials for proxies are those of the run, and which proxy is on the way depends on nothing
//! but the origin (`plan::proxy::Proxies::choose`). Whatever makes two connections to one origin
//! differ must become part of the key.

use crate::limits::IDLE_CONNECTION_MAX_MS;
use crate::plan::schedule::OriginId;
use crate::ring::conn::Connection;
use std::collections::HashMap;

/// The idle connections of one core. How many there may be is the schedule's business.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: HashMap<OriginId, Vec<Idle>>,
    /// Empty, and used again: a core often has one idle connection, and now and then none.
    spare: Vec<Idle>,
    count: usize,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since_ms: u64,
}

impl Pool {
    /// The connection to `origin` used last.
    pub(crate) fn take(&mut self, origin: OriginId) -> Option<Connection> {
        let connections = self.idle.get_mut(&origin)?;
        let connection = connections.pop()?.connection;
        if connections.is_empty() {
            self.spare = self.idle.remove(&origin).unwrap_or_default();
        }
        self.count -= 1;
        Some(connection)
    }

    /// Keeps a connection that nobody waits for.
    pub(crate) fn put(&mut self, origin: OriginId, connection: Connection, now_ms: u64) {
        let connections =
            self.idle.entry(origin).or_insert_with(|| std::mem::take(&mut self.spare));
        connections.push(Idle { connection, since_ms: now_ms });
        self.count += 1;
    }

    /// How many connections are idle.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Closes connections that were idle for too long, and the oldest ones above `count_max`.
    /// Returns the origin of each.
    pub(crate) fn expire(&mut self, now_ms: u64, count_max: usize) -> Vec<OriginId> {
        let mut limit_ms = now_ms.saturating_sub(IDLE_CONNECTION_MAX_MS);
        if self.count > count_max {
            let mut since: Vec<u64> =
                self.idle.values().flatten().map(|idle| idle.since_ms).collect();
            since.sort_unstable();
            limit_ms = limit_ms.max(since[self.count - count_max - 1] + 1);
        }
        let mut closed = Vec::new();
        for (origin, connections) in &mut self.idle {
            let before = connections.len();
            connections.retain(|idle| idle.since_ms >= limit_ms);
            closed.extend(std::iter::repeat_n(*origin, before - connections.len()));
        }
        if !closed.is_empty() {
            self.idle.retain(|_, connections| !connections.is_empty());
            self.count -= closed.len();
        }
        closed
    }
}
