//! What was typed to what the run needs: [`PullArgs`] to [`Config`]. Whatever depends on two
//! options, on a file or on this machine is checked here, before any work begins.

use crate::cli::argv;
use crate::cli::command::Command;
use crate::cli::options::{HeaderArg, OutputName, PullArgs, lines, output, proxy, report};
use crate::cli::written;
use crate::config::{Config, Fsync, Input, JournalConfig, ProgressMode, SyncMode};
use crate::error::RunError;
use crate::limits;
use anyhow::bail;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::PathBuf;

/// What is asked of the operating system, once.
#[derive(Clone, Debug)]
pub struct Host {
    /// CPUs that this process is permitted to use, ascending; never empty.
    pub cpus: Vec<usize>,
    /// Whether somebody can see a bar.
    pub is_stderr_terminal: bool,
    /// The command line as it was typed.
    pub argv: Vec<String>,
    /// Environment variables about proxies that are set and not empty, by name.
    pub proxy_variables: Vec<(&'static str, String)>,
    /// Those about tasks of an array, likewise.
    pub task_variables: Vec<(&'static str, String)>,
    /// The file of roots that the environment names (`SSL_CERT_FILE`).
    pub roots_file: Option<PathBuf>,
}

impl Host {
    /// Asks; `words` is the command line. The affinity mask holds what cgroups (cpuset), taskset
    /// and the like permit.
    ///
    /// # Errors
    /// The kernel does not tell the affinity mask.
    pub fn ask(words: &[OsString]) -> anyhow::Result<Self> {
        let cpus = core_affinity::get_core_ids().filter(|cpus| !cpus.is_empty());
        let cpus = cpus.ok_or_else(|| {
            RunError::internal("cannot learn which CPUs this process may use (sched_getaffinity)")
        })?;
        let mut cpus: Vec<usize> = cpus.into_iter().map(|cpu| cpu.id).collect();
        cpus.sort_unstable();
        let argv = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Ok(Self {
            cpus,
            is_stderr_terminal: std::io::stderr().is_terminal(),
            argv,
            proxy_variables: proxy::ask(&proxy::VARIABLES),
            task_variables: proxy::ask(&lines::VARIABLES),
            roots_file: std::env::var_os("SSL_CERT_FILE").map(PathBuf::from),
        })
    }
}

/// Makes the configuration of the run.
///
/// # Errors
/// A [`RunError`] of class usage that names the option and what to do instead.
pub fn resolve(args: &PullArgs, host: &Host) -> anyhow::Result<Config> {
    let inputs = args.input.inputs(&args.urls)?;
    check_output(args, &inputs)?;
    let (dir, output) = args.output.place()?;
    let path = match &output {
        Some(OutputName::Path(name)) => Some(dir.join(name)),
        Some(OutputName::Stdout) | None => None,
    };
    let own_files = written::check(args, &inputs, path.as_deref(), host.roots_file.as_deref())?;
    let destination = output::destination(&dir, output, args.output.discard)?;
    let mut request = args.http.resolve()?;
    let proxy = args.proxy.resolve(&host.proxy_variables, &mut request.headers)?;
    let reach = args.dns.reach();
    proxy::check_reach(reach, &proxy)?;
    let timeouts = args.patience.timeouts();
    Ok(Config {
        budget: args.budget.resolve(),
        integrity: args.integrity.resolve(is_single(&inputs))?,
        inputs,
        input: args.input.resolve(is_told(args))?,
        dir,
        destination,
        own_files,
        name_template: args.output.name_template()?,
        content_disposition: args.output.content_disposition,
        on_conflict: args.output.on_conflict(),
        report: args.report.file()?,
        journal: journal(args)?,
        stats: args.report.stats.as_deref().map(report::stats),
        argv: argv::without_secrets(&host.argv, &secrets(args)),
        cpus: args.concurrency.cpus(&host.cpus)?,
        in_flight_max: args.concurrency.max_concurrent_downloads,
        per_host: args.politeness.per_host(args.concurrency.max_connections_per_host),
        politeness: args.politeness.resolve(),
        lookahead_max: args.input.lookahead.unwrap_or(limits::LOOKAHEAD_JOBS_DEFAULT),
        is_lookahead_given: args.input.lookahead.is_some(),
        lines: args.lines.resolve(&host.task_variables)?,
        request,
        redirects_max: args.http.max_redirs,
        allow_downgrade: args.http.allow_downgrade,
        body_bytes_max: args.http.max_filesize.map(|bytes| bytes.0).filter(|bytes| *bytes > 0),
        timeouts,
        retry: args.patience.retry(),
        pace: args.pace.resolve(),
        tls: args.tls.resolve(),
        dns: args.dns.resolve(&timeouts),
        reach,
        proxy,
        file_ops: args.kernel.file_ops,
        fsync: fsync(args),
        file_allocation: args.output.file_allocation,
        disk: args.output.disk(),
        robots: args.robots.resolve(),
        progress: args.report.progress(host.is_stderr_terminal),
        watch: args.report.watch(&args.input.keep()?, is_body_printed(args))?,
        summary: !args.report.quiet,
        grace_ms: args.patience.grace.0,
    })
}

/// What a user must be told before the run begins, even with `-q`.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.tls.insecure {
        let text = "--insecure: certificates are not checked, anyone on the way can answer";
        warnings.push(text.to_owned());
    }
    if let Some(netrc) = config.request.netrc.as_ref().filter(|file| file.is_readable_by_others) {
        let path = netrc.path.display();
        warnings.push(format!("{path}: other users can read these passwords; run: chmod 600"));
    }
    warnings
}

