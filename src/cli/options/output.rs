//! Where files go, and how they get there.

use crate::cli::outlet::{Leads, leads};
use crate::cli::values::{self, Millis};
use crate::config::{Destination, FileAllocation, Fsync, OnConflict};
use crate::error::RunError;
use crate::limits;
use crate::plan::name::{Dirs, RestrictNames, Template};
use anyhow::bail;
use clap::Args;
use clap::builder::TypedValueParser;
use std::path::{Path, PathBuf};

/// Where files go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Directory for the files, made when it is missing.
    ///
    /// The paths of lists, templates and servers never lead out of it.
    #[arg(short, long, short_alias = 'P', value_name = "DIR", default_value = ".",
          aliases = ["directory-prefix", "output-dir", "output-folder"],
          value_parser = values::path)]
    pub dir: PathBuf,
    /// Path of the file below --dir, for a single URL; - is stdout.
    ///
    /// The path is taken literally: an absolute one is allowed, and so is `..`. A device, a FIFO or
    /// /dev/stdout is written into; anything else is a file that gets its name when it is complete.
    /// For lists there is out= (see `ringpull help lists`) and --name-template.
    #[arg(short, long, alias = "out", value_name = "NAME", value_parser = output_name)]
    pub output: Option<OutputName>,
    /// Keep no body, only rows with sizes and digests.
    ///
    /// Bodies are received, decoded and checked, and then they are gone: nothing is written into
    /// --dir, which need not be there. The filename of every row is empty. The same command goes on
    /// where it stopped; without --discard the report of such a run does not count, since there is
    /// no file. Not together with -o, --no-clobber, --on-conflict, --fsync, --file-allocation,
    /// --continue, --timestamping, --remote-time and --verify.
    ///
    /// Example: -i urls.txt --discard --compute-hash sha256 --report report.csv
    #[arg(long, hide_short_help = true,
          conflicts_with_all = ["output", "no_clobber", "on_conflict", "fsync", "file_allocation",
                                "verify"])]
    pub discard: bool,
    /// Name of every file, such as '{seq:06}-{name}'.
    ///
    /// {seq} is the line number, {seq:06} the same with leading zeros, {name} what the URL gives,
    /// {stem} and {ext} its parts, {host} the host; `/` makes folders. out= and --out-col go before
    /// it. Not together with -o.
    ///
    /// Example: --name-template '{host}/{seq:06}.{ext}'
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "output",
          value_parser = values::not_empty)]
    pub name_template: Option<String>,
    /// Let servers name files by Content-Disposition.
    ///
    /// Only the last component of what the final response says is used. -o, out= and
    /// --name-template go before it.
    #[arg(short = 'J', long, alias = "remote-header-name", hide_short_help = true)]
    pub content_disposition: bool,
    /// Names that files may have: unix or windows.
    ///
    /// unix is all that Linux allows; windows is what Windows allows, too, with %XX for anything
    /// else. [default: windows where the file system of --dir refuses other names, else unix]
    #[arg(long, value_name = "OS", value_parser = restrict_names, hide_short_help = true)]
    pub restrict_file_names: Option<RestrictNames>,
    /// Skip files that exist, without a request (also -nc).
    ///
    /// Their rows say skipped. The same as --on-conflict skip; not together with it.
    #[arg(long, alias = "skip-existing", conflicts_with = "on_conflict")]
    pub no_clobber: bool,
    /// What to do about files that exist.
    ///
    /// Two URLs of one run with the same name always give two files.
    #[arg(long, value_name = "WHAT", default_value = "overwrite",
          value_parser = on_conflict(), hide_short_help = true)]
    pub on_conflict: OnConflict,
    /// What must be on the disk before a file counts as done.
    ///
    /// For runs with a report, --sync says how much outlasts a power cut; --sync always makes this
    /// dir.
    #[arg(long, value_name = "WHAT", default_value = "none", value_parser = fsync(),
          hide_short_help = true)]
    pub fsync: Fsync,
    /// Whether disk space is reserved for bodies of 4 MiB and more.
    ///
    /// Reserved files are in fewer pieces, and a full disk shows before it is full. Not every file
    /// system can.
    #[arg(long, value_name = "HOW", default_value = "none",
          value_parser = file_allocation(), hide_short_help = true)]
    pub file_allocation: FileAllocation,
    /// Spread files over folders: hash:2/2, seq:1000 or host.
    ///
    /// hash:2/2 is two levels of folders, each named by two hexadecimal digits of the SHA-256 of
    /// the URL: 1 to 4 digits a level, 8 in all. seq:1000 puts 1000 input lines into each folder.
    /// host has a folder for each host, with the port where that is not the default. What
    /// --name-template makes goes into these folders; out= is taken as given. Not together with -o.
    #[arg(long, value_name = "HOW", conflicts_with = "output", value_parser = dirs)]
    pub dirs: Option<Dirs>,
    /// How long the run waits for room on a full disk.
    ///
    /// The run pauses, says so, and goes on when there is room. After this time it ends with exit
    /// status 3, and the same command goes on later. 0 fails the URL that finds the disk full, and
    /// goes on with others.
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::DISK_WAIT_DEFAULT_MS), hide_short_help = true)]
    pub disk_wait: Millis,
}

