//! What was typed to what the run needs: [`PullArgs`] to [`Config`]. Whatever depends on two
//! options, on a file or on this machine is checked here, before any work begins.

use crate::cli::argv;
use crate::cli::bench;
use crate::cli::command::Command;
use crate::cli::options::{NetrcFile, OutputName, PullArgs, lines, proxy, report};
use crate::cli::secrets;
use crate::cli::written;
use crate::config::{
    Config, Destination, Fsync, Input, JournalConfig, OwnFiles, ProgressMode, SyncMode,
};
use crate::error::RunError;
use crate::plan::input::KeptColumn;
use crate::plan::schedule::Limits;
use crate::report::look::Look;
use anyhow::bail;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is asked of the operating system, once.
#[derive(Clone, Debug)]
pub struct Host {
    /// CPUs that this process is permitted to use, ascending; never empty.
    pub cpus: Vec<usize>,
    /// Whether somebody can see a bar: standard error is a terminal on which a line can be written
    /// over.
    pub has_bar: bool,
    /// Whether what is printed goes to a terminal, which is that of the bar.
    pub is_stdout_terminal: bool,
    /// What standard error may be written.
    pub look: Look,
    /// The command line as it was typed.
    pub argv: Vec<String>,
    /// Environment variables about proxies that are set and not empty, by name.
    pub proxy_variables: Vec<(&'static str, String)>,
    /// Environment variables about tasks of an array that are set and not empty, by name.
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
        let is_stderr_terminal = std::io::stderr().is_terminal();
        Ok(Self {
            cpus,
            has_bar: is_stderr_terminal
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            is_stdout_terminal: std::io::stdout().is_terminal(),
            look: Look::of(is_stderr_terminal, |name| std::env::var_os(name)),
            argv,
            proxy_variables: proxy::ask(&proxy::VARIABLES),
            task_variables: proxy::ask(&lines::VARIABLES),
            roots_file: std::env::var_os("SSL_CERT_FILE").map(PathBuf::from),
        })
    }
}

/// What was typed, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// What the run needs.
    pub config: Config,
    /// What a user must be told before the run begins, even with `-q`.
    pub warnings: Vec<String>,
    /// What a user should know; nothing where it was asked to be quiet.
    pub notes: Vec<String>,
}

/// Makes the configuration of the run.
///
/// # Errors
/// A [`RunError`] of class usage that names the option and what to do instead.
pub fn resolve(args: &PullArgs, host: &Host) -> anyhow::Result<Resolved> {
    resolved(args, host).map_err(|error| args.held.located(error))
}

