//! One option of a config file or a variable: its value, checked, and where it stands.

use super::example;
use clap::builder::ValueRange;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::num::ParseIntError;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Where a setting stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
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
pub(super) struct Setting {
    /// clap's id.
    pub(super) id: String,
    /// The long name, without dashes.
    pub(super) name: String,
    /// What clap is to read. Nothing for a switch that is off.
    pub(super) words: Vec<OsString>,
    pub(super) place: Place,
}

/// What a place says of an option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Text(OsString),
    List(Vec<OsString>),
}

impl Setting {
    /// Checks the value.
    ///
    /// # Errors
    /// What would be right. It repeats no value, which may be secret.
    pub(super) fn new(arg: &Arg, value: Value, place: Place) -> Result<Self, String> {
        let name = arg.get_long().unwrap_or_default();
        let words = words(arg, name, value)?;
        check(arg, name, &words)?;
        Ok(Self { id: arg.get_id().to_string(), name: name.to_owned(), words, place })
    }

    /// Whether there is anything to read.
    pub(super) fn is_on(&self) -> bool {
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
    let is_switch = example::is_switch(arg);
    match value {
        Value::Bool(is_on) if is_switch => Ok(is_on.then(bare).into_iter().collect()),
        _ if is_switch => Err(example::takes(arg)),
        Value::Bool(is_on) if is_word(if is_on { "true" } else { "false" }) => {
            Ok(vec![word(OsStr::new(if is_on { "true" } else { "false" }))])
        }
        Value::Bool(is_on) if is_optional(arg) => Ok(is_on.then(bare).into_iter().collect()),
        Value::Bool(_) => Err(example::takes(arg)),
        Value::Text(text) => Ok(vec![word(&text)]),
        Value::List(texts) if is_additive(arg) => Ok(texts.iter().map(|text| word(text)).collect()),
        Value::List(texts) => match arg.get_value_delimiter() {
            Some(delimiter) => {
                Ok(vec![word(&texts.join(OsStr::new(delimiter.encode_utf8(&mut [0; 4]))))])
            }
            None if LISTS.contains(&name) => {
                Err("write its values in one text, with commas between them".to_owned())
            }
            None => Err("it takes one value, not several".to_owned()),
        },
    }
}

/// What clap says of a number that is out of its bounds, in words; other problems have some.
fn in_words(problem: &str) -> String {
    let bounds = problem.split_once(" is not in ").and_then(|(_, range)| range.split_once("..="));
    match bounds {
        Some((least, most)) => format!("write a number from {least} to {most}"),
        None => problem.to_owned(),
    }
}

/// Whether the option may stand without a value, and is no switch.
pub(super) fn is_optional(arg: &Arg) -> bool {
    let count = arg.get_num_args();
    count.is_some_and(|count| count.min_values() == 0 && count.max_values() > 0)
}

/// Whether the option adds up when it is given several times: its help says Repeatable.
pub(super) fn is_additive(arg: &Arg) -> bool {
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
    if error.kind() == ErrorKind::InvalidUtf8 {
        return Err("its value is not valid UTF-8".to_owned());
    }
    match std::error::Error::source(&error) {
        Some(problem) if problem.is::<ParseIntError>() => {
            return Err("write a whole number".to_owned());
        }
        Some(problem) => return Err(in_words(&problem.to_string())),
        None => {}
    }
    Err(example::takes(arg))
}

/// Options whose one value has several parts.
const LISTS: [&str; 2] = ["keep-cols", "cpus"];

/// What a config file and variables may say of an option.
pub(super) fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_ours = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    command.get_arguments().filter(|arg| arg.get_long().is_some()).filter(is_ours)
}
