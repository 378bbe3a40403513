//! Addresses, and which of them are on the public internet, for `--no-private`.
//!
//! A list that one does not trust must not make this machine ask its own services, its neighbours
//! or the metadata service of its cloud. The table is that of the IANA special-purpose registries
//! (RFC 6890). For IPv6 it is the other way round: only global unicast (2000::/3) is public, less
//! what is special in it. An IPv4 address inside an IPv6 one counts as if it stood alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AddressPolicy {
    /// All.
    #[default]
    Any,
    /// `--no-private`: those of the public internet.
    Public,
    /// `--no-private=own`: those of the public internet that are not this machine's own.
    PublicNotOwn,
}

/// Why an address is not public.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// 127.0.0.0/8, ::1
    Loopback,
    /// 0.0.0.0/8 ("this network"), ::
    Unspecified,
    /// 169.254.0.0/16, fe80::/10; metadata services of clouds among them.
    LinkLocal,
    /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918), fc00::/7 (RFC 4193), fec0::/10.
    Private,
    /// 100.64.0.0/10 (RFC 6598)
    SharedByCarrier,
    /// An address that answers for the host of a virtual machine although it looks public.
    Metadata,
    /// 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32, 3fff::/20
    Documentation,
    /// 198.18.0.0/15, 2001:2::/48
    Benchmarking,
    /// 224.0.0.0/4, ff00::/8
    Multicast,
    /// 255.255.255.255
    Broadcast,
    /// 192.0.0.0/24, 192.88.99.0/24 (relays of 6to4, RFC 7526), 240.0.0.0/4, and whatever of IPv6
    /// is no global unicast.
    Reserved,
    /// An address of this machine, whatever block it is in. [`is_public`] cannot know.
    Own,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::Unspecified => "unspecified",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::SharedByCarrier => "shared by a carrier",
            Self::Metadata => "a metadata service",
            Self::Documentation => "for documentation",
            Self::Benchmarking => "for benchmarks",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Reserved => "reserved",
            Self::Own => "an address of this machine",
        })
    }
}

/// Takes `name[:port]` apart, as URLs and `Host` have it: an IPv6 address stands in brackets and
/// comes out without.
pub fn name_and_port(host: &str) -> (&str, Option<u16>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
        Some(_) | None => (host, None),
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    (address.unwrap_or(name), port)
}

/// An address as people write it, IPv6 with or without brackets.
pub fn parse(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok(),
    }
}

