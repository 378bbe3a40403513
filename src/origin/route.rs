//! Answer to each request target. Pure but for the memory of `/flaky`, which is passed in.

use super::content;
use super::mood::{Mood, number};
use crate::limits;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Plan for one request.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    /// Wait before the action, in milliseconds.
    pub(super) delay_ms: u64,
    /// The action.
    pub(super) action: Action,
}

/// How one request ends.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// With a response.
    Answer(Answer),
    /// With a TCP reset.
    Reset,
    /// With silence, until the peer gives up.
    Silence,
    /// With the end of the connection.
    Hangup,
}

/// A response.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// `Content-Type`.
    pub(super) content_type: &'static str,
    /// `Location`.
    pub(super) location: Option<String>,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<u64>,
    /// Kind of body.
    pub(super) body: Body,
    /// Way in which the end of the body is told.
    pub(super) framing: Framing,
    /// Place where the body breaks off.
    pub(super) cut: Cut,
}

/// Kind of a body.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// A file.
    File(Box<Wanted>),
    /// A text.
    Text(Cow<'static, str>),
    /// The field lines of the request.
    RequestFields,
    /// The counters.
    Stats,
    /// The counters of the file with this path.
    FileStats(String),
    /// Word of the change that the file with this path has had just now.
    Change(String),
}

/// A file that is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    /// Path without a query, by which it is remembered.
    pub(super) path: String,
    /// Kind of its content.
    pub(super) kind: Kind,
    /// What the query wants of it.
    pub(super) mood: Mood,
    /// `Retry-After` of refusals, in seconds.
    pub(super) retry_after: Option<u64>,
}

/// Kind of a file's content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Synthetic content.
    Bytes {
        /// Seed of the content.
        seed: u64,
        /// Length of the content in bytes.
        len: u64,
    },
    /// The JPEG of this number.
    Image(u64),
}

/// Way in which the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Framing {
    /// By `Content-Length`.
    Length,
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// Place where a body breaks off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    /// The body does not break off.
    Nowhere,
    /// The connection ends after this many bytes.
    Close(u64),
    /// A reset comes after this many bytes.
    Reset(u64),
    /// Silence begins after this many bytes.
    Stall(u64),
}

/// Finds the answer for `target`. `seen` counts the requests before this one for a `/flaky` target.
pub(super) fn route(target: &str, seen: impl FnOnce(&str) -> u64) -> Plan {
    let mut delay_ms = 0;
    let mut rest = target;
    let mut seen = Some(seen);
    loop {
        let Some((verb, argument, next)) = wrapper(rest) else {
            return Plan { delay_ms, action: leaf(rest) };
        };
        let refusal = match verb {
            Wrapper::Delay => {
                delay_ms = (delay_ms + argument).min(limits::ORIGIN_DELAY_MAX_MS);
                None
            }
            Wrapper::Redirect if argument == 0 => None,
            Wrapper::Redirect => Some(Answer {
                location: Some(match argument {
                    1 => next.to_owned(),
                    _ => format!("/redirect/{}{next}", argument - 1),
                }),
                ..Answer::text(302, "see Location\n")
            }),
            // Counted once for one request, so a second /flaky within the target is never in the
            // way.
            Wrapper::Flaky if seen.take().is_some_and(|seen| seen(target) < argument) => {
                Some(Answer {
                    retry_after: number(query(target, "retry-after").unwrap_or_default()),
                    ..Answer::text(503, "not yet\n")
                })
            }
            Wrapper::Flaky => None,
        };
        if let Some(answer) = refusal {
            return Plan { delay_ms, action: Action::Answer(answer) };
        }
        rest = next;
    }
}

impl Answer {
    /// A response with a line of text.
    pub(super) fn text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self { content_type, ..Self::new(status, Body::Text(text.into())) }
    }

    fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            content_type: "application/octet-stream",
            location: None,
            retry_after: None,
            body,
            framing: Framing::Length,
            cut: Cut::Nowhere,
        }
    }
}

