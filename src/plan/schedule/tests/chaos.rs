//! Hosts that say anything at any time: windows and rates stay in their bounds, and each job comes
//! out of the schedule in the end.

use super::*;
use proptest::prelude::*;

const JOBS: u32 = 600;
const HOSTS: [&str; 2] = ["a", "b"];

fn time_ms() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..3_u64, 4 => 0..200_u64, 2 => 0..20_000_u64, 1 => 0..20_000_000_u64]
}

fn signal() -> impl Strategy<Value = HostSignal> {
    let asked_ms = || prop_oneof![3 => 0..3_000_u64, 1 => time_ms(), 1 => Just(u64::MAX)];
    prop_oneof![
        8 => (time_ms(), time_ms())
            .prop_map(|(starttransfer_ms, opening_ms)| {
                HostSignal::Good { starttransfer_ms, opening_ms }
            }),
        1 => Just(HostSignal::Answered),
        4 => (prop::option::of(asked_ms()), any::<bool>())
            .prop_map(|(asked_ms, is_for_host)| HostSignal::Busy { asked_ms, is_for_host }),
        1 => Just(HostSignal::Cut),
        1 => Just(HostSignal::Unreachable { code: "connect.refused" }),
        1 => Just(HostSignal::Unasked),
        1 => Just(HostSignal::Nothing),
    ]
}

/// So many answers of one kind, the first so long after the ones before, and each so long after
/// the one before it.
fn stretch() -> impl Strategy<Value = (HostSignal, u32, u64, u64)> {
    (signal(), 1..60_u32, time_ms(), 0..300_u64)
}

struct Chaos {
    schedule: Schedule<u32>,
    limits: Limits,
    running: VecDeque<Grant<u32>>,
    now_ms: u64,
    ended: u32,
}

impl Chaos {
    /// Takes what may be taken.
    fn fill(&mut self) {
        loop {
            match self.schedule.take(0, self.now_ms).assignment {
                Assignment::Job(grant) => self.running.push_back(grant),
                Assignment::Down(_) | Assignment::Overdue(_) => self.ended += 1,
                Assignment::Nothing => break,
            }
        }
        for host in self.schedule.pushing() {
            assert!((1..=self.limits.per_host_max).contains(&host.window), "{host:?}");
            assert!(host.rate.is_none_or(|rate| rate > 0.0 && rate < 1e6), "{host:?}");
        }
    }

    /// Goes on to when something runs or all is done.
    fn wait(&mut self) {
        self.fill();
        while self.running.is_empty() && self.ended < JOBS {
            let due_ms = self.schedule.next_due_ms().expect("jobs wait for something");
            assert!(due_ms > self.now_ms, "what is due can be taken");
            self.now_ms = due_ms;
            self.fill();
        }
    }

    fn end(&mut self, signal: HostSignal, is_kept: bool) {
        let Some(grant) = self.running.pop_front() else { return };
        let _ = self.schedule.observe(grant.origin, grant.round, signal, self.now_ms);
        let after = if is_kept { After::Kept } else { After::Closed };
        let _ = self.schedule.release(0, grant.origin, after);
        self.ended += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_hosts_say_every_job_comes_out(
        stretches in prop::collection::vec(stretch(), 1..40),
        per_host in prop_oneof![Just((8, 96)), Just((1, 3)), Just((4, 4)), Just((1, 1))],
        retry_after_max_ms in prop_oneof![Just(0), Just(300_000), Just(1 << 40)],
        host_fail_limit in prop_oneof![Just(0), Just(16_u32)],
    ) {
        let limits = Limits {
            per_host_first: per_host.0,
            per_host_max: per_host.1,
            retry_after_max_ms,
            host_fail_limit,
            ..limits(1, 256, 1)
        };
        let schedule = Schedule::new(limits);
        let running = VecDeque::new();
        let mut chaos = Chaos { schedule, limits, running, now_ms: 0, ended: 0 };
        for (place, host) in HOSTS.into_iter().enumerate() {
            let share = JOBS / 2;
            let first = share * u32::try_from(place).unwrap();
            push(&mut chaos.schedule, host, first..first + share);
        }
        for (signal, count, first_ms, each_ms) in stretches {
            chaos.now_ms = chaos.now_ms.saturating_add(first_ms);
            for number in 0..count {
                chaos.wait();
                chaos.now_ms = chaos.now_ms.saturating_add(each_ms);
                chaos.end(signal, number % 7 > 0);
            }
        }
        // From now on both are well.
        while chaos.ended < JOBS {
            chaos.wait();
            chaos.now_ms = chaos.now_ms.saturating_add(20);
            chaos.end(HostSignal::Good { starttransfer_ms: 20, opening_ms: 0 }, true);
        }
        prop_assert_eq!(chaos.schedule.queued() + chaos.schedule.in_flight(), 0);
    }
}
