//! Small texts at several widths.

use super::super::markdown::parse;
use super::*;

fn plain(text: &str, width: usize) -> String {
    render(&parse(text), width, Style::Plain)
}

#[test]
fn text_is_filled() {
    let table = [
        ("# Title\na b c d e", 9, "Title\n\n  a b c d\n  e\n"),
        ("a\n\nb", 9, "  a\n\n  b\n"),
        ("## One\na\n## Two\nb", 9, "One\n  a\n\nTwo\n  b\n"),
        ("- a b c\n- d", 7, "  - a b\n    c\n  - d\n"),
        ("- a b c d e f g h i", 7, "  - a b\n    c d\n    e f\n    g h\n    i\n"),
        ("- a b c d e f g h\n- i", 7, "  - a b\n    c d\n    e f\n    g h\n\n  - i\n"),
        ("averylongword a", 6, "  averylongword\n  a\n"),
        ("```\na  b   c d e f\n\n x\n```", 6, "    a  b   c d e f\n\n     x\n"),
        ("**a.** `b c` d", 80, "  a. `b c` d\n"),
        ("a b `c d`", 12, "  a b `c d`\n"),
        ("aa bb `c d`", 12, "  aa bb\n  `c d`\n"),
        ("`a b c d e f g`", 12, "  `a b c d e\n  f g`\n"),
    ];
    for (text, width, expected) in table {
        assert_eq!(plain(text, width), expected, "{text:?} at {width}");
    }
}

#[test]
fn columns_give_way_and_become_terms() {
    let text = "| Name | What it is |\n|---|---|\n| `a` | one two three four five six |\n\
                | `bb`, `c` | x |";
    let wide = "  Name   What it is\n  -----  ---------------------------\n  \
                a      one two three four five six\n  bb, c  x\n";
    assert_eq!(plain(text, 80), wide);
    let less = "  Name   What it is\n  -----  ------------------------\n  \
                a      one two three four five\n         six\n  bb, c  x\n";
    assert_eq!(plain(text, 33), less);
    let narrow = "  a\n      one two three four five\n      six\n  bb, c\n      x\n";
    assert_eq!(plain(text, 32), narrow);
}

#[test]
fn terms_of_three_columns_have_their_heads() {
    let text = "| A | B | C |\n|---|---|---|\n| `a` | `b` | c c c |\n| `d` | | e |";
    assert_eq!(
        plain(text, 10),
        "  a\n      B:\n      `b`\n      C: c\n      c c\n  d\n      C: e\n"
    );
}

#[test]
fn code_and_heads_are_set_off() {
    let text = "# A b\n## C\n`d e` f **g**";
    let styled =
        "\x1b[1m\x1b[4mA b\x1b[0m\n\n\x1b[1mC\x1b[0m\n  \x1b[1md e\x1b[0m f \x1b[1mg\x1b[0m\n";
    assert_eq!(render(&parse(text), 80, Style::Ansi), styled);
}

#[test]
fn styles_of_outputs() {
    let look = |has_color| Look { has_color, ..Look::default() };
    assert_eq!((Style::of(look(true)), Style::of(look(false))), (Style::Ansi, Style::Plain));
}
