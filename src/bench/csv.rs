//! The repetitions as CSV, one line each (RFC 4180).

use super::results::{CellResult, Repetition, Results};
use serde_json::Value;

/// A line with the names of the columns, then one a repetition: the cell, its number within the
/// cell, and what was counted, by the names that the JSON has for it.
pub fn encode(results: &Results) -> String {
    let names = columns(&Repetition::default());
    let names = names.iter().map(|(name, _)| name.clone());
    let mut text = line(["cell".to_owned(), "repetition".to_owned()].into_iter().chain(names));
    for cell in &results.cells {
        for (number, repetition) in cell.repetitions.iter().enumerate() {
            let values = columns(repetition).into_iter().map(|(_, value)| value);
            text += &line(first(cell, number).into_iter().chain(values));
        }
    }
    text
}

fn first(cell: &CellResult, number: usize) -> [String; 2] {
    [cell.name.clone(), (number + 1).to_string()]
}

/// Names and values, in the order of the JSON, which sorts its keys.
fn columns(repetition: &Repetition) -> Vec<(String, String)> {
    let value = serde_json::to_value(repetition).unwrap_or_default();
    let members = value.as_object().cloned().unwrap_or_default().into_iter();
    let text = |value: Value| if value.is_null() { String::new() } else { value.to_string() };
    members.map(|(name, value)| (name, text(value))).collect()
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let quoted = fields.map(|field| match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::verdict::tests::results;

    #[test]
    fn every_repetition_is_a_line() {
        let mut results = results(&[("conns=1", 10.0), ("dest=/a\"b,c", 20.0)]);
        results.cells[1].repetitions.truncate(2);
        results.cells[1].repetitions[1].server_cpu_s = None;
        let text = encode(&results);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let head = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 9);
        let at = |name: &str| head.iter().position(|own| own == name).unwrap();
        assert_eq!((&rows[8][at("cell")], &rows[8][at("repetition")]), ("dest=/a\"b,c", "2"));
        assert_eq!(rows[8][at("server_cpu_s")], *"");
        let wall: f64 = rows[0][at("wall_s")].parse().unwrap();
        assert_eq!(wall, results.cells[0].repetitions[0].wall_s);
    }
}
