//! The floor: the least that any downloader must do for one list of URLs on one server.
//!
//! One thread, one epoll, keep-alive connections, one receive buffer that stays hot in the cache.
//! A body is received, written and closed; of a head only `Content-Length` is read. Nothing is
//! retried, limited, verified or renamed, and every surprise ends the program: this is a yardstick
//! for `scripts/bench-compare`, which runs it beside the real programs; do not download with it.
//!
//! `floor pull LIST DIR CONNECTIONS [CA.pem]`. All URLs of LIST share one origin. Without `pull` it
//! does nothing, so that cargo's bench and test runners can call it.

#[path = "floor/list.rs"]
mod list;

use anyhow::{Context as _, Result, bail, ensure};
use list::{Opened, Origin, Pull, RECORD_BYTES_MAX, Work, decrypt, file_name, parse_head};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::{Mode, OFlags};
use rustls::{ClientConfig, ClientConnection};
use std::env;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    Pull::parse(&words)?.map_or(Ok(()), |asked| pull(&asked))
}

/// Pulls every URL of the list over at most as many connections as asked.
fn pull(asked: &Pull<'_>) -> Result<()> {
    let opened = Opened::open(asked)?;
    let mut work = opened.work()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    for index in 0..opened.connections_max {
        let mut connection = Connection::open(work.origin, opened.config.as_ref())?;
        let data = EventData::new_u64(u64::try_from(index)?);
        epoll::add(&epoll, &connection.stream, data, EventFlags::IN)?;
        connection.request_next(&mut work)?;
        connections.push(connection);
    }
    let mut buffers =
        Buffers { wire: vec![0; BUFFER_BYTES], plain: vec![0; BUFFER_BYTES + RECORD_BYTES_MAX] };
    let mut events = Vec::with_capacity(connections.len());
    while !work.is_done() {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let index = usize::try_from(event.data.u64())?;
            connections[index].receive(&mut work, &mut buffers)?;
        }
    }
    Ok(())
}

/// The memory that all bytes of all connections go through.
struct Buffers {
    wire: Vec<u8>,
    plain: Vec<u8>,
}

/// One keep-alive connection with at most one request under way.
struct Connection {
    stream: TcpStream,
    tls: Option<ClientConnection>,
    /// Path of the request under way.
    path: String,
    body: Option<Body>,
}

/// The file being written, and how many bytes of it are still to come.
struct Body {
    file: File,
    left: usize,
}

impl Connection {
    /// Connects, and makes the TLS handshake, both blocking.
    fn open(origin: &Origin, config: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let (stream, tls) = origin.connect(config)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, tls, path: String::new(), body: None })
    }

    /// Sends the request for the next path, if there is one left.
    fn request_next(&mut self, work: &mut Work<'_>) -> Result<()> {
        let Some(path) = work.next_path() else { return Ok(()) };
        self.path.clear();
        self.path.push_str(path);
        let authority = &work.origin.authority;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let Some(tls) = &mut self.tls else {
            return Ok(self.stream.write_all(request.as_bytes())?);
        };
        tls.writer().write_all(request.as_bytes())?;
        while tls.wants_write() {
            tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// Takes the bytes that the socket holds, as long as they fill the buffer.
    fn receive(&mut self, work: &mut Work<'_>, buffers: &mut Buffers) -> Result<()> {
        loop {
            let count = match self.stream.read(&mut buffers.wire) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let wire = &buffers.wire[..count];
            if let Some(tls) = &mut self.tls {
                let plain_count = decrypt(tls, wire, &mut buffers.plain)?;
                self.take(work, &buffers.plain[..plain_count])?;
            } else {
                self.take(work, wire)?;
            }
            if count < BUFFER_BYTES {
                return Ok(());
            }
        }
    }

    /// Writes the body bytes of one response, and asks for the next one at its end.
    fn take(&mut self, work: &mut Work<'_>, mut bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(()); // a TLS record of the session itself, such as a ticket
        }
        let mut body = match self.body.take() {
            Some(body) => body,
            None => {
                let (left, used) = parse_head(bytes)?;
                bytes = &bytes[used..];
                Body { file: create(work.dir, &self.path)?, left }
            }
        };
        ensure!(bytes.len() <= body.left, "more bytes than Content-Length says");
        body.file.write_all(bytes)?;
        body.left -= bytes.len();
        if body.left > 0 {
            self.body = Some(body);
            return Ok(());
        }
        drop(body);
        work.finished += 1;
        self.request_next(work)
    }
}

/// Creates the file that the last segment of `path` names. It must not exist.
fn create(dir: &OwnedFd, path: &str) -> Result<File> {
    let name = file_name(path);
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let file = rustix::fs::openat(dir, name, flags, mode)
        .with_context(|| format!("cannot create {name}"))?;
    Ok(File::from(file))
}

/// Size of the buffer: enough for a whole file of 50 KB, and a quarter of a common second-level
/// cache.
const BUFFER_BYTES: usize = 256 * 1024;
