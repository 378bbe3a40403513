//! The table of codes of failures, from the facts of every cause.

use crate::fault::{Cause, Fault, Stage, every_cause};
use std::collections::BTreeMap;

/// What a code means, and the exit status that it leads to.
pub(super) fn table() -> String {
    let mut rows = BTreeMap::new();
    for cause in every_cause() {
        rows.extend(of_cause(&cause));
    }
    let rows =
        rows.into_iter().map(|(code, (text, exit))| format!("| `{code}` | {text} | {exit} |\n"));
    format!("| Code | Meaning | Status |\n|---|---|---|\n{}", rows.collect::<String>())
}

/// The codes of a cause with their rows. A code that begins with its stage is said once for all
/// stages.
fn of_cause(cause: &Cause) -> BTreeMap<String, (String, u8)> {
    let facts = |stage| Fault::new(stage, cause.clone()).facts();
    let word = |code: &'static str| code.split_once('.').map_or(code, |(_, word)| word);
    let (first, other) = (facts(Stage::Connect), facts(Stage::Tls));
    let is_staged = first.code != other.code;
    let of_stage = |stage| {
        let facts = facts(stage);
        let (code, text) = (facts.code, facts.sentence.to_string());
        let is_of_all = is_staged && word(code) == word(first.code);
        let (code, text) = if is_of_all {
            let text = text.split(" while ").next().unwrap_or_default();
            (format!("STAGE.{}", word(code)), text.to_owned())
        } else {
            (code.to_owned(), text)
        };
        (code, (text, facts.exit.number()))
    };
    Stage::ALL.map(of_stage).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_a_stage_are_said_once() {
        let codes = |cause| of_cause(&cause).into_keys().collect::<Vec<_>>();
        assert_eq!(codes(Cause::Timeout), ["STAGE.timeout"]);
        assert_eq!(codes(Cause::Closed), ["STAGE.closed", "head.empty"]);
        assert_eq!(codes(Cause::HostDown), ["connect.host_down"]);
        let (text, exit) = of_cause(&Cause::Timeout)["STAGE.timeout"].clone();
        assert_eq!((text.as_str(), exit), ("timed out", 4));
    }
}
