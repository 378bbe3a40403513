//! What was typed to what the run needs: [`PullArgs`] to [`Config`]. Whatever depends on two
//! options, on a file or on this machine is checked here, before any work begins.

mod budget;
mod disk;
mod input;
mod integrity;
mod journal;
mod lines;
mod pace;
mod politeness;
mod robots;
mod watch;

use super::args::{
    Command, FileAllocationArg, FileOpsArg, FsyncArg, OnConflictArg, OriginArgs, OutputName,
    ProgressArg, PullArgs,
};
use super::argv;
use super::outlet::{Leads, leads};
use super::proxy;
use super::values::{self, HeaderArg};
use super::written;
use crate::config::{
    Config, Destination, DnsConfig, Family, FileAllocation, FileOps, Fsync, Input, NetrcFile,
    OnConflict, ProgressMode, Reach, RequestConfig, RetryPolicy, StatsFile, Timeouts, TlsConfig,
    TlsVersion,
};
use crate::error::RunError;
use crate::origin::OriginConfig;
use crate::{http, limits, plan};
use anyhow::{Context, bail};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{IsTerminal, Read as _};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

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
    let inputs = input::inputs(args)?;
    check_output(args, &inputs)?;
    let (dir, output) = place(args)?;
    let path = match &output {
        Some(OutputName::Path(name)) => Some(dir.join(name)),
        Some(OutputName::Stdout) | None => None,
    };
    let own_files = written::check(args, &inputs, path.as_deref(), host.roots_file.as_deref())?;
    let destination = destination(&dir, output)?;
    let mut request = request(args)?;
    let proxy = proxy::resolve(&args.proxy, &host.proxy_variables, &mut request.headers)?;
    proxy::check_reach(reach(args), &proxy)?;
    Ok(Config {
        budget: budget::resolve(&args.budget),
        integrity: integrity::resolve(&args.integrity, is_single(&inputs))?,
        inputs,
        input: input::resolve(args)?,
        dir,
        destination,
        own_files,
        name_template: name_template(args)?,
        content_disposition: args.output.content_disposition,
        on_conflict: on_conflict(args),
        report: watch::report(args)?,
        journal: journal::resolve(args)?,
        stats: args.report.stats.as_deref().map(stats),
        argv: argv::without_secrets(&host.argv, &secrets(args)),
        cpus: cpus(args, host)?,
        in_flight_max: args.concurrency.max_concurrent_downloads,
        per_host: politeness::per_host(args),
        politeness: politeness::resolve(args),
        lookahead_max: args.input.lookahead.unwrap_or(limits::LOOKAHEAD_JOBS_DEFAULT),
        is_lookahead_given: args.input.lookahead.is_some(),
        lines: lines::resolve(&args.lines, &host.task_variables)?,
        request,
        redirects_max: args.http.max_redirs,
        allow_downgrade: args.http.allow_downgrade,
        body_bytes_max: args.http.max_filesize.map(|bytes| bytes.0).filter(|bytes| *bytes > 0),
        timeouts: timeouts(args),
        retry: retry(args),
        pace: pace::pace(&args.pace),
        tls: tls(args),
        dns: dns(args),
        reach: reach(args),
        proxy,
        file_ops: file_ops(args.kernel.file_ops),
        fsync: journal::fsync(args, fsync(args.output.fsync)),
        file_allocation: file_allocation(args.output.file_allocation),
        disk: disk::resolve(&args.output),
        robots: robots::resolve(&args.robots),
        progress: progress(args, host),
        watch: watch::watch(args)?,
        summary: !args.report.quiet,
        grace_ms: args.patience.grace.0,
    })
}

