//! Bandwidth limits at work: the accounts that slots of all cores share, and a slot's way through
//! them.
//!
//! A slot takes its turn before it asks for anything: before its request, and before each receive
//! of its body, of which it then asks for a grain only (see [`Account::grain_bytes`]). What it does
//! not receive stays in the kernel's socket buffer, so that TCP slows the server down. That buffer
//! is filled at full speed; a limit is about what is received from it.

use crate::engine::moment::Bounds;
use crate::fault::{Cause, Fault, Stage};
use crate::plan::pace::{Account, Bandwidth, GRAIN_BYTES_MIN};
use crate::ring::conn::ReadHint;
use crate::ring::io::Io;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The limits of a run, and the accounts that its transfers share.
#[derive(Debug)]
pub(crate) struct Paces {
    run: Option<Arc<TimedAccount>>,
    per_host: Option<u64>,
    per_transfer: Option<u64>,
    hosts: Mutex<Hosts>,
}

/// The accounts of hosts, by `Host` header. One stays for as long as somebody holds it or it is not
/// paid for: a host of many small files is asked by one transfer after another.
#[derive(Debug)]
struct Hosts {
    accounts: HashMap<Box<str>, Arc<TimedAccount>>,
    /// With so many of them, those that nobody needs are taken out.
    clear_at: usize,
}

impl Paces {
    /// What a run with these limits needs; nothing without any.
    pub(crate) fn new(config: &Bandwidth) -> Option<Self> {
        if *config == Bandwidth::default() {
            return None;
        }
        Some(Self {
            run: config.run.map(|rate| Arc::new(TimedAccount::new(rate))),
            per_host: config.per_host,
            per_transfer: config.per_transfer,
            hosts: Mutex::new(Hosts { accounts: HashMap::new(), clear_at: HOSTS_CLEAR_MIN }),
        })
    }

    /// The pace of an attempt at this host.
    pub(crate) fn attempt(&self, host: &str) -> Pace {
        // The narrowest first: who waits for its host must not keep the run's line waiting.
        let own = self.per_transfer.map(|rate| Arc::new(TimedAccount::new(rate)));
        let host = self.per_host.map(|rate| self.host(host, rate));
        Pace::new(own.into_iter().chain(host).chain(self.run.clone()).collect())
    }

    fn host(&self, host: &str, rate: u64) -> Arc<TimedAccount> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = hosts.accounts.get(host) {
            return Arc::clone(account);
        }
        if hosts.accounts.len() >= hosts.clear_at {
            let is_needed =
                |account: &Arc<TimedAccount>| Arc::strong_count(account) > 1 || !account.is_fresh();
            hosts.accounts.retain(|_, account| is_needed(account));
            hosts.clear_at = HOSTS_CLEAR_MIN.max(2 * hosts.accounts.len());
        }
        let account = Arc::new(TimedAccount::new(rate));
        hosts.accounts.insert(host.into(), Arc::clone(&account));
        account
    }
}

/// An account with its clock.
#[derive(Debug)]
struct TimedAccount {
    account: Account,
    began: Instant,
}

impl TimedAccount {
    fn new(rate: u64) -> Self {
        // An account that is new owes nothing and has saved nothing up.
        Self { account: Account::new(rate), began: Instant::now() }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn is_fresh(&self) -> bool {
        self.account.is_fresh(self.now_ns())
    }

    /// As [`Account::take`], now.
    fn take(&self, bytes: u64) -> u64 {
        self.account.take(bytes, self.now_ns())
    }

    /// As [`Account::charge_actual`], now.
    fn settle(&self, taken: u64, came: u64) {
        self.account.charge_actual(taken, came, self.now_ns());
    }
}

/// One attempt's way through its accounts. What it took and did not get it gives back when it is
/// dropped.
#[derive(Debug)]
pub(crate) struct Pace {
    accounts: Vec<Arc<TimedAccount>>,
    /// Most bytes of one receive.
    grain: u64,
    /// Taken from each of the first `passed` accounts, and not settled yet.
    taken: u64,
    passed: usize,
    /// Body bytes that came since.
    came: u64,
    /// What to expect of a receive whose length nobody knows.
    expected: u64,
}

impl Pace {
    fn new(accounts: Vec<Arc<TimedAccount>>) -> Self {
        let grains = accounts.iter().map(|account| account.account.grain_bytes());
        let grain = grains.min().unwrap_or(u64::MAX);
        Self { accounts, grain, taken: 0, passed: 0, came: 0, expected: GRAIN_BYTES_MIN }
    }

