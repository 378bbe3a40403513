//! The results as one page of HTML: plots, tables and sentences, with nothing from elsewhere.

mod bars;
mod chart;
mod facets;
mod markup;
mod plots;
mod scale;

use super::results::Results;
use super::text::{self, Table};
use super::verdict;
use markup::{Element, element};
use serde::Serialize;
use serde_json::Value;

/// The whole page.
pub fn render(results: &Results) -> String {
    let head = element("head")
        .child(element("meta").with("charset", "utf-8"))
        .child(
            element("meta")
                .with("name", "viewport")
                .with("content", "width=device-width, initial-scale=1"),
        )
        .child(element("title").text(format!("ringpull bench {}", results.environment.date)))
        .child(element("style").text(STYLE));
    let body = element("body")
        .child(top(results))
        .child(titled("Verdict", sentences(&verdict::sentences(results))))
        .children(section("Notes", &results.notes, sentences))
        .children(errors(results))
        .children(drawn("Every cell", BARS_TEXT, plots::bars(results)))
        .children(drawn("Latency", CURVES_TEXT, plots::curves(results)))
        .children(drawn(
            "Latency from when requests were due",
            DUE_TEXT,
            plots::curves_due(results),
        ))
        .children(drawn("Scaling", LINES_TEXT, plots::lines(results)))
        .children(tables(results))
        .child(titled("Machine", facts_of(&results.environment)))
        .child(titled("Protocol", facts_of(&results.protocol)))
        .children(commands(results));
    let mut page = "<!DOCTYPE html>\n".to_owned();
    element("html").with("lang", "en").child(head).child(body).write(&mut page);
    page
}

fn top(results: &Results) -> Element {
    let machine = &results.environment;
    let mut top = element("header").child(element("h1").text("ringpull bench")).child(
        element("p").class("soft").text(format!(
            "ringpull {}, {}: Linux {}, {}",
            machine.ringpull, machine.date, machine.kernel, machine.cpu_model
        )),
    );
    if results.end != "complete" {
        let told =
            format!("This run ended early ({}): it has less than was asked for.", results.end);
        top = top.child(element("p").class("early").text(told));
    }
    top
}

/// A part of the page, where there is anything in it.
fn section<T>(title: &str, of: &[T], fill: impl FnOnce(&[T]) -> Element) -> Option<Element> {
    (!of.is_empty()).then(|| titled(title, fill(of)))
}

fn titled(title: &str, content: Element) -> Element {
    element("section").child(element("h2").text(title)).child(content)
}

fn sentences(told: &[String]) -> Element {
    let items = told.iter().map(|sentence| element("li").text(sentence));
    element("ul").class("sentences").children(items)
}

fn errors(results: &Results) -> Option<Element> {
    let rows = results.cells.iter().filter_map(|cell| {
        let why = element("td").text(cell.error.as_ref()?);
        let name = element("th").with("scope", "row").text(verdict::named(&cell.name));
        Some(element("tr").class("error").child(name).child(why))
    });
    let rows: Vec<Element> = rows.collect();
    section("Errors", &rows, |rows| element("table").children(rows.iter().cloned()))
}

fn drawn(title: &str, text: &str, plots: Vec<Element>) -> Option<Element> {
    (!plots.is_empty()).then(|| {
        let plots = element("div").class("plots").children(plots);
        titled(title, element("p").class("soft").text(text)).child(plots)
    })
}

fn tables(results: &Results) -> Vec<Element> {
    let cells = text::cells(results).map(|table| ("Cells", text::columns_text(results), table));
    let events =
        text::events(results).map(|table| ("Kernel events", text::EVENTS_TEXT.to_owned(), table));
    let parts = text::parts(results).map(|table| ("Parts", text::PARTS_TEXT.to_owned(), table));
    let tables = cells.into_iter().chain(parts).chain(events).map(|(title, text, table)| {
        let wide = element("div").class("wide").child(numbers(&table));
        let text = element("p").class("soft").text(format!("{text}."));
        titled(title, text).child(wide).class("across")
    });
    tables.collect()
}

fn numbers(table: &Table) -> Element {
    let last = table.head.len().saturating_sub(1);
    let row = |name: &'static str, words: &[String]| {
        let cells = words.iter().enumerate().map(|(at, word)| {
            let cell = element(name).text(word);
            let is_number = at >= table.left && at < last;
            if is_number { cell.class("number") } else { cell }
        });
        element("tr").children(cells)
    };
    let rows = table.rows.iter().map(|words| row("td", words));
    element("table")
        .class("numbers")
        .child(element("thead").child(row("th", &table.head)))
        .child(element("tbody").children(rows))
}

/// Names and values of what is written as JSON too.
fn facts_of(value: &impl Serialize) -> Element {
    facts(&serde_json::to_value(value).unwrap_or_default())
}

fn facts(value: &Value) -> Element {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let rows = members.iter().map(|(name, value)| {
                let name = element("th").with("scope", "row").text(name.replace('_', " "));
                element("tr").child(name).child(element("td").child(facts(value)))
            });
            element("table").class("facts").children(rows)
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(word).collect();
            element("span").text(if words.is_empty() { "-".to_owned() } else { words.join(" ") })
        }
        value => element("span").text(word(value)),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null | Value::Object(_) => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn commands(results: &Results) -> Option<Element> {
    let rows = results.cells.iter().filter(|cell| !cell.argv.is_empty()).map(|cell| {
        let name = element("th").with("scope", "row").text(verdict::named(&cell.name));
        let words = element("code").text(format!("ringpull {}", cell.argv.join(" ")));
        element("tr").child(name).child(element("td").child(words))
    });
    let rows: Vec<Element> = rows.collect();
    let shown = section("Command lines", &rows, |rows| {
        element("details")
            .child(element("summary").text("What each cell ran the last time"))
            .child(element("table").class("facts").children(rows.iter().cloned()))
    });
    // Nobody opens anything on paper.
    shown.map(|shown| shown.class("screen"))
}

/// Colours of both modes, and paper. It holds no character that markup escapes.
const STYLE: &str = include_str!("html/style.css");
/// What stands above the plots.
const BARS_TEXT: &str = "Medians of the repetitions, with 95 % intervals. Less CPU time is better, \
                         and so are more files a second.";
const CURVES_TEXT: &str =
    "Medians of the repetitions. So many percent of the files took no longer.";
const DUE_TEXT: &str = "Medians of the repetitions. What a request waited because others were late \
                        is in it, so that it is what a user would see at this rate.";
const LINES_TEXT: &str = "Medians of the repetitions, with 95 % intervals.";

#[cfg(test)]
mod tests;
