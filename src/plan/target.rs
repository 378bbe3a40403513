//! A URL taken apart once, by one strict parser, for every user of its parts.
//!
//! The grammar is that of the `url` crate (WHATWG), fenced by refusals: what browsers repair in
//! silence (missing slashes, backslashes, white space inside) is no URL here, because a repaired
//! URL and the one that was checked may name different hosts. DNS, `Host`, SNI and the certificate
//! check all get the same ASCII host from here. User information is split off at once and never
//! shown.

use crate::fault::InputProblem;
use crate::limits;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use url::{ParseError, Position, Url};

/// The schemes that can be pulled.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As it is written before `://`.
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
    /// `Scheme` for anything but http and https; `Host` for an empty or unusable host (a `%` in it
    /// included); `LineTooLong` above [`limits::LINE_BYTES_MAX`], also after encoding; `Url` for
    /// the rest: no `scheme://`, controls, backslashes, ports that are not 1-65535, user
    /// information that cannot be sent (RFC 7617 section 2).
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
    /// The same refusals as [`Target::parse`].
    pub fn join(&self, location: &[u8]) -> Result<Self, RedirectProblem> {
        let location = location.trim_ascii();
        if location.is_empty() {
            return Err(RedirectProblem::Empty);
        }
        let location = text_of(location);
        check_bytes(&location).map_err(|_| RedirectProblem::Url)?;
        let absolute = self.absolute(location.split('#').next().unwrap_or_default());
        let target = Pieces::split(&absolute).and_then(|pieces| pieces.build())?;
        let basic_auth = if self.same_origin(&target) { self.basic_auth.clone() } else { None };
        Ok(Self { basic_auth, ..target })
    }

    /// The whole URL, without user information and fragment.
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

    /// `scheme://host[:port]`: normalised, so equal texts are equal origins. A key without
    /// allocation.
    pub fn origin_str(&self) -> &str {
        &self.text[..self.path_at as usize]
    }

    /// The origin on its own.
    pub fn origin(&self) -> Origin {
        Origin { scheme: self.scheme, host: self.host().into(), port: self.port }
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

/// Shows the URL only: user information stays hidden in logs and panics too.
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

/// Scheme, host and port: who is talked to, and the whole key of a connection.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Origin {
    /// http or https.
    pub scheme: Scheme,
    /// ASCII host, an IPv6 address without brackets.
    pub host: Box<str>,
    /// 1-65535
    pub port: u16,
}

impl Origin {
    /// `host:port`, brackets around an IPv6 address.
    pub fn host_port(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host_port())
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
    /// The host is empty or not usable.
    Host,
    /// Controls, backslashes, a bad port, or no URL at all.
    Url,
}

impl From<InputProblem> for RedirectProblem {
    fn from(problem: InputProblem) -> Self {
        match problem {
            InputProblem::LineTooLong => Self::TooLong,
            InputProblem::Scheme => Self::Scheme,
            InputProblem::Host => Self::Host,
            InputProblem::NotUtf8
            | InputProblem::Url
            | InputProblem::Name
            | InputProblem::Option => Self::Url,
        }
    }
}

impl fmt::Display for RedirectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the Location is empty",
            Self::TooLong => "the Location is too long",
            Self::Scheme => "the Location is neither http nor https",
            Self::Host => "the host of the Location is empty or not usable",
            Self::Url => "the Location is no URL",
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

/// A `Referer` as it may be sent: without user information (RFC 9110 section 10.1.3). It goes to
/// every origin.
pub fn referer(text: &str) -> Cow<'_, str> {
    match Target::parse(text) {
        Ok(target) if target.credentials().is_some() => Cow::Owned(target.text.into_string()),
        Ok(_) | Err(_) => Cow::Borrowed(text),
    }
}

/// Where in `text` the user information is, or may be: whatever stands before an `@` and after the
/// scheme, up to the first `/`, `?` or `#`. The text may be no URL, so this leans to finding too
/// much. The `@` is not in it.
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
    /// `host[:port]`
    authority: &'a str,
    /// `path?query`
    rest: &'a str,
    /// All of it, the fragment cut off.
    text: &'a str,
}

