//! Records of TLS 1.3 after the handshake (RFC 8446 section 5), with the secrets that rustls agreed
//! on. Each is decrypted from the buffer of ciphertext straight into the buffer that the HTTP
//! exchange reads, so that no byte of a body is copied. rustls still makes new secrets and keeps
//! the tickets (section 4.6).

use super::{Wait, Wire};
use crate::ring::buf::RecvBuf;
use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::kernel::KernelConnection;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, HandshakeType, InvalidMessage,
    PeerMisbehaved,
};

/// Records of one connection, in both directions.
pub(super) struct Records {
    /// Makes the secrets that follow, and keeps tickets.
    secrets: KernelConnection<ClientConnectionData>,
    receiving: Protection,
    sending: Protection,
    /// The beginning of a handshake message that goes on in the next record.
    message: Vec<u8>,
    /// Key updates since the last application data.
    updates: u32,
    /// Warnings since the connection began.
    warnings: u32,
}

/// Protection of the records of one direction (RFC 8446 section 5.2).
struct Protection {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    /// Number of the next record (section 5.3).
    sequence: u64,
}

impl Records {
    /// Takes a connection over from rustls, whose handshake is over and which holds no part of a
    /// record or message.
    ///
    /// # Errors
    ///
    /// When rustls has something to send still, or does not give its secrets.
    pub(super) fn take_over(tls: UnbufferedClientConnection) -> Result<Self, Error> {
        let (agreed, secrets) = tls.dangerous_into_kernel_connection()?;
        Ok(Self {
            secrets,
            receiving: Protection::new(agreed.rx)?,
            sending: Protection::new(agreed.tx)?,
            message: Vec::new(),
            updates: 0,
            warnings: 0,
        })
    }

    /// Decrypts the records that are here into `plain`, as far as they fit, and heeds what TLS says
    /// in them. Then encrypts `request`, if there is one.
    ///
    /// # Errors
    ///
    /// When a record or a message is not in order, or the peer sent an alert.
    pub(super) fn pump(
        &mut self,
        wire: &mut Wire,
        plain: &mut RecvBuf,
        request: &mut Option<&[u8]>,
    ) -> Result<Wait, Error> {
        while !wire.is_peer_closed {
            let Some(length) = whole_record(wire.raw.unread())? else { break };
            if length - HEADER_BYTES - TAG_BYTES > plain.free_len() {
                return Ok(Wait::Room);
            }
            let record = &wire.raw.unread()[..length];
            let (kind, content) = self.receiving.open(record, plain.free())?;
            if kind != ContentType::Handshake && !self.message.is_empty() {
                return Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into());
            }
            match kind {
                ContentType::ApplicationData => {
                    plain.received(content);
                    self.updates = 0;
                }
                ContentType::Alert => self.heed_alert(&plain.free()[..content], wire)?,
                ContentType::Handshake => self.heed_messages(&plain.free()[..content], wire)?,
                got_type => {
                    let expect_types = vec![
                        ContentType::ApplicationData,
                        ContentType::Alert,
                        ContentType::Handshake,
                    ];
                    return Err(Error::InappropriateMessage { expect_types, got_type });
                }
            }
            wire.raw.skip(length);
        }
        if let Some(bytes) = request.take() {
            for part in bytes.chunks(CONTENT_BYTES_MAX) {
                self.send(ContentType::ApplicationData, part, &mut wire.outgoing)?;
            }
        }
        Ok(Wait::Traffic)
    }

    /// Section 6. All alerts end the connection, but for two: one ends it in an orderly way, and
    /// one is sent for nothing by some.
    fn heed_alert(&mut self, alert: &[u8], wire: &mut Wire) -> Result<(), Error> {
        let &[_level, alert] = alert else {
            return Err(InvalidMessage::TrailingData("alert").into());
        };
        match AlertDescription::from(alert) {
            AlertDescription::CloseNotify => wire.is_peer_closed = true,
            AlertDescription::UserCanceled if self.warnings < WARNINGS_MAX => self.warnings += 1,
            alert => return Err(Error::AlertReceived(alert)),
        }
        Ok(())
    }

    /// Handshake messages behind the handshake (section 4.6), of which the last may go on in the
    /// next record.
    fn heed_messages(&mut self, content: &[u8], wire: &mut Wire) -> Result<(), Error> {
        if content.is_empty() {
            return Err(InvalidMessage::InvalidEmptyPayload.into());
        }
        self.message.extend_from_slice(content);
        let messages = std::mem::take(&mut self.message);
        let mut rest = &messages[..];
        while let &[kind, high, middle, low, ref behind @ ..] = rest {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > MESSAGE_BYTES_MAX {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let Some((payload, behind)) = behind.split_at_checked(length) else { break };
            match (HandshakeType::from(kind), payload) {
                (HandshakeType::NewSessionTicket, payload) => {
                    self.secrets.handle_new_session_ticket(payload)?;
                }
                // What follows would be encrypted by other secrets already.
                (HandshakeType::KeyUpdate, _) if !behind.is_empty() => {
                    return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
                }
                (HandshakeType::KeyUpdate, &[asks @ (0 | 1)]) => {
                    self.heed_key_update(asks == 1, wire)?;
                }
                (HandshakeType::KeyUpdate, _) => {
                    return Err(InvalidMessage::InvalidKeyUpdate.into());
                }
                (got_type, _) => {
                    let expect_types =
                        vec![HandshakeType::NewSessionTicket, HandshakeType::KeyUpdate];
                    return Err(Error::InappropriateHandshakeMessage { expect_types, got_type });
                }
            }
            rest = behind;
        }
        self.message.extend_from_slice(rest);
        Ok(())
    }

    /// The peer encrypts with new secrets from here on, and may ask for the same (section 4.6.3).
    fn heed_key_update(&mut self, is_asked: bool, wire: &mut Wire) -> Result<(), Error> {
        self.updates += 1;
        if self.updates > KEY_UPDATES_MAX {
            return Err(PeerMisbehaved::TooManyKeyUpdateRequests.into());
        }
        self.receiving = Protection::new(self.secrets.update_rx_secret()?)?;
        match is_asked {
            true => self.update_keys(&mut wire.outgoing),
            false => Ok(()),
        }
    }

    /// Encrypts one record, by new secrets where these have served for as many as they should.
    fn send(
        &mut self,
        kind: ContentType,
        content: &[u8],
        outgoing: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if self.sending.sequence >= RECORDS_SENT_MAX {
            self.update_keys(outgoing)?;
        }
        self.sending.seal(kind, content, outgoing)
    }

    /// Says that all behind comes by new secrets, without asking for new ones.
    fn update_keys(&mut self, outgoing: &mut Vec<u8>) -> Result<(), Error> {
        let message = [u8::from(HandshakeType::KeyUpdate), 0, 0, 1, 0];
        self.sending.seal(ContentType::Handshake, &message, outgoing)?;
        self.sending = Protection::new(self.secrets.update_tx_secret()?)?;
        Ok(())
    }
}

