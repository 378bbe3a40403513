//! Parquet files as lists: those that pyarrow writes, and bad ones.

use crate::cmd::{Done, Sandbox};
use crate::python::python;
use crate::rude::{Plan, Rude, ok};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

fn server() -> Rude {
    Plan::new().otherwise(ok(b"good")).start()
}

/// What every script begins with: a table of URLs below its first argument, and where to write.
const TABLE: &str = r#"
import decimal, datetime, os, sys, uuid
import pyarrow as pa, pyarrow.parquet as pq
base, out = sys.argv[1], sys.argv[2]
os.makedirs(out, exist_ok=True)
utc = datetime.timezone.utc
def table(count=40, text=pa.string(), begin=0):
    at = range(begin, begin + count)
    maybe = lambda make: [None if n % 5 == 4 else make(n) for n in at]
    moment = datetime.datetime(2024, 2, 29, 12, 30, 1, 250000)
    return pa.table({
        "id": pa.array([n - 3 for n in at], pa.int64()),
        "url": pa.array([None if n == begin + 7 else f"{base}/{n}" for n in at], text),
        "name": pa.array([f"f-{n}" for n in at], text),
        "caption": pa.array(maybe(lambda n: f"ä \"{n % 3}\"\n"), text),
        "small": pa.array(maybe(lambda n: n), pa.uint8()),
        "big": pa.array(maybe(lambda n: 2**64 - 1 - n), pa.uint64()),
        "score": pa.array(maybe(lambda n: n / 8), pa.float64()),
        "real": pa.array(maybe(lambda n: n / 10), pa.float32()),
        "yes": pa.array(maybe(lambda n: n % 2 == 0), pa.bool_()),
        "day": pa.array(maybe(lambda n: moment.date()), pa.date32()),
        "seen": pa.array(maybe(lambda n: moment.replace(tzinfo=utc)), pa.timestamp("us", "UTC")),
        "local": pa.array(maybe(lambda n: moment), pa.timestamp("ms")),
        "price": pa.array(maybe(lambda n: decimal.Decimal(n) / 4), pa.decimal128(12, 2)),
        "raw": pa.array(maybe(lambda n: bytes([n, 255])), pa.binary(2)),
        "image": pa.array(maybe(lambda n: {"path": f"p{n}", "width": n})),
        "tags": pa.array(maybe(lambda n: ["a", "b"])),
    })
"#;

const KEPT: &str =
    "id,caption,small,big,score,real,yes,day,seen,local,price,raw,image.path,image.width";

fn script(rest: &str) -> String {
    format!("{TABLE}{rest}")
}

