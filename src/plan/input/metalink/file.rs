//! One `file` element of a metalink on its way to be a job.

use crate::fault::InputProblem;
use crate::limits;
use crate::plan::checksum::{Checksum, Kind, Pieces};
use crate::plan::job::{At, Entry, Job, JobOptions, LeftOut, REMEDY_NAME, bad_file, remedy_of};
use crate::plan::name;
use crate::plan::target::{Target, scheme_of};
use std::borrow::Cow;
use std::num::NonZero;
use std::sync::Arc;

/// What is known of a file so far.
#[derive(Clone, Debug)]
pub(super) struct FileElement {
    at: At,
    /// As it is written.
    name: String,
    out: Option<String>,
    /// The URLs that are kept, best first.
    sources: Vec<Source>,
    /// Number of URLs.
    urls: u64,
    priority: u32,
    size: Option<u64>,
    /// The strongest digest.
    checksum: Option<Checksum>,
    /// The kind of the digest that is being read; nothing where it is not known.
    kind: Option<Kind>,
    /// The pieces that are being read.
    begun: Option<Pieces>,
    /// The pieces with the strongest digests.
    pieces: Option<Pieces>,
    /// What is wrong with it.
    problem: Option<(InputProblem, Cow<'static, str>)>,
    left_out: LeftOut,
}

#[derive(Clone, Debug)]
struct Source {
    /// From 1, which is the best.
    priority: u32,
    target: Target,
    given: String,
}

impl FileElement {
    /// A file of this name, of which nothing else is known.
    pub(super) fn new(at: At, name: Option<&str>) -> Self {
        let mut file = Self {
            at,
            name: name.unwrap_or_default().to_owned(),
            out: None,
            sources: Vec::new(),
            urls: 0,
            priority: PRIORITY_LAST,
            size: None,
            checksum: None,
            kind: None,
            begun: None,
            pieces: None,
            problem: None,
            left_out: LeftOut::default(),
        };
        match name.map(name::relative_path) {
            Some(Ok(out)) => file.out = Some(out),
            Some(Err(problem)) => file.bad(problem, REMEDY_NAME),
            None => file.bad(InputProblem::Name, "a file has a name: <file name=\"...\">"),
        }
        file
    }

    /// Notes what is wrong; the first thing counts.
    fn bad(&mut self, problem: InputProblem, remedy: impl Into<Cow<'static, str>>) {
        self.problem.get_or_insert_with(|| (problem, remedy.into()));
    }

    /// A URL begins. What is no priority is the last one (RFC 5854 section 4.2.16.1).
    pub(super) fn begin_url(&mut self, priority: Option<&str>) {
        let number = priority.and_then(|text| text.trim_ascii().parse().ok());
        let is_one = |number: &u32| (1..=PRIORITY_LAST).contains(number);
        self.priority = number.filter(is_one).unwrap_or(PRIORITY_LAST);
    }

    pub(super) fn url(&mut self, text: &str) {
        self.urls += 1;
        let is_ours =
            |scheme: &str| ["http", "https"].iter().any(|ours| ours.eq_ignore_ascii_case(scheme));
        if scheme_of(text).is_some_and(|scheme| !is_ours(scheme)) {
            self.left_out.schemes += 1;
            return;
        }
        let target = match Target::parse(text) {
            Ok(target) => target,
            Err(problem) => {
                let remedy = remedy_of(text.as_bytes(), problem);
                let number = self.urls;
                return self.bad(problem, format!("its URL {number}: {remedy}"));
            }
        };
        let priority = self.priority;
        if let Some(at) = self.sources.iter().position(|source| source.target == target) {
            if self.sources[at].priority <= priority {
                return;
            }
            self.sources.remove(at);
        }
        let at = self.sources.partition_point(|source| source.priority <= priority);
        self.sources.insert(at, Source { priority, target, given: text.to_owned() });
        if self.sources.len() > 1 + limits::MIRRORS_MAX {
            self.sources.pop();
            self.left_out.mirrors += 1;
        }
    }

    pub(super) fn size(&mut self, text: &str) {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(size) if is_number && self.size.is_none_or(|before| before == size) => {
                self.size = Some(size);
            }
            Ok(_) if is_number => {
                self.bad(InputProblem::Record, "it has two sizes: remove the wrong one");
            }
            _ => self.bad(InputProblem::Record, "its <size> is not a number of bytes"),
        }
    }