impl Protection {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, Error> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(Error::General("a cipher that is not known here".to_owned())),
        };
        let unfit = |_| Error::General("a key of the wrong length".to_owned());
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).map_err(unfit)?),
            iv: iv.as_ref().try_into().map_err(|_| unfit(aws_lc_rs::error::Unspecified))?,
            sequence,
        })
    }

    /// Decrypts a whole record to the front of `into`, which has room for all but its header and
    /// tag. Returns the type and the length of its content.
    fn open(&mut self, record: &[u8], into: &mut [u8]) -> Result<(ContentType, usize), Error> {
        let (header, sealed) = record.split_at(HEADER_BYTES);
        let (sealed, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
        let inner = &mut into[..sealed.len()];
        let nonce = self.next_nonce();
        self.key
            .open_separate_gather(nonce, Aad::from(header), sealed, tag, inner)
            .map_err(|_| Error::DecryptError)?;
        // The content, its type, and as many zeros as the sender liked (section 5.4).
        let content = inner.iter().rposition(|&byte| byte != 0);
        let content = content.ok_or(InvalidMessage::InvalidContentType)?;
        Ok((ContentType::from(inner[content]), content))
    }

    /// Appends a record of `content` to `outgoing`.
    fn seal(
        &mut self,
        kind: ContentType,
        content: &[u8],
        outgoing: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let length = u16::try_from(content.len() + 1 + TAG_BYTES).expect("content fits a record");
        let [high, low] = length.to_be_bytes();
        let header = [u8::from(ContentType::ApplicationData), 3, 3, high, low];
        outgoing.extend_from_slice(&header);
        let inner = outgoing.len();
        outgoing.extend_from_slice(content);
        outgoing.push(kind.into());
        let nonce = self.next_nonce();
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(header), &mut outgoing[inner..])
            .map_err(|_| Error::EncryptError)?;
        outgoing.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// The nonce of the next record (section 5.3).
    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        let number = &mut nonce[NONCE_LEN - size_of::<u64>()..];
        number.iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, new)| *byte ^= new);
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The length of the record at the front, with its header, once it is here as a whole.
///
/// # Errors
///
/// When it is none that may come after the handshake, or longer or shorter than may be.
fn whole_record(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let &[kind, _, _, high, low, ref sealed @ ..] = bytes else { return Ok(None) };
    if ContentType::from(kind) != ContentType::ApplicationData {
        return Err(InvalidMessage::InvalidContentType.into());
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > CONTENT_BYTES_MAX + 1 + TAG_BYTES {
        return Err(Error::PeerSentOversizedRecord);
    }
    if length <= TAG_BYTES {
        return Err(Error::DecryptError);
    }
    Ok((sealed.len() >= length).then_some(HEADER_BYTES + length))
}

/// Length of the header of a record, in bytes (RFC 8446 section 5.1).
const HEADER_BYTES: usize = 5;
/// Length of the tag of each of the ciphers, in bytes (RFC 8446 section B.4, RFC 5116 section 5).
const TAG_BYTES: usize = 16;
/// Longest content of a record, in bytes (RFC 8446 section 5.1). With its type and zeros behind it,
/// it may be longer by one byte.
const CONTENT_BYTES_MAX: usize = 16_384;
/// Longest message after the handshake, in bytes: a ticket with its fields of full length is some
/// 128 KB, and those in use are below 3 KB.
const MESSAGE_BYTES_MAX: usize = 0xffff;
/// Most key updates with no application data between them, as BoringSSL and rustls have it.
const KEY_UPDATES_MAX: u32 = 32;
/// Most alerts that are ignored, as BoringSSL and rustls have it.
const WARNINGS_MAX: u32 = 4;
/// Most records that are sent with one key: AES-GCM is good for 2^24.5 of full length (RFC 8446
/// section 5.5).
const RECORDS_SENT_MAX: u64 = 1 << 24;

#[cfg(test)]
mod tests;
