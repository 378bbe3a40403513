//! One core's part of the schedule.

use std::collections::BTreeSet;

/// Hosts by stamp and index: the one served longest ago is first.
pub(super) type Ready = BTreeSet<(u64, u32)>;

/// One core's part.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) in_flight: usize,
    pub(super) in_flight_max: usize,
    /// Hosts at home here.
    pub(super) hosts: usize,
    /// Small hosts at home here, with a job ready and a connection to open.
    pub(super) openable: Ready,
    /// Hosts with a job ready and an idle connection in this core's pool.
    pub(super) reusable: Ready,
}

impl Core {
    pub(super) fn new(in_flight_max: usize) -> Self {
        let (openable, reusable) = (Ready::new(), Ready::new());
        Self { in_flight: 0, in_flight_max, hosts: 0, openable, reusable }
    }
}
