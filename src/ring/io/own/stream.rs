//! What comes on a socket without being asked for each time: one receive that goes on
//! (io_uring_prep_recv_multishot(3), Linux 6.0), into memory that the kernel chooses
//! ([`super::provided`]).
//!
//! It is submitted when somebody first wants to receive, and goes on between two requests: it holds
//! no memory while nothing comes. Its ring has DEFER_TASKRUN, so it goes on only when the thread
//! enters the ring, and all that was received is told of then. What came and was not read yet is
//! bounded: the receive is cancelled, and submitted again when all was read. It ends by itself with
//! the stream, with the socket (which is shut down), and when the kernel has no memory to choose
//! from; then one receive goes into memory of our own.

use super::{GROUP, IGNORED, InFlight, Ring, Slot};
use crate::ring::buf::Size;
use crate::ring::io::backend::Wants;
use crate::ring::shim::{Op, Verdict};
use io_uring_own::{opcode, types};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The streams of a ring, by their descriptor.
pub(super) type Streams = HashMap<RawFd, Rc<Stream>>;

/// One socket that is received from.
pub(super) struct Stream {
    fd: Rc<OwnedFd>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// Place of the receive in the table of the ring, while it goes on.
    key: Option<usize>,
    /// Whether it was asked to end, because too much waits to be read.
    is_cancelled: bool,
    /// Whether it ended for want of memory.
    is_starved: bool,
    /// Pieces that nobody has read: memory, and where in it they are.
    unread: VecDeque<(Vec<u8>, Range<usize>)>,
    /// Result behind all that is unread: the end of the stream, or an error.
    last: Option<Result<usize, i32>>,
    waker: Option<Waker>,
}

/// What was received of a stream, and was not read by anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::ring) enum Unread {
    /// Nothing.
    Nothing,
    /// Bytes.
    Bytes,
    /// The end of the stream.
    End,
    /// An error.
    Error,
}

impl Stream {
    /// Takes note of a completion of its receive. Whether too much waits to be read by now.
    pub(super) fn complete(
        &self,
        (result, flags, memory): (i32, u32, Option<Vec<u8>>),
    ) -> (bool, Option<Waker>) {
        let mut state = self.state.borrow_mut();
        let goes_on = io_uring_own::cqueue::more(flags);
        match (usize::try_from(result), memory) {
            (Ok(count), Some(memory)) if count > 0 => state.unread.push_back((memory, 0..count)),
            (Ok(count), _) => state.last = (count == 0 && !goes_on).then_some(Ok(0)),
            (Err(_), _) => match -result {
                libc::ENOBUFS => state.is_starved = true,
                libc::ECANCELED if state.is_cancelled => {}
                libc::EINTR | libc::EAGAIN => {}
                errno => state.last = Some(Err(errno)),
            },
        }
        if !goes_on {
            (state.key, state.is_cancelled) = (None, false);
        }
        let is_full = state.key.is_some() && state.unread.len() >= PIECES_UNREAD_MAX;
        let cancels = is_full && !std::mem::replace(&mut state.is_cancelled, is_full);
        (cancels, state.waker.take())
    }

    /// What waits to be read.
    fn unread(&self) -> Unread {
        let state = self.state.borrow();
        match (state.unread.is_empty(), state.last) {
            (false, _) => Unread::Bytes,
            (true, Some(Ok(_))) => Unread::End,
            (true, Some(Err(_))) => Unread::Error,
            (true, None) => Unread::Nothing,
        }
    }
}

impl Ring {
    /// Receives into `buf[range]`, or gives memory for `buf` where that has none.
    pub(in crate::ring::io) fn receiving(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
        wants: Wants,
    ) -> Receiving {
        let verdict = Verdict::on(Op::Recv);
        verdict.strike();
        let range = range.start..range.start + verdict.len(range.len());
        let mut streams = self.streams.borrow_mut();
        let stream = streams
            .entry(fd.as_raw_fd())
            .or_insert_with(|| Rc::new(Stream { fd: Rc::clone(fd), state: RefCell::default() }));
        let (ring, stream) = (Rc::clone(self), Rc::clone(stream));
        if !verdict.is_refused() {
            self.arm(&stream);
        }
        Receiving { ring, stream, buf, range, done: 0, wants, verdict, alone: None }
    }

    /// Submits the receive of a stream, unless it goes on or has an end.
    fn arm(&self, stream: &Rc<Stream>) {
        let mut state = stream.state.borrow_mut();
        let has_more = !state.unread.is_empty() || state.last.is_some();
        if state.key.is_some() || has_more || state.is_starved {
            return;
        }
        let slot = Slot::Stream(Rc::clone(stream));
        let key = self.operations.borrow_mut().insert(slot);
        state.key = Some(key);
        drop(state);
        // KERNEL: writes memory of the ring's own ([`super::provided`]). The slot keeps the
        // descriptor until the last completion.
        let entry = opcode::RecvMulti::new(types::Fd(stream.fd.as_raw_fd()), GROUP).build();
        self.push(&[entry.user_data(key as u64)]);
    }

