//! The two transports of a connection.

use super::shared::Listener;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// A connection without or with TLS.
pub(super) enum Transport {
    /// Plain TCP.
    Plain(Socket),
    /// TLS over TCP.
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

impl Transport {
    /// Wraps an accepted socket; the handshake happens with the first read.
    pub(super) fn new(socket: &Arc<TcpStream>, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let socket = Socket(Arc::clone(socket));
        let Some(config) = tls else { return Ok(Self::Plain(socket)) };
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// The listener that accepted the connection.
    pub(super) fn listener(&self) -> Listener {
        match self {
            Self::Plain(_) => Listener::Http,
            Self::Tls(_) => Listener::Https,
        }
    }

    /// Has the kernel keep about so many bytes that the peer has not taken (socket(7), SO_SNDBUF).
    pub(super) fn keep_at_most(&self, bytes: usize) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        };
        Ok(set_socket_send_buffer_size(&*socket.0, bytes)?)
    }

    /// Ends the connection as each protocol has it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                &mut stream.sock
            }
        };
        socket.0.shutdown(Shutdown::Write)
    }
}

impl Read for Transport {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(out),
            Self::Tls(stream) => stream.read(out),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket that the table of open connections holds as well, to end it with the origin.
pub(super) struct Socket(Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(out)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
