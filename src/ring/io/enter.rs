//! Entries leave for the kernel before the runtime parks.
//!
//! tokio-uring 0.5.0 enters the ring when its thread has nothing left to do, or its submission
//! queue is full. With a thousand connections that answer together, all of their files would be
//! made before the first of their next requests left. So every `ENTRIES_WAITING_MAX` entries this
//! thread enters the ring itself (io_uring_enter(2)). What tokio-uring pushes is complete in the
//! queue they share with the kernel, and it reads from there what the kernel has taken, so it does
//! not have to know. A chain is pushed whole before, so an enter never takes it apart.
//!
//! The descriptor of its ring is not public. It is the one io_uring that a core opens while it
//! makes its runtime, and it is taken for that only after entering it has submitted an entry that
//! was pushed for this purpose. Where it cannot be found (`/proc` is not mounted), entries leave
//! when the runtime parks.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

thread_local! {
    /// The ring of this thread's runtime, if it is known.
    static RING: Cell<Option<RawFd>> = const { Cell::new(None) };
    /// Entries pushed since the ring was entered from here. Some may have left, when the runtime
    /// parked.
    static WAITING: Cell<usize> = const { Cell::new(0) };
}

/// Most entries that wait for the runtime, less those of one chain. Half as many requests share a
/// system call, and no more files are made before they leave. A thousand connections wait as long
/// with a quarter of it; sixty-four, whose server is near, then cost 4 % more, since everything
/// comes in smaller batches.
pub(super) const ENTRIES_WAITING_MAX: usize = 128;

/// Counts an entry that was pushed; with `is_linked`, the next one belongs to it.
pub(super) fn pushed(is_linked: bool) {
    let waiting = WAITING.get() + 1;
    WAITING.set(waiting);
    if waiting >= ENTRIES_WAITING_MAX && !is_linked {
        submit();
    }
}

/// Submits all entries of this thread's ring. Entries that the kernel does not take now it takes
/// when the runtime parks.
fn submit() {
    WAITING.set(0);
    if let Some(ring) = RING.get() {
        let _: io::Result<usize> = enter(ring);
    }
}

/// io_uring_enter(2) for all entries of the submission queue, waiting for nothing. Returns how many
/// the kernel took.
fn enter(ring: RawFd) -> io::Result<usize> {
    // SAFETY: the kernel checks that the descriptor is an io_uring that this thread may enter,
    // takes no more entries than there are, and is given no other memory. It works on what was
    // pushed, which the runtime had pushed to be worked on.
    // KERNEL: what the entries point at belongs to the driver since before they were pushed.
    #[allow(unsafe_code, reason = "no safe wrapper enters a ring that somebody else holds")]
    let taken = unsafe {
        let nothing: libc::c_long = 0;
        let all = libc::c_long::from(i32::MAX);
        let ring = libc::c_long::from(ring);
        // to_submit, min_complete, flags, sigset and its size.
        libc::syscall(libc::SYS_io_uring_enter, ring, all, nothing, nothing, nothing, nothing)
    };
    usize::try_from(taken).map_err(|_| io::Error::last_os_error())
}

/// Looks for the ring of a runtime that is about to be made.
pub(super) struct Search {
    /// Rings that the process had before.
    known: Vec<RawFd>,
}

impl Search {
    pub(super) fn begin(_alone: &Alone) -> Self {
        Self { known: rings() }
    }

    /// Ends the search when the runtime was made: has the entries of this thread leave early.
    pub(super) fn end(self, runtime: &tokio_uring::Runtime) {
        let new = rings().into_iter().filter(|ring| !self.known.contains(ring));
        runtime.block_on(adopt(new));
    }
}

/// While one is held, no other thread opens or closes a ring.
pub(super) type Alone = MutexGuard<'static, ()>;

