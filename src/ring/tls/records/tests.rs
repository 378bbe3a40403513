//! Records against the server of rustls, and against one that says whatever it likes by its keys.

use super::*;
use crate::ring::buf::{BufPool, Size};
use crate::ring::tls::library;
use proptest::prelude::*;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    SupportedCipherSuite,
};
use std::io::{Read as _, Write as _};
use std::sync::Arc;

/// Configurations of a client and a server that trust each other.
fn configs(suite: SupportedCipherSuite) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites = vec![suite];
    let provider = Arc::new(provider);
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    server.enable_secret_extraction = true;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    (Arc::new(client), Arc::new(server))
}

/// A client after its handshake, and the server that it made it with.
struct Pair {
    records: Records,
    wire: Wire,
    server: ServerConnection,
    kind: Option<HandshakeKind>,
}

impl Pair {
    fn new() -> Self {
        Self::of(&configs(TLS13_AES_128_GCM_SHA256))
    }

    fn of((client, server): &(Arc<ClientConfig>, Arc<ServerConfig>)) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = UnbufferedClientConnection::new(Arc::clone(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        let pool = BufPool::default();
        let mut wire = Wire::new(&pool);
        let mut plain = pool.take(Size::Small);
        while library::pump(&mut tls, &mut wire, &mut plain, &mut None) != Ok(Wait::Traffic) {
            serve(&mut server, &std::mem::take(&mut wire.outgoing));
            receive(&mut wire, &written(&mut server));
        }
        serve(&mut server, &std::mem::take(&mut wire.outgoing));
        assert!(!wire.is_disturbed() && !server.is_handshaking());
        let kind = tls.handshake_kind();
        Self { records: Records::take_over(tls).unwrap(), wire, server, kind }
    }

    /// Decrypts what the server has to say, in pieces, into more plaintext than a buffer holds.
    fn read(&mut self, ciphertext: &[u8], piece: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut plain = BufPool::default().take(Size::Small);
        for part in ciphertext.chunks(piece) {
            receive(&mut self.wire, part);
            while self.records.pump(&mut self.wire, &mut plain, &mut None).unwrap() == Wait::Room {
                drain(&mut plain, &mut all);
            }
            drain(&mut plain, &mut all);
        }
        all
    }

    fn request(&mut self, text: &[u8]) -> Vec<u8> {
        let mut plain = BufPool::default().take(Size::Small);
        let wait = self.records.pump(&mut self.wire, &mut plain, &mut Some(text));
        assert_eq!(wait, Ok(Wait::Traffic));
        std::mem::take(&mut self.wire.outgoing)
    }

    /// A server that says whatever is written by its keys.
    fn hostile(self) -> Hostile {
        let agreed = self.server.dangerous_extract_secrets().unwrap();
        let keys = Protection::new(agreed.tx).unwrap();
        let heard = Protection::new(agreed.rx).unwrap();
        Hostile { records: self.records, wire: self.wire, keys, heard }
    }
}

/// Type and content of a record that a hostile server says.
type Said = (u8, &'static [u8]);

/// A client after its handshake, and a server with its keys and no manners.
struct Hostile {
    records: Records,
    wire: Wire,
    keys: Protection,
    heard: Protection,
}

impl Hostile {
    fn new() -> Self {
        let mut pair = Pair::new();
        let tickets = written(&mut pair.server);
        assert_eq!(pair.read(&tickets, usize::MAX), b"");
        pair.hostile()
    }

    fn say(&mut self, kind: u8, content: &[u8]) -> &mut Self {
        let mut record = Vec::new();
        self.keys.seal(ContentType::from(kind), content, &mut record).unwrap();
        receive(&mut self.wire, &record);
        self
    }

    /// What comes of it: the plaintext, or an error.
    fn heard(&mut self) -> Result<Vec<u8>, Error> {
        let mut plain = BufPool::default().take(Size::Small);
        self.records.pump(&mut self.wire, &mut plain, &mut None)?;
        Ok(plain.unread().to_vec())
    }
}

/// Gives the server bytes of the client. Returns their plaintext.
fn serve(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).unwrap();
        let length = server.process_new_packets().unwrap().plaintext_bytes_to_read();
        let so_far = plain.len();
        plain.resize(so_far + length, 0);
        server.reader().read_exact(&mut plain[so_far..]).unwrap();
    }
    plain
}

