//! Receivers: what takes the body of an answer.

use crate::engine::attempt::file_name::FileName;
use crate::engine::attempt::hops::Hops;
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::outcome::{Came, Outcome};
use crate::engine::attempt::proof::Mirroring;
use crate::engine::attempt::team::{Enlist, Team};
use crate::engine::output::body::Body;
use crate::engine::output::destination::Output;
use crate::engine::output::flow::Flow;
use crate::engine::output::partial::{Claim, Told};
use crate::engine::output::stored::Obstacle;
use crate::fault::{Cause, Fault, Stage, WrongDigest};
use crate::http::Head;
use crate::plan::checksum::Mismatch;
use crate::plan::job::Job;
use crate::plan::validator::Validator;
use crate::plan::verdict::{Answer, Ask, Instead};
use crate::ring::buf::RecvBuf;
use crate::ring::dir::Dir;
use std::sync::Arc;
use std::time::Instant;

/// What an answer is for.
#[allow(clippy::large_enum_variant, reason = "most are for a job, and there is one at a time")]
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
    /// What there is of a long body, and who fills it.
    pub(crate) team: &'r mut Option<Arc<Team>>,
    /// What came of a body that goes to no file.
    pub(crate) flow: &'r mut Option<Box<Flow>>,
    /// What a row tells of a body that was given up, or of what came of one that goes to no file
    /// before the last response.
    pub(crate) told: &'r mut Told,
    /// Whether this is a task beside the job.
    pub(crate) is_helper: bool,
    /// What is known where it is at another source than that of the version.
    pub(crate) mirroring: &'r mut Mirroring,
    /// Whether the user asks for a range: then none is asked for beside it.
    pub(crate) has_own_range: bool,
    pub(crate) hops: &'r Hops,
    /// When the job began.
    pub(crate) began: Instant,
    /// When the job is over in any case, in milliseconds of the run.
    pub(crate) job_at_ms: u64,
    /// Seeks helpers.
    pub(crate) enlist: Enlist<'r>,
    /// The range that is asked for, with what it must be a range of.
    pub(crate) wanted: Option<WantedRange>,
}

/// A range of a body that is asked for.
pub(crate) struct WantedRange {
    /// The part of the body that it is; nothing where its first byte is to tell whether a source
    /// has the file.
    pub(crate) claim: Option<Claim>,
    /// The version that it is to be a range of.
    pub(crate) validator: Arc<Validator>,
    /// Length of the whole, where that is known.
    pub(crate) complete: Option<u64>,
    /// Whether it is taken although nothing says that it is of that version.
    pub(crate) takes_unvouched: bool,
}

impl<'r> Receiver<'r> {
    /// The job of a receiver that has one.
    pub(crate) fn file(&mut self) -> &mut FileReceiver<'r> {
        let Self::File(file) = self else { unreachable!("it is about a file") };
        file
    }

    /// What is wanted, for the verdict on a head.
    pub(crate) fn ask(&self) -> Ask<'_> {
        match self {
            Self::File(FileReceiver { is_conditional: true, .. }) => Ask::FileIfChanged,
            Self::File(file) => file.part_ask().map_or(Ask::File, Ask::Part),
            Self::Text { bytes_max, .. } => Ask::Text { bytes_max: *bytes_max },
        }
    }

    /// Where the body of an answer goes. A coding of it is undone where it `is_coded`.
    ///
    /// # Errors
    /// What comes of an answer that is not what was asked for, or that cannot be stored.
    pub(crate) fn begin<'b>(
        &mut self,
        kit: &'b Kit,
        head: &Head,
        answer: Result<Answer, Instead>,
        is_coded: bool,
    ) -> Result<Body<'b>, Came>
    where
        'r: 'b,
    {
        let answer = match (answer, &mut *self) {
            (Ok(answer), _) => answer,
            (Err(instead), Self::File(file)) => return Err(file.instead(instead)),
            (Err(instead), Self::Text { .. }) => return Err(Outcome::from(instead).into()),
        };
        self.accept(head, &kit.dir)?;
        match self {
            Self::File(file) => file.body(kit, (head, answer), is_coded),
            Self::Text { bytes_max, .. } => {
                let body = Body::text(*bytes_max);
                Ok(if is_coded { body.decoding(&kit.buffers) } else { body })
            }
        }
    }

    /// Takes what a good head says: a file may get the name that the server proposes, if nothing
    /// stands in the way of that.
    fn accept(&mut self, head: &Head, dir: &Dir) -> Result<(), Outcome> {
        let Self::File(FileReceiver { output, job, name, is_helper, .. }) = self else {
            return Ok(());
        };
        if *is_helper {
            return Ok(());
        }
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

    /// Stores a body that has come to its end, the last of it in `buf`, after a response with this
    /// head where there was one.
    pub(crate) async fn store(
        &mut self,
        body: &mut Body<'_>,
        buf: &mut RecvBuf,
        head: Option<&Head>,
    ) -> Result<Outcome, Fault> {
        body.conclude(buf).await?.map_err(|mismatch| self.wrong_digest(&mismatch))?;
        body.set_stamp(self.output.stamp(self.job, head));
        match body.finish(buf, self.path()).await {
            Ok(stored) => Ok(Outcome::Done(stored)),
            Err(Obstacle::Kept) => Ok(Outcome::Skipped),
            Err(Obstacle::Fault(fault)) => Err(fault),
        }
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
