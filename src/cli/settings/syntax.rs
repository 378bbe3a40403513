//! What is wrong with a config file that is no TOML, in the words of somebody who knows which
//! options there are. Values may be secret and are not repeated.

use super::example::{beside, is_number, is_switch, line as example, takes};
use super::file::{self, OPTION_USUAL};
use super::setting::{is_additive, options};
use clap::{Arg, Command};
use toml::de::DeTable;

/// What is wrong at this byte of the text, which is none of the blanks at its end, and what would
/// be right; `problem` is what the parser
/// says, which helps where nothing else is known.
pub(super) fn explained(command: &Command, text: &str, at: usize, problem: &str) -> String {
    let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before: Vec<&str> = text[..begin].lines().map(plain).collect();
    let line = plain(text[begin..].lines().next().unwrap_or_default());
    if let Some((key, number)) = open_list(&before) {
        return match options(command).any(|arg| arg.get_long() == Some(key)) {
            true => format!("the list of `{key}`, which begins in line {number}, {LIST}"),
            false => format!("the list that begins in line {number} {LIST}"),
        };
    }
    if line.starts_with('[') {
        return file::no_section(command, name_of(line));
    }
    let (key, value) = match line.split_once('=') {
        // `Cookie: a=b` may be a secret, and is no key.
        Some((key, value)) if !name_of(key).contains([' ', '\t', ':']) => (name_of(key), value),
        _ => return no_value(command, line),
    };
    if key.is_empty() {
        return format!("there is no option before the `=`: write {}", usual(command));
    }
    let arg = match file::option(command, key) {
        Ok(arg) => arg,
        Err(problem) => return problem,
    };
    let is_same = |line: &str| line.split_once('=').is_some_and(|(own, _)| name_of(own) == key);
    if at <= begin + text[begin..].find(key).unwrap_or(0)
        && let Some(first) = before.iter().position(|line| is_same(line))
    {
        return there_already(arg, key, first + 1);
    }
    bad_value(arg, value.trim(), problem)
}

/// The option of a key that stands in two lines.
fn there_already(arg: &Arg, key: &str, first: usize) -> String {
    match is_additive(arg) {
        true => format!(
            "`{key}` stands in line {first} already: write all its values in one list, \
             `{key} = [\"A\", \"B\"]`"
        ),
        false => format!("`{key}` stands in line {first} already: leave one of them out"),
    }
}

/// A line without `=`.
fn no_value(command: &Command, line: &str) -> String {
    if line.contains("://") {
        return file::NO_URLS.to_owned();
    }
    let key = line.split([' ', '\t', ':']).next().map(name_of).unwrap_or_default();
    let known = options(command).find(|arg| arg.get_long() == Some(key.trim_start_matches('-')));
    match known {
        Some(arg) => format!("there is no `=` behind `{key}`: write {}", example(arg)),
        None => format!("there is no `=`: write `key = value` lines, as in {}", usual(command)),
    }
}

/// A value that TOML does not read.
fn bad_value(arg: &Arg, value: &str, problem: &str) -> String {
    let (key, example) = (arg.get_long().unwrap_or_default(), example(arg));
    let because = |what: &str| format!("cannot use `{key}`: {}", beside(what, &example));
    if value.contains(char::is_control) {
        return because("there is a control character in its value: write \\u001b and the like");
    }
    match value.chars().next() {
        None | Some('#') => format!("there is no value behind `{key} =`: write {example}"),
        Some('[') => format!("the list of `{key}` {LIST}"),
        Some(quote @ ('"' | '\'')) if !value[1..].starts_with(quote) => {
            let text = &value[1..];
            let end = text
                .char_indices()
                .find(|(at, char)| *char == quote && !(quote == '"' && is_escaped(&text[..*at])));
            match end {
                None => because("the quotes around its value are not closed"),
                Some((end, _)) if is_one(&value[..end + 2]) => because(MORE),
                Some(_) if quote == '"' && text.contains('\\') => because(
                    "in \"...\" a backslash begins an escape such as \\n: write the text in '...', \
                     or two backslashes for each",
                ),
                Some(_) => because(problem),
            }
        }
        Some('"' | '\'') if is_open(value) => because("the quotes around its value are not closed"),
        Some('"' | '\'') => because(problem),
        Some(_) => {
            let first = value.split([' ', '\t', ',', '#']).next().unwrap_or_default();
            match is_one(first) {
                true => because(MORE),
                false if is_switch(arg) || is_number(arg) => because(&takes(arg)),
                false => because("write its value in quotes"),
            }
        }
    }
}