/// Ciphertext that the server has for the client.
fn written(server: &mut ServerConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).unwrap();
    }
    bytes
}

fn receive(wire: &mut Wire, bytes: &[u8]) {
    wire.raw.make_room();
    wire.raw.free()[..bytes.len()].copy_from_slice(bytes);
    wire.raw.received(bytes.len());
}

fn drain(plain: &mut RecvBuf, all: &mut Vec<u8>) {
    all.extend_from_slice(plain.unread());
    plain.skip(plain.unread_len());
    plain.make_room();
}

/// Bytes of which no two neighbours at a distance of less than 251 are alike, zeros among them.
fn content(length: usize) -> Vec<u8> {
    (0..251).cycle().take(length).collect()
}

#[test]
fn each_suite_carries_requests_and_answers() {
    for suite in
        [TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256]
    {
        let mut pair = Pair::of(&configs(suite));
        // Longer than a record.
        for length in [0, 1, 300, 40_000] {
            let text = content(length);
            let records = pair.request(&text);
            assert_eq!(serve(&mut pair.server, &records), text, "{suite:?}");
            pair.server.writer().write_all(&text).unwrap();
            let answer = written(&mut pair.server);
            assert_eq!(pair.read(&answer, 1_000), text, "{suite:?}");
        }
    }
}

#[test]
fn tickets_of_a_connection_resume_the_next() {
    let configs = configs(TLS13_AES_128_GCM_SHA256);
    let mut first = Pair::of(&configs);
    assert_eq!(first.kind, Some(HandshakeKind::Full));
    let tickets = written(&mut first.server);
    assert!(!tickets.is_empty());
    assert_eq!(first.read(&tickets, 7), b"");
    assert_eq!(Pair::of(&configs).kind, Some(HandshakeKind::Resumed));
}

#[test]
fn a_ticket_may_come_in_pieces_and_with_others() {
    // Lifetime, age, nonce, ticket, no extensions (RFC 8446 section 4.6.1).
    let ticket = [4, 0, 0, 17, 0, 0, 1, 0, 0, 0, 0, 7, 1, 9, 0, 3, 1, 2, 3, 0, 0];
    let mut peer = Hostile::new();
    for byte in ticket {
        assert_eq!(peer.say(22, &[byte]).heard(), Ok(vec![]));
    }
    assert_eq!(peer.say(22, &[ticket, ticket].concat()).say(23, b"x").heard(), Ok(b"x".to_vec()));
    // One that is longer than it says, so that its pieces were put together.
    let mut damaged = ticket;
    damaged[15] = 2;
    peer.say(22, &damaged[..9]).heard().unwrap();
    let error = peer.say(22, &damaged[9..]).heard();
    assert!(matches!(error, Err(Error::InvalidMessage(_))), "{error:?}");
}

#[test]
fn keys_are_replaced_when_the_server_replaces_its_own() {
    let mut pair = Pair::new();
    for round in 0..40 {
        pair.server.refresh_traffic_keys().unwrap();
        pair.server.writer().write_all(&content(round)).unwrap();
        let answer = written(&mut pair.server);
        assert_eq!(pair.read(&answer, 11), content(round));
        // The server asked for it, and reads what comes behind by the new keys alone.
        let records = pair.request(b"GET");
        assert_eq!(serve(&mut pair.server, &records), b"GET");
        assert_eq!(pair.records.sending.sequence, 1);
    }
}

#[test]
fn keys_are_replaced_before_they_have_served_too_long() {
    let mut peer = Hostile::new();
    peer.records.sending.sequence = RECORDS_SENT_MAX;
    peer.heard.sequence = RECORDS_SENT_MAX;
    peer.records.pump(&mut peer.wire, &mut RecvBuf::default(), &mut Some(b"GET")).unwrap();
    let sent = std::mem::take(&mut peer.wire.outgoing);
    let length = whole_record(&sent).unwrap().unwrap();
    let mut inner = [0; 100];
    let update = peer.heard.open(&sent[..length], &mut inner);
    assert_eq!(update, Ok((ContentType::Handshake, 5)));
    assert_eq!(inner[..5], [24, 0, 0, 1, 0]);
    assert_eq!(whole_record(&sent[length..]), Ok(Some(sent.len() - length)));
    assert_eq!(peer.heard.open(&sent[length..], &mut inner), Err(Error::DecryptError));
    assert_eq!(peer.records.sending.sequence, 1);
}

