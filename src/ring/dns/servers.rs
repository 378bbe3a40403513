//! The name servers: which one is asked, how many questions wait for it, and which is asked next
//! when it does not answer. The asking itself is hickory's: a random port and id for every
//! question, EDNS, TCP for answers that are too long for UDP, and a datagram sent again when it may
//! have been lost.

use super::cache::Found;
use super::health::Health;
use super::options::{DnsOptions, Family};
use super::sockets::{Shortages, Sockets, shortage};
use crate::fault::{Cause, Failure};
use crate::limits::ADDRESSES_PER_FAMILY_MAX;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    ServerOrderingStrategy,
};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, system_conf};
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The name servers of a run and what goes before them.
pub(super) struct Servers {
    servers: Vec<Server>,
    /// Domains appended to names that do not exist as they stand.
    search: Vec<Name>,
    /// Whether a name of one label is tried as it stands first.
    is_bare_first: bool,
    hosts: Hosts,
    family: Family,
    shortages: Arc<Shortages>,
    began: Instant,
    /// Server that is asked first among equals.
    turn: Cell<usize>,
}

struct Server {
    /// Address to show to people.
    address: Box<str>,
    resolver: hickory_resolver::Resolver<Sockets>,
    health: Cell<Health>,
    /// Questions outstanding or waiting for a place.
    load: Cell<usize>,
    places: Semaphore,
    places_max: usize,
    /// Places that were given up because there was no socket for them.
    places_lost: Cell<usize>,
    /// When a place was last given up.
    lost_at: Cell<Instant>,
}

/// Answer about the addresses of one family.
#[derive(Clone, Debug)]
enum Reply {
    /// Addresses, and for how long.
    Addresses(Vec<IpAddr>, u64),
    NoSuchName(Option<u64>),
    NoAddress(Option<u64>),
    Failed(Failure),
}

/// Answer of one server to a question.
enum ServerReply {
    Reply(Reply),
    /// The server cannot or does not want to answer that question.
    Refused(Failure),
    Silence,
    /// The server was not asked, for want of a socket.
    Lacking,
    /// Skipped: the server failed other queries while this one queued; try the next.
    Left,
}