impl<'a> Pieces<'a> {
    fn split(text: &'a str) -> Result<Self, InputProblem> {
        if text.len() > limits::LINE_BYTES_MAX {
            return Err(InputProblem::LineTooLong);
        }
        check_bytes(text)?;
        // The first `#` ends everything, the authority too (CVE-2016-8624).
        let text = text.split('#').next().unwrap_or_default();
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
        // Parsers would decode it, and then the host is another one (CVE-2022-27780).
        if authority.is_empty() || authority.starts_with(':') || authority.contains('%') {
            return Err(InputProblem::Host);
        }
        Ok(Self { scheme, userinfo, authority, rest, text })
    }

    /// Normalises; the user information is left out.
    fn build(&self) -> Result<Target, InputProblem> {
        let text = match self.userinfo {
            None => Cow::Borrowed(self.text),
            Some(_) => Cow::Owned(format!("{}://{}{}", self.scheme, self.authority, self.rest)),
        };
        let url = Url::parse(&text).map_err(problem_of_parser)?;
        let host = url.host_str().ok_or(InputProblem::Host)?;
        if !is_host(host) {
            return Err(InputProblem::Host);
        }
        let port = url.port().unwrap_or_else(|| self.scheme.port_default());
        if port == 0 {
            return Err(InputProblem::Url);
        }
        if url.as_str().len() > limits::LINE_BYTES_MAX {
            return Err(InputProblem::LineTooLong);
        }
        let offset = |text: &str| u32::try_from(text.len()).map_err(|_| InputProblem::LineTooLong);
        let host_end = offset(&url[..Position::AfterHost])?;
        let path_at = offset(&url[..Position::BeforePath])?;
        let path_end = offset(&url[..Position::AfterPath])?;
        let text = String::from(url).into_boxed_str();
        let scheme = self.scheme;
        Ok(Target { text, basic_auth: None, host_end, path_at, path_end, port, scheme })
    }
}

/// Controls cannot be in a URL (CVE-2014-8150: they would end the request line), and a backslash is
/// read as a slash by some and not by others.
fn check_bytes(text: &str) -> Result<(), InputProblem> {
    let is_bad = |b: u8| b.is_ascii_control() || b == b'\\';
    if text.bytes().any(is_bad) { Err(InputProblem::Url) } else { Ok(()) }
}

/// Whether the text before the first colon is meant as a scheme, or is a host without one:
/// `example.com:8080/x` and `localhost:8080` are grammatical but meant as the latter.
fn problem_of_scheme(scheme: &str, after_colon: &str) -> InputProblem {
    let is_port = after_colon.starts_with(|c: char| c.is_ascii_digit());
    if after_colon.starts_with("//") || !(is_port || scheme.contains('.')) {
        InputProblem::Scheme
    } else {
        InputProblem::Url
    }
}

fn problem_of_parser(error: ParseError) -> InputProblem {
    match error {
        ParseError::EmptyHost
        | ParseError::IdnaError
        | ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address
        | ParseError::InvalidDomainCharacter => InputProblem::Host,
        // The error type of the crate is open-ended.
        _ => InputProblem::Url,
    }
}

/// Letters, digits, `-`, `.` and `_` (met in the wild), or an address in brackets; a length that
/// DNS can carry (RFC 1035 section 2.3.4).
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return true;
    }
    let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let name = host.strip_suffix('.').unwrap_or(host);
    !name.is_empty() && name.len() <= HOST_BYTES_MAX && name.bytes().all(is_host_byte)
}

/// `user:pass` as Basic wants it (RFC 7617 section 2): text without controls, and no colon in the
/// user that would move the border. Nothing for an empty user information.
pub(super) fn basic_auth(userinfo: &str) -> Result<Option<Box<str>>, InputProblem> {
    if userinfo.is_empty() {
        return Ok(None);
    }
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| InputProblem::Url);
    let (user, password) = (decode(user)?, password.map(decode).transpose()?);
    let has_control = |text: &str| text.chars().any(char::is_control);
    if user.contains(':') || has_control(&user) || password.as_deref().is_some_and(has_control) {
        return Err(InputProblem::Url);
    }
    Ok(Some(match password {
        Some(password) => format!("{user}:{password}").into_boxed_str(),
        None => user.into(),
    }))
}

/// Servers send raw bytes: those that are no UTF-8 are percent-encoded here, those that are by the
/// parser, which gives the same and also understands a host in them.
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

/// Longest host name in bytes, without the final dot.
const HOST_BYTES_MAX: usize = 253;

const _: () = assert!(size_of::<Target>() <= 48);

#[cfg(test)]
mod tests;
