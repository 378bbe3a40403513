//! Files of the run itself, and of its options: no download takes their place, whatever it is
//! called, and none of them takes that of another.

use crate::certs::{Flaw, issue, issue_client};
use crate::cmd::Sandbox;
use crate::rude::{Plan, Rude, Verb, ok, response};
use rcgen::PKCS_ECDSA_P256_SHA256;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

/// A server that proposes the path as the name of the file, whatever is asked for.
fn proposing(names: &[&str]) -> Rude {
    let plan = names.iter().fold(Plan::new(), |plan, name| {
        let field = format!("Content-Disposition: attachment; filename=\"{name}\"\r\n");
        let script = vec![Verb::Send(response("200 OK", &field, format!("new {name}").as_bytes()))];
        plan.on(&format!("/{name}"), [script.clone()]).on(&format!("/as/{name}"), [script])
    });
    plan.start()
}

#[test]
fn servers_cannot_name_the_files_of_options() {
    let (trusted, client) = (issue(Flaw::None), issue_client(&PKCS_ECDSA_P256_SHA256));
    let files: [(&str, &[u8]); 8] = [
        ("ca.pem", trusted.ca_pem.as_bytes()),
        ("roots.pem", trusted.ca_pem.as_bytes()),
        ("cert.pem", client.cert_pem.as_bytes()),
        ("key.pem", client.key_pem.as_bytes()),
        ("pin.der", &trusted.spki),
        ("netrc", b"machine h.example login me password secret\n"),
        ("fields", b"X-Own: yes\n"),
        ("form", b"%{http_code}\n"),
    ];
    let written = ["report.csv", "stats.json", "left.txt", "names", "list.txt"];
    let names: Vec<&str> = files.iter().map(|file| file.0).chain(written).collect();
    let server = proposing(&names);
    for is_proposed in [true, false] {
        let sandbox = Sandbox::new();
        for (name, content) in files {
            std::fs::write(sandbox.path(name), content).unwrap();
        }
        let path = if is_proposed { "/as/" } else { "/" };
        let urls: Vec<String> =
            names.iter().map(|name| server.url(&format!("{path}{name}"))).collect();
        // By a detour: it is the file that counts.
        let pull = sandbox.pull_into(Path::new("out/..")).list(&urls).args(["-J", "--retry", "0"]);
        let pull = pull.args(["--cacert", "ca.pem", "--cert", "cert.pem", "--key", "key.pem"]);
        let pull = pull.args(["--pinnedpubkey", "pin.der", "--netrc-file", "netrc"]);
        let pull = pull.args(["-H", "@fields", "-w", "@form", "--stats", "stats.json"]);
        let pull = pull.args(["--save-session", "left.txt", "--dns-cache", "names"]);
        let done = pull.env("SSL_CERT_FILE", "roots.pem").run();
        done.assert_ok(names.len());
        for (name, content) in files {
            assert!(std::fs::read(sandbox.path(name)).unwrap() == content, "{name} was replaced");
        }
        for (name, url) in names.iter().zip(&urls) {
            let told = std::fs::read(sandbox.path(&done.row(url)["filename"])).unwrap();
            assert_eq!(String::from_utf8(told).unwrap(), format!("new {name}"));
        }
        let text = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap();
        assert!(text("stats.json").starts_with('{') && text("names").starts_with("# ringpull"));
        assert_eq!((text("left.txt"), text("list.txt")), (String::new(), urls.join("\n") + "\n"));
        assert!(!done.stderr.contains("replaced"), "{}", done.stderr);
    }
}

