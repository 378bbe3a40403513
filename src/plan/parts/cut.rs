//! Where ranges are cut: at offsets that writes past the page cache can begin at.

use std::ops::RangeInclusive;

/// Least alignment of a cut in bytes: no block of a disk is larger, nor is a page of x86-64.
pub(super) const GRANULE_BYTES_MIN: u64 = 4_096;
/// Alignment that is preferred, in bytes.
const GRANULE_BYTES: u64 = 1 << 20;

/// The offset within bounds, a multiple of 1 MiB or else of 4 KiB, that is nearest to the ideal
/// one.
pub(super) fn near(ideal: u64, bounds: RangeInclusive<u64>) -> Option<u64> {
    [GRANULE_BYTES, GRANULE_BYTES_MIN].into_iter().find_map(|granule| {
        let down = ideal.clamp(*bounds.start(), *bounds.end().max(bounds.start()));
        let down = down / granule * granule;
        let both = [Some(down), down.checked_add(granule)].into_iter().flatten();
        both.filter(|cut| bounds.contains(cut)).min_by_key(|cut| cut.abs_diff(ideal))
    })
}

/// `total * numerator / denominator`, which is not above the total.
pub(super) fn share(total: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(total) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(product).unwrap_or(total).min(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_aligned_and_within_bounds() {
        const MIB: u64 = 1 << 20;
        let table = [
            (10 * MIB + 5, 0..=u64::MAX, Some(10 * MIB)),
            (10 * MIB - 5, 0..=u64::MAX, Some(10 * MIB)),
            (10 * MIB + 5, 10 * MIB + 1..=12 * MIB, Some(11 * MIB)),
            (10 * MIB - 5, 9 * MIB..=10 * MIB - 1, Some(9 * MIB)),
            (10 * MIB - 5, 9 * MIB + 1..=10 * MIB - 1, Some(10 * MIB - 4_096)),
            (3 * MIB, 5 * MIB + 1..=9 * MIB, Some(6 * MIB)),
            (20 * MIB, 5 * MIB + 1..=9 * MIB + 1, Some(9 * MIB)),
            (6_000, 5_000..=7_000, None),
            (6_000, 4_096..=4_096, Some(4_096)),
            (6_000, RangeInclusive::new(8_192, 8_191), None),
            (u64::MAX, 0..=u64::MAX, Some(u64::MAX / MIB * MIB)),
        ];
        for (ideal, bounds, wanted) in table {
            assert_eq!(near(ideal, bounds.clone()), wanted, "{ideal} {bounds:?}");
        }
    }

    #[test]
    fn shares_do_not_overflow() {
        let table = [(100, 1, 4, 25), (u64::MAX, 3, 4, u64::MAX / 4 * 3 + 2), (7, 9, 2, 7)];
        for (total, numerator, denominator, wanted) in table {
            assert_eq!(share(total, numerator, denominator), wanted);
        }
    }
}
