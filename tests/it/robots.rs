//! robots.txt and X-Robots-Tag: what is asked for once, what is skipped, and what fails.

use crate::cmd::Sandbox;
use crate::rude::{Plan, Rude, Script, Verb, ok, redirect, response};
use std::time::Duration;

/// How often a path was asked for.
fn asked(server: &Rude, path: &str) -> usize {
    server.log().iter().filter(|asked| *asked == path).count()
}

fn status(line: &str) -> Script {
    vec![Verb::Send(response(line, "", b"no"))]
}

#[test]
fn robots_txt_is_asked_for_once_and_obeyed() {
    let text = b"User-agent: *\nDisallow: /\n\nUser-agent: ringpull\nDisallow: /private\n";
    // The answer is late, so that many jobs come meanwhile.
    let late = vec![Verb::Rest(Duration::from_millis(200)), ok(text).remove(0)];
    let server = Plan::new().on("/robots.txt", [late]).otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..60)
        .map(|n| server.url(&format!("/{}/{n}", if n % 3 == 0 { "private" } else { "public" })))
        .collect();
    let pull = sandbox.pull().args(["--robots", "-x", "8", "--stats", "stats.json"]);
    let done = pull.list(&urls).run();
    done.assert_code(0);
    assert_eq!(asked(&server, "/robots.txt"), 1);
    assert_eq!(server.log().len(), 41, "nothing was asked for that is not permitted");
    assert_eq!(done.rows.len(), 60, "robots.txt has no row");
    for (n, url) in urls.iter().enumerate() {
        let row = done.row(url);
        let wanted = if n % 3 == 0 { ("skipped", "robots.disallowed") } else { ("ok", "") };
        assert_eq!((row["status"].as_str(), row["error_code"].as_str()), wanted, "{row:#?}");
        assert_eq!(row["num_retries"], "0");
    }
    assert_eq!(sandbox.files().len(), 40);
    assert!(done.stderr.contains("20 skipped"), "{}", done.stderr);
    let stats = std::fs::read_to_string(sandbox.path("stats.json")).unwrap();
    assert!(stats.contains("\"robots.disallowed\": 20"), "{stats}");
}

#[test]
fn nobody_asks_for_it_unless_told_to_and_it_may_be_pulled_itself() {
    let text = b"User-agent: *\nDisallow: /\n";
    let server = Plan::new().on("/robots.txt", [ok(text)]).otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    sandbox.pull().list([server.url("/a")]).run().assert_ok(1);
    assert_eq!(server.log(), ["/a"]);
    let sandbox = Sandbox::new();
    let done = sandbox.pull().arg("--robots").list([server.url("/robots.txt")]).run();
    done.assert_code(0);
    assert_eq!(sandbox.files()["robots.txt"], text);
}

#[test]
fn the_token_is_that_of_the_user_agent() {
    let text = b"User-agent: mybot\nDisallow: /\n";
    let server = Plan::new().on("/robots.txt", [ok(text)]).otherwise(ok(b"body")).start();
    for (user_agent, wanted) in [("MyBot/2.1 (+http://h.example)", "skipped"), ("other", "ok")] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--robots", "-A", user_agent]);
        let done = pull.list([server.url("/a")]).run();
        assert_eq!(done.row(&server.url("/a"))["status"], wanted);
    }
}

#[test]
fn a_robots_txt_that_is_missing_permits_and_one_that_is_broken_does_not() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nUser-agent: *\n".to_vec();
    let table: [(Vec<Script>, &str); 9] = [
        (vec![status("404 Not Found")], ""),
        (vec![status("403 Forbidden")], ""),
        (vec![status("410 Gone")], ""),
        (vec![redirect("/robots.txt")], ""),
        (vec![status("500 Oops")], "robots.unreachable"),
        (vec![vec![Verb::Close]], "robots.unreachable"),
        (vec![vec![Verb::Send(cut), Verb::Close]], "robots.unreachable"),
        (vec![status("429 Slowly"), ok(b"user-agent: *\ndisallow: /b")], ""),
        (vec![status("503 Later"), ok(b"user-agent: *\ndisallow: /b")], ""),
    ];
    for (n, (scripts, wanted)) in table.into_iter().enumerate() {
        let server = Plan::new().on("/robots.txt", scripts).otherwise(ok(b"body")).start();
        let sandbox = Sandbox::new();
        let (retries, delay) = if n >= 7 { ("9", "1s") } else { ("2", "10ms") };
        let pull = sandbox.pull().args(["--robots", "--retry", retries, "--retry-delay", delay]);
        let url = server.url("/a");
        let done = pull.list([&url]).run();
        assert_eq!(done.fault(&url), wanted, "{n} {:#?}", done.row(&url));
        let is_failed = !wanted.is_empty();
        assert_eq!(asked(&server, "/a"), usize::from(!is_failed), "{n}");
        done.assert_code(if is_failed { 4 } else { 0 });
        if is_failed {
            assert_eq!(done.row(&url)["num_retries"], "2", "as usual");
        }
    }
}

