//! Messages of proxies, good and bad, whole and byte by byte.

use super::*;
use crate::limits;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const V4: Destination<'_> = Destination::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

fn connect() -> Tunnel {
    Tunnel::connect("a.example", 443, "", None).unwrap().0
}

/// Feeds one message a byte at a time: the first answer that is not "more", and the bytes it took.
fn drip(tunnel: &mut Tunnel, message: &[u8]) -> Result<TunnelStep, TunnelError> {
    for end in 0..=message.len() {
        match tunnel.receive(&message[..end])? {
            TunnelStep::NeedInput => {}
            step => {
                assert_eq!(end, message.len(), "it did not wait for the whole message");
                return Ok(step);
            }
        }
    }
    Ok(TunnelStep::NeedInput)
}

/// One answer to CONNECT, whole; byte by byte it comes to the same.
fn answer(message: &[u8]) -> Result<TunnelStep, TunnelError> {
    let whole = connect().receive(message);
    if whole != Err(TunnelError::Unasked) {
        assert_eq!(drip(&mut connect(), message), whole, "{:?}", String::from_utf8_lossy(message));
    }
    whole
}

#[test]
fn connect_names_the_origin_twice() {
    let bytes = |host, user_agent, authorization| {
        let (_, bytes) = Tunnel::connect(host, 8443, user_agent, authorization).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(
        bytes("a.example", "ringpull/1", Some("Basic eDp5")),
        "CONNECT a.example:8443 HTTP/1.1\r\nHost: a.example:8443\r\nUser-Agent: ringpull/1\r\n\
         Proxy-Authorization: Basic eDp5\r\n\r\n"
    );
    let plain = "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n";
    assert_eq!(bytes("2001:db8::1", "", None), plain);
}

#[test]
fn nothing_gets_into_a_request_that_ends_a_line() {
    for host in ["", "a b", "a\r\nX: y", "a/b", "a@b", "ü"] {
        let made = Tunnel::connect(host, 443, "", None);
        assert_eq!(made.unwrap_err(), RequestProblem::Host, "{host:?}");
        let made = Tunnel::socks5(Destination::Name(host), 443, None);
        assert_eq!(made.unwrap_err(), RequestProblem::Host, "{host:?}");
    }
    for (user_agent, authorization) in [("a\nb", None), ("", Some("a\r\nX: y"))] {
        let made = Tunnel::connect("a.example", 443, user_agent, authorization);
        assert_eq!(made.unwrap_err(), RequestProblem::Authorization);
    }
}

#[test]
fn any_2xx_opens() {
    for message in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
        "HTTP/1.1 204\r\n\r\n",
        "HTTP/1.1 299 x\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        // To be ignored (RFC 9110 section 9.3.6), right or wrong.
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    ] {
        let open = TunnelStep::Open { used: message.len() };
        assert_eq!(answer(message.as_bytes()), Ok(open), "{message:?}");
    }
}

#[test]
fn anything_else_does_not() {
    use ProtocolError::{FieldName, StatusLine, SwitchingProtocols, Version};
    let table = [
        ("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n", TunnelError::Status(407)),
        ("HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n", TunnelError::Status(302)),
        ("HTTP/1.1 502 x\r\nTransfer-Encoding: x\r\n\r\n", TunnelError::Status(502)),
        ("HTTP/1.1 304 x\r\n\r\n", TunnelError::Status(304)),
        ("HTTP/1.1 101 x\r\n\r\n", TunnelError::Head(SwitchingProtocols)),
        ("HTTP/1.1 099 x\r\n\r\n", TunnelError::Head(StatusLine)),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", TunnelError::Head(FieldName)),
        ("SSH-2.0-x\r\n", TunnelError::Head(Version)),
        ("\x05\x00", TunnelError::Head(Version)),
    ];
    for (message, error) in table {
        assert_eq!(answer(message.as_bytes()), Err(error), "{message:?}");
        let mut tunnel = connect();
        assert_eq!(tunnel.receive(message.as_bytes()), Err(error));
        assert_eq!(tunnel.receive(b"HTTP/1.1 200 OK\r\n\r\n"), Err(error), "an error stays");
    }
    for cut in ["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r"] {
        assert_eq!(answer(cut.as_bytes()), Ok(TunnelStep::NeedInput), "{cut:?}");
    }
}

