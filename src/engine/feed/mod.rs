//! Reading: the inputs become jobs on the schedule, a bounded look-ahead in front of the work.

pub(crate) mod compare;
pub(crate) mod inputs;
pub(crate) mod judge;
pub(crate) mod naming;
pub(crate) mod reader;
pub(crate) mod skip_ahead;
