//! A report that somebody deletes, moves or replaces while its run goes on: rows still go into the
//! file that was opened, and nobody would find them.

use super::super::progress::say;
use super::Opened;
use crate::config::Config;
use crate::error::RunError;
use crate::ring::journal::{Place, place, recover};
use anyhow::Context as _;
use std::fs::File;
use std::path::PathBuf;

/// The report and where it is to be.
pub(in super::super) struct Watched {
    report: File,
    path: PathBuf,
    is_told: bool,
}

impl Watched {
    /// Takes another descriptor of the report, where there is one that is a file.
    pub(in super::super) fn of(
        config: &Config,
        opened: Option<&Opened>,
    ) -> anyhow::Result<Option<Self>> {
        let opened = opened.filter(|opened| opened.token().is_some());
        let (Some(report), Some(opened)) = (&config.report, opened) else { return Ok(None) };
        let path = report.path.clone();
        let report = opened.file.try_clone().context("cannot open the report twice")?;
        Ok(Some(Self { report, path, is_told: false }))
    }

    /// Looks while the run goes on, and warns once.
    pub(in super::super) fn look(&mut self) {
        if self.is_told {
            return;
        }
        let path = self.path.display();
        let what = match place(&self.report, &self.path) {
            Place::Here => return,
            Place::Elsewhere(found) => format!("is in {} by now", found.display()),
            Place::Nowhere => "was deleted; what it has is written again when the run ends".into(),
        };
        say(&format!("warning: the report {path} {what}"));
        self.is_told = true;
    }

    /// All rows are written: they must be where they are looked for, or it is said where they are.
    ///
    /// # Errors
    /// The report is not where it was opened.
    pub(in super::super) fn finish(self) -> anyhow::Result<()> {
        let path = self.path.display();
        let text = match place(&self.report, &self.path) {
            Place::Here => return Ok(()),
            Place::Elsewhere(found) => format!(
                "the report {path} was moved while the run went on: its rows are in {}",
                found.display()
            ),
            Place::Nowhere => match recover(&self.report, &self.path) {
                Ok(copy) => format!(
                    "the report {path} was deleted while the run went on: its rows are in {copy}; \
                     to go on, rename that to {path} and give the same command",
                    copy = copy.display()
                ),
                Err(error) => format!(
                    "the report {path} was deleted while the run went on, and its rows cannot be \
                     written again: {error}"
                ),
            },
        };
        Err(RunError::local_file(text).into())
    }
}
