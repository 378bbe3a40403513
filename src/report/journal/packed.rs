//! A report read back piece by piece, packed or not.
//!
//! Only whole parts of a packed report count ([`crate::report::packing`]). A part that was torn is
//! at its end, as a line that was torn is at the end of a plain one.

use super::line::{Detail, Entry, Problem};
use super::{LINE_BYTES_MAX, Part, Refused, Scan, Scanned};
use crate::report::packing::{self, FirstPart, PART_BYTES_MAX, Packing};
use crate::report::row::RowFormat;
use memchr::{memmem, memrchr};

/// Reads a report piece by piece, whatever its packing: by [`Reader::feed`], or in two steps, so
/// that lines are read by several threads at once.
#[derive(Debug)]
pub struct Reader {
    packing: Packing,
    scan: Scan,
    /// Unpacked bytes that are not yet read: the begin of a line.
    rows: Vec<u8>,
    /// Bytes of the whole parts so far.
    at: u64,
    /// Bytes of the lines that were cut off so far.
    cut_at: u64,
}

/// Whole lines of a report.
#[derive(Debug)]
pub struct Cut {
    lines: Vec<u8>,
    /// Bytes of lines before these.
    at: u64,
    /// Where in the file all of them end; `None` where that is known of each.
    end: Option<u64>,
}

impl Cut {
    /// Reads the lines with a part of their own; `each` as with [`Reader::feed`].
    pub fn read(&self, part: &mut Part, mut each: impl FnMut(Entry<'_>, u64)) {
        part.read(&self.lines, |entry, end| each(entry, self.end.unwrap_or(end)));
    }
}

impl Reader {
    /// A reader of a report that has, or is to have, this format.
    pub fn new(format: RowFormat, packing: Packing) -> Self {
        Self { packing, scan: Scan::new(format), rows: Vec::new(), at: 0, cut_at: 0 }
    }

    /// This reader, reading the versions of files as well, which takes longer.
    pub fn with_versions(mut self) -> Self {
        self.scan.lines.set_detail(Detail::Version);
        self
    }

    /// Takes the next bytes. `each` gets every row, and where in the file it ends: behind the part
    /// that it is in. Gives how many bytes are used: the rest is to be given again with more behind
    /// it.
    ///
    /// # Errors
    /// When this is not a report, or not one of this format, or it is damaged before its end.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Entry<'_>, u64),
    ) -> Result<usize, Refused> {
        if self.packing == Packing::None {
            return self.scan.feed(bytes, each);
        }
        let mut used = 0;
        loop {
            let Some(length) =
                self.unpack(&bytes[used..]).map_err(|problem| self.refused(problem))?
            else {
                return Ok(used);
            };
            used += length;
            let at = self.at;
            let read = self.scan.feed(&self.rows, |entry, _| each(entry, at))?;
            self.rows.drain(..read);
        }
    }

    /// Takes the next bytes, as [`Reader::feed`] does, and gives the lines that are whole with
    /// them. They are to be read in their order, by [`Reader::read`] or by [`Reader::part`] and
    /// [`Reader::join`]. When no byte is used, more must come.
    ///
    /// # Errors
    /// What is wrong with the line behind those that were cut off: see [`Reader::refused`].
    pub fn cut(&mut self, bytes: &[u8]) -> Result<(usize, Cut), Problem> {
        let (used, end) = if self.packing == Packing::None {
            let used = lines_len(bytes);
            self.rows.extend_from_slice(&bytes[..used]);
            (used, None)
        } else {
            (self.unpack(bytes)?.unwrap_or(0), Some(self.at))
        };
        let rest = self.rows.split_off(lines_len(&self.rows));
        let lines = std::mem::replace(&mut self.rows, rest);
        let at = self.cut_at;
        self.cut_at += lines.len() as u64;
        Ok((used, Cut { lines, at, end }))
    }

    /// A reader of its own for these lines, once it is known how to read them.
    pub fn part(&self, cut: &Cut) -> Option<Part> {
        self.scan.part(cut.at)
    }

    /// Takes in the lines that a part has read. `None` when they are to be read once more, by
    /// [`Reader::read`], since the lines before them were not what the part took them to be.
    pub fn join(&mut self, part: Part) -> Option<Result<(), Refused>> {
        self.scan.join(part)
    }

