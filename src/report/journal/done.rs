//! Lines that earlier runs finished, and the check that the list is still the same one.
//!
//! Lines are kept as bitmaps over their numbers, of which a list of two hundred million fills 25 MB
//! at worst. A number says nothing about the line's content, so every row also adds the hash of its
//! number and URL to the sum of its block of [`BLOCK_LINES`] line numbers; the reader of the list
//! adds up the same, and the sums must be equal before anything of a block begins. [`Difference`]
//! finds the line that differs by reading the report again.
//!
//! Rows have the URL as the list gave it; those of older versions have its normal form. Either is
//! taken: a row whose URL is in its normal form is compared by the normal form of the line.

use super::differ::{Difference, Lines};
use super::url::{RowSum, Url};
use crate::exit::ExitStatus;
use crate::report::row::Status;
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// State of a line by its last row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The file is there (`ok`, `skipped`).
    Good,
    /// The line failed.
    Failed {
        /// Exit status that the failure adds.
        exit: ExitStatus,
        /// Whether another try may well succeed.
        is_transient: bool,
    },
    /// The line was not finished, or its row cannot be trusted.
    Open,
}

/// Failed lines that are tried again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Which {
    /// No failed line.
    #[default]
    None,
    /// Failed lines whose next attempt may well succeed.
    Transient,
    /// All failed lines.
    All,
}

/// All rows of a report, line by line.
#[derive(Clone, Debug, Default)]
pub struct Done {
    good: RoaringTreemap,
    failed: HashMap<ExitStatus, RoaringTreemap>,
    transient: RoaringTreemap,
    blocks: BTreeMap<u64, Block>,
    /// Rows by their place among those of the line: the first row of each line is in the first
    /// level, the second one in the second.
    levels: Vec<Level>,
    /// Whether a later row took back that a file is there.
    is_taken_back: bool,
}

/// The lines with at least as many rows as this level has a number.
#[derive(Clone, Debug, Default)]
struct Level {
    lines: RoaringTreemap,
    /// Lines of the level whose row has a URL in another form than the normal one.
    as_given: RoaringTreemap,
    /// Sums of these rows, by block. The first level has its own in [`Done::blocks`].
    sums: HashMap<u64, u64>,
}

/// Rows of some consecutive lines.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// The last line that has a row.
    last: u64,
    /// Sum over the first rows of the block's lines.
    sum: u64,
}

impl Done {
    /// Takes a row; the last one of a line counts.
    pub fn record(&mut self, index: u64, url: Url<'_>, fate: Fate) {
        self.add(RowSum::of(index, url), fate);
    }

    /// Takes a row by its sum, in the order of rows.
    pub fn add(&mut self, sum: RowSum, fate: Fate) {
        let index = sum.index;
        let is_first = self.add_sum(sum);
        if !is_first {
            self.is_taken_back |= self.good.contains(index) && fate != Fate::Good;
            self.forget(index);
        }
        match fate {
            Fate::Good => {
                self.good.insert(index);
            }
            Fate::Failed { exit, is_transient } => {
                self.failed.entry(exit).or_default().insert(index);
                if is_transient {
                    self.transient.insert(index);
                }
            }
            Fate::Open => {}
        }
    }

    /// Whether the file of this line is there.
    pub fn has(&self, index: u64) -> bool {
        self.good.contains(index)
    }

    /// Lets a line be pulled again, whatever its rows say.
    pub fn reopen(&mut self, index: u64) {
        self.is_taken_back |= self.good.contains(index);
        self.forget(index);
    }

    /// Whether there was no row.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Lines whose file is there.
    pub fn good(&self) -> u64 {
        self.good.len()
    }

    /// The last line that has a row; 0 without one.
    pub fn last(&self) -> u64 {
        self.blocks.last_key_value().map_or(0, |(_, block)| block.last)
    }

    /// Lines that failed.
    pub fn failed(&self) -> u64 {
        self.failed.values().map(RoaringTreemap::len).sum()
    }

    /// All lines that are done or failed, as if a run had passed over them.
    fn passed(&self) -> Passed {
        let of_exit = self.failed.iter().filter(|(_, lines)| !lines.is_empty());
        Passed {
            good: self.good(),
            failed: self.failed(),
            transient: self.transient.len(),
            exit: of_exit.map(|(exit, _)| *exit).min(),
        }
    }

    /// Number of rows of this line. Beyond sixteen they are not counted.
    pub fn rows_of(&self, index: u64) -> usize {
        self.levels.iter().take_while(|level| level.lines.contains(index)).count()
    }