    /// A digest of the whole file begins.
    pub(super) fn begin_hash(&mut self, kind: Option<&str>) {
        self.kind = kind.and_then(|kind| kind.trim_ascii().parse().ok());
        self.left_out.digests += u64::from(self.kind.is_none());
    }

    pub(super) fn hash(&mut self, text: &str) {
        let Some(kind) = self.kind else { return };
        let checksum = match Checksum::from_hex(kind, text) {
            Ok(checksum) => checksum,
            Err(error) => return self.bad(InputProblem::Checksum, format!("its <hash>: {error}")),
        };
        match &self.checksum {
            Some(before) if before.kind() == kind && *before != checksum => {
                let remedy = format!("it has two {kind} digests: remove the wrong one");
                self.bad(InputProblem::Checksum, remedy);
            }
            Some(before) if before.kind().strength() >= kind.strength() => {}
            Some(_) | None => self.checksum = Some(checksum),
        }
    }

    /// The digests of pieces begin.
    pub(super) fn begin_pieces(&mut self, kind: Option<&str>, length: Option<&str>) {
        let kind = kind.and_then(|kind| kind.trim_ascii().parse::<Kind>().ok());
        let length = length.and_then(|length| length.trim_ascii().parse::<NonZero<u64>>().ok());
        self.left_out.digests += u64::from(kind.is_none());
        self.begun = None;
        match (kind, length) {
            (None, _) => {}
            (Some(kind), Some(length)) => self.begun = Some(Pieces::new(length, kind)),
            (Some(_), None) => self.bad(
                InputProblem::Checksum,
                "its <pieces> need a length in bytes: <pieces length=\"262144\" type=\"sha-256\">",
            ),
        }
    }

    pub(super) fn piece(&mut self, text: &str) {
        let Some(pieces) = &mut self.begun else { return };
        match pieces.push(text) {
            Ok(()) if pieces.bytes() <= limits::PIECES_BYTES_MAX => {}
            Ok(()) => {
                self.begun = None;
                self.left_out.pieces += 1;
            }
            Err(error) => {
                let number = pieces.count() + 1;
                let remedy = format!("the <hash> of its piece {number}: {error}");
                self.begun = None;
                self.bad(InputProblem::Checksum, remedy);
            }
        }
    }

    pub(super) fn end_pieces(&mut self) {
        let Some(pieces) = self.begun.take() else { return };
        let strength = |pieces: &Pieces| pieces.kind().strength();
        if self.pieces.as_ref().is_none_or(|before| strength(before) < strength(&pieces)) {
            self.pieces = Some(pieces);
        }
    }

    /// The entry of the file, and what was left out of it.
    pub(super) fn finish(mut self) -> (Entry, LeftOut) {
        if self.sources.is_empty() {
            self.bad(InputProblem::Url, "no http:// or https:// URL of it is there: add one");
        }
        if let (Some(size), Some(pieces)) = (self.size, &self.pieces)
            && !pieces.fit(size)
        {
            let (count, length) = (pieces.count(), pieces.length());
            let remedy = format!("{count} pieces of {length} bytes are not its size of {size}");
            self.bad(InputProblem::Checksum, remedy);
        }
        let Self { at, name, out, sources, size, checksum, pieces, problem, left_out, .. } = self;
        let mut sources = sources.into_iter();
        let first = sources.next();
        let entry = match (first, problem) {
            (Some(first), None) => {
                let mut job = Job::new(at.index, first.target, &first.given);
                job.options = Some(Box::new(JobOptions {
                    out,
                    checksum: checksum.map(Box::new),
                    mirrors: sources.map(|source| source.target).collect(),
                    size,
                    pieces: pieces.map(Arc::new),
                    ..JobOptions::default()
                }));
                Ok(job)
            }
            (first, problem) => {
                let (problem, remedy) = problem.expect("without a URL there is one");
                let url = first.as_ref().map(|first| &*first.given);
                Err(bad_file(at, &name, url, problem, &remedy))
            }
        };
        (entry, left_out)
    }
}

/// The priority that is behind all others (RFC 5854 section 4.2.16.1).
const PRIORITY_LAST: u32 = 999_999;
