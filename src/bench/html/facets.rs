//! Facets: which cells are in one plot, and what they are called there.

use crate::bench::results::CellResult;

/// Cells of one plot.
#[derive(Clone, Debug)]
pub(super) struct Facet<'a> {
    /// What they have in common, as axes with values; empty where there is one plot.
    pub(super) title: String,
    /// Each cell, by what tells it apart.
    pub(super) cells: Vec<(String, &'a CellResult)>,
    /// The labels by number, which is the same in all plots where there are not too many.
    pub(super) lines: Vec<String>,
}

/// One plot for each value of `apart`; within it, cells are told apart by `within`.
pub(super) fn split<'a>(
    cells: &[&'a CellResult],
    apart: &[&str],
    within: &[&str],
) -> Vec<Facet<'a>> {
    let mut facets: Vec<Facet<'a>> = Vec::new();
    for cell in cells {
        let (title, label) = (words(cell, apart), words(cell, within));
        match facets.iter_mut().find(|facet| facet.title == title) {
            Some(facet) => facet.cells.push((label, cell)),
            None => facets.push(Facet { title, cells: vec![(label, cell)], lines: Vec::new() }),
        }
    }
    number(&mut facets);
    facets
}

fn number(facets: &mut [Facet<'_>]) {
    let mut all: Vec<String> = Vec::new();
    for label in facets.iter().flat_map(Facet::labels) {
        if !all.iter().any(|own| own == label) {
            all.push(label.to_owned());
        }
    }
    for facet in facets {
        let own = facet.labels().into_iter().map(str::to_owned).collect();
        facet.lines = if all.len() <= LINES_MAX { all.clone() } else { own };
    }
}

/// As few plots as it takes so that none has too many lines. A line is what the cells have on all
/// axes.
pub(super) fn fitted<'a>(cells: &[&'a CellResult], axes: &[&str]) -> Vec<Facet<'a>> {
    let mut order: Vec<&str> = APART.into_iter().filter(|axis| axes.contains(axis)).collect();
    order.extend(axes.iter().filter(|axis| !APART.contains(*axis)));
    for count in 0..=order.len() {
        let (apart, _) = order.split_at(count);
        let within: Vec<&str> =
            axes.iter().filter(|axis| !apart.contains(*axis)).copied().collect();
        let facets = split(cells, apart, &within);
        if count == order.len() || facets.iter().all(|facet| facet.labels().len() <= LINES_MAX) {
            return facets;
        }
    }
    Vec::new()
}

impl Facet<'_> {
    /// The labels, each once.
    pub(super) fn labels(&self) -> Vec<&str> {
        let mut labels: Vec<&str> = Vec::new();
        for (label, _) in &self.cells {
            if !labels.contains(&label.as_str()) {
                labels.push(label);
            }
        }
        labels
    }

    /// The number of a label.
    pub(super) fn number(&self, label: &str) -> usize {
        self.lines.iter().position(|own| own == label).unwrap_or(0)
    }
}

fn words(cell: &CellResult, axes: &[&str]) -> String {
    let words = axes.iter().filter_map(|axis| Some(format!("{axis}={}", cell.setting(axis)?)));
    words.collect::<Vec<_>>().join(" ")
}

/// Axes whose values get plots of their own first, so that ways to do the same stay together.
const APART: [&str; 5] = ["size", "tls", "dest", "cores", "conns"];
/// Most lines of a plot that can be told apart.
pub(super) const LINES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::verdict::tests::results;

    #[test]
    fn no_plot_has_too_many_lines() {
        let names: Vec<String> =
            (0..30).map(|n| format!("size={}k tls={} conns={}", n % 3, n % 2, n % 5 + 1)).collect();
        let named: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
        let results = results(&named);
        let cells: Vec<&CellResult> = results.cells.iter().collect();
        let facets = fitted(&cells, &["size", "tls", "conns"]);
        assert_eq!(facets.len(), 6);
        assert_eq!(facets[0].title, "size=0k tls=0");
        assert_eq!(facets[0].labels()[..2], ["conns=1", "conns=2"]);
        assert_eq!(fitted(&cells[..4], &["size", "tls", "conns"]).len(), 1);
        assert_eq!(fitted(&cells, &["tls"])[0].labels(), ["tls=0", "tls=1"]);
        assert_eq!(fitted(&[], &["tls"]).len(), 0);
        let few = split(&[cells[1], cells[0], cells[7]], &["size"], &["conns"]);
        assert_eq!((few[1].title.as_str(), few[1].number("conns=1")), ("size=0k", 2));
        assert_eq!(few[0].number("conns=2"), 0, "and the same everywhere");
        assert_eq!(few[0].number("conns=3"), 1);
    }
}
