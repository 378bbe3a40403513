//! The bytes of one GET request.
//!
//! Parts that all requests of a run share are made once, as a [`Template`]; one request then costs
//! a few copies into a buffer that is used again. Nothing that could end a line early gets in:
//! fields are checked when the template is made, targets and hosts when they are encoded.

mod conditions;

pub use self::conditions::Conditions;
use super::body::{is_text, is_token};
use base64::Engine as _;
use std::fmt;

/// Constant parts of the requests of a run, for [`Template::new`]. Like every type that may hold
/// secrets here it has no `Debug`.
#[derive(Clone, Copy, Default)]
pub struct Parts<'a> {
    /// `User-Agent`; empty sends none.
    pub user_agent: &'a str,
    /// `Referer`.
    pub referer: Option<&'a str>,
    /// `Accept-Encoding`.
    pub codings: Codings,
    /// Fields of the user, as [`parse_field`] gives them. One of a name that we send too replaces
    /// ours; one with an empty value only removes ours, as with curl. `Proxy-Authorization` is left
    /// out: it is for the proxy alone ([`Forward`]).
    pub fields: &'a [(String, String)],
}

/// The content codings that a server may use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Codings {
    /// None: what arrives is stored as it is, so there is no decoder, no bomb, and lengths are
    /// exact.
    #[default]
    Identity,
    /// gzip, which will be undone.
    Gzip,
}

impl Codings {
    fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }
}

/// Parts of one GET request that its run does not share.
#[derive(Clone, Copy)]
pub struct Get<'a> {
    /// `host` or `host:port`, in the form the URL has it.
    pub host: &'a str,
    /// Path and query in origin form (RFC 9112 section 3.2.1): starts with `/`, percent-encoded.
    pub target: &'a str,
    /// Value of `Authorization`, unless the user gave or removed that field.
    pub authorization: Option<&'a str>,
    /// Whether fields that hold secrets go with the request.
    pub secrets: Secrets,
    /// The proxy that is to pass the request on, if the connection leads to one.
    pub via: Option<Forward<'a>>,
    /// What is asked for, where it is not all of the target.
    pub conditions: Conditions<'a>,
}

/// Whether the fields that are meant for the origin of the input line go with a request. They must
/// not cross to another scheme, host or port on a redirect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Secrets {
    /// Secrets go along: the request is to the origin that the user named.
    Send,
    /// Secrets stay: the request is to another origin, so there is no `Authorization`, `Cookie`,
    /// token or key field, and no `Host` but that of the URL.
    Withhold,
}

/// An HTTP proxy that passes a request on (RFC 9112 section 3.2.2).
#[derive(Clone, Copy)]
pub struct Forward<'a> {
    /// `http://host[:port]` of the URL, which goes before the path.
    pub origin: &'a str,
    /// Value of `Proxy-Authorization`, which is for the proxy alone.
    pub authorization: Option<&'a str>,
}

/// The constant part of all requests of a run.
#[derive(Clone)]
pub struct Template {
    /// Field lines for every origin.
    public: Vec<u8>,
    /// Field lines for the origin that the user named.
    secret: Vec<u8>,
    /// `Host`, where the user gave one.
    host: Option<Box<str>>,
    /// Whether the user gave or removed `Authorization`.
    is_authorization_fixed: bool,
}

impl Template {
    /// Prepares the field lines.
    ///
    /// # Errors
    ///
    /// The first field that would break the request.
    pub fn new(parts: &Parts<'_>) -> Result<Self, FieldProblem> {
        let mut template = Self {
            public: Vec::new(),
            secret: Vec::new(),
            host: None,
            is_authorization_fixed: is_named(parts.fields, "authorization"),
        };
        let user_agent = Some(parts.user_agent).filter(|value| !value.is_empty());
        let ours = [
            ("User-Agent", user_agent),
            ("Accept", Some("*/*")),
            ("Accept-Encoding", Some(parts.codings.as_str())),
            ("Referer", parts.referer),
        ];
        for (name, value) in ours {
            if let Some(value) = value
                && !is_named(parts.fields, name)
            {
                check_field(name, value)?;
                push_field(&mut template.public, name, value);
            }
        }
        for (name, value) in parts.fields {
            check_field(name, value)?;
            if name.eq_ignore_ascii_case(PROXY_AUTHORIZATION) {
                // It is for a proxy, and this goes to origins too: see `Forward`.
                continue;
            } else if name.eq_ignore_ascii_case("host") {
                template.host = Some(value.as_str().into());
            } else if !value.is_empty() {
                let lines =
                    if is_secret(name) { &mut template.secret } else { &mut template.public };
                push_field(lines, name, value);
            }
        }
        Ok(template)
    }