/// Waits for its turn to open or close rings.
pub(super) fn alone() -> Alone {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes that one of `rings` for the ring of this thread's runtime which is.
async fn adopt(mut rings: impl Iterator<Item = RawFd>) {
    let mut nothing = pin!(tokio_uring::no_op());
    // The first poll pushes it, and nothing else was pushed.
    let begun = std::future::poll_fn(|cx| Poll::Ready(nothing.as_mut().poll(cx))).await;
    RING.set(rings.find(|ring| enter(*ring).is_ok_and(|taken| taken == 1)));
    if begun.is_pending() {
        let _: io::Result<()> = nothing.await;
    }
}

/// Forgets the ring: the runtime of this thread ends.
pub(super) fn forget() {
    RING.set(None);
}

/// Descriptors of this process that are rings.
fn rings() -> Vec<RawFd> {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    open.flatten()
        .filter(|entry| {
            std::fs::read_link(entry.path())
                .is_ok_and(|to| to.as_os_str() == "anon_inode:[io_uring]")
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Backend, RingOptions, run, uring};
    use super::*;
    use std::io::Read as _;
    use std::mem::ManuallyDrop;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    fn on_rings<T: Send + 'static>(story: impl AsyncFnOnce() -> T + Send + 'static) -> T {
        let cpu = core_affinity::get_core_ids().unwrap()[0].id;
        std::thread::spawn(move || {
            run((Backend::Uring, RingOptions::default()), cpu, 1, |_| story()).unwrap()
        })
        .join()
        .unwrap()
    }

    fn send(fd: &Rc<OwnedFd>) -> uring::BufOp {
        uring::send(fd, vec![b'x'], 0..1)
    }

    #[test]
    fn entries_leave_while_their_thread_is_busy() {
        let sent = on_rings(async || {
            let (mine, mut theirs) = UnixStream::pair().unwrap();
            let mine = Rc::new(OwnedFd::from(mine));
            theirs.set_nonblocking(true).unwrap();
            let mut sends = Vec::new();
            let mut arrived = Vec::new();
            // Nothing is awaited in between, so the runtime has no chance to park.
            for _ in 0..2 * ENTRIES_WAITING_MAX {
                sends.push(send(&mine));
                let mut bytes = [0; 2 * ENTRIES_WAITING_MAX];
                arrived.push(theirs.read(&mut bytes).unwrap_or(0));
            }
            for send in sends {
                assert_eq!(send.await.0, Ok(1));
            }
            arrived
        });
        let mut expected = vec![0; 2 * ENTRIES_WAITING_MAX];
        expected[ENTRIES_WAITING_MAX - 1] = ENTRIES_WAITING_MAX;
        expected[2 * ENTRIES_WAITING_MAX - 1] = ENTRIES_WAITING_MAX;
        assert_eq!(sent, expected);
    }

    #[test]
    fn without_the_descriptor_they_leave_when_the_runtime_parks() {
        on_rings(async || {
            let (mine, mut theirs) = UnixStream::pair().unwrap();
            let mine = Rc::new(OwnedFd::from(mine));
            theirs.set_nonblocking(true).unwrap();
            forget();
            let sends: Vec<_> = (0..2 * ENTRIES_WAITING_MAX).map(|_| send(&mine)).collect();
            assert!(theirs.read(&mut [0]).is_err(), "nothing has left");
            for send in sends {
                assert_eq!(send.await.0, Ok(1));
            }
        });
    }

    /// Begins a chain behind each number of entries that may wait, and gives what `chain` makes of
    /// it.
    fn behind_each<T: Send + 'static>(chain: impl AsyncFn(usize) -> T + Send + 'static) -> Vec<T> {
        on_rings(async move || {
            let (mine, mut theirs) = UnixStream::pair().unwrap();
            let mine = Rc::new(OwnedFd::from(mine));
            let mut results = Vec::new();
            for before in 0..=ENTRIES_WAITING_MAX {
                WAITING.set(0);
                let sends: Vec<_> = (0..before).map(|_| send(&mine)).collect();
                results.push(chain(before).await);
                for send in sends {
                    assert_eq!(send.await.0, Ok(1));
                    theirs.read_exact(&mut [0]).unwrap();
                }
            }
            results
        })
    }

    #[test]
    fn a_connect_and_its_timer_leave_together() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let results = behind_each(async move |_| {
            let fd = Rc::new(tcp_socket(address));
            let (connecting, timer) = uring::connect(&fd, &address, 10_000);
            // A timer that is linked to nothing is refused as EINVAL (io_uring_enter(2)).
            (connecting.await, timer.await)
        });
        for (before, result) in results.into_iter().enumerate() {
            assert_eq!(result, (Ok(0), Err(libc::ECANCELED)), "behind {before}");
        }
    }

    fn tcp_socket(address: SocketAddr) -> OwnedFd {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
        assert!(address.is_ipv4());
        let flags = SocketFlags::CLOEXEC;
        socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap()
    }

    #[test]
    fn a_chain_of_three_leaves_together() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let results = behind_each(async move |before| {
            let root = Rc::new(OwnedFd::from(std::fs::File::open(&path).unwrap()));
            let (from, to) = (format!("{before}.part"), format!("{before}"));
            std::fs::write(path.join(&from), b"").unwrap();
            // It may not be written, so all that is linked to the write must be cancelled.
            let file = OwnedFd::from(std::fs::File::open(path.join(&from)).unwrap());
            let file = ManuallyDrop::new(file);
            let [from, to] = [from, to].map(|name| std::ffi::CString::new(name).unwrap());
            let buf = b"whole".to_vec();
            let (write, close, rename) =
                uring::write_close_rename((file.as_raw_fd(), &root), (from, to), buf, 0..5, 0);
            let results = (write.await.0, close.await, rename.await);
            if results.1 == Err(libc::ECANCELED) {
                drop(ManuallyDrop::into_inner(file));
            }
            results
        });
        let expected = (Err(libc::EBADF), Err(libc::ECANCELED), Err(libc::ECANCELED));
        for (before, result) in results.into_iter().enumerate() {
            assert_eq!(result, expected, "behind {before}");
        }
        assert!((0..=ENTRIES_WAITING_MAX).all(|n| !dir.path().join(n.to_string()).exists()));
    }

    #[test]
    fn each_core_finds_its_own_ring() {
        let cores: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(|| on_rings(async || RING.get().expect("it is found"))))
            .collect();
        for core in cores {
            core.join().unwrap();
        }
    }
}
