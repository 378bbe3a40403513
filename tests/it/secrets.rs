//! Whatever way a secret comes in, it goes to its origin and nowhere else: no other server, no row,
//! no statistics, no message, and not the process title.

use crate::certs::{Flaw, issue};
use crate::cmd::{Pull, Sandbox, eventually};
use crate::rude::{Event, Plan, Rude, Verb, ok, redirect, response};
use crate::sockets::RefusingPort;
use base64::Engine as _;

const MARK: &str = "S3cretMark";

/// How a secret can come in: options, what stands before the host of each URL, option lines.
struct Way {
    options: Vec<String>,
    userinfo: &'static str,
    lines: &'static [&'static str],
    /// What the origin must get.
    sent: String,
}

fn basic(user: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(user);
    format!("authorization: Basic {encoded}")
}

fn ways(sandbox: &Sandbox) -> Vec<Way> {
    let netrc = sandbox.path("netrc");
    let text = "machine 127.0.0.1 login me password S3cretMark\nmachine localhost login me \
                password S3cretMark\nmachine other.test login other password S3cretMark";
    std::fs::write(&netrc, text).unwrap();
    let netrc = ["--netrc-file", netrc.to_str().unwrap()].map(str::to_owned).to_vec();
    let way = |options: Vec<String>, userinfo, lines, sent: String| Way {
        options,
        userinfo,
        lines,
        sent,
    };
    let me = basic("me:S3cretMark");
    let mut ways = vec![
        way(vec![], "me:S3cretMark@", &[], me.clone()),
        way(vec![], "me:S3cret%4dark@", &[], me.clone()),
        way(vec![format!("-ume:{MARK}")], "", &[], me.clone()),
        way(netrc.clone(), "", &[], me.clone()),
        way(netrc, "me@", &[], me),
        way(vec![], "", &["header=Cookie: a=S3cretMark"], format!("cookie: a={MARK}")),
        way(
            vec![],
            "",
            &["header=Authorization: Bearer S3cretMark"],
            format!("authorization: Bearer {MARK}"),
        ),
    ];
    for name in [
        "Authorization",
        "COOKIE",
        "X-Api-Key",
        "Api-Key",
        "X-Auth-Token",
        "Private-Token",
        "Job-Token",
        "X-Amz-Security-Token",
    ] {
        let sent = format!("{}: {MARK}", name.to_lowercase());
        ways.push(way(vec![format!("-H{name}: {MARK}")], "", &[], sent));
    }
    ways
}

/// Whether a text holds the secret in any of the forms it is sent in.
fn has_secret(text: &str) -> bool {
    // Base64 at each of the three offsets would differ; only these two are ever made.
    let forms = [MARK, "S3cret%4dark"].map(str::to_owned);
    let encoded = ["me:S3cretMark", "other:S3cretMark"].map(basic);
    let encoded = encoded.iter().map(|field| field.rsplit(' ').next().unwrap().to_owned());
    forms.into_iter().chain(encoded).any(|form| text.contains(&form))
}

fn assert_clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(!has_secret(&text), "{what}: {text}");
}

fn assert_heads_clean(server: &Rude) {
    let events = server.events();
    assert!(!events.is_empty(), "nobody came");
    for event in events {
        if let Event::Request { head, .. } = event {
            assert_clean("another origin", head.as_bytes());
        }
    }
}

/// A server whose answers are good, bad, cut, and redirects to the others.
fn home(other: &Rude, secure: &Rude) -> Rude {
    let told = |text: &str| {
        vec![Verb::Send(response(&format!("404 {text}"), "WWW-Authenticate: Basic\r\n", b""))]
    };
    let leaky = format!("http://loc:ation@127.0.0.1:{}/leaky", other.port());
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_vec();
    Plan::new()
        .on("/ok", [ok(b"ok")])
        .on("/missing", [told("Not Found")])
        .on("/cut", [vec![Verb::Send(cut), Verb::Close]])
        .on("/port", [redirect(&other.url("/port"))])
        .on("/host", [redirect(&other.url_at("other.test", "/host"))])
        .on("/scheme", [redirect(&secure.url("/scheme"))])
        .on("/leaky", [redirect(&leaky)])
        .on("/back", [redirect(&other.url("/back"))])
        .on("/garbage", [vec![Verb::Send(b"\x1b]0;garbage\r\n\r\n".to_vec()), Verb::Close]])
        .start()
}

