//! A URL taken apart once, by one strict parser, for every user of its parts.
//!
//! The host is read by the `url` crate (WHATWG, UTS 46), fenced by refusals: what browsers repair
//! in silence (missing slashes, backslashes, white space inside) is not a URL here, because a
//! repaired URL and the one that was checked may name different hosts. DNS, `Host`, SNI and the
//! certificate check all get the same ASCII host from here. User information is split off at once
//! and never shown.
//!
//! Path and query go to the server as they were given, as curl sends them: only what cannot stand
//! in a request line is percent-encoded (spaces and what is not ASCII), and nothing that is encoded
//! already is touched. `.` and `..` are resolved where they stand as such; `%2e%2e` is a name to
//! us, and what it is to the server is the server's business.

mod host;
mod last;
mod packed;

use crate::fault::InputProblem;
use crate::limits;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

pub use last::LastOrigin;
pub use packed::Offsets;

/// The schemes that can be pulled.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// Both schemes, in the order of their numbers.
    pub(super) const ALL: [Self; 2] = [Self::Http, Self::Https];

    /// The scheme that this one is not.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Http => Self::Https,
            Self::Https => Self::Http,
        }
    }

    /// The scheme as it is written before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is left out of URLs.
    pub fn port_default(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else {
            None
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One URL: normalised text and where its parts are in it.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Target {
    /// `scheme://host[:port]/path[?query]`, all of it printable ASCII without space.
    text: Box<str>,
    /// `user:pass`, percent-decoded; without the colon when no password was given.
    basic_auth: Option<Box<str>>,
    /// Where the host ends in `text`, a closing bracket included.
    host_end: u32,
    /// Where the path begins in `text`.
    path_at: u32,
    /// Where the path ends in `text`.
    path_end: u32,
    port: u16,
    scheme: Scheme,
}

impl Target {
    /// Takes an absolute URL apart. The fragment is dropped, then spaces around the rest; spaces
    /// and non-ASCII within are percent-encoded, and `%XX` stays as it is.
    ///
    /// # Errors
    /// `Scheme` for anything but http and https; `Control`, `Backslash`, `HostEmpty`,
    /// `HostPercent`, `Host`, `Port` and `Userinfo` for what they say; `LineTooLong` above
    /// [`limits::LINE_BYTES_MAX`], also after encoding; `Url` where there is no `scheme://`.
    pub fn parse(text: &str) -> Result<Self, InputProblem> {
        let text = text.trim_matches(' ');
        let pieces = Pieces::split(text)?;
        let basic_auth = pieces.userinfo.map(basic_auth).transpose()?.flatten();
        Ok(Self { basic_auth, ..pieces.build()? })
    }

    /// The target of a redirect: `location` is the field value as sent, resolved against this URL
    /// (RFC 3986 section 5). User information in it is ignored; the one of this target stays as
    /// long as the origin does.
    ///
    /// # Errors
    /// When the result is not a URL that [`Target::parse`] takes.
    pub fn join(&self, location: &[u8]) -> Result<Self, RedirectProblem> {
        let location = location.trim_ascii();
        if location.is_empty() {
            return Err(RedirectProblem::Empty);
        }
        let location = text_of(location);
        check_bytes(&location)?;
        let absolute = self.absolute(location.split('#').next().unwrap_or_default());
        let target = Pieces::split(&absolute).and_then(|pieces| pieces.build())?;
        let basic_auth = if self.same_origin(&target) { self.basic_auth.clone() } else { None };
        Ok(Self { basic_auth, ..target })
    }

    /// The whole URL in its normal form: without user information and fragment, scheme and host in
    /// lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// http or https.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The ASCII host, an IPv6 address without its brackets: for DNS, connecting, SNI.
    pub fn host(&self) -> &str {
        let host = &self.text[self.host_at()..self.host_end as usize];
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// `host[:port]` for the `Host` field: brackets kept, the default port left out.
    pub fn host_header(&self) -> &str {
        &self.text[self.host_at()..self.path_at as usize]
    }

    /// The port, 1-65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `path[?query]` for the request line (origin-form, RFC 9112 section 3.2.1).
    pub fn request_target(&self) -> &str {
        &self.text[self.path_at as usize..]
    }

    /// The path, which begins with `/`.
    pub fn path(&self) -> &str {
        &self.text[self.path_at as usize..self.path_end as usize]
    }

    /// User, and password where one was given, of the user information, percent-decoded. Never to
    /// be shown.
    pub fn credentials(&self) -> Option<(&str, Option<&str>)> {
        let text = self.basic_auth.as_deref()?;
        Some(match text.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (text, None),
        })
    }

    /// Gives the target a user and a password, unless its URL has user information. The user has no
    /// colon, neither has control characters.
    pub fn log_in(&mut self, user: &str, password: Option<&str>) {
        if self.basic_auth.is_none() {
            let text =
                password.map_or_else(|| user.into(), |password| format!("{user}:{password}"));
            self.basic_auth = Some(text.into());
        }
    }

    /// `scheme://host[:port]`: normalised, so equal texts are equal origins. A key without
    /// allocation.
    pub fn origin_str(&self) -> &str {
        &self.text[..self.path_at as usize]
    }

    /// Whether scheme, host and port are all the same.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.origin_str() == other.origin_str()
    }

    /// Whether going from here to `next` leaves TLS.
    pub fn is_downgrade(&self, next: &Self) -> bool {
        self.scheme == Scheme::Https && next.scheme == Scheme::Http
    }

    fn host_at(&self) -> usize {
        self.scheme.as_str().len() + "://".len()
    }

    /// The reference as an absolute URL text, dot segments not yet removed (RFC 3986 section
    /// 5.2.2).
    fn absolute(&self, reference: &str) -> String {
        let path_at = self.path_at as usize;
        if scheme_of(reference).is_some() {
            reference.to_owned()
        } else if reference.starts_with("//") {
            format!("{}:{reference}", self.scheme)
        } else if reference.starts_with('/') {
            format!("{}{reference}", self.origin_str())
        } else if reference.starts_with('?') {
            format!("{}{reference}", &self.text[..self.path_end as usize])
        } else if reference.is_empty() {
            self.text.to_string()
        } else {
            let directory_end = self.path().rfind('/').map_or(path_at, |slash| path_at + slash + 1);
            format!("{}{reference}", &self.text[..directory_end])
        }
    }
}

/// `Debug` shows the URL only: user information stays hidden in logs and panics too.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?})", self.as_str())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a `Location` value cannot be followed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RedirectProblem {
    /// Nothing but white space.
    Empty,
    /// Longer than a URL may be.
    TooLong,
    /// Neither http nor https.
    Scheme,
    /// The value holds a control character.
    Control,
    /// The value holds a backslash.
    Backslash,
    /// The host is empty.
    HostEmpty,
    /// The host holds a `%`.
    HostPercent,
    /// The host is not a name and not an address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The result is not a URL at all.
    Url,
}

