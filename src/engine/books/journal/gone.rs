//! A report that somebody deletes, moves, replaces or cuts short while its run goes on: rows still
//! go into the file that was opened, and nobody would find them.

use super::Opened;
use crate::config::Config;
use crate::engine::say::say;
use crate::error::RunError;
use crate::ring::journal::{Place, place, recover};
use anyhow::Context as _;
use std::fs::File;
use std::path::PathBuf;

/// The report and where it is to be.
pub(crate) struct Watched {
    report: File,
    path: PathBuf,
    is_told: bool,
    /// Greatest length of the report so far, in bytes; a run only adds to it.
    len_max: u64,
}

impl Watched {
    /// Takes another descriptor of the report, where there is one that is a file.
    pub(crate) fn of(config: &Config, opened: Option<&Opened>) -> anyhow::Result<Option<Self>> {
        let opened = opened.filter(|opened| opened.token().is_some());
        let (Some(report), Some(opened)) = (&config.report, opened) else { return Ok(None) };
        let path = report.path.clone();
        let report = opened.file.try_clone().context("cannot open the report twice")?;
        let len_max = report.metadata().context("cannot look at the report")?.len();
        Ok(Some(Self { report, path, is_told: false, len_max }))
    }

    /// Looks while the run goes on, and warns once.
    pub(crate) fn look(&mut self) {
        if self.is_told {
            return;
        }
        let is_cut = self.is_cut();
        let path = self.path.display();
        let what = match place(&self.report, &self.path) {
            Place::Here if is_cut => "was cut short: rows of it are lost".into(),
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
    /// The report is not where it was opened, or has lost rows.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let is_cut = self.is_cut();
        let path = self.path.display();
        let text = match place(&self.report, &self.path) {
            Place::Here if is_cut => format!(
                "the report {path} was cut short while the run went on: rows of it are lost, and \
                 it cannot be continued"
            ),
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

    /// Whether it is shorter than it was, now or at a look before.
    fn is_cut(&mut self) -> bool {
        // What cannot be looked at is not known to be shorter.
        let len = self.report.metadata().map_or(self.len_max, |metadata| metadata.len());
        let is_cut = len < self.len_max;
        // Once it was cut it stays so, however much is added.
        self.len_max = if is_cut { u64::MAX } else { self.len_max.max(len) };
        is_cut
    }
}
