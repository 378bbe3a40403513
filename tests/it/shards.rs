//! --output-format: bodies as members of archives, which other programs read; and shards that are
//! taken up again, with every line in the set once.

use crate::cmd::{Done, Pull, Running, Sandbox, command, eventually};
use crate::coding::gzip;
use crate::disk::run_with_mounts;
use crate::full::emptied;
use crate::origin::{Served, serve};
use crate::python::python;
use crate::rude::{Plan, Verb, ok, response};
use ringpull::origin;
use ringpull::pack::tar::{Member, read_members};
use rustix::process::Signal;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The members of one archive, in their order.
pub(crate) fn members(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let read_at = |buffer: &mut [u8], at: u64| {
        let from = usize::try_from(at).ok().and_then(|at| archive.get(at..at + buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    };
    read_members(read_at, |Member { name, offset, size }| {
        let [at, size] = [offset, size].map(|number| usize::try_from(number).unwrap());
        found.push((name, archive[at..at + size].to_vec()));
    })
    .unwrap_or_else(|error| panic!("{error}, after {:?}", found.last()));
    found
}

/// Names of the shards of a directory, sorted.
pub(crate) fn shards(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut shards: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "tar")).collect();
    shards.sort_unstable();
    shards
}

/// The samples of all shards of a directory: index of the line, and its members by extension.
type Samples = BTreeMap<u64, HashMap<String, Vec<u8>>>;

/// All samples; no line has two of them.
fn samples(dir: &Path) -> Samples {
    let mut all = Samples::new();
    for shard in shards(dir) {
        let mut last: Option<(String, HashMap<String, Vec<u8>>)> = None;
        let mut keys = Vec::new();
        for (name, content) in members(&std::fs::read(&shard).unwrap()) {
            let file = name.rfind('/').map_or(0, |slash| slash + 1);
            let dot = file + name[file..].find('.').expect("a key and an extension");
            let (key, ext) = (&name[..dot], &name[dot + 1..]);
            if last.as_ref().is_none_or(|(other, _)| other != key) {
                take(&mut all, last.take());
                keys.push(key.to_owned());
                last = Some((key.to_owned(), HashMap::new()));
            }
            let (_, sample) = last.as_mut().unwrap();
            assert!(sample.insert(ext.to_owned(), content).is_none(), "{name} twice");
        }
        take(&mut all, last);
        keys.sort_unstable();
        keys.dedup();
        let index = std::fs::read_to_string(shard.with_extension("idx")).unwrap();
        assert_eq!(index.lines().next(), Some(&*format!("v1.2 {}", keys.len())), "{shard:?}");
    }
    all
}

fn take(all: &mut Samples, sample: Option<(String, HashMap<String, Vec<u8>>)>) {
    let Some((key, sample)) = sample else { return };
    let row: serde_json::Value = serde_json::from_slice(&sample["json"]).unwrap();
    assert_eq!(row["key"], *key);
    let index = row["index"].as_u64().unwrap();
    assert!(all.insert(index, sample).is_none(), "line {index} is twice in the set");
}

fn webdataset<'s>(sandbox: &'s Sandbox, files: &str) -> Pull<'s> {
    sandbox.pull().args(["--output-format", "webdataset", "--shard-files", files])
}

/// URLs of so many files of different lengths.
/// A run that has got these lines, and has begun a shard of nine files.
fn packing(sandbox: &Sandbox, lines: &[String]) -> Running {
    let mut running = webdataset(sandbox, "9").args(["-i", "-", "--cpus", "0"]).spawn();
    running.feed(lines);
    assert!(eventually(|| !sandbox.temporaries().is_empty()), "{}", running.stderr());
    running
}

fn urls(served: &Served, count: usize) -> Vec<String> {
    (0..count).map(|n| served.http(&path(n))).collect()
}

fn path(n: usize) -> String {
    format!("/bytes/{}/{n}.bin", len(n))
}

fn len(n: usize) -> usize {
    [0, 1, 511, 512, 513, 4_000, 70_000, 400_000][n % 8] + n / 8
}

/// Every line is in the set once, with its bytes; and every row says where.
fn assert_set(sandbox: &Sandbox, count: usize) -> Samples {
    let samples = samples(&sandbox.out());
    assert_eq!(samples.len(), count);
    for (index, sample) in &samples {
        let n = usize::try_from(*index).unwrap() - 1;
        assert!(sample["bin"] == origin::body(&path(n), len(n)), "line {index}");
    }
    samples
}

/// What each row of a report says last of its line.
fn last_rows(done: &Done) -> HashMap<String, &HashMap<String, String>> {
    done.rows.iter().map(|row| (row["index"].clone(), row)).collect()
}

