//! The fuzz targets. Each takes any bytes and asserts what must hold for all of them; each is run
//! by libFuzzer (`tests/fuzz/run/`) and by `tests/fuzz.rs`.

mod chunked;
mod content_disposition;
mod exchange;
mod head;
mod input_list;
mod job_line;
mod name;
mod partial;
mod range;
mod retry_after;
mod url;

/// A target: panics when a property does not hold.
pub(crate) type Target = fn(&[u8]);

/// All of them.
pub(crate) const TARGETS: [(&str, Target); 11] = [
    ("head", head::target),
    ("chunked", chunked::target),
    ("exchange", exchange::target),
    ("job_line", job_line::target),
    ("input_list", input_list::target),
    ("url", url::target),
    ("name", name::target),
    ("content_disposition", content_disposition::target),
    ("partial", partial::target),
    ("range", range::target),
    ("retry_after", retry_after::target),
];

/// The target of this name.
pub(crate) fn find(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.0 == name);
    found.unwrap_or_else(|| panic!("no target is called {name}")).1
}

/// Random numbers that depend on nothing but the data, so that every finding can be repeated from
/// its bytes alone (FNV-1a, 64 bits).
fn random_of(data: &[u8]) -> fastrand::Rng {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    fastrand::Rng::with_seed(hash)
}

/// The lines of the data, at most `count`; the last one has all the rest.
fn lines(data: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    data.splitn(count, |byte| *byte == b'\n')
}
