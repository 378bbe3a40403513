//! A host to measure against: one thread that serves files as a host of a given kind would.
//!
//! `host serve BLOCK [KEY=VALUE]...` prints the port it listens at, and serves until it is killed.
//! Each name of the `Host` field is a host of its own:
//!
//! | key | what it does |
//! |---|---|
//! | `delay_ms=N` | time in service of one request |
//! | `slots=N` | requests in service at once; others wait for their turn |
//! | `refuse_above=N` | a request that finds so many in service is refused with 429 |
//! | `retry_after_s=N` | `Retry-After` of a refusal |
//! | `knee=N` | time in service grows with the square of the requests in service: double at N |
//!
//! `GET /SIZE/NAME.EXT`, of a NAME that ends with a NUMBER, gives SIZE bytes of the file BLOCK from
//! byte `NUMBER * 4099` on, and goes on at its start where it ends. `GET /stats` gives as JSON what
//! was counted; only such requests are not. Time in service is kept by a clock of its own, so that
//! a late timer makes one answer late and takes nothing off the host's capacity. Without `serve` it
//! does nothing, so that cargo's bench and test runners can call it.

use anyhow::{Context as _, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};
use std::{env, fs};

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    match &words[..] {
        [verb, block, settings @ ..] if verb == "serve" => {
            let block = fs::read(block).with_context(|| format!("cannot read {block}"))?;
            ensure!(block.len() >= FILE_BYTES_MAX, "BLOCK has fewer than {FILE_BYTES_MAX} bytes");
            Server::start(block, Settings::parse(settings)?)?.run()
        }
        _ => Ok(()),
    }
}

/// Behaviour of the hosts.
#[derive(Default)]
struct Settings {
    delay: Duration,
    slots: Option<usize>,
    refuse_above: Option<usize>,
    retry_after_s: Option<u64>,
    knee: Option<f64>,
}

impl Settings {
    fn parse(words: &[String]) -> Result<Self> {
        let mut settings = Self::default();
        for word in words {
            let (key, value) = word.split_once('=').context("KEY=VALUE is needed")?;
            match key {
                "delay_ms" => settings.delay = Duration::from_millis(value.parse()?),
                "slots" => settings.slots = Some(value.parse()?),
                "refuse_above" => settings.refuse_above = Some(value.parse()?),
                "retry_after_s" => settings.retry_after_s = Some(value.parse()?),
                "knee" => settings.knee = Some(value.parse()?),
                _ => bail!("no setting {key}"),
            }
        }
        Ok(settings)
    }

    /// Time in service of a request that makes `in_service` of them.
    fn service_time(&self, in_service: usize) -> Duration {
        let crowd = u32::try_from(in_service).map_or(f64::MAX, f64::from);
        self.knee.map_or(self.delay, |knee| self.delay.mul_f64(1.0 + (crowd / knee).powi(2)))
    }

    fn refusal(&self) -> Vec<u8> {
        let after = self.retry_after_s.map(|s| format!("Retry-After: {s}\r\n")).unwrap_or_default();
        format!("HTTP/1.1 429 Too Many Requests\r\n{after}Content-Length: 0\r\n\r\n").into_bytes()
    }
}

/// Counts of one host. Times are in ms since the first request of all.
#[derive(Default, Serialize)]
struct Host {
    requests: u64,
    refused: u64,
    /// When each answer with a file began to leave.
    served_ms: Vec<u64>,
    /// Most requests in service at once.
    in_service_max: usize,
    #[serde(skip)]
    in_service: usize,
    /// Requests that wait for a slot, and since when.
    #[serde(skip)]
    waiting: VecDeque<(Ticket, Instant)>,
}

/// The state of the server at one moment.
#[derive(Serialize)]
struct Sample {
    at_ms: u64,
    /// Connections open.
    open: usize,
    /// Answers with a file so far.
    served: u64,
    /// Refusals so far.
    refused: u64,
}

/// A request that has been read.
struct Ticket {
    /// Descriptor of its connection, and which connection of that descriptor it is.
    fd: usize,
    generation: u64,
    /// The answer: its head, and its body as bytes of the content.
    head: Vec<u8>,
    body: Range<usize>,
}

/// A connection, with one answer under way at most.
struct Connection {
    stream: TcpStream,
    generation: u64,
    received: Vec<u8>,
    /// Rest of an answer that the socket did not take yet.
    head: Vec<u8>,
    body: Range<usize>,
}

/// What a request asks for.
enum Target {
    Stats,
    File { size: usize, number: usize },
    Unknown,
}