impl Servers {
    /// Reads `/etc/resolv.conf` unless servers are given, and `/etc/hosts`.
    ///
    /// # Errors
    /// When a file cannot be read or understood: the cause and the words for the row of the job.
    pub(super) fn new(config: &DnsOptions) -> Result<Self, Failure> {
        // A file that cannot be opened for want of a descriptor would count as one that is not
        // there, for the whole run.
        if let Err(error) = std::fs::File::open("/etc/resolv.conf")
            && let Some(cause) = shortage(&error)
        {
            return Err(cause.into());
        }
        let (given, search, mut options) = if config.servers.is_empty() {
            // Without a usable /etc/resolv.conf there is still /etc/hosts.
            let (system, options) = system_conf::read_system_conf().unwrap_or_default();
            let search = system.search().iter().chain(system.domain());
            (system.name_servers().to_vec(), search.cloned().collect(), options)
        } else {
            let given = config.servers.iter().map(|server| name_server(*server)).collect();
            (given, Vec::new(), ResolverOpts::default())
        };
        let is_bare_first = options.ndots == 0;
        options.timeout = Duration::from_millis(config.timeout_ms) / SILENCES_MAX;
        options.attempts = 0;
        // The cache is above, and knows more.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        let sockets = Sockets::default();
        let build =
            |servers: Vec<NameServerConfig>| Server::new(servers, &options, &sockets, config);
        // Somebody has to know `localhost`.
        let servers = match given.is_empty() {
            true => vec![build(Vec::new())?],
            false => given.into_iter().map(|one| build(vec![one])).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            servers,
            search,
            is_bare_first,
            hosts: Hosts::from_system().unwrap_or_default(),
            family: config.family,
            shortages: Arc::clone(&sockets.shortages),
            began: Instant::now(),
            turn: Cell::new(0),
        })
    }

    /// The addresses of a name.
    pub(super) async fn lookup(&self, host: &str) -> Found {
        // As bytes, not as IDNA: names with `_` are met in the wild, and the URL parser has been
        // there.
        let Ok(name) = Name::from_ascii(host) else {
            return Found::Nothing(Some("not a name that the DNS could know".into()), None);
        };
        if let Some(found) = self.lookup_hosts(&name) {
            return found;
        }
        let mut found = Found::Nothing(None, None);
        for candidate in self.candidates(name) {
            found = match (self.lookup_as_it_stands(&candidate).await, found) {
                (Found::Nothing(words, ttl_ms), Found::Nothing(before, ttl_before_ms)) => {
                    let ttl_ms = ttl_ms.into_iter().chain(ttl_before_ms).min();
                    Found::Nothing(words.or(before), ttl_ms)
                }
                // Whether a later candidate exists says nothing about this one.
                (found, _) => return found,
            };
        }
        found
    }

    /// Addresses of a name in `/etc/hosts`.
    fn lookup_hosts(&self, name: &Name) -> Option<Found> {
        let of = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let (v4, v6) = (self.kinds().0.then(|| of(RecordType::A)), self.kinds().1);
        let found = [v4.flatten(), v6.then(|| of(RecordType::AAAA)).flatten()];
        let addresses = found.iter().flatten().flat_map(|lookup| lookup.answers());
        let (v4, v6): (Vec<_>, Vec<_>) =
            addresses.filter_map(|record| record.data.ip_addr()).partition(IpAddr::is_ipv4);
        let addresses = alternate(v4, v6);
        (!addresses.is_empty()).then(|| Found::Addresses(addresses.into(), u64::MAX))
    }

    /// Whether IPv4 and IPv6 addresses are wanted.
    fn kinds(&self) -> (bool, bool) {
        (self.family != Family::V6, self.family != Family::V4)
    }

    /// The names that a name may stand for, in the order in which they are tried. Other than the C
    /// library does, a name with a dot is always tried as it stands first, whatever `ndots` says
    /// (RFC 1535 section 6): with the five of Kubernetes every name of the internet would be asked
    /// for five times.
    fn candidates(&self, name: Name) -> Vec<Name> {
        if name.is_fqdn() {
            return vec![name];
        }
        let searched = self.search.iter().filter_map(|end| name.clone().append_domain(end).ok());
        let mut names: Vec<Name> = searched.collect();
        let is_first = self.is_bare_first || name.num_labels() > 1 || name.is_localhost();
        let at = if is_first { 0 } else { names.len() };
        let mut bare = name;
        bare.set_fqdn(true);
        names.insert(at, bare);
        names
    }

    /// Asks for both families at once, or for the only one that is wanted.
    async fn lookup_as_it_stands(&self, name: &Name) -> Found {
        let of = |kind| self.question(name, kind);
        let replies = match self.kinds() {
            (true, false) => vec![of(RecordType::A).await],
            (false, true) => vec![of(RecordType::AAAA).await],
            (_, _) => {
                let (mut v4, mut v6) = (pin!(of(RecordType::A)), pin!(of(RecordType::AAAA)));
                tokio::select! {
                    reply = &mut v4 => match reply {
                        // Nothing can exist of it.
                        Reply::NoSuchName(_) => vec![reply],
                        Reply::Addresses(..) => {
                            let other = tokio::time::timeout(OTHER_FAMILY_WAIT, v6).await;
                            [reply].into_iter().chain(other).collect()
                        }
                        Reply::NoAddress(_) | Reply::Failed(..) => vec![reply, v6.await],
                    },
                    reply = &mut v6 => match reply {
                        Reply::Addresses(..) => {
                            let other = tokio::time::timeout(OTHER_FAMILY_WAIT, v4).await;
                            [reply].into_iter().chain(other).collect()
                        }
                        // Some servers say of a name with IPv4 addresses only that it does not
                        // exist when they are asked for others (RFC 4074 section 4.2).
                        Reply::NoSuchName(_) | Reply::NoAddress(_) | Reply::Failed(..) => {
                            vec![v4.await, reply]
                        }
                    },
                }
            }
        };
        combine(replies)
    }

    /// Asks one server after another until one has an answer.
    async fn question(&self, name: &Name, kind: RecordType) -> Reply {
        let mut tried = Vec::new();
        let (mut silences, mut lacks) = (0, 0);
        let mut failure = Failure::from(Cause::ResolveFailed);
        loop {
            let Some(index) = self.choose(&tried) else {
                return Reply::Failed(failure);
            };
            match self.ask(index, name, kind, &tried).await {
                ServerReply::Reply(reply) => return reply,
                ServerReply::Left => {}
                ServerReply::Refused(refusal) => {
                    failure = refusal;
                    note(&mut tried, index, Tried::Refused);
                }
                ServerReply::Silence => {
                    failure = Cause::Timeout.into();
                    note(&mut tried, index, Tried::Silent);
                    silences += 1;
                    if silences >= SILENCES_MAX {
                        return Reply::Failed(failure);
                    }
                }
                ServerReply::Lacking => {
                    lacks += 1;
                    if lacks > LACKS_MAX {
                        return Reply::Failed(self.shortages.cause().into());
                    }
                    // Other questions give their sockets back, which is waited for by asking again;
                    // if there are none, those who have them are unknown.
                    if self.servers[index].load.get() == 0 {
                        tokio::time::sleep(LACK_WAIT).await;
                    }
                }
            }
        }
    }

    /// The server to ask next: one that is not left alone, was not tried yet, and has the fewest
    /// questions to answer.
    fn choose(&self, tried: &[Tried]) -> Option<usize> {
        let now_ms = self.now_ms();
        let count = self.servers.len();
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        (0..count)
            .map(|offset| (turn.wrapping_add(offset)) % count)
            .filter_map(|index| match tried.get(index).copied().unwrap_or_default() {
                Tried::Refused => None,
                Tried::Silent => Some((index, true)),
                Tried::Not => Some((index, false)),
            })
            .min_by_key(|(index, was_silent)| {
                let server = &self.servers[*index];
                let may_ask = server.health.get().may_ask(server.load.get(), now_ms);
                (!may_ask, *was_silent, server.load.get())
            })
            .map(|(index, _)| index)
    }

    /// Asks one server when it has a place for the question.
    async fn ask(
        &self,
        index: usize,
        name: &Name,
        kind: RecordType,
        tried: &[Tried],
    ) -> ServerReply {
        let server = &self.servers[index];
        let _load = Load::new(&server.load);
        let place = match server.places.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                let place = server.places.acquire().await.expect("it is never closed");
                if self.may_leave(index, tried) {
                    return ServerReply::Left;
                }
                place
            }
        };
        let shortages_before = self.shortages.count();
        let answer = server.resolver.lookup(name.clone(), kind).await;
        let is_lacking = answer.is_err() && self.shortages.count() != shortages_before;
        let reply = match answer {
            _ if is_lacking => ServerReply::Lacking,
            Ok(found) => {
                let addresses = found.answers().iter().filter_map(|record| record.data.ip_addr());
                let is_wanted = |address: &IpAddr| address.is_ipv4() == (kind == RecordType::A);
                let addresses = addresses.filter(is_wanted).take(ADDRESSES_PER_FAMILY_MAX);
                let addresses: Vec<IpAddr> = addresses.collect();
                let left = found.valid_until().saturating_duration_since(Instant::now());
                let ttl_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                ServerReply::Reply(match addresses.is_empty() {
                    true => Reply::NoAddress(None),
                    false => Reply::Addresses(addresses, ttl_ms),
                })
            }
            Err(error) => reply_of(&error, &server.address),
        };
        let mut health = server.health.get();
        match &reply {
            ServerReply::Reply(_) => {
                health.answered();
                server.regain_place();
            }
            ServerReply::Refused(..) | ServerReply::Silence => health.failed(self.now_ms()),
            ServerReply::Lacking => server.lose_place(place),
            ServerReply::Left => {}
        }
        server.health.set(health);
        reply
    }

    /// Whether a question that waited for a place need not be put to a server, since that is to be
    /// left alone by now and another is not. Hundreds may be in line for a silent server.
    fn may_leave(&self, index: usize, tried: &[Tried]) -> bool {
        let may_ask = |index: usize| {
            let server = &self.servers[index];
            server.health.get().may_ask(server.load.get(), self.now_ms())
        };
        !may_ask(index) && self.choose(tried).is_some_and(may_ask)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Server {
    fn new(
        servers: Vec<NameServerConfig>,
        options: &ResolverOpts,
        sockets: &Sockets,
        config: &DnsOptions,
    ) -> Result<Self, Failure> {
        let address = servers.first().map_or_else(String::new, shown).into();
        let servers = ResolverConfig::from_name_servers(servers);
        let resolver = hickory_resolver::Resolver::builder_with_config(servers, sockets.clone())
            .with_options(options.clone())
            .build()
            .map_err(|error| {
                let words = format!("cannot set up the resolver: {error}");
                Failure::new(Cause::ResolveFailed, words)
            })?;
        let places_max = config.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            address,
            resolver,
            health: Cell::default(),
            load: Cell::new(0),
            places: Semaphore::new(places_max),
            places_max,
            places_lost: Cell::new(0),
            lost_at: Cell::new(Instant::now()),
        })
    }

    /// Gives up a place when there was no socket for a question: with others under way, so many at
    /// once are too many.
    fn lose_place(&self, place: SemaphorePermit<'_>) {
        self.lost_at.set(Instant::now());
        if self.load.get() > 1 && self.places_lost.get() + 1 < self.places_max {
            self.places_lost.set(self.places_lost.get() + 1);
            place.forget();
        }
    }

    /// Gets a place back when no socket was lacking for a while.
    fn regain_place(&self) {
        let lost = self.places_lost.get();
        if lost > 0 && self.lost_at.get().elapsed() > LACK_CALM {
            self.places_lost.set(lost - 1);
            self.places.add_permits(1);
        }
    }
}