    /// Appends the bytes of one request to `out`.
    ///
    /// # Errors
    ///
    /// When target, host or authorization hold a byte that could end their line; `out` is unchanged
    /// then.
    pub fn encode(&self, get: &Get<'_>, out: &mut Vec<u8>) -> Result<(), RequestProblem> {
        let host = match (get.secrets, &self.host) {
            (Secrets::Send, Some(host)) => host,
            (Secrets::Send, None) | (Secrets::Withhold, _) => get.host,
        };
        let (secret, authorization) = match get.secrets {
            Secrets::Send if self.is_authorization_fixed => (self.secret.as_slice(), None),
            Secrets::Send => (self.secret.as_slice(), get.authorization),
            Secrets::Withhold => (&[][..], None),
        };
        if !get.target.starts_with('/') || !is_graphic(get.target) || get.target.contains('#') {
            return Err(RequestProblem::Target);
        }
        if !is_host(host) {
            return Err(RequestProblem::Host);
        }
        if authorization.is_some_and(|value| !value.bytes().all(is_text)) {
            return Err(RequestProblem::Authorization);
        }
        let (origin, proxy_authorization) =
            get.via.as_ref().map_or(("", None), |proxy| (proxy.origin, proxy.authorization));
        if !is_graphic(origin) || origin.contains(['?', '#', '@', '\\']) {
            return Err(RequestProblem::Target);
        }
        if proxy_authorization.is_some_and(|value| !value.bytes().all(is_text)) {
            return Err(RequestProblem::Authorization);
        }
        out.reserve(
            LINES_LEN
                + origin.len()
                + proxy_authorization.map_or(0, |value| PROXY_LINE_LEN + value.len())
                + get.target.len()
                + host.len()
                + self.public.len()
                + secret.len()
                + authorization.map_or(0, str::len),
        );
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(origin.as_bytes());
        out.extend_from_slice(get.target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        push_field(out, "Host", host);
        let conditions = get.conditions.sendable();
        if conditions.is_none() {
            out.extend_from_slice(&self.public);
            out.extend_from_slice(secret);
        } else {
            conditions.push_others(&self.public, out);
            conditions.push_others(secret, out);
            conditions.push(out);
        }
        if let Some(value) = authorization {
            push_field(out, "Authorization", value);
        }
        if let Some(value) = proxy_authorization {
            push_field(out, "Proxy-Authorization", value);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// Reads one field as a user types it, `Name: value`: both parts, white space around the value
/// trimmed. An empty value (`Name:`) asks for our own field of that name to be left out.
///
/// # Errors
///
/// Why it cannot be sent.
pub fn parse_field(typed: &str) -> Result<(String, String), FieldProblem> {
    let (name, value) = typed.split_once(':').ok_or(FieldProblem::NoColon)?;
    let value = value.trim_matches([' ', '\t']);
    check_field(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The value of `Authorization` or `Proxy-Authorization` for `user:password` (RFC 7617 section 2).
pub fn basic(credentials: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

/// `host:port`, with brackets around an IPv6 address (RFC 3986 section 3.2).
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Why a field cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldProblem {
    /// The field has no colon.
    NoColon,
    /// The name is empty or not a token.
    Name,
    /// The value holds CR, LF, NUL or another control.
    Value,
    /// `Content-Length` or `Transfer-Encoding`: a GET of ours has no body to speak of.
    Body,
    /// The `Host` is empty or not a host.
    Host,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoColon => "a header needs the form 'Name: value'",
            Self::Name => "the name of a header holds letters, digits and -_.!#$%&'*+^`|~ only",
            Self::Value => "the value of a header must not hold control characters",
            Self::Body => "a header about a request body, which a download does not have",
            Self::Host => "the Host header must hold a host name",
        })
    }
}

impl std::error::Error for FieldProblem {}

/// Which part of a request would not stay in its place on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestProblem {
    /// The target is not in origin form, or holds white space, controls, `#` or raw non-ASCII.
    Target,
    /// The host is empty, or holds anything but visible ASCII without `/?#@`.
    Host,
    /// The `Authorization` value holds a control.
    Authorization,
}

impl fmt::Display for RequestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Target => "the path of the URL cannot be sent as it is",
            Self::Host => "the host of the URL cannot be sent as it is",
            Self::Authorization => "the credentials hold control characters",
        })
    }
}

impl std::error::Error for RequestProblem {}

fn check_field(name: &str, value: &str) -> Result<(), FieldProblem> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(FieldProblem::Name);
    }
    if !value.bytes().all(is_text) {
        return Err(FieldProblem::Value);
    }
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    if is("content-length") || is("transfer-encoding") {
        return Err(FieldProblem::Body);
    }
    if is("host") && !is_host(value) {
        return Err(FieldProblem::Host);
    }
    Ok(())
}

pub(super) fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn is_named(fields: &[(String, String)], wanted: &str) -> bool {
    fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && is_graphic(host) && !host.contains(['/', '?', '#', '@', '\\'])
}

/// Whether the value of a field is a key to something, by the words of its name: `Authorization`,
/// `Cookie`, `X-Api-Key`, `Private-Token`, `X-Amz-Security-Token` and what services invent besides.
/// One that is kept back without need costs a redirect its field; one that is not costs a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(['-', '_', '.']).any(|word| {
        SECRET_WORDS.contains(&word) || SECRET_ENDS.iter().any(|end| word.ends_with(end))
    })
}

/// Words in the names of fields that hold secrets.
const SECRET_WORDS: [&str; 12] = [
    "auth",
    "authorization",
    "authentication",
    "credential",
    "credentials",
    "jwt",
    "key",
    "passwd",
    "session",
    "sessionid",
    "sid",
    "signature",
];

/// Ends of words that are written as one with others (`X-AccessToken`).
const SECRET_ENDS: [&str; 6] = ["apikey", "cookie", "password", "secret", "token", "accesskey"];

/// The field that no origin may ever see.
pub const PROXY_AUTHORIZATION: &str = "proxy-authorization";

/// Length of the line of [`PROXY_AUTHORIZATION`] without its value, in bytes.
const PROXY_LINE_LEN: usize = "Proxy-Authorization: \r\n".len();

/// Length of the request line, `Host` and `Authorization` without their values, in bytes.
const LINES_LEN: usize = "GET  HTTP/1.1\r\nHost: \r\nAuthorization: \r\n\r\n".len();

#[cfg(test)]
mod tests;
