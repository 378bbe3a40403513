//! `range`: the value of a `Content-Range` field.

use crate::driver::feed;
use ringpull::http::ContentRange;

pub(crate) fn target(data: &[u8]) {
    check(data);
    // From a head it is the same, if it survives there at all.
    let bytes = [b"HTTP/1.1 206 \r\nContent-Range: ", data, b"\r\n\r\n"].concat();
    let head = feed([bytes.as_slice()]).head;
    if let Some(range) = head.and_then(|head| head.content_range) {
        check(written(range).as_bytes());
    }
}

fn check(value: &[u8]) {
    let range = ContentRange::parse(value);
    assert_eq!(range, reference(value));
    let Some(range) = range else { return };
    if let ContentRange::Part { first, last, complete } = range {
        assert!(first <= last && complete.is_none_or(|complete| last < complete));
    }
    assert_eq!(ContentRange::parse(written(range).as_bytes()), Some(range));
    assert!(!range.to_string().contains(char::is_control));
}

fn written(range: ContentRange) -> String {
    match range {
        ContentRange::Part { first, last, complete } => {
            let complete = complete.map_or_else(|| "*".to_owned(), |bytes| bytes.to_string());
            format!("bytes {first}-{last}/{complete}")
        }
        ContentRange::Unsatisfied { complete } => format!("bytes */{complete}"),
    }
}

/// The grammar of RFC 9110 section 14.4 once more, in another way: delimiters from the right.
fn reference(value: &[u8]) -> Option<ContentRange> {
    let text = str::from_utf8(value).ok()?;
    let (front, complete) = text.rsplit_once('/')?;
    let unit = front.get(..6)?;
    if unit.to_lowercase() != "bytes " {
        return None;
    }
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse::<u64>().ok() } else { None }
    };
    let complete = if complete == "*" { None } else { Some(number(complete)?) };
    if &front[6..] == "*" {
        return Some(ContentRange::Unsatisfied { complete: complete? });
    }
    let (first, last) = front[6..].rsplit_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    if last < first || complete.is_some_and(|complete| complete <= last) {
        return None;
    }
    Some(ContentRange::Part { first, last, complete })
}
