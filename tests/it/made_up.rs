//! `--network memory`: files without a network, which nobody may take for those of a server.

use crate::cmd::{Sandbox, command};
use std::fs;

const URLS: [&str; 3] =
    ["http://nobody.invalid/a", "https://nobody.invalid/b", "http://nobody.invalid/c"];

fn pull(sandbox: &Sandbox, args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = command(env!("CARGO_BIN_EXE_ringpull"));
    program.current_dir(sandbox.path(".")).args(args).args(URLS);
    let done = program.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn files_are_made_without_names_servers_or_tls_and_say_so() {
    for backend in ["uring", "uring-own", "epoll", "blocking"] {
        for size in [0_usize, 1_500, 3_000_000] {
            let sandbox = Sandbox::new();
            let network = format!("memory:{size}");
            let format = "%{status} %{remote_ip} %{num_connects} %{size_file}\n";
            let args =
                ["--backend", backend, "--network", &network, "-d", "out", "-q", "-w", format];
            let (code, rows, said) = pull(&sandbox, &args);
            assert_eq!(code, Some(0), "{backend} {size}: {said}");
            assert_eq!(rows, format!("ok  0 {size}\n").repeat(3), "{backend}");
            assert!(said.contains("warning: --network memory"), "{said}");
            for name in ["a", "b", "c"] {
                let bytes = fs::read(sandbox.path("out").join(name)).unwrap();
                assert_eq!(bytes.len(), size);
                let text = String::from_utf8(bytes).unwrap();
                let is_told = |line: &str| line.contains("no server has ever sent these bytes");
                let mut whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
                assert!(whole.all(is_told), "{backend} {size}");
            }
        }
    }
}

#[test]
fn nothing_that_is_there_is_replaced_and_no_report_learns_of_it() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("out/a"), "real").unwrap();
    let (code, _, said) = pull(&sandbox, &["--network", "memory:9", "-d", "out"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("with out, which is not empty") && said.contains("-d"), "{said}");
    assert_eq!(fs::read(sandbox.path("out/a")).unwrap(), b"real");
    assert_eq!(fs::read_dir(sandbox.path("out")).unwrap().count(), 1);

    let (code, _, said) =
        pull(&sandbox, &["--network", "memory:9", "-d", "new", "--report", "r.csv"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--report r.csv") && !sandbox.path("r.csv").exists(), "{said}");
    assert!(!sandbox.path("new").exists());

    let (code, rows, said) =
        pull(&sandbox, &["--network", "memory:9", "--discard", "--report", "-"]);
    assert_eq!((code, rows.matches(",ok,").count()), (Some(0), 3), "{said}");
}
