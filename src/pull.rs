//! ringpull within another program: a [`Pull`] says what is pulled and how, a [`Running`] is one
//! that goes on, and gives a [`Row`] for every URL.

mod notice;
mod row;
mod running;

pub use notice::Notice;
pub use row::{Problem, Row, Status};
pub use running::{Canceller, Error, Running, Summary};

use crate::cli::{self, Command, Host, Resolved};
use crate::config::{Config, Given, Input, ProgressMode, ProgressOptions};
use crate::error::RunError;
use crate::report::look::Look;
use running::Functions;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// What is pulled, and how: URLs, and the options of the command line.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let origin = ringpull::origin::start_beneath(dir.path())?;
/// # let (url, out) = (origin.http_url(), dir.path().join("images"));
/// let urls = (0..20).map(|number| format!("{url}/image/{number}.jpg"));
/// let summary = ringpull::Pull::new(urls.collect::<Vec<_>>())
///     .dir(&out)
///     .on_row(|row| println!("{}: {}", row.url, row.status))
///     .run()?;
/// assert!(summary.is_success() && summary.ok == 20);
/// # assert_eq!(std::fs::read_dir(out)?.count(), 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`run`](Self::run) pulls on the calling thread's time; [`start`](Self::start) gives a
/// [`Running`] that is an iterator of rows. Nothing is touched before: neither the network nor a
/// file, nor the URLs. A method that is called again says it anew, but for options that are
/// Repeatable (`header`, `input-file`), which add up.
///
/// # Options
///
/// Every option of `ringpull --help` works by its long name, with [`option`](Self::option) or
/// [`flag`](Self::flag), and means the same; environment variables for proxies count, too, the
/// share of a Slurm or Kubernetes task does not (`shard` does). The most common ones have a method.
/// Those that print to standard output or ask for another action (`write-out`, `progress`, `quiet`,
/// `summary-interval`, `dry-run`, `verify`, `help`, `version`, `report` and `output` with `-`) are
/// an error. What is wrong with an option is told when the pull begins, by an [`Error`] with the
/// sentence of the command line.
///
/// # URLs
///
/// Each item is one line of the list: its number is [`Row::line`]. An iterator that says exactly
/// how long it is, and is not long, is read at once. Any other is read by a thread of the pull as
/// the work goes on, at most `lookahead` URLs ahead of it, and may wait for as long as it likes; as
/// with a pipe, it gives its URLs once, so that `retry-failed` needs the same URLs again. `-i`
/// lists work too: `.option("input-file", "urls.txt")`, before the URLs.
pub struct Pull<'f> {
    urls: Box<dyn Iterator<Item = String> + Send>,
    /// How many there are, where that is known and not many.
    count: Option<usize>,
    /// Long names, and their values.
    options: Vec<(String, Option<OsString>)>,
    functions: Functions<'f>,
    canceller: Canceller,
}

impl<'f> Pull<'f> {
    /// A pull of these URLs into the directory of the process. They may be none.
    pub fn new<U>(urls: U) -> Self
    where
        U: IntoIterator<Item: Into<String> + 'static, IntoIter: Send + 'static>,
    {
        let urls = urls.into_iter();
        let count = match urls.size_hint() {
            (least, Some(most)) if least == most && most <= COLLECTED_MAX => Some(most),
            (_, _) => None,
        };
        Self {
            urls: Box::new(urls.map(Into::into)),
            count,
            options: Vec::new(),
            functions: Functions::default(),
            canceller: Canceller::default(),
        }
    }

    /// The directory of the files (`--dir`), absolute or from the directory of the process; it is
    /// made with those above it when the pull begins.
    #[must_use]
    pub fn dir(self, dir: impl AsRef<Path>) -> Self {
        self.with("dir", Some(dir.as_ref().into()))
    }

