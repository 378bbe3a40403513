//! What stands at the end of a Parquet file, and whether its columns can be read.

use crate::plan::input::parquet::Fields;
use anyhow::{Context as _, bail, ensure};
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Whether the first bytes of a file are those of a Parquet file.
pub(in crate::engine::feed::inputs) fn begins_as_parquet(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && [PLAIN, ENCRYPTED].contains(&magic)
}

/// A file of which it is known where its parts are.
pub(super) struct Opened {
    pub(super) file: SerializedFileReader<File>,
    /// Whether it seems that columns may be encrypted.
    may_be_encrypted: bool,
}

/// Reads where the parts of a file are.
pub(super) fn open(file: File) -> anyhow::Result<Opened> {
    let length = file.metadata()?.len();
    ensure!(length > 0, "it is empty; a Parquet file without rows is not");
    let (mut first, mut last) = ([0; 4], [0; 4]);
    let is_read = length >= SHORTEST
        && file.read_exact_at(&mut first, 0).is_ok()
        && file.read_exact_at(&mut last, length - 4).is_ok();
    if is_read && [first, last].contains(&ENCRYPTED) {
        bail!("{IS_ENCRYPTED}");
    }
    match (first == PLAIN, last == PLAIN) {
        _ if !is_read && begins_as_parquet(&file) => bail!("{CUT_OFF}"),
        _ if !is_read => bail!("{NO_PARQUET}"),
        (true, true) => {}
        (true, false) => bail!("{CUT_OFF}"),
        (false, _) => bail!("{NO_PARQUET}"),
    }
    let may_be_encrypted = is_signed(&file, length);
    let file = SerializedFileReader::new(file)
        .context("what stands at its end is damaged; write the file anew")?;
    Ok(Opened { file, may_be_encrypted })
}

/// Whether a signature stands behind what tells of the parts, as it does where columns may be
/// encrypted: without one the last byte there is zero.
fn is_signed(file: &File, length: u64) -> bool {
    let byte_at = |back: u64| {
        let mut byte = [0];
        let read = length.checked_sub(back).map(|at| file.read_exact_at(&mut byte, at));
        matches!(read, Some(Ok(()))).then_some(byte[0])
    };
    // The length of it and the magic are behind.
    byte_at(9) != Some(0) && byte_at(9 + SIGNATURE_BYTES) == Some(0)
}

/// Checks that the columns can be read in every row group, as far as the end of the file says.
pub(super) fn check_columns(opened: &Opened, fields: &Fields) -> anyhow::Result<()> {
    let Opened { file, may_be_encrypted } = opened;
    for (number, group) in file.metadata().row_groups().iter().enumerate() {
        for field in fields.fields() {
            let column = group.column(field.leaf);
            let name = &field.name;
            match column.compression() {
                Compression::UNCOMPRESSED
                | Compression::SNAPPY
                | Compression::GZIP(_)
                | Compression::LZ4
                | Compression::LZ4_RAW
                | Compression::ZSTD(_) => {}
                other @ (Compression::LZO | Compression::BROTLI(_)) => bail!(
                    "its column {name:?} is compressed with {}, which is not read; write the file \
                     with zstd or snappy",
                    other.to_string().split('(').next().unwrap_or_default()
                ),
            }
            ensure!(
                is_placed(column) && group.num_rows() >= 0,
                "its column {name:?} is nowhere in row group {}: the file is damaged; write it \
                 anew",
                number + 1
            );
            if *may_be_encrypted && number == 0 {
                let page =
                    file.get_row_group(0)?.get_column_page_reader(field.leaf)?.get_next_page();
                ensure!(page.is_ok(), "its column {name:?} cannot be read: {IS_ENCRYPTED}");
            }
        }
    }
    Ok(())
}

/// Whether the place of a column is one.
fn is_placed(column: &ColumnChunkMetaData) -> bool {
    let begin = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    begin >= 0 && column.compressed_size() >= 0
}

const PLAIN: [u8; 4] = *b"PAR1";
/// Where what stands at the end is encrypted.
const ENCRYPTED: [u8; 4] = *b"PARE";
/// Bytes of a signature.
const SIGNATURE_BYTES: u64 = 28;
/// Bytes of a file with nothing in it.
const SHORTEST: u64 = 12;
const CUT_OFF: &str = "it is a Parquet file that was cut off: what its end should tell is missing; \
     copy it anew";
const NO_PARQUET: &str = "it is not a Parquet file; say with --input-format what it is";
const IS_ENCRYPTED: &str = "it is encrypted, and encrypted Parquet is not read; write it without \
     encryption";