struct Server {
    settings: Settings,
    /// BLOCK twice, so that every range of up to one block is one slice.
    content: Vec<u8>,
    epoll: OwnedFd,
    timer: OwnedFd,
    listener: TcpListener,
    /// Indexed by descriptor.
    connections: Vec<Option<Connection>>,
    accepted: u64,
    open: usize,
    hosts: Vec<Host>,
    index_of_host: HashMap<String, usize>,
    /// Requests in service by the moment when they are done; the number only makes an order.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Host and request of each entry of `due`.
    in_service: HashMap<u64, (usize, Ticket)>,
    begun: u64,
    first_request: Option<Instant>,
    samples: Vec<Sample>,
    served: u64,
    refused: u64,
}

impl Server {
    fn start(block: Vec<u8>, settings: Settings) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        // Answers in one piece at the rate of the loopback; the default may be bbr, which is not.
        // Where it is not permitted the default must do.
        let _ = rustix::net::sockopt::set_tcp_congestion(&listener, "cubic");
        rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
        rustix::net::listen(&listener, BACKLOG)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)?;
        println_port(&listener)?;
        Ok(Self {
            settings,
            content: [&block[..], &block[..]].concat(),
            epoll,
            timer,
            listener,
            connections: Vec::new(),
            accepted: 0,
            open: 0,
            hosts: Vec::new(),
            index_of_host: HashMap::new(),
            due: BinaryHeap::new(),
            in_service: HashMap::new(),
            begun: 0,
            first_request: None,
            samples: Vec::new(),
            served: 0,
            refused: 0,
        })
    }

    fn run(mut self) -> Result<()> {
        let mut events = Vec::with_capacity(1024);
        loop {
            self.arm_timer()?;
            epoll::wait(&self.epoll, spare_capacity(&mut events), None)?;
            // Before what has just come in: who is done makes room.
            self.finish_due();
            self.sample();
            for event in events.drain(..) {
                let flags = event.flags;
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    TIMER => {}
                    fd => self.serve(usize::try_from(fd)?, flags),
                }
            }
        }
    }

    /// Wakes the loop when the next request is done.
    fn arm_timer(&self) -> Result<()> {
        let Some(Reverse((due, _))) = self.due.peek() else { return Ok(()) };
        // A time of zero would switch it off.
        let left = due.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let value = Timespec::try_from(left)?;
        let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: interval, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let fd = usize::try_from(stream.as_raw_fd())?;
            let data = EventData::new_u64(u64::try_from(fd)?);
            let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &stream, data, edges)?;
            if self.connections.len() <= fd {
                self.connections.resize_with(fd + 1, || None);
            }
            self.accepted += 1;
            self.open += 1;
            let (generation, received, head) = (self.accepted, Vec::new(), Vec::new());
            self.connections[fd] =
                Some(Connection { stream, generation, received, head, body: 0..0 });
        }
    }

    /// Takes what the connection has, and sends what it can take.
    fn serve(&mut self, fd: usize, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(fd).and_then(Option::as_mut) else {
            return;
        };
        let is_up = connection.send(&self.content) && connection.receive(flags);
        if !is_up {
            self.connections[fd] = None;
            self.open -= 1;
            return;
        }
        while let Some((target, name)) =
            self.connections[fd].as_mut().and_then(Connection::next_request)
        {
            self.ask(fd, &target, name);
        }
    }

    /// Admits, refuses or answers one request.
    fn ask(&mut self, fd: usize, target: &Target, name: String) {
        let now = Instant::now();
        let Some(connection) = &self.connections[fd] else { return };
        let generation = connection.generation;
        let ticket = |head: Vec<u8>, body| Ticket { fd, generation, head, body };
        let (size, number) = match *target {
            Target::Stats => return self.answer(ticket(self.stats(), 0..0)),
            Target::Unknown => {
                let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
                return self.answer(ticket(head, 0..0));
            }
            Target::File { size, number } => (size, number),
        };
        self.first_request.get_or_insert(now);
        let index = *self.index_of_host.entry(name).or_insert_with(|| {
            self.hosts.push(Host::default());
            self.hosts.len() - 1
        });
        let host = &mut self.hosts[index];
        host.requests += 1;
        if self.settings.refuse_above.is_some_and(|most| host.in_service >= most) {
            host.refused += 1;
            self.refused += 1;
            return self.answer(ticket(self.settings.refusal(), 0..0));
        }
        let start = number.wrapping_mul(4099) % (self.content.len() / 2);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
        let ticket = ticket(head, start..start + size);
        if self.settings.slots.is_some_and(|slots| host.in_service >= slots) {
            host.waiting.push_back((ticket, now));
        } else {
            self.begin(index, ticket, now);
        }
    }

    fn begin(&mut self, index: usize, ticket: Ticket, start: Instant) {
        let host = &mut self.hosts[index];
        host.in_service += 1;
        host.in_service_max = host.in_service_max.max(host.in_service);
        self.begun += 1;
        let due = start + self.settings.service_time(host.in_service);
        self.due.push(Reverse((due, self.begun)));
        self.in_service.insert(self.begun, (index, ticket));
    }

    /// Answers all whose time in service is over, and begins with who waited for their slots.
    fn finish_due(&mut self) {
        let now = Instant::now();
        while self.due.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((due, id))) = self.due.pop() else { return };
            let Some((index, ticket)) = self.in_service.remove(&id) else { continue };
            let at_ms = self.since_first_ms(now);
            let host = &mut self.hosts[index];
            host.in_service -= 1;
            host.served_ms.push(at_ms);
            self.served += 1;
            if let Some((next, asked)) = host.waiting.pop_front() {
                self.begin(index, next, due.max(asked));
            }
            self.answer(ticket);
        }
    }

    /// Sends an answer, unless its connection is gone.
    fn answer(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket.fd).and_then(Option::as_mut) else {
            return;
        };
        if connection.generation == ticket.generation {
            connection.head.extend_from_slice(&ticket.head);
            connection.body = ticket.body;
            if !connection.send(&self.content) {
                self.connections[ticket.fd] = None;
                self.open -= 1;
            }
        }
    }

    fn since_first_ms(&self, now: Instant) -> u64 {
        let first = self.first_request.unwrap_or(now);
        u64::try_from(now.duration_since(first).as_millis()).unwrap_or(u64::MAX)
    }

    fn sample(&mut self) {
        let at_ms = self.since_first_ms(Instant::now());
        let last_ms = self.samples.last().map(|sample| sample.at_ms);
        if self.first_request.is_none() || last_ms.is_some_and(|last| at_ms - last < SAMPLE_MS) {
            return;
        }
        let (open, served, refused) = (self.open, self.served, self.refused);
        self.samples.push(Sample { at_ms, open, served, refused });
    }

    fn stats(&self) -> Vec<u8> {
        let hosts: HashMap<&String, &Host> =
            self.index_of_host.iter().map(|(name, &index)| (name, &self.hosts[index])).collect();
        let text = serde_json::json!({
            "connections": self.accepted, "served": self.served, "refused": self.refused,
            "hosts": hosts, "samples": self.samples,
        })
        .to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
    }
}

