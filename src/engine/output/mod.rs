//! Where a body goes: decoding, digests, the file and its name.

pub(crate) mod named;
pub(crate) mod outlet;
pub(crate) mod sink;
