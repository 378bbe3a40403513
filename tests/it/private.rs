//! `--no-private`: no spelling of an address, no name and no redirect leads to this machine or its
//! neighbours.

use crate::cmd::{Sandbox, skip_forbidden};
use crate::rude::{Plan, ok};

#[test]
fn no_spelling_of_a_private_address_is_connected_to() {
    let server = Plan::new().otherwise(ok(b"secret")).start();
    let port = server.port();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "100.100.100.200",
        "evil.test",
        "both.test",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
    ];
    let urls = hosts.map(|host| format!("http://{host}:{port}/a"));
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--no-private", "--resolve", &server.resolve("evil.test")]);
    let both = format!("both.test:{port}:127.0.0.1,[::1],10.1.2.3");
    let done = pull.args(["--resolve", &both]).list(&urls).run();
    assert_eq!(done.rows.len(), urls.len());
    for row in &done.rows {
        // One with `%` in its host never gets that far.
        let code = if row["url"].contains('%') { "input.host_percent" } else { "connect.private" };
        assert_eq!(row["error_code"], code, "{row:#?}");
        assert_eq!((row["num_retries"].as_str(), row["num_connects"].as_str()), ("0", "0"));
    }
    let row = done.row(&format!("http://evil.test:{port}/a"));
    assert_eq!(row["exitcode"], "7");
    let message = &row["error_message"];
    assert!(message.contains("127.0.0.1 is loopback"), "{message}");
    assert!(message.contains("--no-private"), "{message}");
    assert_eq!(server.connections(), 0);
    assert!(sandbox.files().is_empty());

    // The same list without the option.
    sandbox.pull().args([&urls[0]]).run().assert_ok(1);
}

#[test]
fn a_redirect_to_a_private_address_is_not_followed() {
    // A network of its own, where an address of the public internet is this machine's. The port is
    // known only there, so the list is written there too.
    const SCRIPT: &str = "
        ip link set lo up && ip address add 9.9.9.9/32 dev lo || exit 99
        rm -f origin/origin.json
        \"$1\" origin --no-tls --http-addr 0.0.0.0:0 --dir origin >/dev/null &
        while ! test -s origin/origin.json; do sleep 0.02; done
        port=$(grep -o '127.0.0.1:[0-9]*' origin/origin.json | cut -d: -f2)
        sed -i s/PORT/$port/g list.txt
        \"$@\"
        code=$?
        kill $!
        exit $code";
    const HOP: &str = "http://9.9.9.9:PORT/redirect-to?url=";
    let private = [
        "http://127.0.0.1:PORT/bytes/5/a",
        "http://2130706433:PORT/bytes/5/b",
        "http://[::1]:PORT/bytes/5/c",
        "//127.1:PORT/bytes/5/d",
        "http://169.254.169.254/e",
    ];
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("origin")).unwrap();
    let mut lines: Vec<String> =
        private.iter().map(|to| format!("{HOP}{}", to.replace(':', "%3A"))).collect();
    lines.push("http://9.9.9.9:PORT/bytes/6/direct".to_owned());
    lines.push(format!("{HOP}/bytes/6/hop"));
    lines.push("  out=hop".to_owned());
    let pull = sandbox.pull().args(["--no-private"]).list(&lines);
    let done = pull.under("unshare", ["-rnpf", "--kill-child", "sh", "-c", SCRIPT, "sh"]).run();
    if done.rows.is_empty() {
        return skip_forbidden(&format!("no network of its own to be had: {}", done.stderr));
    }
    assert_eq!(done.rows.len(), private.len() + 2);
    for row in &done.rows {
        let is_private = private.iter().any(|to| row["url"].ends_with(&to[to.len() - 2..]));
        if is_private {
            assert_eq!(row["error_code"], "connect.private", "{row:#?}");
            assert_eq!(row["num_redirects"], "1", "{row:#?}");
        } else {
            assert_eq!((row["status"].as_str(), row["remote_ip"].as_str()), ("ok", "9.9.9.9"));
        }
    }
    done.assert_code(4);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["direct", "hop"]);

    // The public address is this machine's own.
    let pull = sandbox.pull().report("own.csv").args(["--no-private=own"]).list(&lines);
    let done = pull.under("unshare", ["-rnpf", "--kill-child", "sh", "-c", SCRIPT, "sh"]).run();
    assert_eq!(done.rows.len(), private.len() + 2, "{}", done.stderr);
    for row in &done.rows {
        assert_eq!(row["error_code"], "connect.private", "{row:#?}");
        assert!(row["error_message"].contains("9.9.9.9 is an address of this machine"));
    }
}
