//! Faults in words, for people: the sentence of the cause with its particulars, and the detail
//! behind it.

use super::{Cause, DiskProblem, Fault};
use std::borrow::Cow;
use std::fmt;
use std::io;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, &self.detail) {
            // The message of an input line is a whole sentence of its own.
            (Cause::Input(_), Some(detail)) => f.write_str(detail),
            (_, Some(detail)) => {
                self.write_sentence(f)?;
                write!(f, ": {detail}")
            }
            (_, None) => self.write_sentence(f),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// The sentence with what was measured, where anything was.
    fn write_sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.facts().sentence;
        match &self.cause {
            Cause::Socket(errno) | Cause::Disk(DiskProblem::Other(errno)) => {
                sentence.with(f, format_args!("{}", io::Error::from_raw_os_error(*errno)))
            }
            Cause::Truncated { got, want: Some(want) } => {
                sentence.with(f, format_args!("after {got} of {want} bytes"))
            }
            Cause::Truncated { got, want: None } => {
                sentence.with(f, format_args!("early, after {got} bytes"))
            }
            Cause::TooLarge { limit } => sentence.with(f, format_args!("the {limit} bytes of ")),
            Cause::Status(code) | Cause::ProxyStatus(code) => {
                sentence.with(f, format_args!("{code}"))
            }
            Cause::RetryAfterTooLong { seconds } => {
                sentence.with(f, format_args!(" of {seconds} s,"))
            }
            Cause::Redirects { limit } => sentence.with(f, format_args!("the {limit} of ")),
            Cause::Socks(code) => sentence.with(f, format_args!(": {}", socks_reply(*code))),
            Cause::Coding(problem) => sentence.with(f, format_args!("{problem}")),
            Cause::Resources(errno) => {
                let doing = self.stage.meanwhile();
                sentence.with(f, format_args!("{}{doing}", resource(*errno)))
            }
            _ => write!(f, "{sentence}"),
        }
    }
}

/// The words of RFC 1928 section 6.
fn socks_reply(code: u8) -> &'static str {
    match code {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "an unknown SOCKS reply",
    }
}

/// What is used up when a call gives this errno. The numbers are those of Linux on every
/// architecture.
fn resource(errno: i32) -> &'static str {
    match errno {
        11 => "local ports or routes",
        23 | 24 => "file descriptors",
        12 => "memory",
        105 => "socket buffers",
        _ => "a resource",
    }
}

/// Whether a character is not seen, or changes how others are: controls (C0, DEL, C1), and those
/// that format text without being any, such as the ones that turn its direction.
pub fn is_hidden(char: char) -> bool {
    let is_format = matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    char.is_control() || is_format
}

/// The text with its hidden characters ([`is_hidden`]) made visible as in a Rust literal (`\n`,
/// `\u{202e}`): what others wrote, for people and their terminals.
pub fn escape_hidden(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| (b' '..0x7f).contains(&byte);
    if text.bytes().all(is_plain) || !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_hidden(char) {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}