enum Wrapper {
    Delay,
    Redirect,
    Flaky,
}

/// Takes `/verb/NUMBER` off the front of a target that has more behind it.
fn wrapper(target: &str) -> Option<(Wrapper, u64, &str)> {
    let (verb, rest) = target.strip_prefix('/')?.split_once('/')?;
    let verb = match verb {
        "delay" => Wrapper::Delay,
        "redirect" => Wrapper::Redirect,
        "flaky" => Wrapper::Flaky,
        _ => return None,
    };
    let argument = rest.split('/').next()?;
    let next = &rest[argument.len()..];
    (next.len() > 1).then_some((verb, number(argument)?, next))
}

fn leaf(target: &str) -> Action {
    let path = target.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip(1);
    let verb = parts.next().unwrap_or_default();
    let first = parts.next();
    let numbers = || Some((number(first?)?, number(path.split('/').nth(3)?)?));
    let file = |kind| file(target, path, kind);
    let bytes = |len| file(Kind::Bytes { seed: content::seed(path), len });
    let answer =
        match verb {
            "empty" => return Action::Hangup,
            "stall" if first == Some("head") => return Action::Silence,
            "reset" if first.is_none() => return Action::Reset,
            "bytes" => first.and_then(number).map(bytes),
            "chunked" => {
                first.and_then(number).map(|len| Answer { framing: Framing::Chunked, ..bytes(len) })
            }
            "close" => {
                first.and_then(number).map(|len| Answer { framing: Framing::Close, ..bytes(len) })
            }
            "name" if first.is_some() => Some(bytes(NAME_BODY_BYTES)),
            "image" => first
                .and_then(|name| number(name.strip_suffix(".jpg")?))
                .map(|n| Answer { content_type: "image/jpeg", ..file(Kind::Image(n)) }),
            "truncate" => numbers()
                .map(|(announced, sent)| Answer { cut: Cut::Close(sent), ..bytes(announced) }),
            "reset" => numbers()
                .map(|(announced, sent)| Answer { cut: Cut::Reset(sent), ..bytes(announced) }),
            "stall" if first == Some("body") => stalled(path)
                .map(|(announced, sent)| Answer { cut: Cut::Stall(sent), ..bytes(announced) }),
            "status" => first.and_then(|code| status(code, target)),
            "redirect-to" => redirect_to(target),
            "headers" => Some(Answer { body: Body::RequestFields, ..Answer::text(200, "") }),
            "stats" => {
                let body = below(path, "/stats").map_or(Body::Stats, Body::FileStats);
                Some(Answer { content_type: "application/json", ..Answer::new(200, body) })
            }
            "change" => below(path, "/change")
                .map(|path| Answer { body: Body::Change(path), ..Answer::text(200, "") }),
            _ => None,
        };
    Action::Answer(answer.unwrap_or_else(|| Answer::text(404, "no such path\n")))
}

fn file(target: &str, path: &str, kind: Kind) -> Answer {
    let query = target.get(path.len() + 1..).unwrap_or_default();
    match Mood::read(query) {
        Ok(mood) => {
            let retry_after = self::query(target, "retry-after").and_then(number);
            let wanted = Wanted { path: path.to_owned(), kind, mood, retry_after };
            Answer::new(200, Body::File(Box::new(wanted)))
        }
        Err(pair) => Answer::text(400, format!("{pair} is not understood\n")),
    }
}

/// The two numbers of `/stall/body/N/M`.
fn stalled(path: &str) -> Option<(u64, u64)> {
    let mut numbers = path.split('/').skip(3);
    Some((number(numbers.next()?)?, number(numbers.next()?)?))
}

/// The path of a file behind `prefix`.
fn below(path: &str, prefix: &str) -> Option<String> {
    path.strip_prefix(prefix).filter(|rest| rest.len() > 1).map(str::to_owned)
}

fn status(code: &str, target: &str) -> Option<Answer> {
    let code: u16 = code.parse().ok().filter(|code| (200..600).contains(code))?;
    let retry_after = query(target, "retry-after").and_then(number);
    Some(Answer { retry_after, ..Answer::text(code, format!("status {code}\n")) })
}

