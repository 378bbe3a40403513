//! Names and their answers, and for how long these hold. There is no clock here and nobody is
//! asked: times are milliseconds of a clock that is handed in, the same one in all calls.
//!
//! - Addresses hold for their TTL, from 5 s to a day; that a name does not exist holds for the TTL
//!   of the answer's SOA record (RFC 2308 section 5), from 5 s to 5 min.
//! - A failure holds for a second (RFC 9520 section 3.2), so that the jobs of one name do not each
//!   wait for the same silence. Addresses that were known before go on to hold for 30 s then, up to
//!   a day after their time (RFC 8767).
//! - Names are looked up before their jobs have a place. An answer that nobody has used yet may be
//!   used up to a minute late, once: else a run with more names than places could look up the same
//!   name for ever.
//! - The oldest answer is forgotten first when all that is kept takes too much memory.

use super::Answer;
use crate::fault::{Cause, Failure};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// Result of asking the name servers for a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// The name has these addresses, for this many milliseconds.
    Addresses(Arc<[IpAddr]>, u64),
    /// The name does not exist or has no address. Words for the row, and the milliseconds for which
    /// that holds if the server said so.
    Nothing(Option<Box<str>>, Option<u64>),
    /// No server could say.
    Failed(Failure),
}

/// Names and their answers.
#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<Arc<str>, Entry>,
    /// Every entry in the order of their answers, the oldest first, and entries that were replaced
    /// since.
    order: VecDeque<Ordered>,
    /// Rises with each answer.
    sequence: u64,
    /// Bytes that names and answers take, those that were replaced included.
    bytes: usize,
    bytes_max: usize,
}

/// An entry in the order of their answers.
#[derive(Debug)]
struct Ordered {
    host: Arc<str>,
    sequence: u64,
    /// Bytes that the name and the answer take.
    bytes: u32,
}

#[derive(Debug)]
struct Entry {
    answer: Kept,
    until_ms: u64,
    /// When its addresses are of no use any more, in milliseconds.
    stale_until_ms: u64,
    sequence: u64,
    /// Whether nobody has used it so far.
    is_new: bool,
}

/// An answer with as few bytes as it takes: there may be many.
#[derive(Debug)]
enum Kept {
    One(IpAddr),
    Several(Arc<[IpAddr]>),
    Failed(Box<Failure>),
}

impl Cache {
    /// A cache that takes at most `bytes_max` of memory.
    pub(super) fn new(bytes_max: usize) -> Self {
        let (entries, order) = (HashMap::new(), VecDeque::new());
        Self { entries, order, sequence: 0, bytes: 0, bytes_max }
    }

    /// Number of names that are kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The answer for a name, to be used.
    pub(super) fn look(&mut self, host: &str, now_ms: u64) -> Option<Answer> {
        let entry = self.entries.get_mut(host)?;
        if !entry.is_usable(now_ms) {
            return None;
        }
        entry.is_new = false;
        Some(entry.answer.tell())
    }

    /// Whether [`Self::look`] would find an answer.
    pub(super) fn is_known(&self, host: &str, now_ms: u64) -> bool {
        self.entries.get(host).is_some_and(|entry| entry.is_usable(now_ms))
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, host: Arc<str>, found: Found, now_ms: u64) {
        let (answer, ttl_ms) = match found {
            Found::Addresses(addresses, ttl_ms) => {
                (Ok(addresses), ttl_ms.clamp(TTL_MIN_MS, TTL_MAX_MS))
            }
            Found::Nothing(words, ttl_ms) => {
                let ttl_ms = ttl_ms.unwrap_or(0).clamp(TTL_MIN_MS, TTL_NEGATIVE_MAX_MS);
                (Err(Failure { cause: Cause::NameNotFound, detail: words }), ttl_ms)
            }
            Found::Failed(failure) => {
                let old = self.entries.get_mut(&host);
                if let Some(old) = old.filter(|entry| entry.is_of_use(now_ms)) {
                    (old.until_ms, old.is_new) = (now_ms + TTL_STALE_MS, true);
                    return;
                }
                (Err(failure), TTL_FAILURE_MS)
            }
        };
        self.put(host, answer, now_ms.saturating_add(ttl_ms), true);
    }

    /// Takes in addresses that another run has known. They hold until their time and not longer,
    /// but may be fallen back upon.
    pub(super) fn preload(&mut self, host: Arc<str>, addresses: Arc<[IpAddr]>, until_ms: u64) {
        self.put(host, Ok(addresses), until_ms, false);
    }

    /// Names with addresses that another run could use, and until when they hold.
    pub(super) fn held(
        &self,
        now_ms: u64,
    ) -> impl Iterator<Item = (&Arc<str>, Arc<[IpAddr]>, u64)> {
        let of_use = self.entries.iter().filter(move |(_, entry)| entry.is_of_use(now_ms));
        of_use.filter_map(|(host, entry)| Some((host, entry.answer.tell().ok()?, entry.until_ms)))
    }

