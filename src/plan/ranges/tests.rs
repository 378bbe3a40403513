//! Tests of sets of byte offsets, against a set of numbers.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Pairs<'a> = &'a [(u64, u64)];

fn set(ranges: Pairs<'_>) -> Ranges {
    ranges.iter().map(|&(start, end)| start..end).collect()
}

fn pairs(set: &Ranges) -> Vec<(u64, u64)> {
    set.iter().map(|range| (range.start, range.end)).collect()
}

#[test]
fn what_touches_is_merged() {
    let table: &[(Pairs<'_>, Pairs<'_>)] = &[
        (&[], &[]),
        (&[(3, 3)], &[]),
        (&[(0, 5), (5, 9)], &[(0, 9)]),
        (&[(5, 9), (0, 5)], &[(0, 9)]),
        (&[(0, 5), (6, 9)], &[(0, 5), (6, 9)]),
        (&[(0, 2), (4, 6), (8, 10), (1, 9)], &[(0, 10)]),
        (&[(0, 2), (4, 6), (8, 10), (2, 4)], &[(0, 6), (8, 10)]),
        (&[(4, 6), (4, 6)], &[(4, 6)]),
        (&[(4, 6), (0, 2)], &[(0, 2), (4, 6)]),
        (&[(0, 9), (2, 4)], &[(0, 9)]),
        (&[(0, u64::MAX), (7, 8)], &[(0, u64::MAX)]),
    ];
    for (inserted, wanted) in table {
        assert_eq!(pairs(&set(inserted)), *wanted, "{inserted:?}");
    }
}

#[test]
fn what_is_in_order_needs_no_memory() {
    let mut set = set(&[(0, 1), (1_000, 2_000)]);
    let capacity = set.ranges.capacity();
    (1..1_000).for_each(|at| set.insert(at..at + 1));
    assert_eq!((pairs(&set), set.ranges.capacity()), (vec![(0, 2_000)], capacity));
}

#[test]
fn fronts_and_ends() {
    let table: &[(Pairs<'_>, u64, u64, u64)] =
        &[(&[], 0, 0, 0), (&[(0, 4)], 4, 4, 4), (&[(1, 4)], 0, 4, 3), (&[(0, 4), (6, 7)], 4, 7, 5)];
    for (ranges, front, end, len) in table {
        let set = set(ranges);
        assert_eq!((set.front(), set.end(), set.len_total()), (*front, *end, *len), "{ranges:?}");
    }
}

/// Offsets of the model are below this one.
const LENGTH: u64 = 40;

fn check(set: &Ranges, model: &BTreeSet<u64>, within: &Range<u64>) -> Result<(), TestCaseError> {
    let offsets: BTreeSet<u64> = set.iter().flatten().collect();
    prop_assert_eq!(&offsets, model);
    let ranges = pairs(set);
    prop_assert!(ranges.iter().all(|(start, end)| start < end), "{:?}", ranges);
    prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", ranges);
    let holes: Vec<u64> = set.holes(within.clone()).flatten().collect();
    let wanted: Vec<u64> = within.clone().filter(|offset| !model.contains(offset)).collect();
    prop_assert_eq!(holes, wanted);
    prop_assert_eq!(set.contains(within), within.clone().all(|offset| model.contains(&offset)));
    prop_assert_eq!(set.front(), (0..LENGTH).find(|at| !model.contains(at)).unwrap_or(LENGTH));
    prop_assert_eq!(set.len_total(), model.len() as u64);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_set_is_a_set(
        steps in prop::collection::vec((any::<bool>(), 0..LENGTH, 0..12_u64), 0..30),
        within in (0..LENGTH, 0..LENGTH),
    ) {
        let (mut set, mut model) = (Ranges::new(), BTreeSet::new());
        for (is_inserted, start, len) in steps {
            let range = start..(start + len).min(LENGTH);
            if is_inserted {
                set.insert(range.clone());
                model.extend(range);
            } else {
                set.remove(range.clone());
                model.retain(|offset| !range.contains(offset));
            }
            check(&set, &model, &(within.0..within.1))?;
        }
        let mut shortened = set.clone();
        shortened.truncate(within.0);
        model.retain(|offset| *offset < within.0);
        check(&shortened, &model, &(0..within.1))?;
    }
}
