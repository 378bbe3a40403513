//! What completes options in a shell: their names, the words that are their values, and paths.

use super::command::unbuilt;
use super::topics::TOPICS;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;

/// The script of a shell.
#[must_use]
pub fn script(shell: Shell) -> String {
    let topics = || PossibleValuesParser::new(TOPICS.iter().map(|topic| topic.name));
    // Without the URLs, which nobody can complete, and for which zsh would take a command.
    let line = unbuilt();
    let options = line.get_arguments().filter(|arg| !arg.is_positional()).cloned().map(completed);
    let options: Vec<Arg> = options.collect();
    let commands = line.get_subcommands().cloned().map(|command| match command.get_name() {
        "help" => command.mut_arg("topic", |arg| arg.value_parser(topics())),
        // It has the options of a run.
        "config" => Command::new("config")
            .about(command.get_about().cloned().unwrap_or_default())
            .args(options.clone()),
        _ => command.mut_args(completed),
    });
    let mut command = Command::new("ringpull").args(options.clone()).subcommands(commands);
    command = command.version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command, "ringpull", &mut out);
    let script = String::from_utf8_lossy(&out);
    match shell {
        Shell::Fish => for_fish(&script),
        _ => script.into_owned(),
    }
}

/// What fish needs besides: its argparse takes no name with a point, and with one of these no other
/// name; it fails before the value of an option; and words that are no options are left out.
fn for_fish(script: &str) -> String {
    let line = |line: &str| {
        let is_names = line.trim_start().starts_with("string join");
        let words = line.split(' ').filter(|word| !(is_names && word.contains('.')));
        match words.collect::<Vec<_>>().join(" ") {
            line if line.trim() == "or return" => "    or return 0\n".to_owned(),
            line => line.replace("(commandline -opc)", FISH_WORDS) + "\n",
        }
    };
    let mut out: String = script.lines().map(line).collect();
    let topics = TOPICS.map(|topic| topic.name).join(" ");
    for (command, words) in [("help", topics.as_str()), ("completions", "bash zsh fish")] {
        out += &format!(
            "complete -c ringpull -n \"__fish_ringpull_using_subcommand {command}\" \
             -f -a \"{words}\"\n"
        );
    }
    out
}

/// The words before that of the cursor.
const FISH_WORDS: &str = "(commandline -opc | string match --invert -- '--tlsv1.*')";

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
