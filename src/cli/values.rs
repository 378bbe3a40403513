//! Values of single options: text to a checked value, or to the sentence that says what is wrong.

use crate::config::{Dirs, Pins, Reach, ReportFormat, ResolveOverride, RestrictNames};
use crate::plan::address;
use crate::{http, limits};
use base64::Engine as _;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A span of time, in milliseconds. Typed as seconds (`10`, `1.5`) or with a unit (`500ms`, `2m`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Millis(pub u64);

impl fmt::Display for Millis {
    /// The largest unit that divides it, so that the text can be typed back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            ms if ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1_000 == 0 => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// A number of bytes. Typed as in curl: plain, or with k, M, G, T or P of either case, each 1024 of
/// the one before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    /// The largest unit that divides it, so that the text can be typed back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = BYTE_UNITS.iter().rev();
        let mut fitting = units.filter(|(_, bytes)| self.0 != 0 && self.0.is_multiple_of(*bytes));
        match fitting.next() {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

/// One `-H`. `Debug` does not show the value.
#[derive(Clone, Eq, PartialEq)]
pub enum HeaderArg {
    /// `Name: value`, as [`http::request::parse_field`] takes it apart.
    Field {
        /// Field name as typed.
        name: String,
        /// Field value; empty leaves our own field of that name out.
        value: String,
    },
    /// `@FILE`: one field a line.
    File(PathBuf),
}

impl fmt::Debug for HeaderArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { name, .. } => f.debug_tuple("Field").field(name).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// CPU numbers, ascending and each once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CpuList(pub Vec<usize>);

/// A span of time that may be zero.
pub fn duration(text: &str) -> Result<Millis, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("use seconds (10, 1.5) or a number with ms, s, m, h or d".to_owned()),
    };
    let ms = decimal_times(number, unit_ms).ok_or("not a number")?;
    if ms > limits::TIMEOUT_MAX_MS {
        return Err(format!("at most {}", Millis(limits::TIMEOUT_MAX_MS)));
    }
    Ok(Millis(ms))
}

/// A deadline: a span of time that is not zero.
pub fn deadline(text: &str) -> Result<Millis, String> {
    match duration(text)? {
        Millis(0) => Err("a deadline is always on: give a long one, such as 24h".to_owned()),
        span => Ok(span),
    }
}

/// A number of bytes that may be zero.
pub fn bytes(text: &str) -> Result<Bytes, String> {
    // KiB says what k means here. KB does not, which elsewhere is 1000.
    let text =
        text.strip_suffix("iB").filter(|text| text.ends_with(char::is_alphabetic)).unwrap_or(text);
    let last = text.chars().next_back().unwrap_or_default();
    let unit = BYTE_UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(&last));
    let (number, times) = match unit {
        Some((_, bytes)) => (&text[..text.len() - 1], *bytes),
        None => (text, 1),
    };
    match decimal_times(number, times) {
        Some(bytes) if bytes < limits::BODY_BYTES_LIMIT => Ok(Bytes(bytes)),
        Some(_) => Err("more than any file can hold".to_owned()),
        None => Err("use a number of bytes (1500) or one with k, M, G, T or P (1.5k)".to_owned()),
    }
}

/// `--dirs`: `hash:2/2`, `seq:1000` or `host`.
pub fn dirs(text: &str) -> Result<Dirs, String> {
    match text.split_once(':') {
        None if text == "host" => Ok(Dirs::Host),
        Some(("hash", levels)) => {
            let digits = |level: &str| match level.as_bytes() {
                [digit @ b'1'..=b'4'] => Ok(digit - b'0'),
                _ => Err("a folder has 1 to 4 digits of the hash, as in hash:2/2".to_owned()),
            };
            let levels = levels.split('/').map(digits).collect::<Result<Vec<u8>, String>>()?;
            let sum_max = usize::from(limits::HASH_DIGITS_MAX);
            match levels.iter().map(|level| usize::from(*level)).sum::<usize>() {
                sum if sum > sum_max => Err(format!("at most {sum_max} digits in all")),
                _ => Ok(Dirs::Hash(levels)),
            }
        }
        Some(("seq", lines)) => match lines.parse::<u64>() {
            Ok(lines) if lines > 0 => Ok(Dirs::Lines(lines)),
            Ok(_) | Err(_) => Err("seq: takes the lines of a folder, as in seq:1000".to_owned()),
        },
        Some(_) | None => Err("write hash:2/2 (digits of each level), seq:1000 or host".to_owned()),
    }
}

