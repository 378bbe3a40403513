//! Whether a response is what was asked for, judged by its head alone.

mod part;

pub use self::part::{BadPart, PartAsk, WhyWhole, ends_early, why_whole};
use super::robots::refusal;
use super::target::Target;
use crate::fault::{Cause, Fault, Stage};
use crate::http::head::{Framing, Location};
use crate::http::{ContentRange, Head, RetryAfter};
use crate::limits;
use std::fmt;
use std::ops::Range;

/// What is wanted of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask<'a> {
    /// The file of a job: all of it.
    File,
    /// The file of a job, all of it, if it is not the one that is here: the request has
    /// `If-None-Match` or `If-Modified-Since` of ours.
    FileIfChanged,
    /// The file of a job, all of it, asked for as the range from its first byte to its last, so
    /// that the answer differs from one to a request without a range.
    FileByRange,
    /// A part of the file of a job, which is here in part.
    Part(PartAsk<'a>),
    /// A short text that the run itself needs, such as robots.txt.
    Text {
        /// Bytes of it that are kept, the first ones.
        bytes_max: usize,
    },
}

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Redirects {
    /// `--max-redirs`: how many one job follows.
    pub count_max: u32,
    /// `--allow-downgrade`: one may lead from https to http.
    pub allow_downgrade: bool,
}

impl Default for Redirects {
    fn default() -> Self {
        Self { count_max: limits::REDIRECTS_DEFAULT, allow_downgrade: false }
    }
}

/// What the user said about redirects and about what sites ask of robots.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// What we are called in `X-Robots-Tag`; see [`super::robots::token`].
    pub robots_token: Box<str>,
    /// `--respect-x-robots-tag`: directives that let a file be left alone.
    pub robots_tags: Vec<String>,
}

/// What the body of a response is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// All of the file or text, also where a part was asked for ([`why_whole`]).
    Whole,
    /// A part of the file: the one that was asked for, or the first bytes of it.
    Part {
        /// The bytes of the file that come.
        range: Range<u64>,
        /// Bytes of the whole file, where that is known by now.
        complete: Option<u64>,
    },
}

/// What comes of a response whose body is not what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Instead {
    /// The job goes on at this target.
    Redirect(Target),
    /// The site asks robots to leave the file alone, in the way that the fault says.
    Refused(Fault),
    /// The file that is here is the one of the server (304).
    NotModified,
    /// The server has no bytes of the file where the part should begin (416).
    NotRange {
        /// Bytes of the whole file, where the server says it.
        complete: Option<u64>,
    },
    /// The response is another part than the one asked for, or may be of another version. Who can
    /// fetches the file whole; the fault is for who cannot.
    BadPart(Fault, BadPart),
    /// The request failed; `Retry-After` is what the server said about another attempt.
    Failed(Fault, Option<RetryAfter>),
}

/// Judges the response to a request that went to `target` behind `num_redirects` redirects: `Ok`
/// where its body is what was asked for, or all of the file instead of a part.
///
/// # Errors
///
/// What it is instead.
pub fn judge(
    head: &Head,
    ask: Ask<'_>,
    (target, num_redirects): (&Target, u32),
    policy: &Policy,
) -> Result<Answer, Instead> {
    let status = || Fault::new(Stage::Head, Cause::Status(head.status));
    let fault = match (head.status, ask) {
        (206, Ask::Part(ask)) => {
            let part = part::judge_part(head, &ask);
            let (range, complete) = part.map_err(|(fault, bad)| Instead::BadPart(fault, bad))?;
            return judge_tags(head, policy).map(|()| Answer::Part { range, complete });
        }
        (416, Ask::Part(_)) => {
            let complete = match head.content_range {
                Some(ContentRange::Unsatisfied { complete }) => Some(complete),
                Some(ContentRange::Part { .. }) | None => None,
            };
            return Err(Instead::NotRange { complete });
        }
        (206, Ask::FileByRange) if is_all(head) => {
            return judge_tags(head, policy).map(|()| Answer::Whole);
        }
        // A part of something is no answer to a request for the whole (RFC 9110 section 15.3.7),
        // nor is it that there is no such part.
        (206 | 416, _) => match head.content_range {
            Some(range) => {
                status().with_detail(format!("{range} although all of it was asked for"))
            }
            None => status(),
        },
        // A text is for the run alone, which keeps nothing.
        (200..=299, Ask::Text { .. }) => return Ok(Answer::Whole),
        (200..=299, _) => return judge_tags(head, policy).map(|()| Answer::Whole),
        (304, Ask::FileIfChanged) => return Err(Instead::NotModified),
        (301 | 302 | 303 | 307 | 308, _) => {
            match redirect(head, target, num_redirects, policy.redirects) {
                Ok(target) => return Err(Instead::Redirect(target)),
                Err(fault) => fault,
            }
        }
        _ => status(),
    };
    Err(Instead::Failed(fault, head.retry_after))
}