    /// A report (`--report`): a row for every URL, and what a later pull with the same report goes
    /// on from: URLs that it says are done get no [`Row`], and are counted by
    /// [`Summary::earlier`]. The suffix decides the format: `.csv`, `.jsonl` or `.parquet`.
    #[must_use]
    pub fn report(self, file: impl AsRef<Path>) -> Self {
        self.with("report", Some(file.as_ref().into()))
    }

    /// Most connections to each host, a name with a port (`--max-connections-per-host`, `-x`): at
    /// least 1. Without it a host gets as many as pay, from 8 to 96.
    #[must_use]
    pub fn connections(self, per_host: usize) -> Self {
        self.option("max-connections-per-host", per_host)
    }

    /// Most downloads in flight over all hosts (`--max-concurrent-downloads`, `-j`): at least 1,
    /// 256 by default. Open files may allow fewer ([`on_notice`](Self::on_notice) tells).
    #[must_use]
    pub fn downloads(self, in_flight: usize) -> Self {
        self.option("max-concurrent-downloads", in_flight)
    }

    /// Further attempts of a URL after a failure that may pass (`--retry`): 3 by default, and none
    /// with 0.
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        self.option("retry", retries)
    }

    /// A header field of every request (`--header`), such as `Accept: image/*`. Each call adds one.
    #[must_use]
    pub fn header(self, field: impl fmt::Display) -> Self {
        self.option("header", field)
    }

    /// What is made of the bodies (`--output-format`): `files`, which is the default, `webdataset`
    /// or `tar`.
    #[must_use]
    pub fn format(self, format: impl fmt::Display) -> Self {
        self.option("output-format", format)
    }

    /// Any option with a value, by its long name: `.option("limit-rate", "20M")`. Times are seconds
    /// or have a unit (`1.5`, `500ms`, `2m`), sizes are bytes or have one (`20M`, of 1024 each).
    #[must_use]
    pub fn option(self, name: &str, value: impl fmt::Display) -> Self {
        self.with(name, Some(value.to_string().into()))
    }

    /// Any option without a value, by its long name: `.flag("no-clobber")`.
    #[must_use]
    pub fn flag(self, name: &str) -> Self {
        self.with(name, None)
    }

    /// A function that is called with every row, in the order in which URLs end.
    ///
    /// It is called by the thread that called [`run`](Self::run), or that takes the rows of
    /// [`Running`]. It may take its time: once 4,096 rows wait, no further URL begins until half of
    /// them are taken; those in flight go on, and no deadline of theirs runs out for it. If it
    /// panics, the pull is stopped at once, its rows so far are in the report, and the panic goes
    /// on.
    #[must_use]
    pub fn on_row(mut self, on_row: impl FnMut(&Row) + Send + 'f) -> Self {
        self.functions.on_row = Some(Box::new(on_row));
        self
    }

    /// A function that is called with every warning, and with what else the command line would say
    /// beside failures, progress and the summary. Without it none of that is told: a pull prints
    /// nothing.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let (list, out) = (dir.path().join("urls.txt"), dir.path().join("out"));
    /// std::fs::write(&list, "# not yet\n")?;
    /// let mut warnings = Vec::new();
    /// let summary = ringpull::Pull::new(Vec::<String>::new())
    ///     .option("input-file", list.display())
    ///     .dir(&out)
    ///     .on_notice(|notice| warnings.extend(notice.is_warning.then(|| notice.text.clone())))
    ///     .run()?;
    /// assert!(summary.is_success());
    /// assert_eq!(warnings, [format!("there is no URL in {}", list.display())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It is called by the same thread as the function of [`on_row`](Self::on_row), with notices
    /// and rows in the order in which they came: on the way to the next row, and with all that
    /// there are before [`run`](Self::run) or [`Running::join`] returns, be that an error. It may
    /// take its time. There are few notices, whatever the length of the list. If it panics, the
    /// pull is stopped at once, and the panic goes on.
    #[must_use]
    pub fn on_notice(mut self, on_notice: impl FnMut(&Notice) + Send + 'f) -> Self {
        self.functions.on_notice = Some(Box::new(on_notice));
        self
    }

    /// What ends this pull from another thread, or from the function of [`on_row`](Self::on_row).
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Pulls everything, while the calling thread waits and calls the function of
    /// [`on_row`](Self::on_row).
    ///
    /// # Errors
    /// When the pull as a whole cannot begin or go on: an option that is wrong, no io_uring, a
    /// directory or a report that cannot be written. A URL that fails is no error but a row.
    ///
    /// # Panics
    /// As [`Running::join`].
    pub fn run(self) -> Result<Summary, Error> {
        self.start()?.join()
    }

    /// Begins to pull. The threads of the pull do the work; the rows are to be taken from what is
    /// given back.
    ///
    /// # Errors
    /// What an option says is wrong ([`Error::exit_status`] is 2), or there is no thread. Then
    /// nothing was pulled or made. What goes wrong later is told by [`Running::join`].
    pub fn start(self) -> Result<Running<'f>, Error> {
        let Resolved { mut config, warnings, notes } = self.resolved()?;
        let Self { urls, count, functions, canceller, .. } = self;
        let given = match count {
            Some(_) => Input::Urls(urls.collect()),
            None => Input::Given(Given::new(urls)),
        };
        config.inputs.pop();
        config.inputs.push(given);
        let warnings = warnings.iter().map(|text| Notice::warning(text));
        let notes = notes.iter().map(|text| Notice::of_line(text));
        Running::start(config, functions, warnings.chain(notes), canceller)
    }

    fn with(mut self, name: &str, value: Option<OsString>) -> Self {
        self.options.push((name.to_owned(), value));
        self
    }

    /// What the options mean. Its last input stands for the URLs.
    fn resolved(&self) -> Result<Resolved, Error> {
        self.resolve().map_err(|error| Error::new(&error))
    }

    fn resolve(&self) -> anyhow::Result<Resolved> {
        let mut words: Vec<OsString> = vec!["ringpull".into()];
        for (name, value) in &self.options {
            words.push(word(name, value.as_deref())?);
        }
        words.push("--".into());
        let placeholders = if self.count == Some(1) { 1 } else { 2 };
        words.extend(std::iter::repeat_n(OsString::from(PLACEHOLDER), placeholders));
        let asked = Host::ask(&words[..words.len() - placeholders])?;
        // All of the list, also where the environment is that of one task of many.
        let host = Host { task_variables: Vec::new(), ..asked };
        let command = cli::parse(words).map_err(|error| RunError::usage(sentence(&error)))?;
        let Command::Pull(args) = command else {
            return Err(RunError::usage("an option cannot be a subcommand").into());
        };
        let progress =
            ProgressOptions { mode: ProgressMode::None, interval_ms: 0, look: Look::default() };
        let resolved = cli::resolve(&args, &host)?;
        let config = Config { progress, ..resolved.config };
        Ok(Resolved { config, ..resolved })
    }
}

