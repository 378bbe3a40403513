//! The fuzz targets without a fuzzer: every seed, and some thousands of mutations of the seeds,
//! through each target.
//!
//! `RINGPULL_SEED=N` repeats a failed run, `RINGPULL_FUZZ_RUNS=N` makes it longer. A failure prints
//! the bytes; put them into `tests/fuzz/seeds/TARGET/`. `RINGPULL_FUZZ_CORPUS=tests/fuzz/corpus`
//! writes the seeds to where cargo-fuzz looks for them.

#[allow(dead_code, reason = "the conformance tests use all of it")]
#[path = "conformance/driver.rs"]
mod driver;
#[allow(dead_code, reason = "the conformance tests use all of it")]
#[path = "conformance/fixture.rs"]
mod fixture;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "conformance/reference.rs"]
mod reference;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Mutations for each target.
const RUNS: u64 = 4_000;
/// Longer seeds are run as they are, and not mutated: they are for limits.
const MUTATED_BYTES_MAX: usize = 2_048;

#[test]
fn seeds_and_their_mutations_hold() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seed = number("RINGPULL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let runs = number("RINGPULL_FUZZ_RUNS").unwrap_or(RUNS);
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        for seed in &seeds {
            run(name, target, seed, "a seed");
        }
        let short: Vec<_> = seeds.iter().filter(|seed| seed.len() <= MUTATED_BYTES_MAX).collect();
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..runs {
            let bytes = mutate::mutate(&short, &mut random);
            run(name, target, &bytes, &format!("RINGPULL_SEED={seed}"));
        }
    }
}

/// Writes the seeds, those from the fixtures too, one file each, as fuzzers want them.
#[test]
fn the_seeds_make_a_corpus() {
    let scratch = tempfile::tempdir().unwrap();
    let wanted = std::env::var_os("RINGPULL_FUZZ_CORPUS").map(PathBuf::from);
    let corpus = wanted.unwrap_or_else(|| scratch.path().to_owned());
    for (name, _) in targets::TARGETS {
        let folder = corpus.join(name);
        fs::create_dir_all(&folder).unwrap();
        for (index, bytes) in seeds(name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{index}")), bytes).unwrap();
        }
        assert!(fs::read_dir(folder).unwrap().count() > 0, "{name} has nothing to begin with");
    }
}

#[test]
fn every_target_has_a_program() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for (name, _) in targets::TARGETS {
        assert!(manifest.contains(&format!("path = \"run/{name}.rs\"")), "{name} in Cargo.toml");
        let program = fs::read_to_string(fuzz_folder().join(format!("run/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("ringpull_fuzz::run(\"{name}\", data)")), "{name}");
        targets::find(name)(b"");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets::TARGETS.len());
}

fn run(name: &str, target: targets::Target, bytes: &[u8], origin: &str) {
    let held = catch_unwind(AssertUnwindSafe(|| target(bytes)));
    assert!(held.is_ok(), "{name}, {origin}: b\"{}\"", bytes.escape_ascii());
}

/// The files in `tests/fuzz/seeds/NAME`, and the fixtures for the targets that read responses.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = fuzz_folder().join("seeds").join(name);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut seeds: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    let fixtures = || fixture::load(&fuzz_folder().with_file_name("http")).into_iter();
    match name {
        "head" | "exchange" => seeds.extend(fixtures().map(|case| case.bytes)),
        "chunked" => seeds.extend(fixtures().filter_map(|case| chunked_body(&case.bytes))),
        _ => {}
    }
    assert!(!seeds.is_empty(), "{name} has no seeds");
    seeds
}

/// What follows the head of a response that mentions chunks.
fn chunked_body(response: &[u8]) -> Option<Vec<u8>> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    let is_chunked = response[..end].windows(7).any(|window| window == b"chunked");
    is_chunked.then(|| response[end + 4..].to_vec())
}

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}