#[test]
fn a_robots_txt_that_cannot_be_had_is_not_asked_for_by_each_job() {
    let server = Plan::new().on("/robots.txt", [status("500 Oops")]).start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..100).map(|n| server.url(&format!("/{n}"))).collect();
    let done = sandbox.pull().args(["--robots", "--retry", "0"]).list(&urls).run();
    done.assert_code(4);
    assert!(urls.iter().all(|url| done.fault(url) == "robots.unreachable"));
    let count = server.log().len();
    assert!(count < 10, "{count} requests");
}

#[test]
fn redirects_lead_to_a_robots_txt_elsewhere() {
    let text = b"User-agent: *\nDisallow: /b\n";
    let other = Plan::new().on("/rules", [ok(text)]).start();
    let server = Plan::new()
        .on("/robots.txt", [redirect("/first")])
        .on("/first", [redirect(&other.url("/rules"))])
        .otherwise(ok(b"body"))
        .start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/a"), server.url("/b")];
    let done = sandbox.pull().arg("--robots").list(&urls).run();
    done.assert_code(0);
    assert_eq!(done.row(&urls[0])["status"], "ok");
    assert_eq!(done.fault(&urls[1]), "robots.disallowed");
    assert_eq!(other.log(), ["/rules"]);
}

#[test]
fn the_hops_of_a_job_are_held_against_the_rules_of_their_own_origin() {
    let text = b"User-agent: *\nDisallow: /no\n";
    let other = Plan::new().on("/robots.txt", [ok(text)]).otherwise(ok(b"there")).start();
    let server = Plan::new()
        .on("/robots.txt", [status("404 Not Found")])
        .on("/good", [redirect(&other.url("/yes"))])
        .on("/bad", [redirect(&other.url("/no"))])
        .start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/good"), server.url("/bad")];
    let done = sandbox.pull().arg("--robots").list(&urls).run();
    done.assert_code(0);
    assert_eq!(done.row(&urls[0])["status"], "ok");
    assert_eq!(done.fault(&urls[1]), "robots.disallowed");
    assert_eq!((asked(&other, "/robots.txt"), asked(&other, "/no")), (1, 0));
}

#[test]
fn of_a_long_robots_txt_the_begin_is_read() {
    let mut text = b"User-agent: *\nDisallow: /b\n".to_vec();
    text.resize(3_000_000, b'#');
    let server = Plan::new().on("/robots.txt", [ok(&text)]).otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/a"), server.url("/b")];
    // What is stored has its limit, and that is another one.
    let pull = sandbox.pull().args(["--robots", "--max-filesize", "10"]);
    let done = pull.list(&urls).run();
    assert_eq!(done.row(&urls[0])["status"], "ok", "{:#?}", done.rows);
    assert_eq!(done.fault(&urls[1]), "robots.disallowed");
}

#[test]
fn tags_of_responses_are_respected_when_asked_to() {
    let tagged = |fields: &str| vec![Verb::Send(response("200 OK", fields, b"body"))];
    let server = Plan::new()
        .on("/ai", [tagged("X-Robots-Tag: nofollow\r\nX-Robots-Tag: NoAI\r\n")])
        .on("/google", [tagged("X-Robots-Tag: googlebot: noindex\r\n")])
        .on("/ours", [tagged("x-robots-tag: ringpull: noindex\r\n")])
        .on("/nofollow", [tagged("X-Robots-Tag: nofollow\r\n")])
        .otherwise(ok(b"body"))
        .start();
    let urls = ["/ai", "/google", "/ours", "/nofollow", "/none"].map(|path| server.url(path));
    for (args, wanted) in [
        (&[][..], [false; 5]),
        (&["--respect-x-robots-tag"], [true, false, true, false, false]),
        (&["--respect-x-robots-tag=nofollow"], [true, false, false, true, false]),
    ] {
        let sandbox = Sandbox::new();
        let done = sandbox.pull().args(args).list(&urls).run();
        done.assert_code(0);
        for (url, is_skipped) in urls.iter().zip(wanted) {
            let row = done.row(url);
            let expected = if is_skipped { ("skipped", "robots.tag") } else { ("ok", "") };
            assert_eq!((row["status"].as_str(), row["error_code"].as_str()), expected, "{url}");
        }
        assert_eq!(sandbox.files().len(), wanted.iter().filter(|skipped| !**skipped).count());
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}
