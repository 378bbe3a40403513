//! Habits of other programs, before and after clap: words that clap would misread are rewritten or
//! refused, and an unknown flag that means something elsewhere gets a sentence.

use super::resolve::SECRET_OPTIONS;
use crate::plan::target::userinfo_range;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command};
use std::ffi::OsString;
use std::ops::Range;

/// Makes clap's words of what was typed. wget's `-nc -nv -nd -nH` are no bundles of letters (clap
/// would read `-nc` as `-n -c`, the opposite), and aria2's `--flag=true` and `--flag=false` are
/// understood for every flag without a value, and so are img2dataset's `--url_col` and its like.
/// Nothing behind `--` is touched.
pub(super) fn rewrite(
    command: &mut Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, clap::Error> {
    let flags = flags_without_value(command);
    let names = long_names(command);
    let mut rewritten = Vec::new();
    let mut is_literal = false;
    for mut word in words {
        if !is_literal && let Some(dashed) = word.to_str().and_then(|text| dashed(text, &names)) {
            word = OsString::from(dashed);
        }
        let text = if is_literal { None } else { word.to_str() };
        match text {
            Some("--") => is_literal = true,
            Some("-nc") => {
                rewritten.push(OsString::from("--no-clobber"));
                continue;
            }
            Some("--check-certificate=false") => {
                rewritten.push(OsString::from("--insecure"));
                continue;
            }
            Some("--check-certificate" | "--check-certificate=true") => continue,
            Some(text) => {
                if let Some(problem) = wget_pair(text) {
                    return Err(command.error(ErrorKind::UnknownArgument, problem));
                }
                match text.split_once('=') {
                    Some((flag, "true")) if flags.iter().any(|known| known == flag) => {
                        rewritten.push(OsString::from(flag));
                        continue;
                    }
                    Some((flag, "false")) if flags.iter().any(|known| known == flag) => continue,
                    _ => {}
                }
            }
            None => {}
        }
        rewritten.push(word);
    }
    Ok(rewritten)
}

/// The words as they may be shown: what is secret in them is masked.
pub(super) fn without_secrets(words: &[String], secrets: &[&str]) -> Vec<String> {
    let mask = |word: &String| {
        let mut masked = word.clone();
        for range in secret_ranges(word, secrets).into_iter().rev() {
            masked.replace_range(range, MASK);
        }
        masked
    };
    words.iter().map(mask).collect()
}

/// Where a word is secret: the values in `secrets` wherever they stand, and the user information of
/// whatever looks like a URL, also as the value of an option. Ascending, none touches another.
pub(super) fn secret_ranges(word: &str, secrets: &[&str]) -> Vec<Range<usize>> {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let mut found: Vec<Range<usize>> = secrets
        .flat_map(|secret| word.match_indices(secret))
        .map(|(at, secret)| at..at + secret.len())
        .collect();
    let mut url_at = match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(option), _) => option.find('=').map_or(word.len(), |equals| equals + 3),
        // Further letters of a bundle look like the begin of the scheme.
        (None, Some(letters)) => letters.chars().next().map_or(1, |letter| 1 + letter.len_utf8()),
        (None, None) => 0,
    };
    // Mirrors of a line are taken apart by TABs.
    for url in word[url_at..].split('\t') {
        found.extend(userinfo_range(url).map(|range| url_at + range.start..url_at + range.end));
        url_at += url.len() + 1;
    }
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| (range.start, range.end));
    found.dedup_by(|next, range| {
        let is_touching = next.start <= range.end;
        if is_touching {
            range.end = range.end.max(next.end);
        }
        is_touching
    });
    found
}

/// What is shown in the place of a secret.
const MASK: &str = "***";

