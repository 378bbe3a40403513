//! Where input comes from, and how it is read.

use crate::cli::options::ArchiveArgs;
use crate::cli::values;
use crate::config::Input;
use crate::error::RunError;
use crate::plan::input::{Columns, Format, KeptColumn, Options};
use crate::plan::job::TextOptions;
use crate::report::row::NAMES;
use anyhow::{Context as _, bail};
use clap::Args;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Where input comes from, and how it is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// List of URLs, one a line, or a folder of lists; - is stdin.
    ///
    /// Repeatable: lists are read in the order given, before the URLs of the command line, and
    /// lines are numbered over all of them. A list is text (one URL a line, `#` comments, aria2's
    /// indented option lines, mirrors behind TABs), CSV, TSV, JSON Lines, Parquet or a metalink, as
    /// its suffix or its begin says; gzip and zstd are undone. Of a folder all files are read, in
    /// the order of their names, but those whose names begin with `.` or `_`.
    ///
    /// Example: -i part-1.csv.gz -i more/. See `ringpull help lists`.
    #[arg(short = 'i', long = "input-file", alias = "url-list", value_name = "FILE",
          value_parser = values::path)]
    pub files: Vec<PathBuf>,
    /// Lines read ahead of the work.
    ///
    /// The more, the more URLs of one host are known at a time and share its connections. Each line
    /// takes about 180 bytes of memory. At least 1 [default: 1000000, or what fits a quarter of the
    /// memory that the control group or ulimit -v allows]
    #[arg(long, value_name = "N", value_parser = values::count, hide_short_help = true)]
    pub lookahead: Option<usize>,
    /// Let lists send a Host other than that of the URL.
    ///
    /// Without this, a URL with the option line header=Host: NAME is a bad line. For lists that you
    /// trust.
    #[arg(long, hide_short_help = true)]
    pub allow_host_header: bool,
    /// Lists are txt, csv, tsv, jsonl, parquet or meta4 [default: by suffix]
    ///
    /// Without it each list is what its suffix says: .csv; .tsv and .tab; .jsonl, .ndjson and
    /// .json; .parquet; .meta4. Anything else is text, which aria2's input files are too, and so is
    /// standard input, unless it begins as a metalink or a Parquet file does. Compression is told
    /// by the first bytes of a list, whatever its name.
    #[arg(long, value_name = "FORMAT", value_parser = input_format)]
    pub input_format: Option<Format>,
    /// Column with the URL in tables, or member in JSON Lines.
    ///
    /// A number, from 1, says that tables have no header line; then other columns are numbers, too.
    /// [default: url, URL or image_url, else the only column]
    #[arg(long, value_name = "NAME")]
    pub url_col: Option<String>,
    /// Column with the path of the file, below --dir (as out=).
    ///
    /// The path is relative and without `..`; it is taken as given, whatever --name-template and
    /// --dirs say.
    #[arg(long, value_name = "NAME")]
    pub out_col: Option<String>,
    /// Column with the digest that the file must have (as checksum=).
    ///
    /// Cells are TYPE=HEX, or hexadecimal digits alone: 32 are md5, 40 sha-1, 64 sha-256. A file
    /// with a different digest fails and is not kept. In JSON Lines each object has this member,
    /// null where there is no digest.
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub checksum_col: Option<String>,
    /// Columns of the lists to copy into the report, separated by commas.
    ///
    /// They follow the report's own columns. A name that the report has itself begins with list_
    /// there, and a number with column_. Cells are copied as they are, values of JSON as JSON, and
    /// are kept in memory for the look-ahead. Needs --report, --write-out or --dry-run.
    ///
    /// Example: --keep-cols caption,id
    #[arg(long, alias = "save-additional-columns", value_name = "NAMES", value_parser = names)]
    pub keep_cols: Option<Names>,
    /// What separates the cells of CSV [default: a comma]
    ///
    /// One ASCII character that is neither a letter nor a digit, such as `;` or `|`, or \t for a
    /// TAB.
    #[arg(long, value_name = "CHAR", value_parser = delimiter, hide_short_help = true)]
    pub delimiter: Option<u8>,
}

