//! TLS over one socket. With its `settings` the only place of the client that names rustls (0.23,
//! aws-lc-rs).
//!
//! The unbuffered API is used: records are decrypted in place in the receive buffer of ciphertext,
//! and the plaintext of each is copied once into the buffer that the HTTP exchange reads. (rustls
//! 0.23 holds the plaintext of a record in memory of its own, so that copy cannot be saved.)

use super::buf::{BufPool, RecvBuf, Size};
use super::tcp::Socket;
use crate::fault::{Cause, Failure};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{HandshakeKind, ProtocolVersion};
use std::fmt;
use std::sync::Arc;

mod options;
mod settings;
mod trust;
mod words;

pub use options::{Pins, Tls13Suite, TlsOptions, TlsVersion};
pub use settings::Settings;
use words::ClientCertificate;

/// The TLS state of one connection.
pub struct Session {
    tls: UnbufferedClientConnection,
    /// Ciphertext received and not yet decrypted.
    raw: RecvBuf,
    /// Records to be sent.
    outgoing: Vec<u8>,
    is_peer_closed: bool,
    client: ClientCertificate,
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
            tls: tls.map_err(|error| words::failure(&error, client))?,
            client,
            raw: pool.take(Size::Small),
            outgoing: Vec::new(),
            is_peer_closed: false,
            pool: pool.clone(),
        };
        let mut no_plaintext = pool.take(Size::Small);
        let result = session.shake(socket, &mut no_plaintext).await;
        pool.give(no_plaintext);
        result.map(|()| session)
    }

    /// Whether an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The least ciphertext that `plain` bytes of plaintext come in: records that are as long, and
    /// have as little beside, as they can (RFC 8446 section 5.2, RFC 5246 section 6.2.3.3).
    pub fn ciphertext_min(&self, plain: u64) -> u64 {
        let beside = match self.tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => RECORD_BESIDE_TLS13_BYTES,
            _ => RECORD_BESIDE_TLS12_BYTES,
        };
        plain + plain.div_ceil(RECORD_PLAIN_BYTES_MAX) * beside
    }

    /// Whether the peer has closed, or ciphertext is left that no request asked for.
    pub fn is_disturbed(&self) -> bool {
        self.raw.unread_len() > 0 || self.is_peer_closed
    }

    /// Encrypts `plain` into bytes to be sent, behind those that TLS itself has to send.
    ///
    /// # Errors
    ///
    /// When the session cannot encrypt any more.
    pub fn encrypt(&mut self, plain: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut unasked = self.pool.take(Size::Small);
        let mut request = Some(plain);
        let wait = self.pump(&mut unasked, &mut request);
        let is_useless = request.is_some()
            || unasked.unread_len() > 0
            || self.is_peer_closed
            || self.outgoing.is_empty();
        self.pool.give(unasked);
        match wait? {
            // The peer closed it or spoke out of turn while it was idle.
            Wait::Traffic if is_useless => Err(Cause::Reset.into()),
            Wait::Traffic => Ok(std::mem::take(&mut self.outgoing)),
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
            *plain = self.pool.take(Size::Small);
        }
        let before = plain.unread_len();
        self.pump(plain, &mut None)?;
        Ok(plain.unread_len() - before)
    }

    /// Whether the peer said that nothing more will come (close_notify, RFC 8446 section 6.1).
    pub fn is_peer_closed(&self) -> bool {
        self.is_peer_closed
    }

    /// Records that TLS itself wants sent, if any.
    pub fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        (!self.outgoing.is_empty()).then(|| std::mem::take(&mut self.outgoing))
    }

    /// Gives the buffer of ciphertext back while nothing is in it.
    pub fn park(&mut self) {
        if self.raw.unread_len() == 0 {
            self.give_raw();
        }
    }

    /// The buffer of ciphertext, which may have no memory, to be received into.
    pub fn raw_as_it_is(&mut self) -> &mut RecvBuf {
        if self.raw.has_memory() {
            self.raw.make_room();
        }
        &mut self.raw
    }

    /// The buffer of ciphertext, to be received into; as large as the plaintext's.
    pub fn raw(&mut self, size: Size) -> &mut RecvBuf {
        if !self.raw.has_memory() {
            self.raw = self.pool.take(size);
        }
        match (self.raw.size(), size) {
            // An answer may bring memory that is too small for a record.
            (Size::First, _) => self.pool.grow(&mut self.raw, Size::Small),
            (Size::Small, Size::Large) => self.pool.enlarge(&mut self.raw),
            (Size::Small | Size::Large, _) => {}
        }
        self.raw.make_room();
        &mut self.raw
    }

    fn give_raw(&mut self) {
        if self.raw.has_memory() {
            self.pool.give(std::mem::take(&mut self.raw));
        }
    }

    async fn shake(&mut self, socket: &Socket, plain: &mut RecvBuf) -> Result<(), Failure> {
        loop {
            let wait = match self.pump(plain, &mut None) {
                Ok(wait) => wait,
                Err(Failure { cause, .. }) if self.raw.unread().starts_with(b"HTTP/") => {
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
                Wait::Traffic if self.is_peer_closed => {
                    return Err(Failure::new(Cause::Closed, "closed in the TLS handshake"));
                }
                Wait::Traffic => return Ok(()),
                Wait::Room => return Err(Cause::TlsProtocol.into()),
                Wait::Handshake => {}
            }
            self.raw.make_room();
            let (memory, range) = self.raw.lend_free(self.raw.free_len());
            let (received, memory) = socket.receive(memory, range, false).await;
            self.raw.restore(memory);
            match received? {
                0 => return Err(Failure::new(Cause::Closed, "closed in the TLS handshake")),
                count => self.raw.received(count),
            }
        }
    }

    /// Lets rustls work until it needs something from outside. Plaintext goes to `plain`; with
    /// `request`, that is encrypted as soon as it may be.
    fn pump(&mut self, plain: &mut RecvBuf, request: &mut Option<&[u8]>) -> Result<Wait, Failure> {
        loop {
            let UnbufferedStatus { discard, state } =
                self.tls.process_tls_records(self.raw.unread());
            self.client.is_asked |= settings::take_asked();
            let wait = match state.map_err(|error| words::failure(&error, self.client))? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    let mut wait = None;
                    while let Some(length) = traffic.peek_len() {
                        if length.get() > plain.free_len() {
                            wait = Some(Wait::Room);
                            break;
                        }
                        let Some(record) = traffic.next_record() else { break };
                        let payload =
                            record.map_err(|error| words::failure(&error, self.client))?.payload;
                        plain.free()[..payload.len()].copy_from_slice(payload);
                        plain.received(payload.len());
                    }
                    wait
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    encode(&mut self.outgoing, |out| match data.encode(out) {
                        Err(EncodeError::InsufficientSize(size)) => Err(size.required_size),
                        other => Ok(other.unwrap_or(0)),
                    });
                    None
                }
                ConnectionState::TransmitTlsData(data) => {
                    // `outgoing` is sent by whoever called, before anything is waited for.
                    data.done();
                    None
                }
                ConnectionState::WriteTraffic(mut traffic) => match request.take() {
                    Some(bytes) => {
                        encode(&mut self.outgoing, |out| match traffic.encrypt(bytes, out) {
                            Err(EncryptError::InsufficientSize(size)) => Err(size.required_size),
                            other => Ok(other.unwrap_or(0)),
                        });
                        Some(Wait::Traffic)
                    }
                    None => Some(Wait::Traffic),
                },
                ConnectionState::BlockedHandshake => Some(Wait::Handshake),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.is_peer_closed = true;
                    Some(Wait::Traffic)
                }
                // Early data is a server's state; the enum may grow.
                _ => return Err(Cause::TlsProtocol.into()),
            };
            self.raw.skip(discard);
            if let Some(wait) = wait {
                return Ok(wait);
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_peer_closed", &self.is_peer_closed).finish()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.give_raw();
    }
}

/// Appends to `outgoing` what `write` encodes, growing it to what `write` says it needs.
fn encode(outgoing: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>) {
    let end = outgoing.len();
    let mut room = RECORD_ROOM_BYTES;
    loop {
        outgoing.resize(end + room, 0);
        match write(&mut outgoing[end..]) {
            Ok(written) => {
                outgoing.truncate(end + written);
                return;
            }
            Err(required) => room = required,
        }
    }
}

/// Longest plaintext of one record, in bytes.
const RECORD_PLAIN_BYTES_MAX: u64 = 16_384;

/// Least bytes of a record beside its plaintext with TLS 1.3: header, tag, and type of content.
const RECORD_BESIDE_TLS13_BYTES: u64 = 5 + 16 + 1;
/// Least bytes of a record beside its plaintext with TLS 1.2; ChaCha20-Poly1305 has no explicit
/// nonce either (RFC 7905).
const RECORD_BESIDE_TLS12_BYTES: u64 = 5 + 16;

/// First guess of the room a record to be sent needs, in bytes.
const RECORD_ROOM_BYTES: usize = 1_024;