    /// Body bytes came.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.came += bytes as u64;
    }

    /// Waits until a request may be sent. Gives how much to receive of its answer at first.
    pub(crate) async fn begin(&mut self, bounds: Bounds<'_>) -> Result<ReadHint, Fault> {
        self.expected = GRAIN_BYTES_MIN;
        self.pass(bounds, GRAIN_BYTES_MIN).await.map_err(|cause| {
            // Nothing was sent yet.
            Fault::new(Stage::Connect, cause)
        })?;
        Ok(self.first())
    }

    /// What is received of an answer before anything is known about it.
    pub(crate) fn first(&self) -> ReadHint {
        ReadHint::UpTo(self.grain.min(FIRST_BYTES_MAX))
    }

    /// Waits until `want` may be received. Gives how much of it.
    pub(crate) async fn turn(
        &mut self,
        bounds: Bounds<'_>,
        want: ReadHint,
    ) -> Result<ReadHint, Fault> {
        let (want, bytes) = match want {
            ReadHint::Exactly(bytes) => {
                (ReadHint::Exactly(bytes.min(self.grain)), bytes.min(self.grain))
            }
            ReadHint::Any | ReadHint::UpTo(_) => {
                if self.passed > 0 && self.came > 0 {
                    self.expected = self.came.min(self.grain);
                }
                (ReadHint::UpTo(self.grain), self.expected)
            }
        };
        let passed = self.pass(bounds, bytes).await;
        passed.map_err(|cause| Fault::new(Stage::Body, cause))?;
        Ok(want)
    }

    /// Squares what was taken with what came.
    fn settle(&mut self) {
        let came = std::mem::take(&mut self.came);
        let taken = std::mem::take(&mut self.taken);
        for (index, account) in self.accounts.iter().enumerate() {
            let taken = if index < self.passed { taken } else { 0 };
            account.settle(taken, came);
        }
        self.passed = 0;
    }

    async fn pass(&mut self, bounds: Bounds<'_>, bytes: u64) -> Result<(), Cause> {
        self.settle();
        bounds.until(self.pass_all(bounds.io, bytes)).await
    }

