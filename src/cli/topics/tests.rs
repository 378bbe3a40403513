//! Every topic at every width, and every command in it through the parser of the command line.

use super::*;
use crate::cli::parse;
use crate::exit;
use crate::report::row::COLUMNS;
use markdown::{Block, Face};
use std::collections::BTreeMap;
use std::ffi::OsString;

const README: &str = include_str!("../../../README.md");
const WIDTHS: [usize; 5] = [20, 40, 80, 100, 150];

/// What a terminal shows of a text that has sequences for bold and underlined.
fn shown(text: &str) -> String {
    ["\x1b[0m", "\x1b[1m", "\x1b[4m"]
        .iter()
        .fold(text.to_owned(), |text, sequence| text.replace(sequence, ""))
}

fn counted(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    words.fold(BTreeMap::new(), |mut counted, word| {
        *counted.entry(word).or_default() += 1;
        counted
    })
}

/// The words of a text, without the heads of its tables.
fn words(blocks: &[Block]) -> BTreeMap<String, usize> {
    let texts = blocks.iter().flat_map(|block| match block {
        Block::Heading(_, text) | Block::Paragraph(text) => vec![text.clone()],
        Block::List(items) => items.clone(),
        Block::Code(lines) => lines.clone(),
        Block::Table(table) => table.rows.concat(),
    });
    let plain = |text: String| {
        let is_code =
            blocks.iter().any(|block| matches!(block, Block::Code(lines) if lines.contains(&text)));
        if is_code { text } else { text.replace(['`'], "").replace("**", "") }
    };
    let texts: Vec<String> = texts.map(plain).collect();
    counted(texts.iter().flat_map(|text| text.split_whitespace()).map(|word| word.replace('`', "")))
}

#[test]
fn no_word_is_lost_and_no_line_is_too_long() {
    for topic in &TOPICS {
        let blocks = markdown::parse(&topic.markdown());
        let source = words(&blocks);
        let code: Vec<&String> = blocks
            .iter()
            .filter_map(|block| if let Block::Code(lines) = block { Some(lines) } else { None })
            .flatten()
            .collect();
        for width in WIDTHS {
            let plain = topic.render(width, Style::Plain);
            let styled = shown(&topic.render(width, Style::Ansi));
            for text in [&plain, &styled] {
                let words = text.split_whitespace().map(|word| word.replace('`', ""));
                let found = counted(words);
                for (word, count) in &source {
                    let count_found = found.get(word).copied().unwrap_or(0);
                    assert!(count_found >= *count, "{} at {width}: {word}", topic.name);
                }
                for line in text.lines().filter(|line| line.chars().count() > width) {
                    let text = line.trim();
                    // One word that cannot be broken, behind its dash perhaps.
                    let is_word = text.trim_start_matches("- ").split_whitespace().count() == 1;
                    let is_code = code.iter().any(|own| own.trim() == text);
                    assert!(is_word || is_code, "{} at {width}: {line}", topic.name);
                }
                assert!(text.lines().all(|line| line == line.trim_end()), "{}", topic.name);
                assert!(!text.contains("\n\n\n"), "{} at {width}", topic.name);
            }
        }
    }
}

#[test]
fn the_topic_says_from_when_on_long_files_have_a_line() {
    use crate::{limits::LONG_BYTES_MIN, report::progress::UNDER_WAY_BYTES_MIN};
    let text = find("watch").unwrap().markdown().replace('\n', " ");
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let (all, least) = (mib(UNDER_WAY_BYTES_MIN), mib(UNDER_WAY_BYTES_MIN / 4));
    for words in [
        format!("(of {} or more each)", mib(LONG_BYTES_MIN)),
        format!("a second line from {all} on"),
        format!("until less than {least}"),
    ] {
        assert!(text.contains(&words), "{words}");
    }
}

#[test]
fn topics_are_plain_text_with_a_title() {
    for topic in &TOPICS {
        let text = topic.markdown();
        assert!(text.is_ascii(), "{}: not only ASCII", topic.name);
        assert!(text.starts_with("# ") && text.ends_with('\n'), "{}", topic.name);
        assert!(!text.contains("{{"), "{}: a table that nobody knows", topic.name);
        let fences = text.lines().filter(|line| line.starts_with("```")).count();
        assert_eq!(fences % 2, 0, "{}: a block of code without an end", topic.name);
        assert!(!topic.render(80, Style::Plain).contains('\x1b'), "{}", topic.name);
        let code = markdown::parse(&text).into_iter().filter_map(|block| match block {
            Block::Code(lines) => Some(lines),
            _ => None,
        });
        let longest = code.flatten().map(|line| line.len()).max();
        assert!(longest <= Some(76), "{}: code of {longest:?} at 80 columns", topic.name);
        let in_text = |line: &&str| !line.starts_with('|') && !line.contains("ringpull ");
        let longest = topic.text.lines().filter(in_text).map(str::len).max();
        assert!(longest <= Some(120), "{}: a line of {longest:?}", topic.name);
    }
}

#[test]
fn topics_that_are_named_are_there() {
    let texts = TOPICS.iter().map(Topic::markdown).chain([README.to_owned()]);
    for text in texts {
        let named =
            text.match_indices("ringpull help ").map(|(at, found)| &text[at + found.len()..]);
        for rest in named {
            let is_part = |char: char| char.is_ascii_alphanumeric() || char == '-';
            let name = rest.split(|char| !is_part(char)).next().unwrap();
            assert!(name == "TOPIC" || find(name).is_some(), "ringpull help {name}");
        }
    }
}

