//! The text of a `--dns-cache` file: names that one run has looked up, for the next one.
//!
//! A first line that says what the file is, then one name a line: the name, its addresses with
//! commas between them, and until when they hold in seconds of Unix time. Lines that begin with `#`
//! and empty ones say nothing.

use crate::limits::ADDRESSES_PER_FAMILY_MAX;
use std::fmt::Write as _;
use std::net::IpAddr;

/// One name and its addresses, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The name, in lower case.
    pub host: &'a str,
    /// Addresses of the name.
    pub addresses: &'a [IpAddr],
    /// Until when they hold, in seconds of Unix time.
    pub expires_unix_s: u64,
}

/// The file is not one of this program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotOurs;

/// Content of a file.
#[derive(Debug, PartialEq)]
pub struct Parsed<'a> {
    /// Names, their addresses, and until when these hold in seconds of Unix time.
    pub names: Vec<(&'a str, Vec<IpAddr>, u64)>,
    /// Lines that cannot be understood.
    pub damaged: u64,
}

/// Reads the bytes of a file. An empty one is a file that nothing was written to so far.
///
/// # Errors
/// When the first line is another one than [`text`] writes.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, NotOurs> {
    let mut parsed = Parsed { names: Vec::new(), damaged: 0 };
    if bytes.is_empty() {
        return Ok(parsed);
    }
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if lines.next().map(<[u8]>::trim_ascii_end) != Some(FIRST_LINE.as_bytes()) {
        return Err(NotOurs);
    }
    for line in lines.map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match std::str::from_utf8(line).ok().and_then(name) {
            Some(name) => parsed.names.push(name),
            None => parsed.damaged += 1,
        }
    }
    Ok(parsed)
}

/// The name and addresses of one line.
fn name(line: &str) -> Option<(&str, Vec<IpAddr>, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (host, addresses, expires) = (words.next()?, words.next()?, words.next()?);
    let is_host = host.len() <= HOST_BYTES_MAX && host.bytes().all(|byte| byte.is_ascii_graphic());
    let is_lower_case = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    // Whatever else is an address is not looked up, so nobody may redirect it.
    let is_name = is_host && is_lower_case && host.parse::<IpAddr>().is_err();
    let addresses = addresses.split(',').map(str::parse).collect::<Result<Vec<IpAddr>, _>>();
    let addresses = addresses.ok().map(few)?;
    let expires = expires.bytes().all(|byte| byte.is_ascii_digit()).then(|| expires.parse().ok());
    let is_all = words.next().is_none() && is_name;
    is_all.then_some((host, addresses, expires??))
}

/// The first addresses of each family, as many as are kept.
fn few(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (mut v4, mut v6) = (0, 0);
    addresses.retain(|address| {
        let count = if address.is_ipv4() { &mut v4 } else { &mut v6 };
        *count += 1;
        *count <= ADDRESSES_PER_FAMILY_MAX
    });
    addresses.shrink_to_fit();
    addresses
}

/// The text of a file.
pub fn text<'a>(lines: impl IntoIterator<Item = Line<'a>>) -> String {
    let mut text = format!("{FIRST_LINE}\n# NAME ADDRESS,ADDRESS UNTIL (seconds of Unix time)\n");
    for Line { host, addresses, expires_unix_s } in lines {
        text.push_str(host);
        for (index, address) in addresses.iter().enumerate() {
            let between = if index == 0 { ' ' } else { ',' };
            write!(text, "{between}{address}").expect("a string takes everything");
        }
        writeln!(text, " {expires_unix_s}").expect("a string takes everything");
    }
    text
}

/// First line of a file.
const FIRST_LINE: &str = "# ringpull dns-cache 1";

/// Longest name in bytes (RFC 1035 section 3.1, as text with a final dot).
const HOST_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split(',').map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (a, b) = (addresses("192.0.2.1,2001:db8::1"), addresses("198.51.100.7"));
        let lines = [
            Line { host: "a.example", addresses: &a, expires_unix_s: 1_764_000_000 },
            Line { host: "b_c.example.", addresses: &b, expires_unix_s: 0 },
        ];
        let text = text(lines);
        assert_eq!(
            text,
            "# ringpull dns-cache 1\n# NAME ADDRESS,ADDRESS UNTIL (seconds of Unix time)\n\
             a.example 192.0.2.1,2001:db8::1 1764000000\nb_c.example. 198.51.100.7 0\n"
        );
        let names = vec![("a.example", a, 1_764_000_000), ("b_c.example.", b, 0)];
        assert_eq!(parse(text.as_bytes()), Ok(Parsed { names, damaged: 0 }));
    }

    #[test]
    fn no_more_addresses_are_read_than_are_kept() {
        let all: Vec<String> =
            (0..20).flat_map(|n| [format!("192.0.2.{n}"), format!("2001:db8::{n}")]).collect();
        let text = format!("{FIRST_LINE}\na.example {} 1\n", all.join(","));
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.names[0].1, addresses(&all[..2 * ADDRESSES_PER_FAMILY_MAX].join(",")));
    }

    #[test]
    fn damaged_lines_are_counted_and_passed_over() {
        let bad = [
            "a.example",
            "a.example 192.0.2.1",
            "a.example 192.0.2.1 soon",
            "a.example 192.0.2.1 +1",
            "a.example 192.0.2.1 -1",
            "a.example 192.0.2.1 1 1",
            "a.example 192.0.2.1 99999999999999999999",
            "a.example 192.0.2.1, 1",
            "a.example 192.0.2 1",
            "a.example , 1",
            "A.example 192.0.2.1 1",
            "192.0.2.7 192.0.2.1 1",
            "ä.example 192.0.2.1 1",
            "\u{0} 192.0.2.1 1",
        ];
        let long = format!("{} 192.0.2.1 1", "a".repeat(HOST_BYTES_MAX + 1));
        for line in bad.into_iter().chain([long.as_str()]) {
            let text = format!("{FIRST_LINE}\n{line}\n\nb.example 192.0.2.1 1\r\n#c 1 1\n");
            let parsed = parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.damaged, 1, "{line}");
            assert_eq!(parsed.names, [("b.example", addresses("192.0.2.1"), 1)], "{line}");
        }
        let cut = [FIRST_LINE.as_bytes(), b"\na.example 192.0.2.1 1\n\xff\xfe 1"].concat();
        let parsed = parse(&cut).unwrap();
        assert_eq!((parsed.names.len(), parsed.damaged), (1, 1));
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        assert_eq!(parse(b""), Ok(Parsed { names: Vec::new(), damaged: 0 }));
        assert!(parse(format!("{FIRST_LINE}\r\n").as_bytes()).is_ok());
        for text in ["\n", "192.0.2.1 a.example\n", "# ringpull dns-cache 2\n", "\0", "# ring"] {
            assert_eq!(parse(text.as_bytes()), Err(NotOurs), "{text:?}");
        }
    }
}
