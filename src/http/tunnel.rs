//! Way through a proxy to an origin, as pure machines: CONNECT of HTTP (RFC 9110 section 9.3.6) and
//! SOCKS 5 (RFC 1928, with the user and password of RFC 1929).
//!
//! Nothing of what a proxy says is followed or kept. A proxy either opens the tunnel, with not a
//! byte behind its word, or the connection is of no use.

use super::ProtocolError;
use super::body::is_text;
use super::head::HeadReader;
use super::request::{RequestProblem, authority, push_field};
use std::fmt;
use std::net::IpAddr;

/// Request to a proxy to pass bytes on.
///
/// The bytes that the constructor gives go to the proxy first. Then every byte received goes to
/// [`Tunnel::receive`], until that says [`TunnelStep::Open`] or an error.
pub struct Tunnel {
    state: State,
}

/// Where a SOCKS proxy is to connect to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Destination<'a> {
    /// The proxy looks the name up: 1 to 255 bytes of visible ASCII.
    Name(&'a str),
    /// An address.
    Address(IpAddr),
}

/// What [`Tunnel::receive`] found. `used` bytes are done with and must be dropped from the front of
/// the input before the next call. Its `Debug` shows no message: there may be a password in it.
#[derive(Clone, Eq, PartialEq)]
pub enum TunnelStep {
    /// Nothing can be said yet: append bytes and call again. Nothing was used.
    NeedInput,
    /// A message goes to the proxy next.
    Send {
        /// Bytes done with.
        used: usize,
        /// The next message.
        bytes: Vec<u8>,
    },
    /// From here on the bytes are those of the origin. The whole input is used.
    Open {
        /// Bytes done with.
        used: usize,
    },
}

/// Why there is no tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TunnelError {
    /// The answer to CONNECT has a status that is not 2xx.
    Status(u16),
    /// The answer to CONNECT is not HTTP/1.1.
    Head(ProtocolError),
    /// The SOCKS proxy could not or would not connect: its reply code (RFC 1928 section 6), not 0.
    Refused(u8),
    /// The SOCKS proxy takes none of the ways to authenticate that we offered.
    NoMethod,
    /// The SOCKS proxy did not accept user and password.
    Credentials,
    /// A message of a SOCKS proxy breaks RFC 1928.
    Malformed,
    /// Bytes came that nobody asked for.
    Unasked,
}

enum State {
    /// CONNECT was sent.
    Connect(HeadReader),
    /// The SOCKS greeting was sent. What follows is made already.
    Greeting {
        /// User and password, where the greeting offers them.
        login: Option<Vec<u8>>,
        request: Vec<u8>,
    },
    /// User and password were sent.
    Login { request: Vec<u8> },
    /// The SOCKS request was sent.
    Request,
    /// The tunnel is open.
    Open,
    /// The tunnel will not open.
    Failed(TunnelError),
}

impl Tunnel {
    /// Asks an HTTP proxy for `host:port`; an IPv6 address has no brackets. `user_agent` may be
    /// empty; `authorization` is the value of `Proxy-Authorization`.
    ///
    /// # Errors
    ///
    /// When host, user agent or authorization hold a byte that could end their line.
    pub fn connect(
        host: &str,
        port: u16,
        user_agent: &str,
        authorization: Option<&str>,
    ) -> Result<(Self, Vec<u8>), RequestProblem> {
        if host.is_empty() || !host.bytes().all(is_host_byte) {
            return Err(RequestProblem::Host);
        }
        let is_safe = |value: &str| value.bytes().all(is_text);
        if !is_safe(user_agent) || !authorization.is_none_or(is_safe) {
            return Err(RequestProblem::Authorization);
        }
        let authority = authority(host, port);
        let mut bytes = format!("CONNECT {authority} HTTP/1.1\r\n").into_bytes();
        push_field(&mut bytes, "Host", &authority);
        if !user_agent.is_empty() {
            push_field(&mut bytes, "User-Agent", user_agent);
        }
        if let Some(value) = authorization {
            push_field(&mut bytes, "Proxy-Authorization", value);
        }
        bytes.extend_from_slice(b"\r\n");
        Ok((Self { state: State::Connect(HeadReader::for_connect()) }, bytes))
    }

