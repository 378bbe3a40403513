//! Lines over two axes: a grid with names, the lines with their points, and what each line is.

use super::markup::{Element, caption, element};
use super::scale::{self, Scale};
use crate::bench::verdict::named;

/// A plot.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// What is shown, with its unit.
    pub(super) title: String,
    /// What all its cells have in common.
    pub(super) facet: String,
    /// What goes to the right.
    pub(super) x_name: String,
    /// Scale to the right, between [`LEFT`] and [`RIGHT`].
    pub(super) x: Scale,
    /// Values to the right that are named, ascending.
    pub(super) x_ticks: Vec<(f64, String)>,
    /// The lines, [`LINES_MAX`](super::facets::LINES_MAX) at most.
    pub(super) lines: Vec<Line>,
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Number of its colour and dashes.
    pub(super) number: usize,
    /// What tells it from the others.
    pub(super) label: String,
    /// The points, from the left.
    pub(super) points: Vec<Point>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// How far to the right.
    pub(super) x: f64,
    /// How high.
    pub(super) y: f64,
    /// Interval of the height, where it is shown.
    pub(super) interval: Option<(f64, f64)>,
}

impl Chart {
    /// Draws it.
    pub(super) fn draw(&self) -> Element {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let ends = |point: &Point| point.interval.map_or([point.y; 2], |(low, high)| [low, high]);
        let heights: Vec<f64> =
            points.flat_map(|point| [point.y].into_iter().chain(ends(point))).collect();
        let y = Scale::rounded(&heights, BOTTOM, TOP);
        let lines = self.lines.iter().map(|line| self.line(line, &y));
        let svg = element("svg")
            .with("viewBox", format!("0 0 {WIDTH} {HEIGHT}"))
            .with("role", "img")
            .with("aria-label", format!("{} over {}", self.title, self.x_name))
            .child(self.grid(&y))
            .children(lines);
        let names = self.lines.iter().map(|line| {
            let swatch = element("svg")
                .class("swatch")
                .with("viewBox", "0 0 28 10")
                .with("aria-hidden", "true")
                .child(path(line.number, "M0 5H28"))
                .child(dot(line.number, 14.0, 5.0));
            element("li").child(swatch).child(element("span").text(named(&line.label)))
        });
        element("figure")
            .class("chart")
            .child(caption(&self.title, &self.facet))
            .child(svg)
            .child(element("ul").class("legend").children(names))
    }

    fn grid(&self, y: &Scale) -> Element {
        let mut grid = element("g").class("grid");
        for tick in y.ticks() {
            let at = y.at(tick);
            let text = label(LEFT - 6.0, at + 4.0, "end", &scale::name(tick));
            grid = grid
                .child(element("path").with("d", format!("M{LEFT} {at:.1}H{RIGHT}")))
                .child(text);
        }
        let mut free = 0.0;
        for (tick, name) in &self.x_ticks {
            let at = self.x.at(*tick);
            grid = grid
                .child(element("path").with("d", format!("M{at:.1} {TOP}V{:.1}", BOTTOM + 4.0)));
            let half = name.chars().count() as f64 * CHARACTER / 2.0;
            // What would stand on the name before it is left out.
            if at - half > free {
                free = at + half + CHARACTER / 2.0;
                grid = grid.child(label(at, BOTTOM + 18.0, "middle", name));
            }
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        grid.child(label(middle, HEIGHT - 4.0, "middle", &self.x_name))
    }

    fn line(&self, line: &Line, y: &Scale) -> Element {
        let at = line.number;
        let mut way = String::new();
        let mut intervals = String::new();
        for (number, point) in line.points.iter().enumerate() {
            let (x, height) = (self.x.at(point.x), y.at(point.y));
            let verb = if number == 0 { 'M' } else { 'L' };
            way += &format!("{verb}{x:.1} {height:.1}");
            if let Some((low, high)) = point.interval {
                let (low, high) = (y.at(low), y.at(high));
                let (left, right) = (x - 3.0, x + 3.0);
                intervals += &format!(
                    "M{x:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}H{right:.1}\
                     M{left:.1} {high:.1}H{right:.1}"
                );
            }
        }
        let dots = line.points.iter().map(|point| dot(at, self.x.at(point.x), y.at(point.y)));
        let mut group = element("g").child(path(at, &way));
        if !intervals.is_empty() {
            let class = format!("whisker stroke{}", at % COLORS);
            group = group.child(element("path").class(class).with("d", intervals));
        }
        group.children(dots)
    }
}

/// The way of the line of a number, in its colour and dashes.
fn path(number: usize, way: &str) -> Element {
    let class = format!("line stroke{} dash{}", number % COLORS, number % DASHES);
    element("path").class(class).with("d", way)
}

/// A point of the line of a number: round ones first, then square ones.
fn dot(number: usize, x: f64, y: f64) -> Element {
    let class = format!("fill{}", number % COLORS);
    if number < DASHES {
        let circle = element("circle").class(class).with("r", "3");
        return circle.with("cx", format!("{x:.1}")).with("cy", format!("{y:.1}"));
    }
    let (x, y) = (format!("{:.1}", x - 3.0), format!("{:.1}", y - 3.0));
    element("rect").class(class).with("x", x).with("y", y).with("width", "6").with("height", "6")
}

fn label(x: f64, y: f64, anchor: &str, text: &str) -> Element {
    let element = element("text").with("x", format!("{x:.1}")).with("y", format!("{y:.1}"));
    element.with("text-anchor", anchor).text(text)
}

/// Units of the drawing, and the edges of the grid in it.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 270.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 226.0;
/// Left edge of the grid.
pub(super) const LEFT: f64 = 46.0;
/// Right edge of the grid.
pub(super) const RIGHT: f64 = 420.0;
/// About the width of a character.
const CHARACTER: f64 = 7.0;
/// Colours and dashes that the style has.
const COLORS: usize = 8;
const DASHES: usize = 4;
