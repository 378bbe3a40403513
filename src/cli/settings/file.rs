//! A config file: TOML with the long names of options, without their dashes.

use super::example;
use super::setting::{Place, Setting, Value, options};
use super::syntax;
use crate::cli::nearest::nearest;
use crate::cli::{secrets, values};
use clap::{Arg, Command};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// What a config file says.
pub(super) struct File {
    /// In the order of the file.
    pub(super) settings: Vec<Setting>,
    /// Others can read its secrets.
    pub(super) warning: Option<String>,
}

/// Reads the file; `is_users` says that it is the one that holds for every run of a user, which
/// need not be there. Nothing when it is not.
///
/// # Errors
/// The file, the line, and what would be right.
pub(super) fn read(command: &Command, path: &Path, is_users: bool) -> Result<Option<File>, String> {
    let bytes = match values::read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if is_users && is_missing(&error) => return Ok(None),
        Err(error) => {
            let why = unread(&error, is_users);
            return Err(format!("cannot read the config file {}: {why}", path.display()));
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        let place = Place::File { path: path.to_owned(), line };
        format!("{place}: this line is not valid UTF-8: save the file as UTF-8")
    })?;
    let settings = parse(command, path, &text, is_users)?;
    let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode());
    let has_secrets = settings.iter().any(is_private);
    let warning = (has_secrets && mode & 0o077 != 0).then(|| {
        format!("{}: other users can read these passwords; run: chmod 600", path.display())
    });
    Ok(Some(File { settings, warning }))
}

fn is_missing(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|e| matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// Why the file cannot be read, and what to do.
fn unread(error: &anyhow::Error, is_users: bool) -> String {
    let found = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let remedy = match is_users {
        true => "or do without it, by --no-config",
        false => "or give another one (--config, RINGPULL_CONFIG)",
    };
    match found {
        Some(ErrorKind::NotFound) => format!("there is no such file; make it, {remedy}"),
        Some(ErrorKind::IsADirectory) => {
            format!("it is a directory; put a file in its place, {remedy}")
        }
        Some(ErrorKind::PermissionDenied) => {
            format!("you may not read it; change its owner or mode, {remedy}")
        }
        _ => format!("{error:#}"),
    }
}

/// Understands the text of the file at `path`.
pub(super) fn parse(
    command: &Command,
    path: &Path,
    text: &str,
    is_users: bool,
) -> Result<Vec<Setting>, String> {
    let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    let place = |at| Place::File { path: path.to_owned(), line: line(at) };
    let (table, errors) = DeTable::parse_recoverable(text);
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    if let Some(error) = errors.iter().min_by_key(|error| start(error)) {
        let at = syntax::place(text, start(error));
        let problem = error.message().replace('\n', ", ");
        return Err(format!("{}: {}", place(at), syntax::explained(command, text, at, &problem)));
    }
    let mut found = Vec::new();
    entries(command, "", table.get_ref(), &mut found);
    found.sort_by_key(|(_, at, _)| *at);
    let mut settings = Vec::new();
    for (key, at, value) in found {
        let told = |problem: String| format!("{}: {problem}", place(at));
        if text[..at].trim_end().ends_with('[') {
            return Err(told(no_section(command, &key)));
        }
        let arg = option(command, &key).map_err(told)?;
        let told = |problem: String| format!("{}: cannot use `{}`: {problem}", place(at), key);
        let setting = understood(arg, value).and_then(|value| Setting::new(arg, value, place(at)));
        let beside = |problem: String| told(example::beside(&problem, &example::line(arg)));
        let setting = setting.map_err(beside)?;
        refuse(&setting, is_users).map_err(told)?;
        settings.push(setting);
    }
    Ok(settings)
}

/// Keys, where they are, and their values. `tlsv1.3` is a key of a table to TOML.
fn entries<'a>(
    command: &Command,
    prefix: &str,
    table: &'a DeTable<'_>,
    found: &mut Vec<(String, usize, &'a DeValue<'a>)>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let below = format!("{name}.");
        let is_prefix = options(command).any(|arg| long(arg).starts_with(&below));
        match value.get_ref() {
            DeValue::Table(table) if is_prefix => entries(command, &below, table, found),
            value => found.push((name, key.span().start, value)),
        }
    }
}

fn long(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_default()
}

