//! The checks themselves, on code that they must complain about and code that they must not.

use super::source::Source;
use super::*;

/// What `check` says about a file with this text below a proper header.
fn complaints(path: &str, text: &str) -> Vec<String> {
    check(&Source::new(path, &format!("//! A file.\n\n{text}")))
}

#[track_caller]
fn bad(path: &str, text: &str, expected: &str) {
    let complaints = complaints(path, text);
    assert!(complaints.iter().any(|complaint| complaint.contains(expected)), "{complaints:?}");
}

#[track_caller]
fn good(path: &str, text: &str) {
    let complaints = complaints(path, text);
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn files_say_what_they_are() {
    for text in ["", "use a;\n", "//!\n", "// no doc\n"] {
        let complaints = check(&Source::new("src/http/a.rs", text));
        assert!(complaints.iter().any(|complaint| complaint.contains("//!")), "{text:?}");
    }
    good("src/http/a.rs", "");
}

#[test]
fn lines_functions_and_files_have_a_length() {
    bad("src/http/a.rs", &format!("// {}", "é".repeat(98)), ":3: 101 columns");
    good("src/http/a.rs", &format!("// {}", "é".repeat(97)));

    let function = |lines: usize| {
        format!("fn long(x: [u8; 2])\n{{\n{}    // a comment\n\n}}\n", "    a();\n".repeat(lines))
    };
    bad("src/http/a.rs", &function(68), "fn long has 71 lines");
    good("src/http/a.rs", &function(67));
    let method = format!("impl A {{ fn f(); fn g() {{}}\n{} }}", function(90));
    bad("src/http/a.rs", &method, "fn long has 93 lines");
    good("src/http/a.rs", &format!("type F = fn(u8) -> u8;\n{}", "const A: F = b;\n".repeat(80)));

    let consts = "const A: u8 = 1;\n";
    bad("src/http/a.rs", &consts.repeat(451), "451 lines of code");
    good("src/http/a.rs", &consts.repeat(450));
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", consts.repeat(300));
    good("src/http/a.rs", &format!("{}// c\n\n{tests}", consts.repeat(450)));
    bad("src/http/a.rs", &format!("{tests}{}", consts.repeat(451)), "451 lines of code");
}

#[test]
fn nothing_is_left_over() {
    let note = concat!("// TO", "DO: later");
    bad("src/http/a.rs", note, "do it, or say why not");
    bad("tests/it/a.rs", concat!("/* FIX", "ME */"), "do it, or say why not");
    for name in ["todo", "dbg", "unimplemented"] {
        let code = format!("fn f() {{ {name}!(1) }}");
        bad("src/http/a.rs", &code, &format!("{name}! is unfinished"));
        good(
            "src/http/a.rs",
            &format!("const {}S: &str = \"{name}!()\"; // {name}!", concat!("TO", "DO")),
        );
    }
}

#[test]
fn lints_are_switched_off_with_a_reason() {
    bad("src/http/a.rs", "#[allow(dead_code)]\nfn f() {}", "without a reason");
    bad("src/http/a.rs", "/// Doc.\n#[allow(dead_code)]\nfn f() {}", "without a reason");
    good("src/http/a.rs", "#[allow(dead_code, reason = \"x\")]\nfn f() {}");
    good("src/http/a.rs", "#[expect(\n    dead_code,\n    reason = \"x\"\n)]\nfn f() {}");
    good("src/http/a.rs", "// Because.\n#[allow(dead_code)]\nfn f() {}");
}

#[test]
fn unsafe_stays_in_ring_and_is_argued_for() {
    bad("src/engine/a.rs", "// SAFETY: x\nunsafe fn f() {}", "src/ring/ only");
    bad("tests/it/a.rs", "fn f() { unsafe { g() } }", "src/ring/ only");
    bad("src/ring/a.rs", "fn f() { unsafe { g() } }", "without a `// SAFETY:`");
    bad("src/ring/a.rs", "// SAFETY: x\nlet a = 1;\nlet b = unsafe { g() };", "SAFETY");
    good("src/ring/a.rs", "// SAFETY: x\n// and y\nunsafe { g() }");
    good("src/ring/a.rs", "// SAFETY: x\nlet a =\n    unsafe { g() };");
    good("src/ring/a.rs", "/// # Safety\n/// x\n#[inline]\npub unsafe fn f() {}");
    good("src/ring/a.rs", "#![allow(unsafe_code, reason = \"x\")]\nlet a = \"unsafe\"; // unsafe");
}

#[test]
fn submissions_say_who_owns_the_memory() {
    let far = format!("// KERNEL: x\n{}", "a();\n".repeat(12));
    bad("src/ring/a.rs", "let e = opcode::Recv::new();", "// KERNEL:");
    bad("src/ring/a.rs", &format!("{far}let e = opcode::Recv::new();"), "// KERNEL:");
    good("src/ring/a.rs", "// KERNEL: the slot owns it.\nlet e =\n    opcode::Recv::new();");
    good("src/ring/a.rs", "use io_uring::opcode::{self};");
}

#[test]
fn layers_use_what_is_below_them() {
    bad("src/http/head.rs", "use crate::plan::job::Job;", "src/http must not use crate::plan");
    bad("src/http/head.rs", "use crate::{\n    limits,\n    fault::Fault,\n};", ":3: src/http");
    bad("src/http/head.rs", "use super::super::fault::Fault;", "crate::fault");
    bad("src/http/mod.rs", "use super::fault::Fault;", "crate::fault");
    bad("src/http/head.rs", "fn f() { crate::engine::run() }", "crate::engine");
    bad("src/plan/job.rs", "use crate::config::Config;", "crate::config");
    bad("src/plan/job.rs", "use crate::config::{RetryPolicy, Config};", "crate::config");
    bad("src/engine/run.rs", "use crate::cli;", "crate::cli");
    bad("src/cli/exit.rs", "use crate::{engine, ring};", "crate::ring");
    bad("src/config.rs", "use crate::http;", "crate::http");
    bad("src/origin/mod.rs", "use crate::http;", "crate::http");
    bad("src/extra/mod.rs", "", "src/extra is no known layer");

    good("src/http/head.rs", "use crate::limits;\nuse crate::http::Reuse;\nuse super::Reuse;");
    good("src/http/head.rs", "use super::head::fault;");
    good("src/plan/job.rs", "use crate::config::RetryPolicy;\nuse crate::{fault, http::{a, b}};");
    good("src/http/a.rs", "/// [`crate::engine`]\n#[cfg(test)]\nmod t { use crate::fault; }");
    good("src/http/a/tests.rs", "use crate::fault;");
    good("src/main.rs", "use ringpull::{cli, engine};");
}

#[test]
fn pure_layers_are_pure() {
    for (text, expected) in [
        ("use std::net::TcpStream;", "take bytes as an argument"),
        ("use std::{fs, io};\nfn f() { fs::read(a) }", "take or give bytes"),
        ("let t = Instant::now();", "take the time as an argument"),
        ("let t = SystemTime::now();", "take the time as an argument"),
        ("async fn f() {}", "return a value"),
        ("fn f() { g().await }", "return a value"),
        ("println!();", "return the text"),
        ("eprintln!();", "return the text"),
        ("std::thread::spawn(f);", "the engine's"),
        ("let n = fastrand::u64(..);", "as an argument"),
    ] {
        for path in ["src/http/a.rs", "src/plan/a.rs", "src/report/a.rs"] {
            bad(path, text, expected);
        }
        good("src/http/a/tests.rs", text);
    }
    good("src/report/a.rs", "use std::net::IpAddr;\nuse std::time::{Duration, SystemTime};");
    good("src/http/a.rs", "// println! async unsafe\nlet a = \"TcpStream std::fs\";");
}

#[test]
fn the_kernel_is_named_in_ring() {
    for text in [
        "use tokio_uring::fs::File;",
        "use io_uring::opcode::Recv;",
        "let n = libc::EIO;",
        "use rustls::ClientConfig;",
        "rustix::net::bind(a);",
        "use std::net::TcpListener;",
    ] {
        for path in ["src/engine/a.rs", "src/cli/a.rs", "src/main.rs", "src/lib.rs"] {
            bad(path, text, "belongs in src/ring/ only");
        }
    }
    good("src/ring/a.rs", "use tokio_uring::fs::File;\nuse rustls::ClientConfig;");
    good("src/origin/a.rs", "use std::net::TcpListener;\nuse rustls::ServerConfig;");
    good("src/engine/a.rs", "let text = \"io_uring is disabled\"; // io_uring");
}

#[test]
fn ports_are_the_kernels_choice() {
    bad("tests/it/a.rs", "let a = \"127.0.0.1:8080\";", "a fixed port");
    bad("src/ring/a.rs", "#[cfg(test)]\nmod t { const A: &str = \"[::1]:80\"; }", "a fixed port");
    good("tests/it/a.rs", "let a = (\"127.0.0.1:0\", format!(\"http://127.0.0.1:{port}/\"));");
    good("src/http/a/tests.rs", "let a = \"127.0.0.1:8080\";");
}

#[test]
fn programs_of_tests_start_clean() {
    let start = "let a = Command::new(\"sh\");";
    bad("tests/it/a.rs", start, "`cmd::command`");
    bad(
        "src/ring/a.rs",
        &format!("#[cfg(test)]\nmod t {{ fn a() {{ {start} }} }}"),
        "starts it clean",
    );
    good("tests/it/start.rs", start);
    good("tests/it/a.rs", "let a = command(\"sh\"); // no Command::new");
}

#[test]
fn literals_and_comments_are_told_from_code() {
    let code = |text: &str| Source::new("src/http/a.rs", text).lines[0].code.clone();
    for text in [
        r#"let a = "unsafe";"#,
        r#"let a = "\"unsafe\\";"#,
        r##"let a = r"unsafe\";"##,
        r###"let a = r#"unsafe"unsafe"#;"###,
        r##"let a = br#""unsafe"#;"##,
        "let a = 1; // unsafe",
        "/* /* unsafe */ unsafe */ let a = 1;",
        r#"let a = ('"', "unsafe", '"');"#,
        r#"let a = ('\'', "unsafe", b'"');"#,
    ] {
        assert!(!code(text).contains("unsafe"), "{text}");
        assert_eq!(code(text).chars().count(), text.chars().count(), "{text}");
        assert!(code(text).contains("let a ="), "{text}");
    }
    for text in ["fn f<'a>(x: &'a str) { unsafe {} }", "let r#fn = unsafe { 1 };"] {
        assert_eq!(code(text), text);
    }
}

#[test]
fn files_that_nobody_names_are_found() {
    let file = |path: &str, text: &str| Source::new(path, text);
    let sources = [
        file("src/lib.rs", "pub mod http;\npub mod limits;"),
        file("src/limits.rs", ""),
        file("src/http/mod.rs", "mod head;\n// mod lost;"),
        file("src/http/head.rs", "#[cfg(test)]\nmod tests;"),
        file("src/http/head/tests.rs", ""),
        file("src/http/lost.rs", ""),
        file("src/lone/mod.rs", ""),
    ];
    let complaints = orphans(&sources);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].starts_with("src/http/lost.rs"), "{complaints:?}");
    assert!(complaints[1].starts_with("src/lone/mod.rs"), "{complaints:?}");
}

#[test]
fn strangers_at_the_top_level_are_found() {
    let names = ["src", "target", ".git", "Cargo.toml", "notes", "README.md"].map(str::to_owned);
    let complaints = top_level(&names);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].starts_with("notes:"));
}

#[test]
fn the_readme_table_follows_the_report() {
    let text =
        "//! x\npub const COLUMNS: [&str; 2] = [\n    \"url\",\n    \"status\", // why\n];\n";
    let columns = report_columns(&Source::new("src/report/row.rs", text)).unwrap();
    assert_eq!(columns, ["url", "status"]);
    let table = |names: [&str; 2]| {
        let [a, b] = names;
        format!("# r\n\n## Report\n\n| Column | x |\n|---|---|\n| `{a}` | y |\n| `{b}` | z |\n")
    };
    assert!(column_table(&table(["url", "status"]), &columns).is_empty());
    assert_eq!(column_table(&table(["status", "url"]), &columns).len(), 1);
    assert!(column_table("# r\n", &columns).is_empty());
    assert_eq!(report_columns(&Source::new("src/report/row.rs", "//! x\n")), None);
}
