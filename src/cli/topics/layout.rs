//! A text laid out for a terminal: lines filled, lists indented, tables in columns where they fit
//! and as terms with explanations where they do not. Code keeps its lines, however long.

use super::markdown::{Block, Face, Span, Table, spans};
use crate::report::look::Look;

/// How a text is set off where it is bold or code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// Text alone, for files, pipes and terminals that are told so: code keeps its grave accents.
    Plain,
    /// Bold and underlined by the sequences that terminals know.
    Ansi,
}

impl Style {
    /// The style of an output.
    #[must_use]
    pub fn of(look: Look) -> Self {
        if look.has_color { Self::Ansi } else { Self::Plain }
    }
}

/// Columns of a table stand so far apart.
const GAP: usize = 2;
/// Indentation of everything but headings.
const INDENT: usize = 2;
/// Lines longer than this are hard to read, however wide the terminal is.
const WIDTH_MAX: usize = 100;
/// A column that is broken into lines has at least this width, or the table is no table any more.
const COLUMN_MIN: usize = 24;
/// Items longer than this many lines stand apart.
const ITEM_LINES_MAX: usize = 3;

/// Lays a text out for this many columns.
pub(super) fn render(blocks: &[Block], width: usize, style: Style) -> String {
    let page = Page { width: width.min(WIDTH_MAX), style };
    let mut out = String::new();
    for (index, block) in blocks.iter().enumerate() {
        let is_below_heading =
            index.checked_sub(1).is_some_and(|at| matches!(blocks[at], Block::Heading(2.., _)));
        if index > 0 && !is_below_heading {
            out.push('\n');
        }
        for line in page.block(block) {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

/// What texts are laid out for.
#[derive(Clone, Copy)]
struct Page {
    width: usize,
    style: Style,
}

/// Text without a place to break it.
#[derive(Clone, Debug, Default)]
struct Word {
    spans: Vec<Span>,
}

impl Word {
    fn push(&mut self, char: char, face: Face) {
        match self.spans.last_mut().filter(|span| span.face == face) {
            Some(span) => span.text.push(char),
            None => self.spans.push(Span { text: char.to_string(), face }),
        }
    }
}

impl Page {
    fn block(self, block: &Block) -> Vec<String> {
        match block {
            Block::Heading(level, text) => self.heading(*level, text),
            Block::Paragraph(text) => self.indented(INDENT, INDENT, text),
            Block::List(items) => self.list(items),
            Block::Code(lines) => {
                lines.iter().map(|line| format!("{}{line}", " ".repeat(2 * INDENT))).collect()
            }
            Block::Table(table) => self.table(table),
        }
    }

    fn heading(self, level: usize, text: &str) -> Vec<String> {
        let lines = self.fill(text, self.width);
        let title = |line: String| match (self.style, level) {
            (Style::Plain, _) => line,
            (Style::Ansi, 1) => format!("\x1b[1m\x1b[4m{line}\x1b[0m"),
            (Style::Ansi, _) => format!("\x1b[1m{line}\x1b[0m"),
        };
        lines.into_iter().map(title).collect()
    }

    fn list(self, items: &[String]) -> Vec<String> {
        let items: Vec<Vec<String>> = items
            .iter()
            .map(|item| {
                let mut lines = self.indented(2 * INDENT, 2 * INDENT, item);
                if let Some(first) = lines.first_mut() {
                    first.replace_range(INDENT..=INDENT, "-");
                }
                lines
            })
            .collect();
        let is_loose = items.iter().any(|lines| lines.len() > ITEM_LINES_MAX);
        items.join(&String::new()).into_iter().filter(|line| is_loose || !line.is_empty()).collect()
    }

    /// A table in columns, or as terms with explanations where columns would be too narrow.
    fn table(self, table: &Table) -> Vec<String> {
        let mut cells = vec![table.head.iter().map(|cell| self.words(cell, false)).collect()];
        cells.extend(table.rows.iter().map(|row| self.row(row)));
        match column_widths(&cells, self.width.saturating_sub(INDENT)) {
            Some(widths) => self.columns(&cells, &widths),
            None => self.terms(table),
        }
    }

    fn row(self, row: &[String]) -> Vec<Vec<Word>> {
        row.iter().map(|cell| self.words(cell, is_literal(cell))).collect()
    }

    fn columns(self, cells: &[Vec<Vec<Word>>], widths: &[usize]) -> Vec<String> {
        let mut out = Vec::new();
        for (index, row) in cells.iter().enumerate() {
            let broken: Vec<Vec<Vec<Word>>> =
                row.iter().zip(widths).map(|(cell, width)| broken(cell, *width)).collect();
            for at in 0..broken.iter().map(Vec::len).max().unwrap_or(0) {
                let mut line = " ".repeat(INDENT);
                for (cell, width) in broken.iter().zip(widths) {
                    let words = cell.get(at).map_or(&[][..], Vec::as_slice);
                    line += &self.line(words);
                    line += &" ".repeat(width.saturating_sub(line_width(words)) + GAP);
                }
                out.push(line);
            }
            if index == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                out.push(format!("{}{}", " ".repeat(INDENT), rules.join(&" ".repeat(GAP))));
            }
        }
        out
    }

    /// Rows as terms: the first cell, and what belongs to it indented below; of several cells each
    /// behind its head.
    fn terms(self, table: &Table) -> Vec<String> {
        let mut out = Vec::new();
        for row in &table.rows {
            let mut cells = row.iter().zip(&table.head);
            let Some((term, _)) = cells.next() else { continue };
            out.extend(self.filled(INDENT, INDENT, &self.words(term, is_literal(term))));
            for (cell, head) in cells.filter(|(cell, _)| !cell.is_empty()) {
                let text = if row.len() > 2 { format!("{head}: {cell}") } else { cell.clone() };
                out.extend(self.indented(3 * INDENT, 3 * INDENT, &text));
            }
        }
        out
    }

    fn indented(self, first: usize, rest: usize, text: &str) -> Vec<String> {
        self.filled(first, rest, &self.words(text, false))
    }

    fn filled(self, first: usize, rest: usize, words: &[Word]) -> Vec<String> {
        let lines = broken(words, self.width.saturating_sub(first.max(rest)));
        let indent = |index| " ".repeat(if index == 0 { first } else { rest });
        let lines = lines.iter().enumerate();
        lines.map(|(index, words)| format!("{}{}", indent(index), self.line(words))).collect()
    }

    fn fill(self, text: &str, width: usize) -> Vec<String> {
        broken(&self.words(text, true), width).iter().map(|words| self.line(words)).collect()
    }

    /// The words of a text. Code that is not long is one word; code keeps its grave accents where
    /// nothing else shows what it is, unless the whole text is code.
    fn words(self, text: &str, is_bare: bool) -> Vec<Word> {
        let has_accents = self.style == Style::Plain && !is_bare;
        let mut words = Vec::new();
        let mut word = Word::default();
        for span in spans(text) {
            let is_code = span.face == Face::Code;
            let accent = if is_code && has_accents { "`" } else { "" };
            let is_whole = is_code && span.text.chars().count() <= self.width / 2;
            for char in accent.chars().chain(span.text.chars()).chain(accent.chars()) {
                if char.is_whitespace() && !is_whole {
                    words.push(std::mem::take(&mut word));
                } else {
                    word.push(char, span.face);
                }
            }
        }
        words.push(word);
        words.retain(|word| !word.spans.is_empty());
        words
    }

    fn line(self, words: &[Word]) -> String {
        let word = |word: &Word| word.spans.iter().map(|span| self.span(span)).collect::<String>();
        words.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn span(self, span: &Span) -> String {
        match (self.style, span.face) {
            (Style::Plain, _) | (_, Face::Text) => span.text.clone(),
            (Style::Ansi, Face::Bold | Face::Code) => format!("\x1b[1m{}\x1b[0m", span.text),
        }
    }
}

/// Whether a cell has nothing but code, with commas between.
fn is_literal(cell: &str) -> bool {
    let is_joint = |span: &Span| span.text.chars().all(|char| char == ',' || char == ' ');
    spans(cell).iter().all(|span| span.face == Face::Code || is_joint(span))
}

fn word_width(word: &Word) -> usize {
    word.spans.iter().map(|span| span.text.chars().count()).sum()
}

fn line_width(words: &[Word]) -> usize {
    words.iter().map(word_width).sum::<usize>() + words.len().saturating_sub(1)
}

/// Words in lines that are at most so wide, unless one word alone is wider.
fn broken(words: &[Word], width: usize) -> Vec<Vec<Word>> {
    let mut lines: Vec<Vec<Word>> = Vec::new();
    let mut used = 0;
    for word in words {
        let own = word_width(word);
        match lines.last_mut().filter(|_| used + 1 + own <= width) {
            Some(line) => {
                used += 1 + own;
                line.push(word.clone());
            }
            None => {
                used = own;
                lines.push(vec![word.clone()]);
            }
        }
    }
    lines
}

/// Widths of the columns of a table in a page of this width; none where they would be too narrow
/// to be read. The widest give way first.
fn column_widths(cells: &[Vec<Vec<Word>>], width: usize) -> Option<Vec<usize>> {
    let count = cells.first().map_or(0, Vec::len);
    let of_column = |at: usize, measure: fn(&[Word]) -> usize| {
        cells.iter().filter_map(|row| row.get(at)).map(|cell| measure(cell)).max().unwrap_or(0)
    };
    let longest_word = |words: &[Word]| words.iter().map(word_width).max().unwrap_or(0);
    let natural: Vec<usize> = (0..count).map(|at| of_column(at, line_width)).collect();
    let least: Vec<usize> =
        (0..count).map(|at| of_column(at, longest_word).max(natural[at].min(COLUMN_MIN))).collect();
    let room = width.checked_sub(GAP * count.saturating_sub(1))?;
    let bounded = |bound: usize| {
        let columns = natural.iter().zip(&least);
        columns.map(|(natural, least)| bound.max(*least).min(*natural)).collect::<Vec<usize>>()
    };
    let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() <= room;
    (0..=room).rev().map(bounded).find(fits)
}

#[cfg(test)]
mod tests;
