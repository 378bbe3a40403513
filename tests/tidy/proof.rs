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
    bad("src/plan/job.rs", "use crate::{fault, config::{A, B}};", "crate::config");
    bad("src/report/row.rs", "use crate::config::Config;", "crate::config");
    bad("src/ring/dns.rs", "use crate::config;", "crate::config");
    bad("src/engine/run.rs", "use crate::cli;", "crate::cli");
    bad("src/cli/exit.rs", "use crate::{engine, ring};", "crate::ring");
    bad("src/config.rs", "use crate::http;", "crate::http");
    bad("src/config/own.rs", "use crate::engine::run;", "crate::engine");
    bad("src/origin/mod.rs", "use crate::http;", "crate::http");
    bad("src/extra/mod.rs", "", "src/extra is no known layer");

    good("src/http/head.rs", "use crate::limits;\nuse crate::http::Reuse;\nuse super::Reuse;");
    good("src/http/head.rs", "use super::head::fault;");
    good("src/plan/job.rs", "use crate::{fault, http::{a, b}};");
    good("src/config.rs", "pub use crate::ring::tls::Pins;\nuse crate::plan::retry;");
    good("src/http/a.rs", "/// [`crate::engine`]\n#[cfg(test)]\nmod t { use crate::fault; }");
    good("src/http/a/tests.rs", "use crate::fault;");
    good("src/main.rs", "use ringpull::{cli, engine};");
}

/// The uses of one file of another in a crate of these files, as `file:line item -> file`.
fn uses(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    let graph = imports::Graph::new(&sources);
    let mut uses = Vec::new();
    for (file, others) in graph.files.iter().zip(&graph.edges) {
        for (&other, found) in others {
            let found =
                found.iter().map(|(line, item)| (file, line + 1, item, &graph.files[other]));
            uses.extend(found.map(|(a, line, item, b)| format!("{a}:{line} {item} -> {b}")));
        }
    }
    uses.iter().map(|text| text.replace("src/", "").replace(".rs", "")).collect()
}

#[test]
fn a_path_is_a_use_of_the_file_that_defines_its_item() {
    let lib = ("src/lib.rs", "pub mod a;\npub mod b;");
    let b = ("src/b/mod.rs", "mod c;\npub use c::Deep;\npub use c::deeper::*;\npub struct Flat;");
    let c = ("src/b/c.rs", "pub mod deeper;\npub struct Deep;");
    let deeper = ("src/b/c/deeper.rs", "pub fn deepest() {}");
    let of_a = |text: &str| uses(&[lib, ("src/a.rs", text), b, c, deeper]);
    for (text, expected) in [
        ("use crate::b::Flat;", "a:1 Flat -> b/mod"),
        ("use super::b::Flat as F;", "a:1 Flat -> b/mod"),
        ("use crate::b::Deep;", "a:1 Deep -> b/c"),
        ("\nuse crate::{\n    b::{self, Deep::{A, B}},\n};", "a:2 Deep -> b/c"),
        ("use crate::b;\nfn f() { b::deepest() }", "a:2 deepest -> b/c/deeper"),
        ("use crate::b as x;\nfn f(d: x::Deep) {}", "a:2 Deep -> b/c"),
        ("use crate::b::*;", "a:1 * -> b/mod"),
        ("fn f() -> Vec<crate::b::c::deeper::X> {}", "a:1 X -> b/c/deeper"),
    ] {
        assert_eq!(of_a(text), [expected], "{text}");
    }
    for text in [
        "use crate::b;",
        "pub use crate::b::Flat;",
        "use std::b::Flat;\nuse other::crate_::b::Flat;\nfn f() { ::b::c() }",
        "/// [`crate::b::Flat`]\nconst A: &str = \"crate::b::Flat\";",
        "#[cfg(test)]\nmod tests { use crate::b::Flat; }",
        "use crate::a::B;\nuse self::C;\nenum B {}\nfn f() { B::C }",
    ] {
        assert!(of_a(text).is_empty(), "{text}: {:?}", of_a(text));
    }
    // What a file hands on and uses itself is a use, and so is what it has of its own modules.
    assert_eq!(of_a("pub use crate::b::Flat;\nfn f(flat: Flat) {}"), ["a:1 Flat -> b/mod"]);
    let a = ("src/a.rs", "mod x;\nfn f() { x::y() }");
    assert_eq!(uses(&[lib, a, ("src/a/x.rs", "use super::f;")]), ["a:2 y -> a/x", "a/x:1 f -> a"]);
    assert_eq!(uses(&[lib, ("src/a/tests.rs", "use crate::b::Flat;"), b]), [""; 0]);
    assert_eq!(uses(&[lib, ("src/main.rs", "use ringpull::b::Flat;"), b]), [""; 0]);
}

