//! `-o` and `--stats` write into what is no file, and neither replace it nor wait for it for ever.

use crate::cmd::{Sandbox, eventually, skip_forbidden};
use crate::not_ours::make;
use crate::rude::{Plan, Verb, ok, response};
use ringpull::limits::RECV_BUFFER_LARGE_BYTES;
use ringpull::origin;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::process::Signal;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, symlink};
use std::path::Path;
use std::thread::JoinHandle;

/// A body that is longer than any buffer of the client, and than any pipe.
fn long() -> Vec<u8> {
    origin::body("/stream", 8 * RECV_BUFFER_LARGE_BYTES)
}

/// Reads a FIFO to its end, once somebody writes.
fn reader(fifo: &Path) -> JoinHandle<Vec<u8>> {
    let fifo = fifo.to_owned();
    std::thread::spawn(move || {
        let mut read = Vec::new();
        File::open(fifo).unwrap().read_to_end(&mut read).unwrap();
        read
    })
}

fn read(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    assert!(eventually(|| reader.is_finished()), "nobody wrote, or did not end");
    reader.join().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn is_fifo(path: &Path) -> bool {
    path.symlink_metadata().unwrap().file_type().is_fifo()
}

#[test]
fn a_fifo_is_written_into() {
    let server = Plan::new().on("/long", [ok(&long())]).otherwise(ok(b"short")).start();
    let policies = [&[][..], &["--no-clobber"], &["--on-conflict", "error"], &["--fsync", "dir"]];
    for (path, args) in ["/long", "/short", "/short", "/short"].iter().zip(policies) {
        let sandbox = Sandbox::new();
        let fifo = sandbox.out().join("fifo");
        make(&fifo, FileType::Fifo);
        symlink("fifo", sandbox.out().join("link")).unwrap();
        for name in ["fifo", "link"] {
            let reader = reader(&fifo);
            let url = server.url(path);
            let done = sandbox.pull().args(args).args(["-o", name, &url]).run();
            done.assert_ok(1);
            assert!(read(reader) == if *path == "/long" { long() } else { b"short".to_vec() });
            let row = done.row(&url);
            assert_eq!(row["filename"], sandbox.out().join(name).to_str().unwrap());
            assert!(is_fifo(&fifo) && !done.stderr.contains("replaced"), "{}", done.stderr);
            assert_eq!(names(&sandbox.out()), ["fifo", "link"]);
        }
    }
}

#[test]
fn a_device_is_written_into_and_nothing_is_made_beside_it() {
    let server = Plan::new().on("/long", [ok(&long())]).otherwise(ok(b"short")).start();
    let sandbox = Sandbox::new();
    let (null, full) = (sandbox.out().join("null"), sandbox.out().join("full"));
    let made = mknodat(CWD, &full, FileType::CharacterDevice, Mode::RWXU, makedev(1, 7));
    if made.is_err() || !make(&null, FileType::CharacterDevice) {
        return skip_forbidden("devices cannot be made here");
    }
    if File::options().write(true).open(&null).is_err() {
        return skip_forbidden("devices cannot be opened here");
    }
    symlink(&null, sandbox.path("link")).unwrap();
    let link = sandbox.path("link").to_str().unwrap().to_owned();
    // Who may not even write into the directory may write into the device.
    for (name, path) in [("null", "/long"), ("null", "/short"), (&link, "/short")] {
        sandbox.pull().args(["-o", name, &server.url(path)]).run().assert_ok(1);
    }
    // There is never any room: nobody waits for it, although a full disk is waited for.
    for path in ["/long", "/short"] {
        let url = server.url(path);
        let done = sandbox.pull().args(["-o", "full", &url]).run();
        done.assert_code(3);
        assert_eq!(done.fault(&url), "disk.enospc");
        assert!(!done.stderr.contains("paused"), "{}", done.stderr);
    }
    assert_eq!(names(&sandbox.out()), ["full", "null"]);
    for device in [null, full] {
        assert!(device.symlink_metadata().unwrap().file_type().is_char_device());
    }
    assert!(sandbox.path("link").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn a_link_to_standard_output_is_the_open_descriptor() {
    let server = Plan::new().on("/long", [ok(&long())]).otherwise(ok(b"short")).start();
    let sandbox = Sandbox::new();
    symlink("/proc/self/fd/1", sandbox.path("stdout-link")).unwrap();
    let target = sandbox.path("stdout-link").to_str().unwrap().to_owned();
    // What is in the file stays, with and without O_APPEND.
    for is_append in [true, false] {
        let mut log = File::create(sandbox.path("log")).unwrap();
        log.write_all(b"before\n").unwrap();
        let out = match is_append {
            true => File::options().append(true).open(sandbox.path("log")).unwrap(),
            false => log.try_clone().unwrap(),
        };
        let url = server.url("/short");
        let pull = sandbox.pull().args(["-o", &target, "-w", "%{http_code}\n", &url]);
        let done = pull.args(["--stats", &target]).spawn_into(out).wait();
        done.assert_ok(1);
        assert_eq!(done.row(&url)["filename"], target);
        let told = std::fs::read_to_string(sandbox.path("log")).unwrap();
        assert!(told.starts_with("before\nshort200\n{\n"), "{told}");
    }
    // A pipe.
    let (mut pipe, writer) = std::io::pipe().unwrap();
    let running = sandbox.pull().args(["-o", &target, &server.url("/long")]).spawn_into(writer);
    let mut told = Vec::new();
    pipe.read_to_end(&mut told).unwrap();
    running.wait().assert_ok(1);
    assert!(told == long());
    assert!(sandbox.path("stdout-link").symlink_metadata().unwrap().is_symlink());
    assert_eq!(names(&sandbox.out()), Vec::<String>::new());
}

#[test]
fn a_descriptor_of_the_shell_is_named_by_its_number() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("log"), "before\n").unwrap();
    let url = server.url("/a");
    for name in ["/dev/fd/7", "/proc/self/fd/7"] {
        let pull = sandbox.pull().args(["-o", name, &url]);
        let done = pull.under("sh", ["-c", r#"exec 7>>log; exec "$@""#, "sh"]).run();
        done.assert_ok(1);
    }
    assert_eq!(std::fs::read(sandbox.path("log")).unwrap(), b"before\nbodybody");
    // One that is closed is no file that could be made.
    let done = sandbox.pull().args(["-o", "/dev/fd/97", &url]).run();
    done.assert_code(3);
    assert_eq!(server.log().len(), 2);
}

#[test]
fn nobody_reads() {
    let server = Plan::new().otherwise(ok(b"never")).start();
    let url = server.url("/a");
    let sandbox = Sandbox::new();
    make(&sandbox.out().join("fifo"), FileType::Fifo);
    let done = sandbox.pull().args(["-o", "fifo", "-m", "300ms", &url]).run();
    done.assert_code(4);
    assert_eq!(done.fault(&url), "job.timeout");
    // The first signal is enough: there is nothing in flight.
    let running = sandbox.pull().args(["-o", "fifo", "--grace", "1h", &url]).spawn();
    assert!(eventually(|| running.stderr().contains("waiting for somebody to read")));
    running.signal(Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    assert_eq!(done.row(&url)["status"], "cancelled");
    assert_eq!(server.log(), Vec::<String>::new(), "nothing was asked for");
    assert!(is_fifo(&sandbox.out().join("fifo")));
    assert_eq!(names(&sandbox.out()), ["fifo"]);
}

#[test]
fn a_reader_that_stops_or_goes_ends_it() {
    let server = Plan::new().otherwise(ok(&long())).start();
    let url = server.url("/a");
    let sandbox = Sandbox::new();
    let fifo = sandbox.out().join("fifo");
    make(&fifo, FileType::Fifo);
    let open = || {
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        File::options().read(true).custom_flags(flags).open(&fifo).unwrap()
    };
    // It stops: the time for the job ends it, and so does a signal.
    let stopped = open();
    let done = sandbox.pull().args(["-o", "fifo", "-m", "500ms", &url]).run();
    done.assert_code(4);
    assert_eq!(done.fault(&url), "job.timeout");
    assert_eq!(server.log().len(), 1, "what has gone out is not begun again");
    drop(stopped);

    let stopped = open();
    let running = sandbox.pull().args(["-o", "fifo", "--grace", "0", &url]).spawn();
    assert!(eventually(|| rustix::io::ioctl_fionread(&stopped).unwrap() > 0));
    running.signal(Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    assert_eq!(done.row(&url)["status"], "cancelled");
    drop(stopped);

    // It goes.
    let mut gone = open();
    let running = sandbox.pull().args(["-o", "fifo", "--retry", "3", &url]).spawn();
    assert!(eventually(|| rustix::io::ioctl_fionread(&gone).unwrap() > 0));
    gone.read_exact(&mut [0; 100]).unwrap();
    drop(gone);
    let done = running.wait();
    done.assert_code(3);
    assert_eq!(done.fault(&url), "disk.other");
    assert!(done.row(&url)["error_message"].contains("roken pipe"), "{:#?}", done.rows);
    assert_eq!(server.log().len(), 3);
}

#[test]
fn a_reader_sees_its_end_after_the_last_attempt() {
    let whole = response("200 OK", "", b"whole");
    let few = vec![Verb::Send(whole[..whole.len() - 2].to_vec()), Verb::Close];
    let server = Plan::new().on("/few", [few, ok(b"whole")]).start();
    let sandbox = Sandbox::new();
    let fifo = sandbox.out().join("fifo");
    make(&fifo, FileType::Fifo);
    let reader = reader(&fifo);
    let args = ["-o", "fifo", "--retry-delay", "10ms"];
    sandbox.pull().args(args).args([server.url("/few")]).run().assert_ok(1);
    assert_eq!(read(reader), b"whole");
    assert_eq!(server.log(), ["/few", "/few"]);
}

#[test]
fn what_cannot_be_written_into_is_said_before_anything_is_asked() {
    let server = Plan::new().otherwise(ok(b"never")).start();
    let url = server.url("/a");
    let sandbox = Sandbox::new();
    let socket = sandbox.out().join("socket");
    make(&socket, FileType::Socket);
    make(&sandbox.path("fifo"), FileType::Fifo);
    symlink("/proc/self/fd/1", sandbox.path("link")).unwrap();
    std::fs::create_dir(sandbox.out().join("folder")).unwrap();
    let done = sandbox.pull().args(["-o", "socket", &url]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("is a socket"), "{}", done.stderr);
    assert!(socket.symlink_metadata().unwrap().file_type().is_socket());
    let done = sandbox.pull().args(["-o", "folder", &url]).run();
    assert_eq!(done.fault(&url), "disk.not_a_file");
    for flag in ["--save-session", "--dns-cache"] {
        for path in ["fifo", "link", "out/socket"] {
            let done = sandbox.pull().args([flag, path, &url]).run();
            done.assert_code(2);
            assert!(done.stderr.contains("which is not a file"), "{flag} {path} {}", done.stderr);
        }
    }
    assert_eq!(std::fs::read(sandbox.path("stdout")).unwrap(), b"");
    assert!(is_fifo(&sandbox.path("fifo")));
    assert_eq!(server.log(), Vec::<String>::new());
}

#[test]
fn statistics_go_into_a_fifo_when_somebody_reads() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let fifo = sandbox.path("fifo");
    make(&fifo, FileType::Fifo);
    let reader = reader(&fifo);
    sandbox.pull().args(["--stats", "fifo", &server.url("/a")]).run().assert_ok(1);
    let stats: serde_json::Value = serde_json::from_slice(&read(reader)).unwrap();
    assert_eq!(stats["successes"], 1);
    assert!(is_fifo(&fifo));
}
