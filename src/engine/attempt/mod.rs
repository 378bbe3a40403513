//! One attempt of one job: a connection, a request, a response.

pub(crate) mod fetch;
pub(crate) mod open;
pub(crate) mod origins;
pub(crate) mod pace;
pub(crate) mod race;
pub(crate) mod response;
pub(crate) mod robots;
pub(crate) mod task;
pub(crate) mod tunnel;