impl fmt::Debug for Pull<'_> {
    /// Shows neither URLs nor values, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.options.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Pull").field("options", &names).finish_non_exhaustive()
    }
}

/// An option as a word of the command line.
fn word(name: &str, value: Option<&std::ffi::OsStr>) -> anyhow::Result<OsString> {
    let name = name.strip_prefix("--").unwrap_or(name);
    let is_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if name.len() < 2 || name.starts_with('-') || !name.bytes().all(is_name) {
        let text = format!("not the long name of an option: {name:?}; write it as in limit-rate");
        return Err(RunError::usage(text).into());
    }
    let is_printed = PRINTED.contains(&name) && value.is_some_and(|value| value == "-");
    if REFUSED.contains(&name) || is_printed {
        let text = format!("cannot use {name} within another program: it prints or pulls nothing");
        return Err(RunError::usage(text).into());
    }
    let mut word = OsString::from(format!("--{name}"));
    if let Some(value) = value {
        word.push("=");
        word.push(value);
    }
    Ok(word)
}

/// What clap says in its first paragraph, without its prefix.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or_default().trim();
    text.strip_prefix("error: ").unwrap_or(text).to_owned()
}

/// Options that print, or ask for something else than a pull.
const REFUSED: [&str; 8] =
    ["write-out", "progress", "quiet", "summary-interval", "dry-run", "verify", "help", "version"];
