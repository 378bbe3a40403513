//! Lines that are not jobs, and what to do about them, in words that show no secret.

use crate::fault::{Fault, InputProblem};
use crate::limits;
use crate::plan::checksum::ChecksumError;
use crate::plan::kept::Kept;
use crate::plan::target::{scheme_of, userinfo_range};
use std::borrow::Cow;

/// An input line that is not a job. It has a row all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct BadLine {
    /// Number of the line, as that of a job; that of the URL, when one of its option lines is at
    /// fault.
    pub index: u64,
    /// Number of the line at fault within its input, from 1.
    pub line_number: u64,
    /// Text for the row: the URL or, when there is none, the line, byte for byte, UTF-8 or not.
    /// User information is removed, and a line over the limit is shortened.
    pub text: Vec<u8>,
    /// What is wrong.
    pub problem: InputProblem,
    /// Values of the line in the columns that the report keeps, as those of a job.
    pub kept: Kept,
    /// Text for people: line number, the text at fault (escaped, shortened) and the remedy.
    pub message: String,
}

impl BadLine {
    fn new(at: At, text: Vec<u8>, problem: InputProblem, message: String) -> Self {
        let At { index, line_number } = at;
        Self { index, line_number, text, problem, kept: Kept::default(), message }
    }

    /// This bad line, where its row is that of a URL which is good itself.
    pub(super) fn of_row(self, url: &str) -> Self {
        Self { text: url.into(), ..self }
    }

    /// The fault of the line's row.
    pub fn fault(&self) -> Fault {
        Fault::input(self.problem, &self.message)
    }
}

/// Place of a line in the inputs.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct At {
    /// Number over all inputs, as that of a job.
    pub(in crate::plan) index: u64,
    /// Number within the input, as [`BadLine::line_number`].
    pub(in crate::plan) line_number: u64,
}

/// A bad line that is not a row of its table or not a JSON object. The places of its parts are not
/// known, so nothing of it is shown from where a password may be.
pub(in crate::plan) fn bad_record(
    at: At,
    raw: &[u8],
    problem: InputProblem,
    remedy: &str,
) -> BadLine {
    let text = String::from_utf8_lossy(&raw[..raw.len().min(limits::LINE_BYTES_MAX)]);
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let word_at = SECRET_WORDS.iter().filter_map(|word| lower.find(word)).min();
    let has_userinfo = lower.contains('@') || lower.contains("\\u0040");
    let value_at = lower.find(':').filter(|_| has_userinfo).map(|at| at + 1);
    let shown = match word_at.into_iter().chain(value_at).min() {
        Some(end) => format!("{}...", shortened(&text[..end])),
        None => shortened(text),
    };
    let message = format!("line {}: {shown:?}: {remedy}", at.line_number);
    let text = shown.into_bytes();
    BadLine::new(at, text, problem, message)
}

/// The bad line of a file of a metalink that has this name and is best at `url`, if anywhere.
pub(in crate::plan) fn bad_file(
    at: At,
    name: &str,
    url: Option<&str>,
    problem: InputProblem,
    remedy: &str,
) -> BadLine {
    let bad = message_of(at, name.as_bytes(), problem, &format!("the file: {remedy}"));
    match url {
        Some(url) => BadLine { text: url_without_userinfo(url.as_bytes()), ..bad },
        None => bad,
    }
}

/// The fault of a line whose first URL is good and whose mirror of this number is not.
pub(super) fn bad_mirror(at: At, number: u64, url: &str, problem: InputProblem) -> BadLine {
    let remedy = remedy_of(url.as_bytes(), problem);
    let hint = if problem == InputProblem::Url { HINT_MIRROR } else { "" };
    let remedy = format!("mirror {number} of the line: {remedy}{hint}");
    message_of(at, url.as_bytes(), problem, &remedy)
}

/// The name before the `=` of an option line.
pub(super) fn option_name(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|b| *b == b'=')?;
    let name = &text[..end];
    let is_name = name.first().is_some_and(u8::is_ascii_lowercase)
        && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    is_name.then_some(name)
}

/// A bad line that is not a URL, with the remedy.
pub(super) fn bad_line(at: At, text: &[u8], problem: InputProblem) -> BadLine {
    message_of(at, text, problem, &remedy_of(text, problem))
}

/// What to do about a text that is not a URL.
pub(in crate::plan) fn remedy_of(text: &[u8], problem: InputProblem) -> Cow<'static, str> {
    match problem {
        InputProblem::LineTooLong => Cow::Owned(format!(
            "longer than {} bytes, as given or percent-encoded; shorten it",
            limits::LINE_BYTES_MAX
        )),
        InputProblem::NotUtf8 => "not valid UTF-8; percent-encode these bytes".into(),
        InputProblem::Url => remedy_of_url(text),
        InputProblem::Scheme => "only http:// and https:// are pulled".into(),
        InputProblem::Control => {
            "a URL has no control characters; remove or percent-encode them".into()
        }
        InputProblem::Backslash => "a URL has no backslash; write / or %5C".into(),
        InputProblem::HostEmpty => "the host is empty; write https://HOST/PATH".into(),
        InputProblem::HostPercent => {
            "a host is not percent-encoded; write the name itself, an address without %zone".into()
        }
        InputProblem::Host => {
            "the host is not a name or an address; write https://HOST/PATH, IPv6 in brackets".into()
        }
        InputProblem::Port => {
            "a port is a number from 1 to 65535; correct it, or leave it out with its colon".into()
        }
        InputProblem::Userinfo => {
            "user and password are UTF-8 without controls, the user without a colon; \
             percent-encode them so, or use -u"
                .into()
        }
        InputProblem::Name => REMEDY_NAME.into(),
        InputProblem::Option => REMEDY_OPTION.into(),
        InputProblem::Checksum => ChecksumError::Form.to_string().into(),
        InputProblem::Record => REMEDY_RECORD.into(),
    }
}

