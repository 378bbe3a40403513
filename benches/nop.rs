//! The no-op ring floor: what a completion costs by itself.
//!
//! Operations that do nothing (NOP) go through the rings of the program, by the code that all its
//! operations go through: that of tokio-uring's runtime (`uring`), and our own (`uring-own`) with
//! each set of flags that it takes. One at a time is what a lone connection pays for every
//! operation, a system call each; in batches is what many connections share. What a receive or a
//! write costs above that is its own work.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringpull::config::{Backend, RingFlags, RingOptions};
use ringpull::ring::io::{self, Io};
use std::time::{Duration, Instant};

/// Rings that are compared.
const RINGS: [(Backend, RingFlags); 5] = [
    (Backend::Uring, RingFlags::Plain),
    (Backend::Uring, RingFlags::Coop),
    (Backend::UringOwn, RingFlags::Plain),
    (Backend::UringOwn, RingFlags::Coop),
    (Backend::UringOwn, RingFlags::Defer),
];

/// Operations that are under way together.
const BATCHES: [usize; 4] = [1, 8, 64, 256];

fn nops(criterion: &mut Criterion) {
    for batch in BATCHES {
        let mut group = criterion.benchmark_group(format!("nop_{batch}"));
        group.throughput(Throughput::Elements(batch as u64));
        for ring in RINGS {
            let name = format!("{}_{}", ring.0.as_str(), ring.1.as_str());
            if let Err(refused) = timed(ring, batch, 1) {
                assert!(ring.1 != RingFlags::Plain, "{name}: {refused:#}");
                // An older kernel lacks the flags.
                continue;
            }
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|times| timed(ring, batch, times).expect("it was tried"));
            });
        }
        group.finish();
    }
}

/// How long so many batches take, one after another. The ring is made before, and the first batch
/// is not counted: it brings what is made once.
fn timed(
    (backend, flags): (Backend, RingFlags),
    batch: usize,
    times: u64,
) -> anyhow::Result<Duration> {
    let options = RingOptions { flags, ..RingOptions::default() };
    let cpu = core_affinity::get_core_ids().map_or(0, |cpus| cpus[0].id);
    io::run((backend, options), cpu, batch, async |io| {
        together(&io, batch).await;
        let begun = Instant::now();
        for _ in 0..times {
            together(&io, batch).await;
        }
        begun.elapsed()
    })
}

/// Submits a batch, and waits for all of it.
async fn together(io: &Io, batch: usize) {
    if batch == 1 {
        return assert_eq!(io.nop().await, Ok(()));
    }
    // One allocation a batch is nothing beside its operations.
    let under_way: Vec<_> = (0..batch).map(|_| io.nop()).collect();
    for nop in under_way {
        assert_eq!(nop.await, Ok(()));
    }
}

criterion_group!(benches, nops);
criterion_main!(benches);
