//! Ways to wait for many descriptors at once: epoll(7), select(2), or not at all.

use super::backend::{SELECT_FD_MAX, Trigger};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{FdSetElement, FdSetIter, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// How a thread waits for its descriptors.
pub(super) enum Selector {
    /// epoll(7).
    Epoll {
        epoll: OwnedFd,
        trigger: Trigger,
        /// What each descriptor is registered for, by its number; empty where it is not.
        registered: Vec<EventFlags>,
        events: Vec<Event>,
    },
    /// select(2).
    Select {
        /// Ways in which each descriptor is waited for.
        wanted: BTreeMap<RawFd, [bool; WAYS]>,
    },
    /// Nothing is waited for: the calls do that.
    Blocking,
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// To be readable.
    Read,
    /// To be writable.
    Write,
    /// To be connected, or not any more.
    Connect,
}

/// Number of ways.
pub(super) const WAYS: usize = 3;

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ready {
    pub(super) fd: RawFd,
    /// Ways in which it is ready.
    pub(super) can: [bool; WAYS],
    /// Whether one side hung up, or an error came.
    pub(super) is_over: bool,
}

impl Selector {
    /// epoll(7), which also waits for `bell`.
    ///
    /// # Errors
    /// When there is no descriptor for it.
    pub(super) fn epoll(trigger: Trigger, bell: &OwnedFd) -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, bell, data(bell.as_raw_fd()), EventFlags::IN)?;
        let events = Vec::with_capacity(EVENTS_MAX);
        Ok(Self::Epoll { epoll, trigger, registered: Vec::new(), events })
    }

    /// select(2).
    pub(super) fn select() -> Self {
        Self::Select { wanted: BTreeMap::new() }
    }

    /// Waits for a descriptor in some ways.
    pub(super) fn want(&mut self, fd: RawFd, waits: [bool; WAYS]) -> Result<(), Errno> {
        match self {
            Self::Epoll { trigger: Trigger::Edge, .. } => {
                self.register(fd, IN.union(OUT).union(EventFlags::ET))
            }
            Self::Epoll { trigger: Trigger::Level, registered, .. } => {
                // What is registered stays so: it is often wanted again.
                let before = registered.get(place(fd)).copied().unwrap_or(EventFlags::empty());
                self.register(fd, before | flags(waits))
            }
            Self::Select { wanted } => {
                // Too many descriptors are open for this way to wait.
                if fd >= SELECT_FD_MAX {
                    return Err(Errno::MFILE);
                }
                wanted.insert(fd, waits);
                Ok(())
            }
            Self::Blocking => Ok(()),
        }
    }

    /// Says only what somebody waits for from now on.
    pub(super) fn spare(&mut self, fd: RawFd, waits: [bool; WAYS]) {
        match self {
            // It says everything once.
            Self::Epoll { trigger: Trigger::Edge, .. } | Self::Blocking => {}
            // A descriptor that was closed meanwhile is not registered any more.
            Self::Epoll { .. } => drop(self.register(fd, flags(waits))),
            Self::Select { wanted } => match waits {
                NONE => drop(wanted.remove(&fd)),
                waits => drop(wanted.insert(fd, waits)),
            },
        }
    }

    /// Waits for a descriptor no more that stays open.
    pub(super) fn unregister(&mut self, fd: RawFd) {
        match self {
            Self::Epoll { .. } => drop(self.register(fd, EventFlags::empty())),
            Self::Select { wanted } => drop(wanted.remove(&fd)),
            Self::Blocking => {}
        }
    }

    /// Forgets a descriptor; the kernel does so when it is closed (epoll(7)).
    pub(super) fn forget(&mut self, fd: RawFd) {
        match self {
            Self::Epoll { registered, .. } => {
                if let Some(registered) = registered.get_mut(place(fd)) {
                    *registered = EventFlags::empty();
                }
            }
            Self::Select { wanted } => drop(wanted.remove(&fd)),
            Self::Blocking => {}
        }
    }

    /// Registers a descriptor for these events, or for none.
    fn register(&mut self, fd: RawFd, wanted: EventFlags) -> Result<(), Errno> {
        let Self::Epoll { epoll, registered, .. } = self else { return Ok(()) };
        if registered.len() <= place(fd) {
            registered.resize(place(fd) + 1, EventFlags::empty());
        }
        let before = std::mem::replace(&mut registered[place(fd)], wanted);
        if before == wanted && !wanted.is_empty() {
            return Ok(());
        }
        // SAFETY: it is a number, not -1, borrowed for one call only; whoever waits for it holds
        // it, and of another one the kernel says EBADF or ENOENT.
        #[allow(unsafe_code, reason = "descriptors are known by their numbers here")]
        let of = unsafe { BorrowedFd::borrow_raw(fd) };
        if wanted.is_empty() {
            // One that is registered for nothing would still be told of when it is over.
            return epoll::delete(&epoll, of);
        }
        let done = match before.is_empty() {
            true => match epoll::add(&epoll, of, data(fd), wanted) {
                Err(Errno::EXIST) => epoll::modify(&epoll, of, data(fd), wanted),
                done => done,
            },
            false => epoll::modify(&epoll, of, data(fd), wanted),
        };
        done.inspect_err(|_| registered[place(fd)] = EventFlags::empty())
    }

    /// Waits until something is ready, or `bell` can be read, or for `at_most` so long. Adds what
    /// is ready.
    pub(super) fn wait(
        &mut self,
        bell: &OwnedFd,
        at_most: Option<Duration>,
        ready: &mut Vec<Ready>,
    ) -> Result<(), Errno> {
        let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
        match self {
            Self::Epoll { epoll, events, .. } => {
                events.clear();
                let buffer = rustix::buffer::spare_capacity(events);
                waited(epoll::wait(epoll, buffer, at_most.as_ref()))?;
                ready.extend(events.drain(..).filter_map(|event| {
                    let flags = event.flags;
                    let fd = RawFd::try_from(event.data.u64()).ok()?;
                    let can = [IN, OUT, OUT].map(|of| flags.intersects(of | BROKEN));
                    Some(Ready { fd, can, is_over: flags.intersects(BROKEN | EventFlags::RDHUP) })
                }));
            }
            Self::Select { wanted } => select(wanted, bell, at_most.as_ref(), ready)?,
            Self::Blocking => {
                let mut fds = [PollFd::new(bell, PollFlags::IN)];
                if waited(rustix::event::poll(&mut fds, at_most.as_ref()))? > 0 {
                    let can = [true, false, false];
                    ready.push(Ready { fd: bell.as_raw_fd(), can, is_over: false });
                }
            }
        }
        Ok(())
    }
}