impl From<InputProblem> for RedirectProblem {
    fn from(problem: InputProblem) -> Self {
        match problem {
            InputProblem::LineTooLong => Self::TooLong,
            InputProblem::Scheme => Self::Scheme,
            InputProblem::Control => Self::Control,
            InputProblem::Backslash => Self::Backslash,
            InputProblem::HostEmpty => Self::HostEmpty,
            InputProblem::HostPercent => Self::HostPercent,
            InputProblem::Host => Self::Host,
            InputProblem::Port => Self::Port,
            // User information is not looked at here, and the others are about lines.
            InputProblem::NotUtf8
            | InputProblem::Url
            | InputProblem::Userinfo
            | InputProblem::Name
            | InputProblem::Option
            | InputProblem::Checksum
            | InputProblem::Record => Self::Url,
        }
    }
}

impl fmt::Display for RedirectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the Location is empty",
            Self::TooLong => "the Location is too long",
            Self::Scheme => "the Location is neither http nor https",
            Self::Control => "the Location contains a control character",
            Self::Backslash => "the Location contains a backslash",
            Self::HostEmpty => "the Location has no host",
            Self::HostPercent => "the host in the Location contains a percent sign",
            Self::Host => "the host in the Location is not a name or an address",
            Self::Port => "the port in the Location is not a number from 1 to 65535",
            Self::Url => "the Location is not a URL",
        })
    }
}

impl std::error::Error for RedirectProblem {}

/// `text` up to its first `:` when that is a scheme by its grammar (RFC 3986 section 3.1).
pub(crate) fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let is_scheme = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then_some(scheme)
}

/// A URL without its user information, which is cut out with its `@`; nothing else is changed.
/// `text` is one that [`Target::parse`] takes.
pub(super) fn without_userinfo(text: &str) -> Cow<'_, str> {
    let Some(scheme_len) = text.find("://") else { return Cow::Borrowed(text) };
    let (scheme, rest) = text.split_at(scheme_len + "://".len());
    let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority_len].rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}{}", &rest[at + 1..])),
        None => Cow::Borrowed(text),
    }
}

