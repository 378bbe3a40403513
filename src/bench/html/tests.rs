//! The page as a whole: it is well-formed, the same each time, and text stays text.

use super::*;
use crate::bench::results::{CellResult, Events};
use crate::bench::verdict::tests::results;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeMap;

/// Elements of a page by how often they are there, after a look at whether all are closed and
/// every reference is one of XML.
fn elements(page: &str) -> BTreeMap<String, usize> {
    let mut reader = Reader::from_str(page);
    reader.config_mut().check_end_names = true;
    let mut found = BTreeMap::new();
    let mut open = 0_usize;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                open += 1;
                assert!(tag.attributes().all(|attribute| attribute.is_ok()), "{tag:?}");
                let name = tag.name().as_ref().to_owned();
                *found.entry(name).or_insert(0) += 1;
            }
            Event::End(_) => open -= 1,
            Event::GeneralRef(reference) => {
                let name = reference.to_string();
                assert!(["lt", "gt", "amp", "quot"].contains(&name.as_str()), "{name}");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(open, 0);
    for foreign in ["src", "href", "url(", "@import", "http-equiv"] {
        assert!(!page.contains(&format!("{foreign}=")) && !STYLE.contains(foreign), "{foreign}");
    }
    found
}

/// Results of all kinds of cells.
fn all_kinds() -> Results {
    let mut results = results(&[
        ("size=1k conns=4 backend=uring", 10.0),
        ("size=1k conns=16 backend=uring", 11.0),
        ("size=1m conns=4 backend=uring", 1_000.0),
        ("size=1m conns=16 backend=epoll", 1_100.0),
        ("size=1m conns=4 backend=none", 1.0),
    ]);
    results.cells[4].error = Some("the kernel refuses it".to_owned());
    results.cells[4].repetitions.clear();
    for repetition in results.cells.iter_mut().flat_map(|cell| &mut cell.repetitions) {
        repetition.latency_p50_s = 0.001;
        repetition.latency_p9999_s = 0.1;
    }
    let counts = [("raw_syscalls:sys_enter".to_owned(), 50)].into();
    results.cells[0].events = Some(Events { files: 100, counts });
    results.notes.push("a note".to_owned());
    results
}

#[test]
fn a_page_has_plots_tables_errors_and_the_verdict() {
    let results = all_kinds();
    let page = render(&results);
    let found = elements(&page);
    // Two measures of two sizes as bars, latencies once, and two measures over size and over conns.
    assert_eq!(found["figure"], 4 + 1 + 4, "{found:?}");
    assert_eq!(found["circle"], 4 * 6 + 2 * 2 * (4 + 3), "points, and what tells lines apart");
    for sentence in verdict::sentences(&results).iter().chain(&results.notes) {
        assert!(page.contains(sentence), "{sentence}");
    }
    for title in ["Verdict", "Notes", "Errors", "Latency", "Scaling", "Cells", "Kernel events"] {
        assert!(page.contains(&format!("<h2>{title}</h2>")), "{title}");
    }
    assert!(page.contains("the kernel refuses it") && page.contains("congestion control"));
    assert_eq!(page, render(&results), "it is the same each time");
    assert!(!STYLE.contains(['<', '>', '&', '"']), "what is escaped is no style");
}

#[test]
fn latencies_from_when_requests_were_due_have_plots_of_their_own() {
    let mut results = results(&[("conns=4", 10.0), ("conns=9", 11.0)]);
    for repetition in results.cells.iter_mut().flat_map(|cell| &mut cell.repetitions) {
        (repetition.due_p50_s, repetition.due_p9999_s) = (Some(0.001), Some(0.1));
    }
    let page = render(&results);
    // Bars, latencies of both kinds, and two measures over conns.
    assert_eq!(elements(&page)["figure"], 2 + 2 + 2, "{page}");
    assert!(page.contains("when its request was due") && page.contains("due99.99"));
    assert!(!render(&all_kinds()).contains("was due"));
}

#[test]
fn parts_have_a_table() {
    let mut results = results(&[("part=both", 45.0), ("part=network", 30.0), ("part=files", 25.0)]);
    results.summarize();
    let page = render(&results);
    elements(&page);
    assert!(page.contains("<h2>Parts</h2>") && page.contains("whole/sum"), "{page}");
    assert!(!render(&all_kinds()).contains("<h2>Parts</h2>"));
}

#[test]
fn nothing_one_cell_and_errors_alone_are_pages_too() {
    let empty = results(&[]);
    let page = render(&empty);
    assert!(!elements(&page).contains_key("figure") && page.contains("no cell could be measured"));

    let one = results(&[("conns=4", 10.0)]);
    assert_eq!(elements(&render(&one))["figure"], 3, "bars and latencies");
    let mut nameless = results(&[("", 10.0)]);
    nameless.end = "disk_full".to_owned();
    let page = render(&nameless);
    assert_eq!(elements(&page)["figure"], 3);
    assert!(page.contains("the cell") && page.contains("ended early (disk_full)"), "{page}");

    let mut refused = all_kinds();
    for cell in &mut refused.cells {
        cell.error = Some("no".to_owned());
        cell.repetitions.clear();
        cell.events = None;
    }
    let page = render(&refused);
    let found = elements(&page);
    assert!(!found.contains_key("figure") && !page.contains("<h2>Cells"), "{found:?}");
    assert_eq!(page.matches("class=\"error\"").count(), 5);
}

#[test]
fn what_comes_from_elsewhere_stays_text() {
    let hostile = "</style><script>alert('x')</script>\"'&\u{0}";
    let mut results = all_kinds();
    let cell = |cell: &mut CellResult| {
        cell.name = format!("dest={hostile}");
        cell.settings.push(("dest".to_owned(), hostile.to_owned()));
        cell.argv = vec![hostile.to_owned()];
    };
    results.cells.iter_mut().for_each(cell);
    results.cells[4].error = Some(hostile.to_owned());
    results.protocol.compared.push("dest".to_owned());
    results.protocol.source = format!("http://h/{hostile}");
    results.environment.date = hostile.to_owned();
    results.environment.cpu_model = hostile.to_owned();
    results.environment.argv = vec![hostile.to_owned()];
    results.environment.mitigations.insert(hostile.to_owned(), hostile.to_owned());
    results.end = hostile.to_owned();
    results.notes = vec![hostile.to_owned()];
    let page = render(&results);
    let found = elements(&page);
    assert!(!found.contains_key("script"), "{found:?}");
    assert_eq!((found["style"], page.contains("<script")), (1, false));
    assert!(page.matches("&lt;script&gt;").count() > 20);
}
