//! Lists of aria2: session files as aria2c 1.36 writes them, and what one line may ask for.

use crate::cmd::Sandbox;
use crate::rude::{Plan, Verb, ok, response};

/// Two entries as `aria2c --save-session` wrote them (1.36.0), with other addresses.
const SESSION: &str = "\
http://HOST/two\t
 gid=f2c2dfce651528ad
 max-tries=1
 dir=DIR
 split=3
 referer=http://r/
 user-agent=agent
 all-proxy=
http://HOST/a%20b.jpg\thttp://HOST/mirror.jpg\t
 gid=18be89857ece18bb
 max-tries=1
 dir=DIR/sub
 out=x.jpg
 split=3
 checksum=md5=b2f5ff47436671b6e533d8dc3614845d
 http-user=me
 http-passwd=S3cret
 header=X-A: 1
 header=X-B: 2
 all-proxy=
";

#[test]
fn a_session_of_aria2_is_pulled_as_it_would_be_there() {
    let server = Plan::new().otherwise(ok(b"g")).start();
    let sandbox = Sandbox::new();
    let list = SESSION.replace("HOST", &server.addr().to_string());
    let list = list.replace("DIR", sandbox.out().to_str().unwrap());
    let done = sandbox.pull().list(list.lines()).run();
    done.assert_ok(2);
    for path in ["two", "sub/x.jpg"] {
        assert_eq!(std::fs::read(sandbox.out().join(path)).unwrap(), b"g", "{path}");
    }
    let head = server.heads("/two").remove(0);
    assert!(head.contains("User-Agent: agent\r\n") && head.contains("Referer: http://r/\r\n"));
    assert!(!head.contains("Authorization"), "{head}");
    let head = server.heads("/a%20b.jpg").remove(0);
    assert!(head.contains("X-A: 1\r\n") && head.contains("X-B: 2\r\n"), "{head}");
    assert!(head.contains("Authorization: Basic bWU6UzNjcmV0\r\n"), "{head}");
    let notes: Vec<&str> = done.stderr.lines().filter(|line| line.starts_with("note:")).collect();
    let note = "note: options of aria2 without effect on files: all-proxy, gid, max-tries, split";
    assert_eq!(notes, [note]);
    let report = std::fs::read_to_string(sandbox.path("report.csv")).unwrap();
    assert!(!report.contains("S3cret") && !done.stderr.contains("S3cret"));
}

#[test]
fn mirrors_of_a_line_are_one_file_with_one_row() {
    let server = Plan::new().otherwise(ok(b"g")).start();
    let sandbox = Sandbox::new();
    let (good, other) = (server.url("/a"), server.url("/mirror"));
    let lines = [format!("{good}\t{other}\t"), format!("{}\tftp://h.example/b", server.url("/b"))];
    let done = sandbox.pull().list(&lines).run();
    done.assert_code(2);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(server.log(), ["/a"]);
    let urls: Vec<&str> = done.rows.iter().map(|row| row["url"].as_str()).collect();
    assert!(urls.contains(&&*good) && urls.len() == 2, "{urls:?}");
    let bad = done.row(&server.url("/b"));
    assert_eq!(bad["error_code"], "input.scheme");
    assert!(bad["error_message"].contains("mirror 1 of the line"), "{}", bad["error_message"]);
    // The same list is that of its report.
    let again = sandbox.pull().again().list(&lines).run();
    assert_eq!((again.rows.len(), server.log().len()), (2, 1), "{}", again.stderr);
}

#[test]
fn a_session_has_the_mirrors() {
    let server =
        Plan::new().otherwise(vec![Verb::Send(response("404 Not Found", "", b""))]).start();
    let sandbox = Sandbox::new();
    let mirror = server.url_at("me:pw@127.0.0.1", "/mirror");
    let line = format!("{}\t{mirror}", server.url("/a"));
    let session = sandbox.path("left.txt");
    let done = sandbox.pull().arg("--save-session").arg(&session).list([&line]).run();
    done.assert_code(8);
    let left = std::fs::read_to_string(&session).unwrap();
    assert_eq!(left.lines().next(), Some(&*line), "{left}");
}