/// Adds a sentence to the error about an unknown flag that another program knows, and
/// takes secrets out of what is repeated.
pub(super) fn explain(mut error: clap::Error) -> clap::Error {
    hide_secrets(&mut error);
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let hint = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => foreign_flag(flag),
        _ => None,
    };
    if let Some(hint) = hint {
        // Both of clap's own suggestions would stand beside the better one.
        error.remove(ContextKind::SuggestedArg);
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(hint)]);
        error.insert(ContextKind::Suggested, tip);
    } else if is_tip_to_escape(&error) {
        // No URL begins with a dash.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Whether clap has nothing better to say than how to pass the flag on as a URL (`-- -X`).
fn is_tip_to_escape(error: &clap::Error) -> bool {
    match error.get(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => {
            tips.iter().any(|tip| tip.to_string().contains("as a value, use '-- "))
        }
        _ => false,
    }
}

/// clap shows the value that it refuses, and takes the value for a part of a flag's name.
fn hide_secrets(error: &mut clap::Error) {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return };
    let name = arg.split(['=', ' ']).next().unwrap_or_default().to_owned();
    if error.kind() == ErrorKind::UnknownArgument {
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    } else if SECRET_OPTIONS.contains(&name.as_str()) {
        error.insert(ContextKind::InvalidValue, ContextValue::String(MASK.to_owned()));
    } else if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        // curl's `-x http://user:password@proxy`, for instance.
        let shown = without_secrets(std::slice::from_ref(value), &[]).concat();
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
}

/// The name of every flag, aliases included.
fn long_names(command: &Command) -> Vec<String> {
    command
        .get_arguments()
        .flat_map(|arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long().into_iter().chain(aliases).map(str::to_owned)
        })
        .collect()
}

/// `--url_col=NAME` as `--url-col=NAME`, where that is a flag.
fn dashed(text: &str, names: &[String]) -> Option<String> {
    let option = text.strip_prefix("--")?;
    let end = option.find('=').unwrap_or(option.len());
    let (name, value) = option.split_at(end);
    let dashed = name.replace('_', "-");
    let is_meant = dashed != name && names.contains(&dashed);
    is_meant.then(|| format!("--{dashed}{value}"))
}

/// `--name` of every flag that takes no value, aliases included.
fn flags_without_value(command: &Command) -> Vec<String> {
    command
        .get_arguments()
        .filter(|arg| matches!(arg.get_action(), ArgAction::SetTrue))
        .flat_map(|arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long().into_iter().chain(aliases).map(|name| format!("--{name}"))
        })
        .collect()
}

/// wget's two-letter flags that have no meaning here.
fn wget_pair(word: &str) -> Option<&'static str> {
    match word {
        "-nv" => Some("-nv is wget's --no-verbose: use -q, or leave it out"),
        "-nd" => Some("-nd is wget's --no-directories: leave it out, that is always so"),
        "-nH" => Some("-nH is wget's --no-host-directories: leave it out, that is always so"),
        _ => None,
    }
}

/// What to say about a flag of curl, wget or aria2 that is not defined here.
fn foreign_flag(flag: &str) -> Option<&'static str> {
    // clap names a long flag together with its value.
    let name = flag.split_once('=').map_or(flag, |(name, _)| name);
    FOREIGN.iter().find(|(names, _)| names.contains(&name)).map(|(_, hint)| *hint)
}

