//! Tables of heads that answer a request for a part.

use super::super::{Answer, Ask, Instead, Policy, Redirects, judge};
use super::*;
use crate::http::{Exchange, Step};
use crate::plan::target::Target;
use proptest::prelude::*;

fn head(status: u16, lines: &str) -> Box<Head> {
    let mut bytes = format!("HTTP/1.1 {status} \r\n{lines}\r\n").into_bytes();
    match Exchange::new().receive(&mut bytes) {
        Ok(Step::Head { head, .. }) => head,
        other => panic!("{status} {lines:?}: {other:?}"),
    }
}

/// The verdict on the answer to a request for a part.
fn verdict(ask: PartAsk<'_>, status: u16, lines: &str) -> Result<Answer, Instead> {
    let policy = Policy {
        redirects: Redirects::default(),
        robots_token: "ringpull".into(),
        robots_tags: vec!["noai".to_owned()],
    };
    let target = Target::parse("http://h.example/").unwrap();
    judge(&head(status, lines), Ask::Part(ask), (&target, 0), &policy)
}

/// The verdict in one line.
fn told(ask: PartAsk<'_>, status: u16, lines: &str) -> String {
    let text = |fault: &Fault| match &fault.detail {
        Some(detail) => format!("{} {detail}", fault.code()),
        None => fault.code().to_owned(),
    };
    match verdict(ask, status, lines) {
        Ok(Answer::Whole) => "whole".to_owned(),
        Ok(Answer::Part { range, complete: None }) => format!("{range:?} of *"),
        Ok(Answer::Part { range, complete: Some(complete) }) => format!("{range:?} of {complete}"),
        Err(Instead::BadPart(fault, bad)) => format!("{bad:?}: {}", text(&fault)),
        Err(Instead::NotRange { complete }) => format!("no such range: {complete:?}"),
        Err(Instead::NotModified) => "not modified".to_owned(),
        Err(Instead::Refused(fault)) => format!("refused: {}", text(&fault)),
        Err(Instead::Redirect(to)) => format!("-> {}", to.as_str()),
        Err(Instead::Failed(fault, after)) => format!("failed: {} {after:?}", text(&fault)),
    }
}

fn tag() -> Validator {
    Validator::from_parts(Some("\"a\""), None, false)
}

/// Bytes 10-19 of a file of 100 bytes.
fn ask(validator: &Validator) -> PartAsk<'_> {
    PartAsk { first: 10, last: Some(19), complete: Some(100), validator, takes_unvouched: false }
}

#[test]
fn the_part_that_was_asked_for_is_taken() {
    let tag = tag();
    let middle = ask(&tag);
    let rest = PartAsk { last: None, ..middle };
    let blind = PartAsk { complete: None, ..rest };
    let table = [
        (middle, "Content-Range: bytes 10-19/100\r\nContent-Length: 10\r\n", "10..20 of 100"),
        (middle, "Content-Range: bytes 10-19/100\r\n", "10..20 of 100"),
        (
            middle,
            "Content-Range: bytes 10-19/100\r\nTransfer-Encoding: chunked\r\n",
            "10..20 of 100",
        ),
        (middle, "Content-Range: bytes 10-19/*\r\nContent-Length: 10\r\n", "10..20 of 100"),
        // Fewer bytes than asked for are a begin.
        (middle, "Content-Range: bytes 10-10/100\r\nContent-Length: 1\r\n", "10..11 of 100"),
        (rest, "Content-Range: bytes 10-98/100\r\nContent-Length: 89\r\n", "10..99 of 100"),
        (rest, "Content-Range: bytes 10-99/100\r\nContent-Length: 90\r\n", "10..100 of 100"),
        (blind, "Content-Range: bytes 10-12/200\r\nContent-Length: 3\r\n", "10..13 of 200"),
        (blind, "Content-Range: bytes 10-12/*\r\nContent-Length: 3\r\n", "10..13 of *"),
        (middle, "Content-Range: bytes 10-19/100\r\nContent-Encoding: identity\r\n", {
            "10..20 of 100"
        }),
        (middle, "Content-Range: bytes 10-19/100\r\nETag: \"a\"\r\n", "10..20 of 100"),
    ];
    for (ask, lines, wanted) in table {
        assert_eq!(told(ask, 206, lines), wanted, "{lines:?}");
    }
}