/// Whether a range is the whole of its file, by all that the head says.
fn is_all(head: &Head) -> bool {
    match (head.content_range, head.framing) {
        (Some(ContentRange::Part { first: 0, last, complete }), Framing::Length(length)) => {
            complete == Some(length) && last.checked_add(1) == Some(length)
        }
        _ => false,
    }
}

/// Whether `X-Robots-Tag` lets a file be taken.
fn judge_tags(head: &Head, policy: &Policy) -> Result<(), Instead> {
    let Some(tags) = &head.robots_tags else { return Ok(()) };
    match refusal(tags, &policy.robots_token, &policy.robots_tags) {
        None => Ok(()),
        Some(directive) => {
            let fault = Fault::new(Stage::Head, Cause::RobotsTag).with_detail(directive);
            Err(Instead::Refused(fault))
        }
    }
}

/// Where a redirect leads (RFC 9110 section 15.4).
fn redirect(
    head: &Head,
    from: &Target,
    num_redirects: u32,
    redirects: Redirects,
) -> Result<Target, Fault> {
    let no_location = |why: &dyn fmt::Display| {
        Fault::new(Stage::Head, Cause::Location).with_detail(format!("{} {why}", head.status))
    };
    let location = match &head.location {
        Location::One(location) => location,
        Location::Absent => return Err(no_location(&"without a Location")),
        Location::Ambiguous => return Err(no_location(&"with several Locations that differ")),
    };
    // What it says is not repeated: it may hold a password.
    let to = from.join(location).map_err(|problem| no_location(&format!("but {problem}")))?;
    if from.is_downgrade(&to) && !redirects.allow_downgrade {
        return Err(Fault::new(Stage::Head, Cause::Downgrade));
    }
    if num_redirects >= redirects.count_max {
        let limit = redirects.count_max;
        return Err(Fault::new(Stage::Head, Cause::Redirects { limit }));
    }
    Ok(to)
}