impl OutputArgs {
    /// The directory of the run, and the name of its single file where `-o` gives one. What the
    /// user of the command line says is taken literally, as by curl: `-o` may lead anywhere.
    pub(crate) fn place(&self) -> anyhow::Result<(PathBuf, Option<OutputName>)> {
        let dir = &self.dir;
        let path = match &self.output {
            other @ (None | Some(OutputName::Stdout)) => return Ok((dir.clone(), other.clone())),
            Some(OutputName::Path(path)) => path.as_str(),
        };
        let (parents, name) = path.rsplit_once('/').map_or(("", path), |(parents, name)| {
            (if parents.is_empty() { "/" } else { parents }, name)
        });
        if matches!(name, "" | "." | "..") {
            bail!(RunError::usage(format!(
                "cannot write to -o {path}, which does not name a file: end it with a file name"
            )));
        }
        if name.len() > limits::NAME_BYTES_MAX {
            let longest = limits::NAME_BYTES_MAX;
            bail!(RunError::usage(format!(
                "cannot write to -o: the file name is longer than {longest} bytes"
            )));
        }
        let dir = if parents.is_empty() { dir.clone() } else { dir.join(parents) };
        Ok((dir, Some(OutputName::Path(name.to_owned()))))
    }

    /// The template of names, understood.
    pub(crate) fn name_template(&self) -> anyhow::Result<Option<Template>> {
        let Some(text) = &self.name_template else { return Ok(None) };
        match Template::parse(text) {
            Ok(template) => Ok(Some(template)),
            Err(problem) => {
                bail!(RunError::usage(format!("cannot use --name-template '{text}': {problem}")))
            }
        }
    }

    /// What is done about files that exist.
    pub(crate) fn on_conflict(&self) -> OnConflict {
        if self.no_clobber { OnConflict::Skip } else { self.on_conflict }
    }

    /// Where bodies go; `output` is what `-o` names in `dir`.
    pub(crate) fn destination(
        &self,
        dir: &Path,
        output: Option<OutputName>,
    ) -> anyhow::Result<Destination> {
        let name = match output {
            None if self.discard => return Ok(Destination::Null),
            None => return Ok(Destination::Files),
            Some(OutputName::Stdout) => return Ok(Destination::Stdout),
            Some(OutputName::Path(name)) => name,
        };
        let path = dir.join(&name);
        match leads(&path) {
            Leads::File => Ok(Destination::File(name)),
            Leads::Outlet(outlet) => Ok(Destination::Device { name, outlet }),
            Leads::Socket => bail!(RunError::usage(format!(
                "cannot write to -o {}, which is a socket: give a file, a FIFO or a device",
                path.display()
            ))),
        }
    }
}

/// What `-o` names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OutputName {
    /// `-`: standard output.
    Stdout,
    /// A path below `--dir`.
    Path(String),
}

fn output_name(text: &str) -> Result<OutputName, String> {
    match text {
        "-" => Ok(OutputName::Stdout),
        path => values::not_empty(path).map(OutputName::Path),
    }
}

/// The values of `--on-conflict`.
fn on_conflict() -> impl TypedValueParser<Value = OnConflict> {
    values::one_of([
        ("overwrite", OnConflict::Overwrite, "replace them, once the new body is complete"),
        ("skip", OnConflict::Skip, "send no request; the row says skipped"),
        ("rename", OnConflict::Rename, "keep them, and number the new file"),
        ("error", OnConflict::Error, "fail the URL (disk.exists)"),
    ])
}

