//! Every flag through [`parse`], the traps of other programs, and the help text as a snapshot.

use super::*;
use crate::config::ReportFormat;

fn try_parse(line: &[&str]) -> Result<Command, clap::Error> {
    let words = std::iter::once("ringpull").chain(line.iter().copied()).map(OsString::from);
    parse(words)
}

fn pull(line: &[&str]) -> PullArgs {
    match try_parse(line) {
        Ok(Command::Pull(args)) => *args,
        Ok(other) => panic!("{line:?} became {other:?}"),
        Err(error) => panic!("{line:?}: {error}"),
    }
}

/// The options alone: a URL is added.
fn options(line: &[&str]) -> PullArgs {
    let mut line = line.to_vec();
    line.push("http://h/");
    let args = pull(&line);
    assert_eq!(args.urls, ["http://h/"], "{line:?}");
    args
}

fn refusal(line: &[&str]) -> String {
    let error = try_parse(line).expect_err("should be refused");
    assert!(error.use_stderr(), "{line:?}");
    assert_eq!(error.exit_code(), 2, "{line:?}");
    error.to_string()
}

#[test]
fn clap_finds_no_contradiction() {
    command().debug_assert();
}

#[test]
fn input_and_output() {
    let args = pull(&["-i", "a.txt", "--input-file=b.txt", "--url-list", "-", "--lookahead", "9"]);
    assert_eq!(args.input.files, [PathBuf::from("a.txt"), "b.txt".into(), "-".into()]);
    assert_eq!(args.input.lookahead, Some(9));

    for flag in ["-d", "-P", "--dir", "--directory-prefix", "--output-dir", "--output-folder"] {
        assert_eq!(options(&[flag, "out"]).output.dir, PathBuf::from("out"), "{flag}");
    }
    for flag in ["-o", "--output", "--out"] {
        assert_eq!(options(&[flag, "-"]).output.output, Some(OutputName::Stdout), "{flag}");
        let path = Some(OutputName::Path("--".to_owned()));
        assert_eq!(options(&[&format!("{flag}=--")]).output.output, path, "{flag}");
    }
    let args = options(&["--name-template", "{seq:06}-{name}"]);
    assert_eq!(args.output.name_template.as_deref(), Some("{seq:06}-{name}"));
    for (word, value) in [
        ("overwrite", OnConflictArg::Overwrite),
        ("skip", OnConflictArg::Skip),
        ("rename", OnConflictArg::Rename),
        ("error", OnConflictArg::Error),
    ] {
        assert_eq!(options(&["--on-conflict", word]).output.on_conflict, value);
    }
}

#[test]
fn concurrency() {
    for flag in [
        "-j",
        "--max-concurrent-downloads",
        "--parallel-max",
        "--max-concurrent-files",
        "--transfers",
    ] {
        assert_eq!(options(&[flag, "7"]).concurrency.max_concurrent_downloads, 7, "{flag}");
    }
    for flag in [
        "-x",
        "--max-connections-per-host",
        "--max-connection-per-server",
        "--parallel-max-host",
        "--max-conn-per-host",
    ] {
        assert_eq!(options(&[flag, "7"]).concurrency.max_connections_per_host, Some(7), "{flag}");
    }
    assert_eq!(options(&["--threads", "2"]).concurrency.threads, Some(2));
    assert_eq!(options(&["--cpus", "3,0-1"]).concurrency.cpus, Some(CpuList(vec![0, 1, 3])));
    assert!(refusal(&["-j", "0", "u"]).contains("must be at least 1"));
}

#[test]
fn proxies() {
    for flag in ["--proxy", "--all-proxy"] {
        let args = options(&[flag, "p:1", "--noproxy", "a,b", "--proxy-user", "me:pw"]).proxy;
        let typed = [args.proxy, args.noproxy, args.proxy_user].map(Option::unwrap);
        assert_eq!(typed, ["p:1", "a,b", "me:pw"]);
    }
    let text = refusal(&["-x", "http://me:s3cret@p:1", "u"]);
    assert!(text.contains("--proxy URL") && !text.contains("s3cret"), "{text}");
    for flag in ["--http-proxy", "--https-proxy", "--no-proxy", "--socks5", "--socks5-hostname"] {
        let text = refusal(&[flag, "u"]);
        assert!(text.contains("proxy") && text.contains("tip:"), "{text}");
    }
}

