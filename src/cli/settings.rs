//! Options of config files and of environment variables: they become words that clap reads before
//! those of the command line, as far as these leave them anything to say.
//!
//! The command line goes before the environment, that before the file. What may be given several
//! times is joined, as by cargo: that of the file first. For anything else the first that has it
//! decides, and with it goes what it could not be used with.

mod file;
mod shown;
mod variables;

pub use shown::Shown;

use super::argv::Given;
use super::secrets;
use crate::error::RunError;
use clap::builder::ValueRange;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::num::ParseIntError;
use std::os::unix::ffi::OsStrExt as _;
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

/// Where a setting stands.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    File { path: PathBuf, line: usize },
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
        }
    }
}

/// One option of a config file or an environment variable.
#[derive(Clone)]
struct Setting {
    /// clap's id.
    id: String,
    /// The long name, without dashes.
    name: String,
    /// What clap is to read. Nothing for a switch that is off.
    words: Vec<OsString>,
    place: Place,
}

/// What a place says of an option.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Value {
    Bool(bool),
    Text(OsString),
    List(Vec<OsString>),
}

impl Setting {
    /// Checks the value.
    ///
    /// # Errors
    /// What would be right. It repeats no value, which may be secret.
    fn new(arg: &Arg, value: Value, place: Place) -> Result<Self, String> {
        let name = arg.get_long().unwrap_or_default();
        let words = words(arg, name, value)?;
        check(arg, name, &words)?;
        Ok(Self { id: arg.get_id().to_string(), name: name.to_owned(), words, place })
    }

    /// Whether there is anything to read.
    fn is_on(&self) -> bool {
        !self.words.is_empty()
    }
}

fn words(arg: &Arg, name: &str, value: Value) -> Result<Vec<OsString>, String> {
    let bare = || OsString::from(format!("--{name}"));
    let word = |text: &OsStr| {
        let mut word = OsString::from(format!("--{name}="));
        word.push(text);
        word
    };
    let is_word = |text: &str| {
        let values = arg.get_possible_values();
        values.iter().any(|value| value.get_name() == text)
    };
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    match value {
        Value::Bool(is_on) if is_switch => Ok(is_on.then(bare).into_iter().collect()),
        _ if is_switch => Err("write true or false".to_owned()),
        Value::Bool(is_on) if is_word(if is_on { "true" } else { "false" }) => {
            Ok(vec![word(OsStr::new(if is_on { "true" } else { "false" }))])
        }
        Value::Bool(is_on) if is_optional(arg) => Ok(is_on.then(bare).into_iter().collect()),
        Value::Bool(_) => Err(format!("write a value, {}", value_name(arg))),
        Value::Text(text) => Ok(vec![word(&text)]),
        Value::List(texts) if is_additive(arg) => Ok(texts.iter().map(|text| word(text)).collect()),
        Value::List(texts) => match arg.get_value_delimiter() {
            Some(delimiter) => {
                Ok(vec![word(&texts.join(OsStr::new(delimiter.encode_utf8(&mut [0; 4]))))])
            }
            None => Err(format!("write one value, {}, not several", value_name(arg))),
        },
    }
}

/// `N`, `BYTES` and the like.
fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Whether the option may stand without a value, and is no switch.
fn is_optional(arg: &Arg) -> bool {
    let count = arg.get_num_args();
    count.is_some_and(|count| count.min_values() == 0 && count.max_values() > 0)
}

/// Whether the option adds up when it is given several times: its help says Repeatable.
fn is_additive(arg: &Arg) -> bool {
    let is_last_only = arg.get_id() == "users";
    matches!(arg.get_action(), ArgAction::Append)
        && arg.get_value_delimiter().is_none()
        && !is_last_only
}

