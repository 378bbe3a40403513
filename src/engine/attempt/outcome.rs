//! What one request came to, one attempt, and in the end a job.

use crate::engine::output::stored::{Obstacle, Stored};
use crate::fault::{Cause, Fault, Stage};
use crate::http::RetryAfter;
use crate::plan::target::Target;
use crate::plan::verdict::Instead;
use crate::report::Status;

/// What an attempt came to.
pub(crate) enum Outcome {
    /// The whole body is where it belongs.
    Done(Stored),
    /// The file was there.
    Skipped,
    /// The site asks robots to leave it alone, in the way that the fault says.
    Refused(Fault),
    /// Another job asks for the robots.txt of its origin.
    Waiting,
    /// The job goes on there.
    Redirect(Target),
    /// What came from several sources is not the file: the job goes on at one of them.
    Mixed,
    /// Nothing of its body is left to this task: others are at what is missing.
    Left,
    /// The addresses of its host are not known any more: nothing was sent to anybody.
    Unresolved,
    /// The attempt failed, with what the server said about trying again.
    Failed(Fault, Option<RetryAfter>),
}

/// What one request of an attempt came to.
pub(crate) enum Came {
    /// The attempt is over, and came to this.
    Over(Outcome),
    /// A range of its body is there, or was not to be had: the attempt goes on with another.
    Range,
}

impl From<Outcome> for Came {
    fn from(outcome: Outcome) -> Self {
        Self::Over(outcome)
    }
}

impl From<Fault> for Came {
    fn from(fault: Fault) -> Self {
        Self::Over(fault.into())
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault, None)
    }
}

impl From<Obstacle> for Outcome {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Kept => Self::Skipped,
            Obstacle::Fault(fault) => fault.into(),
        }
    }
}

impl From<Instead> for Outcome {
    fn from(instead: Instead) -> Self {
        match instead {
            Instead::Redirect(target) => Self::Redirect(target),
            Instead::Refused(fault) => Self::Refused(fault),
            Instead::NotModified => Self::Skipped,
            Instead::NotRange { .. } => Fault::new(Stage::Head, Cause::Status(416)).into(),
            Instead::BadPart(fault, _) => fault.into(),
            Instead::Failed(fault, retry_after) => Self::Failed(fault, retry_after),
        }
    }
}

/// How a job ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The whole body is where it belongs.
    Done(Stored),
    /// The file was there and nothing was asked for.
    Skipped,
    /// The site asks robots to leave it alone, in the way that the fault says.
    Refused(Fault),
    /// The job failed.
    Failed(Fault),
}

impl End {
    /// The column `status` of the row.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Done(_) => Status::Ok,
            Self::Skipped | Self::Refused(_) => Status::Skipped,
            Self::Failed(fault) if fault.cause == Cause::Interrupted => Status::Cancelled,
            Self::Failed(_) => Status::Failed,
        }
    }

    /// Why it was not done.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Done(_) | Self::Skipped => None,
            Self::Refused(fault) | Self::Failed(fault) => Some(fault),
        }
    }

    /// What came of its body.
    pub(crate) fn stored(&self) -> Option<&Stored> {
        match self {
            Self::Done(stored) => Some(stored),
            Self::Skipped | Self::Refused(_) | Self::Failed(_) => None,
        }
    }
}