/// Makes the configuration of `ringpull origin`.
///
/// # Errors
/// The two listeners have different addresses.
pub fn resolve_origin(args: &OriginArgs) -> anyhow::Result<OriginConfig> {
    let https_port = (!args.no_tls).then_some(args.https_addr.port());
    if https_port.is_some() && args.http_addr.ip() != args.https_addr.ip() {
        let (http, https) = (args.http_addr.ip(), args.https_addr.ip());
        bail!(RunError::usage(format!(
            "cannot serve HTTP on {http} and HTTPS on {https}: give both the same address"
        )));
    }
    Ok(OriginConfig {
        addr: args.http_addr.ip(),
        http_port: args.http_addr.port(),
        https_port,
        dir: args.dir.clone(),
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

/// Options whose values are secrets, or hold some. The values themselves come from [`secrets`]: a
/// new option gets its line in both.
pub(super) const SECRET_OPTIONS: [&str; 4] = ["--user", "--header", "--proxy", "--proxy-user"];

/// What was typed that nobody else may see, besides the user information of URLs.
fn secrets(args: &PullArgs) -> Vec<&str> {
    let fields = args.http.headers.iter().filter_map(|header| match header {
        // A shorter value hides nothing, and would be found in every other word.
        HeaderArg::Field { value, .. } if value.len() > 3 => Some(value.as_str()),
        HeaderArg::Field { .. } | HeaderArg::File(_) => None,
    });
    let users = args.http.users.iter().map(String::as_str);
    fields.chain(users).chain(proxy::secrets(&args.proxy)).collect()
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

/// Whether there is exactly one URL, and no list.
fn is_single(inputs: &[Input]) -> bool {
    matches!(inputs, [Input::Urls(urls)] if urls.len() == 1)
}

/// The directory of the run, and the name of its single file where `-o` gives one. What the user
/// of the command line says is taken literally, as by curl: `-o` may lead anywhere.
fn place(args: &PullArgs) -> anyhow::Result<(PathBuf, Option<OutputName>)> {
    let dir = &args.output.dir;
    let path = match &args.output.output {
        other @ (None | Some(OutputName::Stdout)) => return Ok((dir.clone(), other.clone())),
        Some(OutputName::Path(path)) => path.as_str(),
    };
    let (parents, name) = path.rsplit_once('/').map_or(("", path), |(parents, name)| {
        (if parents.is_empty() { "/" } else { parents }, name)
    });
    if matches!(name, "" | "." | "..") {
        bail!(RunError::usage(format!(
            "cannot write to -o {path}, which names no file: end it with a file name"
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

/// Where bodies go; `output` is what `-o` names in `dir`.
fn destination(dir: &Path, output: Option<OutputName>) -> anyhow::Result<Destination> {
    let name = match output {
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

fn stats(path: &Path) -> StatsFile {
    let outlet = match leads(path) {
        Leads::Outlet(outlet) => Some(outlet),
        // To open a socket fails, and says why.
        Leads::File | Leads::Socket => None,
    };
    StatsFile { path: path.to_owned(), outlet }
}

fn name_template(args: &PullArgs) -> anyhow::Result<Option<String>> {
    let Some(text) = &args.output.name_template else { return Ok(None) };
    if let Err(problem) = plan::name::Template::parse(text) {
        bail!(RunError::usage(format!("cannot use --name-template '{text}': {problem}")));
    }
    Ok(Some(text.clone()))
}

fn on_conflict(args: &PullArgs) -> OnConflict {
    match args.output.on_conflict {
        _ if args.output.no_clobber => OnConflict::Skip,
        OnConflictArg::Overwrite => OnConflict::Overwrite,
        OnConflictArg::Skip => OnConflict::Skip,
        OnConflictArg::Rename => OnConflict::Rename,
        OnConflictArg::Error => OnConflict::Error,
    }
}

/// Permitted CPUs, of them those of `--cpus`, of them the first `--threads`.
fn cpus(args: &PullArgs, host: &Host) -> anyhow::Result<Vec<usize>> {
    let permitted = ranges(&host.cpus);
    let mut cpus = host.cpus.clone();
    if let Some(wanted) = &args.concurrency.cpus {
        if let Some(cpu) = wanted.0.iter().find(|cpu| !host.cpus.contains(cpu)) {
            bail!(RunError::usage(format!(
                "cannot use CPU {cpu} of --cpus: this process is permitted {permitted}"
            )));
        }
        cpus.clone_from(&wanted.0);
    }
    if let Some(threads) = args.concurrency.threads {
        if threads > cpus.len() {
            let usable = ranges(&cpus);
            bail!(RunError::usage(format!(
                "cannot start {threads} threads on CPU {usable}: each worker has a CPU of its own; \
                 more downloads at once is -j"
            )));
        }
        cpus.truncate(threads);
    }
    Ok(cpus)
}

/// `0-3,8`: ascending CPU numbers as `--cpus` takes them.
fn ranges(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let text = |&(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

fn request(args: &PullArgs) -> anyhow::Result<RequestConfig> {
    let mut headers = Vec::new();
    for arg in &args.http.headers {
        match arg {
            HeaderArg::Field { name, value } => headers.push((name.clone(), value.clone())),
            HeaderArg::File(path) => headers.extend(header_file(path)?),
        }
    }
    let defaults = Config::default().request;
    Ok(RequestConfig {
        headers,
        user_agent: args.http.user_agent.clone().unwrap_or(defaults.user_agent),
        referer: args.http.referer.as_deref().map(|url| plan::target::referer(url).into_owned()),
        compressed: args.http.compressed,
        basic_auth: args.http.users.last().cloned(),
        netrc: netrc(args)?,
    })
}

/// `--netrc-file FILE`, or with `--netrc` the one of the home directory. It is read and checked
/// here: what it lacks should not be found by a server's 401.
fn netrc(args: &PullArgs) -> anyhow::Result<Option<NetrcFile>> {
    let path = match (&args.http.netrc_file, args.http.netrc) {
        (Some(path), _) => path.clone(),
        (None, true) => match std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) {
            Some(home) => written::in_home(home),
            None => bail!(RunError::usage("cannot find ~/.netrc: set HOME, or use --netrc-file")),
        },
        (None, false) => return Ok(None),
    };
    let doing = || RunError::usage(format!("cannot use the netrc file {}", path.display()));
    let text = read_text(&path).with_context(doing)?;
    plan::netrc::Netrc::parse(&text).with_context(doing)?;
    let mode = fs::metadata(&path).with_context(doing)?.permissions().mode();
    let is_readable_by_others = mode & 0o044 != 0;
    Ok(Some(NetrcFile { path, text, is_readable_by_others }))
}

/// The text of a file that an option names. `/dev/zero` is no such file.
fn read_text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(limits::OPTION_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limits::OPTION_FILE_BYTES_MAX {
        bail!("it is longer than {} bytes", limits::OPTION_FILE_BYTES_MAX);
    }
    Ok(text)
}

/// `-H @FILE`: one field a line; empty lines are left out.
fn header_file(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let doing = || RunError::usage(format!("cannot read the fields of -H @{}", path.display()));
    let text = read_text(path).with_context(doing)?;
    let mut fields = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let field = http::request::parse_field(line)
            .map_err(|problem| anyhow::anyhow!("line {}: {problem}", index + 1))
            .with_context(doing)?;
        fields.push(field);
    }
    Ok(fields)
}

fn timeouts(args: &PullArgs) -> Timeouts {
    let patience = &args.patience;
    let either = |own: Option<values::Millis>, default_ms: u64| {
        own.or(patience.timeout).map_or(default_ms, |span| span.0)
    };
    Timeouts {
        connect_ms: either(patience.connect_timeout, limits::TIMEOUT_CONNECT_DEFAULT_MS),
        read_ms: either(patience.read_timeout, limits::TIMEOUT_READ_DEFAULT_MS),
        job_ms: patience.max_time.0,
        speed_min: patience.speed_limit.0,
        speed_ms: patience.speed_time.0,
    }
}

/// `--tries` counts the first attempt, `--retry` does not; no limit of `--tries 0` is the largest
/// one, and `--max-time` ends it.
fn retry(args: &PullArgs) -> RetryPolicy {
    let retries_max = match args.patience.tries {
        None => args.patience.retry,
        Some(tries) => tries.checked_sub(1).unwrap_or(u32::MAX),
    };
    let delay_base_ms = args.patience.retry_delay.0;
    RetryPolicy {
        retries_max,
        delay_base_ms,
        delay_max_ms: limits::RETRY_DELAY_MAX_MS.max(delay_base_ms),
        retry_after_max_ms: args.patience.retry_after_max.0,
    }
}

fn dns(args: &PullArgs) -> DnsConfig {
    let family = match (args.dns.ipv4, args.dns.ipv6) {
        (true, _) => Family::V4,
        (false, true) => Family::V6,
        (false, false) => Family::Any,
    };
    let timeouts = timeouts(args);
    let timeout_ms = args.dns.dns_timeout.map_or(timeouts.connect_ms, |span| span.0);
    DnsConfig {
        servers: args.dns.dns_servers.clone(),
        concurrency: args.dns.dns_concurrency,
        // No job has so much time.
        timeout_ms: timeout_ms.min(timeouts.job_ms),
        overrides: args.dns.resolve.clone(),
        family,
        cache: args.dns.dns_cache.clone(),
    }
}

fn tls(args: &PullArgs) -> TlsConfig {
    let typed = &args.tls;
    TlsConfig {
        ca_files: typed.ca_files.clone(),
        insecure: typed.insecure,
        cert_file: typed.cert_file.clone(),
        key_file: typed.key_file.clone(),
        version_min: if typed.is_tls_1_3 { TlsVersion::V13 } else { TlsVersion::V12 },
        pins: typed.pins.clone(),
    }
}

fn reach(args: &PullArgs) -> Reach {
    args.dns.no_private.unwrap_or_default()
}

fn file_ops(typed: FileOpsArg) -> FileOps {
    match typed {
        FileOpsArg::Auto => FileOps::Auto,
        FileOpsArg::Sync => FileOps::Sync,
        FileOpsArg::Ring => FileOps::Ring,
        FileOpsArg::Chain => FileOps::Chain,
    }
}

fn fsync(typed: FsyncArg) -> Fsync {
    match typed {
        FsyncArg::None => Fsync::None,
        FsyncArg::File => Fsync::File,
        FsyncArg::Dir => Fsync::Dir,
        FsyncArg::End => Fsync::End,
    }
}

fn file_allocation(typed: FileAllocationArg) -> FileAllocation {
    match typed {
        FileAllocationArg::None => FileAllocation::None,
        FileAllocationArg::Prealloc => FileAllocation::Prealloc,
    }
}

/// What was asked for; else a bar where somebody can see it and did not ask for quiet.
fn progress(args: &PullArgs, host: &Host) -> ProgressMode {
    match args.report.progress {
        Some(ProgressArg::Bar) => ProgressMode::Bar,
        Some(ProgressArg::Plain) => ProgressMode::Plain,
        Some(ProgressArg::Json) => ProgressMode::Json,
        Some(ProgressArg::None) => ProgressMode::None,
        None if host.is_stderr_terminal && !args.report.quiet => ProgressMode::Bar,
        None => ProgressMode::None,
    }
}

#[cfg(test)]
mod tests;