fn redirect_to(target: &str) -> Option<Answer> {
    let location = percent_decode_str(query(target, "url")?).decode_utf8().ok()?.into_owned();
    if location.is_empty() || location.bytes().any(|byte| byte.is_ascii_control()) {
        return Some(Answer::text(400, "url is not usable in a field\n"));
    }
    let code = query(target, "status").unwrap_or("302").parse().ok()?;
    (300..400)
        .contains(&code)
        .then(|| Answer { location: Some(location), ..Answer::text(code, "see Location\n") })
}

/// The undecoded value of `name` in the query of `target`.
fn query<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Length of the body below `/name`, in bytes.
const NAME_BODY_BYTES: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(target: &str) -> Answer {
        match route(target, |_| 0) {
            Plan { delay_ms: 0, action: Action::Answer(answer) } => answer,
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn content_is_seeded_by_the_path_without_the_query() {
        for (target, path) in [("/bytes/10/a?b", "/bytes/10/a"), ("/name/a%2fb?c", "/name/a%2fb")] {
            let Body::File(file) = answer(target).body else { panic!("{target}") };
            let Kind::Bytes { seed, .. } = file.kind else { panic!("{target}") };
            assert_eq!((seed, file.path.as_str()), (content::seed(path), path));
        }
    }

    #[test]
    fn wrappers_nest_and_are_taken_off() {
        let target = "/delay/5/flaky/2/redirect/2/bytes/3?id=x";
        let mut asked = String::new();
        let plan = route(target, |full| {
            asked = full.to_owned();
            2
        });
        assert_eq!((plan.delay_ms, asked.as_str()), (5, target));
        let Action::Answer(first) = plan.action else { panic!("no answer") };
        assert_eq!(
            (first.status, first.location.as_deref()),
            (302, Some("/redirect/1/bytes/3?id=x"))
        );
        assert_eq!(answer("/redirect/1/bytes/3?id=x").location.as_deref(), Some("/bytes/3?id=x"));
        assert_eq!(answer("/redirect/0/bytes/3").body, answer("/bytes/3").body);
        let early = answer("/flaky/1/bytes/3?retry-after=7");
        assert_eq!((early.status, early.retry_after), (503, Some(7)));
    }

    #[test]
    fn cuts_and_refusals() {
        assert_eq!(answer("/truncate/10/4").cut, Cut::Close(4));
        assert_eq!(answer("/reset/10/4").cut, Cut::Reset(4));
        assert_eq!(answer("/stall/body/10/4").cut, Cut::Stall(4));
        assert_eq!(route("/reset", |_| 0).action, Action::Reset);
        assert_eq!(route("/stall/head", |_| 0).action, Action::Silence);
        assert_eq!(route("/empty", |_| 0).action, Action::Hangup);
        assert_eq!(answer("/stats").body, Body::Stats);
        assert_eq!(answer("/stats/a/b?c").body, Body::FileStats("/a/b".to_owned()));
        assert_eq!(answer("/change/a/b?c").body, Body::Change("/a/b".to_owned()));
        let to = answer("/redirect-to?status=308&url=http%3A%2F%2Fa%2F%3Fb");
        assert_eq!((to.status, to.location.as_deref()), (308, Some("http://a/?b")));
        for (target, status) in [
            ("/", 404),
            ("", 404),
            ("/bytes", 404),
            ("/bytes/-1", 404),
            ("/bytes/99999999999999999999", 404),
            ("/status/99", 404),
            ("/redirect-to?status=200&url=/a", 404),
            ("/redirect-to?url=a%0d%0ab", 400),
            ("/redirect/1/", 404),
            ("/delay/1", 404),
            ("/change", 404),
            ("/bytes/1?etag=strange", 400),
            ("/chunked/1?etag=strange", 400),
        ] {
            assert_eq!(answer(target).status, status, "{target}");
        }
    }
}
