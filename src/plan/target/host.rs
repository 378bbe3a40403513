//! The host of a URL as DNS, `Host`, SNI and the certificate check all get it.

use super::Scheme;
use crate::fault::InputProblem;
use std::borrow::Cow;
use std::net::Ipv4Addr;
use url::Url;

/// A host in ASCII and lower case, an IPv6 address in its brackets.
///
/// `host` is not empty and holds no delimiter of a URL.
pub(super) fn ascii(scheme: Scheme, host: &str) -> Result<Cow<'_, str>, InputProblem> {
    match is_plain_host(host) {
        true => Ok(Cow::Borrowed(host)),
        false => normalised(scheme, host).map(Cow::Owned),
    }
}

/// Whether a host needs no normalising, as nearly every host of a list. Where in doubt, no: then
/// [`normalised`] decides, and says the same of hosts that are plain.
pub(super) fn is_plain_host(host: &str) -> bool {
    is_plain_name(host) || is_plain_address(host)
}

/// Whether a host is an IPv4 address as it is printed.
fn is_plain_address(host: &str) -> bool {
    let begins_so = host.as_bytes().first().is_some_and(u8::is_ascii_digit);
    // Numbers with a zero in front are octal to some, and refused.
    begins_so && host.parse::<Ipv4Addr>().is_ok()
}

/// Whether a host is a name of lower-case ASCII letters, digits, `-` and `.`.
fn is_plain_name(host: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    // What ends in a number is an IPv4 address, or none. All forms of numbers begin with a digit.
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    name.len() <= HOST_BYTES_MAX
        && last.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && host.bytes().all(is_plain)
        // Such labels are decoded to be checked.
        && !host.contains("xn--")
}

/// The host as browsers understand it (WHATWG, UTS 46).
fn normalised(scheme: Scheme, host: &str) -> Result<String, InputProblem> {
    // Nothing in the host can end it early: `split` cut at every delimiter.
    let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| InputProblem::Host)?;
    let host = url.host_str().filter(|host| is_host(host)).ok_or(InputProblem::Host)?;
    Ok(host.to_owned())
}

/// Whether a host can be used: letters, digits, `-`, `.` and `_` (met in the wild), or an address
/// in brackets; of a length that DNS can carry (RFC 1035 section 2.3.4).
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return true;
    }
    let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let name = host.strip_suffix('.').unwrap_or(host);
    !name.is_empty() && name.len() <= HOST_BYTES_MAX && name.bytes().all(is_host_byte)
}

/// Longest host name in bytes, without the final dot.
const HOST_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hosts that are plain names, or nearly.
    fn host_like() -> impl Strategy<Value = String> {
        let label = prop_oneof![
            4 => "[a-z][a-z0-9-]{0,9}",
            1 => "[a-z0-9.-]{0,6}",
            1 => "(xn--|0x|0|x)[a-z0-9-]{0,5}",
            1 => "[a-z]{60,70}",
            1 => "[a-zA-Z0-9._é%~-]{0,3}",
            1 => "0?(25[0-9]|[0-9]{1,3})",
        ];
        (prop::collection::vec(label, 1..6), "[.]{0,2}")
            .prop_map(|(labels, end)| labels.join(".") + &end)
    }

    #[test]
    fn which_hosts_are_plain() {
        for host in ["a", "localhost", "a.b.", "x-y.z9", "1.2.3.a", "a..b", "-.a", "0x1.ab"] {
            assert!(is_plain_name(host), "{host}");
            assert_eq!(normalised(Scheme::Http, host), Ok(host.to_owned()));
        }
        let long = "a.".repeat(128);
        for host in
            ["", ".", "a..", "A", "a_b", "1", "a.1", "a.0x", "xn--a", "a.xn--a.b", "é", &long]
        {
            assert!(!is_plain_name(host), "{host}");
        }
    }

    #[test]
    fn which_addresses_are_plain() {
        for host in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "1.20.3.4"] {
            assert!(is_plain_address(host), "{host}");
            assert_eq!(normalised(Scheme::Http, host), Ok(host.to_owned()));
        }
        for host in ["1.2.3", "1.2.3.04", "1.2.3.256", "1.2.3.4.", "1.2.3.4.5", "0x1.2.3.4", ""] {
            assert!(!is_plain_address(host), "{host}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The short way says of a host what the long way says.
        #[test]
        fn plain_names_are_normal(host in host_like()) {
            if is_plain_host(&host) {
                for scheme in [Scheme::Http, Scheme::Https] {
                    prop_assert_eq!(normalised(scheme, &host), Ok(host.clone()));
                }
            }
        }
    }
}
