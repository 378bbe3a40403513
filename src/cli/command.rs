//! The command line as a whole: what is pulled and how, or a subcommand.

use crate::cli::argv::{self, Given, Typed};
use crate::cli::options::{BenchArgs, OriginArgs, PullArgs};
use crate::cli::peers::PEERS;
use crate::cli::settings::held::Held;
use crate::cli::settings::{Around, Shown, held};
use crate::cli::topics::{self, Topic};
use crate::cli::values;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::fmt;

/// Pull lists of URLs onto disk through io_uring, and report what happened to each
#[derive(Parser)]
#[command(
    name = "ringpull",
    version,
    max_term_width = 100,
    args_override_self = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    override_usage = "ringpull [OPTIONS] [URL]...\n       ringpull origin|bench|config|help ...",
    after_help = MORE,
    after_long_help = EXAMPLES
)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    pull: PullArgs,
}

/// What the program was asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pull URLs: what is done without a subcommand.
    #[command(skip)]
    Pull(Box<PullArgs>),
    /// Serve synthetic files over HTTP and HTTPS, for demonstrations, tests and benchmarks
    Origin(OriginArgs),
    /// Measure what ringpull costs on this machine, in all combinations of what is compared
    Bench(Box<BenchArgs>),
    /// Show the value of every option, and where it comes from
    Config(ConfigArgs),
    /// Explain a topic; without one, list the topics
    Help(HelpArgs),
    /// Print the page of the manual
    ///
    /// For instance: ringpull man >~/.local/share/man/man1/ringpull.1
    #[command(hide = true)]
    Man,
    /// Print what completes options in a shell
    ///
    /// For instance:
    ///   bash: ringpull completions bash >~/.local/share/bash-completion/completions/ringpull
    ///   zsh:  ringpull completions zsh >_ringpull, in a directory of $fpath
    ///   fish: ringpull completions fish >~/.config/fish/completions/ringpull.fish
    #[command(hide = true, verbatim_doc_comment)]
    Completions(CompletionsArgs),
}

/// The shell in which options are completed.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = shell())]
    pub shell: Shell,
}

/// The values of SHELL.
fn shell() -> impl TypedValueParser<Value = Shell> {
    values::one_of([
        ("bash", Shell::Bash, "the shell of most machines"),
        ("zsh", Shell::Zsh, "that of macOS, and of many others"),
        ("fish", Shell::Fish, "fish"),
    ])
}

/// The run whose options are shown.
#[derive(Args)]
pub struct ConfigArgs {
    /// Options of a run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    words: Vec<OsString>,
    /// What holds.
    #[arg(skip)]
    pub shown: Shown,
    /// A run with these options, of one URL where they have no list.
    #[arg(skip)]
    pub pull: Option<Box<PullArgs>>,
}

/// Shows nothing: options may hold secrets.
impl fmt::Debug for ConfigArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigArgs").finish_non_exhaustive()
    }
}

/// What is explained.
#[derive(Args, Debug)]
pub struct HelpArgs {
    /// What to explain
    #[arg(value_name = "TOPIC", value_parser = topic)]
    pub topic: Option<&'static Topic>,
}

fn topic(name: &str) -> Result<&'static Topic, String> {
    topics::find(name).ok_or_else(|| topics::unknown(name))
}

/// As [`parse_with`], without a config file and variables.
///
/// # Errors
/// As for [`parse_with`].
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    parse_with(words, &Around::default())
}

