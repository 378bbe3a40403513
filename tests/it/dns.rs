//! Name lookups: both families, a fallback between them, a cache, and overrides.

use crate::cmd::Sandbox;
use crate::nameserver::{A, AAAA, Answer, NameServer};
use crate::origin::serve;
use crate::rude::{Plan, ok};
use std::net::{Ipv4Addr, Ipv6Addr};

#[test]
fn one_name_is_asked_for_once_for_a_hundred_urls() {
    let served = serve();
    let names = NameServer::local(&["many.example"]);
    let sandbox = Sandbox::new();
    let url = |n| format!("http://many.example:{}/bytes/10/{n}", served.port());
    let pull = sandbox.pull().args(["--dns-servers", &names.addr().to_string()]);
    pull.list((0..100).map(url)).run().assert_ok(100);
    assert_eq!(names.asked("many.example", A), 1);
    assert!(names.asked("many.example", AAAA) <= 1);
}

#[test]
fn a_name_with_one_family_is_enough() {
    let v4 = serve();
    let names = NameServer::start([
        ("four.example", Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()])),
        ("none.example", Answer::Addresses(Vec::new())),
    ]);
    let sandbox = Sandbox::new();
    let urls = ["four", "none"].map(|name| format!("http://{name}.example:{}/bytes/9", v4.port()));
    let pull = sandbox.pull().args(["--retry", "0", "--dns-servers", &names.addr().to_string()]);
    let done = pull.list(&urls).run();
    assert_eq!(done.row(&urls[0])["status"], "ok");
    assert_eq!(done.row(&urls[0])["remote_ip"], "127.0.0.1");
    assert_eq!(done.fault(&urls[1]), "resolve.not_found", "no record is no address");
    let message = &done.row(&urls[1])["error_message"];
    assert_eq!(message, "the host name does not exist: it has no address");
}

#[test]
fn the_other_family_is_tried_when_one_does_not_answer() {
    // The origin listens on IPv4 only, so ::1 refuses there (or has no route where IPv6 is off).
    let served = serve();
    let both = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
    let names = NameServer::start([("both.example", Answer::Addresses(both))]);
    let sandbox = Sandbox::new();
    let url = format!("http://both.example:{}/bytes/9/x", served.port());
    let pull = sandbox.pull().args(["--retry", "0", "--dns-servers", &names.addr().to_string()]);
    let done = pull.args([&url]).run();
    done.assert_ok(1);
    assert_eq!(done.row(&url)["remote_ip"], "127.0.0.1");
    assert_eq!(done.row(&url)["num_retries"], "0", "the other family is no attempt");
    assert_eq!(names.asked("both.example", AAAA), 1);
}

#[test]
fn a_second_address_is_tried_when_the_first_refuses() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    // 127.0.0.2 is this machine as well, and nobody listens there at the server's port.
    let over = format!("two.example:{}:127.0.0.2,127.0.0.1", server.port());
    let url = server.url_at("two.example", "/a");
    let done = sandbox.pull().args(["--retry", "0", "--resolve", &over, &url]).run();
    done.assert_ok(1);
    assert_eq!(done.row(&url)["remote_ip"], "127.0.0.1");
}

#[test]
fn an_override_asks_nobody_and_holds_for_its_port_only() {
    let names = NameServer::local(&[]);
    let server = Plan::new().otherwise(ok(b"x")).start();
    let other = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let urls = [server.url_at("over.example", "/a"), other.url_at("over.example", "/b")];
    let pull = sandbox.pull().args(["--dns-servers", &names.addr().to_string()]);
    let done =
        pull.args(["--retry", "0", "--resolve", &server.resolve("over.example")]).list(&urls);
    let done = done.run();
    assert_eq!(done.row(&urls[0])["status"], "ok");
    assert_eq!(done.fault(&urls[1]), "resolve.not_found");
    assert_eq!(done.row(&urls[1])["error_message"], "the host name does not exist");
    assert!(server.heads("/a")[0].contains(&format!("over.example:{}", server.port())));
    assert_eq!(names.asked("over.example", A), 1, "asked for the port without an override");
}
