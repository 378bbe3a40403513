//! A proxy: CONNECT, whole URLs, SOCKS 5, and answers that no proxy should give. It remembers what
//! it was sent. Every name leads to 127.0.0.1, so tests may use any.

use crate::sockets::Acceptor;
use rustix::net::sockopt::set_tcp_nodelay;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// How a proxy behaves.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// As an HTTP proxy.
    Http,
    /// As a SOCKS proxy without IPv6, with a login if the client offers one.
    Socks,
    /// As a SOCKS proxy that cuts each connection after one piece from the origin.
    SocksOnce,
    /// Answers each message (what one read brings) with the next of these, and then does this.
    Says(Vec<Vec<u8>>, Then),
}

/// What comes after the last answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Close,
    /// Keeps the connection open and says nothing.
    Hold,
    /// Goes on with this byte, one at a time, until the peer is gone.
    Drip(u8),
}

/// A running proxy; it ends with the value. It listens at 127.0.0.2, so that its address tells it
/// from origins.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    acceptor: Acceptor,
}

struct Shared {
    manner: Manner,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What clients said to the proxy itself.
    messages: Vec<Vec<u8>>,
    sockets: Vec<TcpStream>,
    connections: usize,
}

impl Relay {
    pub(crate) fn start(manner: Manner) -> Self {
        let shared = Arc::new(Shared { manner, state: Mutex::default() });
        let for_thread = Arc::clone(&shared);
        let acceptor = Acceptor::start(ADDRESS, move |socket| {
            let shared = Arc::clone(&for_thread);
            shared.keep(&socket);
            shared.state().connections += 1;
            std::thread::spawn(move || {
                // Either side may end it at any time.
                let _ = shared.serve(&socket);
                let _ = socket.shutdown(Shutdown::Both);
            });
        });
        Self { shared, acceptor }
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr().port()
    }

    /// `host:port`, which a proxy may be given as.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.acceptor.addr()
    }

    /// What it was told, lossily as text.
    pub(crate) fn messages(&self) -> Vec<String> {
        let state = self.shared.state();
        let text = |message: &Vec<u8>| String::from_utf8_lossy(message).into_owned();
        state.messages.iter().map(text).collect()
    }

    /// What it was told.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.shared.state().messages.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state().connections
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.acceptor.stop();
        for socket in &self.shared.state().sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn keep(&self, socket: &TcpStream) {
        self.state().sockets.push(socket.try_clone().unwrap());
    }

    fn note(&self, message: &[u8]) {
        self.state().messages.push(message.to_vec());
    }

    fn serve(&self, mut client: &TcpStream) -> io::Result<()> {
        set_tcp_nodelay(client, true)?;
        match &self.manner {
            Manner::Http => self.serve_http(client),
            Manner::Socks => self.serve_socks(client, false),
            Manner::SocksOnce => self.serve_socks(client, true),
            Manner::Says(answers, then) => {
                let mut message = vec![0; 4_096];
                for answer in answers {
                    let len = client.read(&mut message)?;
                    self.note(&message[..len]);
                    client.write_all(answer)?;
                }
                match then {
                    Then::Close => Ok(()),
                    Then::Hold => io::copy(&mut client, &mut io::sink()).map(|_| ()),
                    Then::Drip(byte) => loop {
                        client.write_all(&[*byte])?;
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    },
                }
            }
        }
    }

    /// `CONNECT` or whole URLs, one after another.
    fn serve_http(&self, mut client: &TcpStream) -> io::Result<()> {
        let mut origin: Option<TcpStream> = None;
        while let Some(head) = read_head(client)? {
            self.note(head.as_bytes());
            let (line, fields) = head.split_once("\r\n").unwrap();
            let target = line.split(' ').nth(1).unwrap();
            if line.starts_with("CONNECT ") {
                let origin = self.dial(port_of(target))?;
                client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")?;
                return self.pass(client, &origin, false);
            }
            let rest = target.strip_prefix("http://").expect("a whole URL");
            let (authority, path) = rest.split_at(rest.find('/').unwrap());
            if origin.is_none() {
                origin = Some(self.dial(port_of(authority))?);
            }
            let mut origin = origin.as_ref().unwrap();
            let is_ours = |field: &&str| field.to_lowercase().starts_with("proxy-authorization");
            let kept: Vec<&str> = fields.split("\r\n").filter(|field| !is_ours(field)).collect();
            write!(origin, "GET {path} HTTP/1.1\r\n{}", kept.join("\r\n"))?;
            let Some(answer) = read_head(origin)? else { return Ok(()) };
            let length = answer
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .map(|rest| rest.split("\r\n").next().unwrap().parse::<u64>().unwrap());
            client.write_all(answer.as_bytes())?;
            io::copy(&mut origin.take(length.unwrap_or(0)), &mut client)?;
        }
        Ok(())
    }

    fn serve_socks(&self, mut client: &TcpStream, is_once: bool) -> io::Result<()> {
        let mut greeting = read_exactly(client, 2)?;
        greeting.extend(read_exactly(client, greeting[1].into())?);
        self.note(&greeting);
        if greeting[2..].contains(&2) {
            client.write_all(&[5, 2])?;
            let mut login = read_exactly(client, 2)?;
            login.extend(read_exactly(client, login[1].into())?);
            login.extend(read_exactly(client, 1)?);
            login.extend(read_exactly(client, (*login.last().unwrap()).into())?);
            self.note(&login);
            client.write_all(&[1, 0])?;
        } else {
            client.write_all(&[5, 0])?;
        }
        let mut request = read_exactly(client, 5)?;
        let address_len = match request[3] {
            1 => 3,
            4 => 15,
            _ => usize::from(request[4]),
        };
        request.extend(read_exactly(client, address_len + 2)?);
        self.note(&request);
        let port = u16::from_be_bytes([request[request.len() - 2], request[request.len() - 1]]);
        if request[3] == 4 {
            // No IPv6 here.
            return client.write_all(&[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]);
        }
        let Ok(origin) = self.dial(port) else {
            return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
        };
        // In two pieces, as it may come.
        client.write_all(&[5, 0, 0])?;
        client.write_all(&[1, 127, 0, 0, 1, 0, 1])?;
        self.pass(client, &origin, is_once)
    }

    fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let origin = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        set_tcp_nodelay(&origin, true)?;
        self.keep(&origin);
        Ok(origin)
    }

    /// Passes bytes on in both directions until either side ends.
    fn pass(
        &self,
        mut client: &TcpStream,
        mut origin: &TcpStream,
        is_once: bool,
    ) -> io::Result<()> {
        let (mut from, mut to) = (client.try_clone()?, origin.try_clone()?);
        let upward = std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        if is_once {
            let mut piece = vec![0; 65_536];
            let len = origin.read(&mut piece)?;
            client.write_all(&piece[..len])?;
        } else {
            // An error is an end like any other.
            let _ = io::copy(&mut origin, &mut client);
        }
        client.shutdown(Shutdown::Both)?;
        origin.shutdown(Shutdown::Both)?;
        let _ = upward.join();
        Ok(())
    }
}

fn port_of(authority: &str) -> u16 {
    authority.rsplit_once(':').expect("a port").1.parse().unwrap()
}

fn read_exactly(mut stream: &TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_head(mut stream: &TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
