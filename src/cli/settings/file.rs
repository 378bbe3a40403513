//! A config file: TOML with the long names of options, without their dashes.

use super::setting::{Place, Setting, Value, options};
use crate::cli::nearest::nearest;
use crate::cli::secrets::is_secret;
use crate::cli::values;
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
    let text = match values::read_text(path) {
        Ok(text) => text,
        Err(error) if is_users && is_missing(&error) => return Ok(None),
        Err(error) => {
            return Err(format!("cannot read the config file {}: {error:#}", path.display()));
        }
    };
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

/// Understands the text of the file at `path`.
fn parse(
    command: &Command,
    path: &Path,
    text: &str,
    is_users: bool,
) -> Result<Vec<Setting>, String> {
    let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    let place = |at| Place::File { path: path.to_owned(), line: line(at) };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        format!("{}: {}", place(at), error.message().replace('\n', ", "))
    })?;
    let mut found = Vec::new();
    entries(command, "", table.get_ref(), &mut found);
    found.sort_by_key(|(_, at, _)| *at);
    let mut settings = Vec::new();
    for (key, at, value) in found {
        let told = |problem: String| format!("{}: {problem}", place(at));
        let arg = option(command, &key, value).map_err(told)?;
        let told = |problem: String| format!("{}: cannot use `{}`: {problem}", place(at), key);
        let setting = understood(value).and_then(|value| Setting::new(arg, value, place(at)));
        let setting = setting.map_err(told)?;
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
fn option<'a>(command: &'a Command, key: &str, value: &DeValue<'_>) -> Result<&'a Arg, String> {
    if matches!(key, "config" | "no-config") {
        return Err(format!("cannot use `{key}`: a config file does not say which one is read"));
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
    let hint = match (near, value) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, DeValue::Table(_)) => "there are no sections: all keys stand at the top".to_owned(),
        (None, _) => "keys are the long names of options, which `ringpull --help` has".to_owned(),
    };
    Err(format!("there is no option `{key}`; {hint}"))
}

fn understood(value: &DeValue<'_>) -> Result<Value, String> {
    match value {
        DeValue::Boolean(is_on) => Ok(Value::Bool(*is_on)),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| text(item.get_ref()));
            Ok(Value::List(texts.collect::<Result<_, _>>()?))
        }
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
    match ONE_RUN.iter().find(|name| **name == setting.name) {
        Some(_) => Err("it is for one run, and this file holds for every run: give it on the \
                        command line, or in a file of --config FILE"
            .to_owned()),
        None => Ok(()),
    }
}

/// Whether nobody else may read it.
fn is_private(setting: &Setting) -> bool {
    let is_url = setting.name == "proxy";
    let has_user = |word: &OsString| word.to_string_lossy().contains('@');
    match setting.name.as_str() {
        "header" => setting.words.iter().any(is_credential),
        name => is_secret(&format!("--{name}")) && (!is_url || setting.words.iter().any(has_user)),
    }
}

/// Whether this is a field that says who somebody is.
fn is_credential(word: &OsString) -> bool {
    let word = word.to_string_lossy().to_ascii_lowercase();
    let Some(field) = word.strip_prefix("--header=") else { return false };
    let name = field.split(':').next().unwrap_or_default().trim();
    ["authorization", "cookie", "proxy-authorization"].contains(&name)
}

/// Options that say what one run is about.
const ONE_RUN: [&str; 6] = ["input-file", "output", "checksum", "dry-run", "verify", "fresh"];

#[cfg(test)]
mod tests;
