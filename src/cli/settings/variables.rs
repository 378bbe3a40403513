//! `RINGPULL_` and the long name of an option in capitals, with `_` for `-`: what the environment
//! says of it.

use super::example::{assignment, beside};
use super::setting::{Place, Setting, Value, is_additive, is_optional, options};
use crate::cli::nearest::nearest;
use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// What the variables say.
#[derive(Default)]
pub(super) struct Variables {
    pub(super) settings: Vec<Setting>,
    /// The config file; an empty path for none.
    pub(super) config: Option<PathBuf>,
    /// Names that are probably slips.
    pub(super) warnings: Vec<String>,
}

/// The variables of the environment that begin so, in the order of their names. An empty one is as
/// good as none, but for that of the config file.
pub(super) fn ask() -> Vec<(String, OsString)> {
    let own = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        (name == CONFIG || !value.is_empty()).then_some((name, value))
    });
    let mut variables: Vec<_> = own.collect();
    variables.sort();
    variables
}

/// Understands them.
///
/// # Errors
/// The variable, and what would be right.
pub(super) fn read(
    command: &Command,
    variables: &[(String, OsString)],
) -> Result<Variables, String> {
    let mut read = Variables::default();
    if variables.is_empty() {
        return Ok(read);
    }
    let known: Vec<(String, &Arg)> = options(command).map(|arg| (variable(arg), arg)).collect();
    for (name, value) in variables {
        if name == CONFIG {
            read.config = Some(PathBuf::from(value));
        } else if name == NO_CONFIG {
            return Err(format!(
                "{name}: cannot be said by a variable, which --no-config leaves out: to read no \
                 file, set {CONFIG} to nothing"
            ));
        } else if let Some((_, arg)) = known.iter().find(|(known, _)| known == name) {
            let place = Place::Variable(name.clone());
            let value = understood(arg, value);
            let setting = Setting::new(arg, value, place);
            let told = |problem: String| format!("{name}: {}", beside(&problem, &assignment(arg)));
            read.settings.push(setting.map_err(told)?);
        } else if !is_of_others(name) {
            let names = known.iter().filter(|(_, arg)| !arg.is_hide_set());
            let near = nearest(name, names.map(|(known, _)| known.as_str()));
            // Most of a name is the prefix, in which nobody is mistaken.
            let is_near = |near: &&str| {
                nearest(&name[PREFIX.len()..], [&near[PREFIX.len()..]].into_iter()).is_some()
            };
            read.warnings.extend(near.filter(is_near).map(|near| {
                format!("{name} of the environment is no option; did you mean {near}?")
            }));
        }
    }
    Ok(read)
}

/// The variable of an option.
pub(super) fn variable(arg: &Arg) -> String {
    let name = arg.get_long().unwrap_or_default();
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace(['-', '.'], "_"))
}

fn understood(arg: &Arg, value: &OsStr) -> Value {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    match value.as_bytes() {
        b"true" if is_switch || is_optional(arg) => Value::Bool(true),
        b"false" if is_switch || is_optional(arg) => Value::Bool(false),
        b"1" if is_switch => Value::Bool(true),
        b"0" if is_switch => Value::Bool(false),
        b"1" | b"0" if is_optional(arg) && !is_value(arg, value) => Value::Bool(value == "1"),
        bytes if is_additive(arg) => {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            Value::List(lines.map(|line| OsStr::from_bytes(line).to_owned()).collect())
        }
        _ => Value::Text(value.to_owned()),
    }
}

/// Whether the option takes this value.
fn is_value(arg: &Arg, value: &OsStr) -> bool {
    Setting::new(arg, Value::Text(value.to_owned()), Place::Variable(String::new())).is_ok()
}

/// Whether a variable has a meaning elsewhere: for the tests and scripts of this program, or as
/// Kubernetes makes them of a service with this name.
fn is_of_others(name: &str) -> bool {
    let name = &name[PREFIX.len()..];
    ["OLD", "SCRIPTS", "SEED", "SHIM", "PORT"].contains(&name)
        || ["BENCH_", "FUZZ_", "POWER_", "SHIM_", "TEST_", "PORT_", "SERVICE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

const PREFIX: &str = "RINGPULL_";
const CONFIG: &str = "RINGPULL_CONFIG";
const NO_CONFIG: &str = "RINGPULL_NO_CONFIG";
