//! `content_disposition`: the file name that a server proposes.

use super::name;
use crate::driver::feed;
use ringpull::plan::name::{Names, from_disposition};

pub(crate) fn target(data: &[u8]) {
    check(data);
    let bytes = [b"HTTP/1.1 200 \r\nContent-Disposition: ", data, b"\r\n\r\n"].concat();
    let head = feed([bytes.as_slice()]).head;
    if let Some(value) = head.and_then(|head| head.content_disposition) {
        check(&value);
    }
    // As the value of a parameter, in both forms.
    check(&[b"attachment; filename=\"", data, b"\""].concat());
    check(&[b"attachment; filename*=UTF-8''", data].concat());
    proposed(data);
}

/// One safe component, or nothing.
fn check(value: &[u8]) -> Option<String> {
    let proposed = from_disposition(value)?;
    name::check(&proposed);
    assert!(!proposed.contains('/'), "{proposed:?}");
    let mut names = Names::new();
    let mut claim = |index| names.claim(proposed.clone(), index, false);
    let (first, second) = (claim(1), claim(2));
    name::check(&first);
    name::check(&second);
    assert_ne!(first, second);
    Some(proposed)
}

/// Any text that is a safe name comes through both forms as it is.
fn proposed(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let quoted: String = text
        .chars()
        .flat_map(|c| (matches!(c, '"' | '\\')).then_some('\\').into_iter().chain([c]))
        .collect();
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let plain = check(format!("attachment; filename=\"{quoted}\"").as_bytes());
    let extended = check(format!("inline; filename*=utf-8''{escaped}; filename=x").as_bytes());
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    if matches!(last, "" | "." | "..") {
        assert_eq!(plain, None);
        assert!(extended.is_none() || extended.as_deref() == Some("x"));
        return;
    }
    assert_eq!(plain, extended, "{text:?}");
    let is_plain = |c: char| c.is_alphanumeric() || "._-+ ".contains(c);
    if last.chars().all(is_plain) && last.len() <= 255 && !last.starts_with(['.', '-']) {
        assert_eq!(plain.as_deref(), Some(last));
    }
}
