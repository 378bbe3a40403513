//! Final answers: which are files, and what is told of those that are not.

use crate::cmd::Sandbox;
use crate::rude::{Plan, Script, Verb, response};

/// Field lines, and what the message must tell.
type Case = (&'static str, &'static str, &'static str);

#[test]
fn answers_to_another_question_are_failures() {
    let cases: [Case; 14] = [
        ("206 Partial Content", "Content-Range: bytes 0-99/1000\r\n", "bytes 0-99 of 1000"),
        ("206 Partial Content", "Content-Range: bytes 0-3/4\r\n", "bytes 0-3 of 4"),
        ("206 Partial Content", "Content-Range: bytes 9-0/4\r\n", "the server answered 206"),
        ("206 Partial Content", "", "the server answered 206"),
        ("416 Range Not Satisfiable", "Content-Range: bytes */47\r\n", "no such range in 47 bytes"),
        ("416 Range Not Satisfiable", "", "the server answered 416"),
        ("304 Not Modified", "", "the server answered 304"),
        ("300 Multiple Choices", "Location: /good\r\n", "the server answered 300"),
        ("305 Use Proxy", "Location: http://127.0.0.1/\r\n", "the server answered 305"),
        ("306 Unused", "Location: /good\r\n", "the server answered 306"),
        ("310 Unheard Of", "Location: /good\r\n", "the server answered 310"),
        ("302 Found", "", "302 without a Location"),
        ("302 Found", "Location: /a\r\nLocation: /b\r\n", "302 with several Locations"),
        ("302 Found", "Location:\r\n", "the Location is empty"),
    ];
    let script = |(status, fields, _): &Case| -> Script {
        // Neither is what a 304 announces there, nor may a client wait for it.
        let body: &[u8] = if status.starts_with("304") { b"" } else { b"body" };
        vec![Verb::Send(response(status, fields, body))]
    };
    let paths: Vec<String> = (0..cases.len()).map(|n| format!("/{n}")).collect();
    let plan = paths
        .iter()
        .zip(&cases)
        .fold(Plan::new(), |plan, (path, case)| plan.on(path, [script(case)]));
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nstream".to_vec();
    let server = plan.on("/101", [vec![Verb::Send(upgrade), Verb::Close]]).start();
    let sandbox = Sandbox::new();
    let urls = paths.iter().map(|path| server.url(path)).chain([server.url("/101")]);
    let done = sandbox.pull().list(urls).run();
    for (path, (status, fields, told)) in paths.iter().zip(&cases) {
        let row = done.row(&server.url(path));
        assert_eq!((row["status"].as_str(), row["num_retries"].as_str()), ("failed", "0"));
        assert!(row["error_message"].contains(told), "{status} {fields}: {row:#?}");
        let code = if status.starts_with("302") { "http.location" } else { "http.status" };
        assert_eq!(
            (row["error_code"].as_str(), &row["response_code"]),
            (code, &status[..3].into())
        );
    }
    assert_eq!(done.fault(&server.url("/101")), "http.switching_protocols");
    assert_eq!(done.rows.len(), cases.len() + 1);
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);
    assert!(!server.log().contains(&"/good".to_owned()));
}

#[test]
fn any_other_success_is_a_file() {
    let statuses = ["200 OK", "201 Created", "203 Non-Authoritative Information", "299 New"];
    let empty = ["204 No Content", "205 Reset Content"];
    let mut plan = Plan::new();
    for status in statuses {
        plan =
            plan.on(&format!("/{}", &status[..3]), [vec![Verb::Send(response(status, "", b"b"))]]);
    }
    for status in empty {
        plan =
            plan.on(&format!("/{}", &status[..3]), [vec![Verb::Send(response(status, "", b""))]]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let all = statuses.iter().chain(&empty);
    let urls = all.map(|status| server.url(&format!("/{}", &status[..3])));
    sandbox.pull().list(urls).run().assert_ok(6);
    let files = sandbox.files();
    assert!(statuses.iter().all(|status| files[&status[..3]] == b"b"));
    assert!(empty.iter().all(|status| files[&status[..3]].is_empty()));
}