    /// Adds the row to the sum of its block; first, second, third rows of lines have sums of their
    /// own. Says whether it is the first row of its line.
    fn add_sum(&mut self, sum: RowSum) -> bool {
        let RowSum { index, hash: sum, is_as_given } = sum;
        let block = block_of(index);
        for depth in 0..LEVELS_MAX {
            if depth == self.levels.len() {
                self.levels.push(Level::default());
            }
            if !self.levels[depth].lines.insert(index) {
                continue;
            }
            if is_as_given {
                self.levels[depth].as_given.insert(index);
            }
            if depth == 0 {
                let block = self.blocks.entry(block).or_default();
                block.last = block.last.max(index);
                block.sum = block.sum.wrapping_add(sum);
            } else {
                let of_block = self.levels[depth].sums.entry(block).or_default();
                *of_block = of_block.wrapping_add(sum);
            }
            return depth == 0;
        }
        false
    }

    fn forget(&mut self, index: u64) {
        let was_good = self.good.remove(index);
        if !was_good && self.failed.values_mut().any(|lines| lines.remove(index)) {
            self.transient.remove(index);
        }
    }

    fn fate(&self, index: u64) -> Fate {
        if self.good.contains(index) {
            return Fate::Good;
        }
        match self.failed.iter().find(|(_, lines)| lines.contains(index)) {
            Some((exit, _)) => {
                Fate::Failed { exit: *exit, is_transient: self.transient.contains(index) }
            }
            None => Fate::Open,
        }
    }
}

/// Decision about a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The line is pulled.
    Pull,
    /// The line's file is there: it is passed over.
    Good,
    /// The line failed before, and is not tried again.
    Failed,
}

/// Lines that a run has passed over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Passed {
    /// Lines whose file is there.
    pub good: u64,
    /// Lines that failed.
    pub failed: u64,
    /// Failed lines whose next attempt may well succeed.
    pub transient: u64,
    /// The lowest exit status of the failures.
    pub exit: Option<ExitStatus>,
}

/// The list is not the one that the report is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mismatch {
    /// First and last number of the lines among which the list differs.
    pub lines: (u64, u64),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.lines;
        write!(f, "lines {first} to {last} are not those that its rows are about")
    }
}

impl std::error::Error for Mismatch {}

/// End of the list in relation to the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// No row is about a line behind the end of the list.
    Whole,
    /// The list is shorter than it was: rows are about lines up to this one.
    Shorter(u64),
}

/// Follows the reader of a list, line by line in the order of their numbers.
#[derive(Debug, Default)]
pub struct Check {
    done: Done,
    retry: Which,
    /// Number of the block at hand.
    block: Option<u64>,
    rows: Block,
    sums: Vec<u64>,
    /// Lines of that block, while it is not known whether they are those of the report.
    lines: Lines,
    is_confirmed: bool,
    /// Whether the list has some lines of the report only: then there is nothing to compare it
    /// with.
    is_partial: bool,
    passed: Passed,
}

impl Check {
    /// The check of a list that `done` should be about.
    pub fn new(done: Done, retry: Which) -> Self {
        Self { done, retry, is_confirmed: true, ..Self::default() }
    }

    /// The check of a list that has some of the lines that `done` is about, which are all to be
    /// pulled again.
    pub fn partial(done: Done) -> Self {
        let passed = done.passed();
        Self { done, is_partial: true, passed, ..Self::default() }
    }

    /// Holds the lines of a part until they are compared; after that, each is pulled.
    fn line_of_part(&mut self, index: u64, url: Url<'_>) -> Result<Verdict, Mismatch> {
        if self.is_confirmed {
            self.done.forget(index);
            self.passed = self.done.passed();
        } else if self.done.rows_of(index) == 0 {
            return Err(Mismatch { lines: (index, index) });
        } else {
            self.lines.push(index, url, url.hashes(index));
        }
        Ok(Verdict::Pull)
    }

    /// The check as it was made, for reading the list again from its first line.
    pub fn again(self) -> Self {
        match self.is_partial {
            true => Self { is_confirmed: true, lines: Lines::default(), ..self },
            false => Self::new(self.done, self.retry),
        }
    }

    /// Lines that are held to be compared.
    pub fn lines_held(&self) -> usize {
        self.lines.len()
    }

    /// Drops the lines that are held, after they were compared.
    pub fn forget_lines(&mut self) {
        self.lines.clear();
    }

    /// The last line that has a row; 0 without one.
    pub fn last(&self) -> u64 {
        self.done.last()
    }

    /// Whether the file of this line is there.
    pub fn is_good(&self, index: u64) -> bool {
        self.done.fate(index) == Fate::Good
    }

    /// Whether rows say of lines that their file is there and later ones that it is not.
    pub fn is_taken_back(&self) -> bool {
        self.done.is_taken_back
    }

    /// Lets the line be pulled again, whatever its rows say.
    pub fn reopen(&mut self, index: u64) {
        self.done.forget(index);
    }

