//! The columns of a report in CSV, by its header line.

use super::cells::Cell;
use crate::report::row::NAMES;

/// Result of picking cells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Picked {
    /// The line has as many cells as there are columns.
    Whole,
    /// The line has more cells or fewer.
    Torn,
    /// The quotes must be taken from the line first.
    Odd,
}

/// Names of a report's columns that are columns of the list: they follow our own, of this version
/// or of one that had fewer. A report that another program made is not understood so.
pub(super) fn kept_of(names: Vec<String>) -> Vec<String> {
    let own = names.iter().zip(NAMES).take_while(|(name, own)| name == own).count();
    let kept = &names[own..];
    let is_ours = own >= NEEDED && !kept.iter().any(|name| NAMES.contains(&name.as_str()));
    if is_ours { kept.to_vec() } else { Vec::new() }
}

/// Positions of the columns that matter.
#[derive(Debug, PartialEq)]
pub(in crate::report::journal) struct Columns {
    /// Place of each column among [`WANTED`].
    slots: Vec<Option<usize>>,
    /// Names of the columns of the list, which follow.
    pub(super) kept: Vec<String>,
    /// Whether the others are those of this version.
    pub(super) is_current: bool,
}

impl Columns {
    /// Columns by the names of a header line, as far as a row is wanted; `None` when it is not one.
    pub(super) fn of<'a>(
        names: impl Iterator<Item = &'a [u8]> + Clone,
        detail: Detail,
    ) -> Option<Self> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let kept = kept_of(names.clone().map(text).collect());
        let own = names.clone().count() - kept.len();
        let is_current = names.clone().take(own).eq(NAMES.iter().map(|name| name.as_bytes()));
        let wanted = &WANTED[..detail.columns()];
        let slot = |name: &[u8]| wanted.iter().position(|wanted| wanted.as_bytes() == name);
        let slots: Vec<Option<usize>> = names.map(slot).collect();
        let has = |wanted: usize| slots.iter().filter(|slot| **slot == Some(wanted)).count() == 1;
        (0..NEEDED).all(has).then_some(Self { slots, kept, is_current })
    }

    /// Picks the cells that matter.
    pub(super) fn pick<'a>(
        &self,
        mut from: impl Iterator<Item = Cell<'a>>,
        into: &mut [&'a [u8]; WANTED.len()],
    ) -> Picked {
        for slot in &self.slots {
            match (from.next(), slot) {
                (None, _) => return Picked::Torn,
                (Some(Cell::Odd), _) | (Some(Cell::Doubled), Some(_)) => return Picked::Odd,
                (Some(Cell::Is(cell)), Some(slot)) => into[*slot] = cell,
                (Some(Cell::Is(_) | Cell::Doubled), None) => {}
            }
        }
        match from.next() {
            None => Picked::Whole,
            Some(Cell::Is(_) | Cell::Doubled | Cell::Odd) => Picked::Torn,
        }
    }
}

/// How much of a row is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::report::journal) enum Detail {
    /// What became of its line.
    Fate,
    /// The version of its file as well.
    Version,
}

impl Detail {
    /// How many of the first columns of [`WANTED`] are picked.
    fn columns(self) -> usize {
        match self {
            Self::Fate => FATE,
            Self::Version => WANTED.len(),
        }
    }
}

/// The columns that matter, in the order of [`super::entry_of`]. A tag has quotes within quotes,
/// which take longer to read.
pub(super) const WANTED: [&str; 14] = [
    "url",
    "index",
    "status",
    "response_code",
    "error_code",
    "filename",
    "size_file",
    "digest",
    "duplicate_of",
    "etag",
    "attempted_at",
    "time_total",
    "url_effective",
    "num_redirects",
];
/// Number of the first columns of [`WANTED`] that tell what became of a line.
const FATE: usize = 9;
/// Number of the first columns of [`WANTED`] that every report has.
const NEEDED: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::cells::{Cells, Unquoted};
    use super::*;
    use proptest::prelude::*;

    fn slots(wanted: &[bool]) -> Columns {
        let mut places = 0..WANTED.len();
        let slot = |is_wanted: &bool| is_wanted.then(|| places.next()).flatten();
        Columns { slots: wanted.iter().map(slot).collect(), kept: Vec::new(), is_current: true }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: 1_000,
            ..ProptestConfig::default()
        })]

        /// What is seen without a copy is what the reader of CSV sees.
        #[test]
        fn cells_are_those_of_the_reader_of_csv(
            cells in prop::collection::vec("(\u{feff})?(\"(a|,|\"\"){0,3}\"|[a,\"\r]{0,3})", 1..6),
            wanted in prop::collection::vec(any::<bool>(), 1..7),
        ) {
            let line = cells.join(",");
            // Others are never given to that reader.
            if !line.contains('"') {
                return Ok(());
            }
            let columns = slots(&wanted);
            let (mut quick, mut slow) = ([&b""[..]; WANTED.len()], [&b""[..]; WANTED.len()]);
            let mut unquoted = Unquoted::default();
            let whole = columns.pick(unquoted.cells(line.as_bytes()).map(Cell::Is), &mut slow);
            let picked = columns.pick(Cells::of(line.as_bytes(), true), &mut quick);
            if picked != Picked::Odd {
                prop_assert_eq!(picked, whole, "{:?}", line);
                if whole == Picked::Whole {
                    prop_assert_eq!(quick, slow, "{:?}", line);
                }
            }
        }
    }
}