/// The option of a key.
///
/// # Errors
/// There is none, or none that a file may have; and which one may be meant.
pub(super) fn option<'a>(command: &'a Command, key: &str) -> Result<&'a Arg, String> {
    if matches!(key, "config" | "no-config") {
        return Err(format!(
            "cannot use `{key}`: a config file does not say which one is read, but the command line"
        ));
    }
    if let Some(arg) = options(command).find(|arg| long(arg) == key) {
        return Ok(arg);
    }
    let plain = key.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    let is_meant = |arg: &&Arg| {
        let letters = arg.get_short_and_visible_aliases().unwrap_or_default();
        long(arg) == plain
            || arg.get_all_aliases().unwrap_or_default().contains(&plain.as_str())
            || letters.iter().any(|letter| key.trim_start_matches('-') == letter.to_string())
    };
    let visible = || options(command).filter(|arg| !arg.is_hide_set());
    let near = match visible().find(is_meant) {
        Some(arg) => Some(long(arg)),
        None => nearest(&plain, visible().map(long)),
    };
    let hint = match near {
        _ if matches!(plain.as_str(), "url" | "urls") => NO_URLS.to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None => "keys are the long names of options, which `ringpull --help` has".to_owned(),
    };
    Err(match is_name(key) {
        true => format!("there is no option `{key}`; {hint}"),
        false => format!("this key is the name of no option; {hint}"),
    })
}

/// Whether a key could be the name of an option. Any other may be a secret in the wrong place, and
/// is not repeated.
fn is_name(key: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_lowercase() || b"0123456789-_.".contains(&byte);
    key.len() <= NAME_BYTES_MAX && key.bytes().all(is_usual)
}

/// What to say of a section of this name.
pub(super) fn no_section(command: &Command, name: &str) -> String {
    let find = |name: &str| options(command).find(|arg| long(arg) == name);
    let line = find(name).or_else(|| find(OPTION_USUAL)).map(example::line).unwrap_or_default();
    let what = match is_name(name) {
        true => format!("`[{name}]`: "),
        false => String::new(),
    };
    format!("{what}there are no sections: write `key = value` lines, as in {line}")
}

fn understood(arg: &Arg, value: &DeValue<'_>) -> Result<Value, String> {
    match value {
        DeValue::Boolean(is_on) => Ok(Value::Bool(*is_on)),
        _ if example::is_switch(arg) => Err(example::takes(arg)),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| text(item.get_ref()));
            Ok(Value::List(texts.collect::<Result<_, _>>()?))
        }
        DeValue::Table(_) => Err(example::takes(arg)),
        other => text(other).map(Value::Text),
    }
}

fn text(value: &DeValue<'_>) -> Result<OsString, String> {
    match value {
        DeValue::String(text) => Ok(OsString::from(text.as_ref())),
        DeValue::Integer(number) if number.radix() == 10 => Ok(OsString::from(number.as_str())),
        DeValue::Float(number) => Ok(OsString::from(number.as_str())),
        DeValue::Integer(_) => Err("write a decimal number".to_owned()),
        DeValue::Datetime(_) => Err("write a text in quotes, not a date".to_owned()),
        DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err("write texts in quotes, or numbers".to_owned())
        }
    }
}

/// Refuses what must not hold for every run.
fn refuse(setting: &Setting, is_users: bool) -> Result<(), String> {
    if !is_users {
        return Ok(());
    }
    if setting.name == "user" || setting.words.iter().any(is_credential) {
        return Err("every host of every list would get it: name a netrc-file, which has a \
                    password for each host, or give it to one run, by --config FILE or by the \
                    environment"
            .to_owned());
    }
    if setting.words.iter().any(is_field_file) {
        return Err("passwords in that file would go to every host of every list: write fields \
                    without secrets here, or name the file to one run, by --config FILE or -H"
            .to_owned());
    }
    match ONE_RUN.iter().find(|name| **name == setting.name) {
        Some(_) => Err("it is for one run, and this file holds for every run: give it on the \
                        command line, or in a file of --config FILE"
            .to_owned()),
        None => Ok(()),
    }
}

/// Whether nobody else may read it.
fn is_private(setting: &Setting) -> bool {
    match setting.name.as_str() {
        "header" => setting.words.iter().any(is_credential),
        _ => setting.words.iter().any(|word| {
            let word = word.to_string_lossy();
            let parts = word.split_once('=');
            parts.is_some_and(|(option, value)| secrets::masked(option, value).is_some())
        }),
    }
}

/// Whether this is a field that says who somebody is.
fn is_credential(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    let field = word.strip_prefix(HEADER);
    field.is_some_and(|field| secrets::is_credential(field.split(':').next().unwrap_or_default()))
}

/// Whether this is a file of fields, which nobody has looked into yet.
fn is_field_file(word: &OsString) -> bool {
    word.to_string_lossy().strip_prefix(HEADER).is_some_and(|field| field.starts_with('@'))
}

/// What to do with URLs, which no config file has.
pub(super) const NO_URLS: &str = "a config file has no URLs: write them into a list, and name \
                                  that, as in `input-file = [\"urls.txt\"]`";
/// An option that everybody understands, for examples.
pub(super) const OPTION_USUAL: &str = "retry";
/// Longest key that is repeated.
const NAME_BYTES_MAX: usize = 40;
/// What the word of a field begins with.
const HEADER: &str = "--header=";
/// Options that say what one run is about.
const ONE_RUN: [&str; 6] = ["input-file", "output", "checksum", "dry-run", "verify", "fresh"];

#[cfg(test)]
mod tests;
