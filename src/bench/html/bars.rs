//! Bars: one quantity of every cell, with its interval.

use super::facets::Facet;
use super::markup::{Element, caption, element};
use super::scale::Scale;
use crate::bench::results::{CellResult, Metric};
use crate::bench::sample::Estimate;
use crate::bench::text::number;
use crate::bench::verdict::named;

/// A bar for each cell of a facet, from zero. `cpus_origin` is what the server had.
pub(super) fn plot(facet: &Facet<'_>, title: &str, metric: Metric, cpus_origin: usize) -> Element {
    let found: Vec<(&str, &CellResult, Estimate)> = facet
        .cells
        .iter()
        .filter_map(|(label, cell)| Some((label.as_str(), *cell, cell.estimate(metric)?)))
        .collect();
    let high = found.iter().map(|(.., estimate)| estimate.high).fold(0.0, f64::max);
    let scale = Scale::linear(0.0, high, 0.0, WIDTH);
    let rows = found.iter().map(|(label, cell, estimate)| {
        let marks = [
            (cell.is_server_the_limit(cpus_origin), "the server is the limit"),
            (cell.is_noisy(), "noisy"),
        ];
        let marks = marks.iter().filter(|(is_so, _)| *is_so);
        let marks = marks.map(|(_, mark)| element("span").class("mark").text(*mark));
        let interval = format!("{} to {}", number(estimate.low), number(estimate.high));
        let label = element("span").class("label").text(named(label)).children(marks);
        let value = element("span")
            .class("value")
            .text(format!("{} ", number(estimate.median)))
            .child(element("span").class("range").text(interval));
        element("li").child(element("div").child(label).child(value)).child(bar(&scale, estimate))
    });
    element("figure")
        .class("bars")
        .child(caption(title, &facet.title))
        .child(element("ul").children(rows))
}

fn bar(scale: &Scale, estimate: &Estimate) -> Element {
    let at = |value: f64| format!("{:.1}", scale.at(value));
    let (low, high) = (at(estimate.low), at(estimate.high));
    element("svg")
        .with("viewBox", format!("0 0 {WIDTH} {HEIGHT}"))
        .with("preserveAspectRatio", "none")
        .with("aria-hidden", "true")
        .child(
            element("rect")
                .class("bar")
                .with("x", "0")
                .with("y", "2")
                .with("width", at(estimate.median))
                .with("height", "8"),
        )
        .child(
            element("path")
                .class("interval")
                .with("d", format!("M{low} 6H{high}M{low} 2V10M{high} 2V10")),
        )
}

/// Units of the drawing, which is as wide as the page lets it be.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 12.0;
