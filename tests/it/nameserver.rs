//! A DNS server on UDP with the answers of the test: A and AAAA records, silence, or NXDOMAIN.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What is said of one name.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These addresses, those of the family asked for.
    Addresses(Vec<IpAddr>),
    /// Nothing at all.
    Silence,
}

/// One question: the name in lower case without the last dot, and the record type.
pub(crate) type Question = (String, u16);

/// Record types (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;

/// A running server; it ends with the value.
pub(crate) struct NameServer {
    addr: SocketAddr,
    questions: Arc<Mutex<Vec<Question>>>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Names that are not listed do not exist.
    pub(crate) fn start<'a>(answers: impl IntoIterator<Item = (&'a str, Answer)>) -> Self {
        let answers: HashMap<String, Answer> =
            answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = socket.local_addr().unwrap();
        let questions = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&questions);
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 1_500];
            while let Ok((len, peer)) = socket.recv_from(&mut packet) {
                // An empty datagram is how the value says that it is dropped.
                if len == 0 {
                    return;
                }
                let Some((question, end)) = question(&packet[..len]) else { continue };
                let reply = reply(&packet[..end], &question, answers.get(&question.0));
                kept.lock().unwrap().push(question);
                if let Some(reply) = reply {
                    socket.send_to(&reply, peer).unwrap();
                }
            }
        });
        Self { addr, questions, thread: Some(thread) }
    }

    /// One name with one IPv4 address, the loopback one.
    pub(crate) fn local(names: &[&str]) -> Self {
        let answer = Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        Self::start(names.iter().map(|name| (*name, answer.clone())))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How often a question was asked.
    pub(crate) fn asked(&self, name: &str, kind: u16) -> usize {
        let questions = self.questions.lock().unwrap();
        questions.iter().filter(|asked| asked.0 == name && asked.1 == kind).count()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(&[], self.addr).unwrap();
        let _ = self.thread.take().unwrap().join();
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

fn reply(query: &[u8], question: &Question, answer: Option<&Answer>) -> Option<Vec<u8>> {
    let records: Vec<Vec<u8>> = match answer {
        Some(Answer::Silence) => return None,
        Some(Answer::Addresses(addresses)) => {
            addresses.iter().filter_map(|address| data(*address, question.1)).collect()
        }
        None => Vec::new(),
    };
    let mut out = query.to_vec();
    // QR, RD, RA; NXDOMAIN for what is not known (RFC 1035 section 4.1.1).
    out[2] = 0x81;
    out[3] = if answer.is_some() { 0x80 } else { 0x83 };
    out[4..12].copy_from_slice(&[0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    for data in records {
        // A pointer to the name of the question; class IN; an hour.
        out.extend_from_slice(&[0xc0, 12]);
        out.extend_from_slice(&question.1.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0x0e, 0x10, 0, u8::try_from(data.len()).unwrap()]);
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

#[test]
fn answers_what_the_test_says() {
    let addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let server = NameServer::start([("a.example", Answer::Addresses(addresses))]);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ask = |name: &[u8], kind: u8| {
        let query =
            [&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, b"\x07example\x00", &[0, kind, 0, 1]];
        socket.send_to(&query.concat(), server.addr()).unwrap();
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
    assert_eq!((reply[3], reply[7]), (0x83, 0));
    assert_eq!((server.asked("a.example", A), server.asked("a.example", AAAA)), (1, 1));
}
