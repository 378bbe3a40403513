//! `-o -`: the body on standard output, once and exact, and no reader of it holds up the end.

use crate::cmd::{Sandbox, eventually};
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok, response};
use ringpull::limits::RECV_BUFFER_LARGE_BYTES;
use ringpull::origin;
use rustix::process::Signal;

/// A body that is longer than any buffer of the client.
fn body() -> Vec<u8> {
    origin::body("/stdout", 8 * RECV_BUFFER_LARGE_BYTES)
}

#[test]
fn the_body_is_exact() {
    let served = serve();
    for len in [0, 10, 100_000, 3_000_000] {
        for kind in ["bytes", "chunked", "close"] {
            let path = format!("/{kind}/{len}/x");
            for url in [served.http(&path), served.https(&path)] {
                let sandbox = Sandbox::new();
                let pull = sandbox.pull().args(["-o", "-"]).arg("--cacert").arg(served.ca());
                let done = pull.args([&url]).run();
                done.assert_ok(1);
                assert_eq!(done.row(&url)["filename"], "-");
                let told = std::fs::read(sandbox.path("stdout")).unwrap();
                assert!(told == origin::body(&path, len), "{url}: {} bytes", told.len());
                assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0, "{url}");
            }
        }
    }
}

#[test]
fn what_has_begun_to_come_out_is_not_begun_again() {
    let whole = response("200 OK", "", &body());
    let half = vec![Verb::Send(whole[..whole.len() / 2].to_vec()), Verb::Close];
    let few = vec![Verb::Send(response("200 OK", "", b"whole")[..40].to_vec()), Verb::Close];
    let server = Plan::new()
        .on("/half", [half, vec![Verb::Send(whole)]])
        .on("/few", [few, ok(b"whole")])
        .start();
    let pull = |path: &str| {
        let sandbox = Sandbox::new();
        let args = ["-o", "-", "--retry", "3", "--retry-delay", "10ms"];
        let done = sandbox.pull().args(args).args([server.url(path)]).run();
        (done, std::fs::read(sandbox.path("stdout")).unwrap())
    };
    let (done, told) = pull("/half");
    done.assert_code(7);
    assert_eq!(done.fault(&server.url("/half")), "body.truncated");
    assert!(!told.is_empty() && body().starts_with(&told), "{} bytes", told.len());
    assert_eq!(server.log(), ["/half"]);

    // Nothing of this one was told when it ended.
    let (done, told) = pull("/few");
    done.assert_ok(1);
    assert_eq!(told, b"whole");
    assert_eq!(server.log(), ["/half", "/few", "/few"]);
}

#[test]
fn a_second_signal_ends_it_while_nobody_reads() {
    let server = Plan::new().otherwise(ok(&body())).start();
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let pull = sandbox.pull().args(["-o", "-", "--grace", "1h"]).args([server.url("/a")]);
    let mut running = pull.spawn_into(writer);
    // One write is longer than the pipe: once there is something in it, somebody waits.
    assert!(eventually(|| rustix::io::ioctl_fionread(&reader).unwrap() > 0));
    assert!(eventually(|| {
        running.signal(Signal::INT);
        std::thread::sleep(std::time::Duration::from_millis(50));
        !running.is_running()
    }));
    running.wait().assert_code(130);
    drop(reader);
}
