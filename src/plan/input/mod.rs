//! The bytes of one input to its entries, whatever its format.
//!
//! A [`List`] is fed bytes as they come and gives one [`Entry`] for every line, row or object that
//! asks for something. How the bytes were split does not matter. Memory is bounded: a line that is
//! too long is an entry too, and its end is skipped.

mod lines;

use super::job::{Entry, LINE_PREFIX_BYTES, Lines};
use crate::config::{InputConfig, InputFormat};
use lines::Cutter;

/// The reader of one input.
#[derive(Debug)]
pub struct List {
    cutter: Cutter,
    form: Form,
}

/// What its lines are.
#[derive(Debug)]
enum Form {
    Text(Lines),
}

/// What reading on came to.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// Bytes read from the front of the input; without an entry that is all of them.
    pub used: usize,
    /// The next entry.
    pub entry: Option<Entry>,
}

impl List {
    /// A reader of an input that has `lines_before` lines in the inputs before it.
    pub fn new(format: InputFormat, _config: &InputConfig, lines_before: u64) -> Self {
        let form = match format {
            InputFormat::Text | InputFormat::Csv | InputFormat::Tsv | InputFormat::JsonLines => {
                Form::Text(Lines::new(lines_before))
            }
        };
        Self { cutter: Cutter::new(LINE_PREFIX_BYTES), form }
    }

    /// Reads on, up to the next entry. `input` begins where the last call stopped.
    pub fn read(&mut self, input: &[u8]) -> Step {
        let mut used = 0;
        while used < input.len() {
            let (length, line) = self.cutter.cut(&input[used..]);
            used += length;
            let entry = match &mut self.form {
                Form::Text(lines) => line.and_then(|line| lines.line(line)),
            };
            if entry.is_some() {
                return Step { used, entry };
            }
        }
        Step { used, entry: None }
    }

    /// Nothing more comes for now: gives the entry that only waits for option lines, unless a line
    /// has begun that may be one.
    pub fn pause(&mut self) -> Option<Entry> {
        if !self.cutter.begun().is_empty() {
            return None;
        }
        match &mut self.form {
            Form::Text(lines) => lines.finish(),
        }
    }

    /// The input has ended. Gives what is left, one entry a call.
    pub fn finish(&mut self) -> Option<Entry> {
        match &mut self.form {
            Form::Text(lines) => {
                let entry = self.cutter.last().and_then(|line| lines.line(line));
                entry.or_else(|| lines.finish())
            }
        }
    }

    /// The input broke off: gives what is left and certain, one entry a call. A line that has only
    /// begun is none, and neither is a URL when that line may hold its options.
    pub fn abandon(&mut self) -> Option<Entry> {
        match &mut self.form {
            Form::Text(lines) => {
                let torn = self.cutter.last();
                let entry = lines.finish();
                let may_have_options = torn.is_some_and(|torn| torn[0].is_ascii_whitespace());
                entry.filter(|_| !may_have_options)
            }
        }
    }

    /// Lines of all inputs so far: what the reader of the next input begins with.
    pub fn lines_total(&self) -> u64 {
        match &self.form {
            Form::Text(lines) => lines.lines_total(),
        }
    }
}
