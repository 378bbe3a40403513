//! Further URLs of the file of one job.

use super::left_out::LeftOut;
use crate::fault::InputProblem;
use crate::limits::MIRRORS_MAX;
use crate::plan::target::Target;

/// The mirrors of one job while they are read, best first.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    targets: Vec<Target>,
    left_out: LeftOut,
}

impl Mirrors {
    /// Takes the next best mirror of a file whose first URL is `first`. One that is there already
    /// is passed over, and so is any behind [`MIRRORS_MAX`].
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub(super) fn add(&mut self, url: &str, first: &Target) -> Result<(), InputProblem> {
        let target = Target::parse(url)?;
        if target == *first || self.targets.contains(&target) {
            return Ok(());
        }
        if self.targets.len() < MIRRORS_MAX {
            self.targets.push(target);
        } else {
            self.left_out.mirrors += 1;
        }
        Ok(())
    }

    /// The mirrors, and what was left out.
    pub(super) fn finish(self) -> (Vec<Target>, LeftOut) {
        (self.targets, self.left_out)
    }
}