#[test]
fn a_body_of_a_refusal_is_not_looked_at() {
    let message = b"HTTP/1.1 407 No\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(connect().receive(message), Err(TunnelError::Status(407)));
}

#[test]
fn bytes_before_the_origin_can_speak_are_the_proxys() {
    let message = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(connect().receive(message), Err(TunnelError::Unasked));
    let mut tunnel = connect();
    assert!(tunnel.receive(b"HTTP/1.1 200 OK\r\n\r\n").is_ok());
    assert_eq!(tunnel.receive(b""), Ok(TunnelStep::Open { used: 0 }));
    assert_eq!(tunnel.receive(b"x"), Err(TunnelError::Unasked));
}

#[test]
fn the_limits_of_heads_hold() {
    let mut message = b"HTTP/1.1 200 OK\r\nA: ".to_vec();
    message.resize(limits::HEAD_BYTES_MAX, b'a');
    let error = TunnelError::Head(ProtocolError::HeadTooLarge);
    assert_eq!(connect().receive(&message), Err(error));
    let interims = "HTTP/1.1 100 x\r\n\r\n".repeat(limits::INTERIM_RESPONSES_MAX as usize + 1);
    let error = TunnelError::Head(ProtocolError::InterimTooMany);
    assert_eq!(connect().receive(interims.as_bytes()), Err(error));
}

