//! Names to addresses. One thread serves all cores: it caches by TTL, asks in parallel, and asks
//! only once for a name that several jobs wait for. No job holds up another.

use super::socket_cause;
use crate::config::{DnsConfig, Family, ResolveOverride};
use crate::fault::Cause;
use anyhow::Context as _;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// The addresses of a name, or why there are none, with the resolver's words.
pub type Answer = Result<Arc<[IpAddr]>, (Cause, Option<Box<str>>)>;

/// A handle on the resolver thread, one clone per core.
#[derive(Clone, Debug)]
pub struct Resolver {
    ask: mpsc::UnboundedSender<Question>,
    overrides: Arc<[ResolveOverride]>,
    family: Family,
    timeout: Duration,
}

#[derive(Debug)]
struct Question {
    host: Box<str>,
    reply: oneshot::Sender<Answer>,
}

impl Resolver {
    /// Starts the resolver thread; it ends when the last handle is dropped. `/etc/resolv.conf` and
    /// `/etc/hosts` are read when the first name is asked for. A look-up takes at most
    /// `timeout_ms`.
    pub fn start(config: &DnsConfig, timeout_ms: u64) -> anyhow::Result<Self> {
        let (ask, questions) = mpsc::unbounded_channel();
        let timeout = Duration::from_millis(timeout_ms);
        let asked = config.clone();
        std::thread::Builder::new()
            .name("dns".into())
            .spawn(move || serve(&asked, timeout, questions))
            .context("cannot start the resolver thread")?;
        Ok(Self { ask, overrides: config.overrides.clone().into(), family: config.family, timeout })
    }

    /// The addresses of `host`, which may be an address itself, in the order they should be tried:
    /// families alternate, so that the second try goes to the other one.
    pub async fn lookup(&self, host: &str, port: u16) -> Answer {
        if let Some(found) = self.overrides.iter().find(|given| given.is_for(host, port)) {
            return self.allowed(found.addresses.as_slice().into());
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.allowed([address].into());
        }
        let (reply, answer) = oneshot::channel();
        let question = Question { host: host.into(), reply };
        if self.ask.send(question).is_err() {
            return Err((Cause::ResolveFailed, Some("the resolver thread has ended".into())));
        }
        // Not a ring operation: this wait may be dropped.
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => answer.and_then(|addresses| self.allowed(addresses)),
            Ok(Err(_)) => Err((Cause::ResolveFailed, Some("the resolver thread failed".into()))),
            Err(_) => Err((Cause::Timeout, None)),
        }
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
            return Err((Cause::NameNotFound, Some(words.into())));
        }
        Ok(left)
    }
}

impl ResolveOverride {
    fn is_for(&self, host: &str, port: u16) -> bool {
        self.port == port && (self.host == "*" || self.host.eq_ignore_ascii_case(host))
    }
}

/// The resolver proper.
type Resolving = hickory_resolver::Resolver<Sockets>;

/// The resolver thread.
fn serve(config: &DnsConfig, timeout: Duration, questions: mpsc::UnboundedReceiver<Question>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without a runtime the questions are dropped, which their askers see.
    if let Ok(runtime) = runtime {
        runtime.block_on(answer_all(config, timeout, questions));
    }
}

async fn answer_all(
    config: &DnsConfig,
    timeout: Duration,
    mut questions: mpsc::UnboundedReceiver<Question>,
) {
    let sockets = Sockets::default();
    let mut resolver: Option<Rc<Resolving>> = None;
    let mut waiting: HashMap<Box<str>, Vec<oneshot::Sender<Answer>>> = HashMap::new();
    let local = tokio::task::LocalSet::new();
    let mut known = Known::default();
    let mut lookups: JoinSet<(Box<str>, Answer, Instant)> = JoinSet::new();
    let run = async {
        loop {
            tokio::select! {
                question = questions.recv() => {
                    let Some(Question { host, reply }) = question else { return };
                    if let Some(answer) = known.look(&host) {
                        let _: Result<(), Answer> = reply.send(answer);
                        continue;
                    }
                    let replies = waiting.entry(host.clone()).or_default();
                    replies.push(reply);
                    if replies.len() > 1 {
                        continue;
                    }
                    let built = match &resolver {
                        Some(resolver) => Ok(Rc::clone(resolver)),
                        None => build(config, timeout, sockets.clone()).map(Rc::new),
                    };
                    resolver = built.as_ref().ok().map(Rc::clone);
                    let lacks = Arc::clone(&sockets.lacks);
                    lookups.spawn_local(async move {
                        let (answer, until) = match built {
                            Ok(resolver) => ask(&resolver, &host, &lacks).await,
                            Err(failure) => (Err(failure), Instant::now()),
                        };
                        (host, answer, until)
                    });
                }
                Some(Ok((host, answer, until))) = lookups.join_next(), if !lookups.is_empty() => {
                    for reply in waiting.remove(&host).unwrap_or_default() {
                        // An asker whose time was over is not there any more.
                        let _: Result<(), Answer> = reply.send(answer.clone());
                    }
                    known.keep(host, answer, until);
                }
            }
        }
    };
    local.run_until(run).await;
}