/// How a server took a question before.
#[derive(Clone, Copy, Default)]
enum Tried {
    #[default]
    Not,
    Silent,
    /// The server would say the same again.
    Refused,
}

fn note(tried: &mut Vec<Tried>, index: usize, how: Tried) {
    tried.resize(tried.len().max(index + 1), Tried::Not);
    tried[index] = how;
}

/// One question more for a server, until it is dropped.
struct Load<'s>(&'s Cell<usize>);

impl<'s> Load<'s> {
    fn new(load: &'s Cell<usize>) -> Self {
        load.set(load.get() + 1);
        Self(load)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut ways = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    ways.iter_mut().for_each(|way| way.port = address.port());
    NameServerConfig::new(address.ip(), true, ways)
}

/// The address of a name server, its port left out where it is the usual one.
fn shown(server: &NameServerConfig) -> String {
    match server.connections.first().map(|way| way.port) {
        None | Some(53) => server.ip.to_string(),
        Some(port) => SocketAddr::new(server.ip, port).to_string(),
    }
}

/// Answer of a server by an error of hickory's. A server that is there and listens to nobody
/// (ICMP), and one that there is no way to, are [`NetError::NoConnections`].
fn reply_of(error: &NetError, address: &str) -> ServerReply {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let ttl_ms = none.negative_ttl.map(|seconds| u64::from(seconds) * 1_000);
            match none.response_code {
                ResponseCode::NXDomain => ServerReply::Reply(Reply::NoSuchName(ttl_ms)),
                ResponseCode::NoError => ServerReply::Reply(Reply::NoAddress(ttl_ms)),
                code => refused(code),
            }
        }
        NetError::Dns(DnsError::ResponseCode(code)) => refused(*code),
        NetError::Timeout => ServerReply::Silence,
        NetError::NoConnections if address.is_empty() => {
            let words = "no name server is known; see /etc/resolv.conf, or give --dns-servers";
            ServerReply::Refused(Failure::new(Cause::ResolveFailed, words))
        }
        NetError::NoConnections | NetError::Io(_) => {
            let words = format!(
                "the name server {address} cannot be reached; see /etc/resolv.conf, or give \
                 --dns-servers"
            );
            ServerReply::Refused(Failure::new(Cause::ResolveFailed, words))
        }
        other => ServerReply::Refused(Failure::new(Cause::ResolveFailed, other.to_string())),
    }
}

