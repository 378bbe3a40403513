//! What completes options in a shell: their names, the words that are their values, and paths.

use super::command::unbuilt;
use super::topics::TOPICS;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ValueHint};
use clap_complete::Shell;

/// The script of a shell.
#[must_use]
pub fn script(shell: Shell) -> String {
    let topics = || PossibleValuesParser::new(TOPICS.iter().map(|topic| topic.name));
    let command =
        unbuilt().mut_args(completed).mut_subcommands(|command| match command.get_name() {
            "help" => command.mut_arg("topic", |arg| arg.value_parser(topics())),
            _ => command.mut_args(completed),
        });
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command.clone(), "ringpull", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The option with what its values may be.
fn completed(arg: Arg) -> Arg {
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let hint = match value.as_deref() {
        Some("FILE" | "NEW.json" | "OLD.json") => ValueHint::FilePath,
        Some("DIR") => ValueHint::DirPath,
        Some("URL") => ValueHint::Url,
        _ => ValueHint::Other,
    };
    let words = WORDS.iter().find(|(id, _)| arg.get_id() == *id);
    match words {
        Some((_, words)) => arg.value_parser(PossibleValuesParser::new(*words)),
        None if arg.get_action().takes_values() => arg.value_hint(hint),
        None => arg,
    }
}

/// Options whose values are words, and whose parser takes more than these.
const WORDS: [(&str, &[&str]); 3] = [
    ("input_format", &["txt", "csv", "tsv", "jsonl", "parquet", "meta4"]),
    ("restrict_file_names", &["unix", "windows"]),
    (
        "compute_hash",
        &["sha256", "blake3", "md5", "sha1", "sha224", "sha384", "sha512", "adler32", "none"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::command;

    #[test]
    fn words_are_values_that_can_be_typed() {
        for (id, words) in WORDS {
            let command = command();
            let arg = command.get_arguments().find(|arg| arg.get_id() == id).expect(id);
            for word in words {
                let line = ["ringpull", &format!("--{}={word}", arg.get_long().unwrap()), "u"];
                assert!(command.clone().try_get_matches_from(line).is_ok(), "{line:?}");
            }
        }
    }

    #[test]
    fn every_shell_has_all_options() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for arg in command().get_arguments().filter(|arg| !arg.is_hide_set()) {
                let Some(long) = arg.get_long() else { continue };
                assert!(script.contains(long), "{shell} {long}");
            }
            assert!(script.contains("coming-from-img2dataset") && script.contains("overwrite"));
        }
    }
}
