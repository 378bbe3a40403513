//! The page of the manual, man(7), from what the help says and what this file adds.

use super::command::{EXAMPLES, command};
use super::topics::{self, Face};
use crate::exit;
use clap::{Arg, Command};
use std::fmt::Write as _;

/// The whole page, for `man -l` and for packages.
#[must_use]
pub fn page() -> String {
    let command = command();
    let mut page = Page::default();
    let version = command.get_version().unwrap_or_default();
    page.line(&format!(".TH RINGPULL 1 \"\" \"ringpull {}\" \"User Commands\"", escaped(version)));
    // Neither hyphens nor spaces are put into what may be copied.
    page.line(".nh\n.ad l");
    page.section("NAME");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.line(&filled(&format!("ringpull - {}", first_lower(&about))));
    page.section("SYNOPSIS");
    page.line("\\fBringpull\\fR [\\fIOPTIONS\\fR] [\\fIURL\\fR]...\n.br");
    let commands = || command.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<&str> = commands().map(Command::get_name).collect();
    page.line(&format!("\\fBringpull\\fR {} ...", names.join("|")));
    page.section("DESCRIPTION");
    page.text(DESCRIPTION);
    page.section("COMMANDS");
    for command in commands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        page.term(&format!("\\fBringpull {}\\fR", command.get_name()), &format!("{about}."));
    }
    page.section("OPTIONS");
    page.options(&command);
    let (values, examples) = parts_of_the_end();
    page.section("VALUES");
    page.terms(&values);
    page.section("EXIT STATUS");
    for exit::Meaning { status, sentence, .. } in exit::ALL {
        page.term(&format!("\\fB{}\\fR", status.number()), sentence);
    }
    for (title, terms) in [("ENVIRONMENT", &ENVIRONMENT[..]), ("FILES", &FILES)] {
        page.section(title);
        for (term, text) in terms {
            page.term(&bold(term), text);
        }
    }
    page.section("EXAMPLES");
    page.code(&examples);
    page.section("SEE ALSO");
    page.see_also();
    page.out
}

#[derive(Default)]
struct Page {
    out: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.out += line;
        self.out.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(&format!(".SH {title}"));
    }

    /// Paragraphs, with empty lines between.
    fn text(&mut self, text: &str) {
        self.paragraphs(text, ".PP");
    }

    fn paragraphs(&mut self, text: &str, between: &str) {
        for (at, paragraph) in text.split("\n\n").enumerate() {
            if at > 0 {
                self.line(between);
            }
            self.line(&filled(paragraph));
        }
    }

    /// A term, as it is, and what is said of it.
    fn term(&mut self, term: &str, text: &str) {
        self.line(&format!(".TP\n{term}"));
        self.paragraphs(text, ".IP");
    }

    /// Lines of a name, two spaces or more, and what it means; another line is a paragraph.
    fn terms(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            match line.split_once("  ") {
                Some((term, text)) => self.term(&bold(term), text.trim()),
                None => self.line(&format!(".PP\n{}", filled(line))),
            }
        }
    }

    /// Commands; one that is too long goes on in the next line.
    fn code(&mut self, text: &str) {
        self.line(".nf");
        for line in text.lines() {
            let lines = wrapped(line.trim(), CODE_COLUMNS).join(" \\\n    ");
            lines.lines().for_each(|line| self.line(&guarded(&escaped(line))));
        }
        self.line(".fi");
    }

    /// All options of the help, below its headings.
    fn options(&mut self, command: &Command) {
        let visible = || command.get_arguments().filter(|arg| !arg.is_hide_set());
        let mut headings: Vec<&str> = Vec::new();
        for arg in visible().filter(|arg| arg.get_long().is_some()) {
            let heading = arg.get_help_heading().unwrap_or(GENERAL);
            if !headings.contains(&heading) {
                headings.push(heading);
            }
        }
        for heading in headings {
            self.line(&format!(".SS {heading}"));
            for arg in visible().filter(|arg| arg.get_long().is_some()) {
                if arg.get_help_heading().unwrap_or(GENERAL) == heading {
                    self.option(arg);
                }
            }
        }
    }

    fn option(&mut self, arg: &Arg) {
        let mut names: Vec<String> = Vec::new();
        names.extend(arg.get_short().map(|letter| bold(&format!("-{letter}"))));
        names.extend(arg.get_long().map(|name| bold(&format!("--{name}"))));
        let mut term = names.join(", ");
        if arg.get_action().takes_values() {
            let values = arg.get_value_names().unwrap_or_default();
            let value = values.iter().map(|name| italic(name)).collect::<Vec<_>>().join(" ");
            let is_optional = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
            term += &if is_optional { format!("[={value}]") } else { format!(" {value}") };
        }
        let help = arg.get_long_help().or_else(|| arg.get_help());
        let help = match arg.get_id().as_str() {
            "help" => {
                "Print the most common options with `-h`, all of them with `--help`.".to_owned()
            }
            _ => help.map(ToString::to_string).unwrap_or_default(),
        };
        self.term(&term, &help);
        let values = arg.get_possible_values();
        let values = values.iter().filter_map(|value| Some((value.get_name(), value.get_help()?)));
        let values: Vec<_> = values.collect();
        if !values.is_empty() && !arg.is_hide_possible_values_set() {
            self.line(".RS");
            for (name, help) in values {
                self.term(&bold(name), &help.to_string());
            }
            self.line(".RE");
        }
        let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
        let defaults: Vec<_> = defaults.collect();
        if !defaults.is_empty() && arg.get_action().takes_values() {
            self.line(&format!(".IP\nDefault: {}", bold(&defaults.join(" "))));
        }
    }

    fn see_also(&mut self) {
        self.line(".BR curl (1),\n.BR wget (1),\n.BR aria2c (1),\n.BR io_uring (7)");
        let names: Vec<&str> = topics::TOPICS.iter().map(|topic| topic.name).collect();
        let text = format!("`ringpull help TOPIC` explains at length: {}.", names.join(", "));
        self.line(&format!(".PP\n{}", filled(&text)));
    }
}

