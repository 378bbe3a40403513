//! What is told of text that is no TOML: its line, its option, and what would be right.

use crate::cli::command::command;
use crate::cli::settings::file::parse;
use std::path::Path;

fn told(text: &str) -> String {
    match parse(&command(), Path::new("c.toml"), text, false) {
        Ok(_) => panic!("should be refused: {text}"),
        Err(told) => told,
    }
}

#[test]
fn mistakes_are_told_in_plain_words() {
    let number = "cannot use `retry`: it takes a number; for instance `retry = 5`";
    let section = "there are no sections: write `key = value` lines, as in `retry = 5`";
    let switch = "cannot use `quiet`: write true or false; for instance `quiet = true`";
    let open = "cannot use `dir`: the quotes around its value are not closed; for instance";
    let list = "is not written as [\"A\", \"B\"]";
    let list_of_line_1 = format!("the list of `header`, which begins in line 1, {list}");
    for (text, line, words) in [
        ("# a\n\nretry = five", 3, number),
        ("\u{feff}retry = five", 1, number),
        ("retry = 10m", 1, number),
        ("retry == 5", 1, number),
        ("[hosts", 1, section),
        ("retry = 5\r\n[[hosts]]", 2, section),
        ("[dir]\nx = 5", 1, "as in `dir = \"images\"`"),
        ("quiet = yes", 1, switch),
        ("quiet = True", 1, switch),
        ("retry 5", 1, "there is no `=` behind `retry`: write `retry = 5`"),
        ("--retry: 5", 1, "there is no `=` behind `--retry`: write `retry = 5`"),
        ("nonsense", 1, "there is no `=`: write `key = value` lines, as in `retry = 5`"),
        ("retry = # five", 1, "there is no value behind `retry =`: write `retry = 5`"),
        ("= 5", 1, "there is no option before the `=`: write `retry = 5`"),
        ("retry = 5, quiet = true", 1, "something stands behind its value"),
        ("dir = 'a' 'b'", 1, "something stands behind its value"),
        ("dir = images", 1, "write its value in quotes; for instance `dir = \"images\"`"),
        ("max-time = 10m", 1, "write its value in quotes; for instance `max-time = \"10m\"`"),
        ("dir = \"a\nretry = 5", 1, open),
        ("dir = '''a\n\n", 1, open),
        ("dir = \"C:\\x\"", 1, "a backslash begins an escape"),
        ("dir = \"\u{1}\"", 1, "there is a control character in its value"),
        ("retry = 5\nretry = 6", 2, "`retry` stands in line 1 already: leave one of them out"),
        ("header = 'A: 1'\n\nheader = 'B: 1'", 3, "write all its values in one list"),
        ("header = [A: 1]", 1, list),
        ("header = ['A: 1'\n\n", 1, list),
        ("header = [\n'A: 1'\n'B: 1'\n]", 3, &list_of_line_1),
        (
            "header = \"\"\"A: b\nSECRET==\"",
            1,
            "`header`: the quotes around its value are not closed",
        ),
        ("#\nheader = '''A\nretry='''5", 2, "`header`: the quotes around its value are not closed"),
        ("dir = \"\"\"a\nb\"\"\"\n\nretry = five", 4, number),
        ("dir = \"'''\" # \"\"\"\nretry = five", 2, number),
        ("dir = \"\"\"a\\\"\"\"\"\nretry = five", 2, number),
        ("header = [\n'''a\nb", 2, &list_of_line_1),
        ("retri = five", 1, "there is no option `retri`; did you mean `retry`?"),
        ("http://h/?a=b", 1, "as in `input-file = [\"urls.txt\"]`"),
    ] {
        let told = told(text);
        assert!(told.starts_with(&format!("c.toml:{line}: ")), "{text}: {told}");
        assert!(told.contains(words), "{text}: {told}");
    }
}

#[test]
fn what_may_be_a_secret_is_not_repeated() {
    for text in [
        "header = Cookie: SECRET",
        "header Cookie: SECRET",
        "Cookie: SECRET",
        "Cookie: a=SECRET",
        "Authorization: Basic SECRET=",
        "header = \"SECRET",
        "header = \"\"\"Authorization: Basic\nSECRET==\"",
        "header = \"\"\"Authorization: Basic\nsecret==\"\"\"",
        "SECRET==",
        "header = [\"A: SECRET\" SECRET]",
        "user = SECRET:SECRET",
        "proxy-user = 'a:SECRET' SECRET",
    ] {
        let told = told(text);
        assert!(
            told.starts_with("c.toml:1: ") && !told.to_uppercase().contains("SECRET"),
            "{text}: {told}"
        );
    }
}

/// Whatever the text is: it is refused or understood, and what is told has one line.
#[test]
fn nothing_panics() {
    let pieces =
        ["retry", "header", "=", " ", "[", "]", "\"", "'", "\\", "\n", "#", "\u{fc}", "5", "''"];
    let command = command();
    let mut state = 7_u64;
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            text += pieces[usize::try_from(state >> 33).unwrap() % pieces.len()];
        }
        if let Err(told) = parse(&command, Path::new("c.toml"), &text, false) {
            assert!(told.starts_with("c.toml:") && !told.contains('\n'), "{text:?}: {told}");
        }
    }
}
