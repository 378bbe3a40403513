//! Shards of a list that several processes pull: whole hosts, so that each is asked by one process
//! only and politeness holds over all of them.
//!
//! The rule never changes, because reports of different days and machines are merged: it is FNV-1a
//! (64 bits; 14695981039346656037, then for each byte an exclusive or and a product with
//! 1099511628211) over the host name as it is sent, in lower case ASCII, without its port, the
//! brackets of an IPv6 address and one final dot; then the finish of murmur3 (`fmix64`), so that
//! names that differ in one digit scatter; then the remainder of a division by the number of
//! shards.

/// One of several shards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// The only one of a list that is not shared.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Shard `index`, from 0, of `count`.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn new(index: u32, count: u32) -> Self {
        assert!(index < count, "shards are numbered from 0");
        Self { index, count }
    }

    /// Which of them it is, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether the lines of a host (`plan::target::Target::host`) are this shard's.
    pub fn has(self, host: &str) -> bool {
        self.count == 1 || hash(host) % u64::from(self.count) == u64::from(self.index)
    }

    /// Whether this shard has the lines without a host, that is bad ones: they are the first
    /// shard's.
    pub fn has_bad_lines(self) -> bool {
        self.index == 0
    }
}

/// Hash of a host, the same for ever: see the top of the module.
fn hash(host: &str) -> u64 {
    let host = host.strip_suffix('.').unwrap_or(host);
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut hash = host.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// If this fails, lists that were begun by other versions are torn apart.
    #[test]
    fn the_hash_is_the_same_for_ever() {
        let table = [
            ("", 0xefd0_1f60_ba99_2926),
            ("example.com", 0x9591_d642_1994_d599),
            ("a.example.com", 0x38a4_c734_72ef_92b9),
            ("xn--bcher-kva.example", 0x2f35_c3df_810f_623b),
            ("127.0.0.1", 0xcede_3ba3_b641_7b22),
            ("2001:db8::1", 0x85a0_a62e_e75f_af77),
        ];
        for (host, expected) in table {
            assert_eq!(hash(host), expected, "{host}");
        }
        assert_eq!(hash("example.com."), hash("example.com"));
    }

    #[test]
    fn hosts_scatter() {
        for count in [2_u32, 3, 10, 64] {
            let mut hosts = vec![0_u32; count as usize];
            for number in 0..1_000 * count {
                let host = format!("img{number}.example");
                for index in 0..count {
                    hosts[index as usize] += u32::from(Shard::new(index, count).has(&host));
                }
            }
            assert_eq!(hosts.iter().sum::<u32>(), 1_000 * count);
            assert!(hosts.iter().all(|hosts| (850..1_150).contains(hosts)), "{hosts:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_host_is_in_one_shard(host in any::<String>(), count in 1_u32..9) {
            let owners = (0..count).filter(|index| Shard::new(*index, count).has(&host));
            prop_assert_eq!(owners.count(), 1);
            let bad = (0..count).filter(|index| Shard::new(*index, count).has_bad_lines());
            prop_assert_eq!(bad.count(), 1);
        }
    }
}
