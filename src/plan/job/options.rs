//! The option lines of one job: `name=value`, as aria2c(1) has them under "Input File".
//!
//! Lists come from others: the effect of an option on this machine or on other hosts is bounded
//! here, and the user can permit more. aria2's own session files are lists too, and hold options of
//! which most say how to download, not what: those are passed over.

use super::bad::{REMEDY_NAME, REMEDY_OPTION};
use super::{Job, JobOptions, TextOptions};
use crate::fault::InputProblem;
use crate::http::request::{PROXY_AUTHORIZATION, parse_field};
use crate::plan::checksum::{Checksum, ChecksumError};
use crate::plan::name;
use crate::plan::target;
use std::borrow::Cow;
use std::path::Path;

/// Permissions of option lines, and the options that were met and have no effect here.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Whether `header=Host:` is permitted (`--allow-host-header`).
    allows_host: bool,
    /// Absolute path of the download directory; empty where an absolute `dir=` is refused.
    dir: Box<str>,
    passed_over: Vec<&'static str>,
}

/// `http-user=` and `http-passwd=` of one job. Like every type that may hold secrets it has no
/// `Debug` of its parts.
#[derive(Clone, Default)]
pub(super) struct Login {
    user: Option<Box<str>>,
    password: Option<Box<str>>,
}

