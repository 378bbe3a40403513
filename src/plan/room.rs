//! A disk that is full: when the run goes on.
//!
//! A job that finds the disk full waits, and nothing new begins: filling it further would fail the
//! rest of the list, one job after the other. The run goes on when there is room for what did not
//! fit, and a little more, so that it is not paused again at once. Where the file system does not
//! tell of room (a quota; one that said there was enough when a write failed), a single job is let
//! go now and then to find out.
//!
//! A pause that follows soon after another is the same one: its time runs on.

/// Space on a file system, by statvfs(3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes in all; 0 where the file system does not tell.
    pub total_bytes: u64,
    /// Files (inodes) that this user may still make.
    pub free_files: u64,
    /// Files in all; 0 where there is no such limit.
    pub total_files: u64,
}

/// A full disk as a job found it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Met {
    /// File system, by the number of its device.
    pub device: u64,
    /// Bytes that its file needs, if that is known.
    pub length: Option<u64>,
    /// Bytes that were received for the file.
    pub received: u64,
    /// Whether it was a quota (EDQUOT), and not the disk (ENOSPC).
    pub is_quota: bool,
}

/// Decision about a job that found the disk full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The job waits, and this began a new pause.
    WaitFirst,
    /// The job waits.
    Wait,
    /// The file would not fit an empty disk either: the job fails alone.
    Fail,
}

/// Result of a look at a pause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// Nothing has changed.
    Wait,
    /// One job is to try.
    Probe,
    /// There is room: the pause is over.
    GoOn,
    /// The pause lasted for longer than `--disk-wait`.
    GiveUp,
}

/// The pauses of one run.
#[derive(Debug)]
pub struct Pause {
    wait_ms: u64,
    /// When the current pause began, or the last one, in milliseconds.
    began_ms: u64,
    /// When the last pause ended, in milliseconds.
    ended_ms: Option<u64>,
    is_paused: bool,
    /// Whether the report could not be written.
    is_report_full: bool,
    places: Vec<Place>,
    /// When one job may try, and how long the next wait for that will be, in milliseconds.
    probe_at_ms: u64,
    probe_step_ms: u64,
}

/// A full file system.
#[derive(Debug)]
struct Place {
    device: u64,
    /// Bytes of the largest file that did not fit.
    need_max: u64,
    /// Bytes of all files that did not fit.
    need_sum: u64,
    /// Number of files that did not fit.
    count: u64,
    /// Whether the file system does not tell of room.
    is_blind: bool,
}

impl Pause {
    /// Pauses of up to `wait_ms` milliseconds.
    pub fn new(wait_ms: u64) -> Self {
        Self {
            wait_ms,
            began_ms: 0,
            ended_ms: None,
            is_paused: false,
            is_report_full: false,
            places: Vec::new(),
            probe_at_ms: 0,
            probe_step_ms: PROBE_FIRST_MS,
        }
    }

    /// Whether the run is paused.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Takes note that a job found a file system full, which by now has `room`.
    pub fn met(&mut self, met: &Met, room: Option<&Room>, now_ms: u64) -> Fate {
        let told = room.filter(|room| room.total_bytes > 0);
        if let (Some(length), Some(room), false) = (met.length, told, met.is_quota)
            && length > room.total_bytes
        {
            return Fate::Fail;
        }
        let place = match self.places.iter_mut().position(|place| place.device == met.device) {
            Some(at) => &mut self.places[at],
            None => {
                self.places.push(Place::new(met.device));
                self.places.last_mut().expect("one was pushed")
            }
        };
        let need = met.length.unwrap_or(0).max(met.received);
        place.need_max = place.need_max.max(need);
        place.need_sum = place.need_sum.saturating_add(need);
        place.count += 1;
        place.is_blind |= met.is_quota || told.is_none_or(|room| place.fits(room));
        self.probe_at_ms = now_ms.saturating_add(self.probe_step_ms);
        self.begin(now_ms)
    }

    /// Takes note that the report could not be written, since its disk is full.
    pub fn met_report(&mut self, now_ms: u64) -> Fate {
        self.is_report_full = true;
        self.begin(now_ms)
    }

    /// Takes note that the report was written to its end.
    pub fn report_written(&mut self) {
        self.is_report_full = false;
    }

    /// Looks at the pause: `room_of` tells of a device.
    pub fn look(&mut self, room_of: impl Fn(u64) -> Option<Room>, now_ms: u64) -> Look {
        if !self.is_paused {
            return Look::GoOn;
        }
        if now_ms.saturating_sub(self.began_ms) >= self.wait_ms {
            return Look::GiveUp;
        }
        self.places.retain(|place| {
            // One that is gone can be asked nothing any more; who needs it will find out.
            place.is_blind || room_of(place.device).is_some_and(|room| !place.fits(&room))
        });
        if self.is_report_full || self.places.iter().any(|place| !place.is_blind) {
            return Look::Wait;
        }
        if self.places.is_empty() {
            self.end(now_ms);
            return Look::GoOn;
        }
        if now_ms < self.probe_at_ms {
            return Look::Wait;
        }
        self.probe_step_ms = (self.probe_step_ms * 2).min(PROBE_LAST_MS);
        self.probe_at_ms = now_ms.saturating_add(self.probe_step_ms);
        Look::Probe
    }