/// Result of a wait: one that a signal ended found nothing.
fn waited(result: Result<usize, Errno>) -> Result<usize, Errno> {
    if result == Err(Errno::INTR) { Ok(0) } else { result }
}

/// Waits by select(2). What is ready is no longer wanted.
fn select(
    wanted: &mut BTreeMap<RawFd, [bool; WAYS]>,
    bell: &OwnedFd,
    at_most: Option<&Timespec>,
    ready: &mut Vec<Ready>,
) -> Result<(), Errno> {
    let bell = bell.as_raw_fd();
    let count = wanted.last_key_value().map_or(bell, |(last, _)| bell.max(*last)) + 1;
    let mut sets = SET_WAYS.map(|ways| {
        let mut set = vec![FdSetElement::default(); rustix::event::fd_set_num_elements(0, count)];
        let of = wanted.iter().filter(|(_, waits)| ways.iter().any(|way| waits[*way as usize]));
        of.for_each(|(fd, _)| rustix::event::fd_set_insert(&mut set, *fd));
        set
    });
    rustix::event::fd_set_insert(&mut sets[0], bell);
    let [reads, writes] = &mut sets;
    // SAFETY: the numbers are of descriptors that somebody waits for, and so holds open; of another
    // one the kernel says EBADF and touches nothing.
    #[allow(unsafe_code, reason = "select(2) knows descriptors by their numbers")]
    let done = unsafe { rustix::event::select(count, Some(reads), Some(writes), None, at_most) };
    if waited(done.map(|count| usize::try_from(count).unwrap_or_default()))? == 0 {
        return Ok(());
    }
    for (ways, set) in SET_WAYS.iter().zip(&sets) {
        for fd in FdSetIter::new(set) {
            let mut can = NONE;
            ways.iter().for_each(|way| can[*way as usize] = true);
            ready.push(Ready { fd, can, is_over: false });
            if let Some(waits) = wanted.get_mut(&fd) {
                ways.iter().for_each(|way| waits[*way as usize] = false);
            }
        }
    }
    wanted.retain(|_, waits| *waits != NONE);
    Ok(())
}

/// Ways that the two sets of select(2) tell of. A connect that failed makes a socket writable; one
/// that was shut down meanwhile makes it readable only.
const SET_WAYS: [[Way; 2]; 2] = [[Way::Read, Way::Connect], [Way::Write, Way::Connect]];

fn flags(waits: [bool; WAYS]) -> EventFlags {
    let [reads, writes, connects] = waits;
    let mut flags = EventFlags::empty();
    flags.set(IN, reads);
    flags.set(OUT, writes || connects);
    flags
}

fn data(fd: RawFd) -> EventData {
    EventData::new_u64(place(fd) as u64)
}

/// Place of a descriptor in tables by number.
pub(super) fn place(fd: RawFd) -> usize {
    usize::try_from(fd).expect("an open descriptor has a number")
}

const NONE: [bool; WAYS] = [false; WAYS];
const IN: EventFlags = EventFlags::IN.union(EventFlags::RDHUP);
const OUT: EventFlags = EventFlags::OUT;
/// What ends both directions.
const BROKEN: EventFlags = EventFlags::HUP.union(EventFlags::ERR);
/// Events taken with one call.
const EVENTS_MAX: usize = 1_024;