/// A `Referer` as it may be sent to every origin: without user information (RFC 9110 section
/// 10.1.3).
pub fn referer(text: &str) -> Cow<'_, str> {
    match Target::parse(text) {
        Ok(target) if target.credentials().is_some() => Cow::Owned(target.text.into_string()),
        Ok(_) | Err(_) => Cow::Borrowed(text),
    }
}

/// Range of `text` where the user information is, or may be: whatever stands before an `@` and
/// after the scheme, up to the first `/`, `?` or `#`. The text may not be a URL, so this leans to
/// finding too much. The `@` is not in it.
pub(crate) fn userinfo_range(text: &str) -> Option<Range<usize>> {
    let is_slash = |c: char| matches!(c, '/' | '\\');
    let after_scheme = scheme_of(text).map_or(0, |scheme| scheme.len() + 1);
    let after_slashes = text.len() - text[after_scheme..].trim_start_matches(is_slash).len();
    let begin = if after_slashes > after_scheme { after_slashes } else { 0 };
    let rest = &text[begin..];
    let mut authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // `user:pass/word@host`: what looks like a port is the begin of a password.
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    if authority.split_once(':').is_some_and(|(_, port)| !is_port(port)) {
        authority = rest;
    }
    authority.rfind('@').map(|end| begin..begin + end)
}

/// An absolute URL cut at its delimiters, before anything is normalised.
struct Pieces<'a> {
    scheme: Scheme,
    userinfo: Option<&'a str>,
    /// A name, or an address in brackets; not empty.
    host: &'a str,
    port: u16,
    /// `[/path][?query]`, the fragment cut off.
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    fn split(text: &'a str) -> Result<Self, InputProblem> {
        if text.len() > limits::LINE_BYTES_MAX {
            return Err(InputProblem::LineTooLong);
        }
        check_bytes(text)?;
        // The first `#` ends everything, the authority too (CVE-2016-8624).
        let text = text.split('#').next().unwrap_or_default().trim_end_matches(' ');
        let scheme_text = scheme_of(text).ok_or(InputProblem::Url)?;
        let after_colon = &text[scheme_text.len() + 1..];
        let Some(scheme) = Scheme::from_text(scheme_text) else {
            return Err(problem_of_scheme(scheme_text, after_colon));
        };
        let after_slashes = after_colon.strip_prefix("//").ok_or(InputProblem::Url)?;
        let authority_end = after_slashes.find(['/', '?']).unwrap_or(after_slashes.len());
        let (authority, rest) = after_slashes.split_at(authority_end);
        // The last `@` of the authority ends the user information.
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        let (host, port) = split_authority(authority)?;
        let port = port.unwrap_or_else(|| scheme.port_default());
        Ok(Self { scheme, userinfo, host, port, rest })
    }

    /// Puts the normal form together; the user information is left out.
    fn build(&self) -> Result<Target, InputProblem> {
        let Self { scheme, host, port, .. } = *self;
        let host = host::ascii(scheme, host)?;
        let offset = |text: &str| u32::try_from(text.len()).map_err(|_| InputProblem::LineTooLong);
        let port_text = if port == scheme.port_default() { None } else { Some(format!(":{port}")) };
        let port_text = port_text.as_deref().unwrap_or_default();
        // Exact for nearly all URLs: what is too much would have to be given back.
        let slash_len = usize::from(!self.rest.starts_with('/'));
        let around_len = scheme.as_str().len() + "://".len() + port_text.len() + slash_len;
        let mut text = String::with_capacity(host.len() + self.rest.len() + around_len);
        text.push_str(scheme.as_str());
        text.push_str("://");
        text.push_str(&host);
        let host_end = offset(&text)?;
        text.push_str(port_text);
        let path_at = offset(&text)?;
        let path_len = self.rest.find('?').unwrap_or(self.rest.len());
        let (path, query) = self.rest.split_at(path_len);
        push_encoded(&mut text, &without_dots(path));
        let path_end = offset(&text)?;
        push_encoded(&mut text, query);
        if text.len() > limits::LINE_BYTES_MAX {
            return Err(InputProblem::LineTooLong);
        }
        let text = text.into_boxed_str();
        Ok(Target { text, basic_auth: None, host_end, path_at, path_end, port, scheme })
    }
}

/// Appends a part of a path or query, with what a request line cannot hold percent-encoded.
fn push_encoded(text: &mut String, part: &str) {
    // Controls were refused.
    if part.bytes().any(|b| b == b' ' || !b.is_ascii()) {
        text.extend(utf8_percent_encode(part, NOT_IN_REQUEST_LINE));
    } else {
        text.push_str(part);
    }
}

