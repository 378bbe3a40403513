//! Names to addresses. One thread asks the name servers for all others, in parallel, and once for a
//! name that several wait for; an answer is known to all threads at once.
//!
//! [`Resolver::known`] waits for nothing. [`Resolver::ask`] begins a look-up and returns;
//! [`Resolver::lookup`] waits for one. Every look-up ends in an answer, also when the thread that
//! asks panics or is gone.

mod cache;
mod health;
mod options;
mod servers;
mod sockets;

pub use options::{DnsOptions, Family, ResolveOverride};

use crate::fault::{Cause, Failure};
use crate::limits::NAMES_KNOWN_BYTES_MAX;
use anyhow::Context as _;
use cache::{Cache, Found};
use servers::Servers;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, oneshot};

/// Least time for which a failed look-up is known: nobody asks again before, in milliseconds.
pub const FAILURE_KNOWN_MS: u64 = cache::TTL_FAILURE_MS;

/// The addresses of a name, or why there are none, with the resolver's words. Families alternate,
/// so that the second address to be tried is one of the other family.
pub type Answer = Result<Arc<[IpAddr]>, Failure>;

/// Addresses of a name that outlive a run.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedName {
    /// The name, in lower case.
    pub host: Arc<str>,
    /// Addresses of the name, at least one.
    pub addresses: Arc<[IpAddr]>,
    /// When the addresses expire, in seconds of Unix time.
    pub expires_unix_s: u64,
}

/// A handle on the names that are known, and on the thread that asks.
#[derive(Clone)]
pub struct Resolver {
    ask: mpsc::UnboundedSender<Question>,
    names: Arc<Names>,
    overrides: Arc<[ResolveOverride]>,
    family: Family,
    is_needless: bool,
}

impl Resolver {
    /// Starts the resolver thread; it ends when the last handle is dropped. `/etc/resolv.conf` and
    /// `/etc/hosts` are read when the first name is asked for.
    ///
    /// # Errors
    /// When there can be no such thread.
    pub fn start(options: &DnsOptions) -> anyhow::Result<Self> {
        let cannot = "cannot start the resolver thread";
        let (ask, questions) = mpsc::unbounded_channel();
        let asked = options.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context(cannot)?;
        std::thread::Builder::new()
            .name("dns".into())
            .spawn(move || runtime.block_on(answer_all(&asked, questions)))
            .context(cannot)?;
        Ok(Self {
            ask,
            names: Arc::new(Names::new()),
            overrides: options.overrides.clone().into(),
            family: options.family,
            is_needless: options.is_needless,
        })
    }

    /// Answer for `host`, which may be an address itself, if one is known without a question to
    /// anybody.
    pub fn known(&self, host: &str, port: u16) -> Option<Answer> {
        if let Some(found) = self.overrides.iter().find(|given| given.is_for(host, port)) {
            return Some(self.allowed(found.addresses.as_slice().into()));
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(self.allowed([address].into()));
        }
        let answer = self.names.state().cache.look(&lower_case(host), self.names.now_ms())?;
        Some(answer.and_then(|addresses| self.allowed(addresses)))
    }

    /// Whether `host` needs no question: it is an address, or an override gives some, or no name is
    /// needed.
    pub fn is_given(&self, host: &str, port: u16) -> bool {
        self.is_needless
            || host.parse::<IpAddr>().is_ok()
            || self.overrides.iter().any(|given| given.is_for(host, port))
    }

    /// Begins the look-up of a name. `then` is called once there is an answer: by the resolver's
    /// thread, or at once when there is one already. A call while a look-up is under way waits for
    /// the same one.
    pub fn ask(&self, host: &str, then: impl FnOnce() + Send + 'static) {
        let host = lower_case(host);
        let mut state = self.names.state();
        if state.cache.is_known(&host, self.names.now_ms()) {
            drop(state);
            return then();
        }
        if let Some(waiting) = state.waiting.get_mut(&*host) {
            waiting.push(Box::new(then));
            return;
        }
        let host: Arc<str> = host.into();
        state.waiting.insert(Arc::clone(&host), vec![Box::new(then)]);
        drop(state);
        // If there is no thread any more the question is dropped here, which answers it.
        let _: Result<(), _> =
            self.ask.send(Question { names: Arc::clone(&self.names), host, is_answered: false });
    }

    /// Number of names that are kept with their answers.
    pub fn names(&self) -> usize {
        self.names.state().cache.len()
    }

    /// Number of names that are being looked up.
    pub fn asking(&self) -> usize {
        self.names.state().waiting.len()
    }

