//! A small mutator for tests without a fuzzer: it knows what other seeds look like, and which bytes
//! and words mean something.

use fastrand::Rng;

/// A seed, one to eight times changed.
pub(crate) fn mutate(seeds: &[&Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut bytes = pick(seeds, random).clone();
    for _ in 0..random.usize(1..=8) {
        let at = random.usize(0..=bytes.len());
        let end = (at + random.usize(0..=12)).min(bytes.len());
        match random.u32(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u32(0..8),
            1 if at < bytes.len() => bytes[at] = byte(random),
            2 => drop(bytes.splice(at..end, [])),
            3 => {
                let part = bytes[at..end].to_vec();
                let to = random.usize(0..=bytes.len());
                drop(bytes.splice(to..to, part));
            }
            4 => {
                let word = WORDS[random.usize(0..WORDS.len())];
                drop(bytes.splice(at..at, word.bytes()));
            }
            5 => {
                // The end of another seed.
                let other = pick(seeds, random);
                let from = random.usize(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            6 => {
                let run = vec![byte(random); 1 << random.u32(0..10)];
                drop(bytes.splice(at..at, run));
            }
            _ => bytes.insert(at, byte(random)),
        }
    }
    bytes
}

fn pick<'a>(seeds: &[&'a Vec<u8>], random: &mut Rng) -> &'a Vec<u8> {
    seeds[random.usize(0..seeds.len())]
}

fn byte(random: &mut Rng) -> u8 {
    const MEANT: &[u8] = b"\r\n\r\n \t:;,=\"'%#?@/\\.-~_{}[]019afAFxz\0\x7f\x80\xff";
    if random.bool() { random.u8(..) } else { MEANT[random.usize(0..MEANT.len())] }
}

const WORDS: [&str; 32] = [
    "\r\n",
    "\r\n\r\n",
    "0\r\n\r\n",
    "HTTP/1.1 100 \r\n\r\n",
    "HTTP/1.0 200 OK\r\n",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Location: ",
    "Retry-After: ",
    "ffffffffffffffff",
    "9223372036854775807",
    "18446744073709551615",
    "http://",
    "https://",
    "HTTP:",
    "user:pass@",
    "[::1]",
    "xn--",
    "127.1",
    "../",
    "..\\",
    "%2e%2e",
    "%2F",
    "%00",
    "\u{feff}",
    "\u{202e}",
    "\u{e9}",
    "\u{1f600}",
    "{seq:06}",
    "  out=",
    "Sun, 06 Nov 1994 08:49:37 GMT",
];
