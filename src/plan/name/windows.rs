//! Names that Windows does not allow, as NTFS, exFAT, FAT and shares of Windows refuse them or
//! change them in silence, and what they become instead.
//!
//! The rules are those of "Naming Files, Paths, and Namespaces" (Microsoft), the replacement of
//! characters that of wget's `--restrict-file-names=windows`.

use super::{NameRules, shorten};
use crate::limits;
use std::borrow::Cow;

/// A component as a directory with these rules takes it: the same every time, and allowed already
/// most of the time.
///
/// Characters that are not allowed become `%XX`, and so does a dot or a space at the end. The name
/// of a device (`con`, `aux.txt`) gets a `_` before it.
pub(super) fn fit(component: &str, rules: NameRules) -> Cow<'_, str> {
    let mut name = Cow::Borrowed(component);
    if rules.is_windows {
        if let Some(Problem::Character(_)) = problem(&name) {
            name = escaped(&name, is_refused).into();
        }
        if let Some(last) = name.chars().last().filter(|last| is_dropped(*last)) {
            let front = &name[..name.len() - 1];
            name = format!("{front}%{:02X}", u32::from(last)).into();
        }
        if device(&name).is_some() {
            name = format!("_{name}").into();
        }
    }
    if rules.has_short_names && is_short_name(&name) {
        name = escaped(&name, |c| c == '~').into();
    }
    if name.len() > limits::NAME_BYTES_MAX { shorten(&name).into() } else { name }
}

/// Reason why a file system may have refused a path, and the remedy.
pub fn refused(path: &str) -> String {
    let what = match path.split('/').find_map(problem) {
        Some(Problem::Character(c)) => format!("'{c}' in names"),
        Some(Problem::End) => "names that end in a dot or a space".to_owned(),
        Some(Problem::Device(name)) => format!("the name \"{name}\", which is that of a device"),
        None => return "it cannot keep this name; give another one with out=".to_owned(),
    };
    format!("it does not allow {what}; use --restrict-file-names=windows")
}

/// Why Windows does not allow a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Problem<'n> {
    Character(char),
    End,
    Device(&'n str),
}

fn problem(name: &str) -> Option<Problem<'_>> {
    if let Some(c) = name.chars().find(|c| is_refused(*c)) {
        return Some(Problem::Character(c));
    }
    if name.ends_with(is_dropped) {
        return Some(Problem::End);
    }
    device(name).map(Problem::Device)
}

/// Characters that are not allowed; controls and separators are in no name of ours.
fn is_refused(c: char) -> bool {
    matches!(c, '"' | '*' | ':' | '<' | '>' | '?' | '|')
}

/// Characters that are dropped from the end of a name.
fn is_dropped(c: char) -> bool {
    matches!(c, '.' | ' ')
}

/// The name with the characters that `is_escaped` picks, which are ASCII, percent-encoded.
fn escaped(name: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        if is_escaped(c) {
            text.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// The device that a name stands for, whatever comes behind its first dot.
fn device(name: &str) -> Option<&str> {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is_numbered = |device: &str| {
        let number = stem.get(..3).filter(|front| front.eq_ignore_ascii_case(device));
        let number = number.and_then(|_| stem.get(3..));
        number.is_some_and(|number| {
            let mut digits = number.chars();
            matches!(digits.next(), Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'))
                && digits.next().is_none()
        })
    };
    let is_device = DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device))
        || is_numbered("com")
        || is_numbered("lpt");
    is_device.then_some(stem)
}

/// Whether a name may be the short one (8.3) of a file with a longer name: `longna~1.txt`.
fn is_short_name(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let digits = stem.rsplit_once('~').map(|(_, digits)| digits);
    stem.chars().count() <= 8
        && extension.chars().count() <= 3
        && !extension.contains('.')
        && digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
}

const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: NameRules = NameRules { folds: true, is_windows: true, has_short_names: false };
    const SHORT: NameRules = NameRules { has_short_names: true, ..WINDOWS };

    #[test]
    fn names_that_windows_refuses_become_others() {
        let table = [
            ("plain.jpg", "plain.jpg"),
            ("a:b", "a%3Ab"),
            ("\"*:<>?|", "%22%2A%3A%3C%3E%3F%7C"),
            ("127.0.0.1:8080", "127.0.0.1%3A8080"),
            ("dot.", "dot%2E"),
            ("dots..", "dots.%2E"),
            ("space ", "space%20"),
            ("q?.", "q%3F%2E"),
            ("con", "_con"),
            ("Con.txt", "_Con.txt"),
            ("aux .tar.gz", "_aux .tar.gz"),
            ("NUL", "_NUL"),
            ("com1", "_com1"),
            ("LPT9.x", "_LPT9.x"),
            ("com\u{b9}", "_com\u{b9}"),
            ("CONOUT$", "_CONOUT$"),
            ("com", "com"),
            ("com12", "com12"),
            ("comé", "comé"),
            ("console", "console"),
            ("x.con", "x.con"),
            ("foo~1", "foo~1"),
            ("é", "é"),
        ];
        for (name, wanted) in table {
            assert_eq!(fit(name, WINDOWS), wanted, "{name}");
            assert_eq!(fit(wanted, WINDOWS), wanted, "{name} stays");
            assert_eq!(problem(&fit(name, WINDOWS)), None, "{name}");
            assert_eq!(fit(name, NameRules::default()), name);
        }
        let long = format!("{}.jpeg", ":".repeat(250));
        let fitted = fit(&long, WINDOWS);
        assert!(fitted.len() == 255 && fitted.ends_with(".jpeg"), "{fitted}");
    }

    #[test]
    fn a_name_is_never_the_short_one_of_another() {
        let table = [
            ("foo~1", "foo%7E1"),
            ("LONGNA~1.TXT", "LONGNA%7E1.TXT"),
            ("a~12.h", "a%7E12.h"),
            ("longname~1", "longname~1"),
            ("foo~1.jpeg", "foo~1.jpeg"),
            ("foo~1.a.b", "foo~1.a.b"),
            ("foo~", "foo~"),
            ("foo~x", "foo~x"),
        ];
        for (name, wanted) in table {
            assert_eq!(fit(name, SHORT), wanted, "{name}");
        }
    }

    #[test]
    fn what_is_refused_is_named_with_the_remedy() {
        let remedy = "; use --restrict-file-names=windows";
        let table = [
            ("a:b", "it does not allow ':' in names"),
            ("a?/b", "it does not allow '?' in names"),
            ("x/y.", "it does not allow names that end in a dot or a space"),
            ("aux.c", "it does not allow the name \"aux\", which is that of a device"),
        ];
        for (path, wanted) in table {
            assert_eq!(refused(path), format!("{wanted}{remedy}"));
        }
        assert!(!refused("x/y").contains(remedy));
    }
}