/// The code that the first cells of the tables of a topic are, in order.
fn first_cells(topic: &str) -> Vec<String> {
    let blocks = markdown::parse(&find(topic).unwrap().markdown());
    let rows = blocks.into_iter().filter_map(|block| match block {
        Block::Table(table) => Some(table.rows),
        _ => None,
    });
    rows.flatten().map(|row| row[0].replace('`', "")).collect()
}

#[test]
fn tables_of_the_code_are_whole() {
    assert_eq!(first_cells("report"), COLUMNS.map(|column| column.name));
    let exit = first_cells("exit");
    let statuses = exit::ALL.map(|meaning| meaning.status.number().to_string());
    assert!(exit.starts_with(&statuses), "{exit:?}");
    for code in ["STAGE.timeout", "http.status", "disk.enospc", "input.url", "head.empty"] {
        assert_eq!(exit.iter().filter(|own| *own == code).count(), 1, "{code}");
    }
}

#[test]
fn the_list_has_all_topics() {
    for width in WIDTHS {
        let list = list(width, Style::Plain);
        let mut at = 0;
        for topic in &TOPICS {
            at += list[at..].find(topic.name).unwrap_or_else(|| panic!("{}", topic.name));
        }
    }
}

#[test]
fn names_that_were_meant() {
    let table = [
        ("list", "lists"),
        ("LISTS", "lists"),
        ("lsts", "lists"),
        ("ilsts", "lists"),
        ("exits", "exit"),
        ("exti", "exit"),
        ("curl", "coming-from-curl"),
        ("coming", "coming-from-curl"),
        ("comming-from-curl", "coming-from-curl"),
    ];
    for (name, topic) in table {
        assert_eq!(nearest(name), Some(topic), "{name}");
        let text = unknown(name);
        assert!(text.contains(&format!("'{name}'; did you mean '{topic}'?\n")), "{text}");
        assert!(TOPICS.iter().all(|topic| text.contains(topic.name)), "{text}");
    }
    for name in ["", "x", "frobnicate", "\u{e9}"] {
        assert_eq!(nearest(name), None, "{name}");
        assert!(unknown(name).starts_with(&format!("there is no help topic '{name}'\n")));
    }
}

/// The commands of this program in a line of a shell: each from its name to what ends it there.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\'' => {
                let text = word.get_or_insert_default();
                text.extend(chars.by_ref().take_while(|char| *char != '\''));
            }
            '"' => {
                let text = word.get_or_insert_default();
                text.extend(chars.by_ref().take_while(|char| *char != '"'));
            }
            ' ' => words.extend(word.take()),
            '|' | ';' | '&' | '>' | '<' => {
                // `2>` is no word, and what follows it is a file.
                let word = word.take().filter(|word| !(char == '>' && word == "2"));
                words.extend(word);
                commands.push(std::mem::take(&mut words));
            }
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    commands.push(words);
    let of_ours = |words: Vec<String>| {
        let at = words.iter().position(|word| word == "ringpull")?;
        Some(words[at..].to_vec())
    };
    commands.into_iter().filter_map(of_ours).collect()
}

#[test]
fn commands_of_a_line() {
    let table: [(&str, &[&[&str]]); 6] = [
        ("ringpull -i a", &[&["ringpull", "-i", "a"]]),
        ("zcat a | ringpull -i - -d b", &[&["ringpull", "-i", "-", "-d", "b"]]),
        ("ringpull -H 'a: b' \"c d\"'e' ''", &[&["ringpull", "-H", "a: b", "c de", ""]]),
        ("ringpull a 2>b; exec ringpull c >d", &[&["ringpull", "a"], &["ringpull", "c"]]),
        ("curl a | sh", &[]),
        ("", &[]),
    ];
    for (line, expected) in table {
        assert_eq!(commands(line), expected, "{line}");
    }
}

/// The lines of code of a text, and the code in its sentences; lines that end with a backslash go
/// on. The README indents its code.
fn code(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    for block in markdown::parse(text) {
        match block {
            Block::Code(lines) => {
                let text = lines.join("\n").replace("\\\n", " ");
                code.extend(text.lines().map(str::to_owned));
            }
            Block::Heading(_, text) | Block::Paragraph(text) => code.extend(inline(&text)),
            Block::List(items) => code.extend(items.iter().flat_map(|item| inline(item))),
            Block::Table(table) => code.extend(table.rows.iter().flatten().flat_map(|c| inline(c))),
        }
    }
    code
}

fn inline(text: &str) -> Vec<String> {
    let spans = spans(text).into_iter().filter(|span| span.face == Face::Code);
    spans.map(|span| span.text).collect()
}

#[test]
fn every_command_can_be_typed() {
    let texts = TOPICS.iter().map(|topic| (topic.name, topic.markdown()));
    let mut count = 0;
    for (name, text) in texts.chain([("README.md", README.to_owned())]) {
        for words in code(&text).iter().flat_map(|line| commands(line)) {
            if words.get(1).is_none_or(|word| word == "help") {
                continue;
            }
            count += 1;
            // The file of a topic is not there.
            let is_job = words.iter().any(|word| word == "job.toml");
            let words = words.iter().map(|word| word.replace("job.toml", "/dev/null"));
            let words: Vec<String> = words.chain(is_job.then(|| "http://h/".to_owned())).collect();
            if let Err(error) = parse(words.iter().map(OsString::from)) {
                assert!(!error.use_stderr(), "{name}: {words:?}: {error}");
            }
        }
    }
    assert!(count > 20, "{count} commands");
}
