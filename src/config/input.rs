//! How input files are read.

/// What the lines of an input are, below its compression.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum InputFormat {
    /// URLs, one a line, and aria2's option lines.
    #[default]
    Text,
    /// Comma-separated values (RFC 4180) with a header line.
    Csv,
    /// The same with TABs.
    Tsv,
    /// One JSON object a line.
    JsonLines,
}

/// How inputs are read; the URLs of the command line are always text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputConfig {
    /// `--input-format`: of all inputs. Without it the suffix of each file says it.
    pub format: Option<InputFormat>,
    /// What the columns of tables and the members of JSON objects are called.
    pub columns: Columns,
    /// `--allow-host-header`: lists may say `header=Host:`.
    pub allows_host_header: bool,
    /// Absolute path of the download directory, beneath which an absolute `dir=` must be; the
    /// engine fills it in. Empty refuses all of them.
    pub dir: String,
    /// `--delimiter`: what separates the cells of CSV, where that is no comma.
    pub delimiter: Option<u8>,
    /// The one list there is has lines of the report that are pulled again, with their numbers. The
    /// engine finds that out.
    pub is_of_report: bool,
}

/// Names of columns, where they are not those that are looked for by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// `--url-col`.
    pub url: Option<String>,
    /// `--out-col`: the path of the file, as `out=` has it.
    pub out: Option<String>,
    /// `--checksum-col`: the digest of the file, as `checksum=` has it.
    pub checksum: Option<String>,
    /// `--keep-cols`: those that the report has, too.
    pub keep: Vec<KeptColumn>,
}

/// A column of a list that the report keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptColumn {
    /// What it is called in the list.
    pub name: String,
    /// What it is called in the report.
    pub report_name: String,
}

impl Columns {
    /// What the kept columns are called in the report.
    pub fn report_names(&self) -> Vec<String> {
        self.keep.iter().map(|column| column.report_name.clone()).collect()
    }
}