#[test]
fn a_part_that_is_another_is_not_taken() {
    let tag = tag();
    let middle = ask(&tag);
    let rest = PartAsk { last: None, ..middle };
    let range = "Content-Range: bytes 10-19/100\r\n";
    let no_range = "the server sent a part without one valid Content-Range";
    let table = [
        (
            middle,
            "Content-Range: bytes 11-19/100\r\n",
            "the server sent bytes 11-19 of 100 although bytes 10-19 of 100 were asked for",
        ),
        (
            rest,
            "Content-Range: bytes 0-99/100\r\n",
            "the server sent bytes 0-99 of 100 although the bytes from 10 on of 100 were asked for",
        ),
        (
            middle,
            "Content-Range: bytes 10-20/100\r\n",
            "the server sent bytes 10-20 of 100 although bytes 10-19 of 100 were asked for",
        ),
        (
            rest,
            "Content-Range: bytes 10-100/*\r\n",
            "the server sent bytes 10-100 of an unknown number although the bytes from 10 on of \
             100 were asked for",
        ),
        (
            PartAsk { complete: None, ..rest },
            "Content-Range: bytes 10-9223372036854775808/*\r\n",
            "the server sent bytes 10-9223372036854775808 of an unknown number although the \
             bytes from 10 on were asked for",
        ),
        (middle, "", no_range),
        (middle, "Content-Range: bytes 10-19\r\n", no_range),
        (middle, &range.repeat(2), no_range),
        (
            middle,
            "Content-Range: bytes */100\r\n",
            "the server found no such range in 100 bytes and sent a part",
        ),
        (
            middle,
            "Content-Range: bytes 10-19/100\r\nContent-Length: 11\r\n",
            "the server sent bytes 10-19 of 100 in a body of 11 bytes",
        ),
        (
            middle,
            "Content-Range: bytes 10-19/100\r\nContent-Encoding: gzip\r\n",
            "the server sent the part in the coding gzip",
        ),
        (
            middle,
            "Content-Type: multipart/byteranges; boundary=x\r\n",
            "the server sent several parts in one (multipart/byteranges)",
        ),
        (
            middle,
            "Content-Range: bytes 10-19/101\r\nETag: \"a\"\r\n",
            "it has 101 bytes, and had 100 before",
        ),
    ];
    for (ask, lines, wanted) in table {
        assert_eq!(told(ask, 206, lines), format!("Lie: http.range {wanted}"), "{lines:?}");
    }
}

