//! A list whose lines ask for another file or another checksum by now than when they were done.

use crate::cmd::{Done, Sandbox};
use crate::rude::{Plan, Rude, Verb, ok, response};

fn server() -> Rude {
    Plan::new().otherwise(ok(b"good")).start()
}

/// Lines of a list for this server, each with its option line, or with a comment.
fn lines(server: &Rude, options: &[&str]) -> Vec<String> {
    let line = |(number, options): (usize, &&str)| {
        let option = if options.is_empty() { "#".to_owned() } else { format!("  {options}") };
        format!("{}\n{option}", server.url(&format!("/{}", number + 1)))
    };
    options.iter().enumerate().map(line).collect()
}

/// Pulls on, and gives what was asked for, by path.
fn again(sandbox: &Sandbox, server: &Rude, options: &[&str], args: &[&str]) -> (Vec<String>, Done) {
    let before = server.log().len();
    let done = sandbox.pull().again().args(args).list(lines(server, options)).run();
    let mut asked = server.log()[before..].to_vec();
    asked.sort();
    (asked, done)
}

#[test]
fn another_name_is_noticed_and_pulled_under_that() {
    let server = server();
    let sandbox = Sandbox::new();
    // The second line is given a number, and so is the fourth.
    let first = ["out=a.jpg", "out=a.jpg", "", "out=d/x", "out=d/x"];
    let (_, done) = again(&sandbox, &server, &first, &[]);
    done.assert_ok(5);
    let names = |done: &Done, index: &str| {
        let rows = done.rows.iter().filter(|row| row["index"] == index);
        rows.map(|row| row["filename"].rsplit_once("out/").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&done, "3"), names(&done, "9")),
        (vec!["a.3.jpg".into()], vec!["d/x.9".into()])
    );
    for args in [&[][..], &["--on-conflict", "rename"], &["--content-disposition"]] {
        let (asked, done) = again(&sandbox, &server, &first, args);
        assert!(asked.is_empty() && !done.stderr.contains("by now"), "{asked:?} {}", done.stderr);
    }
    let second = ["out=b.jpg", "out=a.jpg", "", "out=d/x", "out=e/x"];
    let (asked, done) = again(&sandbox, &server, &second, &["--content-disposition"]);
    assert_eq!(asked, ["/1", "/5"]);
    let told = "2 lines that were done ask for another file or checksum by now (out=, \
                checksum=) and are pulled again, the first of them line 1\n";
    assert_eq!(done.stderr.matches(told).count(), 1, "{}", done.stderr);
    assert_eq!(names(&done, "1"), ["a.jpg", "b.jpg"]);
    assert_eq!(names(&done, "9"), ["d/x.9", "e/x"]);
    let (asked, done) = again(&sandbox, &server, &second, &[]);
    assert!(asked.is_empty(), "{asked:?}");
    done.assert_code(0);
}