/// Has clap read the words of one option alone, apart from what it needs and what it forbids.
fn check(arg: &Arg, name: &str, words: &[OsString]) -> Result<(), String> {
    let mut own = Arg::new("own").long("own").action(arg.get_action().clone());
    own = own.value_parser(arg.get_value_parser().clone()).require_equals(true);
    own = own.num_args(arg.get_num_args().unwrap_or(ValueRange::SINGLE));
    if let Some(delimiter) = arg.get_value_delimiter() {
        own = own.value_delimiter(delimiter);
    }
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(());
    }
    let command = Command::new("ringpull").no_binary_name(true).arg(own);
    let own = |word: &OsString| {
        let mut own = OsString::from("--own");
        own.push(OsStr::from_bytes(&word.as_bytes()[2 + name.len()..]));
        own
    };
    let words = words.iter().map(own);
    let Err(error) = command.try_get_matches_from(words) else { return Ok(()) };
    match std::error::Error::source(&error) {
        Some(problem) if problem.is::<ParseIntError>() => {
            return Err("write a whole number".to_owned());
        }
        Some(problem) => return Err(problem.to_string()),
        None => {}
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
            Err(format!("use one of {}", valid.join(", ")))
        }
        _ => Err(format!("write a value, {}", value_name(arg))),
    }
}

/// Options of config files and variables that hold.
#[derive(Clone, Default)]
pub struct Held {
    /// In the order in which clap reads them.
    settings: Vec<Setting>,
    /// The config file, where one was looked for, and whether it was there.
    file: Option<(PathBuf, bool)>,
    /// Whether a variable names it.
    is_file_of_variable: bool,
    /// Switches that the command line puts off.
    off: Vec<String>,
    /// What the user must be told.
    warnings: Vec<String>,
}

impl Held {
    /// Asks the config file and the environment; `given` is what was typed. `config` is the file of
    /// the command line; `is_off` says that nothing else counts.
    ///
    /// # Errors
    /// What is wrong with a file or a variable, where it stands, and what would be right.
    pub(super) fn new(
        command: &Command,
        around: &Around,
        given: &[Given],
        (config, is_off): (Option<PathBuf>, bool),
    ) -> Result<Self, String> {
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
        Ok(Self { settings, file, is_file_of_variable, off: off.collect(), warnings })
    }

    /// Whether a switch was put off on the command line.
    fn is_put_off(&self, id: &str) -> bool {
        self.off.iter().any(|off| off == id)
    }

    /// What clap reads behind the name of the program.
    pub(super) fn words(&self) -> impl Iterator<Item = OsString> {
        self.settings.iter().flat_map(|setting| setting.words.clone())
    }

    /// What the user must be told.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Says of the options that a refusal names where they stand, if not on the command line.
    pub(super) fn located(&self, error: anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}");
        let is_named = |setting: &&Setting| {
            let flag = format!("--{}", setting.name);
            let ends = text.match_indices(&flag).map(|(at, flag)| &text[at + flag.len()..]);
            let is_part = |rest: &str| rest.starts_with(|c: char| c == '-' || c.is_alphanumeric());
            ends.into_iter().any(|rest| !is_part(rest))
        };
        let named = self.settings.iter().filter(is_named);
        let named = named.map(|setting| format!("--{} is of {}", setting.name, setting.place));
        match (error.downcast_ref::<RunError>(), named.collect::<Vec<_>>()) {
            (Some(own), named) if !named.is_empty() => {
                let told = format!("{text} ({})", named.join(", "));
                anyhow::Error::new(RunError { status: own.status, what: told })
            }
            _ => error,
        }
    }
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

    /// Those settings of one place that the places before leave anything to say.
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
        needs.is_none_or(|(_, needs)| !setting.is_on() || needs.iter().any(|id| is_given(&id)))
    }

    fn arg(&self, id: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|arg| arg.get_id() == id)
    }
}

/// What a config file and variables may say of an option.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_ours = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    command.get_arguments().filter(|arg| arg.get_long().is_some()).filter(is_ours)
}

/// Whether nobody else may see a value of this option.
fn is_secret(name: &str) -> bool {
    secrets::is_secret(&format!("--{name}"))
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
