//! The URL of a line, as a list or a row has it, to be compared.

use crate::plan::job::{self, BadLine, Job};
use crate::plan::target::LastOrigin;
use crate::report::journal::{Entry, Url};
use std::borrow::Cow;

/// The URL of a line or of a row, and its normal form.
pub(crate) struct Given<'g> {
    given: &'g [u8],
    normal: Option<Cow<'g, str>>,
}

impl<'g> Given<'g> {
    /// Of a line of the list.
    pub(crate) fn of_line(entry: &'g job::Entry) -> Self {
        match entry {
            Ok(job) => Self::of_job(job),
            // It was no URL.
            Err(BadLine { text, .. }) => Self::of_text(text, &mut LastOrigin::default()),
        }
    }

    /// Of a row that was read back. `origin` is that of the row before.
    pub(crate) fn of_row(entry: &'g Entry<'_>, origin: &mut LastOrigin) -> Self {
        Self::of_text(&entry.url, origin)
    }

    fn of_job(job: &'g Job) -> Self {
        let normal = Some(Cow::Borrowed(job.target.as_str()));
        Self { given: job.url().as_bytes(), normal }
    }

    fn of_text(given: &'g [u8], origin: &mut LastOrigin) -> Self {
        let text = std::str::from_utf8(given).ok();
        Self { given, normal: text.and_then(|text| origin.normal_form(text)) }
    }

    pub(crate) fn url(&self) -> Url<'_> {
        Url { given: self.given, normal: self.normal.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_one_of_a_row_however_both_are_spelled() {
        let line: job::Entry = Job::from_argument(1, "HTTP://h.example:80/a");
        let bad: job::Entry = Job::from_argument(2, "no url");
        assert_eq!(Given::of_line(&line).url().normal, Some("http://h.example/a"));
        assert_eq!(Given::of_line(&line).url().given, b"HTTP://h.example:80/a");
        assert_eq!(Given::of_line(&bad).url().normal, None);
        assert_eq!(Given::of_line(&bad).url().given, b"no url");
    }
}
