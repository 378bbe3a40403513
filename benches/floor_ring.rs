//! The second floor: the least that a downloader must do which keeps ringpull's promises.
//!
//! Where `floor` receives through epoll and writes straight to the final name, this one has what
//! ringpull has, and nothing else: a file gets its name when it is whole (an unnamed file and
//! linkat(2)), a connection is looked at once before it is used again, and sockets go through an
//! io_uring of its own (one thread, deferred task work, receives that go on and share a ring of
//! buffers). It is a yardstick for `scripts/bench-compare`; do not download with it.
//!
//! `floor_ring pull LIST DIR CONNECTIONS [CA.pem]`. All URLs of LIST share one origin. Without
//! `pull` it does nothing, so that cargo's bench and test runners can call it.

#[path = "floor/list.rs"]
mod list;
#[path = "floor/ring.rs"]
mod ring;

use anyhow::{Context as _, Result, bail, ensure};
use list::{Opened, Pull, RECORD_BYTES_MAX, Work, decrypt, file_name, parse_head};
use ring::{Event, Ring};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustls::ClientConnection;
use std::env;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd};

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    Pull::parse(&words)?.map_or(Ok(()), |asked| pull(&asked))
}

/// Pulls every URL of the list over at most as many connections as asked.
fn pull(asked: &Pull<'_>) -> Result<()> {
    let opened = Opened::open(asked)?;
    let mut work = opened.work()?;
    let mut ring = Ring::new(opened.connections_max)?;
    let mut connections = Vec::with_capacity(opened.connections_max);
    for index in 0..opened.connections_max {
        let (stream, tls) = work.origin.connect(opened.config.as_ref())?;
        let mut connection = Connection { stream, tls, index, path: "", body: None };
        ring.receive(index, connection.stream.as_raw_fd())?;
        connection.request_next(&mut work, &mut ring)?;
        connections.push(connection);
    }
    let mut plain = vec![0; PLAIN_BYTES];
    let mut events = Vec::new();
    while !work.is_done() {
        ring.wait(&mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Starved { connection } => {
                    ring.receive(connection, connections[connection].stream.as_raw_fd())?;
                }
                Event::Received { connection, buffer, count } => {
                    let connection = &mut connections[connection];
                    let bytes = ring.bytes(buffer, count);
                    let is_whole = connection.receive(&mut work, bytes, &mut plain)?;
                    ring.give_back(buffer);
                    if is_whole {
                        connection.request_next(&mut work, &mut ring)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// One keep-alive connection with at most one request under way.
struct Connection<'a> {
    stream: TcpStream,
    tls: Option<ClientConnection>,
    index: usize,
    /// Path of the request under way.
    path: &'a str,
    body: Option<Body>,
}

/// The file being written, which has no name yet, and how many bytes of it are still to come.
struct Body {
    file: File,
    left: usize,
}

impl<'a> Connection<'a> {
    /// Sends the request for the next path, if there is one left.
    fn request_next(&mut self, work: &mut Work<'a>, ring: &mut Ring) -> Result<()> {
        let Some(path) = work.next_path() else { return Ok(()) };
        self.path = path;
        let (authority, tls) = (&work.origin.authority, &mut self.tls);
        ring.send(self.index, self.stream.as_raw_fd(), |request| {
            let Some(tls) = tls else {
                return Ok(write!(request, "GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n")?);
            };
            write!(tls.writer(), "GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n")?;
            while tls.wants_write() {
                tls.write_tls(request)?;
            }
            Ok(())
        })
    }

    /// Takes received bytes. Gives whether the response is whole.
    fn receive(&mut self, work: &mut Work<'_>, wire: &[u8], plain: &mut [u8]) -> Result<bool> {
        let Some(tls) = &mut self.tls else { return self.take(work, wire) };
        let count = decrypt(tls, wire, plain)?;
        self.take(work, &plain[..count])
    }

    fn take(&mut self, work: &mut Work<'_>, mut bytes: &[u8]) -> Result<bool> {
        if bytes.is_empty() {
            return Ok(false); // a TLS record of the session itself, such as a ticket
        }
        let mut body = match self.body.take() {
            Some(body) => body,
            None => {
                let (left, used) = parse_head(bytes)?;
                bytes = &bytes[used..];
                Body { file: create(work.dir)?, left }
            }
        };
        ensure!(bytes.len() <= body.left, "more bytes than Content-Length says");
        body.file.write_all(bytes)?;
        body.left -= bytes.len();
        if body.left > 0 {
            self.body = Some(body);
            return Ok(false);
        }
        name(&body.file, work.dir, file_name(self.path))?;
        drop(body);
        work.finished += 1;
        self.look()?;
        Ok(true)
    }

    /// Checks that nothing has come behind the response and the server has not hung up. Received
    /// data does not hide what is there: with deferred task work the kernel receives only while one
    /// waits.
    fn look(&self) -> Result<()> {
        let mut byte = [0_u8];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(&self.stream, &mut byte, flags) {
            Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
            // Tickets may come at any time, and the session takes them.
            Ok((count, _)) if count > 0 && self.tls.is_some() => Ok(()),
            Ok(_) => bail!("something behind a response"),
        }
    }
}

/// A file without a name on the file system of `dir`.
fn create(dir: &OwnedFd) -> Result<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let file = rustix::fs::openat(dir, ".", flags, mode).context("no unnamed file")?;
    Ok(File::from(file))
}

/// Gives the file its name, which must be free.
fn name(file: &File, dir: &OwnedFd, name: &str) -> Result<()> {
    let linked = rustix::fs::linkat(file, "", dir, name, AtFlags::EMPTY_PATH);
    linked.with_context(|| format!("cannot link {name}"))
}

/// Plaintext of one buffer and of the record that began before it.
const PLAIN_BYTES: usize = 64 * 1024 + RECORD_BYTES_MAX;
