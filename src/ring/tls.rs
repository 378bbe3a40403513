//! TLS over one socket. With its modules the only place of the client that names rustls (0.23,
//! aws-lc-rs).
//!
//! The handshake is made by rustls, and so is all of TLS 1.2 (`library`). With TLS 1.3 the
//! records after it are read and written here (`records`): the library would copy each of them.

use super::buf::{BufPool, RecvBuf, Size};
use super::tcp::Socket;
use crate::fault::{Cause, Failure};
use records::Records;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::{HandshakeKind, ProtocolVersion};
use std::fmt;
use std::sync::Arc;

mod library;
mod options;
mod records;
mod settings;
mod trust;
mod words;

pub use options::{Pins, Tls13Suite, TlsOptions, TlsVersion};
pub use settings::Settings;
use words::ClientCertificate;

/// The TLS state of one connection.
pub struct Session {
    layer: Layer,
    wire: Wire,
    client: ClientCertificate,
    /// See [`Session::is_resumed`].
    is_resumed: bool,
}

/// Maker and reader of the records.
enum Layer {
    /// rustls: in the handshake, and with TLS 1.2.
    Library(Box<UnbufferedClientConnection>),
    /// Our own, after a handshake of TLS 1.3.
    Records(Box<Records>),
}

/// Ciphertext of one connection, in both directions.
struct Wire {
    /// Ciphertext received and not yet decrypted.
    raw: RecvBuf,
    /// Records to be sent.
    outgoing: Vec<u8>,
    is_peer_closed: bool,
    pool: BufPool,
}

/// Need of [`Session::pump`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wait {
    /// More ciphertext, in the handshake.
    Handshake,
    /// More ciphertext, or application data to send.
    Traffic,
    /// Room for the next record's plaintext.
    Room,
}