#[test]
fn what_a_line_may_not_ask_for_is_a_row_with_the_remedy() {
    let server = Plan::new().otherwise(ok(b"g")).start();
    let sandbox = Sandbox::new();
    let above = sandbox.out().parent().unwrap().join("elsewhere");
    for (option, remedy) in [
        ("header=Host: other.test".to_owned(), "--allow-host-header"),
        ("header=host: other.test".to_owned(), "--allow-host-header"),
        (format!("dir={}", above.display()), "give -d that directory"),
        (format!("dir={}/../elsewhere", sandbox.out().display()), "contains \"..\""),
        ("dir=/etc".to_owned(), "give -d that directory"),
        ("all-proxy=http://p:1/".to_owned(), "--proxy"),
        ("load-cookies=jar.txt".to_owned(), "header=Cookie:"),
        ("http-user=a:b".to_owned(), "the user no colon"),
        ("parameterized-uri=true".to_owned(), "write every URL out"),
        ("no-such-option=1".to_owned(), "unknown option no-such-option"),
    ] {
        let done =
            sandbox.pull().arg("--fresh").list([server.url("/a"), format!("  {option}")]).run();
        done.assert_code(2);
        assert_eq!(done.rows.len(), 1, "{option}");
        let message = &done.rows[0]["error_message"];
        assert!(message.contains(remedy) && message.contains("line 2"), "{option}: {message}");
    }
    assert_eq!(server.log(), [""; 0]);
    let pull = sandbox.pull().args(["--fresh", "--allow-host-header"]);
    pull.list([server.url("/a"), "  header=Host: other.test".to_owned()]).run().assert_ok(1);
    assert!(server.heads("/a")[0].contains("Host: other.test\r\n"));
}

#[test]
fn the_url_says_who_logs_in_before_the_option_does() {
    let server = Plan::new().otherwise(ok(b"g")).start();
    let sandbox = Sandbox::new();
    let url = format!("http://url:own@{}/a", server.addr());
    let lines = [&url, "  http-passwd=p", "  http-user=option", &server.url("/b"), "  http-user=o"];
    sandbox.pull().args(["-u", "all:1"]).list(lines).run().assert_ok(2);
    // Basic of url:own and of o: with an empty password.
    assert!(server.heads("/a")[0].contains("Authorization: Basic dXJsOm93bg==\r\n"));
    assert!(server.heads("/b")[0].contains("Authorization: Basic bzo=\r\n"));
}

#[test]
fn a_session_keeps_blanks_at_the_end_of_a_name() {
    let busy = vec![Verb::Send(response("404 Not Found", "", b""))];
    let server = Plan::new()
        .on("/a%20", [busy.clone(), ok(b"1")])
        .on("/b", [busy.clone(), ok(b"2")])
        .on("/c", [busy, ok(b"3")])
        .start();
    let sandbox = Sandbox::new();
    let list =
        [server.url("/a%20"), server.url("/b"), "  out= sub /x y /".to_owned(), server.url("/c")];
    let args = ["--save-session", "left.txt", "--name-template", "{name} "];
    sandbox.pull().args(args).list(&list).run().assert_code(8);
    sandbox.pull().report("again.csv").args(["-i", "left.txt"]).run().assert_ok(3);
    for (path, body) in [(" sub /x y ", b"2"), ("a  ", b"1"), ("c ", b"3")] {
        assert_eq!(std::fs::read(sandbox.out().join(path)).unwrap(), body, "{path:?}");
    }
}

#[test]
fn a_list_among_the_urls_is_a_slip_that_is_named() {
    let server = Plan::new().otherwise(ok(b"g")).start();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("lists")).unwrap();
    std::fs::write(sandbox.path("lists/a.csv"), "url\n").unwrap();
    std::fs::write(sandbox.path("urls.txt"), server.url("/a")).unwrap();
    for list in ["urls.txt", "./urls.txt", "lists/a.csv", "lists"] {
        let done = sandbox.pull().args([list, &server.url("/b")]).run();
        done.assert_code(2);
        assert!(done.stderr.contains(&format!("-i {list}")), "{}", done.stderr);
        assert!(done.rows.is_empty());
    }
    assert_eq!(server.log(), [""; 0]);
    // What is not there is a line that is no URL, as before.
    let done = sandbox.pull().args(["other.txt"]).run();
    done.assert_code(2);
    assert_eq!(done.rows.len(), 1);
}