/// Understands the words of the command line, the program's name first, and of what is
/// around them. A subcommand is one only as the first word; none has a scheme, so none can be meant
/// as a URL.
///
/// # Errors
/// Whatever clap has to say, help and version included; `print` and `exit_code` of the error fit.
pub fn parse_with(
    words: impl IntoIterator<Item = OsString>,
    around: &Around,
) -> Result<Command, clap::Error> {
    let mut command = command();
    let typed = argv::rewrite(&mut command, words, &PEERS)?;
    if typed.is_subcommand {
        let matches = command.try_get_matches_from_mut(typed.words).map_err(argv::explain)?;
        let line = CommandLine::from_arg_matches(&matches);
        let line = line.map_err(|error| error.format(&mut command))?;
        return match line.command {
            Some(Command::Config(args)) => shown(args, around),
            Some(subcommand) => Ok(subcommand),
            None => Ok(Command::Pull(Box::new(line.pull))),
        };
    }
    let (pull, _) = pull(&mut command, typed, around)?;
    if pull.has_nothing() {
        let hint =
            "nothing to pull: give URLs, -i FILE with one URL a line, or - for standard input";
        return Err(command.error(ErrorKind::MissingRequiredArgument, hint));
    }
    Ok(Command::Pull(Box::new(pull)))
}

/// The options of a run, and what clap has of them.
fn pull(
    command: &mut clap::Command,
    typed: Typed,
    around: &Around,
) -> Result<(PullArgs, ArgMatches), clap::Error> {
    // Help is to be had whatever a file says.
    let is_help = |given: &Given| matches!(given.id.as_str(), "help" | "version");
    let held = match typed.given.iter().any(is_help) {
        true => Held::default(),
        false => held(command, around, &typed.given, typed.config())
            .map_err(|told| clap::Error::raw(ErrorKind::ValueValidation, told + "\n"))?,
    };
    let mut words = typed.words;
    words.splice(1..1, held.words());
    let matches = command.try_get_matches_from_mut(words).map_err(argv::explain)?;
    let mut line =
        CommandLine::from_arg_matches(&matches).map_err(|error| error.format(command))?;
    (line.pull.notes, line.pull.held) = (typed.notes, held);
    Ok((line.pull, matches))
}

/// What holds for a run with these options.
fn shown(args: ConfigArgs, around: &Around) -> Result<Command, clap::Error> {
    let mut command = command();
    let words = std::iter::once(OsString::from("ringpull")).chain(args.words);
    let typed = argv::rewrite(&mut command, words, &PEERS)?;
    let (mut pull, matches) = pull(&mut command, typed, around)?;
    let shown = Shown::new(&command, &matches, &pull.held);
    if pull.has_nothing() {
        pull.urls.push(URL.into());
    }
    Ok(Command::Config(ConfigArgs { words: Vec::new(), shown, pull: Some(Box::new(pull)) }))
}

/// What is pulled where only options are looked at.
const URL: &str = "http://url.invalid/";

/// The command line as clap knows it.
pub(crate) fn command() -> clap::Command {
    let mut command = unbuilt();
    command.build();
    command
}

/// The command line before clap has built it: it may still be changed.
pub(super) fn unbuilt() -> clap::Command {
    CommandLine::command()
}

/// The end of `-h`.
const MORE: &str = "\
Examples:
  ringpull -i urls.txt -d images --report REPORT.csv
  ringpull -o logo.png https://example.com/static/logo.png

These are the most common options: `ringpull --help` explains all of them, with their values, and \
`ringpull help` lists the topics that are explained at length.";

/// The end of `--help`.
pub(super) const EXAMPLES: &str = "\
Values:
  TIME         seconds (10, 1.5), or a number with ms, s, m, h or d (500ms, 2m)
  BYTES, SIZE  a number, or one with k, M, G, T or P, each 1024 times the one before (1.5k, 20M)
  When an option is given twice, the last one counts, unless its text says Repeatable.

Examples:
  ringpull -i urls.txt -d images --report REPORT.csv
  ringpull -o logo.png https://example.com/static/logo.png
  ringpull -i urls.csv.gz -d pages --dirs host -j 512 -x 4 --report REPORT.csv --retry-failed
  ringpull -i urls.txt --name-template '{seq:06}-{name}' -H 'Accept: image/*'

Exit status:
  0 every URL is ok or skipped, 2 usage, 3 local files, 4 network, 5 TLS verification,
  6 authentication, 7 protocol, 8 status of 400 or more (the lowest that happened),
  9 ended by --max-errors, --max-duration or --quota, 1 internal error, 130 interrupted
  `ringpull help exit` has the details.";

#[cfg(test)]
mod tests;