#[test]
fn a_secret_goes_to_its_origin_and_nowhere_else() {
    let sandbox = Sandbox::new();
    for way in ways(&sandbox) {
        let other = Plan::new().otherwise(ok(b"other")).start();
        let secure = Plan::new().otherwise(ok(b"secure")).start_tls(&issue(Flaw::None));
        let server = home(&other, &secure);
        let refusing = RefusingPort::new();
        let mut lines = Vec::new();
        let paths = ["ok", "missing", "cut", "port", "host", "scheme", "leaky", "back", "garbage"];
        for path in paths {
            lines.push(format!("http://{}127.0.0.1:{}/{path}", way.userinfo, server.port()));
            lines.extend(way.lines.iter().map(|line| format!("  {line}")));
        }
        lines.push(format!("http://{}127.0.0.1:{}/refused", way.userinfo, refusing.port));
        lines.extend(way.lines.iter().map(|line| format!("  {line}")));
        lines.extend(bad_lines().map(str::to_owned));
        let stats = sandbox.path("stats.json");
        for report in ["report.csv", "report.jsonl"] {
            let pull = sandbox.pull().report(report).args(&way.options).list(&lines);
            let pull = pull.args(["--retry", "1", "--retry-delay", "1ms", "--insecure"]);
            let pull = pull.args(["--referer", "http://r:S3cretMark@r.example/"]);
            let pull = pull.args(["--progress", "json", "--resolve", &other.resolve("other.test")]);
            let done = pull.arg("--stats").arg(&stats).run();
            assert_clean("standard output", done.stdout.as_bytes());
            assert_clean("standard error", done.stderr.as_bytes());
            assert_clean(report, &std::fs::read(sandbox.path(report)).unwrap());
            assert_clean("stats", &std::fs::read(&stats).unwrap());
            let rows = std::fs::read_to_string(sandbox.path(report)).unwrap();
            assert!(rows.contains("/leaky") && !rows.contains("loc:ation"), "{rows}");
            assert!(rows.lines().count() >= 10 + bad_lines().count(), "{rows}");
        }
        let head = &server.heads("/ok")[0];
        let lower = |text: &str| {
            let (name, value) = text.split_once(':').unwrap();
            format!("{}:{value}", name.to_lowercase())
        };
        let fields: Vec<String> = head.lines().filter(|l| l.contains(':')).map(lower).collect();
        assert!(fields.contains(&way.sent), "{head}\n{}", way.sent);
        assert_heads_clean(&other);
        assert_heads_clean(&secure);
    }
}

#[test]
fn a_chain_that_comes_home_over_another_origin_carries_no_secret() {
    let sandbox = Sandbox::new();
    for (way, name) in ways(&sandbox).into_iter().zip(0..) {
        let home = Plan::new().on("/near", [redirect("/in")]).otherwise(ok(b"home")).start();
        let other = Plan::new().otherwise(redirect(&home.url("/back"))).start();
        home.on("/far", [redirect(&other.url("/x"))]);
        // A further hop at home and a further attempt there do not make it trusted again.
        let busy = vec![Verb::Send(response("503 Service Unavailable", "", b""))];
        home.on("/back", [busy, redirect("/end")]);
        let mut lines = Vec::new();
        for path in ["near", "far"] {
            lines.push(format!("http://{}127.0.0.1:{}/{path}", way.userinfo, home.port()));
            lines.extend(way.lines.iter().map(|line| format!("  {line}")));
        }
        let pull = sandbox.pull().report(&format!("{name}.csv")).args(&way.options).list(&lines);
        pull.args(["--retry", "1", "--retry-delay", "1ms"]).run().assert_ok(2);
        for (path, count, is_secret) in [
            ("/near", 1, true),
            ("/in", 1, true),
            ("/far", 1, true),
            ("/back", 2, false),
            ("/end", 1, false),
        ] {
            let heads = home.heads(path);
            assert_eq!(heads.len(), count, "{path}");
            assert!(heads.iter().all(|head| has_secret(head) == is_secret), "{path}: {heads:?}");
        }
        assert_heads_clean(&other);
    }
}