    /// Asks the receive at this place of the table to end.
    pub(super) fn cancel(&self, key: usize) {
        // KERNEL: points at no memory.
        let entry = opcode::AsyncCancel::new(key as u64).build();
        self.push(&[entry.user_data(IGNORED)]);
    }

    /// What waits to be read of a socket.
    pub(in crate::ring::io) fn unread(&self, fd: RawFd) -> Unread {
        self.streams.borrow().get(&fd).map_or(Unread::Nothing, |stream| stream.unread())
    }

    /// Forgets a socket that was shut down or has no operations; what is unread of it is gone.
    pub(in crate::ring::io) fn forget(&self, fd: RawFd) {
        let stream = self.streams.borrow_mut().remove(&fd);
        if let Some(stream) = stream {
            let unread = std::mem::take(&mut stream.state.borrow_mut().unread);
            unread.into_iter().for_each(|(memory, _)| self.buffers.give_memory(memory));
        }
    }
}

/// A receive from a stream. To drop it leaves what comes for who asks next.
pub(in crate::ring::io) struct Receiving {
    ring: Rc<Ring>,
    stream: Rc<Stream>,
    buf: Vec<u8>,
    range: Range<usize>,
    /// Bytes received so far.
    done: usize,
    wants: Wants,
    verdict: Verdict,
    /// A receive into our own memory, since the kernel had none to choose from.
    alone: Option<InFlight>,
}

impl Receiving {
    /// Takes what is unread, as far as it is wanted.
    fn take(&mut self, state: &mut State) {
        while self.done < self.range.len()
            && let Some((memory, piece)) = state.unread.front_mut()
        {
            let left = self.range.len() - self.done;
            if self.buf.is_empty() && piece.start == 0 && piece.len() <= left {
                // The memory itself is given away: nothing is copied.
                self.done = piece.len();
                self.buf = std::mem::take(memory);
                state.unread.pop_front();
                break;
            }
            if self.buf.is_empty() {
                self.buf = self.ring.buffers.take_memory(Size::Small);
                self.range.end = self.range.end.min(self.buf.len());
                continue;
            }
            // There is something in front of it: the one case in which bytes are copied.
            let count = piece.len().min(left);
            let to = self.range.start + self.done;
            let from = piece.start..piece.start + count;
            self.buf[to..to + count].copy_from_slice(&memory[from]);
            (self.done, piece.start) = (self.done + count, piece.start + count);
            if piece.start == piece.end {
                let memory = std::mem::take(memory);
                state.unread.pop_front();
                self.ring.buffers.give_memory(memory);
            }
        }
    }

