//! A report in Parquet: while a run goes on its rows are in a journal beside it, an ordinary report
//! in JSON Lines, and when the run ends they become the file.
//!
//! The journal is made of the file before a run, as a whole or not at all, and removed when the new
//! file has its name. So where both are there the journal has everything, and goes on.

use crate::config::ReportFile;
use crate::engine::books::journal::{Opened, carry, check_kept, durable};
use crate::engine::parquet::{Column, guarded};
use crate::error::RunError;
use crate::plan::input::parquet::Scalar;
use crate::report::RowFormat;
use crate::report::parquet::{Found, Lines, Value, Writer};
use crate::ring::dir::sync_names;
use crate::ring::draft::{Access, Draft, unnamed};
use anyhow::{Context as _, bail, ensure};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A journal that is there as its run needs it, unless another run got in between.
pub(crate) struct Restored {
    table: Table,
    /// Whether the journal was made of the file just now.
    is_made: bool,
    /// What the files were then.
    parquet: Option<FileId>,
    journal: Option<FileId>,
}

/// A Parquet file and its journal, whose lock the run has. It goes before that lock does.
pub(crate) struct Table {
    parquet: PathBuf,
    journal: PathBuf,
    /// Whether the journal was made of the file for this run, which has not begun.
    is_made: bool,
    /// What the journal had then, if it has what the file has.
    made: Option<Unpacked>,
}

/// Rows of a Parquet file that are a journal.
#[derive(Clone, Copy, Debug, Default)]
struct Unpacked {
    bytes: u64,
    rows: u64,
    /// Bytes of the rows that the file is known to have on the disk.
    durable: u64,
}

/// A Parquet file that is written when its run ends.
pub(crate) struct PendingTable {
    table: Table,
    /// Another descriptor of the journal, with its lock.
    journal: File,
    /// Names of the columns of the list that rows have.
    kept: Vec<String>,
}

/// Makes a journal of the rows of a report in Parquet, where there is one and no journal yet.
/// `None` where the report has another format. A report that is begun anew has none of the rows.
///
/// # Errors
/// The file is no report, has other columns of the list, or cannot be read or written.
pub(crate) fn restore(
    report: &ReportFile,
    kept: &[String],
    is_fresh: bool,
) -> anyhow::Result<Option<Restored>> {
    let ReportFile { path: journal, parquet: Some(parquet), .. } = report else { return Ok(None) };
    let mut restored = Restored {
        is_made: false,
        parquet: file_id(parquet),
        journal: file_id(journal),
        table: Table {
            parquet: parquet.to_owned(),
            journal: journal.to_owned(),
            is_made: false,
            made: None,
        },
    };
    if restored.journal.is_some() || restored.parquet.is_none() {
        return Ok(Some(restored));
    }
    let cannot = || RunError::local_file(format!("cannot write {}", journal.display()));
    let from = File::open(parquet).with_context(|| cannot_read(parquet))?;
    let draft = Draft::beside(journal, Access::AsBefore).with_context(cannot)?;
    let to = draft.file().with_context(cannot)?;
    let permissions = from.metadata().with_context(|| cannot_read(parquet))?.permissions();
    to.set_permissions(permissions).with_context(cannot)?;
    let unpacked = (!is_fresh).then(|| unpack(&from, &to, parquet, Some(kept))).transpose()?;
    let durable = unpacked.map_or(0, |unpacked| unpacked.durable);
    carry(&from, &to, durable).and_then(|()| to.sync_all()).with_context(cannot)?;
    restored.journal = FileId::of(&to);
    match draft.publish_new() {
        Ok(()) => sync_folder(journal).with_context(cannot)?,
        // Another run was faster, and has its lock.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Some(restored)),
        Err(error) => return Err(error).with_context(cannot),
    }
    restored.is_made = true;
    restored.table.made = unpacked;
    Ok(Some(restored))
}