#[test]
fn each_body_is_a_member_with_its_row_beside_it() {
    let served = serve();
    let sandbox = Sandbox::new();
    let count = 50;
    let done = webdataset(&sandbox, "8").list(urls(&served, count)).run();
    done.assert_ok(count);
    assert_set(&sandbox, count);
    for row in &done.rows {
        let (shard, name) = row["filename"].split_once(".tar/").expect("a member");
        let shard = sandbox.path(&format!("{shard}.tar"));
        let body = members(&std::fs::read(&shard).unwrap());
        let (_, body) = body.iter().find(|(member, _)| member == name).expect("it is there");
        assert_eq!(body.len().to_string(), row["size_file"]);
        let stats = shard.to_string_lossy().replace(".tar", "_stats.json");
        let stats: serde_json::Value =
            serde_json::from_slice(&std::fs::read(stats).unwrap()).unwrap();
        assert_eq!(stats["count"], stats["successes"]);
    }
    let shards = shards(&sandbox.out());
    // Each core leaves one that is not full.
    assert!(shards.len() >= count.div_ceil(8), "{shards:?}");
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());

    // The same command again has nothing to do.
    let again = webdataset(&sandbox, "8").again().args(["-i", "list.txt"]).run();
    assert_eq!((again.code(), again.rows.len()), (0, count), "{}", again.stderr);
    assert_set(&sandbox, count);
    let verified = sandbox.pull().again().arg("--verify").run();
    assert_eq!(verified.code(), 0, "{}", verified.stderr);
    assert!(
        verified.stderr.contains("50 files in the report: 50 as it says"),
        "{}",
        verified.stderr
    );
}

#[test]
fn tar_and_python_read_what_was_packed() {
    let served = serve();
    let sandbox = Sandbox::new();
    let long = format!("/bytes/700/{}/{}.jpg", "d".repeat(200), "n".repeat(120));
    let mut lines = urls(&served, 20);
    lines.push(format!("{}\n  out={}/\u{e4}.jpg", served.http(&long), "d".repeat(150)));
    lines.push(format!("{}\n  out={}.jpg", served.http(&long), "n".repeat(200)));
    let done = webdataset(&sandbox, "1000").args(["--cpus", "0"]).list(lines).run();
    done.assert_ok(22);
    let shard = &shards(&sandbox.out())[0];
    let wanted = members(&std::fs::read(shard).unwrap());
    assert_eq!(wanted.len(), 44);
    let folder = tempfile::tempdir().unwrap();
    let tar = command("tar").arg("-xf").arg(shard).arg("-C").arg(folder.path()).output();
    let tar = tar.unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    for (name, content) in &wanted {
        assert!(std::fs::read(folder.path().join(name)).unwrap() == *content, "{name}");
    }
    let script = "import sys, tarfile, hashlib\n\
        for m in (t := tarfile.open(sys.argv[1])):\n    \
        print(m.name, m.size, hashlib.md5(t.extractfile(m).read()).hexdigest())";
    let python = command("python3").args(["-X", "utf8", "-c", script]).arg(shard).output();
    let told = String::from_utf8(python.unwrap().stdout).unwrap();
    assert_eq!(told.lines().count(), 44);
    for ((name, content), line) in wanted.iter().zip(told.lines()) {
        assert!(line.starts_with(&format!("{name} {} ", content.len())), "{line}");
    }
}

#[test]
fn webdataset_reads_samples_from_shards_and_from_a_pipe() {
    let served = serve();
    let sandbox = Sandbox::new();
    let count = 30;
    webdataset(&sandbox, "7").list(urls(&served, count)).run().assert_ok(count);
    let of_shards = r"
import hashlib, json, sys
import webdataset as wds
for sample in wds.WebDataset(sys.argv[1:], shardshuffle=False, empty_check=False):
    row = json.loads(sample['json'])
    assert sample['__key__'] == row['key'], sample.keys()
    print(row['index'], row['url'], hashlib.md5(sample['bin']).hexdigest())
";
    let Some(told) = python(of_shards, shards(&sandbox.out())) else { return };
    let mut from_shards: Vec<&str> = told.lines().collect();
    from_shards.sort_unstable();
    assert_eq!(from_shards.len(), count);
    let list = sandbox.path("list.txt");
    let pipe = format!(
        "pipe:{} -i {} --output-format webdataset -o - -q",
        env!("CARGO_BIN_EXE_ringpull"),
        list.display()
    );
    let told = python(of_shards, [pipe]).expect("as before");
    let mut from_pipe: Vec<&str> = told.lines().collect();
    from_pipe.sort_unstable();
    assert_eq!(from_pipe, from_shards);
}

