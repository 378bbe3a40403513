//! What `--verify` found to differ is pulled again by the same command, with its list.

use crate::cmd::{Done, Sandbox};
use crate::rude::{Plan, Rude, Verb, ok};

fn serve() -> Rude {
    let plan = Plan::new().on("/x/same", [ok(b"first")]).on("/y/same", [ok(b"second")]);
    plan.otherwise(ok(b"other")).start()
}

fn list(server: &Rude) -> Vec<String> {
    let mut list = vec![
        "# a comment, so that numbers are not those of the jobs".to_owned(),
        server.url("/x/same"),
        server.url("/y/same"),
        server.url("/kept"),
        server.url("/deep"),
        "  dir=a/b".to_owned(),
        "  out=c d ".to_owned(),
        server.url("/longer"),
    ];
    list.extend((0..20).map(|n| server.url(&format!("/many/{n}"))));
    list
}

fn read(sandbox: &Sandbox, path: &str) -> Vec<u8> {
    std::fs::read(sandbox.out().join(path)).unwrap_or_default()
}

/// Damages four files in as many ways; gives the paths that the server is to be asked for.
fn damage(sandbox: &Sandbox) -> [&'static str; 4] {
    std::fs::remove_file(sandbox.out().join("same.3")).unwrap();
    std::fs::write(sandbox.out().join("a/b/c d"), b"").unwrap();
    std::fs::write(sandbox.out().join("longer"), b"other, and more").unwrap();
    std::fs::remove_file(sandbox.out().join("7")).unwrap();
    ["/y/same", "/deep", "/longer", "/many/7"]
}

/// Pulls a list, damages the tree, and gives the list of what differs, which is in `left.txt`.
fn left_over(sandbox: &Sandbox, urls: &[String]) -> String {
    sandbox.pull().list(urls).run().assert_code(0);
    damage(sandbox);
    let verify = sandbox.pull().again().args(["--verify", "--save-session", "left.txt"]);
    verify.run().assert_code(7);
    std::fs::read_to_string(sandbox.path("left.txt")).unwrap()
}

fn sorted(mut log: Vec<String>) -> Vec<String> {
    log.sort();
    log
}

#[test]
fn what_differs_is_pulled_again_with_the_same_report() {
    for args in [&[][..], &["--no-clobber"], &["--on-conflict", "rename"]] {
        // The first one does not know where the files of the run go.
        for dir in [".", "out"] {
            let server = serve();
            let sandbox = Sandbox::new();
            let pull = |list: &str| {
                let pull = sandbox.pull_into("out".as_ref()).again().args(args);
                pull.args(["-i", list]).run()
            };
            std::fs::write(sandbox.path("urls.txt"), list(&server).join("\n")).unwrap();
            pull("urls.txt").assert_code(0);
            assert_eq!(read(&sandbox, "same.3"), b"second");
            let before = server.log().len();
            let asked = damage(&sandbox);
            let verify = |code| {
                let verify = sandbox.pull_into(dir.as_ref()).again().arg("--verify");
                verify.args(["--save-session", "left.txt"]).run().assert_code(code);
            };
            verify(7);
            let done = pull("left.txt");
            done.assert_code(0);
            assert!(done.stderr.starts_with("4 URLs: 4 ok\n"), "{}", done.stderr);
            assert!(done.stderr.contains("21 lines done by earlier runs"), "{}", done.stderr);
            assert_eq!(
                sorted(server.log()[before..].to_vec()),
                sorted(asked.map(String::from).into())
            );
            assert_eq!(read(&sandbox, "same.3"), b"second");
            assert_eq!(read(&sandbox, "a/b/c d"), b"other");
            assert_eq!(read(&sandbox, "longer"), b"other");
            assert_eq!(read(&sandbox, "7"), b"other");
            assert_eq!(std::fs::read_dir(sandbox.out()).unwrap().count(), 25, "no file but these");
            // The report speaks of the list that it always spoke of.
            pull("urls.txt").assert_code(0);
            assert_eq!(server.log().len(), before + 4);
            verify(0);
        }
    }
}

#[test]
fn a_list_of_lines_is_any_list_with_another_report() {
    let server = serve();
    let sandbox = Sandbox::new();
    let left = left_over(&sandbox, &list(&server));
    let done: Done = sandbox.pull().report("other.csv").args(["-i", "left.txt"]).run();
    done.assert_ok(4);
    for row in &done.rows {
        let line: usize = row["index"].parse().unwrap();
        assert_eq!(left.lines().nth(line - 1).unwrap(), row["url"]);
    }
}