/// The rows of `report.jsonl` by their index.
fn rows(sandbox: &Sandbox) -> BTreeMap<u64, Value> {
    let text = fs::read_to_string(sandbox.path("report.jsonl")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.map(|row: Value| (row["index"].as_u64().unwrap(), row)).collect()
}

/// Checks the rows of `count` lines from this index on, whose list began with its first.
fn assert_rows(rows: &BTreeMap<u64, Value>, server: &Rude, before: u64, count: u64) {
    for n in 0..count {
        let row = &rows[&(before + n + 1)];
        if n == 7 {
            let pair = (&row["url"], &row["error_code"]);
            assert_eq!(pair, (&json!(""), &json!("input.url")), "{row}");
            let message = row["error_message"].as_str().unwrap();
            assert!(message.contains("line 8: \"\": the URL is missing"), "{row}");
            continue;
        }
        assert_eq!(row["url"], server.url(&format!("/{}", before + n)));
        assert_eq!(row["status"], "ok", "{row}");
        assert!(row["filename"].as_str().unwrap().ends_with(&format!("/f-{}", before + n)));
    }
}

#[test]
fn files_of_pyarrow_are_lists_however_they_are_written() {
    let server = server();
    let sandbox = Sandbox::new();
    let write = script(
        r#"
for compression in ["none", "snappy", "zstd", "gzip", "lz4"]:
    for version in ["1.0", "2.0"]:
        for dictionary in [True, False]:
            text = pa.large_string() if dictionary else pa.string()
            pq.write_table(table(text=text), f"{out}/{compression}-{version}-{dictionary}.parquet",
                compression=compression, data_page_version=version, use_dictionary=dictionary,
                row_group_size=13, data_page_size=64, write_page_checksum=dictionary)
delta = {"url": "DELTA_BYTE_ARRAY", "caption": "DELTA_LENGTH_BYTE_ARRAY",
    "id": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"}
pq.write_table(table(), f"{out}/delta.parquet", use_dictionary=False, column_encoding=delta)
pq.write_table(table(), f"{out}/int96.parquet", use_deprecated_int96_timestamps=True)
pq.write_table(table(text=pa.string_view()), f"{out}/named-otherwise", version="1.0")
"#,
    );
    let dir = sandbox.path("lists");
    let args = [server.url("").into(), dir.clone().into_os_string()];
    let Some(_) = python(&write, args) else { return };
    let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(|entry| entry.file_name());
    assert_eq!(names.len(), 23);
    for entry in names {
        let keep = ["--keep-cols", KEPT, "--out-col", "name"];
        let pull = sandbox.pull().report("report.jsonl").args(keep).arg("-i").arg(entry.path());
        let done = pull.run();
        done.assert_code(2);
        let rows = rows(&sandbox);
        assert_eq!(rows.len(), 40, "{:?}", entry.file_name());
        assert_rows(&rows, &server, 0, 40);
        let kept: Vec<&str> = KEPT.split(',').collect();
        let of = |index| kept.iter().map(|name| rows[&index][name].clone()).collect::<Vec<_>>();
        let is_old = entry.file_name().as_bytes().starts_with(b"int96");
        let seen = "2024-02-29T12:30:01.250000";
        let (seen, local) = match is_old {
            true => ("2024-02-29T12:30:01.250000000".to_owned(), "2024-02-29T12:30:01.250000000"),
            false => (format!("{seen}Z"), "2024-02-29T12:30:01.250"),
        };
        let [small, big] = [json!(2), json!(u64::MAX - 2)];
        let (caption, price) = ("ä \"2\"\n", "0.50");
        let wanted = json!([
            -1,
            caption,
            small,
            big,
            0.25,
            0.2,
            true,
            "2024-02-29",
            seen,
            local,
            price,
            "02ff",
            "p2",
            2
        ]);
        let name = entry.file_name();
        assert_eq!(Value::from(of(3)), wanted, "{name:?}");
        assert!(of(5)[1..].iter().all(Value::is_null), "{name:?}");
    }
}

#[test]
fn a_folder_of_spark_is_its_parts_in_order_and_is_continued() {
    let server = server();
    let sandbox = Sandbox::new();
    let write = script(
        r#"
for number, rows in enumerate([table(12), table(8, begin=12)]):
    pq.write_table(rows, f"{out}/part-0000{number}.snappy.parquet", row_group_size=5)
for name in ["_SUCCESS", "._SUCCESS.crc", ".part-00000.snappy.parquet.crc", "_metadata"]:
    open(f"{out}/{name}", "wb").write(b"x")
"#,
    );
    let dir = sandbox.path("lists");
    let args = [server.url("").into(), dir.clone().into_os_string()];
    let Some(_) = python(&write, args) else { return };
    let pull = || {
        let pull = sandbox.pull().report("report.jsonl").args(["--out-col", "name"]);
        pull.again().arg("-i").arg(&dir)
    };
    // The lines of one of two machines, and then those of the other.
    for shard in ["0/2", "1/2"] {
        let before = server.log().len();
        let done = pull().args(["--shard", shard]).run();
        // There is one host, whose lines are together.
        assert!([0, 18].contains(&(server.log().len() - before)), "{}", done.stderr);
    }
    let all = rows(&sandbox);
    assert_eq!(all.len(), 20);
    assert_rows(&all, &server, 0, 12);
    let before = server.log().len();
    let done = pull().run();
    done.assert_code(2);
    assert_eq!(server.log().len(), before, "all of it is done: {}", done.stderr);
    let done = pull().arg("--dry-run").run();
    assert!(done.stderr.contains("20 lines"), "{}", done.stderr);
    // Another list is told by its first line that differs.
    fs::rename(dir.join("part-00000.snappy.parquet"), dir.join("part-00002.parquet")).unwrap();
    let done = pull().run();
    done.assert_code(2);
    assert!(done.stderr.contains("cannot continue"), "{}", done.stderr);
}

#[test]
fn what_cannot_be_read_is_told_before_anything_is_pulled() {
    let server = server();
    let sandbox = Sandbox::new();
    let write = script(
        r#"
import base64, pyarrow.parquet.encryption as pe
pq.write_table(table(), f"{out}/good.parquet", row_group_size=10)
good = open(f"{out}/good.parquet", "rb").read()
def write(name, content): open(f"{out}/{name}", "wb").write(content)
write("cut.parquet", good[:-100])
write("begun.parquet", good[:7])
write("empty.parquet", b"")
write("text.parquet", b"http://h/1\nhttp://h/2\n")
write("footer.parquet", good[:-60] + b"\xff" * 52 + good[-8:])
write("cut", good[:-1])
pq.write_table(table(), f"{out}/brotli.parquet", compression="brotli")
# The codec of the first column that is not the number: SNAPPY is 1, and LZO 3.
codec = good.replace(b"\x19\x18\x03url\x15\x02", b"\x19\x18\x03url\x15\x06")
assert codec != good
write("lzo.parquet", codec)
class Kms(pe.KmsClient):
    def __init__(self, config): super().__init__()
    def wrap_key(self, key, master): return base64.b64encode(key)
    def unwrap_key(self, key, master): return base64.b64decode(key)
factory = pe.CryptoFactory(lambda config: Kms(config))
for name, plain in [("encrypted", False), ("columns", True)]:
    config = pe.EncryptionConfiguration(footer_key="f", column_keys={"k": ["url"]},
        plaintext_footer=plain)
    keys = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    plain = table().select(["id", "url", "name"])
    with pq.ParquetWriter(f"{out}/{name}.parquet", plain.schema, encryption_properties=keys) as to:
        to.write_table(plain)
"#,
    );
    let dir = sandbox.path("lists");
    let args = [server.url("").into(), dir.clone().into_os_string()];
    let Some(_) = python(&write, args) else { return };
    let refused = |name: &str, args: &[&str]| -> Done {
        let done = sandbox.pull().args(args).arg("-i").arg(dir.join(name)).run();
        done.assert_code(2);
        assert!(done.stderr.contains(name), "{}", done.stderr);
        done
    };
    for (name, args, told) in [
        ("cut.parquet", &[][..], "was cut off"),
        ("begun.parquet", &[], "was cut off"),
        ("cut", &[], "was cut off"),
        ("empty.parquet", &[], "it is empty"),
        ("text.parquet", &[], "it is not a Parquet file; say with --input-format"),
        ("footer.parquet", &[], "what stands at its end is damaged"),
        ("brotli.parquet", &[], "column \"url\" is compressed with BROTLI"),
        ("lzo.parquet", &[], "column \"url\" is compressed with LZO"),
        ("encrypted.parquet", &[], "it is encrypted"),
        ("columns.parquet", &[], "column \"url\" cannot be read: it is encrypted"),
        ("good.parquet", &["--url-col", "link"], "no column \"link\", but \"id\", \"url\""),
        ("good.parquet", &["--url-col", "id"], "column \"id\" of --url-col is INT64, not text"),
        ("good.parquet", &["--keep-cols", "tags"], "column \"tags\" of --keep-cols has several"),
        ("good.parquet", &["--keep-cols", "captoin"], "no column \"captoin\""),
        ("good.parquet", &["--delimiter", ";"], "--delimiter is for CSV"),
        ("good.parquet", &["--input-format", "csv"], "-i FILE.parquet"),
    ] {
        let done = refused(name, args);
        assert!(done.stderr.contains(told), "{name}: {}", done.stderr);
    }
    assert!(server.log().is_empty());
    // Columns that are not encrypted are read.
    let columns = dir.join("columns.parquet");
    let done = sandbox.pull().args(["--url-col", "name", "-i"]).arg(columns).run();
    assert_eq!(done.rows.len(), 40, "{}", done.stderr);
}

#[test]
fn a_pipe_is_refused_with_a_remedy() {
    let server = server();
    let sandbox = Sandbox::new();
    let write = script("pq.write_table(table(), f\"{out}/good.parquet\")");
    let dir = sandbox.path("lists");
    let args = [server.url("").into(), dir.clone().into_os_string()];
    let Some(_) = python(&write, args) else { return };
    // What comes through a pipe is known when it comes.
    let good = fs::read(dir.join("good.parquet")).unwrap();
    for args in [&["-i", "-"][..], &["-i", "-", "--input-format", "parquet"]] {
        let mut running = sandbox.pull().args(args).spawn();
        running.feed_bytes(&good);
        let done = running.wait();
        done.assert_code(2);
        assert!(done.stderr.contains("save it to a file"), "{}", done.stderr);
    }
    let done = sandbox.pull().args(["--input-format", "parquet", "-i", "/dev/null"]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("it is a pipe or a device"), "{}", done.stderr);
    assert!(server.log().is_empty());
}

#[test]
fn a_damaged_part_ends_the_list_behind_what_was_read() {
    let server = server();
    let sandbox = Sandbox::new();
    let write = script(
        r#"
pq.write_table(table(40), f"{out}/list.parquet", row_group_size=10, compression="snappy",
    write_page_checksum=True)
place = pq.read_metadata(f"{out}/list.parquet").row_group(2).column(1)
begin = place.dictionary_page_offset or place.data_page_offset
with open(f"{out}/list.parquet", "r+b") as file:
    file.seek(begin + place.total_compressed_size // 2)
    file.write(b"\xee\xee\xee\xee")
"#,
    );
    let dir = sandbox.path("lists");
    let args = [server.url("").into(), dir.clone().into_os_string()];
    let Some(_) = python(&write, args) else { return };
    fs::write(dir.join("next"), server.url("/next")).unwrap();
    let pull = sandbox.pull().report("report.jsonl").args(["--out-col", "name"]);
    let done = pull.arg("-i").arg(dir.join("list.parquet")).arg("-i").arg(dir.join("next")).run();
    done.assert_code(3);
    let told = "to its end, only 20 whole rows: column \"url\" of row group 3 is damaged";
    assert!(done.stderr.contains(told), "{}", done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    let rows = rows(&sandbox);
    assert_eq!(rows.len(), 20);
    assert_rows(&rows, &server, 0, 20);
}
