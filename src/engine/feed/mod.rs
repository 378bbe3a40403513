//! Reading: the inputs become jobs on the schedule, a bounded look-ahead in front of the work.

pub(crate) mod compare;
pub(crate) mod dry;
pub(crate) mod gate;
pub(crate) mod packed;
pub(crate) mod read;
pub(crate) mod scout;
pub(crate) mod source;