    async fn pass_all(&mut self, io: &Io, bytes: u64) {
        self.taken = bytes;
        for account in &self.accounts {
            self.passed += 1;
            let wait_ns = account.take(bytes);
            if wait_ns > 0 {
                io.sleep(Duration::from_nanos(wait_ns)).await;
            }
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Most bytes of the first receive of an answer: many answers begin at once, and each is short for
/// all that is known.
const FIRST_BYTES_MAX: u64 = 4_096;
/// Hosts whose accounts are kept without a look at whether somebody needs them.
const HOSTS_CLEAR_MIN: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use tokio::task::LocalSet;

    /// What happened: which slot passed, and when, in milliseconds of a clock that runs only while
    /// everybody sleeps.
    type Log = Rc<RefCell<Vec<(&'static str, u128)>>>;

    fn on_a_clock_of_its_own(story: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(LocalSet::new().run_until(story));
    }

    /// A slot that receives so many bytes, so often.
    async fn slot(name: &'static str, mut pace: Pace, times: usize, bytes: u64, log: Log) {
        let began = Instant::now();
        for _ in 0..times {
            pace.settle();
            pace.pass_all(&Io::default(), bytes).await;
            pace.came(usize::try_from(bytes).unwrap());
            log.borrow_mut().push((name, began.elapsed().as_millis()));
            // The receive, which is when others get in line.
            tokio::task::yield_now().await;
        }
    }

    fn paces(run: Option<u64>, per_host: Option<u64>, per_transfer: Option<u64>) -> Paces {
        Paces::new(&Bandwidth { run, per_host, per_transfer }).unwrap()
    }

    #[test]
    fn slots_take_turns_and_share_the_rate() {
        on_a_clock_of_its_own(async {
            let (paces, log) = (paces(Some(10_240), None, None), Log::default());
            let slots = ["a", "b", "c"].map(|name| {
                let slot = slot(name, paces.attempt("host"), 20, 1_024, Rc::clone(&log));
                tokio::task::spawn_local(slot)
            });
            for slot in slots {
                slot.await.unwrap();
            }
            let log = log.take();
            let order: Vec<&str> = log.iter().map(|passed| passed.0).collect();
            assert_eq!(order, ["a", "b", "c"].repeat(20));
            // One after another, 100 ms each; a timer is late by a millisecond at most.
            for (index, (_, at_ms)) in log.iter().enumerate() {
                let wanted_ms = index as u128 * 100;
                assert!((wanted_ms..=wanted_ms + 2).contains(at_ms), "{index}: {at_ms}");
            }
        });
    }

    #[test]
    fn who_waits_for_its_host_does_not_hold_up_the_run() {
        on_a_clock_of_its_own(async {
            let (paces, log) = (paces(Some(1 << 30), Some(1_024), None), Log::default());
            let slow = slot("slow", paces.attempt("slow"), 3, 10 * 1_024, Rc::clone(&log));
            let slow = tokio::task::spawn_local(slow);
            let quick = slot("quick", paces.attempt("quick"), 8, 1_024, Rc::clone(&log));
            quick.await;
            slow.await.unwrap();
            let log = log.take();
            // The first bytes of a host need no wait; ten seconds each follow.
            for (name, at_ms) in &log[..9] {
                assert!(*at_ms < 10_000, "{name} {at_ms}");
            }
            assert_eq!(log[9..].iter().map(|passed| passed.0).collect::<Vec<_>>(), ["slow"; 2]);
        });
    }

    #[test]
    fn what_did_not_come_is_for_the_next() {
        on_a_clock_of_its_own(async {
            let paces = paces(Some(1_000), None, None);
            let began = Instant::now();
            let mut first = paces.attempt("host");
            first.pass_all(&Io::default(), 60_000).await;
            first.came(1_000);
            drop(first);
            paces.attempt("host").pass_all(&Io::default(), 1).await;
            assert_eq!(began.elapsed().as_millis(), 1_000);
        });
    }

    #[test]
    fn a_wait_that_is_given_up_takes_nothing_and_lets_others_go() {
        on_a_clock_of_its_own(async {
            let paces = paces(Some(1_000), None, None);
            let mut first = paces.attempt("host");
            first.pass_all(&Io::default(), 5_000).await;
            first.came(5_000);
            let mut second = paces.attempt("host");
            first.settle();
            let io = Io::default();
            let given_up =
                tokio::time::timeout(Duration::from_secs(1), second.pass_all(&io, 9_000));
            assert!(given_up.await.is_err());
            drop(second);
            first.pass_all(&Io::default(), 1).await;
            assert_eq!(first.accounts[0].began.elapsed().as_millis(), 5_000);
        });
    }

    #[test]
    fn a_transfer_has_a_rate_of_its_own() {
        on_a_clock_of_its_own(async {
            let (paces, log) = (paces(None, None, Some(1_024)), Log::default());
            let slots = ["a", "b"].map(|name| {
                let slot = slot(name, paces.attempt("host"), 3, 1_024, Rc::clone(&log));
                tokio::task::spawn_local(slot)
            });
            for slot in slots {
                slot.await.unwrap();
            }
            let seconds: Vec<u128> = log.take().iter().map(|passed| passed.1 / 1_000).collect();
            assert_eq!(seconds, [0, 0, 1, 1, 2, 2]);
        });
    }

    #[test]
    fn a_host_is_remembered_until_it_is_paid_for() {
        on_a_clock_of_its_own(async {
            let paces = paces(None, Some(1_000), None);
            let mut pace = paces.attempt("a.example");
            pace.pass_all(&Io::default(), 5_000).await;
            pace.came(5_000);
            drop(pace);
            for n in 0..5 * HOSTS_CLEAR_MIN {
                drop(paces.attempt(&n.to_string()));
            }
            let known = |host: &str| paces.hosts.lock().unwrap().accounts.contains_key(host);
            assert!(known("a.example") && !known("0"));
            tokio::time::sleep(Duration::from_secs(6)).await;
            for n in 0..5 * HOSTS_CLEAR_MIN {
                drop(paces.attempt(&n.to_string()));
            }
            assert!(!known("a.example"));
            assert!(paces.hosts.lock().unwrap().accounts.len() <= HOSTS_CLEAR_MIN);
        });
    }
}