/// Why an option cannot be taken, and what to do about it.
type Refused = (InputProblem, Cow<'static, str>);

impl Rules {
    pub(super) fn new(options: &TextOptions) -> Self {
        Self {
            allows_host: options.allows_host_header,
            dir: options.dir.as_str().into(),
            passed_over: Vec::new(),
        }
    }

    /// Names of options that were passed over, each once, in the order in which they were met.
    pub(super) fn passed_over(&self) -> &[&'static str] {
        &self.passed_over
    }

    /// Reads one option line into what is known of its job.
    pub(super) fn apply(
        &mut self,
        options: &mut Option<Box<JobOptions>>,
        login: &mut Login,
        line: &str,
    ) -> Result<(), Refused> {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        match name {
            "http-user" => login.user = Some(credential(value, value.contains(':'))?),
            "http-passwd" => login.password = Some(credential(value, false)?),
            _ => match passed_over(name, value)? {
                None => return self.apply_plain(options.get_or_insert_default(), name, value),
                Some(name) if self.passed_over.contains(&name) => {}
                Some(name) => self.passed_over.push(name),
            },
        }
        Ok(())
    }

    /// Reads an option that has an effect here. Headers add up; of all others the last one counts.
    pub(super) fn apply_plain(
        &self,
        options: &mut JobOptions,
        name: &str,
        value: &str,
    ) -> Result<(), Refused> {
        let bad_path = |problem| (problem, Cow::Borrowed(REMEDY_NAME));
        let bad_header = |_| (InputProblem::Option, Cow::Borrowed(REMEDY_HEADER));
        match name {
            "out" => options.out = Some(name::relative_path(value).map_err(bad_path)?),
            "dir" => options.dir = Some(self.dir(value)?),
            "header" => {
                let field = parse_field(value).map_err(bad_header)?;
                if field.0.eq_ignore_ascii_case(PROXY_AUTHORIZATION) {
                    // One tunnel serves the jobs of many lines.
                    return Err((InputProblem::Option, REMEDY_PROXY.into()));
                }
                if field.0.eq_ignore_ascii_case("host") && !self.allows_host {
                    return Err((InputProblem::Option, REMEDY_HOST.into()));
                }
                options.headers.push(field);
            }
            "user-agent" => {
                let field = format!("User-Agent: {value}");
                options.headers.push(parse_field(&field).map_err(bad_header)?);
            }
            "referer" => {
                let field = format!("Referer: {}", target::referer(value));
                options.headers.push(parse_field(&field).map_err(bad_header)?);
            }
            "checksum" => {
                let bad = |why: ChecksumError| (InputProblem::Checksum, why.to_string().into());
                options.checksum = Some(Checksum::parse(value).map_err(bad)?.into());
            }
            other => {
                let remedy = format!("unknown option {other:.40}; {REMEDY_OPTION}");
                return Err((InputProblem::Option, remedy.into()));
            }
        }
        Ok(())
    }

    /// The directory of `dir=` beneath the download directory. aria2 writes absolute ones.
    fn dir(&self, value: &str) -> Result<String, Refused> {
        if value.starts_with('/') {
            let beneath = Path::new(value).strip_prefix(&*self.dir).ok();
            let Some(beneath) = beneath.and_then(Path::to_str).filter(|_| !self.dir.is_empty())
            else {
                let remedy = "the directory is not beneath that of -d; give -d that directory or \
                              one above it, or remove the line";
                return Err((InputProblem::Name, remedy.into()));
            };
            return match beneath {
                "" => Ok(String::new()),
                beneath => {
                    name::relative_dir(beneath).map_err(|problem| (problem, REMEDY_NAME.into()))
                }
            };
        }
        name::relative_dir(value).map_err(|problem| (problem, REMEDY_NAME.into()))
    }
}

impl Login {
    /// Gives the login to the target of the job and its mirrors, unless their URLs have one.
    pub(super) fn give(self, job: &mut Job) {
        let Some(user) = self.user else { return };
        let mirrors = job.options.iter_mut().flat_map(|options| &mut options.mirrors);
        let targets = std::iter::once(&mut job.target).chain(mirrors);
        targets.for_each(|target| target.log_in(&user, self.password.as_deref()));
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

fn credential(value: &str, is_bad: bool) -> Result<Box<str>, Refused> {
    if is_bad || value.chars().any(char::is_control) {
        let remedy = "user and password have no control characters, and the user no colon; use -u \
                      or --netrc-file";
        return Err((InputProblem::Userinfo, remedy.into()));
    }
    Ok(value.into())
}

/// The name of an option of aria2 that changes neither the file nor where it goes, as its table has
/// it; `None` for any other option.
///
/// # Errors
/// Why an option of aria2 that would change that is not for one line of a list here.
fn passed_over(name: &str, value: &str) -> Result<Option<&'static str>, Refused> {
    for (names, remedy) in OF_WHOLE_RUN {
        let Some(known) = names.iter().find(|known| **known == name) else { continue };
        // What is off, or empty, asks for nothing.
        if matches!(value, "" | "false") {
            return Ok(Some(known));
        }
        let remedy = format!("{name} is not for one line; {remedy}");
        return Err((InputProblem::Option, remedy.into()));
    }
    let known = PASSED_OVER.iter().find(|known| match known.strip_suffix('*') {
        Some(front) => name.starts_with(front),
        None => **known == name,
    });
    Ok(known.copied())
}

/// aria2's options for one download that say how and when, or are about other protocols than HTTP
/// (aria2c(1), "Input File"). A star stands for any end.
const PASSED_OVER: [&str; 52] = [
    "allow-overwrite",
    "allow-piece-length-change",
    "always-resume",
    "async-dns",
    "auto-file-renaming",
    "bt-*",
    "check-integrity",
    "conditional-get",
    "connect-timeout",
    "content-disposition-default-utf8",
    "continue",
    "enable-http-keep-alive",
    "enable-http-pipelining",
    "enable-mmap",
    "enable-peer-exchange",
    "file-allocation",
    "follow-*",
    "force-save",
    "ftp-*",
    "gid",
    "http-accept-gzip",
    "http-auth-challenge",
    "http-no-cache",
    "lowest-speed-limit",
    "max-connection-per-server",
    "max-download-limit",
    "max-file-not-found",
    "max-mmap-limit",
    "max-resume-failure-tries",
    "max-tries",
    "max-upload-limit",
    "metalink-*",
    "min-split-size",
    "no-file-allocation-limit",
    "no-netrc",
    "no-want-digest-header",
    "pause",
    "pause-metadata",
    "piece-length",
    "realtime-chunk-checksum",
    "remote-time",
    "remove-control-file",
    "retry-wait",
    "reuse-uri",
    "rpc-save-upload-metadata",
    "seed-*",
    "split",
    "ssh-host-key-md",
    "stream-piece-selector",
    "timeout",
    "uri-selector",
    "use-head",
];
/// Options of aria2 that change what is asked for, of whom, or what becomes of it.
const OF_WHOLE_RUN: [(&[&str], &str); 5] = [
    (
        &[
            "all-proxy",
            "http-proxy",
            "https-proxy",
            "no-proxy",
            "all-proxy-user",
            "all-proxy-passwd",
            "http-proxy-user",
            "http-proxy-passwd",
            "https-proxy-user",
            "https-proxy-passwd",
            "proxy-method",
        ],
        "proxies are those of the whole run: give --proxy and --proxy-user, and remove the line",
    ),
    (&["load-cookies"], "there are no cookie files here: write header=Cookie: NAME=VALUE"),
    (&["dry-run", "hash-check-only"], "give --dry-run or --verify, or remove the line"),
    (&["parameterized-uri"], "write every URL out"),
    (&["index-out", "select-file"], "torrents and metalinks are not pulled: remove the line"),
];

const REMEDY_HEADER: &str = "write header=NAME: VALUE, without control characters";
const REMEDY_HOST: &str = "a list that sends another Host may reach what its URL does not name; \
     permit it with --allow-host-header";
const REMEDY_PROXY: &str = "credentials for a proxy are those of the whole run; \
     give them with --proxy-user";