#[test]
fn nor_by_another_name_of_the_same_file() {
    let server = proposing(&["hard", "soft", "listed"]);
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("fields"), b"X-Own: yes\n").unwrap();
    std::fs::hard_link(sandbox.path("fields"), sandbox.out().join("hard")).unwrap();
    symlink("../fields", sandbox.out().join("soft")).unwrap();
    symlink("../list.txt", sandbox.out().join("listed")).unwrap();
    let inode = sandbox.path("fields").metadata().unwrap().ino();
    let urls = ["hard", "soft", "listed"].map(|name| server.url(&format!("/{name}")));
    let pull = |policy: &str| {
        let pull = sandbox.pull().args(["-H", "@fields", "--on-conflict", policy]);
        pull.list(&urls).run()
    };
    let done = pull("overwrite");
    done.assert_code(3);
    for url in &urls {
        assert_eq!(done.fault(url), "disk.in_use", "{:#?}", done.row(url));
    }
    assert!(pull("skip").rows.iter().all(|row| row["status"] == "skipped"));
    assert_eq!(server.log(), Vec::<String>::new(), "it was known before");
    assert_eq!(sandbox.out().join("hard").metadata().unwrap().ino(), inode);
    assert!(sandbox.out().join("soft").symlink_metadata().unwrap().is_symlink());
    // What the server proposes is known when it has answered.
    let urls = ["hard", "soft"].map(|name| server.url(&format!("/as/{name}")));
    let done = sandbox.pull().args(["-J", "-H", "@fields"]).list(&urls).run();
    assert!(done.rows.iter().all(|row| row["error_code"] == "disk.in_use"), "{:#?}", done.rows);
    assert_eq!(std::fs::read(sandbox.path("fields")).unwrap(), b"X-Own: yes\n");
    pull("rename").assert_ok(3);
    assert_eq!(std::fs::read(sandbox.path("fields")).unwrap(), b"X-Own: yes\n");
}

#[test]
fn no_download_becomes_a_list_of_the_next_run() {
    let server = Plan::new().otherwise(ok(b"http://127.0.0.1/theirs\n")).start();
    let sandbox = Sandbox::new();
    let lists = sandbox.path("lists");
    std::fs::create_dir_all(lists.join("deeper")).unwrap();
    let lines = [
        server.url("/a"),
        "  out=lists/new.txt".to_owned(),
        server.url("/b"),
        "  dir=lists".to_owned(),
        server.url("/c"),
        "  out=lists/deeper/c".to_owned(),
        server.url("/d"),
        "  out=out/d".to_owned(),
    ];
    std::fs::write(lists.join("list.txt"), lines.join("\n") + "\n").unwrap();
    for policy in ["overwrite", "skip", "rename"] {
        let pull = sandbox.pull_into(Path::new(".")).args(["-i", "lists"]);
        let done = pull.args(["--on-conflict", policy]).run();
        done.assert_code(3);
        for (line, fault) in [(0, "disk.in_use"), (2, "disk.in_use"), (4, ""), (6, "")] {
            assert_eq!(done.fault(&lines[line]), fault, "{policy} {:#?}", done.rows);
        }
    }
    let asked = server.log();
    assert!(!asked.contains(&"/a".to_owned()) && !asked.contains(&"/b".to_owned()), "{asked:?}");
    // Nor does anything else that the run writes, unless it is hidden.
    for flag in ["--save-session", "--dns-cache", "--stats"] {
        let done = sandbox.pull().args(["-i", "lists", flag, "lists/written"]).run();
        done.assert_code(2);
        assert!(done.stderr.contains(&format!("write {flag} into ")), "{}", done.stderr);
    }
    let pull = sandbox.pull().args(["-i", "lists", "--save-session", "lists/.left"]);
    assert_eq!(pull.run().rows.len(), 4);
    let names = std::fs::read_dir(&lists).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, [".left", "deeper", "list.txt"]);
}

#[test]
fn what_the_shell_redirects_is_not_replaced() {
    let server = proposing(&["log", "list"]);
    let sandbox = Sandbox::new();
    let urls = ["/as/log", "/as/list", "/log", "/list"].map(|path| server.url(path));
    std::fs::write(sandbox.path("list"), urls.join("\n")).unwrap();
    let pull = sandbox.pull_into(Path::new(".")).args(["-J", "-w", "%{http_code}\n", "-i", "-"]);
    let done = pull.under("sh", ["-c", r#"exec "$@" <list >>log"#, "sh"]).run();
    done.assert_ok(4);
    assert_eq!(std::fs::read_to_string(sandbox.path("log")).unwrap(), "200\n".repeat(4));
    assert_eq!(std::fs::read_to_string(sandbox.path("list")).unwrap(), urls.join("\n"));
}
