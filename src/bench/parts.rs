//! The parts of the work, apart and composed: the network alone, files alone, both, and what is in
//! neither. What the first two cost together, less what both have in common, is set beside the
//! whole.

use super::matrix::{NETWORKING, WRITING};
use super::results::{CPU_PER_FILE, CellResult};
use super::sample::{Estimate, Ratio};
use serde::Serialize;

/// Name of the axis.
pub const AXIS: &str = "part";

/// What of the work a cell does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Part {
    /// Files come by the network and are written.
    #[default]
    Both,
    /// Files come by the network, and are discarded.
    Network,
    /// Files come from memory, and are written.
    Files,
    /// Files come from memory and are discarded: lists, schedule and rows are left.
    Neither,
}

impl Part {
    /// All of them, as they are typed.
    pub const ALL: [Self; 4] = [Self::Both, Self::Network, Self::Files, Self::Neither];

    /// Word of the part on the axis.
    pub fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Network => "network",
            Self::Files => "files",
            Self::Neither => "neither",
        }
    }

    /// The part of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.word() == word)
    }

    /// Whether files come by the network.
    pub fn has_network(self) -> bool {
        matches!(self, Self::Both | Self::Network)
    }

    /// Whether files are written.
    pub fn has_files(self) -> bool {
        matches!(self, Self::Both | Self::Files)
    }

    /// Whether an axis says anything of this part.
    pub fn hears(self, axis: &str) -> bool {
        (self.has_network() || !NETWORKING.contains(&axis))
            && (self.has_files() || axis != "dest" && !WRITING.contains(&axis))
    }
}

/// CPU time of a file in the whole and in its parts, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Composition {
    /// Name of the cell that does both.
    pub name: String,
    /// Settings of that cell beside the part.
    #[serde(skip)]
    pub settings: Vec<(String, String)>,
    /// The network alone.
    pub network: Estimate,
    /// Files alone.
    pub files: Estimate,
    /// What is in both parts, where it was measured.
    pub neither: Option<Estimate>,
    /// Network and files, less neither: round by round.
    pub sum: Estimate,
    /// The cell that does both.
    pub whole: Estimate,
    /// The whole, by the sum.
    pub whole_by_sum: Option<Ratio>,
}

/// Each cell that does both, with its parts where all of them were measured.
pub fn compositions(cells: &[&CellResult]) -> Vec<Composition> {
    cells.iter().filter_map(|whole| composition(cells, whole)).collect()
}

fn composition(cells: &[&CellResult], whole: &CellResult) -> Option<Composition> {
    if whole.setting(AXIS) != Some(Part::Both.word()) || whole.error.is_some() {
        return None;
    }
    let values = |part: Part| {
        let of_part = |cell: &&&CellResult| is_part(cell, whole, part) && cell.error.is_none();
        cells.iter().find(of_part).map(|cell| cell.values(CPU_PER_FILE))
    };
    let (network, files) = (values(Part::Network)?, values(Part::Files)?);
    let neither = values(Part::Neither);
    let common = neither.iter().flatten().copied().chain(std::iter::repeat(0.0));
    let sums = network.iter().zip(&files).zip(common);
    let sums: Vec<f64> = sums.map(|((network, files), common)| network + files - common).collect();
    let settings = whole.settings.iter().filter(|(axis, _)| axis != AXIS);
    let whole_values = whole.values(CPU_PER_FILE);
    Some(Composition {
        name: whole.name.clone(),
        settings: settings.cloned().collect(),
        network: Estimate::new(&network)?,
        files: Estimate::new(&files)?,
        neither: neither.and_then(|values| Estimate::new(&values)),
        sum: Estimate::new(&sums)?,
        whole: Estimate::new(&whole_values)?,
        whole_by_sum: Ratio::new(&[(&whole_values, &sums)]),
    })
}

/// Whether a cell is this part of another one: it has the settings of that, but for those that say
/// nothing of the part.
fn is_part(cell: &CellResult, whole: &CellResult, part: Part) -> bool {
    let wanted = whole.settings.iter().filter(|(axis, _)| axis != AXIS && part.hears(axis));
    let own = cell.settings.iter().filter(|(axis, _)| axis != AXIS);
    cell.setting(AXIS) == Some(part.word()) && own.eq(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Results;
    use crate::bench::verdict::tests::results;

    fn cells(results: &Results) -> Vec<&CellResult> {
        results.cells.iter().collect()
    }

    #[test]
    fn parts_are_set_beside_their_whole() {
        let mut found = results(&[
            ("size=1k tls=on dest=tmpfs part=both", 50.0),
            ("size=1k tls=on part=network", 30.0),
            ("size=1k dest=tmpfs part=files", 25.0),
            ("size=1k part=neither", 10.0),
            ("size=9k tls=on dest=tmpfs part=both", 50.0),
            ("size=9k tls=on part=network", 30.0),
        ]);
        let told = compositions(&cells(&found));
        let [one] = &told[..] else { panic!("{told:?}") };
        assert_eq!(one.name, "size=1k tls=on dest=tmpfs part=both");
        assert_eq!(one.settings.len(), 3);
        let medians = [one.network, one.files, one.sum, one.whole].map(|found| found.median);
        for (median, expected) in medians.into_iter().zip([30.0, 25.0, 45.0, 50.0]) {
            assert!((median - expected).abs() < 1e-9, "{one:?}");
        }
        let ratio = one.whole_by_sum.unwrap();
        assert!((ratio.ratio - 50.0 / 45.0).abs() < 1e-9 && !ratio.is_no_difference(), "{ratio:?}");

        found.cells[3].error = Some("refused".to_owned());
        let told = compositions(&cells(&found));
        assert_eq!(told[0].neither, None);
        assert!((told[0].sum.median - 55.0).abs() < 1e-9, "{told:?}");
        found.cells[2].error = Some("refused".to_owned());
        assert_eq!(compositions(&cells(&found)), []);
    }
}
