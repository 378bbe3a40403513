//! The share of the page cache that long bodies of a run may fill ([`CacheShare`]).
//!
//! The page cache belongs to the whole machine, and bytes that were just written are the newest in
//! it: a pull that is longer than the memory pushes out everything else, though hardly anybody
//! reads its files soon. So the long bodies of a run stay there until together they fill a quarter
//! of the memory that was free for such use at its begin; what comes after them leaves nothing. A
//! body that would not fit leaves nothing from its begin, and the share is for shorter ones.
//!
//! Short pulls are as fast as the page cache is, and can be read at once; a list of 2 TB costs no
//! more of it than one of some gigabytes, whether it is one file or a million.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// What long bodies may still leave in the page cache, in bytes. All cores of a run have one.
#[derive(Debug)]
pub(in crate::ring) struct CacheShare {
    left_bytes: AtomicU64,
}

impl CacheShare {
    /// A quarter of the memory that programs could have now (`MemAvailable` of proc(5)).
    pub(in crate::ring) fn of_machine() -> Self {
        Self::of(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
    }

    fn of(meminfo: &str) -> Self {
        let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        Self::with(kib.map_or(UNKNOWN_BYTES, |kib| kib.saturating_mul(1024) / 4))
    }

    /// A share of so many bytes.
    pub(in crate::ring) fn with(bytes: u64) -> Self {
        Self { left_bytes: AtomicU64::new(bytes) }
    }

    /// Takes `bytes` of the share, all or none; says whether they were there.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let rest = |left: u64| left.checked_sub(bytes);
        self.left_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok()
    }
}

/// The share where nothing tells how much memory there is, in bytes.
const UNKNOWN_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_quarter_of_what_is_free() {
        let left = |text: &str| CacheShare::of(text).left_bytes.into_inner();
        let text = |kib: u64| format!("MemTotal: 9 kB\nMemAvailable:   {kib} kB\nBuffers: 1 kB\n");
        assert_eq!(left(&text(64 << 20)), 16 << 30);
        assert_eq!(left(&text(10)), 2_560);
        assert_eq!(left("nothing"), UNKNOWN_BYTES);
        assert!(CacheShare::of_machine().left_bytes.into_inner() > 0);
    }

    #[test]
    fn a_share_is_taken_whole_or_not() {
        let share = CacheShare::with(100);
        assert!(share.take(60));
        assert!(!share.take(41));
        assert!(share.take(40));
        assert!(!share.take(1));
        assert!(share.take(0));
    }
}