#[test]
fn http_and_tls() {
    let args = options(&["-H", "A: 1", "--header", "B: 2", "-H", "@f"]);
    let [HeaderArg::Field { name, value }, _, HeaderArg::File(file)] = &args.http.headers[..]
    else {
        panic!("{:?}", args.http.headers);
    };
    assert_eq!((name.as_str(), value.as_str(), file.to_str()), ("A", "1", Some("f")));
    for flag in ["-A", "-U", "--user-agent"] {
        assert_eq!(options(&[flag, ""]).http.user_agent.as_deref(), Some(""), "{flag}");
    }
    for flag in ["-e", "--referer"] {
        assert_eq!(options(&[flag, "http://r/"]).http.referer.as_deref(), Some("http://r/"));
    }
    for flag in ["-u", "--user"] {
        assert_eq!(options(&[flag, "me:pw"]).http.users, ["me:pw"]);
    }
    for flag in ["-n", "--netrc"] {
        assert!(options(&[flag]).http.netrc, "{flag}");
    }
    for flag in ["--netrc-file", "--netrc-path"] {
        assert!(options(&[flag, "f"]).http.netrc_file.is_some(), "{flag}");
    }
    for flag in ["--max-redirs", "--max-redirect"] {
        assert_eq!(options(&[flag, "0"]).http.max_redirs, 0);
    }
    assert!(options(&["--allow-downgrade"]).http.allow_downgrade);
    for flag in ["--cacert", "--ca-certificate"] {
        assert_eq!(options(&[flag, "a", flag, "b"]).tls.ca_files.len(), 2);
    }
    for flag in ["--insecure", "--no-check-certificate", "--check-certificate=false"] {
        assert!(options(&[flag]).tls.insecure, "{flag}");
    }
    assert!(!options(&["--check-certificate=true"]).tls.insecure);
    assert!(!options(&[]).tls.insecure);
}

#[test]
fn dns() {
    let args = options(&["--dns-servers", "9.9.9.9,[::1]:54", "--dns-servers=1.1.1.1"]);
    let servers: Vec<_> = args.dns.dns_servers.iter().map(SocketAddr::to_string).collect();
    assert_eq!(servers, ["9.9.9.9:53", "[::1]:54", "1.1.1.1:53"]);
    let args = options(&["--resolve", "h:80:127.0.0.1,[::1]", "--resolve", "*:443:127.0.0.1"]);
    assert_eq!(args.dns.resolve.len(), 2);
    assert_eq!(args.dns.resolve[0].addresses.len(), 2);
    for flag in ["-4", "--ipv4"] {
        assert!(options(&[flag]).dns.ipv4, "{flag}");
    }
    for flag in ["-6", "--ipv6"] {
        assert!(options(&[flag]).dns.ipv6, "{flag}");
    }
    refusal(&["-4", "-6", "u"]);
}

#[test]
fn patience() {
    let args = options(&["--connect-timeout", "1.5", "--read-timeout", "500ms", "-m", "2m"]);
    assert_eq!(args.patience.connect_timeout, Some(Millis(1_500)));
    assert_eq!(args.patience.read_timeout, Some(Millis(500)));
    assert_eq!(args.patience.max_time, Millis(120_000));
    for flag in ["-T", "--timeout"] {
        assert_eq!(options(&[flag, "3"]).patience.timeout, Some(Millis(3_000)));
    }
    assert_eq!(options(&["--max-time", "1h"]).patience.max_time, Millis(3_600_000));
    assert_eq!(options(&["--retry", "0"]).patience.retry, 0);
    for flag in ["--tries", "--max-tries"] {
        assert_eq!(options(&[flag, "4"]).patience.tries, Some(4), "{flag}");
    }
    for flag in ["--retry-delay", "--retry-wait", "--waitretry"] {
        assert_eq!(options(&[flag, "0"]).patience.retry_delay, Millis(0), "{flag}");
    }
    assert_eq!(options(&["--retry-after-max", "9"]).patience.retry_after_max, Millis(9_000));
    assert_eq!(options(&["--grace", "0"]).patience.grace, Millis(0));
    refusal(&["--retry", "1", "--tries", "2", "u"]);
    assert!(refusal(&["--max-time", "0", "u"]).contains("a deadline is always on"));
}