/// Checks that an address is on the public internet.
///
/// # Errors
/// When it is not: the kind of address that it is.
pub fn is_public(address: IpAddr) -> Result<(), Kind> {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> Result<(), Kind> {
    Err(match address.octets() {
        [0, ..] => Kind::Unspecified,
        [127, ..] => Kind::Loopback,
        [169, 254, ..] => Kind::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [100, 64..=127, ..] => Kind::SharedByCarrier,
        // Azure's "wire server", which every virtual machine there reaches.
        [168, 63, 129, 16] => Kind::Metadata,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Documentation,
        [198, 18..=19, ..] => Kind::Benchmarking,
        [224..=239, ..] => Kind::Multicast,
        [255, 255, 255, 255] => Kind::Broadcast,
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Kind::Reserved,
        _ => return Ok(()),
    })
}

fn is_public_v6(address: Ipv6Addr) -> Result<(), Kind> {
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    Err(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // Mapped (RFC 4291 section 2.5.5.2), translated (RFC 7915), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return is_public_v4(v4(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => return is_public_v4(v4(high, low)),
        // Teredo (RFC 4380 section 4): the server, and the client with every bit turned over.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            return is_public_v4(v4(high, low))
                .and_then(|()| is_public_v4(v4(!client_high, !client_low)));
        }
        // Documentation (RFC 3849, RFC 9637), benchmarks (RFC 5180).
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Documentation,
        [0x2001, 2, 0, ..] => Kind::Benchmarking,
        // The rest of what the IETF keeps for protocols (RFC 2928), overlays without routes in it.
        [0x2001, 0..=0x1ff, ..] => Kind::Reserved,
        // ISATAP (RFC 5214 section 6.1): whoever routes the prefix hands it to the IPv4 address.
        [0x2000..=0x3fff, _, _, _, 0 | 0x200, 0x5efe, high, low] => {
            return is_public_v4(v4(high, low));
        }
        [0x2000..=0x3fff, ..] => return Ok(()),
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Kind::Private,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        // IPv4-compatible ones (deprecated) and the NAT64 of a site (64:ff9b:1::/48) too.
        _ => Kind::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last address of each block, and what they are; the neighbours of blocks that are
    /// public are in the other table.
    const REFUSED: [(Kind, &str); 39] = [
        (Kind::Unspecified, "0.0.0.0 0.255.255.255 :: ::ffff:0.0.0.0"),
        (Kind::Private, "10.0.0.0 10.255.255.255"),
        (Kind::SharedByCarrier, "100.64.0.0 100.127.255.255 100.100.100.200"),
        (Kind::Loopback, "127.0.0.0 127.0.0.1 127.255.255.255 ::1"),
        (Kind::LinkLocal, "169.254.0.0 169.254.169.254 169.254.255.255"),
        (Kind::Metadata, "168.63.129.16"),
        (Kind::Private, "172.16.0.0 172.31.255.255"),
        (Kind::Reserved, "192.0.0.0 192.0.0.192 192.0.0.255"),
        (Kind::Documentation, "192.0.2.0 192.0.2.255"),
        (Kind::Reserved, "192.88.99.0 192.88.99.1 192.88.99.255 2002:c058:6301::"),
        (Kind::Private, "192.168.0.0 192.168.255.255"),
        (Kind::Benchmarking, "198.18.0.0 198.19.255.255"),
        (Kind::Documentation, "198.51.100.0 198.51.100.255"),
        (Kind::Documentation, "203.0.113.0 203.0.113.255"),
        (Kind::Multicast, "224.0.0.0 239.255.255.255"),
        (Kind::Reserved, "240.0.0.0 255.255.255.254"),
        (Kind::Broadcast, "255.255.255.255"),
        (Kind::Reserved, "::2 ::127.0.0.1 ::8.8.8.8 0:0:0:0:0:1::"),
        (Kind::Loopback, "::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:0:127.0.0.1"),
        (Kind::LinkLocal, "::ffff:169.254.169.254"),
        (Kind::Private, "::ffff:10.0.0.1 ::ffff:192.168.1.1"),
        (Kind::Loopback, "64:ff9b::127.0.0.1"),
        (Kind::LinkLocal, "64:ff9b::a9fe:a9fe"),
        (Kind::Reserved, "64:ff9b:1:: 64:ff9b:1:ffff::8.8.8.8 64:ff9b::1:8.8.8.8"),
        (Kind::Reserved, "100:: 1fff:: 4000:: 5f00:: fe00:: fe7f::"),
        (Kind::Loopback, "2002:7f00:1::"),
        (Kind::Private, "2002:a00:1::1 2002:c0a8:101:1::"),
        (Kind::LinkLocal, "2002:a9fe:a9fe::"),
        (Kind::Private, "2001:0:a00:1:0:0:f7f7:f7f7"),
        (Kind::Loopback, "2001:0:808:808:0:0:80ff:fffe"),
        (Kind::Benchmarking, "2001:2:: 2001:2:0:ffff::"),
        (Kind::Reserved, "2001:1::1 2001:10:: 2001:20:: 2001:1ff::"),
        (Kind::Documentation, "2001:db8:: 2001:db8:ffff:: 3fff:: 3fff:fff::"),
        (Kind::LinkLocal, "fe80:: fe80::1 febf:ffff::"),
        (Kind::Private, "fec0:: feff::1"),
        (Kind::Private, "fc00:: fd00:ec2::254 fdff:ffff::"),
        (Kind::Multicast, "ff00:: ff02::1 ffff::"),
        (Kind::Private, "2606:4700::5efe:a00:1 2606:4700::200:5efe:192.168.1.1"),
        (Kind::Loopback, "2a00:1:2:3:0:5efe:127.0.0.1"),
    ];

    const PUBLIC: &str = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 \
        126.255.255.255 128.0.0.0 168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 \
        172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 \
        192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 \
        223.255.255.255 8.8.8.8 \
        2000:: 2001:200:: 2001:db7:ffff:: 2001:db9:: 2606:4700::1111 2a00:: 3ffe:: 3fff:1000:: \
        ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808:: \
        2606:4700::5efe:8.8.8.8 2606:4700::200:5efe:808:808 2606:4700::100:5efe:a00:1 \
        2001:0:808:808:0:0:f7f7:f7f7";

    #[test]
    fn hosts_with_and_without_a_port() {
        assert_eq!(name_and_port("a.example"), ("a.example", None));
        assert_eq!(name_and_port("a.example:8080"), ("a.example", Some(8_080)));
        assert_eq!(name_and_port("192.0.2.1:1"), ("192.0.2.1", Some(1)));
        assert_eq!(name_and_port("[2001:db8::1]"), ("2001:db8::1", None));
        assert_eq!(name_and_port("[2001:db8::1]:8443"), ("2001:db8::1", Some(8_443)));
    }

    #[test]
    fn every_block_to_its_edges() {
        for (kind, addresses) in REFUSED {
            for address in addresses.split_whitespace() {
                assert_eq!(is_public(address.parse().unwrap()), Err(kind), "{address}");
            }
        }
        for address in PUBLIC.split_whitespace() {
            assert_eq!(is_public(address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_inner_address_counts_as_if_it_stood_alone() {
        for first in 0..=255_u8 {
            let inner = Ipv4Addr::new(first, 64, 1, 1);
            let alone = is_public(inner.into());
            assert_eq!(is_public(inner.to_ipv6_mapped().into()), alone, "{inner}");
            assert_eq!(is_public(format!("64:ff9b::{inner}").parse().unwrap()), alone, "{inner}");
            let [high, low] = [u16::from_be_bytes([first, 64]), u16::from_be_bytes([1, 1])];
            let relayed = Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1);
            assert_eq!(is_public(relayed.into()), alone, "{inner}");
        }
    }
}