#[test]
fn the_rows_of_a_shard_are_a_table_beside_it() {
    let served = serve();
    let sandbox = Sandbox::new();
    let list = format!(
        "url,caption\n{},one\n{},\n{},x\n",
        served.http("/image/1.jpg"),
        served.http("/image/2.jpg"),
        served.http("/status/404")
    );
    std::fs::write(sandbox.path("l.csv"), list).unwrap();
    let args = ["-i", "l.csv", "--caption-col", "caption", "--shard-parquet", "--cpus", "0"];
    webdataset(&sandbox, "10").args(args).run().assert_code(8);
    let script = r"
import sys
import pyarrow.parquet as pq
for row in sorted(pq.read_table(sys.argv[1]).to_pylist(), key=lambda row: row['index']):
    print(row['index'], row['status'], row['key'], row['caption'], row['size_file'] > 0)
";
    let table = sandbox.out().join("00000.parquet");
    let Some(told) = python(script, [table]) else { return };
    assert_eq!(told, "2 ok 000000002 one True\n3 ok 000000003 None True\n");
}

#[test]
fn captions_and_columns_are_in_the_sample() {
    let served = serve();
    let sandbox = Sandbox::new();
    let list = format!(
        "url,caption,id\n{},\"a \"\"cat\"\", and \u{e4}\",7\n{},,8\n",
        served.http("/image/1.jpg"),
        served.http("/image/2.jpg")
    );
    std::fs::write(sandbox.path("l.csv"), list).unwrap();
    let done = webdataset(&sandbox, "10")
        .args(["-i", "l.csv", "--caption-col", "caption", "--keep-cols", "id"])
        .run();
    done.assert_ok(2);
    let samples = samples(&sandbox.out());
    let text = String::from_utf8(samples[&2]["txt"].clone()).unwrap();
    assert_eq!(text, "a \"cat\", and \u{e4}");
    assert!(!samples[&3].contains_key("txt"), "it has none");
    let row: serde_json::Value = serde_json::from_slice(&samples[&2]["json"]).unwrap();
    assert_eq!((&row["caption"], &row["id"]), (&text.into(), &"7".into()));
    assert_eq!(row["url"], served.http("/image/1.jpg"));
    assert!(samples[&2].contains_key("jpg"), "by its media type");
}

#[test]
fn keys_have_no_dots_and_are_distinct_and_extensions_do_not_collide() {
    let served = serve();
    let sandbox = Sandbox::new();
    let body = |n: usize| served.http(&format!("/bytes/{n}/x"));
    let lines = [
        format!("{}\n  out=v1.2/a.b.jpg", body(1)),
        format!("{}\n  out=v1.2/a.b.png", body(2)),
        format!("{}\n  out=v1.2/a_b.jpg", body(3)),
        format!("{}\n  out=info.json", body(4)),
        format!("{}\n  out=text.txt", body(5)),
        body(6),
    ];
    let done = webdataset(&sandbox, "10").args(["--cpus", "0"]).list(lines).run();
    done.assert_ok(6);
    let names: Vec<String> = members(&std::fs::read(&shards(&sandbox.out())[0]).unwrap())
        .into_iter()
        .map(|m| m.0)
        .collect();
    let mut bodies: Vec<&str> = names.iter().step_by(2).map(String::as_str).collect();
    bodies.sort_unstable();
    assert_eq!(
        bodies,
        [
            "000000011.bin",
            "info.data.json",
            "text.data.txt",
            "v1.2/a_b.jpg",
            "v1.2/a_b~3.png",
            "v1.2/a_b~5.jpg",
        ]
    );
    let samples = samples(&sandbox.out());
    assert!(samples.values().all(|sample| sample.len() == 2), "{:?}", samples.keys());
}

#[test]
fn what_is_packed_is_what_a_file_would_have() {
    let (short, long) = (vec![b's'; 3_000], origin::body("/long", 600_000));
    let coded = |body: &[u8]| {
        vec![Verb::Send(response("200 OK", "Content-Encoding: gzip\r\n", &gzip(body)))]
    };
    let server = Plan::new()
        .on("/short", [coded(&short)])
        .on("/long", [coded(&long)])
        .on("/gone", [vec![Verb::Send(response("404 Not Found", "", b""))]])
        .on(
            "/torn",
            [vec![
                Verb::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nto".to_vec()),
                Verb::Close,
            ]],
        )
        .on("/mirror", [ok(&long), ok(&long)])
        .start();
    let mirrored = |path| format!("{}\t{}", server.url(path), server.url("/mirror"));
    let lines = [server.url("/short"), server.url("/long"), mirrored("/gone"), mirrored("/torn")];
    for format in ["webdataset", "tar"] {
        let sandbox = Sandbox::new();
        let args = ["--output-format", format, "--compressed", "--retry", "0", "--cpus", "0"];
        let done = sandbox.pull().args(args).list(&lines).run();
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let all: Vec<_> = shards(&sandbox.out())
            .iter()
            .flat_map(|shard| members(&std::fs::read(shard).unwrap()))
            .filter(|(name, _)| !name.ends_with(".json"))
            .collect();
        assert_eq!(all.len(), 4);
        for row in &done.rows {
            let name = row["filename"].rsplit_once(".tar/").unwrap().1;
            let (_, body) = all.iter().find(|(member, _)| member == name).unwrap();
            let wanted = if row["index"] == "1" { &short } else { &long };
            assert!(body == wanted, "{format}: {row:?}");
        }
        assert_eq!(sandbox.pull().again().arg("--verify").run().code(), 0);
    }
}