#[test]
fn report_and_kernel() {
    let report = options(&["--report", "R.csv"]).report.report.unwrap();
    assert_eq!((report.path, report.format), (PathBuf::from("R.csv"), Some(ReportFormat::Csv)));
    assert!(refusal(&["--report-format", "csv", "u"]).contains("--report"));
    assert_eq!(options(&["--stats", "s.json"]).report.stats, Some(PathBuf::from("s.json")));
    for (word, value) in [
        ("bar", ProgressArg::Bar),
        ("plain", ProgressArg::Plain),
        ("json", ProgressArg::Json),
        ("none", ProgressArg::None),
    ] {
        assert_eq!(options(&["--progress", word]).report.progress, Some(value));
    }
    assert!(options(&["-q"]).report.quiet && options(&["--quiet"]).report.quiet);
    for (word, value) in [
        ("auto", FileOpsArg::Auto),
        ("sync", FileOpsArg::Sync),
        ("ring", FileOpsArg::Ring),
        ("chain", FileOpsArg::Chain),
    ] {
        assert_eq!(options(&["--file-ops", word]).kernel.file_ops, value);
    }
}

#[test]
fn habits_that_change_nothing() {
    options(&["-L", "-f", "--location", "--fail"]);
    options(&["-fL"]);
    // The last word wins, so that an alias of the shell can be overruled.
    assert_eq!(options(&["-j", "1", "-j", "2"]).concurrency.max_concurrent_downloads, 2);
}

#[test]
fn flags_with_true_and_false() {
    assert!(options(&["--quiet=true"]).report.quiet);
    assert!(!options(&["--quiet=false"]).report.quiet);
    assert!(options(&["--skip-existing=true"]).output.no_clobber);
    assert!(!options(&["--insecure=false"]).tls.insecure);
    refusal(&["--quiet=perhaps", "u"]);
    assert_eq!(pull(&["--", "--quiet=true"]).urls, ["--quiet=true"]);
}

#[test]
fn wgets_two_letter_flags_are_no_bundles() {
    assert!(options(&["-nc"]).output.no_clobber);
    assert!(options(&["--no-clobber"]).output.no_clobber);
    for flag in ["-nv", "-nd", "-nH"] {
        let text = refusal(&[flag, "u"]);
        assert!(text.contains(flag) && text.contains("wget"), "{text}");
    }
    refusal(&["-nc", "--on-conflict", "rename", "u"]);
    assert_eq!(pull(&["--", "-nc"]).urls, ["-nc"]);
}

#[test]
fn a_flag_that_nobody_knows_gets_no_tip() {
    // It is not meant as a URL.
    for flag in ["--zzz", "-?"] {
        let text = refusal(&[flag, "http://h/"]);
        assert!(text.contains(flag) && !text.contains("tip:"), "{flag}: {text}");
    }
}

#[test]
fn a_refused_value_that_is_a_secret_is_not_shown() {
    for line in [
        &["-uSECRET", "u"][..],
        &["--user", "me:SECRET\n", "u"],
        &["-H", "Cookie SECRET", "u"],
        &["--header=Cookie: SECRET\r\nA: b", "u"],
        &["-qHSECRET", "u"],
        &["--usr=me:SECRET", "u"],
    ] {
        let text = refusal(line);
        assert!(!text.contains("SECRET"), "{text}");
    }
    assert!(refusal(&["-umeSECRET", "u"]).contains("write user:password"));
    assert!(refusal(&["--retry", "few", "u"]).contains("few"));
}

#[test]
fn an_unknown_flag_is_named_with_the_nearest_known_one() {
    let text = refusal(&["--max-tim", "1", "http://h/"]);
    assert!(text.contains("unexpected argument '--max-tim' found"), "{text}");
    assert!(text.contains("'--max-time'"), "{text}");
}