    /// Answer for `host`, waited for until it is known.
    ///
    /// # Errors
    /// When the name has no address, or no server could say.
    pub async fn lookup(&self, host: &str, port: u16) -> Answer {
        for _ in 0..LOOKS_MAX {
            if let Some(answer) = self.known(host, port) {
                return answer;
            }
            let (reply, answered) = oneshot::channel();
            self.ask(host, move || {
                // An asker whose time was over is not there any more.
                let _: Result<(), ()> = reply.send(());
            });
            // Not a ring operation: this wait may be dropped.
            let _: Result<(), _> = answered.await;
        }
        Err(Failure::new(Cause::ResolveFailed, "its addresses are forgotten at once"))
    }

    /// Takes in the names that another run has known. Addresses of a family that is not wanted are
    /// left out.
    pub fn preload(&self, held: impl IntoIterator<Item = CachedName>) {
        let mut state = self.names.state();
        for CachedName { host, addresses, expires_unix_s } in held {
            if self.allowed(Arc::clone(&addresses)).is_ok() {
                state.cache.preload(host, addresses, expires_unix_s.saturating_mul(1_000));
            }
        }
    }

    /// Names that another run could use, in no order: also those that it could only fall back upon.
    pub fn cached_names(&self) -> Vec<CachedName> {
        let state = self.names.state();
        let held = state.cache.held(self.names.now_ms());
        held.map(|(host, addresses, until_ms)| CachedName {
            host: Arc::clone(host),
            addresses,
            expires_unix_s: until_ms / 1_000,
        })
        .collect()
    }

    /// Leaves out what `-4` or `-6` forbids.
    fn allowed(&self, addresses: Arc<[IpAddr]>) -> Answer {
        let is_allowed = |address: &IpAddr| match self.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        if addresses.iter().all(is_allowed) {
            return Ok(addresses);
        }
        let left: Arc<[IpAddr]> = addresses.iter().copied().filter(is_allowed).collect();
        if left.is_empty() {
            let words = "it has no address of the family that -4 or -6 asks for";
            return Err(Failure::new(Cause::NameNotFound, words));
        }
        Ok(left)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// The name as it is kept.
fn lower_case(host: &str) -> Cow<'_, str> {
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => host.to_ascii_lowercase().into(),
        false => host.into(),
    }
}

/// State that all threads share.
struct Names {
    state: Mutex<State>,
    /// The clock of the cache: Unix time when the run began, and what has passed since, so that
    /// nobody who sets the clock of the machine is in the way.
    began_unix: Duration,
    began: Instant,
}

struct State {
    cache: Cache,
    /// Callers that wait for a name that is being looked up.
    waiting: HashMap<Arc<str>, Vec<Then>>,
}

/// Call to make when a name is known.
type Then = Box<dyn FnOnce() + Send>;

impl Names {
    fn new() -> Self {
        let state = State { cache: Cache::new(NAMES_KNOWN_BYTES_MAX), waiting: HashMap::new() };
        let began_unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            state: Mutex::new(state),
            began_unix: began_unix.unwrap_or_default(),
            began: Instant::now(),
        }
    }

    /// The state. A panic while it was locked is a bug that ends its thread, not the others.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        let now = self.began_unix + self.began.elapsed();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A name on its way to the servers. It is answered when it is dropped, if not before.
struct Question {
    names: Arc<Names>,
    host: Arc<str>,
    is_answered: bool,
}

impl Question {
    fn answer(mut self, found: Found) {
        self.resolve(found);
    }

    fn resolve(&mut self, found: Found) {
        self.is_answered = true;
        let waiting = {
            let mut state = self.names.state();
            let now_ms = self.names.now_ms();
            state.cache.keep(Arc::clone(&self.host), found, now_ms);
            state.waiting.remove(&self.host)
        };
        waiting.into_iter().flatten().for_each(|then| then());
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if !self.is_answered {
            let words = "the resolver thread failed: this is a bug";
            self.resolve(Found::Failed(Failure::new(Cause::ResolveFailed, words)));
        }
    }
}

/// The resolver thread.
async fn answer_all(config: &DnsOptions, mut questions: mpsc::UnboundedReceiver<Question>) {
    let local = tokio::task::LocalSet::new();
    let run = async {
        let mut servers: Option<Rc<Servers>> = None;
        while let Some(question) = questions.recv().await {
            let built = match &servers {
                Some(servers) => Ok(Rc::clone(servers)),
                None => Servers::new(config).map(Rc::new),
            };
            match built {
                Err(failure) => question.answer(Found::Failed(failure)),
                Ok(built) => {
                    servers = Some(Rc::clone(&built));
                    // A panic is caught by the task, which drops the question.
                    tokio::task::spawn_local(async move {
                        let found = built.lookup(&question.host).await;
                        question.answer(found);
                    });
                }
            }
        }
    };
    local.run_until(run).await;
}

