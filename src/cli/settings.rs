//! Options of config files and of environment variables: they become words that clap reads before
//! those of the command line, as far as these leave them anything to say.
//!
//! The command line goes before the environment, that before the file. What may be given several
//! times is joined, as by cargo: that of the file first. For anything else the first that has it
//! decides, and with it goes what it could not be used with.

mod example;
mod file;
pub(super) mod held;
mod setting;
mod shown;
mod syntax;
mod toml_text;
mod variables;

pub use shown::Shown;

use super::argv::Given;
use crate::fault::escape_hidden;
use clap::{Arg, Command};
use held::Held;
use setting::{Setting, is_additive};
use std::ffi::OsString;
use std::path::PathBuf;

/// What is around the program, beside its command line.
#[derive(Debug, Default)]
pub struct Around {
    /// Environment variables that begin with `RINGPULL_`, and are not empty.
    variables: Vec<(String, OsString)>,
    /// The config file of the user, which need not be there.
    file: Option<PathBuf>,
}

impl Around {
    /// Asks the environment.
    #[must_use]
    pub fn ask() -> Self {
        let path = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        // A path that is not absolute does not count (XDG Base Directory Specification).
        let folder = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
        Self {
            variables: variables::ask(),
            file: folder.map(|folder| folder.join("ringpull/config.toml")),
        }
    }
}

/// Asks the config file and the environment; `given` is what was typed. `config` is the file of
/// the command line; `is_off` says that nothing else counts.
///
/// # Errors
/// What is wrong with a file or a variable, where it stands, and what would be right.
pub(super) fn held(
    command: &Command,
    around: &Around,
    given: &[Given],
    config: (Option<PathBuf>, bool),
) -> Result<Held, String> {
    // Keys, paths and the names of variables are what others wrote.
    let readable = |text: String| escape_hidden(&text).into_owned();
    let mut held = asked(command, around, given, config).map_err(readable)?;
    held.warnings = held.warnings.into_iter().map(readable).collect();
    Ok(held)
}

fn asked(
    command: &Command,
    around: &Around,
    given: &[Given],
    (config, is_off): (Option<PathBuf>, bool),
) -> Result<Held, String> {
    let (mut variables, mut warnings, mut named) = (Vec::new(), Vec::new(), config);
    let (mut is_users, mut is_file_of_variable) = (false, false);
    if !is_off {
        let read = variables::read(command, &around.variables)?;
        (variables, warnings) = (read.settings, read.warnings);
        is_file_of_variable = named.is_none() && read.config.is_some();
        named = named.or(read.config);
        is_users = named.is_none();
        named = named.or_else(|| around.file.clone());
    }
    let (mut of_file, mut file) = (Vec::new(), None);
    // An empty variable says that there is none.
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        let read = file::read(command, &path, is_users)?;
        file = Some((path, read.is_some()));
        if let Some(read) = read {
            of_file = read.settings;
            warnings.extend(read.warning);
        }
    }
    let mut taken = Taken::new(command, given);
    let variables = taken.pick(variables)?;
    let of_file = taken.pick(of_file)?;
    let mut settings: Vec<Setting> = of_file.into_iter().chain(variables).collect();
    settings.retain(|setting| taken.has_needs(setting));
    let off = given.iter().filter(|given| !given.is_on).map(|given| given.id.clone());
    Ok(Held { settings, file, is_file_of_variable, off: off.collect(), warnings })
}

/// What the places before have said.
struct Taken<'a> {
    command: &'a Command,
    /// The ids of all options that were given, and whether they hold.
    given: Vec<Given>,
}

impl<'a> Taken<'a> {
    fn new(command: &'a Command, given: &[Given]) -> Self {
        Self { command, given: given.to_vec() }
    }

    /// Settings of one place that the places before leave anything to say.
    ///
    /// # Errors
    /// Two of them cannot be used together.
    fn pick(&mut self, settings: Vec<Setting>) -> Result<Vec<Setting>, String> {
        let is_free = |setting: &Setting| {
            let arg = self.arg(&setting.id);
            let is_taken = self.given.iter().any(|given| given.id == setting.id);
            let is_beaten = |given: &Given| given.is_on && self.is_rival(&given.id, &setting.id);
            (arg.is_some_and(is_additive) || !is_taken)
                && !(setting.is_on() && self.given.iter().any(is_beaten))
        };
        let picked: Vec<Setting> = settings.into_iter().filter(is_free).collect();
        for (at, setting) in picked.iter().enumerate() {
            let is_against = |other: &&Setting| {
                setting.is_on() && other.is_on() && self.is_conflict(&setting.id, &other.id)
            };
            if let Some(other) = picked[..at].iter().find(is_against) {
                return Err(format!(
                    "{}: cannot use `{}` together with `{}` ({})",
                    setting.place, setting.name, other.name, other.place
                ));
            }
        }
        let given = picked.iter().map(|own| Given { id: own.id.clone(), is_on: own.is_on() });
        self.given.extend(given.collect::<Vec<_>>());
        Ok(picked)
    }

    /// Whether the first, which was said in a higher place, leaves the second nothing to say.
    fn is_rival(&self, above: &str, below: &str) -> bool {
        self.is_conflict(above, below) || RIVALS.contains(&(above, below))
    }

    /// Whether two options cannot be used together.
    fn is_conflict(&self, one: &str, other: &str) -> bool {
        let has = |one: &str, other: &str| {
            let conflicts = self.arg(one).map(|arg| self.command.get_arg_conflicts_with(arg));
            conflicts.is_some_and(|found| found.iter().any(|arg| arg.get_id() == other))
        };
        has(one, other) || has(other, one)
    }

    /// Whether something of what the option says more about was given.
    fn has_needs(&self, setting: &Setting) -> bool {
        let is_given = |id: &&str| self.given.iter().any(|given| given.id == *id && given.is_on);
        let needs = NEEDS.iter().find(|(id, _)| *id == setting.id);
        needs.is_none_or(|(_, needs)| !setting.is_on() || needs.iter().any(is_given))
    }

    fn arg(&self, id: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|arg| arg.get_id() == id)
    }
}

/// What a place above says, and what has nothing to say below it: beside what clap knows.
const RIVALS: [(&str, &str); 10] = [
    ("timeout", "connect_timeout"),
    ("timeout", "read_timeout"),
    ("timeout", "dns_timeout"),
    ("quiet", "progress"),
    ("output_format", "discard"),
    ("output_format", "no_clobber"),
    ("output_format", "on_conflict"),
    ("output_format", "content_disposition"),
    ("timestamping", "no_clobber"),
    ("no_clobber", "timestamping"),
];

/// What says more about another option, and has no effect without it.
const NEEDS: [(&str, &[&str]); 10] = [
    ("report_format", &["report"]),
    ("retry_failed", &["report"]),
    ("keep_cols", &["report", "write_out", "dry_run", "output_format"]),
    ("key_file", &["cert_file"]),
    ("pipeline_after", &["pipeline"]),
    ("shard_files", &["output_format"]),
    ("shard_bytes", &["output_format"]),
    ("shard_name", &["output_format"]),
    ("shard_parquet", &["output_format"]),
    ("caption_col", &["output_format"]),
];

#[cfg(test)]
mod tests;
