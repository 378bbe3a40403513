//! What one core does: it takes jobs, runs them in its slots, and says what came of each.
//!
//! A [`worker`] is the thread with its slots; what they have is its [`state`]. [`follow`] says what
//! follows from an attempt, [`desk`] takes jobs from the queue and gives them back, with the idle
//! connections of a [`pool`]; [`rows`] ends them, and [`shortage`] waits for what others hold.

mod desk;
mod follow;
mod next;
mod packer;
mod pool;
mod rows;
mod sample;
mod shortage;
pub(crate) mod state;
pub(crate) mod worker;
