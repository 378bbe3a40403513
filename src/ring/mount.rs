//! Number of the mount that a file is on, to tell it from one that was there before.

use rustix::fs::{AtFlags, StatxFlags};
use std::os::fd::AsFd;

/// The identifier of the mount that an open file or directory is on (statx(2)): one that no other
/// mount of this boot ever has, from Linux 6.8 on; before that, one that no other has at the same
/// time. `None` before Linux 5.8.
pub fn mount_id(of: impl AsFd) -> Option<u64> {
    let wanted = StatxFlags::MNT_ID | MNT_ID_UNIQUE;
    let stat = rustix::fs::statx(of, "", AtFlags::EMPTY_PATH, wanted).ok()?;
    (stat.stx_mask & wanted.bits() != 0).then_some(stat.stx_mnt_id)
}

/// STATX_MNT_ID_UNIQUE of linux/stat.h.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn mounts_are_told_apart() {
        let of = |path: &str| mount_id(File::open(path).unwrap());
        assert_eq!(of("/proc/self"), of("/proc/self/fd"));
        assert_ne!(of("/proc"), of("/"));
        assert!(of("/proc").is_some(), "an older kernel cannot run this program");
    }
}