#[test]
fn a_permitted_downgrade_carries_no_secret() {
    let plain = Plan::new().otherwise(ok(b"plain")).start();
    // The same host, so that only scheme and port tell them apart.
    let to = plain.url_at("localhost", "/a");
    let secure = Plan::new().otherwise(redirect(&to)).start_tls(&issue(Flaw::None));
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("netrc"), "machine localhost login me password S3cretMark")
        .unwrap();
    for way in [&["-ume:S3cretMark"][..], &["--netrc-file", "netrc"], &["-HX-Key: S3cretMark"]] {
        let pull = sandbox.pull().args(way).args(["--insecure", "--allow-downgrade", "-4"]);
        pull.args([secure.url("/a")]).run().assert_ok(1);
        assert!(has_secret(secure.heads("/a").last().unwrap()), "{way:?}");
        assert_heads_clean(&plain);
    }
}

/// Lines that fail while they are read.
fn bad_lines() -> impl Iterator<Item = &'static str> {
    [
        "http://me:S3cretMark@[::1/",
        "http://me:S3cretMark@/",
        "http://me:S3cretMark@h:99999/",
        "http://me:S3cretMark/x@h/",
        "ftp://me:S3cretMark@h/",
        "me:S3cretMark@h/x",
        "http://me:S3cretMark@a b/",
        "http://me:S3cretMark@h/\thttp://me:S3cretMark@[/",
        "\thttp://me:S3cretMark@h\\x",
    ]
    .into_iter()
}

#[test]
fn bad_option_lines_show_no_secret() {
    let sandbox = Sandbox::new();
    let lines = [
        "http://h/1",
        "  header=Cookie S3cretMark",
        "http://h/2",
        "  header=Cookie: S3cretMark\u{1}",
        "http://h/3",
        "  referer=http://me:S3cretMark@h/\u{1}",
        "http://me:S3cretMark@h/4",
        "  out=../x",
    ];
    let done = sandbox.pull().list(lines).run();
    assert_eq!(done.rows.len(), 4);
    assert!(done.rows.iter().all(|row| row["error_code"].starts_with("input.")));
    assert_clean("report", &std::fs::read(sandbox.path("report.csv")).unwrap());
    assert_clean("standard error", done.stderr.as_bytes());
}

#[test]
fn refused_options_show_no_secret() {
    let sandbox = Sandbox::new();
    let refused: [&[&str]; 5] = [
        &["-uS3cretMark", "http://h/"],
        &["-H", "Cookie S3cretMark", "http://h/"],
        &["--user=me:S3cretMark\u{1}", "http://h/"],
        &["--usr=me:S3cretMark", "http://h/"],
        &["-o", "x", "http://me:S3cretMark@h/", "http://h/"],
    ];
    for line in refused {
        let done = sandbox.pull().args(line).run();
        done.assert_code(2);
        assert_clean("standard error", done.stderr.as_bytes());
    }
    std::fs::write(sandbox.path("netrc"), "machine h login me pasword S3cretMark").unwrap();
    let done = sandbox.pull().args(["--netrc-file", "netrc", "http://h/"]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("netrc") && done.stderr.contains("line 1"), "{}", done.stderr);
    assert_clean("standard error", done.stderr.as_bytes());
}

#[test]
fn a_login_of_another_program_goes_to_nobody() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let url = server.url("/a");
    let lines: [&[&str]; 7] = [
        &["-U", "me:S3cretMark"],
        &["-Ume:S3cretMark"],
        &["-e", "http_password=S3cretMark"],
        &["-d", "password=S3cretMark"],
        &["-x", "http://me:S3cretMark@p:3128"],
        &["-sSuS3cretMark"],
        &["--oauth2-bearer", "S3cretMark"],
    ];
    for line in lines {
        let done = sandbox.pull().args(line).args([&url]).run();
        done.assert_code(2);
        assert!(done.stderr.contains("\n  tip: "), "{}", done.stderr);
        assert_clean("standard error", done.stderr.as_bytes());
    }
    assert_eq!(server.connections(), 0, "nobody was asked");
    // As the long name takes it, it is the User-Agent.
    sandbox.pull().args(["--user-agent=me:word", &url]).run().assert_ok(1);
    assert!(server.heads("/a")[0].contains("User-Agent: me:word\r\n"));
}

fn authorizations(server: &Rude, path: &str) -> Vec<String> {
    let heads = server.heads(path);
    let fields = heads.iter().flat_map(|head| head.lines());
    fields.filter(|line| line.starts_with("Authorization:")).map(str::to_owned).collect()
}