#[test]
fn a_body_that_is_larger_than_a_shard_has_one_of_its_own() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lens = [1_000, 9_000_000, 2_000, 300_000, 3_000];
    let lines = lens.map(|len| served.http(&format!("/bytes/{len}/x.bin")));
    let done = sandbox
        .pull()
        .args(["--output-format", "webdataset", "--shard-bytes", "1M", "--cpus", "0", "-j", "1"])
        .list(lines)
        .run();
    done.assert_ok(5);
    assert_eq!(samples(&sandbox.out()).len(), 5);
    let sizes: Vec<u64> =
        shards(&sandbox.out()).iter().map(|shard| shard.metadata().unwrap().len()).collect();
    assert_eq!(sizes.iter().filter(|size| **size > 1 << 20).count(), 1, "{sizes:?}");
    assert!(sizes.len() >= 3, "{sizes:?}");
}

#[test]
fn a_body_that_breaks_off_is_gone_on_with() {
    let body = origin::body("/x", 500_000);
    let whole = response("200 OK", "ETag: \"a\"\r\nAccept-Ranges: bytes\r\n", &body);
    let rest = response(
        "206 Partial Content",
        &format!("ETag: \"a\"\r\nContent-Range: bytes 300000-499999/{}\r\n", body.len()),
        &body[300_000..],
    );
    let begin = whole.len() - 200_000;
    let server = Plan::new()
        .on(
            "/x.bin",
            [vec![Verb::Send(whole[..begin].to_vec()), Verb::Close], vec![Verb::Send(rest)]],
        )
        .on("/y.bin", [ok(b"short")])
        .start();
    let sandbox = Sandbox::new();
    let lines = [server.url("/x.bin"), server.url("/y.bin")];
    let done = webdataset(&sandbox, "10").args(["--retry-delay", "10ms"]).list(&lines).run();
    done.assert_ok(2);
    let samples = samples(&sandbox.out());
    assert!(samples[&1]["bin"] == body && samples[&2]["bin"] == b"short");
    assert_eq!(done.row(&lines[0])["num_parts"], "2");
}

#[test]
fn the_archive_on_standard_output_is_read_by_tar() {
    let served = serve();
    for format in ["tar", "webdataset"] {
        let sandbox = Sandbox::new();
        let count = 40;
        let mut lines = urls(&served, count);
        lines.push(served.http("/status/404"));
        let args = ["--output-format", format, "-o", "-"];
        let done = sandbox.pull().args(args).list(lines).run();
        done.assert_code(8);
        let archive = std::fs::read(sandbox.path("stdout")).unwrap();
        let found = members(&archive);
        assert!(archive.ends_with(&[0; 1_024]));
        let each = if format == "tar" { 1 } else { 2 };
        assert_eq!(found.len(), count * each, "{format}");
        for (name, content) in found.iter().step_by(each) {
            let stem = name.split('.').next().unwrap();
            let n: usize = stem.parse().unwrap();
            let n = if format == "tar" { n } else { n - 1 };
            assert!(*content == origin::body(&path(n), len(n)), "{name}");
        }
        let mut tar = command("tar");
        tar.arg("-t").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut tar = tar.spawn().unwrap();
        let mut stdin = tar.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&archive));
        let listed = tar.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(listed.status.success());
        assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), count * each);
        let files = sandbox.files();
        assert!(files.is_empty(), "{:?}", files.keys());
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lines = urls(&served, 2_000);
    let pull = sandbox.pull().args(["--output-format", "tar", "-o", "-"]).list(lines);
    let (read, write) = io::pipe().unwrap();
    let running = pull.spawn_into(write);
    let mut few = [0; 4_096];
    io::Read::read_exact(&mut { read }, &mut few).unwrap();
    let done = running.wait_for_any_end();
    assert_ne!(done.code(), 0);
    assert!(done.rows.len() < 2_000, "it went on for nobody");
}