impl Restored {
    /// The run has opened the journal, and has its lock: from now on nobody else changes it or the
    /// Parquet file.
    ///
    /// # Errors
    /// Another run did meanwhile.
    pub(crate) fn checked(self, opened: &Opened) -> anyhow::Result<Table> {
        let now = FileId::of(&opened.file);
        let is_same = now == file_id(&self.table.journal)
            && self.journal.is_none_or(|before| now == Some(before))
            && self.parquet == file_id(&self.table.parquet);
        if !is_same {
            bail!(RunError::local_file(format!(
                "cannot continue {}: another run of it ended just now; give the same command again",
                self.table.parquet.display()
            )));
        }
        let mut table = self.table;
        table.is_made = self.is_made;
        Ok(table)
    }
}

impl Table {
    /// The run begins: its journal stays until it ends in good order.
    ///
    /// # Errors
    /// There is no other descriptor to be had.
    pub(crate) fn begin(mut self, opened: &Opened) -> anyhow::Result<PendingTable> {
        let journal = opened.file.try_clone().context("cannot open the report twice")?;
        self.is_made = false;
        Ok(PendingTable { table: self, journal, kept: opened.kept.clone() })
    }

    /// Whether the file has all rows of its journal already; then it is noted with it what is
    /// noted with that.
    fn is_whole(&self, journal: &File) -> anyhow::Result<bool> {
        let Some(made) = self.made else { return Ok(false) };
        let told = match durable(journal) {
            Some(bytes) if bytes == made.bytes => made.rows,
            Some(0) | None => 0,
            Some(_) => return Ok(false),
        };
        if journal.metadata()?.len() != made.bytes {
            return Ok(false);
        }
        carry(journal, &File::open(&self.parquet)?, told)?;
        Ok(true)
    }

    fn pack(&self, journal: &File, kept: &[String]) -> anyhow::Result<()> {
        if self.is_whole(journal)? {
            return Ok(());
        }
        let draft = Draft::beside(&self.parquet, Access::AsBefore)?;
        let to = draft.file()?;
        let known = durable(journal).unwrap_or_default();
        let (mut rows, mut told, mut at) = (0_u64, 0, 0);
        let mut writer = Writer::new(BufWriter::new(&to), kept)?;
        // Another descriptor of the file would share where it stands.
        let mut lines = BufReader::with_capacity(READ_BYTES, File::open(&self.journal)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            rows += 1;
            at += line.len() as u64;
            writer.line(&line).with_context(|| format!("line {rows}"))?;
            told = if at <= known { rows } else { told };
            line.clear();
        }
        writer.finish()?.flush()?;
        carry(journal, &to, told)?;
        to.sync_all()?;
        draft.publish()?;
        Ok(sync_folder(&self.parquet)?)
    }
}

impl PendingTable {
    /// All rows are in the journal: writes the Parquet file, gives it its name, and removes the
    /// journal.
    ///
    /// # Errors
    /// It cannot be written. The journal has all rows, and the file that was there before stays.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Table { parquet, journal, .. } = &self.table;
        self.table.pack(&self.journal, &self.kept).with_context(|| {
            RunError::local_file(format!(
                "cannot write {}: its rows are in {}, and the same command goes on with them",
                parquet.display(),
                journal.display()
            ))
        })?;
        let removed = fs::remove_file(journal).and_then(|()| sync_folder(journal));
        removed
            .with_context(|| RunError::local_file(format!("cannot remove {}", journal.display())))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.is_made {
            // The file has the same rows. One that stays does no harm.
            let _: io::Result<()> = fs::remove_file(&self.journal);
        }
    }
}

/// The rows of a Parquet file as a journal that has no name, for those who only read it.
///
/// # Errors
/// The file is no report, or cannot be read.
pub(crate) fn unnamed_journal(parquet: &Path, from: &File) -> anyhow::Result<File> {
    let to = unnamed(parquet).with_context(|| {
        RunError::local_file(format!("cannot make a temporary file for {}", parquet.display()))
    })?;
    unpack(from, &to, parquet, None)?;
    Ok(to)
}