fn resolved(args: &PullArgs, host: &Host) -> anyhow::Result<Resolved> {
    let inputs = inputs(args)?;
    let (dir, output) = args.output.place()?;
    let own_files = own_files(args, &inputs, named(&dir, output.as_ref()), host)?;
    let input = args.input.resolve(is_told(args), &args.archive)?;
    let destination = destination(args, (&dir, output), &input.columns.keep)?;
    let (netrc, fields) = (args.http.netrc()?, args.http.fields()?);
    let warnings = warnings(args, netrc.as_ref(), &fields.open_files);
    let mut request = args.http.resolve(fields, netrc.map(|file| file.netrc));
    let (proxies, proxy_note) = args.proxy.resolve(&host.proxy_variables, &mut request.headers)?;
    let ((shard, shard_note), limits) = (args.lines.shard(&host.task_variables)?, limits(args)?);
    let notes = notes(args, host, proxy_note.into_iter().chain(shard_note));
    let config = Config {
        budget: args.budget.resolve(),
        compute_hash: args.integrity.compute_hash.and_then(|hash| hash.0),
        checksum: args.integrity.checksum(is_single(&inputs))?,
        inputs,
        printed: args.report.printed(&input.columns, is_body_printed(args))?,
        input,
        dir,
        dedupe: args.dedupe.resolve(&destination)?,
        timestamping: args.transfer.timestamping(&args.output, destination.has_files())?,
        destination,
        own_files,
        name_template: args.output.name_template()?,
        content_disposition: args.output.content_disposition,
        on_conflict: args.output.on_conflict(),
        splitting: args.transfer.splitting(&limits),
        continuing: args.transfer.continuing(args.report.report_path().is_some()),
        remote_time: args.transfer.remote_time(),
        report: args.report.file()?,
        journal: journal(args)?,
        stats: args.report.stats.as_deref().map(report::stats),
        argv: argv::without_secrets(&host.argv, &secrets::of(args)),
        backend: args.kernel.backend,
        ring: args.kernel.ring()?,
        pipeline: args.concurrency.pipeline(),
        network: args.kernel.network(args.report.report_path())?,
        cpus: args.kernel.workers(args.concurrency.cpus(&host.cpus)?, limits.in_flight_max),
        limits,
        is_lookahead_given: args.input.lookahead.is_some(),
        is_dry_run: args.lines.dry_run,
        shard,
        request,
        redirects: args.http.redirects(),
        body_bytes_max: args.http.max_filesize.map(|bytes| bytes.0).filter(|bytes| *bytes > 0),
        timeouts: args.patience.timeouts(),
        retry: args.patience.retry(),
        bandwidth: args.pace.resolve(),
        tls: args.tls.resolve(),
        dns: args.dns.resolve(&args.patience.timeouts(), args.kernel.is_network_made_up()),
        dns_cache: args.dns.dns_cache.clone(),
        address_policy: proxy::checked_address_policy(args.dns.address_policy(), &proxies)?,
        proxies,
        file_ops: args.kernel.resolved_file_ops(args.transfer.write_mode)?,
        write_mode: args.transfer.write_mode,
        naming: args.kernel.resolved_naming()?,
        fsync: fsync(args),
        file_allocation: args.output.file_allocation,
        dirs: args.output.dirs.clone(),
        restrict_names: args.output.restrict_file_names,
        disk_wait_ms: args.output.disk_wait.0,
        robots: args.robots.resolve(),
        progress: args.report.shown(progress(args, host), host.look),
        metrics_addr: args.report.metrics_addr,
        summary: !args.report.quiet,
        grace_ms: args.patience.grace.0,
    };
    Ok(Resolved { config, warnings, notes })
}

/// What no download may replace, where the one output is `path`.
fn own_files(
    args: &PullArgs,
    inputs: &[Input],
    path: Option<PathBuf>,
    host: &Host,
) -> anyhow::Result<OwnFiles> {
    written::check(args, inputs, path.as_deref(), host.roots_file.as_deref())
}

/// What is pulled.
fn inputs(args: &PullArgs) -> anyhow::Result<Vec<Input>> {
    let inputs = args.input.inputs(&args.urls)?;
    check_output(args, &inputs)?;
    Ok(inputs)
}

/// The caps of the run, but for what the engine fills in.
fn limits(args: &PullArgs) -> anyhow::Result<Limits> {
    let per_host = args.concurrency.max_connections_per_host;
    let limits = args.politeness.limits(per_host)?;
    Ok(Limits {
        per_host_first: args.transfer.per_host_first(&limits, per_host.is_some()),
        in_flight_max: args.concurrency.max_concurrent_downloads,
        lookahead_max: args.input.lookahead.unwrap_or(limits.lookahead_max),
        retry_after_max_ms: args.patience.retry_after_max.0,
        ..limits
    })
}