/// What is said of circles in a crate where each file uses the one whose number it is given.
fn circle_complaints(next: &[usize], known: &[(&str, usize)]) -> Vec<String> {
    let files: Vec<(String, String)> = (0..next.len())
        .map(|file| (format!("src/http/f{file}.rs"), format!("use super::f{0}::F{0};", next[file])))
        .collect();
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    circles::complaints(&imports::Graph::new(&sources), known)
}

#[test]
fn circles_are_small_and_only_ever_shrink() {
    let three = [1, 2, 0];
    let four = [1, 2, 3, 0];
    let six_and_line = [1, 2, 3, 4, 5, 0, 0];
    assert_eq!(circle_complaints(&three, &[]), [""; 0]);
    let found = circle_complaints(&four, &[]);
    assert!(found[0].starts_with("src/http: a circle of 4 files; at most 3: src/http/f0.rs"));
    assert_eq!(circle_complaints(&four, &[("src/http", 4)]), [""; 0]);
    assert_eq!(circle_complaints(&four, &[("src/plan", 9), ("src", 4)]).len(), 1, "plan has none");
    for (size, expected) in [(5, "at most 5"), (7, "has 6 files, not 7")] {
        let found = circle_complaints(&six_and_line, &[("src/http", size)]);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    assert_eq!(circle_complaints(&six_and_line, &[("src/http", 6)]), [""; 0]);
    for known in [("src/http", 4), ("src/htt", 4), ("src/http", 3)] {
        let found = circle_complaints(&three, &[known]);
        assert!(found.len() == 1 && found[0].contains("delete its line"), "{found:?}");
    }
    // Two circles, of which each goes by the innermost folder that knows it.
    let two = [1, 2, 3, 0, 5, 6, 7, 8, 4];
    assert_eq!(circle_complaints(&two, &[("src/http", 5)]), [""; 0]);
    assert_eq!(circle_complaints(&two, &[]).len(), 2);
}

#[test]
fn rooms_use_what_is_below_them() {
    let sources = [
        ("src/engine/mod.rs", "mod run;\nmod feed;\nmod moment;\nuse feed::Jobs;"),
        ("src/engine/run/mod.rs", "use crate::engine::feed::Jobs;\nuse super::feed::inner::Deep;"),
        ("src/engine/feed/mod.rs", "mod inner;\npub struct Jobs;"),
        ("src/engine/feed/inner.rs", "use super::super::moment::Moment;\nuse super::Jobs;"),
        (
            "src/engine/moment.rs",
            "pub struct Moment;\n#[cfg(test)]\nmod t { use crate::engine::run; }",
        ),
    ]
    .map(|(path, text)| Source::new(path, text));
    let graph = imports::Graph::new(&sources);
    let found =
        |rooms: &[(&str, &[&str])], to_go: &[(&str, &str)]| rooms::complaints(&graph, rooms, to_go);
    let good: [(&str, &[&str]); 3] = [("run", &["feed"]), ("feed", &["moment"]), ("moment", &[])];
    assert_eq!(found(&good, &[]), [""; 0]);
    let strict: [(&str, &[&str]); 3] = [("run", &[]), ("feed", &["moment"]), ("moment", &[])];
    let expected = "src/engine/run must not use src/engine/feed:\n    \
                    src/engine/run/mod.rs:1 Jobs -> src/engine/feed/mod.rs\n    \
                    src/engine/run/mod.rs:2 Deep -> src/engine/feed/inner.rs";
    assert_eq!(found(&strict, &[]), [expected]);
    assert_eq!(found(&strict, &[("run", "feed")]), [""; 0]);
    let gone = found(&good, &[("moment", "run")]);
    assert!(gone.len() == 1 && gone[0].contains("delete the line"), "{gone:?}");
    let unknown = found(&good[..2], &[]);
    assert!(unknown.len() == 1 && unknown[0].contains("moment is no known room"), "{unknown:?}");
}

#[test]
fn names_that_went_do_not_come_back() {
    let gone = [("src", "Paper", "RowFile"), ("src/plan/schedule", "settle", "reindex")];
    let found = |path: &str, text: &str| words::names_of(&Source::new(path, text), &gone);
    for (path, text) in [
        ("src/http/a.rs", "struct Paper;"),
        ("src/a.rs", "fn f(a: &crate::Paper) {}"),
        ("src/a.rs", "//! The `Paper` of it."),
        ("src/a.rs", "#[cfg(test)]\nmod tests {\n    /// See [`Paper`].\n    fn f() {}\n}"),
        ("src/plan/schedule.rs", "self.settle(host);"),
        ("src/plan/schedule/a.rs", "    /// As settle(1)."),
    ] {
        assert_eq!(found(path, text).len(), 1, "{text}");
    }
    for (path, text) in [
        (
            "src/http/a.rs",
            "struct PaperClip; struct Row_Paper; // Paper\nconst A: &str = \"Paper\";",
        ),
        ("src/plan/scheduler.rs", "self.settle(host);"),
        ("src/plan/a.rs", "/// Paper_s and papers and paper"),
        ("tests/it/a.rs", "struct Paper;"),
    ] {
        assert_eq!(found(path, text), [""; 0], "{text}");
    }
}

#[test]
fn doc_comments_name_their_subject() {
    let found = |text: &str| words::beginnings(&Source::new("src/http/a.rs", text));
    for text in [
        "/// It is a file.",
        "//! The same, for hosts.",
        "/// It's a file.",
        "enum A {\n    /// They are.\n    B,\n    /// A name.\n    C,\n}",
        "/// As above.\nfn a() {}",
        "/// One.\nfn a() {}\n/// Those of it.\nfn b() {}",
        "/// That",
    ] {
        assert_eq!(found(text).len(), 1, "{text}");
    }
    for text in [
        "/// Item.\n/// It is long.",
        "/// Whoever asks.\n/// Itself.\n",
        "// It is a plain comment.\n//// The same.",
        "fn f() { // They\n}\nconst A: &str = \"/// It\";",
        "#[cfg(test)]\nmod tests {\n    /// It is.\n    fn f() {}\n}",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}

#[test]
fn the_configuration_does_nothing() {
    bad("src/config.rs", "fn f() -> io::Result<()> {}", "parsed above it");
    bad("src/config/own.rs", "use anyhow::Context as _;", "parsed above it");
    bad("src/config.rs", "fn f() { Netrc::parse(a); }", "parsed above it");
    bad("src/config.rs", "fn f() { File::open(a); }", "take or give bytes");
    good("src/config.rs", "impl Default for A { fn default() -> Self { Self { b: Vec::new() } } }");
    good("src/plan/job.rs", "fn f() -> Result<(), E> { Target::parse(a) }");
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
fn long_readmes() {
    let (line, over) = ("a".repeat(README_COLUMNS_MAX), "a".repeat(README_COLUMNS_MAX + 1));
    assert_eq!(readme(&format!("{line}\n| {over} |\n")), Vec::<String>::new());
    assert_eq!(readme(&format!("x\n{over}\n")), ["README.md:2: over 120 columns"]);
    let text = "a\n".repeat(README_BYTES_MAX / 2);
    assert!(readme(&text).is_empty());
    assert_eq!(readme(&format!("{text}b")), ["README.md: 10241 bytes; at most 10240"]);
}
