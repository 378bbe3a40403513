//! ringpull pulls lists of URLs onto disk through io_uring, and can prove it.
//!
//! # In another program
//!
//! A [`Pull`] takes URLs and every option of the command line, and gives a [`Row`] for each URL and
//! a [`Summary`] in the end. `ringpull help` explains the options.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let origin = ringpull::origin::start_beneath(dir.path())?;
//! # let (url, out) = (origin.http_url(), dir.path().join("out"));
//! let summary = ringpull::Pull::new([format!("{url}/image/1.jpg")]).dir(&out).run()?;
//! assert_eq!((summary.ok, summary.failed), (1, 0));
//! assert!(out.join("1.jpg").exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With a function for every row: [`Pull`]. As an iterator of rows that another thread cancels:
//! [`Running`]. With a report, the same pull again does what is left:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let origin = ringpull::origin::start_beneath(dir.path())?;
//! # let (url, dir) = (origin.http_url(), dir.path());
//! let pull = |count: u32| {
//!     let urls: Vec<String> = (0..count).map(|n| format!("{url}/image/{n}.jpg")).collect();
//!     ringpull::Pull::new(urls).dir(dir.join("out")).report(dir.join("report.jsonl")).run()
//! };
//! assert_eq!(pull(10)?.ok, 10);
//! let summary = pull(15)?;
//! assert_eq!((summary.earlier, summary.ok), (10, 5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A URL that fails is a row with a stable code, and no error of the pull:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let origin = ringpull::origin::start_beneath(dir.path())?;
//! # let url = origin.http_url();
//! let urls = [format!("{url}/image/1.jpg"), format!("{url}/status/404"), "no URL".to_owned()];
//! let pull = ringpull::Pull::new(urls).dir(dir.path().join("out")).retries(0).connections(2);
//! let mut failures: Vec<_> = pull.start()?.filter_map(|row| row.problem).collect();
//! failures.sort_by_key(|problem| problem.code);
//! assert_eq!(failures[0].code, "http.status");
//! assert_eq!(failures[1].code, "input.url");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Bodies as samples of a data set, with a digest in each row:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let origin = ringpull::origin::start_beneath(dir.path())?;
//! # let (url, out) = (origin.http_url(), dir.path().join("shards"));
//! let urls: Vec<String> = (0..50).map(|n| format!("{url}/image/{n}.jpg")).collect();
//! let pull = ringpull::Pull::new(urls).dir(&out).format("webdataset");
//! let mut digests = Vec::new();
//! let pull = pull.option("compute-hash", "sha256").on_row(|row| digests.push(row.digest.clone()));
//! assert!(pull.run()?.is_success());
//! assert!(digests.iter().flatten().count() == 50 && out.join("00000.tar").exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## What it touches
//!
//! A pull has threads of its own: one pinned to each CPU that the calling thread may use (`threads`
//! says how many), one that reads, one that looks up names, one that oversees them. It catches no
//! signal and changes neither their actions nor the limits, the umask, the directory or the
//! environment of the process. It prints nothing: what the command line says on standard error,
//! [`on_notice`](Pull::on_notice) tells. SIGPIPE must be ignored, as it is in every Rust program
//! that does not ask for something else; so must SIGXFSZ where files have a size limit
//! (`ulimit -f`). What is in flight is bounded by the soft limit of open files, which the program
//! may raise before.
//!
//! Of the environment it reads the variables for proxies, `SSL_CERT_FILE` and `SSL_CERT_DIR`, as
//! the command line does. Neither config files nor `RINGPULL_*` count; nor do those of a Slurm or
//! Kubernetes task (`SLURM_ARRAY_TASK_ID`, `JOB_COMPLETION_INDEX`): all URLs are pulled, unless the
//! option `shard` says which.
//!
//! Any number of pulls may go on in one process, one behind the other or at the same time. Two at
//! the same time need different reports, as two processes do. Each pulls as much at once as if it
//! were alone: say [`downloads`](Pull::downloads) and [`connections`](Pull::connections).
//!
//! ## What stays the same
//!
//! Versions follow semver (Cargo's rules). The promise holds for what these pages show: [`Pull`],
//! [`Running`], [`Canceller`], [`Row`], [`Status`], [`Problem`], [`Notice`], [`Summary`],
//! [`Error`]; for the long names and the meaning of the options; for the codes of problems and the
//! exit statuses. New options, codes, fields and statuses may come with any minor version.
//! Sentences for people, which notices there are, defaults that are about speed, and everything
//! that is hidden from these pages (the modules that the program, its tests and its benches share)
//! may change with any version. Before 1.0 a minor version may break the promise, and the changelog
//! says so.
//!
//! # The map of the code
//!
//! Data flows one way, and each layer knows only those below it
//! (`tests/tidy.rs` checks the table):
//!
//! ```text
//! pull --> cli, engine                   the same within another program
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

#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod exit;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod origin;
#[doc(hidden)]
pub mod pack;
#[doc(hidden)]
pub mod plan;
mod pull;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod ring;

pub use pull::{Canceller, Error, Notice, Problem, Pull, Row, Running, Status, Summary};