    /// Asks a SOCKS 5 proxy for the destination. `credentials` are user and password, each of at
    /// most 255 bytes; without them the greeting offers to do without.
    ///
    /// # Errors
    ///
    /// When a name, user or password is empty or too long, or a name holds a byte that no name has.
    pub fn socks5(
        to: Destination<'_>,
        port: u16,
        credentials: Option<(&str, &str)>,
    ) -> Result<(Self, Vec<u8>), RequestProblem> {
        let mut request = vec![VERSION, COMMAND_CONNECT, RESERVED];
        match to {
            Destination::Address(IpAddr::V4(address)) => {
                request.push(ADDRESS_V4);
                request.extend_from_slice(&address.octets());
            }
            Destination::Address(IpAddr::V6(address)) => {
                request.push(ADDRESS_V6);
                request.extend_from_slice(&address.octets());
            }
            Destination::Name(name) => {
                if name.is_empty() || !name.bytes().all(is_host_byte) {
                    return Err(RequestProblem::Host);
                }
                request.push(ADDRESS_NAME);
                push_counted(&mut request, name).ok_or(RequestProblem::Host)?;
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        let login = credentials
            .map(|(user, password)| {
                let mut login = vec![LOGIN_VERSION];
                push_counted(&mut login, user)?;
                push_counted(&mut login, password)?;
                Some(login)
            })
            .map(|login| login.ok_or(RequestProblem::Authorization))
            .transpose()?;
        let greeting = match login {
            None => vec![VERSION, 1, METHOD_NONE],
            Some(_) => vec![VERSION, 2, METHOD_NONE, METHOD_LOGIN],
        };
        Ok((Self { state: State::Greeting { login, request } }, greeting))
    }

    /// Reads from the front of `input`, which holds all bytes received and not yet used. Call until
    /// the answer is [`TunnelStep::NeedInput`], [`TunnelStep::Open`] or an error. After an error
    /// every call gives the same one.
    ///
    /// # Errors
    ///
    /// Why there will be no tunnel. The connection must be closed.
    ///
    /// # Panics
    ///
    /// When the caller dropped bytes that no step called used.
    pub fn receive(&mut self, input: &[u8]) -> Result<TunnelStep, TunnelError> {
        let step = match &mut self.state {
            State::Connect(reader) => receive_connect(reader, input),
            State::Greeting { login, request } => receive_method(input, login, request),
            State::Login { request } => receive_login(input, request),
            State::Request => receive_reply(input),
            State::Open if input.is_empty() => Ok(Next::Open { used: 0 }),
            State::Open => Err(TunnelError::Unasked),
            State::Failed(error) => Err(*error),
        };
        let step = match step {
            // The origin speaks only after us, so this is the proxy's, or somebody's who got in
            // between: it must not be taken for the origin's answer.
            Ok(Next::Open { used }) if used < input.len() => Err(TunnelError::Unasked),
            // Nor may an answer come before its question.
            Ok(Next::Send { used, .. }) if used < input.len() => Err(TunnelError::Unasked),
            step => step,
        };
        match step {
            Ok(Next::NeedInput) => Ok(TunnelStep::NeedInput),
            Ok(Next::Send { used, bytes, then }) => {
                self.state = then;
                Ok(TunnelStep::Send { used, bytes })
            }
            Ok(Next::Open { used }) => {
                self.state = State::Open;
                Ok(TunnelStep::Open { used })
            }
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }
}

impl fmt::Debug for TunnelStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedInput => f.write_str("NeedInput"),
            Self::Send { used, bytes } => {
                write!(f, "Send {{ used: {used}, bytes: {} of them }}", bytes.len())
            }
            Self::Open { used } => write!(f, "Open {{ used: {used} }}"),
        }
    }
}

/// `Debug` without credentials.
impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Connect(_) => "Tunnel(Connect)",
            State::Greeting { .. } => "Tunnel(Greeting)",
            State::Login { .. } => "Tunnel(Login)",
            State::Request => "Tunnel(Request)",
            State::Open => "Tunnel(Open)",
            State::Failed(_) => "Tunnel(Failed)",
        })
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Head(_) => f.write_str("its answer is not valid HTTP/1.1"),
            Self::Refused(code) => write!(f, "SOCKS reply {code}"),
            Self::NoMethod => f.write_str("it takes no way to log in that was offered"),
            Self::Credentials => f.write_str("it does not accept the user and password"),
            Self::Malformed => f.write_str("its answer is not SOCKS 5"),
            Self::Unasked => f.write_str("it sent bytes that nobody asked for"),
        }
    }
}

