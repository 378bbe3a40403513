//! Tables and properties of validators.

use super::*;
use crate::http::{Exchange, Step};
use proptest::prelude::*;

/// The head of a 206 with these lines.
fn head(lines: &str) -> Box<Head> {
    let mut bytes = format!("HTTP/1.1 206 \r\n{lines}\r\n").into_bytes();
    match Exchange::new().receive(&mut bytes) {
        Ok(Step::Head { head, .. }) => head,
        other => panic!("{lines:?}: {other:?}"),
    }
}

fn of(lines: &str) -> Validator {
    Validator::of(&head(lines))
}

const MODIFIED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
/// The same second.
const MODIFIED_OLD_FORM: &str = "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT\r\n";
/// A second later.
const MODIFIED_LATER: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT\r\n";
/// 60 seconds behind `MODIFIED`.
const LONG_AFTER: &str = "Date: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
/// A second less.
const AFTER: &str = "Date: Sun, 06 Nov 1994 08:50:36 GMT\r\n";

#[test]
fn only_strong_validators_are_conditions_of_a_range() {
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    let long = "x".repeat(limits::HEAD_TEXT_BYTES_MAX - 2);
    let cut = format!("ETag: \"{long}\"and more\r\n");
    let longest = format!("\"{}\"", &long[1..]);
    let table = [
        (String::new(), None),
        ("ETag: \"a\"\r\n".to_owned(), Some("\"a\"")),
        ("ETag: \"\u{fc}\"\r\n".to_owned(), Some("\"\u{fc}\"")),
        ("ETag: W/\"a\"\r\n".to_owned(), None),
        ("ETag: a\r\n".to_owned(), None),
        (cut, None),
        (format!("ETag: {longest}\r\n"), Some(longest.as_str())),
        (format!("{MODIFIED}{LONG_AFTER}"), date),
        (format!("{MODIFIED_OLD_FORM}{LONG_AFTER}"), Some("Sunday, 06-Nov-94 08:49:37 GMT")),
        (format!("{MODIFIED}{AFTER}"), None),
        (format!("{MODIFIED_LATER}{LONG_AFTER}"), None),
        // Nobody knows when it was made.
        (MODIFIED.to_owned(), None),
        (format!("{MODIFIED}Date: now\r\n"), None),
        // A response of the past.
        (format!("{MODIFIED}Date: Sun, 06 Nov 1994 08:00:00 GMT\r\n"), None),
        (LONG_AFTER.to_owned(), None),
        (format!("Last-Modified: 0\r\n{LONG_AFTER}"), None),
        // An entity tag goes before the date, also where it is weak (section 13.1.5).
        (format!("ETag: \"a\"\r\n{MODIFIED}{LONG_AFTER}"), Some("\"a\"")),
        (format!("ETag: W/\"a\"\r\n{MODIFIED}{LONG_AFTER}"), None),
        (format!("ETag: a\r\n{MODIFIED}{LONG_AFTER}"), date),
    ];
    for (lines, wanted) in table {
        let validator = of(&lines);
        assert_eq!(validator.if_range(), wanted, "{lines:?}");
        assert_eq!(validator.is_strong(), wanted.is_some(), "{lines:?}");
    }
}