#[test]
fn underscores_of_flags_are_dashes() {
    let args = pull(&["--url_list=a_b", "--input_file", "c_d", "--no_clobber", "e_f"]);
    assert_eq!(args.input.files, [PathBuf::from("a_b"), PathBuf::from("c_d")]);
    assert!(args.output.no_clobber);
    assert_eq!(args.urls, ["e_f"]);
    assert_eq!(pull(&["--", "--url_list"]).urls, ["--url_list"]);
    assert!(refusal(&["--no_such_flag", "u"]).contains("--no_such_flag"));
    assert!(refusal(&["--input-format", "parquet", "u"]).contains("Parquet is not read"));
}

#[test]
fn nothing_to_pull_says_what_to_give() {
    let text = refusal(&[]);
    assert!(text.contains("give URLs, -i FILE"), "{text}");
    refusal(&["-d", "x"]);
}

#[test]
fn origin_is_a_command_only_as_the_first_word() {
    let Ok(Command::Origin(args)) = try_parse(&["origin", "--dir", "d", "--http-addr", "[::1]:0"])
    else {
        panic!("no origin");
    };
    assert_eq!((args.dir, args.http_addr.to_string()), (PathBuf::from("d"), "[::1]:0".to_owned()));
    assert!(!args.no_tls);
    assert!(matches!(try_parse(&["origin", "--no-tls"]), Ok(Command::Origin(_))));
    assert_eq!(pull(&["http://h/", "origin"]).urls, ["http://h/", "origin"]);
    assert_eq!(pull(&["--", "origin"]).urls, ["origin"]);
    assert_eq!(pull(&["-i", "origin"]).input.files, [PathBuf::from("origin")]);
    refusal(&["origin", "http://h/"]);
    refusal(&["origin", "--no-tls", "--https-addr", "127.0.0.1:0"]);
}

#[test]
fn help_is_a_command_too() {
    let topic = |line: &[&str]| match try_parse(line) {
        Ok(Command::Help(args)) => args.topic.map(|topic| topic.name),
        other => panic!("{line:?}: {other:?}"),
    };
    assert_eq!(topic(&["help"]), None);
    assert_eq!(topic(&["help", "exit"]), Some("exit"));
    let text = refusal(&["help", "exot"]);
    assert!(text.contains("did you mean 'exit'") && text.contains("Topics: lists"), "{text}");
    refusal(&["help", "exit", "exit"]);
    refusal(&["help", "-q"]);
    assert_eq!(pull(&["-q", "help"]).urls, ["help"]);
    assert_eq!(pull(&["http://h/", "help"]).urls, ["http://h/", "help"]);
    assert_eq!(pull(&["-i", "help"]).input.files, [PathBuf::from("help")]);
}

#[test]
fn help_and_version_are_no_failures() {
    for line in [["-h"], ["--help"], ["-V"], ["--version"]] {
        let error = try_parse(&line).expect_err("clap hands them back as errors");
        assert!(!error.use_stderr() && error.exit_code() == 0, "{line:?}");
    }
    let version = try_parse(&["--version"]).unwrap_err().to_string();
    assert_eq!(version, format!("ringpull {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn defaults_written_as_text_are_those_of_limits() {
    let help = help().split_whitespace().collect::<Vec<_>>().join(" ");
    for default_ms in [limits::TIMEOUT_CONNECT_DEFAULT_MS, limits::TIMEOUT_READ_DEFAULT_MS] {
        let text = format!("[default: {}]", Millis(default_ms));
        assert!(help.contains(&text), "{text} is not in the help");
    }
}

/// After a change that is meant: `COLUMNS=100 ringpull --help >tests/snapshots/help.txt`.
#[test]
fn the_help_text_is_the_one_that_was_reviewed() {
    let reviewed = include_str!("../../../tests/snapshots/help.txt");
    let actual = help();
    for (number, (actual, reviewed)) in actual.lines().zip(reviewed.lines()).enumerate() {
        assert_eq!(actual, reviewed, "tests/snapshots/help.txt line {}", number + 1);
    }
    assert_eq!(actual.lines().count(), reviewed.lines().count());
}

fn help() -> String {
    let command = command().term_width(100);
    command.try_get_matches_from(["ringpull", "--help"]).unwrap_err().to_string()
}
