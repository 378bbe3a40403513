//! Small things made of sockets: a port that refuses, one that swallows, one that accepts, one raw
//! exchange.

use crate::cmd::settle;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A port of 127.0.0.1 that is taken, so nobody else gets it, and does not listen: connects are
/// refused.
pub(crate) struct RefusingPort {
    pub(crate) port: u16,
    _socket: OwnedFd,
}

impl RefusingPort {
    pub(crate) fn new() -> Self {
        let (socket, port) = bound();
        Self { port, _socket: socket }
    }
}

/// A port, of 127.0.0.1 as a rule, whose queue of connections is full: the kernel drops every
/// further SYN.
pub(crate) struct SilentPort {
    pub(crate) port: u16,
    _held: Vec<OwnedFd>,
}

impl SilentPort {
    pub(crate) fn new() -> Self {
        Self::at(local(0).into()).unwrap()
    }

    /// The same at another address of this machine, or why that cannot be.
    pub(crate) fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = new_socket_of(address);
        bind(&socket, &address)?;
        let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        let port = address.port();
        listen(&socket, 0).unwrap();
        let mut held = vec![socket];
        for _ in 0..4 {
            let client = new_socket_of(address);
            rustix::io::ioctl_fionbio(&client, true).unwrap();
            // It says EINPROGRESS, for ever once the queue is full.
            let _ = rustix::net::connect(&client, &address);
            held.push(client);
        }
        Ok(Self { port, _held: held })
    }
}

/// A port that hands every connection to a function, on a thread of its own, until it is dropped.
pub(crate) struct Acceptor {
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    pub(crate) fn start(at: Ipv4Addr, take: impl Fn(TcpStream) + Send + 'static) -> Self {
        Self::at((at, 0).into(), take).unwrap()
    }

    /// The same at a given port, or why that cannot be.
    pub(crate) fn at(
        at: SocketAddr,
        take: impl Fn(TcpStream) + Send + 'static,
    ) -> std::io::Result<Self> {
        settle();
        let listener = Arc::new(TcpListener::bind(at)?);
        // The backlog of std is too short for a burst.
        listen(&*listener, 1_024).unwrap();
        let accepting = Arc::clone(&listener);
        let thread = std::thread::spawn(move || {
            while let Ok((socket, _)) = accepting.accept() {
                take(socket);
            }
        });
        Ok(Self { listener, thread: Some(thread) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// From here on no connection comes any more.
    pub(crate) fn stop(&mut self) {
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends bytes and reads until the peer ends the connection.
pub(crate) fn talk(at: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(request).unwrap();
    let mut out = Vec::new();
    // A reset is an end as well; what came before it is what the caller looks at.
    let _ = stream.read_to_end(&mut out);
    out
}

fn bound() -> (OwnedFd, u16) {
    let socket = new_socket();
    bind(&socket, &local(0)).unwrap();
    let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
    (socket, address.port())
}

fn new_socket() -> OwnedFd {
    new_socket_of(local(0).into())
}

fn new_socket_of(address: SocketAddr) -> OwnedFd {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    // Not to be inherited by programs that other tests start at the same time.
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap()
}

fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

#[test]
fn a_refusing_port_refuses_and_a_silent_one_does_not_answer() {
    let refusing = RefusingPort::new();
    let error = TcpStream::connect(local(refusing.port)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    let silent = SilentPort::new();
    let wait = std::time::Duration::from_millis(50);
    let error = TcpStream::connect_timeout(&local(silent.port).into(), wait).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}
