//! The sockets of the resolver, opened by it through tokio: keeps the error when one could not be
//! opened, and lets those for UDP report ICMP errors.

use crate::fault::Cause;
use crate::ring::socket_cause;
use hickory_resolver::net::runtime::{
    DnsUdpSocket, RuntimeProvider, TokioRuntimeProvider, TokioTime,
};
use rustix::net::{RecvFlags, recv};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{Interest, ReadBuf};
use tokio::net::UdpSocket;

/// Opens the sockets of the resolver, which says no more than that it has no connection when it got
/// none: so the error is kept here.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    tokio: TokioRuntimeProvider,
    pub(super) shortages: Arc<Shortages>,
}

/// Errors of sockets that could not be opened.
#[derive(Default)]
pub(super) struct Shortages {
    count: AtomicUsize,
    /// The last error.
    errno: AtomicI32,
}

impl Shortages {
    fn record(&self, error: &io::Error) {
        if let Some(Cause::Resources(errno)) = shortage(error) {
            self.errno.store(errno, Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often a socket could not be opened so far.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Cause of the last error.
    pub(super) fn cause(&self) -> Cause {
        Cause::Resources(self.errno.load(Ordering::Relaxed))
    }
}

impl RuntimeProvider for Sockets {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = Datagrams;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.tokio.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        from: Option<SocketAddr>,
        timeout: Option<std::time::Duration>,
    ) -> Opening<Self::Tcp> {
        let (opening, shortages) =
            (self.tokio.connect_tcp(server, from, timeout), Arc::clone(&self.shortages));
        Box::pin(async move { opening.await.inspect_err(|error| shortages.record(error)) })
    }

    /// Binds a socket that is also connected, which the trait does not ask for: only then the
    /// kernel tells that nobody listens there or that there is no way (udp(7)), and drops datagrams
    /// of others.
    fn bind_udp(&self, from: SocketAddr, server: SocketAddr) -> Opening<Self::Udp> {
        let (opening, shortages) = (self.tokio.bind_udp(from, server), Arc::clone(&self.shortages));
        Box::pin(async move {
            let socket = opening.await.inspect_err(|error| shortages.record(error))?;
            socket.connect(server).await?;
            Ok(Datagrams { socket, server })
        })
    }
}

/// A UDP socket connected to one name server. Its receive fails at once when the server, or a
/// router on the way, says that nobody is there (ICMP, as ECONNREFUSED and the like; udp(7)).
pub(super) struct Datagrams {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Datagrams {
    async fn receive(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        // An error alone does not make a socket readable, so tokio's own receive would sleep on.
        loop {
            let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
            let what = if ready.is_error() { Interest::ERROR } else { Interest::READABLE };
            // It clears that readiness when there is nothing.
            let received = self.socket.try_io(what, || {
                let (_, length) = recv(&self.socket, &mut *bytes, RecvFlags::DONTWAIT)?;
                Ok((length, self.server))
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }
}

impl DnsUdpSocket for Datagrams {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut read = ReadBuf::new(bytes);
        let received = ready!(self.socket.poll_recv(context, &mut read));
        Poll::Ready(received.map(|()| (read.filled().len(), self.server)))
    }

    // What `async_trait` makes of an `async fn`.
    fn recv_from<'s, 'b, 'f>(
        &'s self,
        bytes: &'b mut [u8],
    ) -> Pin<Box<dyn Future<Output = io::Result<(usize, SocketAddr)>> + Send + 'f>>
    where
        's: 'f,
        'b: 'f,
        Self: 'f,
    {
        Box::pin(self.receive(bytes))
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        _server: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(context, bytes)
    }
}

/// A socket on its way.
type Opening<S> = Pin<Box<dyn Send + Future<Output = io::Result<S>>>>;

/// The cause of an error by which this machine is out of something.
pub(super) fn shortage(error: &io::Error) -> Option<Cause> {
    let cause = socket_cause(error.raw_os_error()?);
    matches!(cause, Cause::Resources(_)).then_some(cause)
}