#[test]
fn a_run_that_is_killed_again_and_again_has_every_line_once() {
    let served = serve();
    let sandbox = Sandbox::new();
    let count = 1_200;
    let args = ["-i", "list.txt", "-x", "8"];
    let text = urls(&served, count).join("\n");
    std::fs::write(sandbox.path("list.txt"), text + "\n").unwrap();
    for kill in 1..=8_usize {
        let mut running = webdataset(&sandbox, "40").again().args(args).spawn();
        let before = shards(&sandbox.out()).len();
        let is_there = eventually(|| {
            !running.is_running() || shards(&sandbox.out()).len() > before + kill % 3
        });
        assert!(is_there, "{}", running.stderr());
        running.signal(Signal::KILL);
        let _ = running.wait_for_any_end();
    }
    let done = webdataset(&sandbox, "40").again().args(args).run();
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_set(&sandbox, count);
    let last = last_rows(&done);
    assert_eq!(last.len(), count);
    for row in last.values() {
        assert_eq!(row["status"], "ok");
        let (shard, _) = row["filename"].split_once(".tar/").unwrap();
        assert!(sandbox.path(&format!("{shard}.tar")).exists(), "{row:?}");
    }
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    let verified = sandbox.pull().again().arg("--verify").run();
    assert_eq!(verified.code(), 0, "{}", verified.stderr);
}

#[test]
fn a_shard_whose_rows_are_not_all_there_is_pulled_anew() {
    let served = serve();
    let count = 30;
    let args = ["--cpus", "0"];
    // As if it had been killed before it wrote the rows of the last shard, or in the middle of it.
    for left in [20, 24] {
        let sandbox = Sandbox::new();
        webdataset(&sandbox, "10").args(args).list(urls(&served, count)).run().assert_ok(count);
        let report = sandbox.path("report.csv");
        let text = std::fs::read_to_string(&report).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').take(left + 1).collect();
        std::fs::write(&report, lines.concat()).unwrap();
        let done = webdataset(&sandbox, "10").again().args(args).args(["-i", "list.txt"]).run();
        assert_eq!(done.code(), 0, "{}", done.stderr);
        assert!(done.stderr.contains("pulled again"), "{}", done.stderr);
        assert_set(&sandbox, count);
        assert!(last_rows(&done).values().all(|row| row["status"] == "ok"));
        // It has another number: rows of the old one say that it is lost.
        let names: Vec<_> = shards(&sandbox.out());
        assert_eq!(names.len(), 3, "{names:?}");
    }
}

#[test]
fn a_whole_set_stays_whatever_its_folder_is_called_and_its_indexes_say() {
    let served = serve();
    let count = 30;
    for folder in ["set.tar", "sets.tar/out", "00001.tar"] {
        let sandbox = Sandbox::new();
        let out = sandbox.path(folder);
        let pull = || {
            let args = ["--output-format", "webdataset", "--shard-files", "10", "--cpus", "0"];
            // As a user types it: from where the run is.
            sandbox.pull_into(Path::new(folder)).again().args(args)
        };
        pull().list(urls(&served, count)).run().assert_ok(count);
        let before = shards(&out);
        std::fs::write(out.join("00001.idx"), "v1.2 999\n").unwrap();
        let done = pull().args(["-i", "list.txt"]).run();
        assert_eq!((done.code(), done.rows.len()), (0, count), "{folder}: {}", done.stderr);
        assert_eq!(shards(&out), before, "{folder}");
        let verified = sandbox.pull().again().arg("--verify").run();
        assert_eq!(verified.code(), 0, "{folder}: {}", verified.stderr);
    }
}

#[test]
fn shards_of_others_are_left_alone() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lines = urls(&served, 10);
    webdataset(&sandbox, "5").list(&lines).run().assert_ok(10);
    let anew = || sandbox.pull().args(["--output-format", "webdataset", "-i", "list.txt"]);
    for pull in [anew().report("other.csv"), anew()] {
        let done = pull.run();
        assert_eq!(done.code(), 2, "{}", done.stderr);
        assert!(done.stderr.contains("a shard that"), "{}", done.stderr);
        assert_set(&sandbox, 10);
    }
    let beside = sandbox
        .pull()
        .report("other.csv")
        .args(["--output-format", "webdataset", "--shard-name", "b-{shard:03d}.tar"])
        .args(["-i", "list.txt"])
        .run();
    assert_eq!(beside.code(), 0, "{}", beside.stderr);
    assert!(sandbox.out().join("b-000.tar").exists());
}

