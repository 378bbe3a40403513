//! A DNS server with the answers of the test: A and AAAA records and their time, that a name does
//! not exist and for how long, refusals, silence, and answers that are too long for UDP. It counts
//! what it is asked.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is said of one name.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These addresses, those of the family asked for, for an hour.
    Addresses(Vec<IpAddr>),
    /// As before, but over TCP alone: over UDP there is no room for it.
    Long(Vec<IpAddr>),
    /// It does not exist, for so many seconds.
    Missing(u32),
    /// A response code (RFC 1035 section 4.1.1).
    Code(u8),
    /// Nothing at all.
    Silence,
}

/// Response codes.
pub(crate) const SERVFAIL: u8 = 2;
pub(crate) const REFUSED: u8 = 5;

/// One question: the name in lower case without the last dot, and the record type.
pub(crate) type Question = (String, u16);

/// Record types (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;
const SOA: u16 = 6;

/// What the threads of a server share.
#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, Answer>>,
    /// What is said of all other names; without it, that they do not exist.
    otherwise: Option<Answer>,
    /// Questions are answered when no further one comes, all at once.
    is_slow: bool,
    questions: Mutex<Vec<Question>>,
    most_outstanding: Mutex<usize>,
    is_over: AtomicBool,
}

/// A running server; it ends with the value.
pub(crate) struct NameServer {
    addr: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

impl NameServer {
    /// Names that are not listed do not exist.
    pub(crate) fn start<'a>(answers: impl IntoIterator<Item = (&'a str, Answer)>) -> Self {
        Self::run(State { answers: Mutex::new(listed(answers)), ..State::default() })
    }

    /// As [`Self::start`], but answers only when no further question comes for a moment, so that
    /// it knows how many are outstanding.
    pub(crate) fn slow<'a>(answers: impl IntoIterator<Item = (&'a str, Answer)>) -> Self {
        let answers = Mutex::new(listed(answers));
        Self::run(State { answers, is_slow: true, ..State::default() })
    }

    /// The same answer to everything.
    pub(crate) fn always(answer: Answer) -> Self {
        Self::run(State { otherwise: Some(answer), ..State::default() })
    }

    /// Names with one IPv4 address, the loopback one.
    pub(crate) fn local(names: &[&str]) -> Self {
        Self::start(names.iter().map(|name| (*name, here())))
    }

    /// As [`Self::start`], at an address that is free.
    pub(crate) fn at<'a>(
        addr: SocketAddr,
        answers: impl IntoIterator<Item = (&'a str, Answer)>,
    ) -> Self {
        let sockets = (UdpSocket::bind(addr).unwrap(), TcpListener::bind(addr).unwrap());
        Self::serve(State { answers: Mutex::new(listed(answers)), ..State::default() }, sockets)
    }

    fn run(state: State) -> Self {
        Self::serve(state, sockets())
    }

    fn serve(state: State, (udp, tcp): (UdpSocket, TcpListener)) -> Self {
        let addr = udp.local_addr().unwrap();
        let state = Arc::new(state);
        let (first, second) = (Arc::clone(&state), Arc::clone(&state));
        let threads = vec![
            std::thread::spawn(move || serve_udp(&first, &udp)),
            std::thread::spawn(move || serve_tcp(&second, &tcp)),
        ];
        Self { addr, state, threads }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Says something else of a name from now on.
    pub(crate) fn set(&self, name: &str, answer: Answer) {
        self.state.answers.lock().unwrap().insert(name.to_owned(), answer);
    }

    /// How often a question was asked.
    pub(crate) fn asked(&self, name: &str, kind: u16) -> usize {
        let questions = self.state.questions.lock().unwrap();
        questions.iter().filter(|asked| asked.0 == name && asked.1 == kind).count()
    }

    /// How many questions were asked in all.
    pub(crate) fn asked_in_all(&self) -> usize {
        self.state.questions.lock().unwrap().len()
    }

    /// The most questions that were waiting for an answer at once.
    pub(crate) fn most_outstanding(&self) -> usize {
        *self.state.most_outstanding.lock().unwrap()
    }
}

/// This machine's own address.
pub(crate) fn here() -> Answer {
    Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()])
}

fn listed<'a>(answers: impl IntoIterator<Item = (&'a str, Answer)>) -> HashMap<String, Answer> {
    answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect()
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Both threads have to look.
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(&[], self.addr).unwrap();
        drop(TcpStream::connect(self.addr));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Both kinds of socket at one port.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn serve_udp(state: &State, socket: &UdpSocket) {
    let mut packet = [0; 1_500];
    let mut held: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
    let mut outstanding: HashSet<Question> = HashSet::new();
    loop {
        let wait = (!held.is_empty()).then_some(Duration::from_millis(20));
        socket.set_read_timeout(wait).unwrap();
        match socket.recv_from(&mut packet) {
            Ok(_) if state.is_over.load(Ordering::SeqCst) => return,
            Ok((len, peer)) => {
                let Some((question, reply)) = state.reply(&packet[..len], 512) else { continue };
                outstanding.insert(question);
                held.extend(reply.map(|reply| (reply, peer)));
                if state.is_slow {
                    continue;
                }
            }
            Err(_) => {}
        }
        let mut most = state.most_outstanding.lock().unwrap();
        *most = outstanding.drain().count().max(*most);
        drop(most);
        for (reply, peer) in held.drain(..) {
            // Whoever asked may be gone.
            let _ = socket.send_to(&reply, peer);
        }
    }
}

fn serve_tcp(state: &State, listener: &TcpListener) {
    while let Ok((mut stream, _)) = listener.accept() {
        if state.is_over.load(Ordering::SeqCst) {
            return;
        }
        // As long as the client has questions, each behind its length (RFC 1035 section 4.2.2).
        let mut len = [0; 2];
        while stream.read_exact(&mut len).is_ok() {
            let mut packet = vec![0; usize::from(u16::from_be_bytes(len))];
            stream.read_exact(&mut packet).unwrap();
            let Some((_, Some(reply))) = state.reply(&packet, usize::MAX) else { continue };
            let len = u16::try_from(reply.len()).unwrap().to_be_bytes();
            stream.write_all(&[&len[..], &reply[..]].concat()).unwrap();
        }
    }
}

impl State {
    /// The question of a packet, which is counted, and what is said to it.
    fn reply(&self, packet: &[u8], room: usize) -> Option<(Question, Option<Vec<u8>>)> {
        let (question, end) = question(packet)?;
        let answer = self.answers.lock().unwrap().get(&question.0).cloned();
        let answer = answer.or_else(|| self.otherwise.clone()).unwrap_or(Answer::Missing(0));
        let reply = reply(&packet[..end], &question, &answer, room);
        self.questions.lock().unwrap().push(question.clone());
        Some((question, reply))
    }
}

/// The question of a query, and where it ends (RFC 1035 section 4.1.2).
fn question(packet: &[u8]) -> Option<(Question, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let len = usize::from(*packet.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + len)?).to_lowercase());
        at += len;
    }
    let kind = u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]);
    packet.get(at + 3)?;
    Some(((labels.join("."), kind), at + 4))
}