/// Flags of other programs, and what to do instead.
const FOREIGN: &[(&[&str], &str)] = &[
    (&["-k"], "did you mean --insecure?"),
    (&["-O"], "files are named after their URL by default; -o NAME gives another name"),
    (&["--remote-name", "--remote-name-all"], "files are named after their URL by default"),
    (&["-Z", "--parallel"], "transfers always run in parallel; -j N says how many"),
    (&["-t"], "-t means other things elsewhere: use --timeout, or --tries"),
    (&["-s"], "-s is not defined: -q is silent, and files are not split yet"),
    (&["-S", "--show-error"], "leave it out: errors are always told"),
    (&["--split", "--min-split-size", "--chunk-size"], "files are not split yet"),
    (&["--silent"], "did you mean --quiet?"),
    (
        &["-c", "-C", "--continue", "--continue-at"],
        "partial files are not continued yet; a run with --report is: give the same command again",
    ),
    (&["-N", "--timestamping", "--conditional-get"], "--no-clobber skips files that exist"),
    (
        &["--allow-overwrite", "--auto-file-renaming"],
        "--on-conflict says what to do about files that exist",
    ),
    (
        &["-p", "--http-proxy", "--https-proxy"],
        "--proxy URL is for all URLs; to tell them apart set http_proxy and https_proxy",
    ),
    (&["--no-proxy"], "--noproxy LIST names hosts, --proxy '' goes without a proxy"),
    (&["--socks5"], "write --proxy socks5://HOST:PORT"),
    (&["--socks5-hostname"], "write --proxy socks5h://HOST:PORT"),
    (&["-v", "--verbose"], "--report FILE.csv says what happened to every URL"),
    (&["-l", "--log", "--server-response"], "--report FILE.csv says what happened to every URL"),
    (&["--summary-interval"], "--progress plain or json says how the run goes, now and then"),
    (&["--spider"], "--dry-run tells what is in a list; no server is asked whether it has a file"),
    (&["-b", "--cookie", "--load-cookies"], "write -H 'Cookie: NAME=VALUE'"),
    (
        &[
            "-X",
            "--request",
            "-I",
            "--head",
            "-G",
            "--get",
            "-F",
            "--form",
            "--data",
            "--data-raw",
            "--data-binary",
            "--json",
            "--method",
            "--post-data",
            "--post-file",
        ],
        "the only request is GET, without a body",
    ),
    (&["-r", "--range"], "only whole files are asked for"),
    (&["-K", "--config", "--conf-path"], "there is no file of flags; -i FILE is a list of URLs"),
    (&["--url"], "URLs are given without a flag, or in a list: -i FILE"),
    (
        &["--password", "--http-user", "--http-passwd", "--http-password"],
        "write -u USER:PASSWORD, or --netrc, which other users of the machine cannot see",
    ),
    (&["--location-trusted"], "credentials stay with their origin; -L alone is always so"),
    (&["--trust-server-names"], "names come from the URL of the list; -J lets servers name files"),
    (&["--fail-with-body"], "leave it out: a status of 400 or more fails and stores nothing"),
    (&["--wait", "--random-wait"], "--rate-per-host N/s spreads the requests to each host"),
    (&["--create-dirs", "--force-directories"], "leave it out: directories are always made"),
    (&["-R", "--remote-time"], "files keep the time at which they were pulled"),
    (
        &["--verify-hash", "--verify_hash"],
        "--checksum-col COLUMN names the column of a table with the expected digests",
    ),
    (
        &["--check-integrity"],
        "checksum=TYPE=HEX below a URL of a list, or --checksum, is always checked",
    ),
    (&["--http1.0", "--http1.1", "--http2", "--http3"], "leave it out: it is always HTTP/1.1"),
    (
        &["--retry-all-errors", "--retry-connrefused"],
        "leave it out: what may pass is always tried again",
    ),
    (
        &["--retry-on-http-error"],
        "leave it out: statuses that may pass are tried again; --retry-failed tries all again",
    ),
    (&["--content-on-error"], "a status of 400 or more fails and stores nothing"),
    (&["--capath"], "--cacert FILE, which may be given several times"),
    (&["--connect-to"], "--resolve HOST:PORT:ADDR sends a host to another address"),
    (
        &["--interface", "--bind-address", "--multiple-interface"],
        "the route of the kernel decides which address of this machine is used",
    ),
    (
        &["--download-archive", "--incremental-mode", "--incremental_mode"],
        "--report FILE.csv keeps what was done: the same command again passes over it",
    ),
    (
        &["--output-format", "--output_format", "--number-sample-per-shard", "--out-null"],
        "every URL is a file of its own; --dirs spreads them over folders",
    ),
    (&["--number_sample_per_shard"], "every URL is a file of its own; --dirs spreads them"),
    (&["--on-download-complete", "--on-download-error"], "-w FORM writes a line for every URL"),
    (&["--fsync-policy", "--direct"], "--fsync and --sync say what must be on the disk, and when"),
    (&["--backend"], "there is io_uring only"),
    (&["--processes-count", "--processes_count"], "--threads N says how many"),
    (&["--thread-count", "--thread_count"], "-j N says how many downloads are in flight"),
    (&["--retries"], "did you mean --retry, or --tries?"),
    (&["--max-file-not-found"], "--host-fail-limit and --max-errors give up early"),
    (&["--enable-dns-cache"], "leave it out: names are always kept; --dns-cache FILE saves them"),
    (&["--retry-max-time"], "-m TIME bounds a URL with its retries"),
];
