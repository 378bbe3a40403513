//! Options and variables, in the order that counts.

use crate::cli::command::{Command, parse};
use crate::cli::resolve::{Host, Resolved};
use crate::cli::tests::{options, refused};
use crate::config::Config;
use crate::exit::ExitStatus;
use crate::plan::target::{Scheme, Target};
use crate::report::look::Look;
use std::ffi::OsString;

/// The words of a command line, split at spaces.
fn words(line: &str) -> Vec<String> {
    let words = line.split(' ').map(|word| word.trim_matches('\''));
    std::iter::once("ringpull").chain(words).map(str::to_owned).collect()
}

/// What a command line and an environment come to.
fn try_resolve(line: &str, environment: &[(&'static str, &str)]) -> anyhow::Result<Resolved> {
    let argv = words(line);
    let Command::Pull(args) = parse(argv.iter().map(OsString::from))? else { panic!("{line}") };
    let variables = environment.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let proxy_variables = variables.collect();
    let host = Host {
        cpus: vec![0],
        has_bar: false,
        is_stdout_terminal: false,
        look: Look::default(),
        argv,
        proxy_variables,
        task_variables: Vec::new(),
        roots_file: None,
    };
    crate::cli::resolve(&args, &host)
}

fn resolved(line: &str, environment: &[(&'static str, &str)]) -> Resolved {
    try_resolve(line, environment).unwrap_or_else(|error| panic!("{line}: {error:#}"))
}

fn config(line: &str, environment: &[(&'static str, &str)]) -> Config {
    resolved(line, environment).config
}

/// The ways to an http and to an https URL.
fn ways(config: &Config) -> [String; 2] {
    ["http://a.example/", "https://a.example/"].map(|url| {
        let target = Target::parse(url).unwrap();
        let proxy = config.proxies.choose(&target).proxy().map(ToString::to_string);
        proxy.unwrap_or_default().replace("http://", "")
    })
}

#[test]
fn what_was_typed_goes_before_the_environment() {
    let all = [
        ("http_proxy", "h:1"),
        ("https_proxy", "s:2"),
        ("HTTPS_PROXY", "S:3"),
        ("all_proxy", "a:4"),
        ("ALL_PROXY", "A:5"),
    ];
    let ways = |line: &str, from: usize| ways(&config(line, &all[from..]));
    assert_eq!(ways("u", 0), ["h:1", "s:2"]);
    assert_eq!(ways("u", 1), ["a:4", "s:2"]);
    assert_eq!(ways("u", 2), ["a:4", "s:3"]);
    assert_eq!(ways("u", 3), ["a:4", "a:4"]);
    assert_eq!(ways("u", 4), ["a:5", "a:5"]);
    assert_eq!(ways("u", 5), ["", ""]);
    assert_eq!(ways("--proxy t:9 u", 0), ["t:9", "t:9"]);
    assert_eq!(ways("--all-proxy=t:9 u", 0), ["t:9", "t:9"]);
    assert_eq!(ways("--proxy '' u", 0), ["", ""]);
}

#[test]
fn hosts_to_reach_directly() {
    let environment = [("all_proxy", "a:4"), ("no_proxy", "x.example"), ("NO_PROXY", "a.example")];
    let proxy = |line: &str, from: usize| {
        let environment: Vec<_> =
            environment[..1].iter().chain(&environment[from..]).copied().collect();
        ways(&config(line, &environment))[0].clone()
    };
    assert_eq!(proxy("u", 1), "a:4");
    assert_eq!(proxy("u", 2), "");
    assert_eq!(proxy("--noproxy '' u", 2), "a:4");
    assert_eq!(proxy("--noproxy x,example u", 3), "");
    assert_eq!(proxy("--noproxy * u", 1), "");
    assert_eq!(proxy("--proxy t:9 u", 2), "", "the list of the environment counts for both");
}

#[test]
fn a_bad_proxy_is_an_error_that_does_not_repeat_it() {
    for line in [
        "--proxy https://me:SECRET@p:1 u",
        "--proxy http://me:SECRET@p:x u",
        "--proxy socks4://me:SECRET@p u",
        "--proxy http://me:SEC/RET@p:1 u",
        "--proxy p --proxy-user SECRET u",
    ] {
        let error = try_resolve(line, &[]).unwrap_err();
        assert_eq!(ExitStatus::from(&error), ExitStatus::Usage);
        let text = format!("{error:#} {error:?}");
        assert!(text.starts_with("cannot use ") && text.contains("--proxy"), "{text}");
        assert!(!text.contains("SEC") && !text.contains("goes without"), "{text}");
    }
    let error = try_resolve("u", &[("all_proxy", "socks4://me:SECRET@p")]).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("all_proxy") && text.contains("--proxy '' goes without"), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
    // What is not used need not be good.
    let environment = [("http_proxy", "p:1"), ("https_proxy", "p:2"), ("all_proxy", "ftp://x")];
    assert_eq!(ways(&config("u", &environment)), ["p:1", "p:2"]);
    config("--proxy '' u", &[("all_proxy", "ftp://x")]);
}

#[test]
fn the_field_for_the_proxy_is_taken_out_of_the_others() {
    let config =
        config("--proxy p -H X:1 -H proxy-authorization:a -H Proxy-Authorization:b u", &[]);
    assert_eq!(config.request.headers, [("X".to_owned(), "1".to_owned())]);
    assert_eq!(config.proxies.of(Scheme::Http).unwrap().authorization(), Some("b"));
}

#[test]
fn nothing_shows_credentials() {
    let typed = [
        "--proxy http://me:SECRET@p:1 u",
        "--proxy=me:SECRET@p:1 u",
        "--proxy http://me:SEC%2fRET@p:1 u",
        "--proxy socks5://SECRET@p u",
        "--proxy p --proxy-user me:SECRET u",
        "--proxy p -H Proxy-Authorization:SECRET u",
    ];
    for line in typed {
        let config = config(line, &[]);
        let argv = config.argv.join(" ");
        assert!(!argv.contains("SEC") && argv.contains("***"), "{argv}");
        assert!(!format!("{config:?}").contains("SEC"), "{config:?}");
    }
    let args = parse(["ringpull", "--proxy", "http://me:SECRET@p:1", "u"].map(OsString::from));
    assert!(!format!("{:?}", args.unwrap()).contains("SECRET"));
}

#[test]
fn a_run_tells_of_the_environment() {
    let environment = [("http_proxy", "me:SECRET@h:1"), ("all_proxy", "socks5h://a:2")];
    let expected = "the environment sends http URLs through http://h:1 (http_proxy), https URLs \
                    through socks5h://a:2 (all_proxy); --proxy '' goes without";
    let told = |line: &str, environment| resolved(line, environment).notes;
    assert_eq!(told("u", &environment), [expected]);
    for line in ["-q u", "--progress json u", "--proxy '' u", "--proxy p u", "-q -m 5 u"] {
        assert_eq!(told(line, &environment), Vec::<String>::new(), "{line}");
    }
    assert_eq!(told("u", &[]), Vec::<String>::new());
    let told = told("-m 5 u", &[]);
    assert!(told.len() == 1 && told[0].contains("--tries 5"), "{told:?}");
}

#[test]
fn names_of_the_options() {
    for flag in ["--proxy", "--all-proxy"] {
        let args = options(&[flag, "p:1", "--noproxy", "a,b", "--proxy-user", "me:pw"]).proxy;
        let typed = [args.proxy, args.noproxy, args.proxy_user].map(Option::unwrap);
        assert_eq!(typed, ["p:1", "a,b", "me:pw"]);
    }
    let text = refused(&["-x", "http://me:s3cret@p:1", "u"]);
    assert!(text.contains("--proxy URL") && !text.contains("s3cret"), "{text}");
    for flag in ["--http-proxy", "--https-proxy", "--no-proxy", "--socks5", "--socks5-hostname"] {
        let text = refused(&[flag, "u"]);
        assert!(text.contains("proxy") && text.contains("tip:"), "{text}");
    }
}
