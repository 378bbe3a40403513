//! `partial` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringpull_fuzz::run("partial", data));