    fn put(&mut self, host: Arc<str>, answer: Answer, until_ms: u64, is_new: bool) {
        self.sequence += 1;
        let stale_until_ms = until_ms.saturating_add(STALE_MAX_MS);
        let answer = Kept::new(answer);
        let bytes = ENTRY_BYTES + host.len() + answer.bytes();
        let entry = Entry { answer, until_ms, stale_until_ms, sequence: self.sequence, is_new };
        self.bytes += bytes;
        let bytes = u32::try_from(bytes).expect("names and addresses are few bytes");
        self.order.push_back(Ordered { host: Arc::clone(&host), sequence: self.sequence, bytes });
        self.entries.insert(host, entry);
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= oldest.bytes as usize;
            let entry = self.entries.get(&oldest.host);
            if entry.is_some_and(|entry| entry.sequence == oldest.sequence) {
                self.entries.remove(&oldest.host);
            }
        }
    }
}

impl Entry {
    fn is_usable(&self, now_ms: u64) -> bool {
        let late_ms = if self.is_new { LATE_MAX_MS } else { 0 };
        now_ms < self.until_ms.saturating_add(late_ms)
    }

    /// Whether the entry has addresses that may be fallen back upon.
    fn is_of_use(&self, now_ms: u64) -> bool {
        let has_addresses = match self.answer {
            Kept::One(_) | Kept::Several(_) => true,
            Kept::Failed(_) => false,
        };
        has_addresses && now_ms < self.stale_until_ms
    }
}

impl Kept {
    fn new(answer: Answer) -> Self {
        match answer {
            Ok(addresses) => match *addresses {
                [address] => Self::One(address),
                _ => Self::Several(addresses),
            },
            Err(failure) => Self::Failed(failure.into()),
        }
    }

    /// Bytes that the answer takes beside itself.
    fn bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Several(addresses) => BLOCK_BYTES + size_of_val(&**addresses),
            Self::Failed(failure) => {
                let words = failure.detail.as_ref().map_or(0, |words| BLOCK_BYTES + words.len());
                BLOCK_BYTES + size_of_val(&**failure) + words
            }
        }
    }

    fn tell(&self) -> Answer {
        match self {
            Self::One(address) => Ok([*address].into()),
            Self::Several(addresses) => Ok(Arc::clone(addresses)),
            Self::Failed(failure) => Err((**failure).clone()),
        }
    }
}

/// Most bytes that one name takes beside its text and its addresses: its place in the table, which
/// may have just grown and keeps an eighth free, its place in the order, which may have just grown,
/// and the block of its name.
const ENTRY_BYTES: usize = 72 * 16 / 7 + 64 + BLOCK_BYTES;
/// Bytes that a block of memory takes beside its contents, counters of its owners included.
const BLOCK_BYTES: usize = 32;

