//! Receivers: what takes the body of an answer.

use crate::engine::attempt::file_name::FileName;
use crate::engine::attempt::outcome::Outcome;
use crate::engine::output::destination::Output;
use crate::fault::{Cause, Fault, Stage, WrongDigest};
use crate::http::Head;
use crate::plan::checksum::Mismatch;
use crate::plan::job::Job;
use crate::plan::verdict::Ask;
use crate::ring::dir::Dir;

/// What an answer is for.
pub(crate) enum Receiver<'r> {
    /// The file of a job.
    File(FileReceiver<'r>),
    /// A short text.
    Text {
        /// Bytes of it that are kept, the first ones.
        bytes_max: usize,
        /// The text that came.
        text: &'r mut Vec<u8>,
    },
}

/// A job whose file is wanted.
pub(crate) struct FileReceiver<'r> {
    pub(crate) output: &'r Output,
    pub(crate) job: &'r Job,
    /// Path of its file beneath the directory of the run, whatever a server proposes.
    pub(crate) planned: &'r str,
    pub(crate) name: &'r mut FileName,
    /// What the last body was that was not the one asked for.
    pub(crate) wrong: &'r mut Option<Box<Mismatch>>,
    /// Whether it is asked for only if it is not the one that is here.
    pub(crate) is_conditional: bool,
}

impl Receiver<'_> {
    /// What is wanted, for the verdict on a head.
    pub(crate) fn ask(&self) -> Ask<'_> {
        match self {
            Self::File(FileReceiver { is_conditional: true, .. }) => Ask::FileIfChanged,
            Self::File(_) => Ask::File,
            Self::Text { bytes_max, .. } => Ask::Text { bytes_max: *bytes_max },
        }
    }

    /// Takes what a good head says: a file may get the name that the server proposes, if nothing
    /// stands in the way of that.
    pub(crate) fn accept(&mut self, head: &Head, dir: &Dir) -> Result<(), Outcome> {
        let Self::File(FileReceiver { output, job, name, .. }) = self else { return Ok(()) };
        let Some(path) = output.proposal(dir, job, head) else { return Ok(()) };
        name.propose(path, |path| output.names.claim(Some(dir), path, job.index));
        let path = name.proposed().unwrap_or_default();
        Ok(output.check(dir, path, job.index)?)
    }

    /// Forgets what a response said that was not the answer.
    pub(crate) fn forget_response(&mut self) {
        match self {
            Self::File(file) => file.name.forget(),
            Self::Text { text, .. } => text.clear(),
        }
    }
}

impl FileReceiver<'_> {
    /// Path of the file beneath the directory of the run.
    pub(crate) fn path(&self) -> &str {
        self.name.proposed().unwrap_or(self.planned)
    }

    /// The fault of a response that brought another file than the list asks for.
    pub(crate) fn wrong_digest(&mut self, mismatch: &Mismatch) -> Fault {
        let before = self.wrong.replace(Box::new(mismatch.clone()));
        let wrong = match before {
            Some(before) if *before == *mismatch => WrongDigest::Again,
            Some(_) | None => WrongDigest::First,
        };
        Fault::new(Stage::Body, Cause::Checksum(wrong)).with_detail(mismatch)
    }
}
