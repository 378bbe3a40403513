//! ringpull pulls lists of URLs onto disk through io_uring, and can prove it.
//!
//! This file is the map. Data flows one way, and each layer knows only those below it
//! (`tests/tidy.rs` checks the table):
//!
//! ```text
//! main --> cli --> config --+           what was typed; what it means, in the types of those below
//!   |                        |
//!   +----> engine --> config +-> ring    the story of every line; sockets, TLS, DNS, files
//!                            +-> plan    jobs, names, which core works on what, retries   (pure)
//!                            +-> report  rows, statistics, the summary                    (pure)
//!                            +-> pack    archives: headers of tar, names, indexes         (pure)
//!                            +-> http    the client side of HTTP/1.1: bytes to events     (pure)
//!              fault, exit, limits       why a job failed; exit statuses; every constant
//! origin                                 the embedded server of demo, tests and benches
//! bench                                  `ringpull bench`: runs the program itself and counts
//! ```
//!
//! One URL's walk: an input ([`plan::input`]) is read a look-ahead in front of the work, whatever
//! its length. A line becomes a [`plan::job::Job`] (or the fault of its row), unless the report of
//! an earlier run says that it is done ([`report::journal`]); it gets a name ([`plan::name`]) and
//! waits in its host's queue ([`plan::schedule`]) until the name of the host is known
//! ([`ring::dns`]), the host may be asked, and a core has room. There a slot makes one attempt: a
//! pooled or new connection ([`ring::conn`]), by way of a proxy where there is one
//! ([`plan::proxy`]), a request ([`http::request`]), the response by [`http::Exchange`] as spans of
//! the receive buffer, which are written from that same memory ([`ring::file`]). What came of it
//! tells how much the host is asked from then on, and is a redirect or a retry ([`plan::retry`])
//! that goes back into the queue, or the row ([`report::row`]) that every line ends in.
//!
//! To learn the code, read in this order: [`http`] (the contract), [`http::Exchange`], the rooms in
//! `engine/mod.rs`, `engine/attempt/exchange.rs` (one request, with `open.rs` for its begin and
//! `response.rs` for its end), [`ring`] (its rules), [`plan::schedule`], [`plan::retry`].
//!
//! The library carries no stability promise; it exists so that tests, benches and the binary share
//! it.

pub mod bench;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod exit;
pub mod fault;
pub mod http;
pub mod limits;
pub mod origin;
pub mod pack;
pub mod plan;
pub mod report;
pub mod ring;
