//! One core's part of the schedule.

use super::hosts::Reuse;
use std::collections::BTreeSet;

/// Hosts by `last_served` and index: the one served longest ago is first.
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
    /// Hosts with a job ready and an idle connection in this core's pool, whose quantum is used up.
    pub(super) reusable: Ready,
    /// Hosts with a job ready and an idle connection in this core's pool, whose quantum lasts.
    pub(super) continuing: Ready,
}

impl Core {
    pub(super) fn new(in_flight_max: usize) -> Self {
        Self {
            in_flight: 0,
            in_flight_max,
            hosts: 0,
            openable: Ready::new(),
            reusable: Ready::new(),
            continuing: Ready::new(),
        }
    }

    /// The list of hosts with an idle connection here that `reuse` names.
    pub(super) fn reuse_list(&mut self, reuse: Reuse) -> Option<&mut Ready> {
        match reuse {
            Reuse::Nowhere => None,
            Reuse::Continuing => Some(&mut self.continuing),
            Reuse::QuantumOver => Some(&mut self.reusable),
        }
    }

    /// Whether a job is ready for an idle connection of this core.
    pub(super) fn has_reusable(&self) -> bool {
        !self.reusable.is_empty() || !self.continuing.is_empty()
    }
}