/// How often a look-up is waited for whose answer was forgotten before it could be read, because so
/// many names were answered meanwhile.
const LOOKS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn resolver(overrides: Vec<ResolveOverride>, family: Family) -> Resolver {
        Resolver::start(&DnsOptions { overrides, family, ..DnsOptions::default() }).unwrap()
    }

    /// A handle whose thread is gone.
    fn orphan() -> Resolver {
        let (ask, _) = mpsc::unbounded_channel();
        let names = Arc::new(Names::new());
        Resolver { ask, names, overrides: Arc::default(), family: Family::Any, is_needless: false }
    }

    fn lookup(resolver: &Resolver, host: &str, port: u16) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(resolver.lookup(host, port))
    }

    #[test]
    fn addresses_are_answered_without_a_question() {
        let resolver = resolver(Vec::new(), Family::Any);
        assert_eq!(*lookup(&resolver, "::1", 80).unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
        let resolver = self::resolver(Vec::new(), Family::V6);
        let answer = resolver.known("127.0.0.1", 80).unwrap();
        assert_eq!(answer.unwrap_err().cause, Cause::NameNotFound);
    }

    #[test]
    fn an_override_holds_for_its_host_and_port() {
        let there: IpAddr = "127.0.0.9".parse().unwrap();
        let given = ResolveOverride { host: "a.test".into(), port: 80, addresses: vec![there] };
        let resolver = resolver(vec![given], Family::Any);
        assert_eq!(*lookup(&resolver, "A.test", 80).unwrap(), [there]);
        assert_eq!(resolver.known("a.test", 81), None);
        let given = [("a.test", 80), ("a.test", 81), ("b.test", 80), ("::1", 1)];
        assert_eq!(given.map(|(h, p)| resolver.is_given(h, p)), [true, false, false, true]);
    }

    /// Counts how often somebody was told.
    fn count(told: &Arc<AtomicUsize>) -> impl FnOnce() + Send + 'static {
        let told = Arc::clone(told);
        move || {
            told.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_who_ask_for_one_name_share_a_question() {
        let (ask, mut questions) = mpsc::unbounded_channel();
        let resolver = Resolver { ask, ..orphan() };
        let told = Arc::new(AtomicUsize::new(0));
        for host in ["a.example", "A.Example", "b.example"] {
            resolver.ask(host, count(&told));
        }
        let first = questions.try_recv().unwrap();
        let second = questions.try_recv().unwrap();
        assert_eq!((&*first.host, &*second.host), ("a.example", "b.example"));
        assert!(questions.try_recv().is_err() && resolver.asking() == 2);
        assert_eq!((told.load(Ordering::Relaxed), resolver.known("a.example", 80)), (0, None));
        let there: Arc<[IpAddr]> = ["192.0.2.1".parse().unwrap()].into();
        first.answer(Found::Addresses(Arc::clone(&there), 60_000));
        assert_eq!(told.load(Ordering::Relaxed), 2);
        assert_eq!(resolver.known("A.EXAMPLE", 80), Some(Ok(there)));
        // What the task of a look-up leaves behind when it panics.
        drop(second);
        assert_eq!((told.load(Ordering::Relaxed), resolver.asking()), (3, 0));
        let failure = resolver.known("b.example", 80).unwrap().unwrap_err();
        assert_eq!(failure.cause, Cause::ResolveFailed);
        // It is known by now.
        resolver.ask("b.example", count(&told));
        assert!(told.load(Ordering::Relaxed) == 4 && questions.try_recv().is_err());
    }

    #[test]
    fn nobody_waits_for_a_thread_that_is_gone() {
        let resolver = orphan();
        assert_eq!(lookup(&resolver, "a.example", 80).unwrap_err().cause, Cause::ResolveFailed);
    }

    #[test]
    fn what_is_held_is_known_to_the_next_run() {
        let expires_unix_s = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map(|now| now.as_secs() + 3_600)
            .unwrap();
        let held = |host: &str, address: &str| CachedName {
            host: host.into(),
            addresses: [address.parse().unwrap()].into(),
            expires_unix_s,
        };
        let both = [held("a.example", "192.0.2.1"), held("b.example", "2001:db8::1")];
        let resolver = orphan();
        resolver.preload(both.clone());
        let mut again = resolver.cached_names();
        again.sort_by(|a, b| a.host.cmp(&b.host));
        assert_eq!(again, both);
        let resolver = Resolver { family: Family::V6, ..orphan() };
        resolver.preload(both);
        assert_eq!(resolver.known("a.example", 80), None, "it may have an IPv6 address as well");
        assert!(resolver.known("b.example", 80).unwrap().is_ok());
    }
}
