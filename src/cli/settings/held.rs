//! What of a config file and the environment holds for a run.

use super::setting::Setting;
use crate::error::RunError;
use crate::fault::escape_hidden;
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of config files and variables that hold.
#[derive(Clone, Default)]
pub struct Held {
    /// In the order in which clap reads them.
    pub(super) settings: Vec<Setting>,
    /// The config file, where one was looked for, and whether it was there.
    pub(super) file: Option<(PathBuf, bool)>,
    /// Whether a variable names it.
    pub(super) is_file_of_variable: bool,
    /// Switches that the command line puts off.
    pub(super) off: Vec<String>,
    /// What the user must be told.
    pub(super) warnings: Vec<String>,
}

impl Held {
    /// Whether a switch was put off on the command line.
    pub(super) fn is_put_off(&self, id: &str) -> bool {
        self.off.iter().any(|off| off == id)
    }

    /// What clap reads behind the name of the program.
    pub(in crate::cli) fn words(&self) -> impl Iterator<Item = OsString> {
        self.settings.iter().flat_map(|setting| setting.words.clone())
    }

    /// What the user must be told.
    pub(in crate::cli) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Says of the options that a refusal names where they stand, if not on the command line.
    pub(in crate::cli) fn located(&self, error: anyhow::Error) -> anyhow::Error {
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
                let told = format!("{text} ({})", escape_hidden(&named.join(", ")));
                anyhow::Error::new(RunError { status: own.status, what: told })
            }
            _ => error,
        }
    }
}