impl Session {
    /// Makes the handshake on a connected socket, whose deadline the caller armed.
    ///
    /// # Errors
    ///
    /// When server and client do not agree, or the connection ends.
    pub async fn handshake(
        settings: &Settings,
        host: &str,
        socket: &Socket,
        pool: &BufPool,
    ) -> Result<Self, Failure> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Failure::new(Cause::TlsProtocol, error.to_string()))?;
        let tls = UnbufferedClientConnection::new(Arc::clone(&settings.config), name);
        let client = ClientCertificate { is_given: settings.has_certificate, is_asked: false };
        let mut session = Self {
            layer: Layer::Library(Box::new(tls.map_err(|error| words::failure(&error, client))?)),
            wire: Wire::new(pool),
            client,
            is_resumed: false,
        };
        let mut early = pool.take(Size::Small);
        let result = session.shake(socket, &mut early).await;
        let is_early = early.unread_len() > 0;
        pool.give(early);
        result?;
        if is_early {
            return Err(Failure::new(Cause::TlsProtocol, "it answered before it was asked"));
        }
        session.shaken()
    }

    /// Goes on behind the handshake with our own records, unless a part of one is with the library.
    fn shaken(self) -> Result<Self, Failure> {
        let Layer::Library(tls) = self.layer else { return Ok(self) };
        let is_resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let is_own =
            tls.protocol_version() == Some(ProtocolVersion::TLSv1_3) && !self.wire.is_disturbed();
        let layer = match is_own {
            true => {
                let records = Records::take_over(*tls);
                let records = records.map_err(|error| words::failure(&error, self.client))?;
                Layer::Records(Box::new(records))
            }
            false => Layer::Library(tls),
        };
        Ok(Self { layer, is_resumed, ..self })
    }

    /// Whether an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// The least ciphertext that `plain` bytes of plaintext come in: records that are as long, and
    /// have as little beside, as they can (RFC 8446 section 5.2, RFC 5246 section 6.2.3.3).
    pub fn ciphertext_min(&self, plain: u64) -> u64 {
        let version = match &self.layer {
            Layer::Library(tls) => tls.protocol_version(),
            Layer::Records(_) => Some(ProtocolVersion::TLSv1_3),
        };
        let beside = match version {
            Some(ProtocolVersion::TLSv1_3) => RECORD_BESIDE_TLS13_BYTES,
            _ => RECORD_BESIDE_TLS12_BYTES,
        };
        plain + plain.div_ceil(RECORD_PLAIN_BYTES_MAX) * beside
    }

    /// Whether the peer has closed, or ciphertext is left that no request asked for.
    pub fn is_disturbed(&self) -> bool {
        self.wire.is_disturbed()
    }

    /// Encrypts `plain` into bytes to be sent, behind those that TLS itself has to send.
    ///
    /// # Errors
    ///
    /// When the session cannot encrypt any more.
    pub fn encrypt(&mut self, plain: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut unasked = self.wire.pool.take(Size::Small);
        let mut request = Some(plain);
        let wait = self.pump(&mut unasked, &mut request);
        let is_useless = request.is_some()
            || unasked.unread_len() > 0
            || self.wire.is_peer_closed
            || self.wire.outgoing.is_empty();
        self.wire.pool.give(unasked);
        match wait? {
            // The peer closed it or spoke out of turn while it was idle.
            Wait::Traffic if is_useless => Err(Cause::Reset.into()),
            Wait::Traffic => Ok(std::mem::take(&mut self.wire.outgoing)),
            Wait::Handshake | Wait::Room => Err(Cause::TlsProtocol.into()),
        }
    }

    /// Decrypts received bytes into `plain`, as far as they fit. Returns the plaintext bytes added.
    ///
    /// # Errors
    ///
    /// When a record is not in order, or the peer sent an alert.
    pub fn decrypt(&mut self, plain: &mut RecvBuf) -> Result<usize, Failure> {
        if !plain.has_memory() {
            *plain = self.wire.pool.take(Size::Small);
        }
        let before = plain.unread_len();
        self.pump(plain, &mut None)?;
        Ok(plain.unread_len() - before)
    }

    /// Whether the peer said that nothing more will come (close_notify, RFC 8446 section 6.1).
    pub fn is_peer_closed(&self) -> bool {
        self.wire.is_peer_closed
    }

    /// Records that TLS itself wants sent, if any.
    pub fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        (!self.wire.outgoing.is_empty()).then(|| std::mem::take(&mut self.wire.outgoing))
    }

    /// Gives the buffer of ciphertext back while nothing is in it.
    pub fn park(&mut self) {
        if self.wire.raw.unread_len() == 0 {
            self.wire.give_raw();
        }
    }

    /// The buffer of ciphertext, which may have no memory, to be received into.
    pub fn raw_as_it_is(&mut self) -> &mut RecvBuf {
        if self.wire.raw.has_memory() {
            self.wire.raw.make_room();
        }
        &mut self.wire.raw
    }

    /// The buffer of ciphertext, to be received into; as large as the plaintext's.
    pub fn raw(&mut self, size: Size) -> &mut RecvBuf {
        if !self.wire.raw.has_memory() {
            self.wire.raw = self.wire.pool.take(size);
        }
        match (self.wire.raw.size(), size) {
            // An answer may bring memory that is too small for a record.
            (Size::First, _) => self.wire.pool.grow(&mut self.wire.raw, Size::Small),
            (Size::Small, Size::Large) => self.wire.pool.enlarge(&mut self.wire.raw),
            (Size::Small | Size::Large, _) => {}
        }
        self.wire.raw.make_room();
        &mut self.wire.raw
    }

    async fn shake(&mut self, socket: &Socket, plain: &mut RecvBuf) -> Result<(), Failure> {
        loop {
            let wait = match self.pump(plain, &mut None) {
                Ok(wait) => wait,
                Err(Failure { cause, .. }) if self.wire.raw.unread().starts_with(b"HTTP/") => {
                    let words = "it answers in plain HTTP; write http:// or another port";
                    return Err(Failure::new(cause, words));
                }
                Err(failure) => return Err(failure),
            };
            if let Some(records) = self.take_outgoing() {
                let (sent, _) = socket.send(records).await;
                sent?;
            }
            match wait {
                Wait::Traffic if self.wire.is_peer_closed => {
                    return Err(Failure::new(Cause::Closed, "closed in the TLS handshake"));
                }
                Wait::Traffic => return Ok(()),
                Wait::Room => return Err(Cause::TlsProtocol.into()),
                Wait::Handshake => {}
            }
            self.wire.raw.make_room();
            let (memory, range) = self.wire.raw.lend_free(self.wire.raw.free_len());
            let (received, memory) = socket.receive(memory, range, false).await;
            self.wire.raw.restore(memory);
            match received? {
                0 => return Err(Failure::new(Cause::Closed, "closed in the TLS handshake")),
                count => self.wire.raw.received(count),
            }
        }
    }

    /// Decrypts what is here into `plain` and heeds what TLS says in it, until something is needed
    /// from outside; with `request`, that is encrypted as soon as it may be.
    fn pump(&mut self, plain: &mut RecvBuf, request: &mut Option<&[u8]>) -> Result<Wait, Failure> {
        let wait = match &mut self.layer {
            Layer::Library(tls) => library::pump(tls, &mut self.wire, plain, request),
            Layer::Records(records) => records.pump(&mut self.wire, plain, request),
        };
        self.client.is_asked |= settings::take_asked();
        wait.map_err(|error| words::failure(&error, self.client))
    }
}

impl Wire {
    fn new(pool: &BufPool) -> Self {
        Self {
            raw: pool.take(Size::Small),
            outgoing: Vec::new(),
            is_peer_closed: false,
            pool: pool.clone(),
        }
    }

    /// Whether the peer has closed, or ciphertext is left.
    fn is_disturbed(&self) -> bool {
        self.raw.unread_len() > 0 || self.is_peer_closed
    }

    fn give_raw(&mut self) {
        if self.raw.has_memory() {
            self.pool.give(std::mem::take(&mut self.raw));
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_peer_closed", &self.wire.is_peer_closed).finish()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.give_raw();
    }
}

/// Longest plaintext of one record, in bytes.
const RECORD_PLAIN_BYTES_MAX: u64 = 16_384;

/// Least bytes of a record beside its plaintext with TLS 1.3: header, tag, and type of content.
const RECORD_BESIDE_TLS13_BYTES: u64 = 5 + 16 + 1;
/// Least bytes of a record beside its plaintext with TLS 1.2; ChaCha20-Poly1305 has no explicit
/// nonce either (RFC 7905).
const RECORD_BESIDE_TLS12_BYTES: u64 = 5 + 16;
