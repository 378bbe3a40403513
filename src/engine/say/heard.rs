//! What the threads of an embedded run say: a function of the embedding program hears it, and
//! standard error nothing.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// A function that hears what is said, from any thread. It must not wait.
pub type Hearer = dyn Fn(&str) + Send + Sync;

thread_local! {
    /// The hearer of what this thread says; none where that is for standard error.
    static HEARER: RefCell<Option<Weak<Hearer>>> = const { RefCell::new(None) };
}

/// From now on `hearer` hears what this thread says, and once it is dropped, nobody does.
pub(crate) fn set(hearer: &Arc<Hearer>) {
    HEARER.set(Some(Arc::downgrade(hearer)));
}

/// The work of a new thread, with the hearer of this one.
pub(crate) fn inherit<T>(work: impl FnOnce() -> T + Send) -> impl FnOnce() -> T + Send {
    let hearer = HEARER.with_borrow(Clone::clone);
    move || {
        HEARER.set(hearer);
        work()
    }
}

/// Tells the hearer of this thread. `false` when it has none.
pub(super) fn tell(text: &str) -> bool {
    let Some(hearer) = HEARER.with_borrow(Clone::clone) else { return false };
    if let Some(hearer) = hearer.upgrade() {
        hearer(text);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_thread_has_the_hearer_of_the_one_that_began_it_for_as_long_as_it_is_there() {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hearer: Arc<Hearer> = Arc::new({
            let heard = Arc::clone(&heard);
            move |text: &str| heard.lock().unwrap().push(text.to_owned())
        });
        let run = move || {
            assert!(!tell("to standard error"));
            set(&hearer);
            assert!(tell("here"));
            std::thread::spawn(inherit(|| assert!(tell("beside")))).join().unwrap();
            drop(hearer);
            assert!(tell("too late"));
        };
        std::thread::spawn(run).join().unwrap();
        assert_eq!(*heard.lock().unwrap(), ["here", "beside"]);
    }
}
