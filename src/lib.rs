//! ringpull pulls lists of URLs onto disk through io_uring, and can prove it.
//!
//! The library carries no stability promise; it exists so that tests, benches and the binary share
//! it.

pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod fault;
pub mod http;
pub mod limits;
pub mod origin;
pub mod plan;
pub mod report;
pub mod ring;