#[test]
fn a_shard_that_another_run_has_named_meanwhile_stays_as_it_is() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lines = urls(&served, 9);
    let mut running = packing(&sandbox, &lines[..3]);
    for name in ["00000.tar", "00000.idx"] {
        std::fs::write(sandbox.out().join(name), b"of another").unwrap();
    }
    running.feed(&lines[3..]);
    running.end_input();
    let done = running.wait();
    done.assert_code(3);
    assert!(done.rows.iter().all(|row| row["error_code"] == "disk.exists"), "{:#?}", done.rows);
    for name in ["00000.tar", "00000.idx"] {
        assert_eq!(std::fs::read(sandbox.out().join(name)).unwrap(), b"of another");
    }
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn two_runs_do_not_make_shards_of_the_same_names_at_once() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lines = urls(&served, 9);
    let mut running = packing(&sandbox, &lines[..3]);
    let other = |more: &[&str]| {
        let pull = webdataset(&sandbox, "9").report("other.csv").args(more);
        pull.list(&lines).run()
    };
    let refused = other(&[]);
    assert_eq!(refused.code(), 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("another run makes some of the same"), "{}", refused.stderr);
    let beside = other(&["--shard-name", "b-{shard}.tar"]);
    assert_eq!(beside.code(), 0, "{}", beside.stderr);
    running.feed(&lines[3..]);
    running.end_input();
    running.wait().assert_code(0);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn a_full_disk_in_the_middle_of_a_shard_is_waited_for_or_told() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lines = urls(&served, 64);
    let args = ["--disk-wait", "1s", "--shard-name", "s-{shard}.tar"];
    let pull = webdataset(&sandbox, "20").args(args).list(&lines);
    let Some(done) = run_with_mounts(&sandbox, "mount -t tmpfs -o size=2m none out", pull) else {
        return;
    };
    done.assert_code(3);
    let seen = sandbox.path("seen");
    let samples = samples(&seen);
    let ok: Vec<_> = done.rows.iter().filter(|row| row["status"] == "ok").collect();
    assert_eq!(samples.len(), ok.len(), "what is recorded is there, and nothing else");
    assert!(ok.len() < 64);
    for row in &done.rows {
        assert!(matches!(&*row["status"], "ok" | "failed" | "cancelled"), "{row:?}");
    }
}

#[test]
fn a_disk_that_is_emptied_in_the_middle_takes_the_whole_set() {
    let served = serve();
    let sandbox = Sandbox::new();
    let count = 64;
    std::fs::write(sandbox.path("stderr"), b"").unwrap();
    let args = ["--retry", "0", "--cpus", "0"];
    let pull = webdataset(&sandbox, "6").args(args).list(urls(&served, count));
    let Some(done) = run_with_mounts(&sandbox, &emptied("size=2m"), pull) else { return };
    done.assert_ok(count);
    assert_eq!(samples(&sandbox.path("seen")).len(), count);
    assert!(done.stderr.contains("the run goes on"), "{}", done.stderr);
}

#[test]
fn a_damaged_member_is_found_and_its_shard_is_pulled_again() {
    let served = serve();
    let sandbox = Sandbox::new();
    let count = 24;
    let args = ["--cpus", "0", "--compute-hash", "sha256"];
    let done = webdataset(&sandbox, "8").args(args).list(urls(&served, count)).run();
    done.assert_ok(count);
    let (shard, _) = last_rows(&done)["16"]["filename"].split_once(".tar/").unwrap();
    let shard = sandbox.path(&format!("{shard}.tar"));
    let mut bytes = std::fs::read(&shard).unwrap();
    let body = origin::body(&path(15), len(15));
    let at = memchr::memmem::find(&bytes, &body).expect("it is there");
    bytes[at] ^= 1;
    std::fs::write(&shard, bytes).unwrap();

    let verify = || sandbox.pull().again().args(["--verify", "--save-session", "left.txt"]).run();
    let found = verify();
    assert_eq!(found.code(), 7, "{}", found.stderr);
    assert!(found.stderr.contains("remove"), "{}", found.stderr);
    let told = std::fs::read_to_string(sandbox.path("stdout")).unwrap();
    assert!(told.starts_with("digest\t") && told.lines().count() == 1, "{told}");
    std::fs::remove_file(&shard).unwrap();
    let done = webdataset(&sandbox, "8").again().args(args).args(["-i", "left.txt"]).run();
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_set(&sandbox, count);
    assert_eq!(verify().code(), 0);
}