#[test]
fn zeros_behind_the_type_are_no_content() {
    let mut peer = Hostile::new();
    // The type that is written behind the content is a zero then.
    peer.say(0, b"text\x17\0\0\0").say(0, b"\0\0\x17").say(23, b"").say(23, b"\0");
    assert_eq!(peer.heard(), Ok(b"text\0\0\0".to_vec()));
}

#[test]
fn what_does_not_fit_waits_for_room() {
    let mut peer = Hostile::new();
    let pool = BufPool::default();
    let mut plain = pool.take(Size::First);
    peer.say(23, &content(3_000)).say(23, &content(3_000));
    assert_eq!(peer.records.pump(&mut peer.wire, &mut plain, &mut None), Ok(Wait::Room));
    assert_eq!(plain.unread(), content(3_000));
    pool.grow(&mut plain, Size::Small);
    assert_eq!(peer.records.pump(&mut peer.wire, &mut plain, &mut None), Ok(Wait::Traffic));
    assert_eq!(plain.unread(), [content(3_000), content(3_000)].concat());
    // The longest record needs one byte more than its content.
    let mut plain = pool.take(Size::Small);
    plain.append_body(&vec![0; plain.free_len() - CONTENT_BYTES_MAX]);
    peer.say(23, &content(CONTENT_BYTES_MAX));
    assert_eq!(peer.records.pump(&mut peer.wire, &mut plain, &mut None), Ok(Wait::Room));
    plain.shorten_body(plain.body_len() - 1);
    plain.make_room();
    assert_eq!(peer.records.pump(&mut peer.wire, &mut plain, &mut None), Ok(Wait::Traffic));
    assert_eq!(plain.unread(), content(CONTENT_BYTES_MAX));
}

#[test]
fn nothing_is_heard_behind_the_end() {
    let mut peer = Hostile::new();
    peer.say(23, b"text").say(21, &[1, 0]).say(23, b"more");
    assert_eq!(peer.heard(), Ok(b"text".to_vec()));
    assert!(peer.wire.is_peer_closed && peer.wire.is_disturbed());
    assert_eq!(peer.heard(), Ok(vec![]));
}

#[test]
fn a_pointless_warning_is_ignored_a_few_times() {
    let mut peer = Hostile::new();
    for _ in 0..WARNINGS_MAX {
        assert_eq!(peer.say(21, &[1, 90]).heard(), Ok(vec![]));
    }
    let canceled = Err(Error::AlertReceived(AlertDescription::UserCanceled));
    assert_eq!(peer.say(21, &[1, 90]).heard(), canceled);
}

#[test]
fn key_updates_without_data_are_limited() {
    let mut peer = Hostile::new();
    let update = [24, 0, 0, 1, 0];
    peer.records.updates = KEY_UPDATES_MAX;
    assert_eq!(peer.say(23, b"").heard(), Ok(vec![]));
    assert_eq!(peer.records.updates, 0);
    peer.records.updates = KEY_UPDATES_MAX;
    let many = Err(PeerMisbehaved::TooManyKeyUpdateRequests.into());
    assert_eq!(peer.say(22, &update).heard(), many);
}

