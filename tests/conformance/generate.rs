//! Valid responses, and what may happen to one byte of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The bytes of a valid response and of its body.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// What happens to the bytes on their way.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    None,
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
}

impl Damage {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        1 => Just(Damage::None),
        4 => (at(), byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        2 => (at(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        2 => at().prop_map(Damage::Remove),
        1 => at().prop_map(Damage::Cut),
    ]
}

/// Any byte, but more often one that means something somewhere.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), select(b"\r\n \t:;,0159afAF+-\0\x0b\x7f\x80".to_vec())]
}

pub(crate) fn response() -> impl Strategy<Value = Response> {
    (vec(interim(), 0..3), head_fields(), framed_body(), select(vec!["\r\n", "\n"])).prop_map(
        |(interims, mut fields, framed, line_end)| {
            let minor = if framed.is_chunked { 1 } else { framed.minor };
            let mut lines = vec![format!("HTTP/1.{minor} {}", framed.status)];
            fields.extend(framed.fields);
            // Any order will do: this one is neither ours nor that of the alphabet.
            fields.sort_by_key(|field| field.len());
            lines.extend(fields);
            let mut bytes = interims.concat().into_bytes();
            for line in lines {
                bytes.extend_from_slice(line.as_bytes());
                bytes.extend_from_slice(line_end.as_bytes());
            }
            bytes.extend_from_slice(line_end.as_bytes());
            bytes.extend_from_slice(&framed.bytes);
            Response { bytes, body: framed.body }
        },
    )
}

fn interim() -> impl Strategy<Value = String> {
    select(vec![
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n".to_owned(),
        "HTTP/1.0 199\nContent-Length: 5\n\n".to_owned(),
    ])
}

fn head_fields() -> impl Strategy<Value = Vec<String>> {
    vec(
        select(vec![
            "Connection: close".to_owned(),
            "connection: x, Keep-Alive".to_owned(),
            "Content-Type:text/html;\r\n\tcharset=utf-8".to_owned(),
            "ETag: \"a\" \t".to_owned(),
            "X-Empty:".to_owned(),
            "Server: a rather long value, so that more than one word is read at once".to_owned(),
        ]),
        0..4,
    )
}

/// A body with all that says where it ends.
#[derive(Clone, Debug)]
struct Framed {
    status: &'static str,
    minor: u8,
    is_chunked: bool,
    fields: Vec<String>,
    bytes: Vec<u8>,
    body: Vec<u8>,
}

fn framed_body() -> impl Strategy<Value = Framed> {
    let status = || select(vec!["200 OK", "206 ", "404", "503 \u{e9}"]);
    let empty =
        (select(vec!["204 No Content", "304"]), 0..2_u8).prop_map(|(status, minor)| Framed {
            status,
            minor,
            is_chunked: false,
            fields: Vec::new(),
            bytes: Vec::new(),
            body: Vec::new(),
        });
    let length = (status(), 0..2_u8, data(60), select(vec!["N", "N, N", "00N"])).prop_map(
        |(status, minor, body, form)| Framed {
            status,
            minor,
            is_chunked: false,
            fields: vec![format!("Content-Length: {}", form.replace('N', &body.len().to_string()))],
            bytes: body.clone(),
            body,
        },
    );
    let close = (status(), 0..2_u8, data(60)).prop_map(|(status, minor, body)| Framed {
        status,
        minor,
        is_chunked: false,
        fields: Vec::new(),
        bytes: body.clone(),
        body,
    });
    let chunked = (status(), vec(chunk(), 0..6), any::<bool>(), last_chunk()).prop_map(
        |(status, chunks, has_length, last)| {
            let mut fields = vec!["Transfer-Encoding: chunked".to_owned()];
            fields.extend(has_length.then(|| "Content-Length: 3".to_owned()));
            let bytes = chunks.iter().flat_map(|chunk| chunk.0.clone()).chain(last.into_bytes());
            let body = chunks.iter().flat_map(|chunk| chunk.1.clone());
            let (bytes, body) = (bytes.collect(), body.collect());
            Framed { status, minor: 1, is_chunked: true, fields, bytes, body }
        },
    );
    prop_oneof![1 => empty, 2 => length, 1 => close, 4 => chunked]
}

fn data(len_max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(byte(), 0..len_max)
}

/// Wire bytes and data of one chunk.
fn chunk() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (vec(byte(), 1..40), select(vec!["", "0", "000"]), any::<bool>(), after_size()).prop_map(
        |(data, zeros, is_upper, after)| {
            let len = data.len();
            let size = if is_upper { format!("{len:X}") } else { format!("{len:x}") };
            let mut bytes = format!("{zeros}{size}{after}\r\n").into_bytes();
            bytes.extend_from_slice(&data);
            bytes.extend_from_slice(b"\r\n");
            (bytes, data)
        },
    )
}

fn after_size() -> impl Strategy<Value = String> {
    select(vec![
        String::new(),
        " ".to_owned(),
        "\t ".to_owned(),
        ";".to_owned(),
        ";a=b".to_owned(),
        " ; a=\"b;c\" ".to_owned(),
    ])
}

fn last_chunk() -> impl Strategy<Value = String> {
    let trailers = select(vec!["", "A: b\r\n", "A:\r\n folded\r\nContent-Length: 5\r\n"]);
    (select(vec!["0", "000"]), after_size(), trailers)
        .prop_map(|(size, after, trailers)| format!("{size}{after}\r\n{trailers}\r\n"))
}