    /// Takes note that the job that was to try has its file, so that a file system which did not
    /// tell of room has some.
    pub fn probed(&mut self, now_ms: u64) -> Look {
        self.places.retain(|place| !place.is_blind);
        if !self.is_paused || self.is_report_full || !self.places.is_empty() {
            return Look::Wait;
        }
        self.end(now_ms);
        Look::GoOn
    }

    fn begin(&mut self, now_ms: u64) -> Fate {
        if std::mem::replace(&mut self.is_paused, true) {
            return Fate::Wait;
        }
        let is_same = |ended: u64| now_ms.saturating_sub(ended) < SAME_PAUSE_MS;
        if self.ended_ms.is_some_and(is_same) {
            return Fate::Wait;
        }
        self.began_ms = now_ms;
        self.probe_step_ms = PROBE_FIRST_MS;
        if !self.places.is_empty() {
            self.probe_at_ms = now_ms.saturating_add(PROBE_FIRST_MS);
        }
        Fate::WaitFirst
    }

    fn end(&mut self, now_ms: u64) {
        self.is_paused = false;
        self.ended_ms = Some(now_ms);
    }
}

impl Place {
    fn new(device: u64) -> Self {
        Self { device, need_max: 0, need_sum: 0, count: 0, is_blind: false }
    }

    /// Whether there is room for the largest file that did not fit, for all of them as far as that
    /// is a small part of the disk, and for something more.
    fn fits(&self, room: &Room) -> bool {
        let Room { free_bytes, total_bytes, free_files, total_files } = *room;
        let need = self.need_max.max(self.need_sum.min(total_bytes / 10));
        let margin = (total_bytes / 100).min(MARGIN_BYTES_MAX);
        let files = self.count.saturating_add(MARGIN_FILES).min(total_files / 10).max(1);
        free_bytes >= need.saturating_add(margin).min(total_bytes)
            && (total_files == 0 || free_files >= files)
    }
}