/// The values of `--fsync`.
fn fsync() -> impl TypedValueParser<Value = Fsync> {
    values::one_of([
        ("none", Fsync::None, "nothing: the kernel writes when it likes"),
        ("file", Fsync::File, "each file, before it gets its name"),
        ("dir", Fsync::Dir, "each file and its name"),
        ("end", Fsync::End, "everything, once, at the end of the run"),
    ])
}

/// The values of `--file-allocation`.
fn file_allocation() -> impl TypedValueParser<Value = FileAllocation> {
    values::one_of([
        ("none", FileAllocation::None, "not at all"),
        ("prealloc", FileAllocation::Prealloc, "where the length is known, as the bytes come"),
    ])
}

/// `--dirs`: `hash:2/2`, `seq:1000` or `host`.
fn dirs(text: &str) -> Result<Dirs, String> {
    match text.split_once(':') {
        None if text == "host" => Ok(Dirs::Host),
        Some(("hash", levels)) => {
            let digits = |level: &str| match level.as_bytes() {
                [digit @ b'1'..=b'4'] => Ok(digit - b'0'),
                _ => Err("a folder has 1 to 4 digits of the hash, as in hash:2/2".to_owned()),
            };
            let levels = levels.split('/').map(digits).collect::<Result<Vec<u8>, String>>()?;
            let sum_max = usize::from(limits::HASH_DIGITS_MAX);
            match levels.iter().map(|level| usize::from(*level)).sum::<usize>() {
                sum if sum > sum_max => Err(format!("at most {sum_max} digits in all")),
                _ => Ok(Dirs::Hash(levels)),
            }
        }
        Some(("seq", lines)) => match lines.parse::<u64>() {
            Ok(lines) if lines > 0 => Ok(Dirs::Lines(lines)),
            Ok(_) | Err(_) => Err("seq: takes the lines of a folder, as in seq:1000".to_owned()),
        },
        Some(_) | None => Err("write hash:2/2 (digits of each level), seq:1000 or host".to_owned()),
    }
}