fn refused(code: ResponseCode) -> ServerReply {
    let words = format!("the name server answered: {code}");
    ServerReply::Refused(Failure::new(Cause::ResolveFailed, words))
}

/// The answer for a name, from those for the families.
fn combine(replies: Vec<Reply>) -> Found {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let mut ttl_ms = u64::MAX;
    let mut failure = None;
    let mut nothing_ttl_ms = None;
    let mut words = Some("it has no address".into());
    for reply in replies {
        match reply {
            Reply::Addresses(addresses, found_ttl_ms) => {
                ttl_ms = ttl_ms.min(found_ttl_ms);
                for address in addresses {
                    if address.is_ipv4() { &mut v4 } else { &mut v6 }.push(address);
                }
            }
            Reply::NoSuchName(none_ttl_ms) => {
                words = None;
                nothing_ttl_ms = nothing_ttl_ms.into_iter().chain(none_ttl_ms).min();
            }
            Reply::NoAddress(none_ttl_ms) => {
                nothing_ttl_ms = nothing_ttl_ms.into_iter().chain(none_ttl_ms).min();
            }
            Reply::Failed(failed) => failure = Some(failed),
        }
    }
    let addresses = alternate(v4, v6);
    match failure {
        _ if !addresses.is_empty() => Found::Addresses(addresses.into(), ttl_ms),
        // Half an answer is no answer that a name does not exist.
        Some(failure) => Found::Failed(failure),
        None => Found::Nothing(words, nothing_ttl_ms),
    }
}

