//! The Markdown of the topics: headings, paragraphs, lists, tables and fenced code, with `code` and
//! **bold** in them. What is not one of these is text.

/// One block of a text.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Block {
    /// A heading of this level, 1 for the title.
    Heading(usize, String),
    /// Text that is filled into lines.
    Paragraph(String),
    /// Items that stand behind dashes.
    List(Vec<String>),
    /// Lines that stay as they are.
    Code(Vec<String>),
    /// Cells in rows.
    Table(Table),
}

/// A table with a head.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A stretch of text that looks the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::cli) struct Span {
    pub(in crate::cli) text: String,
    pub(in crate::cli) face: Face,
}

/// How a stretch of text looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Face {
    Text,
    Bold,
    Code,
}

/// Takes a text apart.
pub(super) fn parse(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    // Whether the next line of text goes on with the block before it.
    let mut is_open = false;
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.starts_with("```"));
            blocks.push(Block::Code(code.map(str::to_owned).collect()));
            is_open = false;
        } else if let Some(title) = line.strip_prefix('#') {
            let level = 1 + title.bytes().take_while(|byte| *byte == b'#').count();
            blocks.push(Block::Heading(level, title.trim_start_matches('#').trim().to_owned()));
            is_open = false;
        } else if trimmed.starts_with('|') {
            push_row(&mut blocks, trimmed, is_open);
            is_open = true;
        } else if let Some(item) = line.strip_prefix("- ") {
            match blocks.last_mut() {
                Some(Block::List(items)) => items.push(item.trim().to_owned()),
                _ => blocks.push(Block::List(vec![item.trim().to_owned()])),
            }
            is_open = true;
        } else if trimmed.is_empty() {
            is_open = false;
        } else {
            push_text(&mut blocks, trimmed, is_open);
            is_open = true;
        }
    }
    blocks
}

/// A line of text: more of the paragraph or item before it, or a new paragraph.
fn push_text(blocks: &mut Vec<Block>, line: &str, is_open: bool) {
    let before = match blocks.last_mut().filter(|_| is_open) {
        Some(Block::Paragraph(text)) => Some(text),
        Some(Block::List(items)) => items.last_mut(),
        _ => None,
    };
    match before {
        Some(text) => {
            text.push(' ');
            text.push_str(line);
        }
        None => blocks.push(Block::Paragraph(line.to_owned())),
    }
}

/// A line of a table: its head first, the line of dashes left out.
fn push_row(blocks: &mut Vec<Block>, line: &str, is_open: bool) {
    let cells = cells(line);
    match blocks.last_mut().filter(|_| is_open) {
        Some(Block::Table(table)) => {
            let is_rule = cells.iter().all(|cell| cell.trim_matches([':', '-']).is_empty());
            if !(is_rule && table.rows.is_empty()) {
                table.rows.push(cells);
            }
        }
        _ => blocks.push(Block::Table(Table { head: cells, rows: Vec::new() })),
    }
}

/// The cells of `| a | b |`; a bar of a cell is written `\|`, in code as well.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        let cell = cells.last_mut().expect("there is one from the start");
        match char {
            '\\' if chars.next_if_eq(&'|').is_some() => cell.push('|'),
            '|' => cells.push(String::new()),
            char => cell.push(char),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// The stretches of a text: `code` between grave accents, bold text between double asterisks.
pub(in crate::cli) fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut is_bold = false;
    // Every second part is code.
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            spans.push(Span { text: part.to_owned(), face: Face::Code });
            continue;
        }
        for (index, part) in part.split("**").enumerate() {
            is_bold ^= index > 0;
            let face = if is_bold { Face::Bold } else { Face::Text };
            if !part.is_empty() {
                spans.push(Span { text: part.to_owned(), face });
            }
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(text: &str) -> Block {
        Block::Paragraph(text.to_owned())
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn blocks() {
        let list = |items: &[&str]| Block::List(owned(items));
        let code = |lines: &[&str]| Block::Code(owned(lines));
        let heading = |level, text: &str| Block::Heading(level, text.to_owned());
        let table: [(&str, Vec<Block>); 12] = [
            ("", vec![]),
            ("a\nb\n\nc", vec![paragraph("a b"), paragraph("c")]),
            ("# a\nb", vec![heading(1, "a"), paragraph("b")]),
            ("## a b\n### c", vec![heading(2, "a b"), heading(3, "c")]),
            ("- a\n  b\n- c\n\nd", vec![list(&["a b", "c"]), paragraph("d")]),
            ("a\n- b", vec![paragraph("a"), list(&["b"])]),
            ("- a\n\n- b", vec![list(&["a", "b"])]),
            ("```\n a\n\n# b\n```\nc", vec![code(&[" a", "", "# b"]), paragraph("c")]),
            ("```sh\na", vec![code(&["a"])]),
            ("a\n```\nb\n```", vec![paragraph("a"), code(&["b"])]),
            ("- a\n```\nb\n```\nc", vec![list(&["a"]), code(&["b"]), paragraph("c")]),
            ("-a\n-b", vec![paragraph("-a -b")]),
        ];
        for (text, blocks) in table {
            assert_eq!(parse(text), blocks, "{text:?}");
        }
    }

    #[test]
    fn tables() {
        let text = "| A | B |\n|---|:--|\n| `a \\| b` | |\n| - | c |\n\n| C |\n|---|";
        let first = Table {
            head: owned(&["A", "B"]),
            rows: vec![owned(&["`a | b`", ""]), owned(&["-", "c"])],
        };
        let second = Table { head: owned(&["C"]), rows: Vec::new() };
        assert_eq!(parse(text), [Block::Table(first), Block::Table(second)]);
    }

    #[test]
    fn stretches() {
        let span = |text: &str, face| Span { text: text.to_owned(), face };
        let table: [(&str, Vec<Span>); 6] = [
            ("", vec![]),
            ("a b", vec![span("a b", Face::Text)]),
            ("`a **b`", vec![span("a **b", Face::Code)]),
            ("**a.** b", vec![span("a.", Face::Bold), span(" b", Face::Text)]),
            (
                "**a `b` c**",
                vec![span("a ", Face::Bold), span("b", Face::Code), span(" c", Face::Bold)],
            ),
            ("a, `b`", vec![span("a, ", Face::Text), span("b", Face::Code)]),
        ];
        for (text, spans) in table {
            assert_eq!(super::spans(text), spans, "{text:?}");
        }
    }
}
