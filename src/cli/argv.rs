//! Habits of other programs, before and after clap: words that clap would misread are rewritten or
//! refused, and an unknown flag that means something elsewhere gets a sentence.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command};
use std::ffi::OsString;

/// Makes clap's words of what was typed. wget's `-nc -nv -nd -nH` are no bundles of letters (clap
/// would read `-nc` as `-n -c`, the opposite), and aria2's `--flag=true` and `--flag=false` are
/// understood for every flag without a value. Nothing behind `--` is touched.
pub(super) fn rewrite(
    command: &mut Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, clap::Error> {
    let flags = flags_without_value(command);
    let mut rewritten = Vec::new();
    let mut is_literal = false;
    for word in words {
        let text = if is_literal { None } else { word.to_str() };
        match text {
            Some("--") => is_literal = true,
            Some("-nc") => {
                rewritten.push(OsString::from("--no-clobber"));
                continue;
            }
            Some("--check-certificate=false") => {
                rewritten.push(OsString::from("--insecure"));
                continue;
            }
            Some("--check-certificate" | "--check-certificate=true") => continue,
            Some(text) => {
                if let Some(problem) = wget_pair(text) {
                    return Err(command.error(ErrorKind::UnknownArgument, problem));
                }
                match text.split_once('=') {
                    Some((flag, "true")) if flags.iter().any(|known| known == flag) => {
                        rewritten.push(OsString::from(flag));
                        continue;
                    }
                    Some((flag, "false")) if flags.iter().any(|known| known == flag) => continue,
                    _ => {}
                }
            }
            None => {}
        }
        rewritten.push(word);
    }
    Ok(rewritten)
}

/// The words as they may be shown: the values in `secrets` are masked wherever they stand, and so
/// is the user information of whatever looks like a URL.
pub(super) fn without_secrets(words: &[String], secrets: &[&str]) -> Vec<String> {
    let mask = |word: &String| {
        let longest_first = {
            let mut secrets = secrets.to_vec();
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
            secrets
        };
        let masked = longest_first
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(word.clone(), |word, secret| word.replace(secret, MASK));
        without_userinfo(masked)
    };
    words.iter().map(mask).collect()
}

fn without_userinfo(word: String) -> String {
    let scheme_len = word.find(':').map_or(0, |colon| colon + 1);
    let slashes = word[scheme_len..].bytes().take_while(|byte| *byte == b'/').count();
    let (front, rest) = word.split_at(scheme_len + slashes);
    let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority_len].rfind('@') {
        Some(at) if at > 0 => format!("{front}{MASK}{}", &rest[at..]),
        Some(_) | None => word,
    }
}

/// What is shown in the place of a secret.
const MASK: &str = "***";

/// Adds a sentence to the error about an unknown flag that another program knows.
pub(super) fn explain(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let hint = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => foreign_flag(flag),
        _ => None,
    };
    if let Some(hint) = hint {
        // Both of clap's own suggestions would stand beside the better one.
        error.remove(ContextKind::SuggestedArg);
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(hint)]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// `--name` of every flag that takes no value, aliases included.
fn flags_without_value(command: &Command) -> Vec<String> {
    command
        .get_arguments()
        .filter(|arg| matches!(arg.get_action(), ArgAction::SetTrue))
        .flat_map(|arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long().into_iter().chain(aliases).map(|name| format!("--{name}"))
        })
        .collect()
}

/// wget's two-letter flags that have no meaning here.
fn wget_pair(word: &str) -> Option<&'static str> {
    match word {
        "-nv" => Some("-nv is wget's --no-verbose: use -q, or leave it out"),
        "-nd" => Some("-nd is wget's --no-directories: leave it out, that is always so"),
        "-nH" => Some("-nH is wget's --no-host-directories: leave it out, that is always so"),
        _ => None,
    }
}

/// What to say about a flag of curl, wget or aria2 that is not defined here.
fn foreign_flag(flag: &str) -> Option<&'static str> {
    // clap names a long flag together with its value.
    let name = flag.split_once('=').map_or(flag, |(name, _)| name);
    match name {
        "-k" => Some("did you mean --insecure?"),
        "-O" => Some("files are named after their URL by default; -o NAME gives another name"),
        "--remote-name" | "--remote-name-all" => Some("files are named after their URL by default"),
        "-Z" | "--parallel" => Some("transfers always run in parallel; -j N says how many"),
        "-t" => Some("-t means other things elsewhere: use --timeout, or --tries"),
        "-s" => Some("-s is not defined: -q is silent, and files are not split yet"),
        "--split" | "--min-split-size" => Some("files are not split yet"),
        "--silent" => Some("did you mean --quiet?"),
        "-c" | "-C" | "--continue" | "--continue-at" => {
            Some("partial files are not continued yet; --no-clobber skips files that exist")
        }
        "-N" | "--timestamping" => Some("--no-clobber skips files that exist"),
        "-p" | "--proxy" | "--all-proxy" => Some("proxies are not supported"),
        "-v" | "--verbose" => Some("--report FILE.csv says what happened to every URL"),
        "--dry-run" | "--spider" => Some("there is no dry run yet"),
        _ => None,
    }
}