/// The remedy for something that is not a URL.
fn remedy_of_url(text: &[u8]) -> Cow<'static, str> {
    let text = String::from_utf8_lossy(text);
    let url = text.split('\t').next().unwrap_or_default();
    let name = text.split_once('=').map_or("", |(name, _)| name.trim_end());
    if name == "header" || SHOWN_OPTIONS.contains(&name) {
        return REMEDY_INDENT.into();
    }
    if url.starts_with(|c: char| c.is_ascii_alphanumeric() || !c.is_ascii())
        && scheme_of(url).is_none_or(|scheme| !scheme.eq_ignore_ascii_case("http"))
        && url.contains('.')
    {
        let url = without_userinfo(url.as_bytes());
        let url = shortened(&String::from_utf8_lossy(&url)).escape_debug().to_string();
        format!("no scheme; write https://{url}").into()
    } else {
        "not a URL; write https://HOST/PATH".into()
    }
}

pub(super) fn message_of(at: At, text: &[u8], problem: InputProblem, remedy: &str) -> BadLine {
    let mut text = without_userinfo(&text[..text.len().min(limits::LINE_BYTES_MAX)]);
    let shown = shortened(&String::from_utf8_lossy(&text));
    let message = format!("line {}: {shown:?}: {remedy}", at.line_number);
    if problem == InputProblem::LineTooLong {
        text = shown.into_bytes();
    }
    BadLine::new(at, text, problem, message)
}

/// The text cut to [`SHOWN_CHARS_MAX`] characters, with three dots where some are left out.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The line without what may be a password, in the URL and its mirrors or in the value of an
/// option.
fn without_userinfo(text: &[u8]) -> Vec<u8> {
    let urls = text.split(|byte| *byte == b'\t').map(url_without_userinfo);
    urls.collect::<Vec<_>>().join(&b'\t')
}

fn url_without_userinfo(text: &[u8]) -> Vec<u8> {
    // What is looked for is ASCII; any other byte is a character that means nothing.
    let plain = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '\u{1}' };
    let mut seen: String = text.iter().map(plain).collect();
    let cut = |text: &[u8], end| [&text[..end], b"..."].concat();
    if let Some(at) = secret_value_at(&seen) {
        return cut(text, at);
    }
    let mut text = text.to_vec();
    let value_at = option_name(&text).map_or(0, |name| name.len() + 1);
    if let Some(range) = userinfo_range(&seen[value_at..]) {
        let range = value_at + range.start..=value_at + range.end;
        text.drain(range.clone());
        seen.drain(range);
    }
    // A row of a table that was taken for a URL: nothing is shown from where a password may be.
    let is_word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let embedded = seen.match_indices("://").find(|(at, _)| !seen[..*at].chars().all(is_word));
    match embedded {
        Some((at, _)) if seen[at..].contains('@') => cut(&text, at + 3),
        Some(_) | None => text,
    }
}

/// An option line as it may be shown: the value of a header can be a secret, and so can that of any
/// option that other programs have (aria2's `http-passwd`).
pub(super) fn shown_option(text: &[u8]) -> Cow<'_, [u8]> {
    match option_name(text) {
        Some(name) if !SHOWN_OPTIONS.iter().any(|shown| shown.as_bytes() == name) => {
            [name, b"=..."].concat().into()
        }
        Some(_) | None => text.into(),
    }
}

/// Where the value begins in a line that was meant as a field or an option with a secret, but lacks
/// the indent or the form of one: `header=...`, `Cookie: ...`, `http-passwd = ...`.
fn secret_value_at(text: &str) -> Option<usize> {
    let (name, _) = text.split_once(['=', ':'])?;
    let lower = name.to_ascii_lowercase();
    let is_name = name.trim_end().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_secret = is_name && SECRET_WORDS.iter().any(|word| lower.contains(word));
    is_secret.then_some(name.len() + 1)
}

pub(in crate::plan) const REMEDY_NAME: &str = "the path is empty, absolute or contains \"..\"; \
     give one below the download directory";
const REMEDY_RECORD: &str = "write one row or one JSON object a line";
const HINT_MIRROR: &str = "; TABs stand between URLs of one file here; if the list is a table, \
     say so with --input-format tsv";
const REMEDY_INDENT: &str = "not a URL; an option line begins with white space and has none around \
     its =";
/// Parts of names, lower case, of which the value may be a secret.
const SECRET_WORDS: [&str; 4] = ["header", "cookie", "authorization", "passw"];
const SHOWN_CHARS_MAX: usize = 100;
pub(super) const REMEDY_OPTION: &str = "the options are out, dir, header, user-agent, referer, \
     checksum, http-user and http-passwd; remove the line";
/// Options whose values are no secrets.
const SHOWN_OPTIONS: [&str; 5] = ["out", "dir", "user-agent", "referer", "checksum"];