/// Addresses with families that take turns, so that the second try goes to the other one; of each
/// family at most [`ADDRESSES_PER_FAMILY_MAX`].
fn alternate(v4: Vec<IpAddr>, v6: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut all = Vec::with_capacity((v4.len() + v6.len()).min(2 * ADDRESSES_PER_FAMILY_MAX));
    let few = |addresses: Vec<IpAddr>| addresses.into_iter().take(ADDRESSES_PER_FAMILY_MAX);
    let (mut v4, mut v6) = (few(v4), few(v6));
    loop {
        let pair = (v4.next(), v6.next());
        all.extend(pair.0.into_iter().chain(pair.1));
        if pair == (None, None) {
            return all;
        }
    }
}

/// Servers that may keep silent about one question, each for its part of the time for a look-up;
/// the only server is asked as often.
const SILENCES_MAX: u32 = 3;
/// Time for which the addresses of one family wait for those of the other. Some firewalls drop
/// questions for IPv6 addresses.
const OTHER_FAMILY_WAIT: Duration = Duration::from_secs(2);
/// Time for which a question waits for a socket that could not be opened.
const LACK_WAIT: Duration = Duration::from_millis(100);
const LACKS_MAX: u32 = 20;
/// Time without a lack of sockets before more questions are under way again.
const LACK_CALM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate() {
        let [a, b, c] = ["127.0.0.1", "127.0.0.2", "::1"].map(|text| text.parse().unwrap());
        assert_eq!(alternate(vec![a, b], vec![c]), [a, c, b]);
    }

    #[test]
    fn the_replies_for_both_families_make_one_answer() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let addresses = |address, ttl_ms| Reply::Addresses(vec![address], ttl_ms);
        let failed = Reply::Failed(Cause::Timeout.into());
        let no_address = || Some("it has no address".into());
        let table = [
            (vec![addresses(v4, 9), addresses(v6, 7)], Found::Addresses([v4, v6].into(), 7)),
            (vec![addresses(v4, 9)], Found::Addresses([v4].into(), 9)),
            (vec![addresses(v4, 9), failed.clone()], Found::Addresses([v4].into(), 9)),
            // A server without IPv6 records that says too much of the name.
            (vec![addresses(v4, 9), Reply::NoSuchName(Some(1))], Found::Addresses([v4].into(), 9)),
            (vec![Reply::NoSuchName(Some(4))], Found::Nothing(None, Some(4))),
            (
                vec![Reply::NoAddress(Some(4)), Reply::NoAddress(Some(3))],
                Found::Nothing(no_address(), Some(3)),
            ),
            (
                vec![Reply::NoAddress(None), Reply::NoAddress(Some(3))],
                Found::Nothing(no_address(), Some(3)),
            ),
            (vec![Reply::NoAddress(Some(3)), failed.clone()], Found::Failed(Cause::Timeout.into())),
            (vec![failed.clone(), failed], Found::Failed(Cause::Timeout.into())),
        ];
        for (replies, found) in table {
            assert_eq!(combine(replies.clone()), found, "{replies:?}");
        }
    }

    #[test]
    fn a_name_with_a_dot_is_tried_as_it_stands_first() {
        let config =
            DnsOptions { servers: vec!["192.0.2.1:53".parse().unwrap()], ..<_>::default() };
        let mut servers = Servers::new(&config).unwrap();
        let candidates = |servers: &Servers, name: &str| {
            let names = servers.candidates(Name::from_ascii(name).unwrap());
            names.iter().map(Name::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(candidates(&servers, "a"), "a.");
        servers.search = ["b.c", "d."].map(|end| Name::from_ascii(end).unwrap()).to_vec();
        assert_eq!(candidates(&servers, "a"), "a.b.c. a.d. a.");
        assert_eq!(candidates(&servers, "a.x"), "a.x. a.x.b.c. a.x.d.");
        assert_eq!(candidates(&servers, "a.x."), "a.x.");
        assert_eq!(candidates(&servers, "localhost"), "localhost. localhost.b.c. localhost.d.");
        servers.is_bare_first = true;
        assert_eq!(candidates(&servers, "a"), "a. a.b.c. a.d.");
    }
}