impl InputArgs {
    /// How the inputs are read. `is_told` says that somebody gets to see the columns that are kept,
    /// of which the caption of `archive` is one.
    pub(crate) fn resolve(&self, is_told: bool, archive: &ArchiveArgs) -> anyhow::Result<Options> {
        if self.keep_cols.is_some() && !is_told {
            bail!(RunError::usage(
                "--keep-cols copies columns into the report: give --report FILE"
            ));
        }
        Ok(Options {
            format: self.input_format,
            columns: Columns {
                url: self.url_col.clone(),
                out: self.out_col.clone(),
                checksum: self.checksum_col.clone(),
                keep: self.keep(archive)?,
            },
            delimiter: self.delimiter,
            text: TextOptions { allows_host_header: self.allow_host_header, ..<_>::default() },
        })
    }

    /// The columns that the report keeps, with names that nothing else in it has, whether a reader
    /// minds capitals or not.
    fn keep(&self, archive: &ArchiveArgs) -> anyhow::Result<Vec<KeptColumn>> {
        let typed = self.keep_cols.as_ref().map_or(&[][..], |names| &names.0);
        // A sample says its key beside its row.
        let key = archive.has_rows().then_some("key");
        let caption = archive.caption_col.as_deref();
        let caption = caption.filter(|caption| typed.iter().all(|name| name != caption));
        let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
        let has_header = self.url_col.as_deref().is_none_or(|name| !is_number(name));
        let mut columns: Vec<KeptColumn> = Vec::new();
        for name in typed.iter().map(String::as_str).chain(caption) {
            let report_name = match name {
                number if is_number(number) && !has_header => format!("column_{number}"),
                name if NAMES
                    .iter()
                    .copied()
                    .chain(key)
                    .any(|own| own.eq_ignore_ascii_case(name)) =>
                {
                    format!("list_{name}")
                }
                name => name.to_owned(),
            };
            if columns.iter().any(|other| other.report_name.eq_ignore_ascii_case(&report_name)) {
                bail!(RunError::usage(format!(
                    "--keep-cols has two columns that the report would call {report_name:?}: leave \
                     one of them out, or give it another name in the list"
                )));
            }
            columns.push(KeptColumn { name: name.to_owned(), report_name });
        }
        Ok(columns)
    }

    /// Lists first, then the URLs of the command line as one input; `-` in either place is standard
    /// input, and a folder is the files in it. A list that is missing is found before the first
    /// download, not hours into the run.
    pub(crate) fn inputs(&self, urls: &[String]) -> anyhow::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in &self.files {
            if path.as_os_str() == "-" {
                inputs.push(Input::Stdin);
                continue;
            }
            // Only metadata is read: opening a FIFO (`<(...)` of a shell) would take it from the
            // reader.
            let doing = || RunError::usage(format!("cannot read the list {}", path.display()));
            if fs::metadata(path).with_context(doing)?.is_dir() {
                inputs.extend(folder(path)?.into_iter().map(Input::File));
            } else {
                inputs.push(Input::File(path.clone()));
            }
        }
        for url in urls {
            refuse_list(url)?;
            match (url.as_str(), inputs.last_mut()) {
                ("-", _) => inputs.push(Input::Stdin),
                (_, Some(Input::Urls(group))) => group.push(url.clone()),
                _ => inputs.push(Input::Urls(vec![url.clone()])),
            }
        }
        if inputs.iter().filter(|input| **input == Input::Stdin).count() > 1 {
            bail!(RunError::usage("cannot read standard input twice: give `-` once"));
        }
        Ok(inputs)
    }
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
        [b'"' | b'\n' | b'\r' | 0] => {
            Err("that character has a meaning of its own in CSV".to_owned())
        }
        [byte] if byte.is_ascii_alphanumeric() => {
            Err("use a character such as ; or |, not a letter or a digit".to_owned())
        }
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("use one ASCII character, such as ; or |, or \\t".to_owned()),
    }
}

/// The words of other programs are understood; a compression among them says nothing, since that is
/// known by the first bytes of a list.
fn input_format(text: &str) -> Result<Format, String> {
    let lower = text.to_ascii_lowercase();
    let plain = lower.trim_start_matches('.');
    let packed = [".gz", ".zst"].iter().find_map(|suffix| plain.strip_suffix(suffix));
    match packed.unwrap_or(plain) {
        "txt" | "text" | "aria2" => Ok(Format::Text),
        "csv" => Ok(Format::Csv),
        "tsv" => Ok(Format::Tsv),
        "jsonl" | "ndjson" | "json" => Ok(Format::JsonLines),
        "metalink" | "meta4" => Ok(Format::Metalink),
        "parquet" => Ok(Format::Parquet),
        _ => Err("use txt, csv, tsv, jsonl, parquet or meta4".to_owned()),
    }
}