#[test]
fn socks_goes_step_by_step() {
    let user = Some(("me", "s:t"));
    let (mut tunnel, greeting) = Tunnel::socks5(Destination::Name("a.example"), 443, user).unwrap();
    assert_eq!(greeting, [5, 2, 0, 2]);
    let login = b"\x01\x02me\x03s:t".to_vec();
    let request = b"\x05\x01\x00\x03\x09a.example\x01\xbb".to_vec();
    let step = drip(&mut tunnel, &[5, 2]);
    assert_eq!(step, Ok(TunnelStep::Send { used: 2, bytes: login }));
    let step = drip(&mut tunnel, &[1, 0]);
    assert_eq!(step, Ok(TunnelStep::Send { used: 2, bytes: request }));
    let reply = [5, 0, 0, 1, 10, 0, 0, 1, 4, 56];
    assert_eq!(drip(&mut tunnel, &reply), Ok(TunnelStep::Open { used: 10 }));

    // The proxy may do without the login that was offered.
    let (mut tunnel, _) = Tunnel::socks5(V4, 80, user).unwrap();
    let request = vec![5, 1, 0, 1, 192, 0, 2, 7, 0, 80];
    assert_eq!(drip(&mut tunnel, &[5, 0]), Ok(TunnelStep::Send { used: 2, bytes: request }));
    let reply = b"\x05\x00\x00\x03\x03abc\x00\x50";
    assert_eq!(drip(&mut tunnel, reply), Ok(TunnelStep::Open { used: 10 }));

    let v6 = Destination::Address(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let (mut tunnel, greeting) = Tunnel::socks5(v6, 256, None).unwrap();
    assert_eq!(greeting, [5, 1, 0]);
    let Ok(TunnelStep::Send { bytes, .. }) = tunnel.receive(&[5, 0]) else { panic!() };
    assert_eq!(bytes[..4], [5, 1, 0, 4]);
    assert_eq!((bytes.len(), &bytes[19..]), (22, &[1, 1, 0][..]));
    let mut reply = vec![5, 0, 0, 4];
    reply.resize(22, 0);
    assert_eq!(drip(&mut tunnel, &reply), Ok(TunnelStep::Open { used: 22 }));
}

/// A tunnel that has come to its state by these messages.
fn after(user: Option<(&str, &str)>, messages: &[&[u8]]) -> Tunnel {
    let (mut tunnel, _) = Tunnel::socks5(V4, 80, user).unwrap();
    for message in messages {
        let step = tunnel.receive(message);
        assert!(matches!(step, Ok(TunnelStep::Send { .. })), "{step:?}");
    }
    tunnel
}

#[test]
fn bad_socks_messages_are_refused() {
    let user = Some(("me", "secret"));
    type Case<'a> = (Option<(&'a str, &'a str)>, &'a [&'a [u8]], &'a [u8], TunnelError);
    let cases: [Case<'_>; 16] = [
        (None, &[], b"H", TunnelError::Malformed),
        (None, &[], &[4, 0], TunnelError::Malformed),
        (None, &[], &[5, 1], TunnelError::Malformed),
        (None, &[], &[5, 2], TunnelError::Malformed),
        (None, &[], &[5, 0xff], TunnelError::NoMethod),
        (user, &[], &[5, 0xff], TunnelError::NoMethod),
        (user, &[], &[5, 2, 1, 0], TunnelError::Unasked),
        (user, &[&[5, 2]], &[1, 1], TunnelError::Credentials),
        (user, &[&[5, 2]], &[5, 0xff], TunnelError::Credentials),
        (user, &[&[5, 2], &[5, 0]], &[5, 1], TunnelError::Refused(1)),
        (None, &[&[5, 0]], &[5, 8, 0, 1], TunnelError::Refused(8)),
        (None, &[&[5, 0]], &[5, 200], TunnelError::Refused(200)),
        (None, &[&[5, 0]], &[0, 90], TunnelError::Malformed),
        (None, &[&[5, 0]], &[5, 0, 1], TunnelError::Malformed),
        (None, &[&[5, 0]], &[5, 0, 0, 2], TunnelError::Malformed),
        (None, &[&[5, 0]], &[5, 0, 0, 1, 1, 1, 1, 1, 0, 1, b'H'], TunnelError::Unasked),
    ];
    for (user, messages, last, error) in cases {
        let mut tunnel = after(user, messages);
        assert_eq!(tunnel.receive(last), Err(error), "{last:?}");
        assert_eq!(tunnel.receive(b""), Err(error), "an error stays");
    }
}

#[test]
fn socks_lengths_are_one_byte() {
    let long = "a".repeat(256);
    let name = Destination::Name(&long);
    assert_eq!(Tunnel::socks5(name, 80, None).unwrap_err(), RequestProblem::Host);
    assert!(Tunnel::socks5(Destination::Name(&long[1..]), 80, None).is_ok());
    for user in [(long.as_str(), "x"), ("x", long.as_str())] {
        let problem = Tunnel::socks5(V4, 80, Some(user)).unwrap_err();
        assert_eq!(problem, RequestProblem::Authorization);
    }
    // The longest reply there is.
    let mut reply = vec![5, 0, 0, 3, 255];
    reply.resize(4 + 1 + 255 + 2, 0);
    let open = TunnelStep::Open { used: reply.len() };
    assert_eq!(drip(&mut after(None, &[&[5, 0]]), &reply), Ok(open));
}

#[test]
fn nothing_shows_credentials() {
    let (tunnel, _) = Tunnel::socks5(V4, 80, Some(("me", "secret"))).unwrap();
    assert_eq!(format!("{tunnel:?}"), "Tunnel(Greeting)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever comes: no panic, no step without use of its bytes, and no bytes beyond the input.
    #[test]
    fn random_bytes_are_harmless(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..12),
        // What a proxy would say, so that the later states are met too.
        front in prop::sample::select(vec![&b""[..], b"HTTP/1.1 200 ", &[5, 0], &[5, 2]]),
        is_http in any::<bool>(),
        has_login in any::<bool>(),
    ) {
        let login = has_login.then_some(("u", "p"));
        let mut tunnel = if is_http { connect() } else { Tunnel::socks5(V4, 80, login).unwrap().0 };
        let mut input = front.to_vec();
        for piece in pieces {
            input.extend_from_slice(&piece);
            match tunnel.receive(&input) {
                Ok(TunnelStep::NeedInput) => {}
                Ok(TunnelStep::Send { used, bytes }) => {
                    prop_assert!(used == input.len() && used > 0 && !bytes.is_empty());
                    input.clear();
                }
                Ok(TunnelStep::Open { used }) => {
                    prop_assert_eq!(used, input.len());
                    break;
                }
                Err(error) => {
                    prop_assert_eq!(tunnel.receive(&input), Err(error));
                    break;
                }
            }
        }
    }
}