/// Host and port of `host[:port]`; an empty port is none (RFC 3986 section 3.2.3).
fn split_authority(authority: &str) -> Result<(&str, Option<u16>), InputProblem> {
    let host_len = match authority.strip_prefix('[') {
        Some(address) => address.find(']').ok_or(InputProblem::Host)? + "[]".len(),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_len);
    if host.is_empty() {
        return Err(InputProblem::HostEmpty);
    }
    // Parsers would decode it, and then the host is another one (CVE-2022-27780).
    if host.contains('%') {
        return Err(InputProblem::HostPercent);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        // Something else behind a bracket.
        None => Err(InputProblem::Host),
        Some("") => Ok((host, None)),
        // `parse` would take a `+`.
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse() {
            Ok(0) | Err(_) => Err(InputProblem::Port),
            Ok(port) => Ok((host, Some(port))),
        },
        Some(_) => Err(InputProblem::Port),
    }
}

/// The path with its `.` and `..` resolved (RFC 3986 section 5.2.4), and never empty.
fn without_dots(whole: &str) -> Cow<'_, str> {
    let Some(path) = whole.strip_prefix('/') else { return Cow::Borrowed("/") };
    let has_dots = || path.split('/').any(|segment| matches!(segment, "." | ".."));
    if !whole.contains("/.") || !has_dots() {
        return Cow::Borrowed(whole);
    }
    let mut resolved = String::with_capacity(path.len() + 1);
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_dots = matches!(segment, "." | "..");
        if segment == ".." {
            // There is nothing above the root.
            resolved.truncate(resolved.rfind('/').unwrap_or(0));
        }
        if !is_dots || segments.peek().is_none() {
            resolved.push('/');
        }
        if !is_dots {
            resolved.push_str(segment);
        }
    }
    Cow::Owned(resolved)
}

/// Refuses control characters, which cannot be in a URL (CVE-2014-8150: they would end the request
/// line), and backslashes, which some read as a slash and others do not.
fn check_bytes(text: &str) -> Result<(), InputProblem> {
    match text.bytes().find(|b| b.is_ascii_control() || *b == b'\\') {
        None => Ok(()),
        Some(b'\\') => Err(InputProblem::Backslash),
        Some(_) => Err(InputProblem::Control),
    }
}

/// The problem of a text whose part before the first colon is not a scheme that can be pulled:
/// `example.com:8080/x` and `localhost:8080` are grammatical, but meant as a host without one.
fn problem_of_scheme(scheme: &str, after_colon: &str) -> InputProblem {
    let is_port = after_colon.starts_with(|c: char| c.is_ascii_digit());
    if after_colon.starts_with("//") || !(is_port || scheme.contains('.')) {
        InputProblem::Scheme
    } else {
        InputProblem::Url
    }
}

/// `user:pass` as Basic wants it (RFC 7617 section 2): text without controls, and no colon in the
/// user that would move the border. `None` for an empty user information.
pub(super) fn basic_auth(userinfo: &str) -> Result<Option<Box<str>>, InputProblem> {
    if userinfo.is_empty() {
        return Ok(None);
    }
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| InputProblem::Userinfo);
    let (user, password) = (decode(user)?, password.map(decode).transpose()?);
    let has_control = |text: &str| text.chars().any(char::is_control);
    if user.contains(':') || has_control(&user) || password.as_deref().is_some_and(has_control) {
        return Err(InputProblem::Userinfo);
    }
    Ok(Some(match password {
        Some(password) => format!("{user}:{password}").into_boxed_str(),
        None => user.into(),
    }))
}

/// A `Location` as text. Servers send raw bytes: those that are not UTF-8 are percent-encoded here,
/// those that are by the parser, which gives the same and also understands a host in them.
fn text_of(location: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(location) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(location.len() * 3);
    for byte in location {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            text.push_str(percent_encoding::percent_encode_byte(*byte));
        }
    }
    Cow::Owned(text)
}

/// Characters that a path or a query cannot hold in a request line (RFC 9112 section 3), beside
/// what is not ASCII. Everything else goes as it was given, as curl does it, even where RFC 3986
/// would have it encoded: servers compare bytes, and a signed URL is signed as it stands.
const NOT_IN_REQUEST_LINE: &AsciiSet = &CONTROLS.add(b' ');

const _: () = assert!(size_of::<Target>() <= 48);

#[cfg(test)]
mod tests;