    /// Reads lines; `each` as with [`Reader::feed`].
    ///
    /// # Errors
    /// As [`Reader::feed`].
    pub fn read(&mut self, cut: &Cut, mut each: impl FnMut(Entry<'_>, u64)) -> Result<(), Refused> {
        let Cut { lines, end, .. } = cut;
        self.scan.feed(lines, |entry, at| each(entry, end.unwrap_or(at))).map(drop)
    }

    /// Unpacks a part behind the rows that are there, and gives its length; `None` where more of it
    /// must come.
    fn unpack(&mut self, bytes: &[u8]) -> Result<Option<usize>, Problem> {
        let before = self.rows.len();
        match packing::unpack(self.packing, bytes, &mut self.rows) {
            FirstPart::Whole(length) => {
                self.at += length as u64;
                Ok(Some(length))
            }
            FirstPart::TooLong => Err(Problem::PartTooLong(self.name())),
            FirstPart::Damaged if bytes.len() > TORN_BYTES_MAX => {
                Err(Problem::Damaged(self.name()))
            }
            FirstPart::Begin if bytes.len() > PART_BYTES_MAX => {
                Err(Problem::PartTooLong(self.name()))
            }
            FirstPart::Begin | FirstPart::Damaged => {
                self.rows.truncate(before);
                Ok(None)
            }
        }
    }

    /// Ends with the begin of a line or of a part, which may be empty.
    ///
    /// # Errors
    /// When this is not a report, or it is damaged before its end.
    pub fn finish(mut self, rest: &[u8]) -> Result<Scanned, Refused> {
        if self.packing == Packing::None {
            let used = self.scan.feed(rest, |_, _| {})?;
            return self.scan.finish(&rest[used..]);
        }
        // A part is written with whole rows in it.
        if !self.rows.is_empty() || self.scan.is_over || self.scan.bad.is_some() {
            return Err(self.refused(Problem::Cut(self.name())));
        }
        if !rest.is_empty() && is_followed(self.packing, rest) {
            return Err(self.refused(Problem::Damaged(self.name())));
        }
        if self.at == 0 {
            return self.begin(rest);
        }
        let at = self.at;
        self.scan.finish(&[]).map(|scanned| Scanned { whole: at, ..scanned })
    }

    /// Ends with a first part that was never whole; its first bytes are known.
    fn begin(mut self, rest: &[u8]) -> Result<Scanned, Refused> {
        let rest = zero_block(rest).map_or(rest, |zero| &rest[..zero]);
        let magic = packing::magic(self.packing);
        let known = rest.len().min(magic.len());
        if rest[..known] != magic[..known] {
            return Err(self.refused(Problem::NotPacked(self.name())));
        }
        packing::unpack(self.packing, rest, &mut self.rows);
        let used = self.scan.feed(&self.rows, |_, _| {})?;
        let scanned = self.scan.finish(&self.rows[used..])?;
        Ok(Scanned { whole: 0, rows: 0, needs_header: true, ..scanned })
    }

    fn name(&self) -> &'static str {
        packing::name(self.packing)
    }

    /// The error of the line that comes next.
    pub fn refused(&self, problem: Problem) -> Refused {
        Refused { line: self.scan.count + 1, problem }
    }
}

/// Length of the whole lines at the front. [`Scan::feed`] reports a line that is too long.
fn lines_len(bytes: &[u8]) -> usize {
    match memrchr(b'\n', bytes) {
        Some(end) => end + 1,
        None if bytes.len() > LINE_BYTES_MAX => bytes.len(),
        None => 0,
    }
}

/// Whether whole parts follow one that is not whole, and not because a power loss left a block of
/// zero bytes of it.
fn is_followed(packing: Packing, torn: &[u8]) -> bool {
    let mut rows = Vec::new();
    let mut begins = memmem::find_iter(torn, packing::magic(packing));
    let next = begins.find(|begin| {
        rows.clear();
        let mut front = || packing::unpack(packing, &torn[*begin..], &mut rows);
        *begin > 0 && matches!(front(), FirstPart::Whole(_))
    });
    next.is_some_and(|next| zero_block(&torn[..next]).is_none())
}

/// Where a block of zero bytes begins, which a power loss kept from the disk.
fn zero_block(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, &[0; BLOCK_BYTES])
}