impl std::error::Error for TunnelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Head(error) => Some(error),
            _ => None,
        }
    }
}

/// A step together with the state behind it.
enum Next {
    NeedInput,
    Send { used: usize, bytes: Vec<u8>, then: State },
    Open { used: usize },
}

/// "Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will switch
/// to tunnel mode immediately after the response header section" (RFC 9110 section 9.3.6).
fn receive_connect(reader: &mut HeadReader, input: &[u8]) -> Result<Next, TunnelError> {
    match reader.receive(input).map_err(TunnelError::Head)? {
        None => Ok(Next::NeedInput),
        Some((used, head)) if matches!(head.status, 200..=299) => Ok(Next::Open { used }),
        Some((_, head)) => Err(TunnelError::Status(head.status)),
    }
}

/// The method that the proxy chose (RFC 1928 section 3).
fn receive_method(
    input: &[u8],
    login: &mut Option<Vec<u8>>,
    request: &mut Vec<u8>,
) -> Result<Next, TunnelError> {
    let [version, method, ..] = *input else { return need_version(input) };
    if version != VERSION {
        return Err(TunnelError::Malformed);
    }
    let request = std::mem::take(request);
    match (method, login.take()) {
        (METHOD_NONE, _) => Ok(Next::Send { used: 2, bytes: request, then: State::Request }),
        (METHOD_LOGIN, Some(bytes)) => {
            Ok(Next::Send { used: 2, bytes, then: State::Login { request } })
        }
        (METHOD_NO_ACCEPTABLE, _) => Err(TunnelError::NoMethod),
        // One that we did not offer.
        (_, _) => Err(TunnelError::Malformed),
    }
}

/// Whether user and password are good (RFC 1929 section 2). The first byte is a version, but
/// servers disagree on which, and curl does not look at it either.
fn receive_login(input: &[u8], request: &mut Vec<u8>) -> Result<Next, TunnelError> {
    match *input {
        [_, 0, ..] => {
            let bytes = std::mem::take(request);
            Ok(Next::Send { used: 2, bytes, then: State::Request })
        }
        [_, _, ..] => Err(TunnelError::Credentials),
        _ => Ok(Next::NeedInput),
    }
}

/// The reply to the request (RFC 1928 section 6). The address in it is of no interest.
fn receive_reply(input: &[u8]) -> Result<Next, TunnelError> {
    let [version, code, rest @ ..] = input else { return need_version(input) };
    if *version != VERSION {
        return Err(TunnelError::Malformed);
    }
    // Some close at once: what is said is enough.
    if *code != 0 {
        return Err(TunnelError::Refused(*code));
    }
    let address_len = match rest {
        [] | [RESERVED] => return Ok(Next::NeedInput),
        [RESERVED, ADDRESS_V4, ..] => 4,
        [RESERVED, ADDRESS_V6, ..] => 16,
        [RESERVED, ADDRESS_NAME] => return Ok(Next::NeedInput),
        [RESERVED, ADDRESS_NAME, len, ..] => 1 + usize::from(*len),
        _ => return Err(TunnelError::Malformed),
    };
    let used = REPLY_FRONT_LEN + address_len + PORT_LEN;
    Ok(if input.len() < used { Next::NeedInput } else { Next::Open { used } })
}

/// Asks for more input, unless the first byte alone tells that this is not SOCKS 5: such a server
/// may never send a second one.
fn need_version(input: &[u8]) -> Result<Next, TunnelError> {
    if matches!(input, [] | [VERSION]) { Ok(Next::NeedInput) } else { Err(TunnelError::Malformed) }
}

/// Appends the length as one byte and the text; `None` where it does not fit.
fn push_counted(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.push(u8::try_from(text.len()).ok()?);
    out.extend_from_slice(text.as_bytes());
    Some(())
}

/// Whether a byte may stand in a name or an address: nothing that could end the authority of a
/// CONNECT.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)
}

const VERSION: u8 = 5;
const COMMAND_CONNECT: u8 = 1;
const RESERVED: u8 = 0;
const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;
const METHOD_NONE: u8 = 0;
const METHOD_LOGIN: u8 = 2;
const METHOD_NO_ACCEPTABLE: u8 = 0xff;
const LOGIN_VERSION: u8 = 1;
/// Length of version, code, a reserved byte and the kind of address.
const REPLY_FRONT_LEN: usize = 4;
const PORT_LEN: usize = 2;

#[cfg(test)]
mod tests;