/// Text with its code in bold, in lines that are not too long.
fn filled(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let spans = topics::spans(&text).into_iter().map(|span| match span.face {
        Face::Text => escaped(&span.text),
        Face::Bold | Face::Code => bold(&span.text),
    });
    let lines = wrapped(&spans.collect::<String>(), SOURCE_COLUMNS);
    lines.iter().map(|line| guarded(line)).collect::<Vec<_>>().join("\n")
}

/// The words of a text in lines of this many bytes.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A line that is no request of roff.
fn guarded(line: &str) -> String {
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// Text as roff prints it: ASCII stays ASCII, so that it can be copied.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            char if char.is_ascii() => out.push(char),
            char => write!(out, "\\[u{:04X}]", u32::from(char)).expect("a String takes any text"),
        }
    }
    out
}

fn first_lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// What `--help` has at its end: how values are written, and examples.
fn parts_of_the_end() -> (String, String) {
    let part = |title: &str| {
        let parts = EXAMPLES.split("\n\n").filter_map(|part| part.strip_prefix(title));
        parts.collect::<String>().trim_start_matches('\n').to_owned()
    };
    (part("Values:"), part("Examples:"))
}

/// Longest line of the source of the page.
const SOURCE_COLUMNS: usize = 78;
/// Longest line of a command, so that it fits 80 columns beside its indentation.
const CODE_COLUMNS: usize = 68;
/// Where options are that have no heading in the help.
const GENERAL: &str = "General";

const DESCRIPTION: &str = "\
ringpull pulls lists of URLs onto disk, over HTTP/1.1 and TLS. It works through io_uring with one \
runtime pinned to each CPU, asks each host for as much as it bears, and with `--report` writes \
down what happened to every line of the list.

A list has one URL a line, or is CSV, TSV, JSON Lines, Parquet or a metalink, packed or not. A \
file has its name when it is whole: after a crash or a power cut, too. Given again, the same \
command with the same `--report` passes over the lines that are done and pulls what is left.

Names of options follow curl, wget and aria2 where these agree.";

const ENVIRONMENT: [(&str, &str); 6] = [
    (
        "RINGPULL_*",
        "An option: its long name in capitals, with `_` for `-`, such as RINGPULL_RETRY=5 for \
         `--retry 5`. See `ringpull help config`.",
    ),
    ("RINGPULL_CONFIG", "The config file; empty for none."),
    (
        "http_proxy, https_proxy, all_proxy, no_proxy",
        "The way to servers, unless `--proxy` and `--noproxy` say it.",
    ),
    ("SSL_CERT_FILE", "PEM file of certificates to trust, in place of those of this machine."),
    (
        "SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX",
        "The task of an array, from which `--shard` is known. See `ringpull help many-machines`.",
    ),
    ("NO_COLOR", "If it is set, help topics are printed without bold text."),
];

const FILES: [(&str, &str); 3] = [
    (
        "~/.config/ringpull/config.toml",
        "Options that hold for every run. `$XDG_CONFIG_HOME` is the folder above it, if that is \
         set.",
    ),
    ("~/.netrc", "Passwords by host, with `--netrc`."),
    (
        ".ringpull-*",
        "Files that are not complete. The next run with the same report goes on with them.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_request() {
        assert_eq!(filled(".a `b-c`"), "\\&.a \\fBb\\-c\\fR");
        assert_eq!(filled("'a'\nb"), "\\(aqa\\(aq b");
        assert!(filled(&"long word ".repeat(50)).lines().all(|line| line.len() <= SOURCE_COLUMNS));
        assert_eq!(escaped("a\\b^~`"), "a\\eb\\(ha\\(ti\\(ga");
        assert_eq!(escaped("\u{e9}"), "\\[u00E9]");
    }

    #[test]
    fn the_page_has_every_option_once() {
        let page = page();
        let command = command();
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let Some(long) = arg.get_long() else { continue };
            let name = bold(&format!("--{long}"));
            let terms = page.lines().zip(page.lines().skip(1)).filter(|(tp, _)| *tp == ".TP");
            let is_name = |term: &str| term.split([' ', '[']).any(|word| word == name);
            assert_eq!(terms.filter(|(_, term)| is_name(term)).count(), 1, "{long}");
        }
        assert!(page.is_ascii() && !page.contains("\n\n"), "{page}");
        for title in ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "FILES", "SEE ALSO"] {
            assert!(page.contains(&format!("\n.SH {title}\n")), "{title}");
        }
    }
}
