//! The memory of the process: the allocator of the C library, and a reserve for when that has none
//! left.
//!
//! Rust ends the process when an allocation fails, and whatever was not written is lost. Here the
//! reserve is given up first, so that the allocation succeeds after all, and [`is_short`] is true
//! from then on: whoever runs the process ends it in good order with what the reserve held. When
//! that is used up too, the last resort is called ([`set_last_resort`]) and the process exits.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::time::Duration;

/// The allocator for a process that has a reserve. A call costs one comparison more than the
/// system's. The program chooses the allocator, not this library: tests and benches may count with
/// one of their own.
#[derive(Debug)]
pub struct Heap;

/// The reserve, or null.
static RESERVE: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static RESERVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static IS_SHORT: AtomicBool = AtomicBool::new(false);
static IS_ENDING: AtomicBool = AtomicBool::new(false);
static LAST_RESORT: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

thread_local! {
    /// Whether this thread is the one that ends the process.
    static IS_ENDED_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether an allocation found no memory outside of the reserve, which is given up by now.
pub fn is_short() -> bool {
    IS_SHORT.load(Ordering::Relaxed)
}

/// Keeps `bytes` of address space back, once: another run of the process finds them kept. No page
/// of it is touched.
///
/// # Errors
/// When there is not so much.
pub fn keep_reserve(bytes: usize) -> io::Result<()> {
    if !RESERVE.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    let layout = reserve_layout(bytes).ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: the layout is not empty.
    #[allow(unsafe_code, reason = "the global allocator must not be asked for it")]
    let reserve = unsafe { System.alloc(layout) };
    if reserve.is_null() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    RESERVE_BYTES.store(bytes, Ordering::Relaxed);
    RESERVE.store(reserve, Ordering::Release);
    Ok(())
}

/// Sets the call to make, once, when the reserve is used up as well; the process exits with status
/// 3 afterwards, or as soon as an allocation of this call itself fails.
pub fn set_last_resort(then: impl Fn() + Send + Sync + 'static) {
    // It is set once a process.
    let _ = LAST_RESORT.set(Box::new(then));
}

fn reserve_layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.max(1), 1).ok()
}

/// Gives the reserve back to the system. Says whether there was one.
fn give_up_reserve() -> bool {
    IS_SHORT.store(true, Ordering::Relaxed);
    let reserve = RESERVE.swap(std::ptr::null_mut(), Ordering::Acquire);
    let layout = reserve_layout(RESERVE_BYTES.load(Ordering::Relaxed));
    match layout {
        Some(layout) if !reserve.is_null() => {
            // SAFETY: it was allocated with this layout by `keep_reserve`, and the swap gives it to
            // one thread only.
            #[allow(unsafe_code, reason = "what the system allocated is given back to it")]
            unsafe {
                System.dealloc(reserve, layout);
            }
            true
        }
        Some(_) | None => false,
    }
}

/// Allocates again, from what the reserve held.
fn again(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    // Another thread may be giving it up at this moment.
    for _ in 0..ATTEMPTS {
        give_up_reserve();
        let memory = allocate();
        if !memory.is_null() {
            return memory;
        }
        std::thread::sleep(ATTEMPT_WAIT);
    }
    exhausted()
}

/// The thread that ends the process which has no memory left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// This thread, and no other did so far.
    First,
    /// This thread, which needed memory for ending it.
    Within,
    /// Another thread.
    Elsewhere,
}

fn begin_ending() -> Ending {
    if !IS_ENDING.swap(true, Ordering::Relaxed) {
        IS_ENDED_HERE.set(true);
        return Ending::First;
    }
    if IS_ENDED_HERE.get() { Ending::Within } else { Ending::Elsewhere }
}

/// Ends the process: nothing can go on.
fn exhausted() -> ! {
    match begin_ending() {
        Ending::First => {
            if let Some(then) = LAST_RESORT.get() {
                then();
            }
        }
        Ending::Within => {}
        Ending::Elsewhere => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
    }
    // Nobody may listen.
    let _ = rustix::io::write(rustix::stdio::stderr(), EXHAUSTED.as_bytes());
    // SAFETY: it ends the process without running anything of it (_exit(2)).
    #[allow(unsafe_code, reason = "what runs at an orderly exit may allocate")]
    unsafe {
        libc::_exit(EXIT_STATUS)
    }
}

// SAFETY: every block is the system allocator's, with the layout that was asked for.
#[allow(unsafe_code, reason = "the trait is unsafe")]
unsafe impl GlobalAlloc for Heap {
    #[inline]
    // SAFETY: what the caller promises is passed on.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that is asked for.
        let memory = unsafe { System.alloc(layout) };
        if !memory.is_null() {
            return memory;
        }
        // SAFETY: as above.
        again(|| unsafe { System.alloc(layout) })
    }

    #[inline]
    // SAFETY: what the caller promises is passed on.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that is asked for.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if !memory.is_null() {
            return memory;
        }
        // SAFETY: as above.
        again(|| unsafe { System.alloc_zeroed(layout) })
    }

    #[inline]
    // SAFETY: what the caller promises is passed on.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the one that is asked for.
        let memory = unsafe { System.realloc(block, layout, bytes) };
        if !memory.is_null() {
            return memory;
        }
        // SAFETY: as above; a failed reallocation leaves the block as it was.
        again(|| unsafe { System.realloc(block, layout, bytes) })
    }

    #[inline]
    // SAFETY: what the caller promises is passed on.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Last words when nothing can go on.
const EXHAUSTED: &str = "ringpull: out of memory, and no reserve is left: the same command goes \
                         on where the report ends; lower -j or --lookahead, or raise ulimit -v\n";
/// Exit status for local trouble, as with a full disk.
const EXIT_STATUS: i32 = 3;
/// How often an allocation is tried again.
const ATTEMPTS: usize = 20;
const ATTEMPT_WAIT: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ends_the_process_does_not_wait_for_itself() {
        assert_eq!([begin_ending(), begin_ending()], [Ending::First, Ending::Within]);
        assert_eq!(std::thread::spawn(begin_ending).join().unwrap(), Ending::Elsewhere);
    }
}
