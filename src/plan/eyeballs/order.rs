//! The order in which the addresses of a host are tried: which family goes first (RFC 6724 section
//! 6), and that families take turns (RFC 8305 section 4). Within a family it is the name server's,
//! which many use to share out their load.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

/// Properties of an address that decide which family goes first; alike for most addresses, so that
/// the answer can be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Class {
    label: u8,
    precedence: u8,
    scope: u8,
}

/// The class of an address (RFC 6724 sections 2.1 and 3.1 to 3.3).
pub fn class(address: IpAddr) -> Class {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let (precedence, label) = policy(address);
    Class { label, precedence, scope: scope(address) }
}

/// Whether `one` is the better of two destinations, each with the source address that the kernel
/// would take for it (none: it cannot be reached). RFC 6724 section 6, rules 1, 2, 5, 6 and 8; the
/// others need to know more, or take from name servers what they decide.
pub fn better(one: (IpAddr, Option<IpAddr>), other: (IpAddr, Option<IpAddr>)) -> Ordering {
    let rank = |(address, source): (IpAddr, Option<IpAddr>)| {
        let to = class(address);
        let from = source.map(class);
        (
            from.is_some(),
            from.is_some_and(|from| from.scope == to.scope),
            from.is_some_and(|from| from.label == to.label),
            to.precedence,
            std::cmp::Reverse(to.scope),
        )
    };
    rank(one).cmp(&rank(other))
}

/// The addresses with families that take turns, as long as there are of both.
pub fn interleave(addresses: &[IpAddr], is_v6_first: bool) -> Vec<IpAddr> {
    let of = |is_v6: bool| addresses.iter().copied().filter(move |one| one.is_ipv6() == is_v6);
    let (mut first, mut second) = (of(is_v6_first), of(!is_v6_first));
    let mut all = Vec::with_capacity(addresses.len());
    while all.len() < addresses.len() {
        all.extend(first.next());
        all.extend(second.next());
    }
    all
}

/// Precedence and label of the default policy table (RFC 6724 section 2.1). IPv4 is there as
/// IPv4-mapped.
fn policy(address: Ipv6Addr) -> (u8, u8) {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => (50, 0),
        [0, 0, 0, 0, 0, 0xffff, ..] => (35, 4),
        [0, 0, 0, 0, 0, 0, ..] => (1, 3),
        [0x2002, ..] => (30, 2),
        [0x2001, 0, ..] => (5, 5),
        [0xfc00..=0xfdff, ..] => (3, 13),
        [0xfec0..=0xfeff, ..] => (1, 11),
        [0x3ffe, ..] => (1, 12),
        _ => (40, 1),
    }
}

/// The scope of an address (RFC 6724 sections 3.1 and 3.2, RFC 4291 section 2.7).
fn scope(address: Ipv6Addr) -> u8 {
    if let Some(address) = address.to_ipv4_mapped() {
        let is_local = address.is_loopback() || address.is_link_local();
        return if is_local { LINK_LOCAL } else { GLOBAL };
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] | [0xfe80..=0xfebf, ..] => LINK_LOCAL,
        [0xfec0..=0xfeff, ..] => SITE_LOCAL,
        [first @ 0xff00..=0xffff, ..] => first.to_be_bytes()[1] & 0xf,
        _ => GLOBAL,
    }
}

const LINK_LOCAL: u8 = 0x2;
const SITE_LOCAL: u8 = 0x5;
const GLOBAL: u8 = 0xe;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_go_as_rfc_6724_says() {
        // Destination and source twice, the better one first. The examples of section 10.2 that
        // need no more than these rules, and what is met in practice.
        let table = [
            ("2001:db8:1::1 2001:db8:1::2", "198.51.100.121 198.51.100.117"),
            ("198.51.100.121 198.51.100.117", "2001:db8:1::1 fe80::1"),
            ("2001:db8:1::1 2001:db8:1::2", "10.1.2.3 10.1.2.4"),
            ("198.51.100.121 198.51.100.117", "2001:db8:1::1 -"),
            ("2001:db8:1::1 2001:db8:1::2", "198.51.100.121 -"),
            // A network with private IPv6 addresses only.
            ("198.51.100.121 10.0.0.1", "2606:4700::1 fd00::1"),
            // Tunnels.
            ("198.51.100.121 10.0.0.1", "2606:4700::1 2002:c633:6401::1"),
            ("198.51.100.121 10.0.0.1", "2606:4700::1 2001:0:808:808::1"),
            ("::1 ::1", "127.0.0.1 127.0.0.1"),
            ("10.0.0.1 10.0.0.2", "fd00::1 fd00::2"),
        ];
        for (first, second) in table {
            let parse = |text: &str| {
                let (to, from) = text.split_once(' ').unwrap();
                (address(to), (from != "-").then(|| address(from)))
            };
            assert_eq!(better(parse(first), parse(second)), Ordering::Greater, "{first} {second}");
            assert_eq!(better(parse(second), parse(first)), Ordering::Less, "{first} {second}");
        }
        let one = (address("192.0.2.1"), Some(address("192.0.2.9")));
        assert_eq!(better(one, (address("192.0.2.2"), one.1)), Ordering::Equal);
    }

    #[test]
    fn families_take_turns() {
        let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"].map(address);
        let [a, b, c, x] = all;
        assert_eq!(interleave(&all, true), [x, a, b, c]);
        assert_eq!(interleave(&all, false), [a, x, b, c]);
        assert_eq!(interleave(&[x, a], false), [a, x]);
        assert_eq!(interleave(&[b, a], true), [b, a]);
        assert_eq!(interleave(&[], true), [] as [IpAddr; 0]);
    }

    #[test]
    fn addresses_of_one_kind_are_of_one_class() {
        let alike = |one, other| class(address(one)) == class(address(other));
        assert!(alike("192.0.2.1", "10.0.0.1") && alike("2606:4700::1", "2a00::9"));
        assert!(!alike("192.0.2.1", "127.0.0.1") && !alike("2606:4700::1", "fd00::1"));
        assert!(!alike("fe80::1", "fec0::1") && !alike("ff02::1", "ff05::1"));
    }
}