/// Writes the rows of a Parquet file as lines.
fn unpack(
    from: &File,
    to: &File,
    path: &Path,
    kept: Option<&[String]>,
) -> anyhow::Result<Unpacked> {
    let refused = || {
        RunError::usage(format!(
            "cannot continue {}, and it is left as it is (give another --report, or --fresh to \
             replace it)",
            path.display()
        ))
    };
    let opened = guarded(|| {
        let file = SerializedFileReader::new(from.try_clone()?).context(NO_REPORT)?;
        let found = Found::of(file.metadata().file_metadata().schema_descr()).context(NO_REPORT)?;
        Ok((file, found))
    });
    let (file, found) = opened.with_context(refused)?;
    if let Some(kept) = kept {
        check_kept(path, RowFormat::JsonLines, Some(&found.kept), kept)?;
    }
    let known = durable(from).unwrap_or_default();
    let mut out = BufWriter::with_capacity(READ_BYTES, to);
    let mut unpacked = Unpacked::default();
    let count = found.count();
    let noted = file.metadata().file_metadata().key_value_metadata();
    let mut lines = Lines::new(found, noted).context(DAMAGED).with_context(refused)?;
    for number in 0..file.num_row_groups() {
        let mut group = Group::begin(&file, number, count).with_context(refused)?;
        let mut line = Vec::new();
        while group.next(&mut lines, &mut line).with_context(refused)? {
            unpacked.rows += 1;
            unpacked.bytes += line.len() as u64;
            if unpacked.rows <= known {
                unpacked.durable = unpacked.bytes;
            }
            out.write_all(&line).with_context(|| cannot_unpack(path))?;
            line.clear();
        }
    }
    out.flush().with_context(|| cannot_unpack(path))?;
    Ok(unpacked)
}

/// A row group of a report that is read back.
struct Group {
    columns: Vec<Column>,
    /// Rows that were not read from the file, and rows that were read and not given.
    left: usize,
    ready: usize,
}

impl Group {
    fn begin(
        file: &SerializedFileReader<File>,
        number: usize,
        count: usize,
    ) -> anyhow::Result<Self> {
        let begun = guarded(|| {
            let group = file.get_row_group(number)?;
            ensure!(group.num_columns() == count, "a column is missing");
            let columns = (0..count).map(|leaf| Column::new(&*group, leaf));
            let left = usize::try_from(group.metadata().num_rows())?;
            Ok(Self { columns: columns.collect::<Result<_, _>>()?, left, ready: 0 })
        });
        begun.context(DAMAGED)
    }

    /// Appends the line of the next row; `false` where there is none.
    fn next(&mut self, lines: &mut Lines, line: &mut Vec<u8>) -> anyhow::Result<bool> {
        if self.ready == 0 {
            let count = ROWS_READ.min(self.left);
            if count == 0 {
                return Ok(false);
            }
            let mut columns = self.columns.iter_mut();
            guarded(|| columns.try_for_each(|column| column.fill(count))).context(DAMAGED)?;
            (self.left, self.ready) = (self.left - count, count);
        }
        self.ready -= 1;
        let values = self.columns.iter_mut().map(|column| column.next().map(value));
        lines.line(&values.collect::<Vec<_>>(), line).context(DAMAGED)?;
        Ok(true)
    }
}

fn value(scalar: Scalar<'_>) -> Value<'_> {
    match scalar {
        Scalar::Truth(truth) => Value::Truth(truth),
        Scalar::Whole(number) => Value::Whole(number),
        Scalar::Single(number) => Value::Seconds(number.into()),
        Scalar::Double(number) => Value::Seconds(number),
        Scalar::Bytes(bytes) => Value::Text(bytes),
        // No column of a report has that type.
        Scalar::Int96(_) => Value::Text(b""),
    }
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct FileId(u64, u64);

impl FileId {
    fn of(file: &File) -> Option<Self> {
        file.metadata().ok().map(|found| Self(found.dev(), found.ino()))
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|found| FileId(found.dev(), found.ino()))
}

/// Brings the names in the folder of a file to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_names(File::open(parent.unwrap_or_else(|| Path::new(".")))?)
}

fn cannot_read(path: &Path) -> RunError {
    RunError::local_file(format!("cannot read the report {}", path.display()))
}

fn cannot_unpack(path: &Path) -> RunError {
    RunError::local_file(format!("cannot write the journal of {}", path.display()))
}

const NO_REPORT: &str = "this is not a report of ringpull in Parquet";
const DAMAGED: &str = "it is damaged";
/// Rows that are read at once.
const ROWS_READ: usize = 1_024;
/// Bytes that are read or written at once.
const READ_BYTES: usize = 256 * 1024;
