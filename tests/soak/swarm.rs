//! A server for a hundred thousand requests: a function answers each, and nothing is remembered.

use crate::sockets::Acceptor;
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum After {
    /// It waits for the next request.
    Keep,
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// Nothing, until the peer ends it.
    Stall,
}

/// Answers the request for a path.
pub(crate) trait Answer:
    Fn(&str, &mut TcpStream) -> io::Result<After> + Send + Sync + 'static
{
}

impl<F: Fn(&str, &mut TcpStream) -> io::Result<After> + Send + Sync + 'static> Answer for F {}

/// A running server; it ends with the value.
pub(crate) struct Swarm {
    acceptor: Acceptor,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: AtomicUsize,
    sockets: Mutex<Vec<Arc<TcpStream>>>,
}

impl Swarm {
    pub(crate) fn start(answer: impl Answer) -> Self {
        let shared = Arc::new(Shared::default());
        let (for_thread, answer) = (Arc::clone(&shared), Arc::new(answer));
        let acceptor = Acceptor::start(Ipv4Addr::LOCALHOST, move |socket| {
            let (shared, answer) = (Arc::clone(&for_thread), Arc::clone(&answer));
            let socket = Arc::new(socket);
            shared.sockets.lock().unwrap().push(Arc::clone(&socket));
            let serving = std::thread::Builder::new().stack_size(STACK_BYTES);
            let serving = serving.spawn(move || {
                // The peer may end it at any time.
                let _ = serve(&*answer, &shared, &socket);
                shared.sockets.lock().unwrap().retain(|kept| !Arc::ptr_eq(kept, &socket));
            });
            serving.unwrap();
        });
        Self { acceptor, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.acceptor.addr().port()
    }

    /// Requests that came so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.acceptor.stop();
        for socket in &*self.shared.sockets.lock().unwrap() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn serve(answer: &impl Answer, shared: &Shared, socket: &TcpStream) -> io::Result<()> {
    set_tcp_nodelay(socket, true)?;
    let mut writer = socket.try_clone()?;
    let mut reader = BufReader::with_capacity(4_096, socket);
    let (mut request, mut line) = (String::new(), String::new());
    loop {
        request.clear();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        line.clear();
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.split(' ').nth(1).unwrap_or_default();
        match answer(path, &mut writer)? {
            After::Keep => {}
            After::Close => return socket.shutdown(Shutdown::Write),
            After::Reset => return Ok(set_socket_linger(socket, Some(Duration::ZERO))?),
            After::Stall => {
                while reader.read(&mut [0; 64])? > 0 {}
                return Ok(());
            }
        }
    }
}

/// Sends a response with a Content-Length. `fields` are whole lines.
pub(crate) fn send_length(
    to: &mut TcpStream,
    status: &str,
    fields: &str,
    body: &[u8],
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(body.len() + 128);
    write!(bytes, "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len())?;
    bytes.extend_from_slice(body);
    to.write_all(&bytes)
}

/// `len` bytes that are those of `seed` and at their place: two seeds, or two places, differ.
pub(crate) fn body(seed: u64, len: usize) -> &'static [u8] {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut random = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| random.u8(..)).take(2 * NOISE_BYTES).collect()
    });
    assert!(len <= NOISE_BYTES, "{len} bytes");
    let start = usize::try_from(mix(seed) % NOISE_BYTES as u64).unwrap();
    &NOISE[start..start + len]
}

/// A number that looks random and is the same every time (splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1656_67b1_9e37_79f9);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const NOISE_BYTES: usize = 8 << 20;
const STACK_BYTES: usize = 128 * 1024;

#[test]
fn bodies_tell_seeds_apart() {
    assert_eq!(body(1, 100), body(1, 100));
    assert_ne!(body(1, 100), body(2, 100));
    assert_ne!(body(1, 100)[..50], body(1, 100)[50..]);
}