/// Most bytes that must be free beyond what is needed: a hundredth of the disk, up to this.
const MARGIN_BYTES_MAX: u64 = 64 << 20;
/// Files that must be free beyond those that were refused.
const MARGIN_FILES: u64 = 16;
/// First wait before a job tries, in milliseconds; it doubles each time.
const PROBE_FIRST_MS: u64 = 500;
/// Longest wait before a job tries, in milliseconds.
const PROBE_LAST_MS: u64 = 30_000;
/// Time after the end of a pause within which another one is the same, in milliseconds.
const SAME_PAUSE_MS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const HOUR_MS: u64 = 3_600_000;

    fn room(free_bytes: u64) -> Room {
        Room { free_bytes, total_bytes: 1_000 * MIB, free_files: 500, total_files: 1_000 }
    }

    fn met(length: Option<u64>, received: u64) -> Met {
        Met { device: 7, length, received, is_quota: false }
    }

    /// One that began at 0.
    fn paused(met: &Met, now: Room) -> Pause {
        let mut pause = Pause::new(HOUR_MS);
        assert_eq!(pause.met(met, Some(&now), 0), Fate::WaitFirst);
        assert!(pause.is_paused());
        pause
    }

    #[test]
    fn it_goes_on_when_what_did_not_fit_would() {
        let mut pause = paused(&met(Some(100 * MIB), 3 * MIB), room(3 * MIB));
        for free in [0, 3, 100, 109] {
            assert_eq!(pause.look(|_| Some(room(free * MIB)), 1), Look::Wait, "{free}");
        }
        assert_eq!(pause.look(|_| Some(room(110 * MIB)), 2), Look::GoOn);
        assert!(!pause.is_paused());
        // What was received of a body of unknown length was not enough for it.
        let mut pause = paused(&met(None, 50 * MIB), room(50 * MIB));
        assert_eq!(pause.look(|_| Some(room(50 * MIB)), 1), Look::Wait);
        assert_eq!(pause.look(|_| Some(room(60 * MIB)), 1), Look::GoOn);
    }

    #[test]
    fn it_waits_for_all_that_did_not_fit_up_to_a_tenth_of_the_disk() {
        let mut pause = paused(&met(Some(30 * MIB), 0), room(0));
        (0..2).for_each(|_| {
            assert_eq!(pause.met(&met(Some(30 * MIB), 0), Some(&room(0)), 0), Fate::Wait);
        });
        assert_eq!(pause.look(|_| Some(room(99 * MIB)), 1), Look::Wait);
        (0..100).for_each(|_| {
            pause.met(&met(Some(30 * MIB), 0), Some(&room(0)), 0);
        });
        assert_eq!(pause.look(|_| Some(room(110 * MIB)), 1), Look::GoOn);
    }

    #[test]
    fn files_run_out_too() {
        let none = Room { free_files: 0, ..room(900 * MIB) };
        let mut pause = paused(&met(Some(10), 10), none);
        assert_eq!(pause.look(|_| Some(none), HOUR_MS - 1), Look::Wait);
        assert_eq!(pause.look(|_| Some(Room { free_files: 16, ..none }), 1), Look::Wait);
        assert_eq!(pause.look(|_| Some(Room { free_files: 17, ..none }), 1), Look::GoOn);
        let btrfs = Room { free_files: 0, total_files: 0, ..room(0) };
        let mut pause = paused(&met(Some(10), 10), btrfs);
        assert_eq!(pause.look(|_| Some(Room { free_bytes: 99 * MIB, ..btrfs }), 1), Look::GoOn);
    }

    #[test]
    fn a_small_disk_may_be_filled_by_one_file() {
        let small = |free_bytes| Room { free_bytes, total_bytes: MIB, ..room(0) };
        let mut pause = paused(&met(Some(MIB), 10), small(0));
        assert_eq!(pause.look(|_| Some(small(MIB - 1)), 1), Look::Wait);
        assert_eq!(pause.look(|_| Some(small(MIB)), 1), Look::GoOn);
        let mut pause = Pause::new(HOUR_MS);
        assert_eq!(pause.met(&met(Some(MIB + 1), 10), Some(&small(0)), 0), Fate::Fail);
        assert!(!pause.is_paused());
    }

    #[test]
    fn who_does_not_tell_is_tried_at_growing_intervals() {
        let quota = Met { is_quota: true, ..met(Some(2_000 * MIB), 0) };
        let silent = Room { total_bytes: 0, ..room(0) };
        for (met, at_first) in
            [(quota, room(0)), (met(Some(10), 0), room(900 * MIB)), (met(Some(10), 0), silent)]
        {
            let mut pause = paused(&met, at_first);
            let mut probes = Vec::new();
            for now_ms in (0..HOUR_MS).step_by(100) {
                if pause.look(|_| Some(at_first), now_ms) == Look::Probe {
                    probes.push(now_ms);
                    assert_eq!(pause.met(&met, Some(&at_first), now_ms), Fate::Wait);
                }
            }
            assert_eq!(probes[..4], [500, 1_500, 3_500, 7_500]);
            assert!(probes.windows(2).all(|two| two[1] - two[0] <= PROBE_LAST_MS + 100));
            assert_eq!(pause.probed(HOUR_MS - 1), Look::GoOn);
            assert!(!pause.is_paused());
        }
    }

    #[test]
    fn its_time_runs_out_and_is_not_lengthened_by_short_breaks() {
        let mut pause = paused(&met(Some(MIB), 0), room(0));
        assert_eq!(pause.look(|_| Some(room(900 * MIB)), 1_000), Look::GoOn);
        assert_eq!(pause.met(&met(Some(MIB), 0), Some(&room(0)), 5_000), Fate::Wait);
        assert_eq!(pause.look(|_| Some(room(0)), HOUR_MS - 1), Look::Wait);
        assert_eq!(pause.look(|_| Some(room(0)), HOUR_MS), Look::GiveUp);
        let mut pause = paused(&met(Some(MIB), 0), room(0));
        assert_eq!(pause.look(|_| Some(room(900 * MIB)), 1_000), Look::GoOn);
        assert_eq!(pause.met(&met(Some(MIB), 0), Some(&room(0)), 60_000), Fate::WaitFirst);
        assert_eq!(pause.look(|_| Some(room(0)), HOUR_MS), Look::Wait);
    }

    #[test]
    fn every_full_place_holds_it_up_and_so_does_the_report() {
        let mut pause = paused(&met(Some(MIB), 0), room(0));
        let other = Met { device: 8, ..met(Some(MIB), 0) };
        assert_eq!(pause.met(&other, Some(&room(0)), 0), Fate::Wait);
        assert_eq!(pause.met_report(0), Fate::Wait);
        let first = |device| Some(room(if device == 7 { 900 * MIB } else { 0 }));
        assert_eq!(pause.look(first, 1), Look::Wait);
        assert_eq!(pause.look(|_| Some(room(900 * MIB)), 2), Look::Wait);
        pause.report_written();
        assert_eq!(pause.look(|_| None, 3), Look::GoOn, "what is gone holds nothing up");
    }
}