#[test]
fn another_checksum_is_noticed_where_the_row_has_not_that_digest() {
    let server = server();
    let sandbox = Sandbox::new();
    let first = [GOOD_SHA256, GOOD_SHA256, "", GOOD_SHA256];
    again(&sandbox, &server, &first, &[]).1.assert_ok(4);
    let (asked, _) = again(&sandbox, &server, &first, &[]);
    assert!(asked.is_empty(), "{asked:?}");
    // Another digest, another kind, one where there was none, and none any more.
    let second = [BAD_SHA256, GOOD_MD5, GOOD_SHA256, ""];
    let (asked, done) = again(&sandbox, &server, &second, &["--retry", "0"]);
    assert_eq!(asked.iter().filter(|path| *path != "/1").collect::<Vec<_>>(), ["/2", "/3"]);
    let last = |done: &Done, index: &str| {
        let row = done.rows.iter().rfind(|row| row["index"] == index).unwrap();
        [row["status"].clone(), row["error_code"].clone(), row["digest"].clone()].join(" ")
    };
    assert_eq!(last(&done, "1"), "failed body.checksum ");
    let digest = |line: &str| line.trim_start_matches("checksum=").to_owned();
    assert_eq!(last(&done, "3"), format!("ok  {}", digest(GOOD_MD5)));
    assert_eq!(last(&done, "5"), format!("ok  {}", digest(GOOD_SHA256)));
    let (asked, _) = again(&sandbox, &server, &second, &["--retry", "0"]);
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn digests_that_were_computed_count() {
    let server = server();
    let sandbox = Sandbox::new();
    let args = ["--compute-hash", "sha256"];
    again(&sandbox, &server, &["", GOOD_MD5, ""], &args).1.assert_ok(3);
    // The row of the second line has what --compute-hash says, so nobody can know.
    let (asked, done) = again(&sandbox, &server, &[GOOD_SHA256, GOOD_MD5, BAD_SHA256], &args);
    assert!(asked.iter().all(|path| path == "/3") && !asked.is_empty(), "{asked:?}");
    done.assert_code(7);
    // Files that were there and were skipped have no digest, and names of their own.
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.out().join("1"), b"old").unwrap();
    let args = ["--no-clobber"];
    assert_eq!(again(&sandbox, &server, &[GOOD_SHA256], &args).1.rows[0]["status"], "skipped");
    let (asked, _) = again(&sandbox, &server, &[BAD_SHA256], &args);
    assert!(asked.is_empty(), "{asked:?}");
}

const GOOD_SHA256: &str =
    "checksum=sha-256=770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c";
const BAD_SHA256: &str =
    "checksum=sha-256=0000000000000000000000000000000000000000000000000000000000000000";
const GOOD_MD5: &str = "checksum=md5=755f85c2723bb39381c7379a604160d8";

#[test]
fn nobody_gets_the_name_of_a_file_that_is_done() {
    let missing = vec![Verb::Send(response("404 Not Found", "", b""))];
    let plan = Plan::new().on("/1", [missing, ok(b"first")]);
    let server = plan.on("/2", [ok(b"second")]).on("/3", [ok(b"third")]).start();
    let sandbox = Sandbox::new();
    let first = again(&sandbox, &server, &["out=a", "out=b", "out=c"], &["--retry", "0"]);
    first.1.assert_code(8);
    // One that failed and one that was done want the name of the second.
    let second = ["out=b", "out=b", "out=b"];
    let (asked, done) = again(&sandbox, &server, &second, &["--retry-failed"]);
    assert_eq!(asked, ["/1", "/3"]);
    done.assert_code(0);
    for (index, body) in [("1", "first"), ("3", "second"), ("5", "third")] {
        let row = done.rows.iter().rfind(|row| row["index"] == index).unwrap();
        assert_eq!(std::fs::read(&row["filename"]).unwrap(), body.as_bytes(), "{row:?}");
    }
    let (asked, done) = again(&sandbox, &server, &second, &[]);
    assert!(asked.is_empty() && !done.stderr.contains("by now"), "{asked:?} {}", done.stderr);
}

#[test]
fn nor_where_names_are_made_in_another_way_or_the_directory_is_spelled_otherwise() {
    let same = "Content-Disposition: attachment; filename=same\r\n";
    let server = Plan::new().otherwise(vec![Verb::Send(response("200 OK", same, b"x"))]).start();
    let (seq, proposed) = (&["--name-template", "{seq}"][..], &["--content-disposition"][..]);
    for (before, now) in [(seq, &[][..]), (proposed, proposed)] {
        let sandbox = Sandbox::new();
        let list = ["/a", "/1", "/x/2", "/2", "/3", "/x/3"].map(|path| server.url(path));
        let pull = |dir: &str| sandbox.pull_into(dir.as_ref());
        pull("out").args(before).list(&list[..2]).run().assert_code(0);
        pull("./out").again().args(before).list(&list[..4]).run().assert_code(0);
        let done = pull("out").again().args(now).list(&list).run();
        done.assert_code(0);
        let names = done.rows.iter().map(|row| row["filename"].trim_start_matches("./"));
        let names: std::collections::BTreeSet<_> = names.collect();
        assert_eq!((names.len(), sandbox.files().len()), (6, 6), "{names:?}");
    }
}
