//! Names that servers propose: taken with `--content-disposition` only, and as safe as any other.

use crate::cmd::Sandbox;
use crate::rude::{Plan, Script, Verb, ok, redirect, response};

fn proposing(value: &str, body: &[u8]) -> Script {
    let field = format!("Content-Disposition: {value}\r\n");
    vec![Verb::Send(response("200 OK", &field, body))]
}

#[test]
fn it_is_off_by_default() {
    let server = Plan::new().otherwise(proposing("attachment; filename=other", b"x")).start();
    let sandbox = Sandbox::new();
    sandbox.pull().args([server.url("/a")]).run().assert_ok(1);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn names_are_taken_made_safe_and_kept_apart() {
    let twice = "Content-Disposition: attachment; filename=x1\r\n\
                 Content-Disposition: attachment; filename=x2\r\n";
    let folded = "Content-Disposition: attachment;\r\n filename=folded.txt\r\n";
    let server = Plan::new()
        .on("/1", [proposing("attachment; filename=\"report.pdf\"", b"1")])
        .on("/2", [proposing("attachment; filename*=UTF-8''na%C3%AFve.txt", b"2")])
        .on("/3", [proposing("attachment; filename=\"../../etc/passwd\"", b"3")])
        .on("/bad", [proposing("attachment; filename=\"unterminated", b"4")])
        .on("/none", [ok(b"5")])
        .on("/twice", [vec![Verb::Send(response("200 OK", twice, b"6"))]])
        .on("/7", [vec![Verb::Send(response("200 OK", folded, b"7"))]])
        .on("/same", [proposing("attachment; filename=same", b"8")])
        .start();
    let sandbox = Sandbox::new();
    let paths = ["/1", "/2", "/3", "/bad", "/none", "/twice", "/7", "/same"];
    let urls = paths.map(|path| server.url(path));
    let done = sandbox.pull().arg("--content-disposition").list(&urls).run();
    done.assert_ok(paths.len());
    let wanted =
        ["bad", "folded.txt", "naïve.txt", "none", "passwd", "report.pdf", "same", "twice"];
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), wanted);
    assert!(done.row(&urls[0])["filename"].ends_with("/report.pdf"));
    assert_eq!(sandbox.files()["report.pdf"], b"1");

    // One name for all of them, and for one that has it by its URL: each file is there.
    let server = Plan::new().otherwise(proposing("attachment; filename=all.bin", b"x")).start();
    let sandbox = Sandbox::new();
    let urls = (0..50).map(|n| server.url(&format!("/{n}"))).chain([server.url("/all.bin")]);
    sandbox.pull().arg("--remote-header-name").list(urls).run().assert_ok(51);
    let files = sandbox.files();
    assert_eq!(files.len(), 51);
    assert!(files.contains_key("all.bin") && files.keys().all(|name| name.starts_with("all.")));
}

#[test]
fn what_the_user_says_goes_before() {
    let server = Plan::new().otherwise(proposing("attachment; filename=theirs", b"x")).start();
    let sandbox = Sandbox::new();
    let lines =
        [server.url("/1"), "  out=mine".to_owned(), server.url("/2"), "  dir=sub".to_owned()];
    sandbox.pull().arg("-J").list(&lines).run().assert_ok(2);
    assert_eq!(std::fs::read(sandbox.out().join("mine")).unwrap(), b"x");
    assert_eq!(std::fs::read(sandbox.out().join("sub/theirs")).unwrap(), b"x");
    let sandbox = Sandbox::new();
    sandbox.pull().args(["-J", "-o", "one", &server.url("/1")]).run().assert_ok(1);
    let pull = sandbox.pull().args(["-J", "--name-template", "t{seq}"]);
    pull.args([server.url("/1")]).run().assert_ok(1);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["one", "t1"]);
    let done = sandbox.pull().args(["-J", "-o", "-", &server.url("/1")]).run();
    assert_eq!(done.stdout, "x");
}

#[test]
fn only_the_final_response_names_the_file() {
    let field = "Location: /end\r\nContent-Disposition: attachment; filename=early\r\n";
    let server = Plan::new()
        .on("/a", [vec![Verb::Send(response("302 Found", field, b""))]])
        .on("/b", [redirect("/named")])
        .on("/end", [ok(b"a")])
        .on("/named", [proposing("attachment; filename=final", b"b")])
        .start();
    let sandbox = Sandbox::new();
    let urls = ["/a", "/b"].map(|path| server.url(path));
    sandbox.pull().arg("-J").list(urls).run().assert_ok(2);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["a", "final"]);
}

#[test]
fn a_retry_keeps_its_name() {
    let head = "HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=f.txt\r\n\
                Content-Length: 9\r\n\r\npart";
    let cut = vec![Verb::Send(head.as_bytes().to_vec()), Verb::Close];
    let whole = proposing("attachment; filename=f.txt", b"whole");
    let server = Plan::new()
        .on("/a", [cut.clone(), cut.clone(), whole])
        .on("/plain", [cut, ok(b"no name this time")])
        .start();
    for (path, name) in [("/a", "f.txt"), ("/plain", "plain")] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["-J", "--retry-delay", "0", &server.url(path)]);
        pull.run().assert_ok(1);
        assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), [name]);
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}

#[test]
fn files_that_exist_are_looked_for_under_the_new_name() {
    let server = Plan::new().otherwise(proposing("attachment; filename=f.txt", b"new")).start();
    let url = server.url("/a");
    let run = |how: &str| {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.out().join("f.txt"), b"old").unwrap();
        let done = sandbox.pull().args(["-J", "--on-conflict", how, &url]).run();
        (done, sandbox)
    };
    let (done, sandbox) = run("skip");
    assert_eq!(done.row(&url)["status"], "skipped");
    assert!(done.row(&url)["filename"].ends_with("/f.txt"), "{:#?}", done.rows);
    assert_eq!(sandbox.files()["f.txt"], b"old");
    let (done, sandbox) = run("error");
    assert_eq!(done.fault(&url), "disk.exists");
    assert_eq!(sandbox.files()["f.txt"], b"old");
    let (done, sandbox) = run("rename");
    done.assert_ok(1);
    assert_eq!(
        (&*sandbox.files()["f.txt"], &*sandbox.files()["f.1.txt"]),
        (&b"old"[..], &b"new"[..])
    );
    let (done, sandbox) = run("overwrite");
    done.assert_ok(1);
    assert_eq!(sandbox.files()["f.txt"], b"new");
}
