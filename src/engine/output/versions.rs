//! Versions of files: what is kept of one with its file, and asked about when the file is there.

use crate::engine::output::destination::Output;
use crate::http::Head;
use crate::http::request::Conditions;
use crate::plan::job::Job;
use crate::plan::timestamp;
use crate::ring::dir::Dir;
use crate::ring::file::Stamp;

/// The version of a file that is there.
pub(crate) struct Held {
    /// Entity tag, where that is known.
    etag: Option<String>,
    /// The time of the file, as a date.
    since: Option<String>,
}

impl Output {
    /// The version of the file `path` beneath `dir` that is there for a job, where it is to be
    /// asked for only if there is another one.
    pub(crate) fn held(&self, dir: &Dir, path: &str, job: &Job) -> Option<Held> {
        // A file that may be lost is no version of anything.
        if !self.is_timestamping || self.had(job.index, path) {
            return None;
        }
        let (parent, name) = dir.existing_parent(path).ok().flatten()?;
        let stamp = parent.stamp_of(name)?;
        let etag = stamp.note.as_deref().and_then(|note| timestamp::etag_of(note, url(job)));
        let since = stamp.modified_s.and_then(timestamp::if_modified_since);
        Some(Held { etag: etag.map(str::to_owned), since })
    }

    /// Whether the file `name` in `folder` is known to be whole: a run noted which version it is,
    /// and asks for another one only.
    pub(super) fn is_noted(&self, folder: &Dir, name: &str, job: &Job) -> bool {
        let stamp = folder.stamp_of(name).filter(|_| self.is_timestamping);
        let note = stamp.and_then(|stamp| stamp.note);
        note.is_some_and(|note| timestamp::etag_of(&note, url(job)).is_some())
    }

    /// What the file of a job is to tell of the version that a response brings.
    pub(crate) fn stamp(&self, job: &Job, head: Option<&Head>) -> Option<Stamp> {
        let head = head.filter(|_| self.has_remote_time)?;
        let modified_s = head.last_modified.and_then(|date| date.unix_s());
        let etag = head.etag.as_deref().filter(|_| self.is_timestamping);
        let note = etag.map(|etag| timestamp::note(url(job), etag));
        (modified_s.is_some() || note.is_some()).then_some(Stamp { modified_s, note })
    }
}

impl Held {
    /// The condition under which the file is wanted: another entity tag, or a later date.
    pub(crate) fn conditions(&self) -> Conditions<'_> {
        let etag = self.etag.as_deref();
        let since = self.since.as_deref().filter(|_| etag.is_none());
        Conditions { if_none_match: etag, if_modified_since: since, ..Conditions::default() }
    }
}

/// What a version is one of, whatever the line says of users and passwords.
fn url(job: &Job) -> &str {
    job.target.as_str()
}
