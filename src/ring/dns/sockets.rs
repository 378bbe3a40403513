//! The sockets of the resolver, opened by it through tokio: keeps what was lacking when one could
//! not be opened.

use crate::fault::Cause;
use crate::ring::socket_cause;
use hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// Opens the sockets of the resolver, which says no more than that it has no connection when it got
/// none: keeps what was lacking.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    tokio: TokioRuntimeProvider,
    pub(super) lacks: Arc<Lacks>,
}

/// What sockets could not be opened for.
#[derive(Default)]
pub(super) struct Lacks {
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

    /// How often a socket could not be opened so far.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Why that was, the last time.
    pub(super) fn cause(&self) -> Cause {
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
        timeout: Option<std::time::Duration>,
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
pub(super) fn shortage(error: &io::Error) -> Option<Cause> {
    let cause = socket_cause(error.raw_os_error()?);
    matches!(cause, Cause::Resources(_)).then_some(cause)
}