/// What a user should know, unless it was asked to be quiet.
pub fn notes(args: &PullArgs, config: &Config) -> Vec<String> {
    // Who reads JSON from standard error reads nothing else.
    let is_quiet = !config.summary || config.progress == ProgressMode::Json;
    if is_quiet {
        return Vec::new();
    }
    let of_config = proxy::note(&config.proxy).into_iter().chain(lines::note(&config.lines));
    args.notes.iter().cloned().chain(of_config).collect()
}

/// Where a word of the command line must not be seen by others: for the process title.
pub fn secret_ranges(command: &Command, word: &str) -> Vec<Range<usize>> {
    match command {
        Command::Pull(args) => argv::secret_ranges(word, &secrets(args)),
        Command::Origin(_) | Command::Help(_) => Vec::new(),
    }
}

/// What was typed that nobody else may see, besides the user information of URLs: values of the
/// options in `argv::SECRET_OPTIONS`.
fn secrets(args: &PullArgs) -> Vec<&str> {
    let fields = args.http.headers.iter().filter_map(|header| match header {
        // A shorter value hides nothing, and would be found in every other word.
        HeaderArg::Field { value, .. } if value.len() > 3 => Some(value.as_str()),
        HeaderArg::Field { .. } | HeaderArg::File(_) => None,
    });
    let users = args.http.users.iter().map(String::as_str);
    fields.chain(users).chain(args.proxy.secrets()).collect()
}

/// `-o` names one file, so there must be exactly one URL.
fn check_output(args: &PullArgs, inputs: &[Input]) -> anyhow::Result<()> {
    if args.output.output.is_some() && !is_single(inputs) {
        bail!(RunError::usage(
            "cannot give several downloads the one name of -o: use -o with a single URL, \
             out=NAME lines in the list, or --name-template '{seq:06}-{name}'"
        ));
    }
    Ok(())
}

/// What is done with the report of an earlier run. What goes on from that run needs the file that
/// says what that did.
fn journal(args: &PullArgs) -> anyhow::Result<JournalConfig> {
    let typed = &args.journal;
    let needy = [
        ("--retry-failed", typed.retry_failed.is_some()),
        ("--verify", typed.verify),
        ("--fresh", typed.fresh),
    ];
    if args.report.is_report_printed()
        && let Some((flag, _)) = needy[..2].iter().find(|(_, is_typed)| *is_typed)
    {
        bail!(RunError::usage(format!(
            "cannot use {flag} with --report -, from which nothing is read back: give --report a \
             file"
        )));
    }
    if args.report.report.is_none()
        && let Some((flag, _)) = needy.iter().find(|(_, is_typed)| *is_typed)
    {
        bail!(RunError::usage(format!(
            "cannot use {flag} without a report, which says what earlier runs did: \
             add --report FILE.csv"
        )));
    }
    if typed.verify && !(args.urls.is_empty() && args.input.files.is_empty()) {
        bail!(RunError::usage(
            "cannot use --verify with a list: it compares all files of the report and pulls nothing"
        ));
    }
    // What was meant as a value would become a line of the list, which the report knows from then
    // on.
    let is_value = |url: &&String| matches!(url.as_str(), "all" | "transient");
    if typed.retry_failed.is_some()
        && let Some(value) = args.urls.iter().find(is_value)
    {
        bail!(RunError::usage(format!(
            "cannot tell whether {value:?} is a URL: write --retry-failed={value}"
        )));
    }
    typed.resolve()
}

/// What must be on the disk before a file counts as done: with `--sync always` it and its name,
/// because its row is then.
fn fsync(args: &PullArgs) -> Fsync {
    match args.journal.sync {
        SyncMode::Always if args.report.report_path().is_some() => Fsync::Dir,
        SyncMode::None | SyncMode::Interval | SyncMode::Always => args.output.fsync,
    }
}

/// Whether somebody gets to see the columns that a list has and the report keeps.
fn is_told(args: &PullArgs) -> bool {
    let report = &args.report;
    report.report.is_some() || report.write_out.is_some() || args.lines.dry_run
}

/// Whether the download is standard output.
fn is_body_printed(args: &PullArgs) -> bool {
    args.output.output == Some(OutputName::Stdout)
}

/// Whether there is exactly one URL, and no list.
fn is_single(inputs: &[Input]) -> bool {
    matches!(inputs, [Input::Urls(urls)] if urls.len() == 1)
}

#[cfg(test)]
mod tests;