/// Whether a text between three quotes has no end.
fn is_open(value: &str) -> bool {
    let is_open = |quotes| value.strip_prefix(quotes).is_some_and(|text| !text.contains(quotes));
    is_open("\"\"\"") || is_open("'''")
}

/// Whether TOML reads this as one value.
fn is_one(value: &str) -> bool {
    DeTable::parse(&format!("a = {value}")).is_ok()
}

/// Whether what comes behind this text is escaped by it.
fn is_escaped(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

/// The place that a problem is told of: the begin of a text of several lines whose end is missing
/// or not where it should be; or else the place itself, or the last that is no blank where the
/// file ends too early.
pub(super) fn place(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let at = match rest.trim().is_empty() || !text.is_char_boundary(at) {
        true => text.trim_end().char_indices().next_back().map_or(0, |(last, _)| last),
        false => at,
    };
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    open_text(&text[..line]).unwrap_or(at)
}

/// Where a text between three quotes begins that these whole lines do not end.
fn open_text(lines: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = lines[at..].find(['"', '\'', '#']) {
        let begin = at + found;
        let rest = &lines[begin..];
        let quotes =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| rest.starts_with(quotes));
        let Some(quotes) = quotes else {
            // What a comment says has no meaning.
            at = begin + rest.find('\n')?;
            continue;
        };
        let (said, is_long) = (begin + quotes.len(), quotes.len() > 1);
        let line_end = lines[said..].find('\n').map_or(lines.len(), |end| said + end);
        let last = if is_long { lines.len() } else { line_end };
        let is_end = |at: &usize| {
            lines.as_bytes()[*at..].starts_with(quotes.as_bytes())
                && (quotes.starts_with('\'') || !is_escaped(&lines[said..*at]))
        };
        at = match (said..last).find(is_end) {
            Some(end) => end + quotes.len(),
            None if is_long => return Some(begin),
            None => line_end,
        };
    }
    None
}

/// A list that these lines begin and do not end: its key, and the number of its line.
fn open_list<'t>(before: &[&'t str]) -> Option<(&'t str, usize)> {
    let mut open = None;
    for (index, line) in before.iter().enumerate() {
        let said = line.split(" #").next().unwrap_or_default().trim_end();
        match said.split_once('=') {
            Some((key, value)) if open.is_none() && value.trim().starts_with('[') => {
                open = Some((name_of(key), index + 1));
            }
            _ => {}
        }
        if said.ends_with(']') {
            open = None;
        }
    }
    open
}

fn plain(line: &str) -> &str {
    line.trim_start_matches('\u{feff}').trim()
}

/// A key or the name of a section without what stands around it.
fn name_of(key: &str) -> &str {
    key.trim_matches(|char: char| char.is_whitespace() || "[]\"'".contains(char))
}

/// A line that most people understand.
fn usual(command: &Command) -> String {
    options(command)
        .find(|arg| arg.get_long() == Some(OPTION_USUAL))
        .map(example)
        .unwrap_or_default()
}

const LIST: &str = "is not written as [\"A\", \"B\"]: quotes around each value, commas between \
                    them, and ] behind the last";
const MORE: &str = "something stands behind its value: write one option a line";

#[cfg(test)]
mod tests;
