//! Where the kernel has no io_uring for us, the program says which reason it is and what to do.

use crate::cmd::{Done, Sandbox};
use crate::filter::run_without;
use crate::rude::{Plan, ok};

fn run(backend: &str, errno: i32) -> Option<Done> {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--backend", backend, &server.url("/a")]);
    let done = run_without(libc::SYS_io_uring_setup, errno, pull)?;
    let asked = if backend == "epoll" { vec!["/a".to_owned()] } else { Vec::new() };
    assert_eq!(server.log(), asked);
    Some(done)
}

#[test]
fn a_kernel_without_it_is_told_from_a_container_that_forbids_it() {
    let Some(absent) = run("uring", libc::ENOSYS) else { return };
    let Some(forbidden) = run("uring-own", libc::EPERM) else { return };
    for done in [&absent, &forbidden] {
        assert_ne!(done.code(), 0);
        assert!(done.stderr.contains("--backend epoll"), "{}", done.stderr);
        assert!(done.stderr.contains("io_uring"), "{}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
    let told = forbidden.stderr.to_lowercase();
    assert!(told.contains("seccomp") || told.contains("container"), "{told}");
    assert_ne!(absent.stderr, forbidden.stderr, "each reason has its own text");
}

#[test]
fn what_needs_no_ring_works_without() {
    if let Some(done) = run("epoll", libc::ENOSYS) {
        done.assert_ok(1);
    }
}