#[test]
fn a_damaged_shard_is_pulled_again_with_what_the_list_says_of_it() {
    for damage in ["bit", "cut", "gone", "cut and without index"] {
        let served = serve();
        let sandbox = Sandbox::new();
        let list: String =
            (0..12).map(|n| format!("{},caption {n}\n", served.http(&path(n)))).collect();
        std::fs::write(sandbox.path("list.csv"), format!("url,text\n{list}")).unwrap();
        let args = ["--cpus", "0", "--compute-hash", "sha256", "--caption-col", "text"];
        let pull = || webdataset(&sandbox, "4").again().args(args).args(["-i", "list.csv"]);
        pull().run().assert_ok(12);
        let shard = sandbox.out().join("00001.tar");
        let mut bytes = std::fs::read(&shard).unwrap();
        match damage {
            "gone" => std::fs::remove_file(&shard).unwrap(),
            "bit" => {
                // The first byte of the first body.
                bytes[512] ^= 1;
                std::fs::write(&shard, bytes).unwrap();
            }
            _ => std::fs::write(&shard, &bytes[..bytes.len() / 2]).unwrap(),
        }
        if damage.ends_with("index") {
            std::fs::remove_file(sandbox.out().join("00001.idx")).unwrap();
            // Whoever only goes on is told.
            let done = pull().run();
            assert_eq!(done.code(), 0, "{damage}: {}", done.stderr);
            assert!(done.stderr.contains("is damaged: it is cut short"), "{}", done.stderr);
        }
        let done = pull().arg("--check-integrity").run();
        assert_eq!(done.code(), 0, "{damage}: {}", done.stderr);
        assert!(done.stderr.contains("12 files of"), "{damage}: {}", done.stderr);
        let samples = samples(&sandbox.out());
        assert_eq!(samples.len(), 12, "{damage}");
        for (index, sample) in samples {
            // The header is the first line.
            let n = usize::try_from(index).unwrap() - 2;
            assert!(sample["txt"] == format!("caption {n}").as_bytes(), "{damage}: {index}");
            assert!(sample["bin"] == origin::body(&path(n), len(n)), "{damage}: {index}");
        }
        let told: Vec<_> = last_rows(&done).into_values().cloned().collect();
        assert!(told.iter().all(|row| row["text"].starts_with("caption")), "{damage}: {told:#?}");
        assert_eq!(sandbox.pull().again().arg("--verify").run().code(), 0, "{damage}");
        assert_eq!(pull().arg("--check-integrity").run().code(), 0, "{damage}");
    }
}

#[test]
fn a_report_of_loose_files_is_none_of_shards_and_the_other_way_round() {
    let served = serve();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--cpus", "0"]).list(urls(&served, 3)).run();
    done.assert_ok(3);
    let other = webdataset(&sandbox, "4").again().args(["-i", "list.txt"]).run();
    assert_eq!(other.code(), 2, "{}", other.stderr);
    assert!(other.stderr.contains("it tells of loose files"), "{}", other.stderr);

    std::fs::remove_file(sandbox.path("report.csv")).unwrap();
    let done = webdataset(&sandbox, "4").args(["--cpus", "0"]).list(urls(&served, 3)).run();
    done.assert_ok(3);
    for is_moved in [false, true] {
        if is_moved {
            std::fs::rename(sandbox.out(), sandbox.path("elsewhere")).unwrap();
        }
        let other = sandbox.pull().again().args(["-i", "list.txt"]).run();
        assert_eq!(other.code(), 2, "{}", other.stderr);
        assert!(other.stderr.contains("it tells of files in shards"), "{}", other.stderr);
    }
}

#[test]
fn a_body_is_packed_once_and_other_rows_point_at_its_line() {
    let sandbox = Sandbox::new();
    // Three bodies for forty lines; an empty one is nothing to save.
    let bodies = [origin::body("/a", 900), origin::body("/b", 70_000), Vec::new()];
    let mut plan = Plan::new();
    for n in 0..40 {
        plan = plan.on(&format!("/{n}"), [ok(&bodies[n % 3])]);
    }
    let server = plan.start();
    let lines: Vec<String> = (0..40).map(|n| server.url(&format!("/{n}"))).collect();
    let args = ["--dedupe", "content", "-i", "list.txt"];
    std::fs::write(sandbox.path("list.txt"), lines[..20].join("\n")).unwrap();
    let first = webdataset(&sandbox, "3").args(args).run();
    assert_eq!(first.code(), 0, "{}", first.stderr);
    // The list grows: what the rows of the first run say is known.
    std::fs::write(sandbox.path("list.txt"), lines.join("\n")).unwrap();
    let done = webdataset(&sandbox, "3").again().args(args).run();
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let samples = samples(&sandbox.out());
    let empty = (0..40).filter(|n| n % 3 == 2).count();
    assert_eq!(samples.len(), 2 + empty, "{:?}", samples.keys());
    let last = last_rows(&done);
    assert_eq!(last.len(), 40);
    for row in last.values().filter(|row| row["status"] != "ok") {
        assert_eq!((&*row["status"], &*row["error_code"]), ("skipped", "dedupe.content"));
        assert!(samples.contains_key(&row["duplicate_of"].parse().unwrap()), "{row:?}");
        assert_eq!(row["filename"], "");
    }
}

