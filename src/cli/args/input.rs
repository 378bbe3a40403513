//! Where input comes from, and how it is read.

use crate::cli::values;
use crate::config::InputFormat;
use clap::Args;
use std::path::PathBuf;

/// Where input comes from, and how it is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// List of URLs, one a line, or a folder of lists; gzip and zstd are undone. `#` comments and
    /// aria2 option lines are understood. `-` is standard input. Repeatable; lists come before the
    /// URLs of the command line
    #[arg(short = 'i', long = "input-file", alias = "url-list", value_name = "FILE",
          value_parser = values::path)]
    pub files: Vec<PathBuf>,
    /// Jobs read ahead of the work; bounds memory [default: 1000000, or what fits a quarter of the
    /// memory that the control group or ulimit -v allows]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub lookahead: Option<usize>,
    /// Let lists send another Host than that of the URL (header=Host: NAME)
    #[arg(long)]
    pub allow_host_header: bool,
    /// What lists are, whatever they are called: txt (also aria2), csv, tsv or jsonl [default: by
    /// the suffix of each, else txt]
    #[arg(long, value_name = "FORMAT", value_parser = input_format)]
    pub input_format: Option<InputFormat>,
    /// Column of CSV and TSV, or member of JSON Lines, with the URL; a number, from 1, in tables
    /// that have no header line [default: url, URL, image_url, or the only column]
    #[arg(long, value_name = "NAME")]
    pub url_col: Option<String>,
    /// The one with the path of the file, as out= has it
    #[arg(long, value_name = "NAME")]
    pub out_col: Option<String>,
    /// The one with the checksum, as checksum= has it, or hex digits alone: 32 are md5, 40 sha-1,
    /// 64 sha-256
    #[arg(long, value_name = "NAME")]
    pub checksum_col: Option<String>,
    /// Those that the report is to have too, behind its own columns, with commas between; one that
    /// is called as one of these begins with list_ there, and a number with column_
    #[arg(long, alias = "save-additional-columns", value_name = "NAMES", value_parser = names)]
    pub keep_cols: Option<Names>,
    /// What separates the cells of CSV [default: a comma]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<u8>,
}

/// Names of columns; a newtype, since clap has its own ideas about vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Names(pub Vec<String>);

/// `a,b`, or img2dataset's `["a","b"]`.
fn names(text: &str) -> Result<Names, String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_quote = |c| inner.len() < text.len() && matches!(c, '"' | '\'');
    let names = inner.split(',').map(|name| name.trim().trim_matches(is_quote).to_owned());
    let names: Vec<String> = names.collect();
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err("a name is empty: write NAME,NAME".to_owned());
        }
        if names[..at].contains(name) {
            return Err(format!("{name:?} is there twice"));
        }
    }
    Ok(Names(names))
}

/// One byte, as it is or as `\t`.
fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [b'"' | b'\n' | b'\r' | 0] => Err("that means something else in CSV".to_owned()),
        [byte] if byte.is_ascii_alphanumeric() => {
            Err("it is a sign such as ; or |, no letter and no digit".to_owned())
        }
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("it is one ASCII character, such as ; or |, or \\t".to_owned()),
    }
}

/// The words of other programs are understood; a compression among them says nothing, since that is
/// known by the first bytes of a list.
fn input_format(text: &str) -> Result<InputFormat, String> {
    let lower = text.to_ascii_lowercase();
    let plain = lower.trim_start_matches('.');
    let packed = [".gz", ".zst"].iter().find_map(|suffix| plain.strip_suffix(suffix));
    match packed.unwrap_or(plain) {
        "txt" | "text" | "aria2" => Ok(InputFormat::Text),
        "csv" => Ok(InputFormat::Csv),
        "tsv" => Ok(InputFormat::Tsv),
        "jsonl" | "ndjson" | "json" => Ok(InputFormat::JsonLines),
        "parquet" => Err("Parquet is not read: save the table as CSV".to_owned()),
        _ => Err("it is txt, csv, tsv or jsonl".to_owned()),
    }
}