/// Most bytes that a power loss spoils at the end of a report. Damage with more than this behind it
/// has another cause.
const TORN_BYTES_MAX: usize = 64 << 20;
/// The smallest unit that file systems allocate, in bytes.
const BLOCK_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::RowEncoder;
    use crate::report::row::tests::row_ok;

    const PACKINGS: [Packing; 2] = [Packing::Gzip, Packing::Zstd];
    const FORMATS: [RowFormat; 2] = [RowFormat::Csv, RowFormat::JsonLines];

    /// A report of two rows a part; where each part ends.
    fn report(format: RowFormat, packing: Packing, parts: u64) -> (Vec<u8>, Vec<usize>) {
        let mut encoder = RowEncoder::new(format);
        let (mut file, mut ends) = (Vec::new(), Vec::new());
        for part in 0..parts {
            let mut rows = Vec::new();
            if part == 0 {
                encoder.header(&mut rows);
            }
            for index in [2 * part + 1, 2 * part + 2] {
                let mut row = row_ok();
                row.index = index;
                encoder.encode(&row, &mut rows);
            }
            packing::pack(packing, &rows, &mut file);
            ends.push(file.len());
        }
        (file, ends)
    }

    /// Lines and ends of the rows, and what the report was found to be.
    type Read = (Vec<(u64, u64)>, Scanned);

    fn read(
        format: RowFormat,
        packing: Packing,
        file: &[u8],
        piece: usize,
    ) -> Result<Read, Refused> {
        let mut reader = Reader::new(format, packing);
        let (mut rows, mut rest) = (Vec::new(), Vec::new());
        for piece in file.chunks(piece) {
            rest.extend_from_slice(piece);
            let used = reader.feed(&rest, |entry, end| rows.push((entry.index, end)))?;
            rest.drain(..used);
        }
        reader.finish(&rest).map(|scanned| (rows, scanned))
    }

    fn each(mut check: impl FnMut(RowFormat, Packing)) {
        FORMATS.into_iter().for_each(|format| {
            PACKINGS.into_iter().for_each(|packing| check(format, packing));
        });
    }

    #[test]
    fn rows_end_where_their_part_does() {
        each(|format, packing| {
            let (file, ends) = report(format, packing, 3);
            for piece in [1, 7, file.len()] {
                let (rows, scanned) = read(format, packing, &file, piece).unwrap();
                let wanted = ends.iter().enumerate().flat_map(|(part, end)| {
                    let (index, end) = (2 * part as u64, *end as u64);
                    [(index + 1, end), (index + 2, end)]
                });
                assert_eq!(rows, wanted.collect::<Vec<_>>(), "{format:?} {packing:?} {piece}");
                assert_eq!((scanned.whole, scanned.rows), (file.len() as u64, 6));
                assert!(!scanned.needs_header);
            }
        });
    }

    #[test]
    fn a_report_torn_at_any_byte_has_its_whole_parts() {
        each(|format, packing| {
            let (file, ends) = report(format, packing, 3);
            for length in 0..file.len() {
                // As it is, and with the block of zero bytes that a power loss leaves.
                let mut zeroed = file[..length].to_vec();
                zeroed.resize(length + 2 * BLOCK_BYTES, 0);
                for torn in [&file[..length], &zeroed] {
                    // The last bytes of a part may be zero bytes.
                    let is_whole = |end: &&usize| torn.get(..**end) == Some(&file[..**end]);
                    let whole = ends.iter().filter(is_whole).count();
                    let (rows, scanned) = read(format, packing, torn, 1 << 20)
                        .unwrap_or_else(|refused| panic!("{format:?} {length}: {refused}"));
                    assert_eq!(rows.len(), 2 * whole, "{format:?} {packing:?} {length}");
                    let end = if whole == 0 { 0 } else { ends[whole - 1] };
                    assert_eq!((scanned.whole, scanned.rows), (end as u64, 2 * whole as u64));
                    assert_eq!(scanned.needs_header, whole == 0);
                }
            }
        });
    }

    #[test]
    fn what_no_crash_did_is_refused() {
        each(|format, packing| {
            let (file, ends) = report(format, packing, 3);
            let mut flipped = file.clone();
            flipped[ends[0] + 30] ^= 0x55;
            let refused = read(format, packing, &flipped, 1 << 20).unwrap_err();
            assert!(matches!(refused.problem, Problem::Damaged(_)), "{refused}");
            // The same at the end may be the work of one.
            flipped.truncate(ends[1]);
            assert_eq!(read(format, packing, &flipped, 1 << 20).unwrap().0.len(), 2);
            // A block of zero bytes came of a power loss, whatever was written later.
            let mut zeroed = file[..ends[0] + 30].to_vec();
            zeroed.resize(ends[0] + 1_100, 0);
            zeroed.extend_from_slice(&file[ends[1]..]);
            assert_eq!(read(format, packing, &zeroed, 1 << 20).unwrap().0.len(), 2);

            let mut plain = Vec::new();
            packing::unpack(packing, &file, &mut plain);
            let refused = read(format, packing, &plain, 1 << 20).unwrap_err();
            assert!(matches!(refused.problem, Problem::NotPacked(_)), "{refused}");
            let mut cut = Vec::new();
            packing::pack(packing, &plain[..plain.len() - 5], &mut cut);
            let refused = read(format, packing, &cut, 1 << 20).unwrap_err();
            assert!(matches!(refused.problem, Problem::Cut(_)), "{refused}");
            let mut stranger = Vec::new();
            packing::pack(packing, &b"a list, not a report\n".repeat(50), &mut stranger);
            for torn in [&stranger[..], &stranger[..stranger.len() - 3]] {
                let refused = read(format, packing, torn, 1 << 20);
                // A frame of zstd that is torn tells nothing of what is in it.
                if torn.len() == stranger.len() || packing == Packing::Gzip {
                    assert_eq!(refused.unwrap_err().problem, Problem::Stranger);
                }
            }
        });
    }
}
