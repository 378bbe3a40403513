//! Cost of the reply side of `http` per byte: heads, and bodies of both framings.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringpull::http::{Exchange, Step};
use std::hint::black_box;

/// A head as nginx sends it for a static image.
const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx/1.26.3\r\n\
    Date: Fri, 31 Dec 1999 23:59:59 GMT\r\n\
    Content-Type: image/jpeg\r\n\
    Content-Length: 50000\r\n\
    Last-Modified: Fri, 31 Dec 1999 00:00:00 GMT\r\n\
    Connection: keep-alive\r\n\
    ETag: \"6749a1c2-c350\"\r\n\
    Accept-Ranges: bytes\r\n\r\n";

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// One full receive buffer.
const BODY_BYTES: usize = 64 * 1024;

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Bytes(HEAD.len() as u64));
    let mut input = HEAD.as_bytes().to_vec();
    group.bench_function("nginx_8_fields", |bencher| {
        bencher.iter(|| Exchange::new().receive(black_box(&mut input)));
    });
    group.bench_function("nginx_8_fields_byte_by_byte", |bencher| {
        bencher.iter(|| {
            let mut exchange = Exchange::new();
            for len in 1..=input.len() {
                assert!(black_box(exchange.receive(&mut input[..len])).is_ok());
            }
        });
    });
    group.finish();
}

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("body");
    group.throughput(Throughput::Bytes(BODY_BYTES as u64));
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    let plain = vec![b'x'; BODY_BYTES];
    for (name, head, body) in [
        ("length", length.as_str(), plain),
        ("chunked_64", CHUNKED, chunks(64)),
        ("chunked_1k", CHUNKED, chunks(1024)),
        ("chunked_16k", CHUNKED, chunks(16 * 1024)),
        ("chunked_64k", CHUNKED, chunks(BODY_BYTES)),
    ] {
        group.bench_function(name, |bencher| {
            let ready = || (after_head(head), body.clone());
            bencher.iter_batched_ref(
                ready,
                |(exchange, input)| assert_eq!(decode(exchange, input), BODY_BYTES),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn chunks(chunk_bytes: usize) -> Vec<u8> {
    let chunk = format!("{chunk_bytes:x}\r\n{}\r\n", "x".repeat(chunk_bytes));
    (chunk.repeat(BODY_BYTES / chunk_bytes) + "0\r\n\r\n").into_bytes()
}

fn after_head(head: &str) -> Exchange {
    let mut exchange = Exchange::new();
    let step = exchange.receive(&mut head.as_bytes().to_vec());
    assert!(matches!(step, Ok(Step::Head { .. })), "{step:?}");
    exchange
}

/// Reads one whole body, gives its length.
fn decode(exchange: &mut Exchange, input: &mut [u8]) -> usize {
    let (mut at, mut body_len) = (0, 0);
    loop {
        match exchange.receive(&mut input[at..]) {
            Ok(Step::Body { used, span }) => {
                black_box(&input[at..][span.clone()]);
                at += used;
                body_len += span.len();
            }
            Ok(Step::End { .. }) => return body_len,
            step => panic!("{step:?}"),
        }
    }
}

criterion_group!(benches, heads, bodies);
criterion_main!(benches);
