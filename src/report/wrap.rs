//! Lines broken between words where they are wider than a terminal.

use std::iter;

/// The text in which no line is wider than a terminal of so many columns, as far as its words are
/// not. A line goes on below its begin, two columns further to the right; sequences of ECMA-48
/// for colours take no columns.
#[must_use]
pub fn wrapped(text: &str, columns: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let said = line.trim_start_matches(' ');
        if columns_of(line) <= columns {
            wrapped.push_str(line);
        } else {
            let first = said.split(' ').next().map_or(0, columns_of);
            let begin = (line.len() - said.len()).min(columns.saturating_sub(first));
            wrapped.push_str(&" ".repeat(begin));
            push(&mut wrapped, said, (begin, begin + HANGING, columns));
        }
        wrapped.push_str(end);
    }
    wrapped
}

/// Writes the words of a line that has begun at the column `begin`, broken before each that does
/// not fit; what follows stands at `indent`, or as far to the right as a long word permits. Signs
/// that have no room behind a word as wide as the terminal begin the next line.
pub(super) fn push(text: &mut String, said: &str, (begin, indent, columns): (usize, usize, usize)) {
    let mut at = begin;
    for (place, word) in words(said).into_iter().enumerate() {
        let (word, signs) = apart(&word, columns);
        let width = columns_of(word);
        let blanks = usize::from(place > 0);
        let below = indent.min(columns.saturating_sub(width));
        if at + blanks + width > columns && at > below {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
            text.extend(iter::repeat_n(' ', below));
            at = below;
        } else {
            text.extend(iter::repeat_n(' ', blanks));
            at += blanks;
        }
        text.push_str(word);
        at += width;
        if !signs.is_empty() {
            text.push('\n');
            at = indent.min(columns.saturating_sub(columns_of(signs)));
            text.extend(iter::repeat_n(' ', at));
            text.push_str(signs);
            at += columns_of(signs);
        }
    }
}

/// The word, and apart from it the signs at its end where it has room only without these.
fn apart(word: &str, columns: usize) -> (&str, &str) {
    let plain = word.trim_end_matches([':', ',', ';', '.', ')']);
    match columns_of(word) > columns && columns_of(plain) <= columns && !plain.is_empty() {
        true => word.split_at(plain.len()),
        false => (word, ""),
    }
}

/// The words of a line, where a number and its unit are one.
fn words(said: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in said.split(' ') {
        let is_unit = word.starts_with(|char: char| char.is_ascii_alphabetic());
        match words.last_mut() {
            Some(before) if is_unit && is_number(before) => *before += &format!(" {word}"),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Whether a word is a number, behind the sequence of a colour and a parenthesis or without these.
fn is_number(word: &str) -> bool {
    let (_, plain) =
        word.split_once('m').filter(|_| word.starts_with('\x1b')).unwrap_or(("", word));
    let digits = plain.trim_start_matches('(');
    digits.ends_with(|char: char| char.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte))
}

/// Columns of a terminal that a text takes at most: from the letters of Hangul on (U+1100), the
/// first that are wide to wcwidth(3), a character may take two.
pub(crate) fn columns_of(text: &str) -> usize {
    let (mut columns, mut is_sequence) = (0, false);
    for char in text.chars() {
        match char {
            '\x1b' => is_sequence = true,
            'm' if is_sequence => is_sequence = false,
            _ if is_sequence => {}
            char => columns += if char < '\u{1100}' { 1 } else { 2 },
        }
    }
    columns
}

/// Columns that a line which goes on stands to the right of its begin.
const HANGING: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_below_its_begin() {
        let text = "state after 10.0 s:\n  lines read: 150 (all of the input)\nno end";
        assert_eq!(wrapped(text, 40), text);
        let narrow = "state after 10.0 s:\n  lines read: 150\n    (all of the\n    input)\nno end";
        assert_eq!(wrapped(text, 20), narrow);
    }

    #[test]
    fn a_long_word_stands_as_far_to_the_left_as_it_needs() {
        let text = "line 3: http://127.0.0.1/: refused";
        assert_eq!(wrapped(text, 20), "line 3:\n  http://127.0.0.1/:\n  refused");
        assert_eq!(wrapped(text, 19), "line 3:\n http://127.0.0.1/:\n  refused");
        assert_eq!(wrapped(text, 10), "line 3:\nhttp://127.0.0.1/:\n  refused");
        assert_eq!(wrapped("          demonstrations,", 20), "     demonstrations,");
        assert_eq!(wrapped("        1  127.0.0.1:1", 20), "        1\n         127.0.0.1:1");
        assert_eq!(wrapped("a b", 0), "a\nb");
    }

    #[test]
    fn a_number_and_its_unit_are_one_word() {
        assert_eq!(wrapped("it took 10.5 ms", 13), "it took\n  10.5 ms");
        assert_eq!(wrapped("it has (10 B)", 11), "it has\n  (10 B)");
        assert_eq!(wrapped("images-2026 are", 13), "images-2026\n  are");
        assert_eq!(wrapped("in images-2026 are", 16), "in images-2026\n  are");
    }

    #[test]
    fn signs_behind_a_word_as_wide_as_the_terminal_are_not_alone() {
        let said = "line 3: http://127.0.0.1/abc: refused";
        assert_eq!(wrapped(said, 20), "line 3:\nhttp://127.0.0.1/abc\n  : refused");
        assert_eq!(wrapped(said, 19), "line 3:\nhttp://127.0.0.1/abc:\n  refused");
        assert_eq!(wrapped("a: b", 0), "a:\nb");
    }

    #[test]
    fn colours_take_no_columns() {
        let text = "36 URLs: \x1b[32m30 ok\x1b[0m, \x1b[31m6 failed\x1b[0m";
        assert_eq!(wrapped(text, 24), text);
        assert_eq!(wrapped(text, 20).lines().next(), Some("36 URLs: \x1b[32m30 ok\x1b[0m,"));
        assert_eq!(columns_of("\x1b[1m\u{fc}\x1b[0m"), 1);
        assert_eq!(columns_of("\u{1100}\u{6f22}"), 4);
    }
}