/// A list among the URLs is a slip that would cost a row and pull nothing.
fn refuse_list(url: &str) -> anyhow::Result<()> {
    let path = Path::new(url);
    if url == "-" || url.contains("://") || !path.exists() {
        return Ok(());
    }
    let what = if path.is_dir() { "folder" } else { "file" };
    let shown = url.escape_debug();
    bail!(RunError::usage(format!(
        "{shown} is a {what} here, not a URL; to pull the URLs in it: -i {shown}"
    )))
}

/// The regular files of a folder, by the bytes of their names, so that line numbers stay what they
/// are. Hidden files are left out, what Spark and the like write beside their parts (`_SUCCESS`),
/// and folders within it.
fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let doing = || RunError::usage(format!("cannot read the folder {}", path.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(doing)? {
        let entry = entry.with_context(doing)?;
        if matches!(entry.file_name().as_bytes(), [b'.' | b'_', ..]) {
            continue;
        }
        let file = entry.path();
        let cannot = || RunError::usage(format!("cannot read the list {}", file.display()));
        // Links are followed.
        if fs::metadata(&file).with_context(cannot)?.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        let what = "there is no list in it; folders within it and files whose names begin with . \
                    or _ are not read";
        return Err(anyhow::anyhow!(what)).with_context(doing);
    }
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, list, pull, unusable};

    #[test]
    fn lists_come_before_urls_and_a_dash_is_standard_input() {
        let (_dir, list) = list();
        let urls = |urls: &[&str]| Input::Urls(urls.iter().map(|&url| url.to_owned()).collect());
        let config = config(&["u1", "-", "u2", "u3", "-i", &list]);
        let expected = [Input::File(list.into()), urls(&["u1"]), Input::Stdin, urls(&["u2", "u3"])];
        assert_eq!(config.inputs, expected);
        assert!(unusable(&["-", "-i", "-"]).contains("twice"));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_found_before_the_run() {
        let (dir, _list) = list();
        let missing = dir.path().join("missing");
        let text = unusable(&["-i", missing.to_str().unwrap()]);
        assert!(text.contains("cannot read the list") && text.contains("No such file"), "{text}");
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let text = unusable(&["-i", empty.to_str().unwrap()]);
        assert!(text.contains("there is no list in it"), "{text}");
    }

    #[test]
    fn a_folder_is_the_files_in_it_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", "B", ".hidden", "_SUCCESS", "c.csv.gz"] {
            fs::write(dir.path().join(name), b"").unwrap();
        }
        fs::create_dir(dir.path().join("within")).unwrap();
        let config = config(&["-i", dir.path().to_str().unwrap(), "u"]);
        let file = |name: &str| Input::File(dir.path().join(name));
        let urls = Input::Urls(vec!["u".to_owned()]);
        let expected = [file("B"), file("a"), file("b"), file("c.csv.gz"), urls];
        assert_eq!(config.inputs, expected);
    }

    #[test]
    fn the_format_of_lists_has_the_words_of_others() {
        for (word, format) in [
            ("txt", Format::Text),
            ("aria2", Format::Text),
            ("CSV", Format::Csv),
            ("tsv.gz", Format::Tsv),
            ("json", Format::JsonLines),
            ("jsonl.gz", Format::JsonLines),
            ("meta4", Format::Metalink),
            ("parquet", Format::Parquet),
        ] {
            let config = config(&["--input_format", word, "--url_col=link", "u"]);
            assert_eq!(config.input.format, Some(format), "{word}");
            assert_eq!(config.input.columns.url.as_deref(), Some("link"));
        }
        assert_eq!(config(&["u"]).input, Options::default());
    }

    #[test]
    fn lists_of_the_command_line() {
        let args =
            pull(&["-i", "a.txt", "--input-file=b.txt", "--url-list", "-", "--lookahead", "9"]);
        assert_eq!(args.input.files, [PathBuf::from("a.txt"), "b.txt".into(), "-".into()]);
        assert_eq!(args.input.lookahead, Some(9));
    }
}
