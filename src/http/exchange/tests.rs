//! The contract of the machine. What it makes of bytes is in `tests/http/*.md`.

use super::*;

/// An exchange that has read this head.
fn after_head(head: &str) -> Exchange {
    let mut exchange = Exchange::new();
    let step = exchange.receive(&mut head.as_bytes().to_vec());
    assert!(matches!(step, Ok(Step::Head { used, .. }) if used == head.len()), "{step:?}");
    exchange
}

const LENGTH_5: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n";
const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

const KEEP: Result<Step, ProtocolError> = Ok(Step::End { used: 0, reuse: Reuse::Keep });

fn closed(reason: CloseReason) -> Result<Step, ProtocolError> {
    Ok(Step::End { used: 0, reuse: Reuse::Close(reason) })
}

#[test]
fn a_response_without_body_ends_without_input() {
    for head in [NO_CONTENT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] {
        let mut exchange = after_head(head);
        assert_eq!(exchange.body_remaining(), Some(0));
        assert_eq!(exchange.receive(&mut []), KEEP);
        assert_eq!(exchange.receive(&mut []), KEEP, "an end stays");
    }
}

#[test]
fn body_remaining_says_what_is_known() {
    assert_eq!(Exchange::new().body_remaining(), None);
    assert_eq!(after_head(CHUNKED).body_remaining(), None);
    assert_eq!(after_head(CLOSE).body_remaining(), None);

    let mut exchange = after_head(LENGTH_5);
    assert_eq!(exchange.body_remaining(), Some(5));
    assert_eq!(exchange.receive(&mut [b'x'; 3]), Ok(Step::Body { used: 3, span: 0..3 }));
    assert_eq!(exchange.body_remaining(), Some(2));
    assert_eq!(exchange.receive(&mut [b'x'; 2]), Ok(Step::Body { used: 2, span: 0..2 }));
    assert_eq!(exchange.body_remaining(), Some(0));

    let mut exchange = after_head(CHUNKED);
    let mut input = b"1\r\na\r\n0\r\n\r\n".to_vec();
    assert_eq!(exchange.receive(&mut input), Ok(Step::Body { used: 11, span: 0..1 }));
    assert_eq!(exchange.body_remaining(), Some(0));
}

#[test]
fn bytes_after_the_end_close_the_connection() {
    let reason = CloseReason::BytesAfterEnd;
    assert_eq!(after_head(NO_CONTENT).receive(&mut [b'x']), closed(reason));
    let reuse = Reuse::Close(reason);
    let mut input = b"0\r\n\r\nx".to_vec();
    assert_eq!(after_head(CHUNKED).receive(&mut input), Ok(Step::End { used: 5, reuse }));
}

#[test]
fn the_end_of_the_connection_before_the_end_of_the_response() {
    assert_eq!(Exchange::new().receive_eof(0), Err(Eof::BeforeHead));
    let mut exchange = Exchange::new();
    assert_eq!(exchange.receive(&mut [b'H']), Ok(Step::NeedInput));
    assert_eq!(exchange.receive_eof(1), Err(Eof::InHead));

    let mut exchange = after_head(LENGTH_5);
    assert_eq!(exchange.receive_eof(0), Err(Eof::InBody { got: 0, want: Some(5) }));
    let mut exchange = after_head(LENGTH_5);
    assert!(exchange.receive(&mut [b'x'; 4]).is_ok());
    assert_eq!(exchange.receive_eof(0), Err(Eof::InBody { got: 4, want: Some(5) }));

    let mut exchange = after_head(CHUNKED);
    let mut input = b"2\r\nab\r\n0\r\n".to_vec();
    assert_eq!(exchange.receive(&mut input), Ok(Step::Body { used: 10, span: 0..2 }));
    assert_eq!(exchange.receive(&mut [b'\r']), Ok(Step::NeedInput));
    assert_eq!(exchange.receive_eof(1), Err(Eof::InBody { got: 2, want: None }));
}

#[test]
fn the_end_of_the_connection_at_the_end_of_the_response() {
    let delimited = Reuse::Close(CloseReason::CloseDelimited);
    let mut exchange = after_head(CLOSE);
    assert!(exchange.receive(&mut [b'x'; 4]).is_ok());
    assert_eq!(exchange.receive_eof(0), Ok(delimited));
    assert_eq!(exchange.receive(&mut []), closed(CloseReason::CloseDelimited));

    // The end was there to take, or was taken: a closed connection is never `Keep`.
    let peer_closed = Ok(Reuse::Close(CloseReason::ConnectionClose));
    assert_eq!(after_head(NO_CONTENT).receive_eof(0), peer_closed);
    assert_eq!(after_head(NO_CONTENT).receive_eof(1), Ok(Reuse::Close(CloseReason::BytesAfterEnd)));
    let mut exchange = after_head(NO_CONTENT);
    assert_eq!(exchange.receive(&mut []), KEEP);
    assert_eq!(exchange.receive_eof(0), peer_closed);
    assert_eq!(exchange.body_remaining(), Some(0));
}

#[test]
fn errors_stay() {
    let mut exchange = Exchange::new();
    assert_eq!(exchange.receive(&mut [b'x']), Err(ProtocolError::Version));
    let mut input = LENGTH_5.as_bytes().to_vec();
    assert_eq!(exchange.receive(&mut input), Err(ProtocolError::Version));
    assert_eq!(exchange.body_remaining(), None);
}

#[test]
fn body_comes_before_the_error_behind_it() {
    let mut exchange = after_head(CHUNKED);
    let mut input = b"2\r\nabX".to_vec();
    assert_eq!(exchange.receive(&mut input), Ok(Step::Body { used: 5, span: 0..2 }));
    assert_eq!(exchange.receive(&mut input[5..]), Err(ProtocolError::ChunkEnd));
}

#[test]
#[should_panic(expected = "dropped bytes")]
fn bytes_that_were_not_used_must_not_be_dropped() {
    let mut exchange = after_head(CHUNKED);
    assert_eq!(exchange.receive(&mut [b'5']), Ok(Step::NeedInput));
    let _unreachable = exchange.receive(&mut []);
}

#[test]
fn error_codes_are_distinct_and_prefixed() {
    let codes: Vec<&str> = ProtocolError::ALL.iter().map(|error| error.code()).collect();
    for (index, code) in codes.iter().enumerate() {
        assert!(code.starts_with("http."), "{code}");
        assert!(!codes[..index].contains(code), "{code}");
    }
    for error in ProtocolError::ALL {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
    }
}