fn warnings(
    args: &PullArgs,
    netrc: Option<&NetrcFile>,
    open_field_files: &[PathBuf],
) -> Vec<String> {
    let mut warnings = args.held.warnings().to_vec();
    if args.tls.insecure {
        let text = "--insecure: certificates are not checked, anyone on the way can answer";
        warnings.push(text.to_owned());
    }
    if args.kernel.is_network_made_up() {
        let text = "--network memory: nothing comes from a server, and no file has its real bytes";
        warnings.push(text.to_owned());
    }
    let open_netrc = netrc.filter(|file| file.is_readable_by_others).map(|file| &file.path);
    for path in open_netrc.into_iter().chain(open_field_files) {
        let path = path.display();
        warnings.push(format!("{path}: other users can read these passwords; run: chmod 600"));
    }
    warnings
}

/// How progress is shown. Where rows or a body go to the terminal too, no bar is drawn among them.
fn progress(args: &PullArgs, host: &Host) -> ProgressMode {
    let is_printed =
        args.report.write_out.is_some() || args.report.is_report_printed() || is_body_printed(args);
    args.report.progress(host.has_bar, is_printed && host.is_stdout_terminal)
}

/// What a user should know of what was typed, and of what the environment says besides.
fn notes(
    args: &PullArgs,
    host: &Host,
    of_environment: impl Iterator<Item = String>,
) -> Vec<String> {
    // Who reads JSON from standard error reads nothing else.
    if args.report.quiet || progress(args, host) == ProgressMode::Json {
        return Vec::new();
    }
    args.notes.iter().cloned().chain(of_environment).collect()
}

/// Where a word of the command line must not be seen by others: for the process title.
pub fn secret_ranges(command: &Command, word: &str) -> Vec<Range<usize>> {
    match command {
        Command::Pull(args) => argv::secret_ranges(word, &secrets::of(args)),
        Command::Bench(args) => {
            let secrets = bench::secrets(args);
            argv::secret_ranges(word, &secrets.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Command::Config(args) => {
            let secrets = args.pull.as_deref().map(secrets::of).unwrap_or_default();
            argv::secret_ranges(word, &secrets)
        }
        Command::Origin(_) | Command::Help(_) | Command::Man | Command::Completions(_) => {
            Vec::new()
        }
    }
}

/// `-o` names one file, so there must be exactly one URL.
fn check_output(args: &PullArgs, inputs: &[Input]) -> anyhow::Result<()> {
    let is_one_archive = args.archive.is_packed() && is_body_printed(args);
    if args.output.output.is_some() && !is_single(inputs) && !is_one_archive {
        bail!(RunError::usage(
            "cannot give several downloads the one name of -o: use -o with a single URL, \
             out=NAME lines in the list, or --name-template '{seq:06}-{name}'"
        ));
    }
    Ok(())
}

/// Where bodies go; `output` is what `-o` names in `dir`, and `kept` are the columns that rows
/// have.
fn destination(
    args: &PullArgs,
    (dir, output): (&Path, Option<OutputName>),
    kept: &[KeptColumn],
) -> anyhow::Result<Destination> {
    match args.archive.destination(&args.output, output.as_ref(), kept)? {
        Some(archive) => Ok(archive),
        None => args.output.destination(dir, output),
    }
}

/// The file that `-o` names, where it names one.
fn named(dir: &Path, output: Option<&OutputName>) -> Option<PathBuf> {
    match output {
        Some(OutputName::Path(name)) => Some(dir.join(name)),
        Some(OutputName::Stdout) | None => None,
    }
}

/// What is done with the report of an earlier run. What goes on from that run needs the file that
/// says what that did.
fn journal(args: &PullArgs) -> anyhow::Result<JournalConfig> {
    let typed = &args.journal;
    let needy = [
        ("--retry-failed", typed.retry_failed.is_some()),
        ("--verify", typed.verify),
        ("--check-integrity", typed.check_integrity),
        ("--fresh", typed.fresh),
    ];
    if args.report.is_report_printed()
        && let Some((flag, _)) = needy[..3].iter().find(|(_, is_typed)| *is_typed)
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
    report.report.is_some()
        || report.write_out.is_some()
        || args.lines.dry_run
        || args.archive.has_rows()
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