impl Connection {
    /// Sends what is left of the answer. Gives whether the connection lives.
    fn send(&mut self, content: &[u8]) -> bool {
        while !self.head.is_empty() || !self.body.is_empty() {
            let pieces = [IoSlice::new(&self.head), IoSlice::new(&content[self.body.clone()])];
            match self.stream.write_vectored(&pieces) {
                Ok(count) => {
                    let of_head = count.min(self.head.len());
                    self.head.drain(..of_head);
                    self.body.start += count - of_head;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Takes in all that has come. Gives whether the connection lives.
    fn receive(&mut self, flags: EventFlags) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    if count < buffer.len() && !flags.contains(EventFlags::RDHUP) {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }

    /// Takes the next whole request: what it asks for, and the value of `Host`.
    fn next_request(&mut self) -> Option<(Target, String)> {
        let end = self.received.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&self.received[..end]);
        let mut lines = text.lines();
        let target = target(lines.next().unwrap_or_default());
        let name = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map_or_else(String::new, |(_, value)| value.trim().to_owned());
        self.received.drain(..end + 4);
        Some((target, name))
    }
}

/// Understands `GET /SIZE/NAME.EXT HTTP/1.1`, where NAME ends with a number.
fn target(line: &str) -> Target {
    let path = line.split(' ').nth(1).unwrap_or_default();
    if path == "/stats" {
        return Target::Stats;
    }
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let Some(Ok(size)) = parts.map(|(size, _)| size.parse::<usize>()) else {
        return Target::Unknown;
    };
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let digits = stem.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    match (digits.parse(), size <= FILE_BYTES_MAX) {
        (Ok(number), true) => Target::File { size, number },
        _ => Target::Unknown,
    }
}

fn println_port(listener: &TcpListener) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", listener.local_addr()?.port())?;
    Ok(stdout.flush()?)
}

const LISTENER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// Connections that wait to be accepted: a thousand may come at once.
const BACKLOG: i32 = 4096;
/// Size of a send buffer with room for a whole answer of 50 KB, so that it leaves in one write: the
/// most that the kernel permits without privileges.
const SEND_BUFFER_BYTES: usize = 212_992;
/// Largest file. BLOCK must be at least as long.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Time between two samples at least.
const SAMPLE_MS: u64 = 20;