#[test]
fn a_part_of_another_version_is_not_taken() {
    let (tag, none) = (tag(), Validator::default());
    let dated = Validator::from_parts(None, Some("Sun, 06 Nov 1994 08:49:37 GMT"), true);
    let version = "what it says of its version is not what it said before";
    let length = "it has 101 bytes, and had 100 before";
    let range = "Content-Range: bytes 10-19/100\r\n";
    let table = [
        (&tag, format!("{range}ETag: \"b\"\r\n"), version),
        (&tag, format!("{range}ETag: W/\"a\"\r\n"), version),
        (&dated, format!("{range}Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), version),
        (&tag, "Content-Range: bytes 10-19/101\r\n".to_owned(), length),
        (&none, "Content-Range: bytes 10-19/101\r\n".to_owned(), length),
        // Whatever else is wrong with it.
        (&tag, "ETag: \"b\"\r\n".to_owned(), version),
    ];
    for (validator, lines, wanted) in table {
        for takes_unvouched in [false, true] {
            let ask = PartAsk { takes_unvouched, ..ask(validator) };
            let wanted = format!("Changed: http.changed {wanted}");
            assert_eq!(told(ask, 206, &lines), wanted, "{lines:?}");
        }
    }
}

#[test]
fn a_part_that_nothing_vouches_for_is_taken_where_that_is_wanted() {
    let weak = Validator::from_parts(Some("W/\"a\""), None, false);
    let (none, tag) = (Validator::default(), tag());
    let range = "Content-Range: bytes 10-19/100\r\n";
    for (validator, field, is_vouched) in [
        (&none, "", false),
        (&none, "ETag: \"a\"\r\n", false),
        (&weak, "ETag: W/\"a\"\r\n", false),
        // It was asked for with If-Range.
        (&tag, "", true),
    ] {
        for takes_unvouched in [false, true] {
            let ask = PartAsk { takes_unvouched, ..ask(validator) };
            let wanted = match is_vouched || takes_unvouched {
                true => "10..20 of 100",
                false => "Unvouched: http.range nothing says of which version it is",
            };
            assert_eq!(told(ask, 206, &format!("{range}{field}")), wanted, "{field:?}");
        }
    }
}

#[test]
fn other_answers_to_a_request_for_a_part() {
    let tag = tag();
    let range = "Content-Range: bytes 10-19/100\r\n";
    let table = [
        (200, "", "whole"),
        (200, "ETag: \"b\"\r\nContent-Length: 7\r\n", "whole"),
        (200, range, "whole"),
        (416, "Content-Range: bytes */7\r\n", "no such range: Some(7)"),
        (416, "", "no such range: None"),
        (416, range, "no such range: None"),
        (301, "Location: /b\r\n", "-> http://h.example/b"),
        (304, "", "failed: http.status None"),
        (412, "", "failed: http.status None"),
        (404, "", "failed: http.status None"),
        (503, "Retry-After: 7\r\n", "failed: http.status Some(Seconds(7))"),
        (200, "X-Robots-Tag: noai\r\n", "refused: robots.tag noai"),
        (206, "X-Robots-Tag: noai\r\nContent-Range: bytes 10-19/100\r\n", {
            "refused: robots.tag noai"
        }),
    ];
    for (status, lines, wanted) in table {
        assert_eq!(told(ask(&tag), status, lines), wanted, "{status} {lines:?}");
    }
}

#[test]
fn why_a_file_came_whole() {
    let (tag, none) = (tag(), Validator::default());
    for (validator, lines, wanted) in [
        (&tag, "ETag: \"a\"\r\nContent-Length: 100\r\n", WhyWhole::RangesIgnored),
        (&tag, "ETag: \"b\"\r\nContent-Length: 100\r\n", WhyWhole::Changed),
        (&tag, "ETag: \"a\"\r\nContent-Length: 101\r\n", WhyWhole::RangesIgnored),
        (&tag, "Content-Length: 100\r\n", WhyWhole::RangesIgnored),
        (&tag, "Content-Length: 101\r\n", WhyWhole::Changed),
        (&none, "Content-Length: 101\r\n", WhyWhole::Changed),
        (&none, "Content-Length: 100\r\n", WhyWhole::RangesIgnored),
        (&none, "Content-Length: 50\r\nContent-Encoding: gzip\r\n", WhyWhole::RangesIgnored),
        (&none, "Transfer-Encoding: chunked\r\n", WhyWhole::RangesIgnored),
    ] {
        assert_eq!(why_whole(&head(200, lines), &ask(validator)), wanted, "{lines:?}");
    }
    let blind = PartAsk { complete: None, ..ask(&none) };
    assert_eq!(why_whole(&head(200, "Content-Length: 9\r\n"), &blind), WhyWhole::RangesIgnored);
}

#[test]
fn a_response_may_end_where_it_said_or_after_enough() {
    const MIB: u64 = limits::LONG_BYTES_MIN;
    for (came, end, is_left, wanted) in [
        (5..9, 9, false, false),
        (5..8, 9, false, true),
        (5..5, 9, false, true),
        (5..9, 9, true, true),
        (5..MIB + 4, MIB + 4, true, true),
        (5..MIB + 5, MIB + 5, true, false),
        (5..MIB + 5, MIB + 6, true, true),
        (5..MIB + 5, MIB + 6, false, true),
    ] {
        assert_eq!(ends_early(came.clone(), end, is_left), wanted, "{came:?} {end} {is_left}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_taken_lies_within_what_was_asked_for(
        (first, len) in (0_u64..4, 1_u64..4),
        is_open in any::<bool>(),
        whole in prop::option::of(1_u64..8),
        (sent_first, sent_len) in (0_u64..4, 1_u64..4),
        sent_whole in prop::option::of(1_u64..8),
        length in prop::option::of(1_u64..4),
        etag in prop::sample::select(vec!["", "ETag: \"a\"\r\n", "ETag: \"b\"\r\n"]),
    ) {
        let validator = tag();
        let last = (!is_open).then_some(first + len - 1);
        let ask = PartAsk { last, first, complete: whole, ..ask(&validator) };
        let complete = sent_whole.map_or_else(|| "*".to_owned(), |whole| whole.to_string());
        let sent_last = sent_first + sent_len - 1;
        let mut lines = format!("Content-Range: bytes {sent_first}-{sent_last}/{complete}\r\n");
        lines += etag;
        if let Some(length) = length {
            lines += &format!("Content-Length: {length}\r\n");
        }
        let is_good = sent_first == first
            && last.is_none_or(|last| sent_last <= last)
            && whole.is_none_or(|whole| sent_last < whole)
            && sent_whole.is_none_or(|sent| sent_last < sent && whole.unwrap_or(sent) == sent)
            && length.is_none_or(|length| length == sent_len)
            && !etag.contains('b');
        match verdict(ask, 206, &lines) {
            Ok(answer) => {
                let (range, complete) = (first..sent_last + 1, sent_whole.or(whole));
                prop_assert_eq!(answer, Answer::Part { range, complete });
                prop_assert!(is_good, "{}", lines);
            }
            Err(Instead::BadPart(..)) => prop_assert!(!is_good, "{}", lines),
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }
}
