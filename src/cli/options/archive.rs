//! Archives that bodies are packed into, in place of files.

use crate::cli::options::OutputName;
use crate::cli::values::{self, Bytes};
use crate::config::{Archive, ArchivePlace, Destination, OnConflict};
use crate::error::RunError;
use crate::limits::SHARD_FILES_DEFAULT;
use crate::pack::Form;
use crate::pack::shard::{Capacity, ShardName};
use crate::plan::input::KeptColumn;
use anyhow::bail;
use clap::Args;
use clap::builder::TypedValueParser;

use super::OutputArgs;

/// Archives in place of files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct ArchiveArgs {
    /// Files, or tar shards: webdataset or tar.
    ///
    /// webdataset packs them into shards, tar archives in --dir of which each core fills one: a
    /// body is KEY.EXT, its row and the columns of --keep-cols are KEY.json, its caption is
    /// KEY.txt. KEY is the line number, such as 000000012, or what out= or --name-template says.
    /// tar has bodies only, under the paths that their files would have. -o - writes one archive
    /// to stdout. See `ringpull help shards`.
    ///
    /// Example: -i list.csv --output-format webdataset -d data --report report.csv
    #[arg(long, value_name = "FORMAT", default_value = "files", value_parser = form(),
          hide_possible_values = true)]
    pub output_format: OutputFormat,
    /// Files in a shard.
    ///
    /// The last one of each core may have fewer. A row waits for its shard, 1 KB of memory each.
    #[arg(long, alias = "number-sample-per-shard", value_name = "N", hide_short_help = true,
          value_parser = clap::value_parser!(u64).range(1..),
          default_value_t = SHARD_FILES_DEFAULT)]
    pub shard_files: u64,
    /// Size that a shard does not exceed, unless one file alone does.
    ///
    /// Beside --shard-files: a shard is full by either. Without it there is no such limit.
    #[arg(long, value_name = "SIZE", value_parser = values::bytes, hide_short_help = true)]
    pub shard_bytes: Option<Bytes>,
    /// Name of every shard; {shard:05d} is its number.
    ///
    /// What stands beside a shard is named after it: 00000.idx, an index for NVIDIA DALI, and
    /// 00000_stats.json, counts in the keys of img2dataset. Machines that write into one folder
    /// need names of their own.
    ///
    /// Example: --shard-name 'part3-{shard:05d}.tar'
    #[arg(long, value_name = "TEMPLATE", hide_short_help = true, value_parser = shard_name)]
    pub shard_name: Option<ShardName>,
    /// Write the rows of every shard beside it, as Parquet.
    ///
    /// 00000.parquet has the columns of the report, those of --keep-cols, and key: what img2dataset
    /// writes beside its shards. Failures have no sample, and are in the report alone.
    #[arg(long, hide_short_help = true)]
    pub shard_parquet: bool,
    /// Column of the list that becomes KEY.txt.
    ///
    /// It is one of --keep-cols then, whether named there or not.
    #[arg(long, value_name = "COLUMN", hide_short_help = true, value_parser = values::not_empty)]
    pub caption_col: Option<String>,
}

/// The values of `--output-format`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutputFormat {
    /// Every body is a file.
    Files,
    /// Bodies are packed.
    Archive(Form),
}

impl ArchiveArgs {
    /// What bodies are packed into, where they are. `output` is what `-o` names; `kept` are the
    /// columns that rows have.
    ///
    /// # Errors
    /// A [`RunError`] of class usage for options of archives without one, and options of files with
    /// one.
    pub(crate) fn destination(
        &self,
        args: &OutputArgs,
        output: Option<&OutputName>,
        kept: &[KeptColumn],
    ) -> anyhow::Result<Option<Destination>> {
        let OutputFormat::Archive(form) = self.output_format else {
            self.check_unused()?;
            return Ok(None);
        };
        check_files(args)?;
        let place = match output {
            None => {
                let bytes_max = self.shard_bytes.map_or(u64::MAX, |bytes| bytes.0);
                let capacity = Capacity { files_max: self.shard_files, bytes_max };
                ArchivePlace::Shards(self.shard_name.clone().unwrap_or_default(), capacity)
            }
            Some(OutputName::Stdout) => ArchivePlace::Stdout,
            Some(OutputName::Path(_)) => bail!(RunError::usage(
                "cannot give archives one name: with --output-format, -o is - for one archive on \
                 standard output (-o - > FILE.tar); shards go into -d, named by --shard-name"
            )),
        };
        let is_caption = |column: &KeptColumn| Some(&column.name) == self.caption_col.as_ref();
        let caption = kept.iter().position(is_caption);
        if caption.is_some() && form == Form::Tar {
            bail!(RunError::usage(
                "cannot use --caption-col with --output-format tar, which has bodies only: give \
                 --output-format webdataset"
            ));
        }
        Ok(Some(Destination::Archive(Archive {
            form,
            place,
            caption,
            has_table: self.shard_parquet,
        })))
    }

    /// Whether rows are in archives, where somebody gets to see them.
    pub(crate) fn has_rows(&self) -> bool {
        self.output_format == OutputFormat::Archive(Form::WebDataset)
    }

    /// Whether bodies are packed.
    pub(crate) fn is_packed(&self) -> bool {
        self.output_format != OutputFormat::Files
    }

    fn check_unused(&self) -> anyhow::Result<()> {
        let typed = [
            ("--shard-files", self.shard_files != SHARD_FILES_DEFAULT),
            ("--shard-bytes", self.shard_bytes.is_some()),
            ("--shard-name", self.shard_name.is_some()),
            ("--caption-col", self.caption_col.is_some()),
            ("--shard-parquet", self.shard_parquet),
        ];
        if let Some((flag, _)) = typed.iter().find(|(_, is_typed)| *is_typed) {
            bail!(RunError::usage(format!(
                "cannot use {flag} where every body is a file: add --output-format webdataset"
            )));
        }
        Ok(())
    }
}

/// Refuses options that are about files.
fn check_files(args: &OutputArgs) -> anyhow::Result<()> {
    let typed = [
        ("--discard", args.discard),
        ("--no-clobber", args.no_clobber),
        ("--on-conflict", args.on_conflict != OnConflict::Overwrite),
        ("--content-disposition", args.content_disposition),
    ];
    if let Some((flag, _)) = typed.iter().find(|(_, is_typed)| *is_typed) {
        bail!(RunError::usage(format!(
            "cannot use {flag} with --output-format: there are no files of their own that it could \
             be about; leave one of them out"
        )));
    }
    Ok(())
}

fn form() -> impl TypedValueParser<Value = OutputFormat> {
    values::one_of([
        ("files", OutputFormat::Files, "every body is a file"),
        (
            "webdataset",
            OutputFormat::Archive(Form::WebDataset),
            "shards with KEY.EXT, KEY.json and KEY.txt",
        ),
        ("tar", OutputFormat::Archive(Form::Tar), "shards with the bodies alone"),
    ])
}

fn shard_name(text: &str) -> Result<ShardName, String> {
    ShardName::parse(text).map_err(|problem| problem.to_string())
}