/// A value of `--restrict-file-names`, one of wget's.
pub fn restrict_names(text: &str) -> Result<RestrictNames, String> {
    match text {
        "unix" => Ok(RestrictNames::Unix),
        "windows" => Ok(RestrictNames::Windows),
        "nocontrol" => Err("controls are never in names; unix or windows".to_owned()),
        "ascii" | "lowercase" | "uppercase" => Err(format!(
            "\"{text}\" of wget is not ours; unix or windows (files are numbered where only the \
             case of their names differs and the file system takes them for one)"
        )),
        _ => Err("unix or windows".to_owned()),
    }
}

/// A count of at least one.
pub fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) if count <= limits::COUNT_MAX => Ok(count),
        Ok(_) => Err(format!("at most {}", limits::COUNT_MAX)),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

/// `--dns-concurrency`: a count that one name server can be expected to bear.
pub fn dns_concurrency(text: &str) -> Result<usize, String> {
    match count(text)? {
        count if count <= limits::DNS_CONCURRENCY_MAX => Ok(count),
        _ => Err(format!("at most {}", limits::DNS_CONCURRENCY_MAX)),
    }
}

/// `--no-private`, and `=own` behind it.
pub fn reach(text: &str) -> Result<Reach, String> {
    match text {
        "" => Ok(Reach::Public),
        "own" => Ok(Reach::PublicNotOwn),
        _ => Err("only `own`, or nothing, may follow --no-private".to_owned()),
    }
}

/// `-x`: a count. In curl the letter means a proxy, which is said instead of "not a number".
pub fn per_host(text: &str) -> Result<usize, String> {
    count(text).map_err(|problem| {
        if text.contains(':') {
            "-x is the number of connections per host; a proxy is --proxy URL".to_owned()
        } else {
            problem
        }
    })
}

/// `--cpus`: `0,2-5`.
pub fn cpus(text: &str) -> Result<CpuList, String> {
    let mut list = Vec::new();
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let cpu = |text: &str| match text.parse::<usize>() {
            Ok(cpu) if cpu < limits::CPUS_MAX && !text.starts_with('+') => Ok(cpu),
            _ => Err(format!("`{item}` is no CPU and no range; write for instance 0,2-5")),
        };
        let (first, last) = (cpu(first)?, cpu(last)?);
        if first > last {
            return Err(format!("the range `{item}` runs backwards"));
        }
        list.extend(first..=last);
    }
    list.sort_unstable();
    list.dedup();
    Ok(CpuList(list))
}

/// `--report`, as far as the name tells what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportName {
    /// As it was typed; `-` is standard output.
    pub path: PathBuf,
    /// What its suffix says.
    pub format: Option<ReportFormat>,
}

/// `--report`: the suffix decides the format.
pub fn report_name(text: &str) -> Result<ReportName, String> {
    let lower = text.to_ascii_lowercase();
    let packed = lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst"));
    let plain = packed.unwrap_or(&lower);
    let format = if plain.ends_with(".csv") {
        Some(ReportFormat::Csv)
    } else if plain.ends_with(".jsonl") {
        Some(ReportFormat::JsonLines)
    } else {
        None
    };
    Ok(ReportName { path: path(text)?, format })
}