#[test]
fn no_row_points_at_a_line_that_is_in_no_shard() {
    let body = origin::body("/a", 900);
    for rows_left in [1, 2, 3] {
        let gone = vec![Verb::Send(response("404 Not Found", "", b"")), Verb::Close];
        let mut plan = Plan::new()
            .on("/a", [ok(&body), gone.clone(), gone])
            .on("/b", [ok(&body), ok(&body), ok(&body)]);
        for n in 0..8 {
            let path = format!("/{n}");
            let other = origin::body(&path, 500);
            plan = plan.on(&path, [ok(&other), ok(&other), ok(&other)]);
        }
        let server = plan.start();
        let mut lines = vec![server.url("/a"), server.url("/b")];
        lines.extend((0..8).map(|n| server.url(&format!("/{n}"))));
        let sandbox = Sandbox::new();
        let args = ["--dedupe", "content", "-j", "1", "--cpus", "0"];
        let done = webdataset(&sandbox, "5").args(args).list(&lines).run();
        assert_eq!(done.code(), 0, "{}", done.stderr);
        assert_eq!(done.row(&lines[1])["duplicate_of"], "1");
        // Killed while it wrote the rows of the first shard.
        let report = sandbox.path("report.csv");
        let text = std::fs::read_to_string(&report).unwrap();
        let left: Vec<&str> = text.split_inclusive('\n').take(1 + rows_left).collect();
        std::fs::write(&report, left.concat()).unwrap();

        let done = webdataset(&sandbox, "5").again().args(args).args(["-i", "list.txt"]).run();
        assert_eq!(done.code(), 8, "{}", done.stderr);
        let again = webdataset(&sandbox, "5").again().args(args).args(["-i", "list.txt"]).run();
        let last = last_rows(&again);
        assert_eq!((&*last["1"]["status"], &*last["2"]["status"]), ("failed", "ok"), "{rows_left}");
        let samples = samples(&sandbox.out());
        assert!(samples[&2]["bin"] == body, "{rows_left}");
        assert_eq!(samples.len(), 9, "{:?}", samples.keys());
    }
}

#[test]
fn what_could_not_be_written_is_left_with_all_that_points_at_it() {
    let sandbox = Sandbox::new();
    let bodies = [origin::body("/a", 300_000), origin::body("/b", 300_000)];
    let mut plan = Plan::new();
    for n in 0..12 {
        plan = plan.on(&format!("/{n}"), [ok(&bodies[n % 2])]);
    }
    let server = plan.start();
    let lines = (0..12).map(|n| server.url(&format!("/{n}")));
    let args = ["--dedupe", "content", "--disk-wait", "0", "--save-session", "left.txt"];
    let pull = webdataset(&sandbox, "20").args(args).args(["--cpus", "0"]).list(lines);
    let mounts = "mount -t tmpfs -o size=200k none out";
    let Some(done) = run_with_mounts(&sandbox, mounts, pull) else { return };
    done.assert_code(3);
    assert!(done.rows.iter().all(|row| row["status"] == "failed"), "{:#?}", done.rows);
    assert!(done.rows.iter().all(|row| row["duplicate_of"].is_empty()), "{:#?}", done.rows);
    let left = std::fs::read_to_string(sandbox.path("left.txt")).unwrap();
    let urls = left.lines().filter(|line| line.starts_with("http://")).count();
    assert_eq!(urls, 12, "{left}");
}

#[test]
fn a_sample_of_a_list_is_packed() {
    let served = serve();
    for args in [&[][..], &["--dedupe", "content"]] {
        let sandbox = Sandbox::new();
        let mut lines = urls(&served, 200);
        lines.insert(3, served.http("/status/404"));
        let again = lines[5].clone();
        lines.insert(7, again);
        let pull = webdataset(&sandbox, "1000").args(["--max-files", "50"]).args(args);
        let done = pull.list(lines).run();
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let ok = done.rows.iter().filter(|row| row["status"] == "ok").count();
        assert_eq!((samples(&sandbox.out()).len(), ok), (50, 50), "{}", done.stderr);
    }
}

#[test]
fn options_that_do_not_go_together_are_told() {
    for (args, says) in [
        (&["--shard-files", "5"][..], "--output-format webdataset"),
        (&["--output-format", "webdataset", "--no-clobber"], "--no-clobber"),
        (&["--output-format", "webdataset", "-o", "x.tar"], "--shard-name"),
        (&["--output-format", "webdataset", "--shard-name", "x"], "{shard"),
        (&["--output-format", "webdataset", "--shard-files", "0"], "0"),
        (&["--output-format", "tar", "--discard"], "--discard"),
        (&["--output-format", "webdataset", "-N"], "--timestamping"),
    ] {
        let sandbox = Sandbox::new();
        let done = sandbox.pull().args(args).arg("http://127.0.0.1/x").run();
        assert_eq!(done.code(), 2, "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    }
}
