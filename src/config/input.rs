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
}
