//! The floor: the least that any downloader must do for one list of URLs on one server.
//!
//! One thread, one epoll, keep-alive connections, one receive buffer that stays hot in the cache.
//! A body is received, written and closed; of a head only `Content-Length` is read. Nothing is
//! retried, limited, verified or renamed, and every surprise ends the program: this is a yardstick
//! for `scripts/bench-compare`, which runs it beside the real programs; do not download with it.
//!
//! `floor pull LIST DIR CONNECTIONS [CA.pem]`. All URLs of LIST share one origin. Without `pull` it
//! does nothing, so that cargo's bench and test runners can call it.

use anyhow::{Context as _, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::{Mode, OFlags};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::{env, fs};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["pull", list, dir, connections] => pull(list, dir, connections.parse()?, None),
        ["pull", list, dir, connections, ca] => pull(list, dir, connections.parse()?, Some(ca)),
        _ => Ok(()),
    }
}

/// Pulls every URL of `list` into `dir`, over at most `connections_max` connections.
fn pull(list: &str, dir: &str, connections_max: usize, ca: Option<&str>) -> Result<()> {
    let list = fs::read_to_string(list).with_context(|| format!("cannot read {list}"))?;
    let origin = Origin::of_list(&list)?;
    let config = ca.map(tls_config).transpose()?;
    let dir = rustix::fs::open(dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("cannot open {dir}"))?;
    let paths = origin.paths(&list)?;
    let mut work = Work { origin: &origin, paths: &paths, started: 0, finished: 0, dir };

    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    for index in 0..connections_max.min(paths.len()) {
        let mut connection = Connection::open(&origin, config.as_ref())?;
        let data = EventData::new_u64(u64::try_from(index)?);
        epoll::add(&epoll, &connection.stream, data, EventFlags::IN)?;
        connection.request_next(&mut work)?;
        connections.push(connection);
    }
    let mut buffers =
        Buffers { wire: vec![0; BUFFER_BYTES], plain: vec![0; BUFFER_BYTES + RECORD_BYTES_MAX] };
    let mut events = Vec::with_capacity(connections.len());
    while work.finished < paths.len() {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let index = usize::try_from(event.data.u64())?;
            connections[index].receive(&mut work, &mut buffers)?;
        }
    }
    Ok(())
}

/// Where all URLs of the list lead.
struct Origin {
    /// `http://host:port`.
    prefix: String,
    /// `host:port`.
    authority: String,
    /// Whether the scheme is https.
    is_tls: bool,
}

impl Origin {
    /// The origin of the first URL.
    fn of_list(list: &str) -> Result<Self> {
        let first = list.lines().next().context("the list is empty")?;
        let (scheme, rest) = first.split_once("://").context("a URL without a scheme")?;
        let (authority, _) = rest.split_once('/').context("a URL without a path")?;
        Ok(Self {
            prefix: format!("{scheme}://{authority}"),
            authority: authority.to_owned(),
            is_tls: scheme == "https",
        })
    }

    fn paths<'a>(&self, list: &'a str) -> Result<Vec<&'a str>> {
        let path = |url: &'a str| url.strip_prefix(&self.prefix);
        list.lines().map(path).collect::<Option<_>>().context("the list has several origins")
    }
}

/// What is to be done and how far it got.
struct Work<'a> {
    origin: &'a Origin,
    paths: &'a [&'a str],
    started: usize,
    finished: usize,
    dir: OwnedFd,
}

/// The memory that all bytes of all connections go through.
struct Buffers {
    wire: Vec<u8>,
    plain: Vec<u8>,
}

/// One keep-alive connection with at most one request under way.
struct Connection {
    stream: TcpStream,
    tls: Option<ClientConnection>,
    /// Path of the request under way.
    path: String,
    body: Option<Body>,
}

/// The file being written, and how many bytes of it are still to come.
struct Body {
    file: File,
    left: usize,
}