fn reply(query: &[u8], question: &Question, answer: &Answer, room: usize) -> Option<Vec<u8>> {
    let data = |addresses: &[IpAddr]| -> Vec<Vec<u8>> {
        addresses.iter().filter_map(|address| data(*address, question.1)).collect()
    };
    let (code, is_cut, answers, authority) = match answer {
        Answer::Silence => return None,
        Answer::Addresses(addresses) => (0, false, data(addresses), None),
        Answer::Long(_) if room <= 512 => (0, true, Vec::new(), None),
        Answer::Long(addresses) => (0, false, data(addresses), None),
        Answer::Missing(ttl) => (3, false, Vec::new(), Some(soa(*ttl))),
        Answer::Code(code) => (*code, false, Vec::new(), None),
    };
    let mut out = query.to_vec();
    // QR, RD, RA, and TC for what was cut (RFC 1035 section 4.1.1).
    out[2] = if is_cut { 0x83 } else { 0x81 };
    out[3] = 0x80 | code;
    let [high, low] = u16::try_from(answers.len()).unwrap().to_be_bytes();
    out[4..12].copy_from_slice(&[0, 1, high, low, 0, u8::from(authority.is_some()), 0, 0]);
    let hour = 3_600_u32;
    let answers = answers.into_iter().map(|data| (question.1, hour, data));
    let authority = authority.map(|(ttl, data)| (SOA, ttl, data));
    for (kind, ttl, data) in answers.chain(authority) {
        // A pointer to the name of the question; class IN.
        out.extend_from_slice(&[0xc0, 12]);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&ttl.to_be_bytes());
        out.extend_from_slice(&[0, u8::try_from(data.len()).unwrap()]);
        out.extend_from_slice(&data);
    }
    Some(out)
}

fn data(address: IpAddr, kind: u16) -> Option<Vec<u8>> {
    match address {
        IpAddr::V4(address) => (kind == A).then(|| address.octets().to_vec()),
        IpAddr::V6(address) => (kind == AAAA).then(|| address.octets().to_vec()),
    }
}

/// The record that says for how long a name does not exist (RFC 2308 section 3): the root for both
/// names, and the time once as that of the record and once as its last number.
fn soa(ttl: u32) -> (u32, Vec<u8>) {
    let numbers = [1, 3_600, 600, 86_400, ttl].map(u32::to_be_bytes);
    (ttl, [&[0, 0][..], &numbers.concat()].concat())
}

#[test]
fn answers_what_the_test_says() {
    let addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let server = NameServer::start([
        ("a.example", Answer::Addresses(addresses)),
        ("f.example", Answer::Code(SERVFAIL)),
        ("l.example", Answer::Long(vec![Ipv4Addr::LOCALHOST.into()])),
    ]);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let query = |name: &[u8], kind: u8| {
        [&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, b"\x07example\x00", &[0, kind, 0, 1]].concat()
    };
    let ask = |name: &[u8], kind: u8| {
        socket.send_to(&query(name, kind), server.addr()).unwrap();
        let mut out = [0; 512];
        let len = socket.recv(&mut out).unwrap();
        out[..len].to_vec()
    };
    let reply = ask(b"\x01a", 1);
    assert_eq!((reply[3], reply[7]), (0x80, 1));
    assert!(reply.ends_with(&[0, 4, 127, 0, 0, 1]));
    let reply = ask(b"\x01A", 28);
    assert!(reply.ends_with(&Ipv6Addr::LOCALHOST.octets()));
    let reply = ask(b"\x01b", 1);
    assert_eq!((reply[3], reply[7], reply[9]), (0x83, 0, 1));
    assert_eq!(ask(b"\x01f", 1)[3], 0x82);
    assert_eq!((server.asked("a.example", A), server.asked("a.example", AAAA)), (1, 1));

    assert_eq!(ask(b"\x01l", 1)[2] & 2, 2, "cut");
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    let query = query(b"\x01l", 1);
    stream.write_all(&[&[0, u8::try_from(query.len()).unwrap()], &query[..]].concat()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    assert!(reply[4] & 2 == 0 && reply.ends_with(&[0, 4, 127, 0, 0, 1]));
    assert_eq!((server.asked("l.example", A), server.asked_in_all()), (2, 6));
}
