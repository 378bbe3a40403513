//! Words of the command line to a configuration, the configuration to a run, the run to an exit
//! status. A run that fails prints one error chain here.

use anyhow::Context as _;
use ringpull::cli::topics::{self, Style, Topic};
use ringpull::cli::{self, Command};
use ringpull::error::RunError;
use ringpull::exit::ExitStatus;
use ringpull::report::look::{Look, Page};
use ringpull::ring::heap::Heap;
use ringpull::ring::{setup, terminal, title, tls};
use ringpull::{bench, engine, origin, report};
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process;

#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> process::ExitCode {
    // It asks how a run goes; before there is one, it must not end the process.
    setup::ignore_state_signal();
    let words: Vec<OsString> = std::env::args_os().collect();
    let command = match cli::parse_with(words.clone(), &cli::Around::ask()) {
        Ok(command) => command,
        Err(error) => return usage(&error),
    };
    // Everybody on this machine can read it. Where it cannot be changed, it is as with any program.
    let _: std::io::Result<()> = title::mask(|word| cli::secret_ranges(&command, word));
    // The hook has printed a panic's message; the status table has no place for Rust's own 101.
    let done = std::panic::catch_unwind(|| run(&command, &words));
    #[cfg(feature = "shim")]
    ringpull::ring::shim::report();
    let status = match done {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => told(error),
        Err(_) => ExitStatus::Internal,
    };
    status.into()
}

fn run(command: &Command, words: &[OsString]) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Pull(args) => {
            let cli::Resolved { config, warnings, notes } =
                cli::resolve(args, &cli::Host::ask(words)?)?;
            warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
            notes.iter().for_each(|note| tell(&format!("note: {note}")));
            if config.journal.is_verify {
                return Ok(engine::verify(&config)?.exit_status());
            }
            let ended = match config.is_dry_run {
                false => engine::run(&config)?,
                true => engine::dry_run(&config)?,
            };
            let ok_percent_min = config.budget.ok_percent_min;
            Ok(report::summary::exit_status(&ended.stats, ended.end, ok_percent_min))
        }
        Command::Origin(args) => {
            origin::run(args.resolve()?)?;
            Ok(ExitStatus::Success)
        }
        Command::Bench(args) => match cli::bench::resolve(args, &cli::Host::ask(words)?)? {
            cli::bench::Asked::Measure(config) => bench::run(&config),
            cli::bench::Asked::Compare { old, new } => {
                let (text, status) = bench::compare::run(&old, &new)?;
                print(&text)?;
                Ok(status)
            }
        },
        Command::Config(args) => {
            args.shown.warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
            print(&args.shown.render(page(terminal::columns_of_output())))?;
            let host = cli::Host::ask(words)?;
            if let Some(pull) = &args.pull {
                // The files of certificates and keys have to be such.
                tls::Settings::new(&cli::resolve(pull, &host)?.config.tls)?;
            }
            Ok(ExitStatus::Success)
        }
        Command::Help(args) => {
            explain(args.topic)?;
            Ok(ExitStatus::Success)
        }
        Command::Man => {
            print(&cli::man::page())?;
            Ok(ExitStatus::Success)
        }
        Command::Completions(args) => {
            print(&cli::completions::script(args.shell))?;
            Ok(ExitStatus::Success)
        }
    }
}

/// Prints a topic of the help, or which topics there are, for the width of the terminal.
fn explain(topic: Option<&'static Topic>) -> anyhow::Result<()> {
    let columns = terminal::columns_of_output();
    let style = Style::of(page(columns).look);
    let columns = columns.unwrap_or(COLUMNS_DEFAULT);
    let text = match topic {
        Some(topic) => topic.render(columns, style),
        None => topics::list(columns, style),
    };
    print(&text)
}

/// Writes to standard output.
///
/// # Errors
/// It cannot be written, as on a full disk.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // Nobody listens when the stream is closed (`ringpull help lists | head -1`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.with_context(|| RunError::local_file("cannot write to standard output")),
    }
}

/// Width of what is printed into a file or a pipe.
const COLUMNS_DEFAULT: usize = 80;

/// Prints help, the version, or what is wrong with the words.
fn usage(error: &clap::Error) -> process::ExitCode {
    let is_error = error.use_stderr();
    let columns = if is_error { terminal::columns() } else { terminal::columns_of_output() };
    let page = page(columns);
    let text = match page.look.has_color {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    let text = page.laid_out(&text);
    if is_error {
        // The status counts, whether anybody listens or not.
        let _ = std::io::stderr().write_all(text.as_bytes());
        return ExitStatus::Usage.into();
    }
    let status = print(&text).map_or_else(told, |()| ExitStatus::Success);
    status.into()
}

/// Tells why nothing came of it.
fn told(error: anyhow::Error) -> ExitStatus {
    tell(&format!("{error:#}"));
    ExitStatus::from(&error)
}

fn tell(text: &str) {
    let page = page(terminal::columns());
    // As above: a closed stream must not become a panic.
    let _ = writeln!(std::io::stderr(), "{}", page.laid_out(&format!("ringpull: {text}")));
}

/// What is laid out for a terminal of so many columns, or for none.
fn page(columns: Option<usize>) -> Page {
    Page { columns, look: Look::of(columns.is_some(), |name| std::env::var_os(name)) }
}
