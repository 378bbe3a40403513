//! What a core does when a job lacks descriptors, memory or the like.

use crate::engine::attempt::kit::Kit;
use crate::engine::core::desk::Desk;
use crate::engine::shared::Shared;
use crate::plan::window::Shortage as Kind;
use crate::ring::is_shortage_of_machine;
use std::cell::Cell;

/// Shortages of the run as one core knows them.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    /// How many shortages of the run this core has given up its idle connections for.
    seen: Cell<u64>,
}

impl Shortage {
    /// Whether there was another one, on any core, since this was asked last.
    pub(crate) fn is_new(&self, shared: &Shared) -> bool {
        let count = shared.shortages.count();
        self.seen.replace(count) != count
    }

    /// A job in flight lacks something, with this error. Gives how long it is to wait for others to
    /// return some; nothing when there is nobody to wait for. `random` is any number.
    pub(crate) fn meet(&self, kit: &Kit, desk: &Desk, errno: i32, random: u64) -> Option<u64> {
        // Idle connections are the first thing to do without.
        desk.shared.shortages.announce();
        desk.trim_idle(true);
        let kind = desk.shared.queue.lacked(kit.now_ms());
        // Questions for names hold sockets as well.
        let is_to_return = kit.dir.give_up_folders() || kit.dns.asking() > 0;
        wait_ms(kind, is_to_return, is_shortage_of_machine(errno), random)
    }
}

/// How long a job waits for what it lacks, in milliseconds, if somebody is to return some.
fn wait_ms(kind: Kind, is_to_return: bool, is_of_machine: bool, random: u64) -> Option<u64> {
    let wait_ms = match (kind, is_to_return) {
        (Kind::Wait, _) | (_, true) => WAIT_MIN_MS,
        // Other processes hold it, and give it back some time.
        (Kind::Alone, false) if is_of_machine => MACHINE_WAIT_MS,
        (Kind::Alone, false) => return None,
    };
    Some(wait_ms + random % WAIT_SPREAD_MS)
}

/// Shortest wait of a job for what others hold, in milliseconds: a core looks after its idle
/// connections in less.
const WAIT_MIN_MS: u64 = 60;
/// Wait of a job for what other processes hold, in milliseconds.
const MACHINE_WAIT_MS: u64 = 1_000;
/// How much longer it is at random, in milliseconds.
const WAIT_SPREAD_MS: u64 = 140;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_waits_where_somebody_returns_what_it_lacks() {
        let table = [
            (Kind::Wait, false, false, Some(60)),
            (Kind::Wait, true, true, Some(60)),
            (Kind::Alone, true, false, Some(60)),
            (Kind::Alone, false, true, Some(1_000)),
            (Kind::Alone, false, false, None),
        ];
        for (kind, is_to_return, is_of_machine, wanted) in table {
            let got = wait_ms(kind, is_to_return, is_of_machine, 140);
            assert_eq!(got, wanted, "{kind:?} {is_to_return} {is_of_machine}");
        }
        assert_eq!(wait_ms(Kind::Wait, false, false, 139), Some(199));
    }
}
