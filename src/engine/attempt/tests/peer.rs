//! A server that does as it is told, and a core without a run around it.

use crate::config::{Config, DnsOptions, TlsOptions};
use crate::engine::attempt::kit::{Common, Kit, Ways};
use crate::engine::output::destination::Output;
use crate::engine::output::dir_rules::DirRules;
use crate::engine::state::stop::StopFlag;
use crate::engine::state::wakes::Wakes;
use crate::http::request::Parts;
use crate::plan::proxy::Proxies;
use crate::plan::requests::Requests;
use crate::plan::target::Target;
use crate::report::journal::Lost;
use crate::ring::dir::{Dir, WriteOptions};
use crate::ring::dns::Resolver;
use crate::ring::io::{self, Backend, Io, RingOptions};
use crate::ring::tls::Settings;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a peer does on a connection, one thing after another. Behind the last it hangs up.
#[derive(Clone, Debug)]
pub(super) enum Do {
    /// Reads one request.
    Read,
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Gives the other side time to see what came so far by itself.
    Pause,
}

/// Sends this text.
pub(super) fn send(text: impl AsRef<[u8]>) -> Do {
    Do::Send(text.as_ref().to_vec())
}

/// Sends an answer with this status line and this body, and with further field lines.
pub(super) fn answer(status: &str, lines: &str, body: &str) -> Do {
    let length = body.len();
    send(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{lines}\r\n{body}"))
}

/// A server on the loopback interface.
pub(super) struct Peer {
    address: SocketAddr,
    thread: JoinHandle<Vec<Vec<String>>>,
}

impl Peer {
    /// Serves one connection after another, as the scripts say.
    pub(super) fn start(scripts: Vec<Vec<Do>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = move || scripts.into_iter().map(|script| follow(&listener, script)).collect();
        Self { address, thread: std::thread::spawn(serve) }
    }

    /// A target of this peer.
    pub(super) fn target(&self, path: &str) -> Target {
        Target::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// The heads of the requests that came, by connection. All scripts must have been used.
    pub(super) fn requests(self) -> Vec<Vec<String>> {
        self.thread.join().unwrap()
    }
}

/// Follows the script on the next connection. Gives the heads of the requests.
fn follow(listener: &TcpListener, script: Vec<Do>) -> Vec<String> {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let mut requests = Vec::new();
    for step in script {
        match step {
            Do::Read => requests.push(head(&mut stream)),
            // Who hung up hears no more.
            Do::Send(bytes) => drop(stream.write_all(&bytes)),
            Do::Pause => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    requests
}

/// The head of one request, to its blank line.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A core that makes files in a directory of its own.
pub(super) struct Bench {
    pub(super) kit: Kit,
    pub(super) output: Output,
    dir: PathBuf,
}

impl Bench {
    /// What is in a file that was made.
    pub(super) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap()
    }

    /// Names of all files that were made.
    pub(super) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Lets a story happen on the ring of one core, with this configuration.
pub(super) fn on_a_core<T: Send + 'static>(
    config: Config,
    story: impl AsyncFnOnce(&Bench) -> T + Send + 'static,
) -> T {
    let thread = move || {
        let dir = TempDir::new().unwrap();
        let config = Config { dir: dir.path().to_owned(), ..config };
        let cpu = core_affinity::get_core_ids().unwrap()[0].id;
        let story = async |io| story(&bench(config, io)).await;
        io::run((Backend::Uring, RingOptions::default()), cpu, 1, story).unwrap()
    };
    std::thread::spawn(thread).join().unwrap()
}

fn bench(config: Config, io: Io) -> Bench {
    let stop = Arc::new(StopFlag::new(Arc::new(Wakes::new(1))));
    let common = Arc::new(Common::new(&config, Instant::now(), stop));
    let ways = Ways {
        dns: Resolver::start(&DnsOptions::default()).unwrap(),
        tls: Settings::new(&TlsOptions::default()).unwrap(),
        proxies: Arc::new(Proxies::default()),
    };
    let parts = Parts { user_agent: "bench", ..Parts::default() };
    let requests = Requests::new(&parts, config.request.basic_auth.as_deref(), None).unwrap();
    let dir = Dir::create(&config.dir, WriteOptions::default()).unwrap();
    let rules = DirRules::new(&config, Some(&dir));
    Bench {
        output: Output::new(&config, rules, Lost::default()),
        kit: Kit::new(&config, common, ways, requests, (io, dir)),
        dir: config.dir,
    }
}
