//! Parts that both floors share: command line, list, connects, heads of responses, TLS.

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{Mode, OFlags};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The words of `pull LIST DIR CONNECTIONS [CA.pem]`.
pub(crate) struct Pull<'a> {
    list: &'a str,
    dir: &'a str,
    connections_max: usize,
    ca: Option<&'a str>,
}

impl<'a> Pull<'a> {
    /// Reads the command line. `None` without `pull`: cargo's runners call benches like that.
    pub(crate) fn parse(words: &'a [String]) -> Result<Option<Self>> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (list, dir, connections, ca) = match words[..] {
            ["pull", list, dir, connections] => (list, dir, connections, None),
            ["pull", list, dir, connections, ca] => (list, dir, connections, Some(ca)),
            _ => return Ok(None),
        };
        Ok(Some(Self { list, dir, connections_max: connections.parse()?, ca }))
    }
}

/// Files and addresses of a pull that were read or opened before the first connection.
pub(crate) struct Opened {
    list: String,
    origin: Origin,
    pub(crate) config: Option<Arc<ClientConfig>>,
    dir: OwnedFd,
    pub(crate) connections_max: usize,
}

impl Opened {
    pub(crate) fn open(asked: &Pull<'_>) -> Result<Self> {
        let list = fs::read_to_string(asked.list).with_context(|| format!("no {}", asked.list))?;
        let origin = Origin::of_list(&list)?;
        let config = asked.ca.map(tls_config).transpose()?;
        let dir = rustix::fs::open(asked.dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("cannot open {}", asked.dir))?;
        let connections_max = asked.connections_max.min(list.lines().count());
        Ok(Self { list, origin, config, dir, connections_max })
    }

    pub(crate) fn work(&self) -> Result<Work<'_>> {
        let paths = self.origin.paths(&self.list)?;
        Ok(Work { origin: &self.origin, paths, started: 0, finished: 0, dir: &self.dir })
    }
}

/// The work of a pull, and how far it got.
pub(crate) struct Work<'a> {
    pub(crate) origin: &'a Origin,
    paths: Vec<&'a str>,
    started: usize,
    /// Files that are finished.
    pub(crate) finished: usize,
    pub(crate) dir: &'a OwnedFd,
}

impl<'a> Work<'a> {
    /// The next path, if there is one left.
    pub(crate) fn next_path(&mut self) -> Option<&'a str> {
        let path = self.paths.get(self.started)?;
        self.started += 1;
        Some(path)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.finished == self.paths.len()
    }
}

/// The origin that all URLs of the list lead to.
pub(crate) struct Origin {
    /// `http://host:port`.
    prefix: String,
    /// `host:port`.
    pub(crate) authority: String,
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

    /// The path of every URL.
    fn paths<'a>(&self, list: &'a str) -> Result<Vec<&'a str>> {
        let path = |url: &'a str| url.strip_prefix(&self.prefix);
        list.lines().map(path).collect::<Option<_>>().context("the list has several origins")
    }

    /// Connects, and makes the TLS handshake, both blocking.
    pub(crate) fn connect(
        &self,
        config: Option<&Arc<ClientConfig>>,
    ) -> Result<(TcpStream, Option<ClientConnection>)> {
        let mut stream = TcpStream::connect(&self.authority)?;
        stream.set_nodelay(true)?;
        if !self.is_tls {
            return Ok((stream, None));
        }
        let config = config.context("https needs a CA file")?;
        let (host, _) = self.authority.rsplit_once(':').context("no port")?;
        let name = ServerName::try_from(host.to_owned())?;
        let mut tls = ClientConnection::new(Arc::clone(config), name)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok((stream, Some(tls)))
    }
}

/// The last segment of a path: the name of its file.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `Content-Length`, and the length of the head, which must have come in one piece.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<(usize, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("half a head")?;
    let head = str::from_utf8(&bytes[..end])?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let (_, length) = fields
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("no Content-Length")?;
    Ok((length.parse()?, end + 4))
}

/// Decrypts whole records of `wire` into `plain` and gives the plaintext length. rustls keeps the
/// rest, less than one record, until the next call.
pub(crate) fn decrypt(
    tls: &mut ClientConnection,
    mut wire: &[u8],
    plain: &mut [u8],
) -> Result<usize> {
    let mut filled = 0;
    while !wire.is_empty() {
        tls.read_tls(&mut wire)?;
        let ready = tls.process_new_packets()?.plaintext_bytes_to_read();
        tls.reader().read_exact(&mut plain[filled..filled + ready])?;
        filled += ready;
    }
    Ok(filled)
}

/// A TLS client that trusts the certificates of this file.
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

/// Longest TLS record (RFC 8446 section 5.2, RFC 5246 section 6.2.3): header and ciphertext.
pub(crate) const RECORD_BYTES_MAX: usize = 5 + (1 << 14) + 2048;