/// Options whose value may be standard output.
const PRINTED: [&str; 4] = ["output", "out", "report", "stats"];
/// A URL in the place of those that are given.
const PLACEHOLDER: &str = "http://placeholder.invalid/";
/// Most URLs that are read at once.
const COLLECTED_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsVersion;
    use std::collections::BTreeSet;

    fn config(pull: Pull<'_>) -> Result<Config, String> {
        pull.resolved().map(|resolved| resolved.config).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_those_of_the_command_line() {
        let pull = Pull::new(["http://h/a", "http://h/b"]).dir("/tmp/d").connections(3).retries(7);
        let pull = pull.downloads(9).header("X-A: b").option("--limit-rate", "20M");
        let config = config(pull).unwrap();
        assert_eq!((config.limits.per_host_max, config.limits.in_flight_max), (3, 9));
        assert_eq!((config.retry.retries_max, &*config.dir), (7, Path::new("/tmp/d")));
        assert_eq!(config.request.headers, [("X-A".to_owned(), "b".to_owned())]);
        assert_eq!(config.progress.mode, ProgressMode::None);
        assert!(config.bandwidth.run.is_some());
    }

    #[test]
    fn every_long_name_of_the_command_line_is_one() {
        let mut names = BTreeSet::new();
        let command = cli::command();
        for option in command.get_arguments() {
            names.extend(option.get_long_and_visible_aliases().unwrap_or_default());
            names.extend(option.get_all_aliases().unwrap_or_default());
        }
        assert!(names.len() > 150 && names.contains("tlsv1.3"), "{names:?}");
        for name in names.iter().filter(|name| !REFUSED.contains(name)) {
            assert_eq!(word(name, None).unwrap(), *format!("--{name}"));
        }
        for name in REFUSED {
            assert!(names.contains(name), "{name}");
        }
        let config = config(Pull::new(["https://h/"]).flag("tlsv1.3")).unwrap();
        assert_eq!(config.tls.version_min, TlsVersion::V13);
    }

    #[test]
    fn what_goes_from_thread_to_thread() {
        fn is_send<T: Send>() {}
        fn is_shared<T: Send + Sync>() {}
        is_send::<(Pull<'_>, Running<'_>)>();
        is_shared::<(Canceller, Row, Notice, Summary, Error)>();
    }

    #[test]
    fn what_is_wrong_is_said_as_on_the_command_line() {
        let wrong = |name: &str, value: &str| {
            let error = Pull::new(["http://h/"]).option(name, value).resolved().unwrap_err();
            assert_eq!(error.exit_status(), 2, "{error}");
            error.to_string()
        };
        assert!(wrong("retry", "many").contains("invalid value 'many' for '--retry"));
        assert!(wrong("no-such-thing", "1").contains("unexpected argument '--no-such-thing'"));
        assert!(wrong("a b", "1").contains("not the long name"));
        assert!(wrong("r", "1").contains("not the long name"));
        for (name, value) in [("write-out", "%{url}"), ("report", "-"), ("output", "-")] {
            assert!(wrong(name, value).contains("within another program"), "{name}");
        }
        let one = Pull::new(["http://h/a"]).option("output", "a.bin");
        assert!(config(one).is_ok());
        let error =
            config(Pull::new(["http://h/a", "http://h/b"]).option("output", "a")).unwrap_err();
        assert!(error.contains("several downloads"), "{error}");
        let secret = Pull::new(["http://me:SECRET@h/"]).option("user", "me:SECRET");
        assert_eq!(format!("{secret:?}"), "Pull { options: [\"user\"], .. }");
    }
}
