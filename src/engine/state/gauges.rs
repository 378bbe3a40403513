//! What cores and the reader tell of themselves for whoever watches the run. Each writes its own
//! numbers a few times a second, so that nothing is shared on the way of a job.

use crate::report::view::{CoreView, LongFiles, Transfer};
use crate::ring::dns::Resolver;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The numbers of one run.
pub(crate) struct Gauges {
    cores: Vec<CoreGauges>,
    lines_read: AtomicU64,
    /// Tells what it knows.
    dns: OnceLock<Resolver>,
    /// The last question about transfers under way, by number.
    question: AtomicU64,
    answers: Mutex<Vec<Answer>>,
}

#[derive(Debug, Default)]
struct CoreGauges {
    in_flight: AtomicUsize,
    idle: AtomicUsize,
    received: AtomicU64,
    long: Mutex<LongFiles>,
}

/// What one core answered to a question.
#[derive(Debug)]
struct Answer {
    question: u64,
    core: usize,
    transfers: Vec<Transfer>,
}

impl Gauges {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            cores: (0..cores).map(|_| CoreGauges::default()).collect(),
            lines_read: AtomicU64::new(0),
            dns: OnceLock::new(),
            question: AtomicU64::new(0),
            answers: Mutex::default(),
        }
    }

    /// A core tells how it stands, how many bytes of body it has received so far, and of the long
    /// files under way.
    pub(crate) fn publish(&self, core: usize, view: CoreView, bytes: (u64, LongFiles)) {
        let (received, long) = bytes;
        let gauges = &self.cores[core];
        gauges.in_flight.store(view.in_flight, Ordering::Relaxed);
        gauges.idle.store(view.idle, Ordering::Relaxed);
        gauges.received.store(received, Ordering::Relaxed);
        *locked(&gauges.long) = long;
    }

    /// What the cores have told last.
    pub(crate) fn cores(&self) -> Vec<CoreView> {
        let view = |gauges: &CoreGauges| CoreView {
            in_flight: gauges.in_flight.load(Ordering::Relaxed),
            idle: gauges.idle.load(Ordering::Relaxed),
        };
        self.cores.iter().map(view).collect()
    }

    /// Body bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.cores.iter().map(|gauges| gauges.received.load(Ordering::Relaxed)).sum()
    }

    /// The long files under way.
    pub(crate) fn long(&self) -> LongFiles {
        self.cores
            .iter()
            .map(|gauges| *locked(&gauges.long))
            .fold(LongFiles::default(), LongFiles::and)
    }

    /// The reader tells how many lines it has read that have a row or will have one.
    pub(crate) fn set_lines_read(&self, lines: u64) {
        self.lines_read.store(lines, Ordering::Relaxed);
    }

    /// How many it has told of.
    pub(crate) fn lines_read(&self) -> u64 {
        self.lines_read.load(Ordering::Relaxed)
    }

    /// From now on this resolver is looked at too.
    pub(crate) fn watch_dns(&self, dns: &Resolver) {
        self.dns.get_or_init(|| dns.clone());
    }

    /// Names that are known, and names that are being looked up.
    pub(crate) fn names(&self) -> (usize, usize) {
        self.dns.get().map_or((0, 0), |dns| (dns.names(), dns.asking()))
    }

    /// Asks all cores which transfers take longest; answers to earlier questions are forgotten.
    pub(crate) fn ask(&self) -> u64 {
        self.all().clear();
        self.question.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The question that was asked last; 0 before the first.
    pub(crate) fn question(&self) -> u64 {
        self.question.load(Ordering::Relaxed)
    }

    /// A core answers.
    pub(crate) fn answer(&self, question: u64, core: usize, transfers: Vec<Transfer>) {
        self.all().push(Answer { question, core, transfers });
    }

    /// All transfers that the question brought, longest first, and the cores without an answer.
    pub(crate) fn answers(&self, question: u64) -> (Vec<Transfer>, Vec<usize>) {
        let all = self.all();
        let told = || all.iter().filter(|answer| answer.question == question);
        let mut transfers: Vec<Transfer> =
            told().flat_map(|answer| answer.transfers.iter().cloned()).collect();
        transfers.sort_by_key(|transfer| std::cmp::Reverse(transfer.age));
        let is_silent = |core: &usize| told().all(|answer| answer.core != *core);
        (transfers, (0..self.cores.len()).filter(is_silent).collect())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Answer>> {
        locked(&self.answers)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::view::Phase;
    use std::time::Duration;

    #[test]
    fn answers_belong_to_their_question() {
        let gauges = Gauges::new(3);
        assert_eq!(gauges.question(), 0);
        let transfer = |line, s| Transfer {
            line,
            url: String::new(),
            age: Duration::from_secs(s),
            bytes: 0,
            length: None,
            phase: Phase::Body,
        };
        let question = gauges.ask();
        gauges.answer(question, 2, vec![transfer(1, 5)]);
        gauges.answer(question, 0, vec![transfer(2, 9), transfer(3, 1)]);
        gauges.answer(question - 1, 1, vec![transfer(4, 100)]);
        let (transfers, silent) = gauges.answers(question);
        assert_eq!(transfers.iter().map(|shown| shown.line).collect::<Vec<_>>(), [2, 1, 3]);
        assert_eq!(silent, [1]);
        assert_eq!(gauges.ask(), question + 1);
        assert_eq!(gauges.answers(question + 1), (Vec::new(), vec![0, 1, 2]));
    }

    #[test]
    fn what_cores_tell_adds_up() {
        let gauges = Gauges::new(2);
        let long = |count| LongFiles { count, bytes: 9 * count, bytes_there: count };
        gauges.publish(0, CoreView { in_flight: 3, idle: 1 }, (100, long(1)));
        gauges.publish(1, CoreView { in_flight: 4, idle: 0 }, (50, long(2)));
        gauges.publish(0, CoreView { in_flight: 2, idle: 2 }, (120, long(3)));
        assert_eq!(gauges.received(), 170);
        assert_eq!(gauges.long(), long(5));
        assert_eq!(gauges.cores()[0], CoreView { in_flight: 2, idle: 2 });
    }
}