/// Shortest time for which addresses, or that there are none, are known: one run asks no more often
/// about the same name.
const TTL_MIN_MS: u64 = 5_000;
/// Longest time for which addresses are known.
const TTL_MAX_MS: u64 = 86_400_000;
/// Longest time for which a name is known not to exist.
const TTL_NEGATIVE_MAX_MS: u64 = 300_000;
/// Time for which a failure is known, in milliseconds.
pub(super) const TTL_FAILURE_MS: u64 = 1_000;
/// Time for which addresses are used again that have expired, in milliseconds (RFC 8767 section 4).
const TTL_STALE_MS: u64 = 30_000;
/// Most time after their expiry for which addresses may be fallen back upon, in milliseconds.
const STALE_MAX_MS: u64 = 86_400_000;
/// Most time by which an answer may be late when it is used for the first time, in milliseconds.
const LATE_MAX_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Arc<[IpAddr]> {
        text.split(' ').map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_kept_is_told() {
        for known in ["192.0.2.1", "2001:db8::1", "192.0.2.1 2001:db8::1"] {
            let mut cache = Cache::new(10_000);
            let answer = keep(&mut cache, Found::Addresses(addresses(known), 0), 0);
            assert_eq!(answer, Ok(addresses(known)));
        }
        // Beside that: the name twice over, the queue, and what the table leaves empty.
        assert!(size_of::<(Arc<str>, Entry)>() <= 72 && size_of::<Ordered>() <= 32);
    }

    fn found(ttl_ms: u64) -> Found {
        Found::Addresses(addresses("192.0.2.1 2001:db8::1"), ttl_ms)
    }

    /// Lets the name `a` be answered, and looks what holds then.
    fn keep(cache: &mut Cache, found: Found, now_ms: u64) -> Answer {
        cache.keep("a".into(), found, now_ms);
        cache.look("a", now_ms).unwrap()
    }

    const SILENCE: Found = Found::Failed(Failure { cause: Cause::Timeout, detail: None });

    #[test]
    fn answers_hold_for_their_time() {
        let nothing = |ttl_ms| Found::Nothing(None, ttl_ms);
        let table = [
            (found(60_000), 60_000),
            (found(0), TTL_MIN_MS),
            (found(u64::MAX), TTL_MAX_MS),
            (nothing(Some(60_000)), 60_000),
            (nothing(Some(1_000)), TTL_MIN_MS),
            (nothing(Some(3_600_000)), TTL_NEGATIVE_MAX_MS),
            (nothing(None), TTL_MIN_MS),
            (SILENCE, TTL_FAILURE_MS),
        ];
        for (found, held_ms) in table {
            let mut cache = Cache::new(10_000);
            assert_eq!(cache.look("a", 1_000), None);
            let answer = keep(&mut cache, found.clone(), 1_000);
            assert_eq!(cache.look("a", 999 + held_ms), Some(answer), "{found:?}");
            assert_eq!(cache.look("a", 1_000 + held_ms), None, "{found:?}");
            assert_eq!(cache.look("b", 1_000), None);
        }
    }

    #[test]
    fn an_answer_that_nobody_has_used_may_be_used_late_and_once() {
        let mut cache = Cache::new(10_000);
        for (found, held_ms) in [(found(9_000), 9_000), (SILENCE, TTL_FAILURE_MS)] {
            cache.keep("a".into(), found.clone(), 0);
            let late_ms = held_ms + LATE_MAX_MS - 1;
            assert!(cache.is_known("a", late_ms) && cache.is_known("a", late_ms));
            assert!(cache.look("a", late_ms).is_some());
            assert!(!cache.is_known("a", late_ms), "it was used");
            assert_eq!(cache.look("a", late_ms), None);
            cache.entries.clear();
            cache.keep("a".into(), found, 0);
            assert_eq!(cache.look("a", late_ms + 1), None, "that would be too late");
        }
    }

    #[test]
    fn old_addresses_are_better_than_no_answer() {
        let mut cache = Cache::new(10_000);
        let known = keep(&mut cache, found(9_000), 0);
        assert_eq!(cache.look("a", 9_000), None);
        assert_eq!(keep(&mut cache, SILENCE, 100_000), known);
        assert_eq!(cache.look("a", 100_000 + TTL_STALE_MS - 1), Some(known));
        assert_eq!(cache.look("a", 100_000 + TTL_STALE_MS), None);
        // What is said of the name goes before what was known.
        let gone = keep(&mut cache, Found::Nothing(None, None), 200_000);
        assert_eq!(gone, Err(Cause::NameNotFound.into()));
        assert_eq!(keep(&mut cache, SILENCE, 300_000), Err(Cause::Timeout.into()));

        assert!(keep(&mut cache, found(9_000), 0).is_ok());
        let too_late_ms = 9_000 + STALE_MAX_MS;
        assert_eq!(cache.held(too_late_ms - 1).count(), 1);
        assert_eq!(cache.held(too_late_ms).count(), 0);
        assert!(keep(&mut cache, SILENCE, too_late_ms - 1).is_ok());
        let silence = keep(&mut cache, SILENCE, too_late_ms);
        assert_eq!(silence, Err(Cause::Timeout.into()), "counted from when they were said");
        assert_eq!(cache.held(0).count(), 0, "only addresses are of use to others");
    }

    #[test]
    fn what_another_run_knew_is_not_used_late() {
        let mut cache = Cache::new(10_000);
        cache.preload("a".into(), addresses("192.0.2.1"), 5_000);
        assert!(cache.look("a", 4_999).is_some());
        assert_eq!(cache.look("a", 5_000), None);
        assert!(keep(&mut cache, SILENCE, 5_000).is_ok(), "but it is fallen back upon");
    }

    #[test]
    fn the_oldest_answers_go_first() {
        // Room for three names with one address.
        let one = || Found::Addresses(addresses("192.0.2.1"), 60_000);
        let mut cache = Cache::new(3 * (ENTRY_BYTES + 1));
        for host in ["a", "b", "c"] {
            cache.keep(host.into(), one(), 0);
        }
        // Asked again, it is not the oldest any more.
        cache.keep("a".into(), one(), 1);
        cache.keep("d".into(), one(), 1);
        let known = ["a", "b", "c", "d"].map(|host| cache.look(host, 2).is_some());
        assert_eq!(known, [true, false, true, true]);
        for n in 0..1_000 {
            cache.keep(format!("{n}").into(), one(), 2);
            assert!(cache.entries.len() <= 3 && cache.order.len() <= 3);
            assert!(cache.bytes <= cache.bytes_max);
        }
    }

    #[test]
    fn names_with_many_addresses_leave_room_for_fewer() {
        let many: Arc<[IpAddr]> = (0..32).map(|n| IpAddr::from([192, 0, 2, n])).collect();
        let held = |found: Found| {
            let mut cache = Cache::new(1 << 20);
            for n in 0..20_000 {
                cache.keep(format!("{n}.example").into(), found.clone(), 0);
            }
            cache.len()
        };
        let (one, many) = (
            held(Found::Addresses(addresses("192.0.2.1"), 60_000)),
            held(Found::Addresses(many, 60_000)),
        );
        let words = held(Found::Failed(Failure::new(Cause::ResolveFailed, "x".repeat(2_000))));
        assert!((3_500..5_000).contains(&one), "{one}");
        assert!((1_000..1_500).contains(&many) && (300..500).contains(&words), "{many} {words}");
    }
}