    /// Begins to look for the line that made this mismatch, which was the last result of this
    /// check.
    pub fn difference(&self, mismatch: Mismatch) -> Difference<'_> {
        Difference::new(mismatch, &self.lines, self.is_partial)
    }

    /// Takes the next line that has, or would have, a row: its number and the URL that the row
    /// shows. Says what is to be done with it, once [`Check::is_confirmed`].
    ///
    /// # Errors
    /// When a block has ended and is not the one that the report is about: nothing of it may begin.
    pub fn line(&mut self, index: u64, url: Url<'_>) -> Result<Verdict, Mismatch> {
        if self.done.is_empty() {
            return Ok(Verdict::Pull);
        }
        if self.is_partial {
            return self.line_of_part(index, url);
        }
        self.enter(block_of(index))?;
        if !self.is_confirmed {
            self.add(index, url);
            if index >= self.rows.last {
                self.confirm()?;
            }
        }
        let verdict = match self.done.fate(index) {
            Fate::Open => Verdict::Pull,
            Fate::Good => {
                self.passed.good += 1;
                Verdict::Good
            }
            Fate::Failed { is_transient, .. }
                if self.retry == Which::All || self.retry == Which::Transient && is_transient =>
            {
                Verdict::Pull
            }
            Fate::Failed { exit, is_transient } => {
                self.passed.failed += 1;
                self.passed.transient += u64::from(is_transient);
                let lowest = self.passed.exit.map_or(exit, |lowest| lowest.min(exit));
                self.passed.exit = Some(lowest);
                Verdict::Failed
            }
        };
        Ok(verdict)
    }

    /// Whether the lines taken so far are those of the report, as far as that can be known: they
    /// may begin.
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed || self.done.is_empty()
    }

    /// Ends the list.
    ///
    /// # Errors
    /// As [`Check::line`]; a list that ends within a block that goes on in the report cannot be
    /// told from another list.
    pub fn end(&mut self) -> Result<Ended, Mismatch> {
        if self.is_partial {
            return Ok(Ended::Whole);
        }
        if !self.is_confirmed() {
            self.confirm()?;
        }
        let last = self.done.blocks.last_key_value().map(|(block, rows)| (*block, rows.last));
        Ok(match last {
            Some((block, last)) if self.block.is_none_or(|at| at < block) => Ended::Shorter(last),
            Some(_) | None => Ended::Whole,
        })
    }

    /// Lines that were passed over so far.
    pub fn passed(&self) -> Passed {
        self.passed
    }

    fn enter(&mut self, block: u64) -> Result<(), Mismatch> {
        if self.block == Some(block) {
            return Ok(());
        }
        if !self.is_confirmed {
            self.confirm()?;
        }
        // Blocks without a line now, of which there are rows.
        let next = self.block.map_or(0, |block| block + 1);
        if let Some((missed, _)) = self.done.blocks.range(next..block).next() {
            self.lines.clear();
            return Err(Mismatch { lines: lines_of(*missed) });
        }
        self.block = Some(block);
        let rows = self.done.blocks.get(&block).copied();
        self.is_confirmed = rows.is_none();
        self.rows = rows.unwrap_or_default();
        self.sums.clear();
        self.sums.resize(self.done.levels.len(), 0);
        Ok(())
    }

    fn add(&mut self, index: u64, url: Url<'_>) {
        let hashes = url.hashes(index);
        for (level, of_level) in self.done.levels.iter().zip(&mut self.sums) {
            if !level.lines.contains(index) {
                break;
            }
            let sum = hashes[usize::from(level.as_given.contains(index))];
            *of_level = of_level.wrapping_add(sum);
        }
        self.lines.push(index, url, hashes);
    }

    fn confirm(&mut self) -> Result<(), Mismatch> {
        let Some(block) = self.block else { return Ok(()) };
        let rest = self.done.levels.iter().skip(1);
        let rest = rest.map(|level| level.sums.get(&block).copied().unwrap_or(0));
        let wanted = std::iter::once(self.rows.sum).chain(rest);
        if !wanted.eq(self.sums.iter().copied()) {
            return Err(Mismatch { lines: lines_of(block) });
        }
        self.lines.clear();
        self.is_confirmed = true;
        Ok(())
    }
}

impl Fate {
    /// The fate of a line by its row; `failed` says of what kind a failure is.
    pub fn of(status: Status, failed: impl FnOnce() -> (ExitStatus, bool)) -> Self {
        match status {
            Status::Ok | Status::Skipped => Self::Good,
            Status::Failed => {
                let (exit, is_transient) = failed();
                Self::Failed { exit, is_transient }
            }
            Status::Cancelled => Self::Open,
        }
    }
}

/// The block of a line. Lines are numbered from 1.
fn block_of(index: u64) -> u64 {
    index.saturating_sub(1) / BLOCK_LINES
}

/// The first and the last line number of a block.
fn lines_of(block: u64) -> (u64, u64) {
    let before = block * BLOCK_LINES;
    (before + 1, before.saturating_add(BLOCK_LINES))
}

/// Line numbers that are checked together: at most this many jobs wait for those in front of them.
const BLOCK_LINES: u64 = 4_096;
/// Rows of one line that are checked; those of a line that was tried again more often still count.
const LEVELS_MAX: usize = 16;