impl Connection {
    /// Connects, and makes the TLS handshake, both blocking.
    fn open(origin: &Origin, config: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let mut stream = TcpStream::connect(&origin.authority)?;
        stream.set_nodelay(true)?;
        let tls = if origin.is_tls {
            let config = config.context("https needs a CA file")?;
            let (host, _) = origin.authority.rsplit_once(':').context("no port")?;
            let name = ServerName::try_from(host.to_owned())?;
            let mut tls = ClientConnection::new(Arc::clone(config), name)?;
            while tls.is_handshaking() {
                tls.complete_io(&mut stream)?;
            }
            Some(tls)
        } else {
            None
        };
        stream.set_nonblocking(true)?;
        Ok(Self { stream, tls, path: String::new(), body: None })
    }

    /// Sends the request for the next path, if there is one left.
    fn request_next(&mut self, work: &mut Work<'_>) -> Result<()> {
        let Some(path) = work.paths.get(work.started) else { return Ok(()) };
        work.started += 1;
        self.path.clear();
        self.path.push_str(path);
        let authority = &work.origin.authority;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let Some(tls) = &mut self.tls else {
            return Ok(self.stream.write_all(request.as_bytes())?);
        };
        tls.writer().write_all(request.as_bytes())?;
        while tls.wants_write() {
            tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// Takes what the socket holds, as long as it fills the buffer.
    fn receive(&mut self, work: &mut Work<'_>, buffers: &mut Buffers) -> Result<()> {
        loop {
            let count = match self.stream.read(&mut buffers.wire) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let wire = &buffers.wire[..count];
            if let Some(tls) = &mut self.tls {
                let plain_count = decrypt(tls, wire, &mut buffers.plain)?;
                self.take(work, &buffers.plain[..plain_count])?;
            } else {
                self.take(work, wire)?;
            }
            if count < BUFFER_BYTES {
                return Ok(());
            }
        }
    }

    /// Writes the body bytes of one response, and asks for the next one at its end.
    fn take(&mut self, work: &mut Work<'_>, mut bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(()); // a TLS record of the session itself, such as a ticket
        }
        let mut body = match self.body.take() {
            Some(body) => body,
            None => {
                let (left, used) = parse_head(bytes)?;
                bytes = &bytes[used..];
                Body { file: create(&work.dir, &self.path)?, left }
            }
        };
        ensure!(bytes.len() <= body.left, "more bytes than Content-Length says");
        body.file.write_all(bytes)?;
        body.left -= bytes.len();
        if body.left > 0 {
            self.body = Some(body);
            return Ok(());
        }
        drop(body);
        work.finished += 1;
        self.request_next(work)
    }
}

/// Decrypts whole records of `wire` into `plain` and gives the plaintext length. rustls keeps the
/// rest, less than one record, until the next call.
fn decrypt(tls: &mut ClientConnection, mut wire: &[u8], plain: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while !wire.is_empty() {
        tls.read_tls(&mut wire)?;
        let ready = tls.process_new_packets()?.plaintext_bytes_to_read();
        tls.reader().read_exact(&mut plain[filled..filled + ready])?;
        filled += ready;
    }
    Ok(filled)
}

/// `Content-Length`, and the length of the head, which must have come in one piece.
fn parse_head(bytes: &[u8]) -> Result<(usize, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("half a head")?;
    let head = str::from_utf8(&bytes[..end])?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let (_, length) = fields
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("no Content-Length")?;
    Ok((length.parse()?, end + 4))
}

/// Creates the file that the last segment of `path` names. It must not exist.
fn create(dir: &OwnedFd, path: &str) -> Result<File> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let file = rustix::fs::openat(dir, name, flags, mode)
        .with_context(|| format!("cannot create {name}"))?;
    Ok(File::from(file))
}

fn tls_config(ca: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Enough for a whole file of 50 KB, and a quarter of a common second-level cache.
const BUFFER_BYTES: usize = 256 * 1024;
/// Longest TLS record (RFC 8446 section 5.2, RFC 5246 section 6.2.3): header and ciphertext.
const RECORD_BYTES_MAX: usize = 5 + (1 << 14) + 2048;
