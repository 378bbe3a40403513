//! The handshake, and all of TLS 1.2, by the unbuffered API of rustls: records are decrypted in
//! place, and the plaintext of each is copied once into the buffer that the HTTP exchange reads.
//! (rustls 0.23 holds the plaintext of a record in memory of its own.)

use super::{Wait, Wire};
use crate::ring::buf::RecvBuf;
use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// Lets rustls work until it needs something from outside. Plaintext goes to `plain`; with
/// `request`, that is encrypted as soon as it may be.
///
/// # Errors
///
/// When a record or a message is not in order, or the peer sent an alert.
pub(super) fn pump(
    tls: &mut UnbufferedClientConnection,
    wire: &mut Wire,
    plain: &mut RecvBuf,
    request: &mut Option<&[u8]>,
) -> Result<Wait, Error> {
    loop {
        let UnbufferedStatus { discard, state } = tls.process_tls_records(wire.raw.unread());
        let wait = match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                let mut wait = None;
                while let Some(length) = traffic.peek_len() {
                    if length.get() > plain.free_len() {
                        wait = Some(Wait::Room);
                        break;
                    }
                    let Some(record) = traffic.next_record() else { break };
                    let payload = record?.payload;
                    plain.free()[..payload.len()].copy_from_slice(payload);
                    plain.received(payload.len());
                }
                wait
            }
            ConnectionState::EncodeTlsData(mut data) => {
                encode(&mut wire.outgoing, |out| match data.encode(out) {
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
                    encode(&mut wire.outgoing, |out| match traffic.encrypt(bytes, out) {
                        Err(EncryptError::InsufficientSize(size)) => Err(size.required_size),
                        other => Ok(other.unwrap_or(0)),
                    });
                    Some(Wait::Traffic)
                }
                None => Some(Wait::Traffic),
            },
            ConnectionState::BlockedHandshake => Some(Wait::Handshake),
            ConnectionState::PeerClosed | ConnectionState::Closed => {
                wire.is_peer_closed = true;
                Some(Wait::Traffic)
            }
            // Early data is a server's state; the enum may grow.
            _ => return Err(Error::General("a state that no client is in".to_owned())),
        };
        wire.raw.skip(discard);
        if let Some(wait) = wait {
            return Ok(wait);
        }
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

/// First guess of the room a record to be sent needs, in bytes.
const RECORD_ROOM_BYTES: usize = 1_024;