/// A value of `--restrict-file-names`, one of wget's.
fn restrict_names(text: &str) -> Result<RestrictNames, String> {
    match text {
        "unix" => Ok(RestrictNames::Unix),
        "windows" => Ok(RestrictNames::Windows),
        "nocontrol" => Err("control characters are never in names; use unix or windows".to_owned()),
        "ascii" | "lowercase" | "uppercase" => Err(format!(
            "wget's \"{text}\" is not supported; use unix or windows (files are numbered where \
             only the case of their names differs and the file system takes them for one)"
        )),
        _ => Err("use unix or windows".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, list, options, unusable};
    use crate::config::Outlet;

    #[test]
    fn folders() {
        assert_eq!(dirs("hash:2/2"), Ok(Dirs::Hash(vec![2, 2])));
        assert_eq!(dirs("hash:4/1/3"), Ok(Dirs::Hash(vec![4, 1, 3])));
        assert_eq!(dirs("seq:1000"), Ok(Dirs::Lines(1_000)));
        assert_eq!(dirs("host"), Ok(Dirs::Host));
        for text in [
            "",
            "hash",
            "hash:",
            "hash:0",
            "hash:5",
            "hash:2/",
            "hash:/2",
            "hash:4/4/1",
            "hash:22",
            "hash:+2",
            "seq",
            "seq:",
            "seq:0",
            "seq:-1",
            "seq:x",
            "hosts",
            "host:",
            "Host",
        ] {
            dirs(text).expect_err(text);
        }
    }

    #[test]
    fn names_that_files_may_have() {
        assert_eq!(restrict_names("unix"), Ok(RestrictNames::Unix));
        assert_eq!(restrict_names("windows"), Ok(RestrictNames::Windows));
        for (text, word) in [
            ("lowercase", "wget"),
            ("ascii", "wget"),
            ("nocontrol", "control characters"),
            ("windows,lowercase", "unix or windows"),
            ("", "unix or windows"),
        ] {
            assert!(restrict_names(text).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn one_name_is_for_one_url() {
        let (_dir, list) = list();
        let place = |words: &[&str]| {
            let config = config(words);
            (config.dir.display().to_string(), config.destination)
        };
        for (words, dir, name) in [
            (&["-o", "a", "u"][..], ".", "a"),
            (&["-o", ".hidden", "-d", "x", "u"], "x", ".hidden"),
            (&["-o", "a/b/c", "-d", "x", "u"], "x/a/b", "c"),
            (&["-o", "/a/c", "-d", "x", "u"], "/a", "c"),
            (&["-o", "/c", "u"], "/", "c"),
            (&["-o", "../c", "u"], "./..", "c"),
        ] {
            let file = Destination::File(name.to_owned());
            assert_eq!(place(words), (dir.to_owned(), file), "{words:?}");
        }
        assert_eq!(place(&["-o", "-", "u"]), (".".to_owned(), Destination::Stdout));
        assert_eq!(
            place(&["-o", "./-", "u"]),
            ("./.".to_owned(), Destination::File("-".to_owned()))
        );
        for bad in ["a/", "..", ".", "a/.."] {
            let problem = unusable(&["-o", bad, "u"]);
            assert!(problem.contains("does not name a file"), "{bad}: {problem}");
        }
        for line in [&["-o", "a", "u", "v"][..], &["-o", "a", "-i", &list], &["-o", "a", "-"]] {
            assert!(unusable(line).contains("--name-template"));
        }
    }

    #[test]
    fn a_template_is_checked() {
        let template = "{seq:06}-{name}";
        let config = config(&["--name-template", template, "u"]);
        assert_eq!(config.name_template, Template::parse(template).ok());
        assert!(unusable(&["--name-template", "{name", "u"]).contains("'{name'"));
    }

    #[test]
    fn what_is_no_file_is_written_into() {
        let (dir, _list) = list();
        let null = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        let dir = dir.path().to_str().unwrap();
        let destination = |words: &[&str]| config(&[words, &["-d", dir, "u"]].concat()).destination;
        let device = Destination::Device { name: "null".to_owned(), outlet: Outlet::Path(null) };
        assert_eq!(destination(&["-o", "null"]), device);
        assert_eq!(destination(&["-o", "-"]), Destination::Stdout);
        assert_eq!(destination(&["-o", "-"]).outlet(), Some(&Outlet::Descriptor(1)));
        assert_eq!(destination(&["-o", "new"]), Destination::File("new".to_owned()));
        assert_eq!(destination(&[]), Destination::Files);
        assert_eq!(destination(&["--discard"]), Destination::Null);
    }

    #[test]
    fn conflicts() {
        for (line, on_conflict) in [
            (&["u"][..], OnConflict::Overwrite),
            (&["-nc", "u"], OnConflict::Skip),
            (&["--on-conflict", "skip", "u"], OnConflict::Skip),
            (&["--on-conflict", "rename", "u"], OnConflict::Rename),
            (&["--on-conflict", "error", "u"], OnConflict::Error),
            (&["--on-conflict", "overwrite", "u"], OnConflict::Overwrite),
        ] {
            assert_eq!(config(line).on_conflict, on_conflict, "{line:?}");
        }
    }

    #[test]
    fn names_of_the_options() {
        for flag in ["-d", "-P", "--dir", "--directory-prefix", "--output-dir", "--output-folder"] {
            assert_eq!(options(&[flag, "out"]).output.dir, PathBuf::from("out"), "{flag}");
        }
        for flag in ["-o", "--output", "--out"] {
            assert_eq!(options(&[flag, "-"]).output.output, Some(OutputName::Stdout), "{flag}");
            let path = Some(OutputName::Path("--".to_owned()));
            assert_eq!(options(&[&format!("{flag}=--")]).output.output, path, "{flag}");
        }
        let args = options(&["--name-template", "{seq:06}-{name}"]);
        assert_eq!(args.output.name_template.as_deref(), Some("{seq:06}-{name}"));
        for (word, value) in [
            ("overwrite", OnConflict::Overwrite),
            ("skip", OnConflict::Skip),
            ("rename", OnConflict::Rename),
            ("error", OnConflict::Error),
        ] {
            assert_eq!(options(&["--on-conflict", word]).output.on_conflict, value);
        }
    }
}