fn build(
    config: &DnsConfig,
    timeout: Duration,
    sockets: Sockets,
) -> Result<Resolving, (Cause, Option<Box<str>>)> {
    // A file that cannot be opened for want of a descriptor would count as one that is not there,
    // for the whole run.
    if let Err(error) = std::fs::File::open("/etc/resolv.conf")
        && let Some(cause) = shortage(&error)
    {
        return Err((cause, None));
    }
    let mut builder = if config.servers.is_empty() {
        match Resolving::builder(sockets.clone()) {
            Ok(builder) => builder,
            // Without a usable /etc/resolv.conf there is still /etc/hosts.
            Err(_) => {
                let nobody = ResolverConfig::from_name_servers(Vec::new());
                Resolving::builder_with_config(nobody, sockets)
            }
        }
    } else {
        let servers = config.servers.iter().map(|server| {
            let mut ways = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            ways.iter_mut().for_each(|way| way.port = server.port());
            NameServerConfig::new(server.ip(), true, ways)
        });
        let servers = ResolverConfig::from_name_servers(servers.collect());
        Resolving::builder_with_config(servers, sockets)
    };
    let options = builder.options_mut();
    options.timeout = timeout / 2;
    options.attempts = 2;
    options.cache_size = CACHE_RECORDS_MAX;
    options.use_hosts_file = ResolveHosts::Always;
    options.ip_strategy = match config.family {
        Family::Any => LookupIpStrategy::Ipv4AndIpv6,
        Family::V4 => LookupIpStrategy::Ipv4Only,
        Family::V6 => LookupIpStrategy::Ipv6Only,
    };
    builder.build().map_err(|error| {
        let words = format!("cannot set up the resolver: {error}");
        (Cause::ResolveFailed, Some(words.into()))
    })
}

/// The answer for a name, and until when it holds.
async fn ask(resolver: &Resolving, host: &str, lacks: &Lacks) -> (Answer, Instant) {
    // As bytes, not as IDNA: names with `_` are met in the wild, and the URL parser has been there.
    let Ok(name) = Name::from_ascii(host) else {
        let words = "it is no name that the DNS could know";
        return (Err((Cause::NameNotFound, Some(words.into()))), Instant::now() + TTL_MIN);
    };
    let lacks_before = lacks.count();
    match resolver.lookup_ip(name).await {
        Ok(found) => {
            let (v4, v6): (Vec<_>, Vec<_>) = found.iter().partition(IpAddr::is_ipv4);
            let answer = alternate(v4, v6);
            let answer = match answer.is_empty() {
                true => Err((Cause::NameNotFound, None)),
                false => Ok(answer.into()),
            };
            (answer, found.valid_until().max(Instant::now() + TTL_MIN))
        }
        // Whatever the resolver made of it: half an answer is no answer that a name does not exist.
        Err(_) if lacks.count() != lacks_before => (Err((lacks.cause(), None)), Instant::now()),
        Err(error) => {
            let failure = (cause(&error), words(&error));
            let ttl = if failure.0 == Cause::NameNotFound { TTL_MIN } else { Duration::ZERO };
            (Err(failure), Instant::now() + ttl)
        }
    }
}

/// Answers for both families together. The resolver's own cache has records, but an empty answer
/// for one family without a TTL (RFC 2308 section 5) would be asked for again with every
/// connection.
#[derive(Default)]
struct Known {
    answers: HashMap<Box<str>, (Answer, Instant)>,
}

impl Known {
    fn look(&self, host: &str) -> Option<Answer> {
        let (answer, until) = self.answers.get(host)?;
        (*until > Instant::now()).then(|| answer.clone())
    }

