//! Every command that a topic of the help shows in a block of code is typed, in the order of its
//! topic, in a folder that has what it names. A command that is not run here has a line in
//! [`ELSEWHERE`] that says where it is.

use crate::certs::issue_client;
use crate::cmd::{Sandbox, command};
use crate::rude::{Plan, Rude, ok};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How commands begin that are not run here, and where they are.
const ELSEWHERE: [(&str, &str); 7] = [
    (
        "ringpull bench",
        "bench.rs runs small matrices; the parser reads these (cli/topics/tests.rs)",
    ),
    ("ringpull origin --dir /tmp/origin", "origin.rs: it does not end by itself"),
    ("COPY ringpull", "a line of a Containerfile"),
    ("podman ", "a container, which takes an image and a runtime"),
    ("exec ringpull -i /data/urls.txt", "spread.rs: a Kubernetes Job"),
    ("url = \"pipe:ringpull -i list.csv", "packed.rs and shards.rs: a command in Python"),
    ("ringpull -i urls.txt -d images --proxy socks5h://", "proxy.rs: a proxy of the test"),
];

/// What cannot be so in a test, and what stands for it.
fn made_local(line: &str, server: &Rude, cpu: &str) -> String {
    let base = server.url("/");
    let mut line = line.replace("https://example.com/", &base);
    for (shown, here) in [
        ("/shared/", "./"),
        ("$SLURM_ARRAY_TASK_ID", "0"),
        ("/dev/shm/new", "new"),
        ("/mnt/usb", "usb"),
        (":9400", ":0"),
        (" --no-private", ""),
        ("--cpus 0,2-5", cpu),
    ] {
        line = line.replace(shown, here);
    }
    line
}

/// The lines of the blocks of code of a topic that start this program; those that end with a
/// backslash go on.
fn commands(topic: &str) -> Vec<String> {
    let text = topic.replace("\\\n", " ");
    let mut is_code = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code && starts_us(line) {
            commands.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    commands
}

/// Whether a word of a line is the program, and not a path to it or the name of an image.
fn starts_us(line: &str) -> bool {
    let starts = line.match_indices("ringpull ").map(|(at, _)| &line[..at]);
    starts.into_iter().any(|before| before.is_empty() || before.ends_with([' ', ':', '|']))
        && !line.trim_start().starts_with(['#', '-'])
}

#[test]
fn commands_are_found() {
    let topic = "a\n```\nringpull a \\\n  b\ncurl c\nx | ringpull d\n# ringpull e\n```\nringpull f";
    assert_eq!(commands(topic), ["ringpull a b", "x | ringpull d"]);
    let yaml = "```\n- name: ringpull\n  image: r/ringpull\n  exec ringpull -i a\n```";
    assert_eq!(commands(yaml), ["exec ringpull -i a"]);
}

/// Makes the files that topics name.
fn furnish(dir: &Path, server: &Rude) {
    let urls: Vec<String> = (0..3).map(|n| server.url(&format!("/{n}.jpg"))).collect();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    let list = urls.join("\n") + "\n";
    write("urls.txt", &list);
    fs::write(dir.join("urls.txt.zst"), zstd::encode_all(list.as_bytes(), 0).unwrap()).unwrap();
    fs::write(dir.join("urls.gz"), gzip(list.as_bytes())).unwrap();
    let table = |head: &str, row: &dyn Fn(usize, &str) -> String| {
        let rows = urls.iter().enumerate().map(|(n, url)| row(n, url));
        format!("{head}\n{}", rows.collect::<String>())
    };
    // SHA-256 of `good`.
    let digest = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c";
    write("list.csv", &table("url,sha256", &|_, url| format!("{url},{digest}\n")));
    write("urls.csv", &table("url,caption", &|n, url| format!("{url},caption {n}\n")));
    write("part.csv", &table("url,caption,id", &|n, url| format!("{url},caption {n},{n}\n")));
    write("laion.csv", &table("URL,TEXT", &|n, url| format!("{url},caption {n}\n")));
    let parts = table("url,file", &|n, url| format!("{url},{n}.bin\n"));
    fs::write(dir.join("part-0.csv.gz"), gzip(parts.as_bytes())).unwrap();
    for folder in ["lists", "laion", "images"] {
        fs::create_dir(dir.join(folder)).unwrap();
    }
    write("lists/part-1.csv", &parts);
    fs::copy(dir.join("laion.csv"), dir.join("laion/part-0.csv")).unwrap();
    // Parquet files are what ringpull writes itself.
    for to in ["urls.parquet", "table.parquet"] {
        let line = format!("ringpull -q -i urls.csv --keep-cols caption --discard --report {to}");
        let (code, told) = typed(dir, &line);
        assert_eq!(code, Some(0), "{line}: {told}");
    }
    write("fields.txt", "Accept-Language: en\n");
    write(".netrc", "machine 127.0.0.1 login me password word\n");
    fs::set_permissions(dir.join(".netrc"), fs::Permissions::from_mode(0o600)).unwrap();
    let me = issue_client(&rcgen::PKCS_ECDSA_P256_SHA256);
    write("me.pem", &me.cert_pem);
    write("me.key", &me.key_pem);
    write("ca.pem", &me.ca_pem);
    let job = include_str!("../../src/cli/topics/config.md");
    let job = job.split("# job.toml\n").nth(1).unwrap().split("```").next().unwrap();
    write("job.toml", job);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Types a line in a folder, in which `ringpull` is the binary. Gives the exit status and what it
/// said.
fn typed(dir: &Path, line: &str) -> (Option<i32>, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_ringpull")).parent().unwrap();
    let path = std::env::join_paths([bin, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let mut shell = command("/bin/sh");
    shell.current_dir(dir).env("HOME", dir).env("PATH", path).args(["-e", "-c", line]);
    let done = shell.output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

/// What a command has that is about the report of the one before.
const GOES_ON: [&str; 4] = ["--verify", "--retry-failed", "left.txt", "ringpull -N "];

/// Removes the reports of a folder.
fn forget_reports(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("REPORT") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// A CPU that this process may use, as `--cpus` takes it.
fn cpu() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let first = list.trim().split([',', '-']).next().unwrap();
    format!("--cpus {first}")
}

#[test]
fn every_command_of_a_topic_can_be_done() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/topics");
    let topics = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut topics: Vec<_> =
        topics.filter(|path| path.extension() == Some("md".as_ref())).collect();
    topics.sort();
    let (mut count, mut elsewhere) = (0, [0; ELSEWHERE.len()]);
    let mut failures = Vec::new();
    for path in topics {
        let server = Plan::new().on("/list.gz", [ok(&gzip(b"a"))]).otherwise(ok(b"good")).start();
        let sandbox = Sandbox::new();
        let mut is_furnished = false;
        for line in commands(&fs::read_to_string(&path).unwrap()) {
            if let Some(at) = ELSEWHERE.iter().position(|(begin, _)| line.starts_with(begin)) {
                elsewhere[at] += 1;
                continue;
            }
            if !std::mem::replace(&mut is_furnished, true) {
                furnish(&sandbox.out(), &server);
            }
            let own = made_local(&line, &server, &cpu());
            if !GOES_ON.iter().any(|part| line.contains(part)) {
                forget_reports(&sandbox.out());
            }
            let (code, told) = typed(&sandbox.out(), &own);
            if code != Some(0) {
                failures.push(format!("{}: {own}: {code:?} {told}", path.display()));
            }
            count += 1;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 50, "{count}");
    for ((begin, _), count) in ELSEWHERE.iter().zip(elsewhere) {
        assert!(count > 0, "no topic has {begin}");
    }
}