#[test]
fn records_that_break_the_rules_end_the_connection() {
    let alert = |number: u8| Error::AlertReceived(AlertDescription::from(number));
    let invalid = Error::InvalidMessage;
    let said: &[(&[Said], Error)] = &[
        (&[(0, b"\0\0\0")], invalid(InvalidMessage::InvalidContentType)),
        (&[(21, &[2, 40])], alert(40)),
        // A level that says warning does not make it one (section 6).
        (&[(21, &[1, 40])], alert(40)),
        (&[(21, &[1])], invalid(InvalidMessage::TrailingData("alert"))),
        (&[(21, &[1, 0, 1, 0])], invalid(InvalidMessage::TrailingData("alert"))),
        (&[(22, b"")], invalid(InvalidMessage::InvalidEmptyPayload)),
        (&[(22, &[24, 0, 0, 1, 2])], invalid(InvalidMessage::InvalidKeyUpdate)),
        (&[(22, &[24, 0, 0, 0])], invalid(InvalidMessage::InvalidKeyUpdate)),
        (&[(22, &[24, 0, 0, 1, 0, 4])], PeerMisbehaved::KeyEpochWithPendingFragment.into()),
        (&[(22, &[4, 1, 0, 0])], invalid(InvalidMessage::HandshakePayloadTooLarge)),
        (
            &[(22, &[4, 0, 0, 9, 1]), (23, b"text")],
            PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into(),
        ),
        (
            &[(22, &[13, 0, 0, 0])],
            Error::InappropriateHandshakeMessage {
                expect_types: vec![HandshakeType::NewSessionTicket, HandshakeType::KeyUpdate],
                got_type: HandshakeType::CertificateRequest,
            },
        ),
        (
            &[(20, &[1])],
            Error::InappropriateMessage {
                expect_types: vec![
                    ContentType::ApplicationData,
                    ContentType::Alert,
                    ContentType::Handshake,
                ],
                got_type: ContentType::ChangeCipherSpec,
            },
        ),
    ];
    for (records, error) in said {
        let mut peer = Hostile::new();
        for (kind, content) in *records {
            peer.say(*kind, content);
        }
        assert_eq!(peer.heard().as_ref(), Err(error), "{records:?}");
    }
}

#[test]
fn records_that_nobody_encrypted_end_the_connection() {
    let oversized = [23, 3, 3, 0x40, 0x12];
    for (bytes, error) in [
        (&[21, 3, 3, 0, 2, 2, 40][..], Error::InvalidMessage(InvalidMessage::InvalidContentType)),
        (b"HTTP/1.1 200 OK", Error::InvalidMessage(InvalidMessage::InvalidContentType)),
        (&oversized, Error::PeerSentOversizedRecord),
        (&[23, 3, 3, 0, 16], Error::DecryptError),
        (&[&[23, 3, 3, 0, 17][..], &[0; 17]].concat(), Error::DecryptError),
    ] {
        let mut peer = Hostile::new();
        receive(&mut peer.wire, bytes);
        assert_eq!(peer.heard(), Err(error), "{bytes:?}");
    }
    // The longest that is allowed is waited for.
    let mut peer = Hostile::new();
    receive(&mut peer.wire, &[23, 3, 3, 0x40, 0x11]);
    assert_eq!(peer.heard(), Ok(vec![]));
}

#[test]
fn no_byte_of_a_record_can_be_changed() {
    let mut sent = Vec::new();
    Hostile::new().keys.seal(ContentType::ApplicationData, b"text", &mut sent).unwrap();
    for place in 0..sent.len() {
        let mut peer = Hostile::new();
        let mut record = Vec::new();
        peer.keys.seal(ContentType::ApplicationData, b"text", &mut record).unwrap();
        record[place] ^= 1;
        receive(&mut peer.wire, &record);
        // A length that is longer waits for the rest of it.
        let heard = peer.heard();
        assert!(heard.is_err() || heard == Ok(vec![]), "{place} {heard:?}");
    }
    // Nor can a record be left out, or come twice.
    let mut peer = Hostile::new();
    peer.keys.seal(ContentType::ApplicationData, b"lost", &mut Vec::new()).unwrap();
    assert_eq!(peer.say(23, b"text").heard(), Err(Error::DecryptError));
    let mut peer = Hostile::new();
    let mut record = Vec::new();
    peer.keys.seal(ContentType::ApplicationData, b"text", &mut record).unwrap();
    receive(&mut peer.wire, &[&record[..], &record[..]].concat());
    assert_eq!(peer.heard(), Err(Error::DecryptError));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_comes_in_whatever_pieces_is_what_was_said(
        said in prop::collection::vec((0..4_u8, 0..40_000_usize), 1..8),
        piece in 1..70_000_usize,
    ) {
        let mut pair = Pair::new();
        let (mut expected, mut ciphertext) = (Vec::new(), written(&mut pair.server));
        for (kind, length) in said {
            if kind == 0 {
                pair.server.refresh_traffic_keys().unwrap();
            } else {
                let text = content(length);
                pair.server.writer().write_all(&text).unwrap();
                expected.extend(text);
            }
            ciphertext.extend(written(&mut pair.server));
        }
        prop_assert_eq!(pair.read(&ciphertext, piece), expected);
        prop_assert!(!pair.wire.is_disturbed());
    }
}
