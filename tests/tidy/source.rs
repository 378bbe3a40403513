//! A Rust source file as the checks see it: comments and literals blanked out, test code marked.

/// One line of a source file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// As it stands in the file.
    pub(crate) raw: String,
    /// Comments and the insides of literals are spaces.
    pub(crate) code: String,
    /// Literals' insides only; everything else is spaces.
    pub(crate) literal: String,
    /// Within `#[cfg(test)]`, or in a file that holds tests only.
    pub(crate) is_test: bool,
}

impl Line {
    /// Whether anything but comment and white space is there.
    pub(crate) fn has_code(&self) -> bool {
        !self.code.trim().is_empty()
    }

    /// Whether it is a comment, or an attribute, alone on its line.
    pub(crate) fn is_comment_or_attribute(&self) -> bool {
        let raw = self.raw.trim_start();
        raw.starts_with("//") || raw.starts_with("#[")
    }
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Path from the top of the repository, with `/`.
    pub(crate) path: String,
    /// All lines.
    pub(crate) lines: Vec<Line>,
}

/// One function with a body.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Index of the line with `fn`.
    pub(crate) first: usize,
    /// Index of the line with the closing brace.
    pub(crate) last: usize,
}

impl Source {
    /// Takes the text apart.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, literal) = blank(text);
        let mut lines: Vec<Line> = text
            .lines()
            .zip(code.lines().zip(literal.lines()))
            .map(|(raw, (code, literal))| Line {
                raw: raw.to_owned(),
                code: code.to_owned(),
                literal: literal.to_owned(),
                is_test: is_test_file(path),
            })
            .collect();
        mark_tests(&mut lines);
        Self { path: path.to_owned(), lines }
    }

    /// Lines outside of tests, with their index.
    pub(crate) fn product(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().filter(|(_, line)| !line.is_test)
    }

    /// All blanked lines, joined.
    pub(crate) fn code(&self) -> String {
        self.lines.iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Every function that has a body, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code = self.code();
        words(&code)
            .filter(|&(_, word)| word == "fn")
            .filter_map(|(at, _)| {
                let rest = code[at + 2..].strip_prefix(' ')?;
                let name: String = rest.chars().take_while(|&c| is_word(c)).collect();
                let open = body_at(&code, at + 2)?;
                let close = closing(&code, open)?;
                let line_of = |at: usize| code[..at].matches('\n').count();
                (!name.is_empty()).then(|| Function {
                    name,
                    first: line_of(at),
                    last: line_of(close),
                })
            })
            .collect()
    }
}

/// Words of blanked code with where they begin.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    code.split(|c: char| !is_word(c)).filter_map(move |word| {
        let begin = at;
        at += word.len();
        // The separator: one character, of one or more bytes.
        at += code[at..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((begin, word))
    })
}

/// Whether `token` stands in `code` and is not the middle of a longer word.
pub(crate) fn has_token(code: &str, token: &str) -> bool {
    code.match_indices(token).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + token.len()..].chars().next();
        let is_begin = !token.starts_with(is_word) || !before.is_some_and(is_word);
        let is_end = !token.ends_with(is_word) || !after.is_some_and(is_word);
        is_begin && is_end
    })
}

/// Part of a word of Rust.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the body's brace opens, or nothing for a declaration without one. A `;` within brackets
/// (`[u8; 4]`) belongs to a type.
fn body_at(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(from + offset),
            ';' if depth == 0 => return None,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

/// The brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + offset);
        }
    }
    None
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/")
        || path.starts_with("benches/")
        || path.ends_with("/tests.rs")
        || path.contains("/tests/")
}

/// Marks `#[cfg(test)]` and the item that follows, up to its closing brace or `;`.
fn mark_tests(lines: &mut [Line]) {
    let mut index = 0;
    while index < lines.len() {
        if !lines[index].code.contains("#[cfg(test)]") {
            index += 1;
            continue;
        }
        let rest: Vec<&str> = lines[index..].iter().map(|line| line.code.as_str()).collect();
        let rest = rest.join("\n");
        let after = rest.find("#[cfg(test)]").map_or(0, |at| at + "#[cfg(test)]".len());
        let end = match body_at(&rest, after) {
            Some(open) => closing(&rest, open),
            None => rest[after..].find(';').map(|at| after + at),
        };
        let count = end.map_or(lines.len() - index, |end| rest[..end].matches('\n').count() + 1);
        for line in &mut lines[index..index + count] {
            line.is_test = true;
        }
        index += count;
    }
}

/// The text twice, each character as wide as before: once with comments and insides of literals
/// blanked, once with everything but the insides of literals blanked.
fn blank(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut literal) = (String::new(), String::new());
    let mut at = 0;
    while at < chars.len() {
        let (kind, len) = piece(&chars, at);
        for &c in &chars[at..at + len] {
            let keep = |is_kept: bool| if is_kept || c == '\n' { c } else { ' ' };
            code.push(keep(kind == Piece::Code));
            literal.push(keep(kind == Piece::Literal));
        }
        at += len;
    }
    (code, literal)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    Code,
    Comment,
    Literal,
}

/// What begins at `at`, and how long it is. Quotes count as part of their literal.
fn piece(chars: &[char], at: usize) -> (Piece, usize) {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or(' ');
    let is_word_before = at > 0 && is_word(chars[at - 1]);
    match (chars[at], next(1)) {
        ('/', '/') => (Piece::Comment, count_until(chars, at, |c| c == '\n')),
        ('/', '*') => (Piece::Comment, block_comment(chars, at)),
        ('"', _) => (Piece::Literal, quoted(chars, at, '"')),
        ('r', '"' | '#') if !is_word_before || chars[at - 1] == 'b' => raw_string(chars, at),
        ('\'', '\\') => (Piece::Literal, quoted(chars, at, '\'')),
        // `'x'` is a character, `'x` a lifetime.
        ('\'', _) if next(2) == '\'' => (Piece::Literal, 3),
        _ => (Piece::Code, 1),
    }
}

fn count_until(chars: &[char], at: usize, is_end: impl Fn(char) -> bool) -> usize {
    chars[at..].iter().position(|&c| is_end(c)).unwrap_or(chars.len() - at)
}

fn block_comment(chars: &[char], at: usize) -> usize {
    let (mut depth, mut len) = (0_usize, 0);
    while at + len < chars.len() {
        match (chars[at + len], chars.get(at + len + 1)) {
            ('/', Some('*')) => (depth, len) = (depth + 1, len + 2),
            ('*', Some('/')) => (depth, len) = (depth - 1, len + 2),
            _ => len += 1,
        }
        if depth == 0 {
            return len;
        }
    }
    len
}

fn quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut len = 1;
    while let Some(&c) = chars.get(at + len) {
        len += if c == '\\' { 2 } else { 1 };
        if c == quote {
            break;
        }
    }
    len.min(chars.len() - at)
}

/// `r"..."`, `r#"..."#`; `r#word` is code.
fn raw_string(chars: &[char], at: usize) -> (Piece, usize) {
    let hashes = count_until(chars, at + 1, |c| c != '#');
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return (Piece::Code, 1);
    }
    let mut len = hashes + 2;
    while at + len < chars.len() {
        let is_end = chars[at + len] == '"'
            && chars[at + len + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
        len += 1;
        if is_end {
            return (Piece::Literal, len + hashes);
        }
    }
    (Piece::Literal, len)
}