#[test]
fn the_url_comes_before_the_option_and_that_before_netrc() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let text = "machine 127.0.0.1 login one password 1\nmachine 127.0.0.1 login two password 2\n";
    std::fs::write(sandbox.path("netrc"), text).unwrap();
    let line =
        |userinfo: &str, path: &str| format!("http://{userinfo}127.0.0.1:{}{path}", server.port());
    let netrc = |pull: Pull<'_>, name: &str| {
        let urls = [
            line("", &format!("/{name}/none")),
            line("url:3@", &format!("/{name}/both")),
            line("two@", &format!("/{name}/user")),
            line("two:@", &format!("/{name}/empty")),
            line("three@", &format!("/{name}/unknown")),
            line("url:3@", &format!("/{name}/field")),
            "  header=Authorization: Own".to_owned(),
        ];
        pull.args(["--netrc-file", "netrc"]).list(urls).run().assert_ok(6);
    };
    netrc(sandbox.pull(), "plain");
    netrc(sandbox.pull().args(["-u", "option:4"]), "u");
    netrc(sandbox.pull().args(["-H", "Authorization: All"]), "h");
    for (path, user) in [
        ("/plain/none", "one:1"),
        ("/plain/both", "url:3"),
        ("/plain/user", "two:2"),
        ("/plain/empty", "two:"),
        ("/plain/unknown", "three:"),
        ("/u/none", "option:4"),
        ("/u/both", "url:3"),
        ("/u/user", "two:2"),
    ] {
        let expected = basic(user).replace("authorization", "Authorization");
        assert_eq!(authorizations(&server, path), [expected], "{path} {user}");
    }
    for path in ["/plain/field", "/u/field", "/h/field"] {
        assert_eq!(authorizations(&server, path), ["Authorization: Own"], "{path}");
    }
    for path in ["/h/none", "/h/both", "/h/user"] {
        assert_eq!(authorizations(&server, path), ["Authorization: All"], "{path}");
    }
}

#[test]
fn netrc_of_the_home_directory() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let run = || {
        let pull = sandbox.pull().args(["--netrc", &server.url("/a")]);
        pull.run()
    };
    let done = run();
    done.assert_code(2);
    assert!(done.stderr.contains(".netrc"), "{}", done.stderr);
    std::fs::write(sandbox.path(".netrc"), "default login l password p").unwrap();
    rustix::fs::chmod(sandbox.path(".netrc"), 0o644.into()).unwrap();
    let done = run();
    done.assert_ok(1);
    assert!(done.stderr.contains("chmod 600"), "{}", done.stderr);
    let sent = basic("l:p").replace("authorization", "Authorization");
    assert_eq!(authorizations(&server, "/a"), [sent]);
}

#[test]
fn the_process_title_has_no_secret() {
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-qume:S3cretMark", "--header", "X-Api-Key: S3cretMark"]);
    let pull = pull.args(["-H", "Cookie: é=S3cretMark; b", "--user=you:S3cretMark"]);
    let refusing = RefusingPort::new();
    let url = format!("http://me:S3cretMark@127.0.0.1:{}/a?b", refusing.port);
    let pull = pull.args([url.as_str(), "-i", "-"]);
    let stats = sandbox.path("stats.json");
    let running = pull.arg("--stats").arg(&stats).spawn();
    // Its standard input is open, so it goes on.
    let is_masked = || {
        let title = running.command_line();
        title.starts_with(env!("CARGO_BIN_EXE_ringpull")) && !title.contains(MARK)
    };
    assert!(eventually(is_masked), "{}", running.command_line());
    let title = running.command_line();
    let masked = |length: usize| "*".repeat(length);
    for word in [
        format!("-qu{}", masked(13)),
        format!("X-Api-Key: {}", masked(10)),
        format!("Cookie: {}", masked("é=S3cretMark; b".len())),
        format!("--user={}", masked(14)),
        url.replace("me:S3cretMark", &masked(13)),
    ] {
        assert!(title.split('\0').any(|shown| shown == word), "{word}\n{title}");
    }
    // The words behind the secrets are where they were.
    assert!(title.contains("report.csv\0"), "{title}");
    running.wait();
    let stats = std::fs::read_to_string(stats).unwrap();
    assert!(stats.contains("X-Api-Key: ***") && !stats.contains("****"), "{stats}");
    assert_clean("stats", stats.as_bytes());
}
