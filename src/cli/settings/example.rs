//! How an option is written in a config file or a variable, for those who wrote it otherwise.

use super::setting::is_additive;
use super::toml_text::quoted;
use super::variables::variable;
use clap::{Arg, ArgAction};

/// What is wrong with an option, and an example, where the problem has none.
pub(super) fn beside(problem: &str, example: &str) -> String {
    match problem.contains("such as ") || problem.contains("for instance ") {
        true => problem.to_owned(),
        false => format!("{problem}; for instance {example}"),
    }
}

/// A line of a config file that has the option, between grave accents: `retry = 5`.
pub(super) fn line(arg: &Arg) -> String {
    let value = value(arg);
    let value = match value.as_str() {
        "true" => value,
        text if is_additive(arg) => format!("[{}]", quoted(text)),
        text => quoted(text),
    };
    format!("`{} = {value}`", arg.get_long().unwrap_or_default())
}

/// The variable of the option with a value: `RINGPULL_RETRY=5`.
pub(super) fn assignment(arg: &Arg) -> String {
    let value = value(arg);
    let is_plain =
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:,/%-".contains(&byte));
    let quote = if is_plain { "" } else { "'" };
    format!("{}={quote}{value}{quote}", variable(arg))
}

/// What the option takes, where something of another kind was written.
pub(super) fn takes(arg: &Arg) -> String {
    let words = arg.get_possible_values();
    if is_switch(arg) {
        return "write true or false".to_owned();
    }
    if !words.is_empty() {
        let words: Vec<&str> = words.iter().map(|word| word.get_name()).collect();
        return format!("use one of {}", words.join(", "));
    }
    let kind = match value_name(arg).as_str() {
        "N" | "K" | "MICROSECONDS" => "a number",
        "BYTES" | "SIZE" => "a number of bytes",
        "TIME" => "a span of time",
        "N|P%" => "a number or a percentage",
        "P%" => "a percentage",
        "N/UNIT" => "a rate",
        _ => "a text",
    };
    format!("it takes {kind}")
}

/// Whether the option takes a number, which has no quotes.
pub(super) fn is_number(arg: &Arg) -> bool {
    matches!(value_name(arg).as_str(), "N" | "K" | "MICROSECONDS") && !is_switch(arg)
}

/// Whether the option is there or not, and nothing else.
pub(super) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// A value that the option takes; for some texts the word that stands for them in the help.
fn value(arg: &Arg) -> String {
    let name = arg.get_long().unwrap_or_default();
    if let Some((_, value)) = VALUES.iter().find(|(option, _)| *option == name) {
        return (*value).to_owned();
    }
    if is_switch(arg) {
        return "true".to_owned();
    }
    if let Some(word) = arg.get_possible_values().first() {
        return word.get_name().to_owned();
    }
    let name = value_name(arg);
    let value = match name.as_str() {
        "N" | "K" | "MICROSECONDS" | "N|P%" => "5",
        "BYTES" | "SIZE" => "50M",
        "TIME" => "10m",
        "N/UNIT" => "5/s",
        "P%" => "90%",
        _ => return name,
    };
    value.to_owned()
}

/// `N`, `BYTES` and the like.
fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Values of options whose name in the help says little of them.
const VALUES: [(&str, &str); 23] = [
    ("input-file", "urls.txt"),
    ("dir", "images"),
    ("report", "REPORT.csv"),
    ("header", "Accept: image/*"),
    ("cpus", "0-3"),
    ("shard", "0/4"),
    ("proxy", "http://proxy:3128"),
    ("dns-servers", "9.9.9.9"),
    ("resolve", "example.com:443:127.0.0.1"),
    ("metrics-addr", "127.0.0.1:9400"),
    ("no-private", "true"),
    ("ring-entries", "256"),
    ("compute-hash", "sha256"),
    ("input-format", "csv"),
    ("delimiter", ";"),
    ("keep-cols", "id,caption"),
    ("restrict-file-names", "unix"),
    ("dirs", "host"),
    ("shard-name", "part3-{shard:05d}.tar"),
    ("continue-at", "-"),
    ("tls13-ciphers", "TLS_AES_128_GCM_SHA256"),
    ("checksum", "adler32=11e60398"),
    ("network", "memory:50k"),
];

#[cfg(test)]
mod tests {
    use super::super::setting::{Place, Setting, Value, options};
    use super::*;
    use crate::cli::command::command;

    #[test]
    fn examples_are_right() {
        let command = command();
        let mut refused = Vec::new();
        for arg in options(&command) {
            let value = value(arg);
            let written = match value.as_str() {
                "true" => Value::Bool(true),
                text => Value::Text(text.into()),
            };
            let place = Place::Variable(String::new());
            let setting = Setting::new(arg, written, place);
            refused.extend(setting.err().map(|problem| (line(arg), problem)));
        }
        assert_eq!(refused, []);
        let of = |name: &str| {
            let arg = options(&command).find(|arg| arg.get_long() == Some(name)).unwrap();
            (line(arg), assignment(arg), takes(arg))
        };
        for (name, line, assignment, takes) in [
            ("retry", "`retry = 5`", "RINGPULL_RETRY=5", "it takes a number"),
            ("quiet", "`quiet = true`", "RINGPULL_QUIET=true", "write true or false"),
            (
                "header",
                "`header = [\"Accept: image/*\"]`",
                "RINGPULL_HEADER='Accept: image/*'",
                "it takes a text",
            ),
            (
                "max-time",
                "`max-time = \"10m\"`",
                "RINGPULL_MAX_TIME=10m",
                "it takes a span of time",
            ),
            ("key", "`key = \"FILE\"`", "RINGPULL_KEY=FILE", "it takes a text"),
        ] {
            let (line, assignment, takes) = (line.into(), assignment.into(), takes.into());
            assert_eq!(of(name), (line, assignment, takes));
        }
    }
}