#[test]
fn a_list_of_lines_without_their_numbers_is_refused() {
    let server = serve();
    let sandbox = Sandbox::new();
    let urls = list(&server);
    let left = left_over(&sandbox, &urls);
    let number = left.lines().filter(|line| line.starts_with("# line")).nth(2).unwrap();
    let before = server.log().len();
    std::fs::write(sandbox.path("left.txt"), left.replace(number, "#")).unwrap();
    let done = sandbox.pull().again().args(["-i", "left.txt"]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("has no number") && done.stderr.contains("left.txt"));
    assert!(server.log().len() <= before + 2, "nothing from there on");
    let rows = done.rows.len();
    sandbox.pull().again().list(&urls).run().assert_code(0);
    assert!(rows <= 25 + 2);
}

#[test]
fn names_that_servers_proposed_stay() {
    let named = b"HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=n\r\n\
                  Content-Length: 4\r\n\r\nbody";
    let server = Plan::new().otherwise(vec![Verb::Send(named.to_vec())]).start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/1"), server.url("/2"), server.url("/3")];
    let pull = || sandbox.pull().arg("--content-disposition");
    pull().list(&urls).run().assert_ok(3);
    let before: Vec<String> = sandbox.files().into_keys().collect();
    for name in &before[1..] {
        std::fs::write(sandbox.out().join(name), b"damaged").unwrap();
    }
    let verify = sandbox.pull().again().args(["--verify", "--save-session", "left.txt"]);
    verify.run().assert_code(7);
    pull().again().args(["-i", "left.txt"]).run().assert_code(0);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), before);
    assert!(before.iter().all(|name| read(&sandbox, name) == b"body"));
}

#[test]
fn another_url_or_number_in_it_is_refused_before_anything_is_pulled() {
    let server = serve();
    let sandbox = Sandbox::new();
    let urls = list(&server);
    let left = left_over(&sandbox, &urls);
    let before = server.log().len();
    for (from, to, told) in [
        ("/many/7", "/many/seven", "/many/seven, and was http"),
        ("# line 16\n", "# line 17\n", "line 17 is http"),
        ("# line 16\n", "# line 1600\n", "lines 1600 to 1600 are not those"),
    ] {
        assert!(left.contains(from), "{left}");
        std::fs::write(sandbox.path("left.txt"), left.replace(from, to)).unwrap();
        let done = sandbox.pull().again().args(["-i", "left.txt"]).run();
        done.assert_code(2);
        assert!(done.stderr.contains(told), "{}", done.stderr);
    }
    assert_eq!(server.log().len(), before);
    sandbox.pull().again().list(&urls).run().assert_code(0);
}

#[test]
fn blanks_around_a_url_in_a_cell_are_no_difference() {
    let server = serve();
    let sandbox = Sandbox::new();
    let cells = format!("url\n\" {} \"\n\"{} \"\n", server.url("/a b#c"), server.url("/x/same"));
    std::fs::write(sandbox.path("urls.csv"), cells).unwrap();
    let pull = |list: &str| sandbox.pull().again().args(["-i", list]).run();
    pull("urls.csv").assert_code(0);
    for name in sandbox.files().into_keys() {
        std::fs::remove_file(sandbox.out().join(name)).unwrap();
    }
    let verify = sandbox.pull().again().args(["--verify", "--save-session", "left.txt"]);
    verify.run().assert_code(7);
    pull("left.txt").assert_code(0);
    assert_eq!(read(&sandbox, "same"), b"first");
    pull("urls.csv").assert_code(0);
}

#[test]
fn columns_that_its_rows_will_lack_are_told_of() {
    let server = serve();
    let sandbox = Sandbox::new();
    let table = format!("url,id\n{},1\n{},2\n", server.url("/a"), server.url("/b"));
    std::fs::write(sandbox.path("list.csv"), table).unwrap();
    let pull = |list: &str| sandbox.pull().again().args(["--keep-cols", "id", "-i", list]).run();
    pull("list.csv").assert_code(0);
    std::fs::remove_file(sandbox.out().join("b")).unwrap();
    let verify = sandbox.pull().again().args(["--verify", "--save-session", "left.txt"]);
    verify.run().assert_code(7);
    let done = pull("left.txt");
    done.assert_code(0);
    assert!(done.stderr.contains("lack the columns of --keep-cols"), "{}", done.stderr);
    assert_eq!(read(&sandbox, "b"), b"other");
    let done = pull("list.csv");
    assert!(!done.stderr.contains("lack"), "{}", done.stderr);
}