#[test]
fn what_a_later_head_says() {
    use Agreement::{Differs, Same, Unknown};
    let settled = format!("{MODIFIED}{LONG_AFTER}");
    let tagged = format!("ETag: \"a\"\r\n{settled}");
    let (strong, weak) = ("ETag: \"a\"\r\n", "ETag: W/\"a\"\r\n");
    let table = [
        (strong, strong, Same),
        (strong, "ETag: \"b\"\r\n", Differs),
        (strong, weak, Differs),
        (strong, "ETag: a\r\n", Differs),
        (strong, "", Unknown),
        (strong, &settled, Unknown),
        (strong, "ETag: \"A\"\r\n", Differs),
        (weak, weak, Unknown),
        (weak, strong, Unknown),
        (weak, "ETag: \"b\"\r\n", Differs),
        (weak, "ETag: W/\"b\"\r\n", Differs),
        ("ETag: a\r\n", "ETag: a\r\n", Unknown),
        ("ETag: a\r\n", "ETag: b\r\n", Differs),
        (&settled, MODIFIED, Same),
        (&settled, MODIFIED_OLD_FORM, Same),
        (&settled, MODIFIED_LATER, Differs),
        (&settled, &tagged, Same),
        (&settled, "", Unknown),
        (&settled, "Last-Modified: 0\r\n", Unknown),
        // The same second, within which it may have changed.
        (MODIFIED, &settled, Unknown),
        (MODIFIED, MODIFIED_LATER, Differs),
        // Tags decide where both have one.
        (&tagged, "ETag: \"a\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:38 GMT\r\n", Same),
        (&tagged, "ETag: \"b\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Differs),
        (&tagged, MODIFIED, Same),
        (&tagged, MODIFIED_LATER, Differs),
        ("", &tagged, Unknown),
        ("", "", Unknown),
    ];
    for (ours, theirs, wanted) in table {
        assert_eq!(of(ours).agreement(&head(theirs)), wanted, "{ours:?} {theirs:?}");
    }
    // A weak tag says that bytes may differ whatever the date is.
    let (ours, theirs) = (format!("{weak}{settled}"), format!("{weak}{MODIFIED_LATER}"));
    assert_eq!(of(&ours).agreement(&head(&ours)), Unknown);
    assert_eq!(of(&ours).agreement(&head(MODIFIED)), Unknown);
    assert_eq!(of(&ours).agreement(&head(&theirs)), Differs);
    let (ours, theirs) = (format!("ETag: a\r\n{settled}"), format!("ETag: b\r\n{settled}"));
    assert_eq!(of(&ours).agreement(&head(&ours)), Same);
    assert_eq!(of(&ours).agreement(&head(&theirs)), Differs);
}

/// Field lines of few values, so that heads often agree.
fn lines() -> impl Strategy<Value = String> {
    let etag = prop::sample::select(vec![
        "",
        "ETag: \"a\"\r\n",
        "ETag: \"b\"\r\n",
        "ETag: W/\"a\"\r\n",
        "ETag: W/\"b\"\r\n",
        "ETag: a\r\n",
        "ETag: \"a\u{fffd}\"\r\n",
    ]);
    let modified = prop::sample::select(vec![
        "",
        MODIFIED,
        MODIFIED_OLD_FORM,
        MODIFIED_LATER,
        "Last-Modified: soon\r\n",
    ]);
    let date = prop::sample::select(vec!["", AFTER, LONG_AFTER, "Date: now\r\n"]);
    (etag, modified, date).prop_map(|(etag, modified, date)| format!("{etag}{modified}{date}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_can_be_asked_for_is_what_agrees_with_itself(lines in lines()) {
        let (validator, head) = (of(&lines), head(&lines));
        let agreement = validator.agreement(&head);
        prop_assert_ne!(agreement, Agreement::Differs);
        prop_assert_eq!(agreement == Agreement::Same, validator.is_strong());
        if let Some(value) = validator.if_range() {
            let is_strong_tag = matches!(etag::read(value), Some((Strength::Strong, _)));
            let date = HttpDate::new(value.as_bytes()).and_then(HttpDate::unix_s);
            prop_assert!(is_strong_tag || date.is_some(), "{}", value);
        }
        let kept = Validator::from_parts(
            validator.etag(),
            validator.last_modified(),
            validator.is_date_settled(),
        );
        prop_assert_eq!(kept, validator);
    }

    #[test]
    fn versions_that_are_the_same_have_nothing_that_differs(
        ours in lines(),
        theirs in lines(),
    ) {
        let (first, second) = (of(&ours), of(&theirs));
        let agreement = first.agreement(&head(&theirs));
        if agreement == Agreement::Same {
            prop_assert!(first.is_strong());
            let tags = (first.etag(), second.etag());
            prop_assert!(tags.0 == tags.1 || tags.0.is_none() || tags.1.is_none(), "{:?}", tags);
        }
        if !first.is_strong() {
            prop_assert_ne!(agreement, Agreement::Same);
        }
        // A contradiction is one from both sides, but for a weak tag that turned strong.
        let other = second.agreement(&head(&ours));
        if agreement == Agreement::Differs && other != Agreement::Differs {
            prop_assert!(second.is_weak() && !first.is_weak(), "{} {}", ours, theirs);
        }
    }

    #[test]
    fn no_text_is_too_strange(etag in any::<String>(), date in any::<String>()) {
        let validator = Validator::from_parts(Some(&etag), Some(&date), true);
        prop_assert_eq!(validator.etag(), Some(etag.as_str()));
        if let Some(value) = validator.if_range() {
            prop_assert!(!value.contains(['\r', '\n', '\0']), "{:?}", value);
        }
    }
}