    fn keep(&mut self, host: Box<str>, answer: Answer, until: Instant) {
        if self.answers.len() >= ANSWERS_MAX {
            let now = Instant::now();
            self.answers.retain(|_, (_, until)| *until > now);
            // Had it to be walked again soon, every name of a long list would cost such a walk.
            if self.answers.len() > ANSWERS_MAX / 2 {
                self.answers.clear();
            }
        }
        self.answers.insert(host, (answer, until));
    }
}

/// Interleaves the two families, IPv4 first.
fn alternate(v4: Vec<IpAddr>, v6: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut all = Vec::with_capacity(v4.len() + v6.len());
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    loop {
        let pair = (v4.next(), v6.next());
        all.extend(pair.0);
        all.extend(pair.1);
        if pair == (None, None) {
            return all;
        }
    }
}

fn cause(error: &NetError) -> Cause {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError => Cause::NameNotFound,
            _ => Cause::ResolveFailed,
        },
        NetError::Timeout => Cause::Timeout,
        _ => Cause::ResolveFailed,
    }
}

/// What there is to say beyond the cause. The library's own words about a missing record are those
/// of a debugger.
fn words(error: &NetError) -> Option<Box<str>> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => None,
            ResponseCode::NoError => Some("it has no address".into()),
            code => Some(format!("the name server answered: {code}").into()),
        },
        NetError::NoConnections => Some(
            "no name server can be reached; see /etc/resolv.conf, or give --dns-servers".into(),
        ),
        other => Some(other.to_string().into()),
    }
}

/// Opens the sockets of the resolver, which says no more than that it has no connection when it got
/// none: keeps what was lacking.
#[derive(Clone, Default)]
struct Sockets {
    tokio: TokioRuntimeProvider,
    lacks: Arc<Lacks>,
}

/// What sockets could not be opened for.
#[derive(Default)]
struct Lacks {
    count: AtomicUsize,
    /// The last one's.
    errno: AtomicI32,
}

impl Lacks {
    fn note(&self, error: &io::Error) {
        if let Some(Cause::Resources(errno)) = shortage(error) {
            self.errno.store(errno, Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn cause(&self) -> Cause {
        Cause::Resources(self.errno.load(Ordering::Relaxed))
    }
}

impl RuntimeProvider for Sockets {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = <TokioRuntimeProvider as RuntimeProvider>::Udp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.tokio.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        from: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Opening<Self::Tcp> {
        let (opening, lacks) =
            (self.tokio.connect_tcp(server, from, timeout), Arc::clone(&self.lacks));
        Box::pin(async move { opening.await.inspect_err(|error| lacks.note(error)) })
    }

    fn bind_udp(&self, from: SocketAddr, server: SocketAddr) -> Opening<Self::Udp> {
        let (opening, lacks) = (self.tokio.bind_udp(from, server), Arc::clone(&self.lacks));
        Box::pin(async move { opening.await.inspect_err(|error| lacks.note(error)) })
    }
}

/// A socket on its way.
type Opening<S> = Pin<Box<dyn Send + Future<Output = io::Result<S>>>>;

/// The cause of an error that says that this machine is out of something.
fn shortage(error: &io::Error) -> Option<Cause> {
    let cause = socket_cause(error.raw_os_error()?);
    matches!(cause, Cause::Resources(_)).then_some(cause)
}

/// Records kept by their TTL.
const CACHE_RECORDS_MAX: u64 = 10_000;
/// Answers kept by the shortest TTL in them, at most.
const ANSWERS_MAX: usize = 100_000;
/// Shortest time an answer is kept, and how long a name is known not to exist: one run asks a
/// server no more often about the same name.
const TTL_MIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(overrides: Vec<ResolveOverride>, family: Family) -> Resolver {
        let config = DnsConfig { servers: Vec::new(), overrides, family };
        Resolver::start(&config, 1_000).unwrap()
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
        assert_eq!(lookup(&resolver, "127.0.0.1", 80).unwrap_err().0, Cause::NameNotFound);
    }

    #[test]
    fn an_override_holds_for_its_host_and_port() {
        let there: IpAddr = "127.0.0.9".parse().unwrap();
        let given = ResolveOverride { host: "a.test".into(), port: 80, addresses: vec![there] };
        let resolver = resolver(vec![given], Family::Any);
        assert_eq!(*lookup(&resolver, "A.test", 80).unwrap(), [there]);
    }

    #[test]
    fn families_alternate() {
        let [a, b, c] = ["127.0.0.1", "127.0.0.2", "::1"].map(|text| text.parse().unwrap());
        assert_eq!(alternate(vec![a, b], vec![c]), [a, c, b]);
    }
}