/// Refuses a body of `bytes` where that is more than `bytes_max` (`--max-filesize`).
///
/// # Errors
///
/// `body.too_large`.
pub fn check_size(bytes: u64, bytes_max: Option<u64>) -> Result<(), Fault> {
    match bytes_max {
        Some(limit) if bytes > limit => Err(Fault::new(Stage::Body, Cause::TooLarge { limit })),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Exchange, Step};

    const TEXT: Ask<'static> = Ask::Text { bytes_max: 9 };

    /// The head of a response with this status and these further lines.
    fn head(status: u16, lines: &str) -> Box<Head> {
        let mut bytes = format!("HTTP/1.1 {status} \r\n{lines}\r\n").into_bytes();
        match Exchange::new().receive(&mut bytes) {
            Ok(Step::Head { head, .. }) => head,
            other => panic!("{status} {lines:?}: {other:?}"),
        }
    }

    fn policy() -> Policy {
        Policy {
            redirects: Redirects { count_max: 3, allow_downgrade: false },
            robots_token: "ringpull".into(),
            robots_tags: vec!["noai".to_owned()],
        }
    }

    /// The verdict in one line: `ok`, `-> URL`, or a code with its detail and `Retry-After`.
    fn told(ask: Ask<'_>, status: u16, lines: &str, from: (&str, u32), policy: &Policy) -> String {
        let target = Target::parse(from.0).unwrap();
        let detail = |fault: &Fault| match &fault.detail {
            Some(detail) => format!("{}: {detail}", fault.code()),
            None => fault.code().to_owned(),
        };
        match judge(&head(status, lines), ask, (&target, from.1), policy) {
            Ok(Answer::Whole) => "ok".to_owned(),
            Ok(Answer::Part { .. }) => panic!("nobody asked for a part"),
            Err(Instead::Redirect(to)) => format!("-> {}", to.as_str()),
            Err(Instead::Refused(fault)) => format!("refused {}", detail(&fault)),
            Err(Instead::NotModified) => "not modified".to_owned(),
            Err(Instead::NotRange { .. } | Instead::BadPart(..)) => panic!("nobody asked for one"),
            Err(Instead::Failed(fault, None)) => detail(&fault),
            Err(Instead::Failed(fault, Some(after))) => format!("{} {after:?}", detail(&fault)),
        }
    }

    #[test]
    fn every_kind_of_response_has_its_verdict() {
        let range = "Content-Range: bytes 0-4/10\r\n";
        let several = "Location: /x\r\nLocation: /y\r\n";
        let table = [
            (200, "", "ok"),
            (204, "", "ok"),
            (299, "", "ok"),
            // A whole body, whatever else the head says.
            (200, range, "ok"),
            (206, "", "http.status"),
            (
                206,
                range,
                "http.status: the server sent bytes 0-4 of 10 although all of it was asked for",
            ),
            (
                416,
                "Content-Range: bytes */7\r\n",
                "http.status: the server found no such range in 7 bytes although all of it was \
                 asked for",
            ),
            (301, "Location: /b?c\r\n", "-> https://h.example/b?c"),
            (302, "Location: //i.example/\r\n", "-> https://i.example/"),
            (303, "Location: https://h.example:8443/\r\n", "-> https://h.example:8443/"),
            (307, "Location: b#f\r\n", "-> https://h.example/d/b"),
            (308, "Location: http://h.example/\r\n", "http.downgrade"),
            (301, "", "http.location: 301 without a Location"),
            (302, several, "http.location: 302 with several Locations that differ"),
            (300, "Location: /b\r\n", "http.status"),
            (304, "", "http.status"),
            (404, "", "http.status"),
            (429, "Retry-After: 7\r\n", "http.status Seconds(7)"),
            (503, "", "http.status"),
        ];
        for ask in [Ask::File, Ask::FileIfChanged, Ask::FileByRange, TEXT] {
            for (status, lines, wanted) in table {
                let told = told(ask, status, lines, ("https://h.example/d/a", 0), &policy());
                let is_304 = (ask, status) == (Ask::FileIfChanged, 304);
                let wanted = if is_304 { "not modified" } else { wanted };
                assert_eq!(told, wanted, "{ask:?} {status} {lines:?}");
            }
        }
    }

    #[test]
    fn a_file_that_is_asked_for_by_range_comes_as_a_whole() {
        let length = |bytes| format!("Content-Length: {bytes}\r\n");
        let table = [
            ("Content-Range: bytes 0-9/10\r\n", length(10), "ok"),
            // Not all of it, another length, an unknown one, and one that nobody announced.
            ("Content-Range: bytes 0-8/10\r\n", length(9), "http.status"),
            ("Content-Range: bytes 1-9/10\r\n", length(9), "http.status"),
            ("Content-Range: bytes 0-9/10\r\n", length(9), "http.status"),
            ("Content-Range: bytes 0-9/*\r\n", length(10), "http.status"),
            ("Content-Range: bytes 0-9/10\r\n", String::new(), "http.status"),
            ("", length(10), "http.status"),
        ];
        for (range, length, wanted) in table {
            let lines = format!("{range}{length}");
            let told = told(Ask::FileByRange, 206, &lines, ("http://h.example/a", 0), &policy());
            assert_eq!(told.split(':').next(), Some(wanted), "{lines:?}");
        }
    }

    #[test]
    fn redirects_are_counted_and_may_leave_tls_only_where_that_is_allowed() {
        let lines = "Location: http://i.example/b\r\n";
        let plain = "http://h.example/";
        let table = [
            (plain, 2, false, "-> http://i.example/b"),
            (plain, 3, false, "http.redirects"),
            ("https://h.example/", 0, false, "http.downgrade"),
            // That it leaves TLS is what is said of a redirect which is one too many as well.
            ("https://h.example/", 3, false, "http.downgrade"),
            ("https://h.example/", 0, true, "-> http://i.example/b"),
        ];
        for (from, followed, allow_downgrade, wanted) in table {
            let policy = Policy {
                redirects: Redirects { allow_downgrade, ..policy().redirects },
                ..policy()
            };
            let told = told(Ask::File, 302, lines, (from, followed), &policy);
            assert_eq!(told, wanted, "{from} {followed} {allow_downgrade}");
        }
    }

    #[test]
    fn tags_for_robots_are_about_files() {
        let lines = "X-Robots-Tag: noindex\r\nX-Robots-Tag: ringpull: NoAI\r\n";
        let told = |ask, status, policy: &Policy| {
            told(ask, status, lines, ("http://h.example/", 0), policy)
        };
        assert_eq!(told(Ask::File, 200, &policy()), "refused robots.tag: noai");
        assert_eq!(told(TEXT, 200, &policy()), "ok");
        assert_eq!(told(Ask::File, 404, &policy()), "http.status");
        assert_eq!(told(Ask::File, 200, &Policy { robots_tags: Vec::new(), ..policy() }), "ok");
    }

    #[test]
    fn a_body_may_be_as_long_as_the_limit_says() {
        assert_eq!(check_size(u64::MAX, None), Ok(()));
        assert_eq!(check_size(10, Some(10)), Ok(()));
        let fault = check_size(11, Some(10)).unwrap_err();
        assert_eq!((fault.code(), fault.cause), ("body.too_large", Cause::TooLarge { limit: 10 }));
    }
}