/// `-H`: `Name: value`, `Name:` or `@FILE`.
pub fn header(text: &str) -> Result<HeaderArg, String> {
    match text.strip_prefix('@') {
        Some("" | "-") => Err("write @FILE; fields are not read from standard input".to_owned()),
        Some(path) => Ok(HeaderArg::File(PathBuf::from(path))),
        None => {
            let (name, value) =
                http::request::parse_field(text).map_err(|problem| problem.to_string())?;
            Ok(HeaderArg::Field { name, value })
        }
    }
}

/// `-u`: `user:password`. RFC 7617 section 2 allows no control characters.
pub fn user(text: &str) -> Result<String, String> {
    if !text.contains(':') {
        return Err("write user:password (ringpull does not ask for the password)".to_owned());
    }
    visible(text)
}

/// Text that goes into a field value: no control characters.
pub fn visible(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Text that must not be empty, such as a path.
pub fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// A path that is not empty.
pub fn path(text: &str) -> Result<PathBuf, String> {
    not_empty(text).map(PathBuf::from)
}

/// `--pinnedpubkey`: `sha256//BASE64`, several with semicolons between; else the name of a file.
pub fn pins(text: &str) -> Result<Pins, String> {
    if !text.starts_with("sha256//") {
        return path(text).map(Pins::File);
    }
    let hash = |pin: &str| {
        let base64 = pin.strip_prefix("sha256//")?;
        base64::engine::general_purpose::STANDARD.decode(base64).ok()?.try_into().ok()
    };
    let form = |pin| {
        format!("`{pin}` is no pin; write sha256//BASE64 of 32 bytes, with ; before the next one")
    };
    let pins = text.split(';').map(|pin| hash(pin).ok_or_else(|| form(pin)));
    pins.collect::<Result<Vec<_>, _>>().map(Pins::Sha256)
}

/// One of `--dns-servers`: an address, with a port where it is not 53.
pub fn dns_server(text: &str) -> Result<SocketAddr, String> {
    if let Some(ip) = address::parse(text) {
        return Ok(SocketAddr::new(ip, 53));
    }
    match text.parse::<SocketAddr>() {
        Ok(server) if server.port() != 0 => Ok(server),
        _ => Err("write an address, such as 9.9.9.9, 10.0.0.1:5353 or [2620:fe::fe]:53".to_owned()),
    }
}

/// `--resolve`: `HOST:PORT:ADDR[,ADDR]`. curl's leading `+` is accepted and changes nothing,
/// because an override never expires here.
pub fn resolve_override(text: &str) -> Result<ResolveOverride, String> {
    let form = || "write HOST:PORT:ADDR[,ADDR], IPv6 addresses in brackets".to_owned();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:").ok_or_else(form)?,
        None => text.split_once(':').ok_or_else(form)?,
    };
    let (port, addresses) = rest.split_once(':').ok_or_else(form)?;
    let port = match port.parse::<u16>() {
        Ok(0) | Err(_) => return Err(format!("`{port}` is no port; {}", form())),
        Ok(port) => port,
    };
    if host.is_empty() {
        return Err(form());
    }
    let addresses = addresses
        .split(',')
        .map(|text| {
            address::parse(text).ok_or_else(|| format!("`{text}` is no address; {}", form()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ResolveOverride { host: host.to_ascii_lowercase(), port, addresses })
}

/// `number * unit`, where `number` is digits with at most one point; the rest below 1 is cut off.
pub fn decimal_times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Nine digits are beyond a millisecond of a day, the finest that can matter.
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let part: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = u128::from(part) * u128::from(unit) / u128::from(scale);
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// Units of [`Bytes`], the smallest first.
const BYTE_UNITS: [(char, u64); 5] =
    [('k', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40), ('P', 1 << 50)];

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn folders() {
        assert_eq!(dirs("hash:2/2"), Ok(Dirs::Hash(vec![2, 2])));
        assert_eq!(dirs("hash:4/1/3"), Ok(Dirs::Hash(vec![4, 1, 3])));
        assert_eq!(dirs("seq:1000"), Ok(Dirs::Lines(1_000)));
        assert_eq!(dirs("host"), Ok(Dirs::Host));
        for text in [
            "",
            "hash",
            "hash:",
            "hash:0",
            "hash:5",
            "hash:2/",
            "hash:/2",
            "hash:4/4/1",
            "hash:22",
            "hash:+2",
            "seq",
            "seq:",
            "seq:0",
            "seq:-1",
            "seq:x",
            "hosts",
            "host:",
            "Host",
        ] {
            dirs(text).expect_err(text);
        }
    }

    #[test]
    fn names_that_files_may_have() {
        assert_eq!(restrict_names("unix"), Ok(RestrictNames::Unix));
        assert_eq!(restrict_names("windows"), Ok(RestrictNames::Windows));
        for (text, word) in [
            ("lowercase", "wget"),
            ("ascii", "wget"),
            ("nocontrol", "controls"),
            ("windows,lowercase", "unix or windows"),
            ("", "unix or windows"),
        ] {
            assert!(restrict_names(text).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("10", 10_000),
            ("1.5", 1_500),
            (".5", 500),
            ("2.", 2_000),
            ("500ms", 500),
            ("0.0015", 1),
            ("3s", 3_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("0.1234567890123s", 123),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Millis(ms)), "{text}");
        }
        for text in [
            "",
            ".",
            "ms",
            "-1",
            "+1",
            "1e3",
            "1.2.3",
            "inf",
            "nan",
            "10 s",
            "10min",
            "400d",
            "99999999999999999999",
            "18446744073709551615h",
            "1,5",
            "٣",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(deadline("0").is_err() && deadline("0.0001").is_err());
        assert_eq!(deadline("1ms"), Ok(Millis(1)));
    }

    #[test]
    fn a_span_prints_as_it_can_be_typed() {
        for ms in [0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000] {
            assert_eq!(duration(&Millis(ms).to_string()), Ok(Millis(ms)));
        }
        assert_eq!(Millis(86_400_000).to_string(), "24h");
    }

    #[test]
    fn numbers_of_bytes() {
        for (text, bytes_) in [
            ("0", 0),
            ("100", 100),
            ("1k", 1_024),
            ("1K", 1_024),
            ("1.5k", 1_536),
            ("1.5KiB", 1_536),
            ("2MiB", 2 << 20),
            (".5M", 1 << 19),
            ("3m", 3 << 20),
            ("2G", 2 << 30),
            ("1t", 1 << 40),
            ("7P", 7 << 50),
            ("9223372036854775807", (1 << 63) - 1),
        ] {
            assert_eq!(bytes(text), Ok(Bytes(bytes_)), "{text}");
        }
        for text in [
            "",
            "k",
            "-1",
            "+1",
            "1e3",
            "1 k",
            "1kB",
            "1x",
            "9223372036854775808",
            "8192P",
            "99999999999999999999",
            "99999999999999999P",
            "1é",
            "٣",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for count in [0, 1, 100, 1_024, 1_536, 5 << 20, 7 << 50] {
            assert_eq!(bytes(&Bytes(count).to_string()), Ok(Bytes(count)));
        }
        assert_eq!(Bytes(1_536).to_string(), "1536");
    }

    #[test]
    fn counts() {
        assert_eq!(count("1"), Ok(1));
        for text in ["0", "-1", "", "1.5", "many", "99999999999999999999", "1000000001"] {
            assert!(count(text).is_err(), "{text}");
        }
        assert_eq!(dns_concurrency("10000"), Ok(10_000));
        assert!(dns_concurrency("0").is_err() && dns_concurrency("10001").is_err());
        assert!(per_host("http://proxy:3128").unwrap_err().contains("prox"));
        assert_eq!(per_host("0").unwrap_err(), "must be at least 1");
    }

    #[test]
    fn cpu_lists() {
        assert_eq!(cpus("0"), Ok(CpuList(vec![0])));
        assert_eq!(cpus("5,0,2-4,3"), Ok(CpuList(vec![0, 2, 3, 4, 5])));
        for text in ["", ",", "1,", "-", "1-", "-1", "3-1", "a", "+1", "1--2", "0-99999999999"] {
            assert!(cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn report_names() {
        let format = |text| report_name(text).unwrap().format;
        assert_eq!(format("a/R.CSV"), Some(ReportFormat::Csv));
        assert_eq!(format("r.jsonl"), Some(ReportFormat::JsonLines));
        assert_eq!(format("r.csv.gz"), Some(ReportFormat::Csv));
        assert_eq!(format("r.jsonl.ZST"), Some(ReportFormat::JsonLines));
        for text in ["r.json", "csv", "-", "/dev/fd/3", "r.gz", "r.csv.bz2"] {
            assert_eq!(format(text), None, "{text}");
        }
        assert!(report_name("").is_err());
    }

    #[test]
    fn headers() {
        let field = |name: &str, value: &str| {
            Ok(HeaderArg::Field { name: name.to_owned(), value: value.to_owned() })
        };
        assert_eq!(header("Accept:  image/* "), field("Accept", "image/*"));
        assert_eq!(header("X-Time: 10:30"), field("X-Time", "10:30"));
        assert_eq!(header("User-Agent:"), field("User-Agent", ""));
        assert_eq!(header("@fields.txt"), Ok(HeaderArg::File(PathBuf::from("fields.txt"))));
        for text in ["", "X", ": v", "a b: c", "X: a\r\nB: c", "@", "@-"] {
            assert!(header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pinned_keys() {
        let (zero, ones) = ("A".repeat(43) + "=", "/".repeat(42) + "8=");
        let both = format!("sha256//{zero};sha256//{ones}");
        assert_eq!(pins(&both), Ok(Pins::Sha256(vec![[0; 32], [255; 32]])));
        assert_eq!(pins("key.pem"), Ok(Pins::File(PathBuf::from("key.pem"))));
        let short = format!("sha256//{}", &zero[4..]);
        let open = format!("{both};");
        for text in ["", "sha256//", "sha256//x", &short, &open, &both.replace(";sha256//", ";")] {
            assert!(pins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dns_servers() {
        for (text, server) in [
            ("9.9.9.9", "9.9.9.9:53"),
            ("10.0.0.1:5353", "10.0.0.1:5353"),
            ("2620:fe::fe", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]:54", "[2620:fe::fe]:54"),
        ] {
            assert_eq!(dns_server(text).unwrap().to_string(), server);
        }
        for text in ["", "dns.example", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "[1.2.3.4]"] {
            assert!(dns_server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resolve_overrides() {
        let parsed = resolve_override("Example.COM:443:127.0.0.1,[::1],::2").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port), ("example.com", 443));
        let addresses: Vec<_> = parsed.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1", "::1", "::2"]);
        assert_eq!(resolve_override("*:80:10.0.0.1").unwrap().host, "*");
        assert_eq!(resolve_override("+h:80:10.0.0.1").unwrap().host, "h");
        assert_eq!(resolve_override("[::1]:80:10.0.0.1").unwrap().host, "::1");
        for text in
            ["", "h", "h:80", "h:80:", "h:0:1.2.3.4", "h:x:1.2.3.4", ":80:1.2.3.4", "h:80:1.2.3.4,"]
        {
            assert!(resolve_override(text).is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_and_text() {
        assert_eq!(user("me:s:cret").as_deref(), Ok("me:s:cret"));
        assert!(user("me").is_err() && user("me:\n").is_err());
        assert!(visible("a\rb").is_err());
        assert!(path("").is_err());
    }
}