    fn poll_result(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, i32>> {
        if let Some(errno) = self.verdict.refused() {
            return Poll::Ready(Err(errno));
        }
        loop {
            if let Some(alone) = &mut self.alone {
                let Poll::Ready((result, data)) = Pin::new(alone).poll(context) else {
                    return Poll::Pending;
                };
                self.alone = None;
                self.buf = data.into_buf();
                return Poll::Ready(result.map(|count| self.done + count));
            }
            let stream = Rc::clone(&self.stream);
            let mut state = stream.state.borrow_mut();
            self.take(&mut state);
            let is_enough = match self.wants {
                Wants::All => self.done == self.range.len(),
                Wants::Any | Wants::Answer => self.done > 0,
            };
            match state.last {
                _ if is_enough => return Poll::Ready(Ok(self.done)),
                Some(_) if self.done > 0 => return Poll::Ready(Ok(self.done)),
                Some(last) => return Poll::Ready(last),
                None => {}
            }
            if std::mem::take(&mut state.is_starved) && state.key.is_none() {
                drop(state);
                self.receive_alone();
                continue;
            }
            let context_waker = context.waker();
            match &mut state.waker {
                Some(waker) => waker.clone_from(context_waker),
                None => state.waker = Some(context_waker.clone()),
            }
            drop(state);
            self.ring.arm(&stream);
            return Poll::Pending;
        }
    }

    /// Submits one receive into our own memory.
    fn receive_alone(&mut self) {
        if self.buf.is_empty() {
            self.buf = self.ring.buffers.take_memory(Size::Small);
            self.range = 0..self.range.len().min(self.buf.len());
        }
        let (fd, buf) = (&self.stream.fd, std::mem::take(&mut self.buf));
        let range = self.range.start + self.done..self.range.end;
        self.alone = Some(self.ring.recv(fd, buf, range, self.wants));
    }
}

impl Future for Receiving {
    type Output = (Result<usize, i32>, Vec<u8>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_result(context).map(|result| (result, std::mem::take(&mut self.buf)))
    }
}

/// Pieces of a stream that may wait to be read, before its receive is cancelled.
const PIECES_UNREAD_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use crate::limits::{PROVIDED_BUFFERS, RECV_BUFFER_BYTES};
    use crate::ring::io::{Backend, Io, RecvMode, RingOptions, Wants, run};
    use std::io::{ErrorKind, Write as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;
    use std::time::Duration;

    /// Runs on a ring that receives in this way, on a thread of its own.
    fn on_ring(recv_mode: RecvMode, story: impl AsyncFnOnce(Io) + Send + 'static) {
        let cpu = core_affinity::get_core_ids().unwrap()[0].id;
        let options = RingOptions { recv_mode, ..RingOptions::default() };
        let run = move || run((Backend::UringOwn, options), cpu, 1, story).unwrap();
        std::thread::spawn(run).join().unwrap();
    }

    /// Bytes of one write.
    const PIECE_BYTES: usize = 100_000;

    fn pair() -> (Rc<OwnedFd>, UnixStream) {
        let (mine, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Rc::new(mine.into()), theirs)
    }

    #[test]
    fn who_finds_no_memory_is_told() {
        on_ring(RecvMode::Provided, async |io| {
            let count = usize::from(PROVIDED_BUFFERS) + 3;
            let mut pairs: Vec<_> = (0..count).map(|_| pair()).collect();
            pairs.iter_mut().for_each(|(_, theirs)| theirs.write_all(b"answer").unwrap());
            // All of them are tried when the thread enters the ring, and none is given back before.
            let receive = |(mine, _): &(Rc<OwnedFd>, UnixStream)| {
                io.recv(mine, Vec::new(), 0..RECV_BUFFER_BYTES, Wants::Any)
            };
            let receiving: Vec<_> = pairs.iter().map(receive).collect();
            let mut without = Vec::new();
            for (receiving, pair) in receiving.into_iter().zip(&pairs) {
                let received = receiving.await;
                match received.result {
                    Ok(count) => assert_eq!(&received.memory[..count], b"answer"),
                    Err(errno) => {
                        assert_eq!((errno, received.memory.len()), (libc::ENOBUFS, 0));
                        without.push(pair);
                    }
                }
            }
            assert_eq!(without.len(), 3);
            // By now there is some again, and nothing was lost.
            for pair in without {
                assert_eq!(receive(pair).await.result, Ok(6));
            }
        });
    }

    #[test]
    fn what_nobody_reads_is_bounded_and_comes_in_order() {
        on_ring(RecvMode::Multishot, async |io| {
            let (mine, mut theirs) = pair();
            theirs.write_all(&[0]).unwrap();
            let first = io.recv(&mine, Vec::new(), 0..RECV_BUFFER_BYTES, Wants::Answer).await;
            assert_eq!((first.result, first.memory.len()), (Ok(1), RECV_BUFFER_BYTES));
            // Whatever the kernel takes, over many turns.
            let mut sent = 0_usize;
            for _ in 0..300 {
                let pattern = (0..=250_u8).cycle().skip((sent + 1) % 251);
                let piece: Vec<u8> = pattern.take(PIECE_BYTES).collect();
                match theirs.write(&piece) {
                    Ok(count) => sent += count,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                io.sleep(Duration::from_micros(100)).await;
            }
            let bound = usize::from(PROVIDED_BUFFERS) * RECV_BUFFER_BYTES;
            assert!((RECV_BUFFER_BYTES..bound).contains(&sent), "{sent}");
            drop(theirs);
            let (mut buf, mut expected) = (vec![0; 1_000], 1_usize);
            loop {
                let received = io.recv(&mine, buf, 7..1_000, Wants::All).await;
                buf = received.memory;
                let count = received.result.unwrap();
                for byte in &buf[7..7 + count] {
                    assert_eq!(usize::from(*byte), expected % 251, "{expected}");
                    expected += 1;
                }
                if count < 993 {
                    break;
                }
            }
            assert_eq!(expected, sent + 1);
            io.forget(&mine);
        });
    }

    #[test]
    fn a_stream_without_memory_to_choose_from_goes_on() {
        on_ring(RecvMode::Multishot, async |io| {
            let mut pairs: Vec<_> =
                (0..usize::from(PROVIDED_BUFFERS) + 3).map(|_| pair()).collect();
            pairs.iter_mut().for_each(|(_, theirs)| theirs.write_all(b"one").unwrap());
            let receive = |(mine, _): &(Rc<OwnedFd>, UnixStream)| {
                io.recv(mine, Vec::new(), 0..RECV_BUFFER_BYTES, Wants::Any)
            };
            for text in [&b"one"[..], b"two"] {
                let receiving: Vec<_> = pairs.iter().map(receive).collect();
                for receiving in receiving {
                    let received = receiving.await;
                    assert_eq!(&received.memory[..received.result.unwrap()], text);
                }
                pairs.iter_mut().for_each(|(_, theirs)| theirs.write_all(b"two").unwrap());
            }
            pairs.iter().for_each(|(mine, _)| io.forget(mine));
        });
    }
}
