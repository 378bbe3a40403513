//! The plots of a page: bars of every cell, latency curves, and lines over axes that are numbers.

use super::bars;
use super::chart::{Chart, LEFT, Line, Point, RIGHT};
use super::facets::{self, Facet};
use super::markup::Element;
use super::scale::Scale;
use crate::bench::matrix::number_of;
use crate::bench::results::{
    CPU_PER_FILE, CellResult, DUE_P50, DUE_P90, DUE_P99, DUE_P999, DUE_P9999, FILES_PER_S,
    LATENCY_P50, LATENCY_P90, LATENCY_P99, LATENCY_P999, LATENCY_P9999, Metric, Results,
};
use crate::bench::text;

/// What is drawn as bars and over axes.
const MEASURES: [(&str, Metric); 2] =
    [("CPU time of the client per file, µs", CPU_PER_FILE), ("Files a second", FILES_PER_S)];

/// What is drawn of latencies: the share of files that took longer, and the percentile.
const PERCENTILES: [(f64, &str, Metric); 5] = [
    (0.5, "50", LATENCY_P50),
    (0.1, "90", LATENCY_P90),
    (0.01, "99", LATENCY_P99),
    (0.001, "99.9", LATENCY_P999),
    (0.000_1, "99.99", LATENCY_P9999),
];

/// What is drawn of latencies from when requests were due.
const PERCENTILES_DUE: [(f64, &str, Metric); 5] = [
    (0.5, "50", DUE_P50),
    (0.1, "90", DUE_P90),
    (0.01, "99", DUE_P99),
    (0.001, "99.9", DUE_P999),
    (0.000_1, "99.99", DUE_P9999),
];

/// The cells that can be drawn.
pub(super) fn cells(results: &Results) -> Vec<&CellResult> {
    let is_measured = |cell: &&CellResult| cell.error.is_none() && !cell.repetitions.is_empty();
    results.cells.iter().filter(is_measured).collect()
}

/// Bars of every cell, in plots apart for sizes, which have nothing to compare.
pub(super) fn bars(results: &Results) -> Vec<Element> {
    let axes = text::axes(results);
    let axes: Vec<&str> = axes.iter().map(String::as_str).collect();
    let is_apart = results.protocol.compared.len() > 1 && axes.contains(&"size");
    let apart: &[&str] = if is_apart { &["size"] } else { &[] };
    let within: Vec<&str> = axes.iter().filter(|axis| !apart.contains(*axis)).copied().collect();
    let origin = results.protocol.cpus_origin.len();
    let facets = facets::split(&cells(results), apart, &within);
    let plots = facets
        .iter()
        .flat_map(|facet| MEASURES.map(|(title, metric)| bars::plot(facet, title, metric, origin)));
    plots.collect()
}

/// Latencies over their percentiles; each further step to the right is a tenth of the files.
pub(super) fn curves(results: &Results) -> Vec<Element> {
    curves_of(results, &cells(results), "Latency of a file, ms", &PERCENTILES)
}

/// Latencies from when requests were due, of the cells where that is known.
pub(super) fn curves_due(results: &Results) -> Vec<Element> {
    let is_due = |cell: &&CellResult| cell.estimate(DUE_P50).is_some();
    let cells: Vec<&CellResult> = cells(results).into_iter().filter(is_due).collect();
    let title = "Latency of a file from when its request was due, ms";
    curves_of(results, &cells, title, &PERCENTILES_DUE)
}

fn curves_of(
    results: &Results,
    cells: &[&CellResult],
    title: &str,
    percentiles: &[(f64, &str, Metric); 5],
) -> Vec<Element> {
    let axes = text::axes(results);
    let axes: Vec<&str> = axes.iter().map(String::as_str).collect();
    let [(most, ..), .., (least, ..)] = *percentiles;
    let chart = |facet: Facet<'_>| Chart {
        title: title.to_owned(),
        x_name: "percentile".to_owned(),
        // The share of slower files falls to the right.
        x: Scale::logarithmic(1.0 / most, 1.0 / least, LEFT + INDENT, RIGHT - INDENT),
        x_ticks: percentiles.map(|(share, name, _)| (1.0 / share, name.to_owned())).to_vec(),
        lines: facet
            .cells
            .iter()
            .map(|(label, cell)| Line {
                number: facet.number(label),
                label: label.clone(),
                points: latencies(cell, percentiles),
            })
            .collect(),
        facet: facet.title,
    };
    facets::fitted(cells, &axes).into_iter().map(|facet| chart(facet).draw()).collect()
}

fn latencies(cell: &CellResult, percentiles: &[(f64, &str, Metric); 5]) -> Vec<Point> {
    let points = percentiles.iter().filter_map(|(share, _, metric)| {
        Some(Point { x: 1.0 / share, y: cell.estimate(*metric)?.median, interval: None })
    });
    points.collect()
}

/// What becomes of each measure over each axis whose values are numbers.
pub(super) fn lines(results: &Results) -> Vec<Element> {
    let mut plots = Vec::new();
    for axis in &results.protocol.compared {
        let cells = cells(results);
        let numbers: Option<Vec<(f64, String)>> = cells
            .iter()
            .filter_map(|cell| cell.setting(axis))
            .map(|value| Some((number_of(value)?, value.to_owned())))
            .collect();
        let Some(mut ticks) = numbers else { continue };
        ticks.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        ticks.dedup_by_key(|(number, _)| *number);
        if ticks.len() < 2 {
            continue;
        }
        let others = results.protocol.compared.iter().filter(|other| *other != axis);
        let others: Vec<&str> = others.map(String::as_str).collect();
        for facet in facets::fitted(&cells, &others) {
            plots.extend(MEASURES.map(|measure| over(axis, &ticks, &facet, measure).draw()));
        }
    }
    plots
}

fn over(axis: &str, ticks: &[(f64, String)], facet: &Facet<'_>, measure: (&str, Metric)) -> Chart {
    let (title, metric) = measure;
    let (low, high) = (ticks[0].0, ticks[ticks.len() - 1].0);
    let (left, right) = (LEFT + INDENT, RIGHT - INDENT);
    let lines = facet.labels().into_iter().map(|label| {
        let cells = facet.cells.iter().filter(|(own, _)| own == label);
        let points = cells.filter_map(|(_, cell)| {
            let estimate = cell.estimate(metric)?;
            let interval = Some((estimate.low, estimate.high));
            Some(Point { x: number_of(cell.setting(axis)?)?, y: estimate.median, interval })
        });
        let mut points: Vec<Point> = points.collect();
        points.sort_by(|one, other| one.x.total_cmp(&other.x));
        Line { number: facet.number(label), label: label.to_owned(), points }
    });
    Chart {
        title: title.to_owned(),
        facet: facet.title.clone(),
        x_name: axis.to_owned(),
        x: match low > 0.0 && high / low > WIDE {
            true => Scale::logarithmic(low, high, left, right),
            false => Scale::linear(low, high, left, right),
        },
        x_ticks: ticks.to_vec(),
        lines: lines.collect(),
    }
}

/// Room between the edge of the grid and the first value.
const INDENT: f64 = 14.0;
/// Largest value of an axis by its smallest from which on the scale is logarithmic.
const WIDE: f64 = 6.0;
