//! What was typed, on a made-up machine, to the configuration or the refusal.

use super::*;
use crate::cli::ExitCode;
use crate::cli::args::{Command, parse};
use crate::config::{InputConfig, InputFormat, Outlet, OwnFiles, PerHost, ReportFormat};
use std::ffi::OsString;

fn typed(line: &[&str]) -> Command {
    let words = std::iter::once("ringpull").chain(line.iter().copied()).map(OsString::from);
    parse(words).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

fn try_resolve(line: &[&str]) -> anyhow::Result<Config> {
    let Command::Pull(args) = typed(line) else { panic!("{line:?} pulls nothing") };
    resolve(
        &args,
        &Host {
            cpus: vec![0, 1, 2, 5],
            is_stderr_terminal: false,
            argv: Vec::new(),
            proxy_variables: Vec::new(),
            task_variables: Vec::new(),
            roots_file: None,
        },
    )
}

fn config(line: &[&str]) -> Config {
    try_resolve(line).unwrap_or_else(|error| panic!("{line:?}: {error:#}"))
}

fn refusal(line: &[&str]) -> String {
    let error = try_resolve(line).expect_err("should be refused");
    assert_eq!(ExitCode::from(&error), ExitCode::Usage, "{line:?}");
    let text = format!("{error:#}");
    assert!(text.starts_with("cannot "), "{text}");
    text
}

/// A list that exists, and its directory.
fn list() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("urls.txt");
    fs::write(&path, "http://h/\n").unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn without_options_it_is_the_default_configuration() {
    let expected = Config {
        inputs: vec![Input::Urls(vec!["http://h/".to_owned()])],
        cpus: vec![0, 1, 2, 5],
        own_files: OwnFiles { files: vec!["/proc/self/fd/2".into()], list_folders: Vec::new() },
        ..Config::default()
    };
    assert_eq!(config(&["http://h/"]), expected);
}

#[test]
fn lists_come_before_urls_and_a_dash_is_standard_input() {
    let (_dir, list) = list();
    let urls = |urls: &[&str]| Input::Urls(urls.iter().map(|&url| url.to_owned()).collect());
    let config = config(&["u1", "-", "u2", "u3", "-i", &list]);
    let expected = [Input::File(list.into()), urls(&["u1"]), Input::Stdin, urls(&["u2", "u3"])];
    assert_eq!(config.inputs, expected);
    assert!(refusal(&["-", "-i", "-"]).contains("twice"));
}

#[test]
fn a_list_that_cannot_be_read_is_found_before_the_run() {
    let (dir, _list) = list();
    let missing = dir.path().join("missing");
    let text = refusal(&["-i", missing.to_str().unwrap()]);
    assert!(text.contains("cannot read the list") && text.contains("No such file"), "{text}");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let text = refusal(&["-i", empty.to_str().unwrap()]);
    assert!(text.contains("there is no list in it"), "{text}");
}

#[test]
fn a_folder_is_the_files_in_it_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b", "a", "B", ".hidden", "c.csv.gz"] {
        fs::write(dir.path().join(name), b"").unwrap();
    }
    fs::create_dir(dir.path().join("within")).unwrap();
    let config = config(&["-i", dir.path().to_str().unwrap(), "u"]);
    let file = |name: &str| Input::File(dir.path().join(name));
    let urls = Input::Urls(vec!["u".to_owned()]);
    let expected = [file("B"), file("a"), file("b"), file("c.csv.gz"), urls];
    assert_eq!(config.inputs, expected);
}

#[test]
fn the_format_of_lists_has_the_words_of_others() {
    for (word, format) in [
        ("txt", InputFormat::Text),
        ("aria2", InputFormat::Text),
        ("CSV", InputFormat::Csv),
        ("tsv.gz", InputFormat::Tsv),
        ("json", InputFormat::JsonLines),
        ("jsonl.gz", InputFormat::JsonLines),
    ] {
        let config = config(&["--input_format", word, "--url_col=link", "u"]);
        assert_eq!(config.input.format, Some(format), "{word}");
        assert_eq!(config.input.columns.url.as_deref(), Some("link"));
    }
    assert_eq!(config(&["u"]).input, InputConfig::default());
}

#[test]
fn one_name_is_for_one_url() {
    let (_dir, list) = list();
    let place = |words: &[&str]| {
        let config = config(words);
        (config.dir.display().to_string(), config.destination)
    };
    for (words, dir, name) in [
        (&["-o", "a", "u"][..], ".", "a"),
        (&["-o", ".hidden", "-d", "x", "u"], "x", ".hidden"),
        (&["-o", "a/b/c", "-d", "x", "u"], "x/a/b", "c"),
        (&["-o", "/a/c", "-d", "x", "u"], "/a", "c"),
        (&["-o", "/c", "u"], "/", "c"),
        (&["-o", "../c", "u"], "./..", "c"),
    ] {
        let file = Destination::File(name.to_owned());
        assert_eq!(place(words), (dir.to_owned(), file), "{words:?}");
    }
    assert_eq!(place(&["-o", "-", "u"]), (".".to_owned(), Destination::Stdout));
    assert_eq!(place(&["-o", "./-", "u"]), ("./.".to_owned(), Destination::File("-".to_owned())));
    for bad in ["a/", "..", ".", "a/.."] {
        let problem = refusal(&["-o", bad, "u"]);
        assert!(problem.contains("names no file"), "{bad}: {problem}");
    }
    for line in [&["-o", "a", "u", "v"][..], &["-o", "a", "-i", &list], &["-o", "a", "-"]] {
        assert!(refusal(line).contains("--name-template"));
    }
}

#[test]
fn a_template_is_checked() {
    let template = "{seq:06}-{name}";
    let config = config(&["--name-template", template, "u"]);
    assert_eq!(config.name_template.as_deref(), Some(template));
    assert!(refusal(&["--name-template", "{name", "u"]).contains("'{name'"));
}

#[test]
fn written_files_overwrite_neither_each_other_nor_a_list() {
    let (dir, list) = list();
    assert!(refusal(&["--report", "a.csv", "--stats", "a.csv", "u"]).contains("same file"));
    assert!(refusal(&["--stats", &list, "-i", &list]).contains("over the list"));

    let csv = dir.path().join("list.csv");
    fs::write(&csv, "").unwrap();
    let detour = dir.path().join(".").join("list.csv");
    let (csv, detour) = (csv.to_str().unwrap(), detour.to_str().unwrap());
    assert!(refusal(&["--report", detour, "-i", csv]).contains("over the list"));
    config(&["--report", csv, "-i", &list]);
    // Another name of the same file, and files of other options.
    let link = dir.path().join("link.csv");
    fs::hard_link(&list, &link).unwrap();
    let link = link.to_str().unwrap();
    assert!(refusal(&["--report", link, "-i", &list]).contains("over the list"));
    for flag in ["--netrc-file", "--cacert", "--cert", "--pinnedpubkey"] {
        let refusal = refusal(&["--report", csv, flag, csv, "u"]);
        assert!(refusal.contains(&format!("of {flag}: give another file")), "{refusal}");
    }
    assert!(refusal(&["--stats", csv, "-H", &format!("@{csv}"), "u"]).contains("of -H"));
    let form = format!("@{csv}");
    assert!(refusal(&["--report", csv, "-w", &form, "u"]).contains("of -w: give another"));
}

#[test]
fn what_o_names_is_nothing_that_the_run_needs() {
    let (dir, _list) = list();
    let own = dir.path().join("own.csv");
    fs::write(&own, "A: 1\n").unwrap();
    fs::hard_link(&own, dir.path().join("hard")).unwrap();
    let (own, dir) = (own.to_str().unwrap(), dir.path().to_str().unwrap());
    let fields = format!("@{own}");
    for (flag, value) in [("-H", &*fields), ("--cacert", own), ("--report", own), ("--stats", own)]
    {
        for name in ["own.csv", "hard"] {
            let refusal = refusal(&["-d", dir, "-o", name, flag, value, "u"]);
            let is_named = refusal.contains("-o") && refusal.contains(flag);
            assert!(is_named && refusal.contains("give another"), "{refusal}");
        }
    }
    config(&["-d", dir, "-o", "other", "-H", &fields, "u"]);
}

#[test]
fn what_is_no_file_is_written_into() {
    let (dir, _list) = list();
    let null = dir.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &null).unwrap();
    let dir = dir.path().to_str().unwrap();
    let destination = |words: &[&str]| config(&[words, &["-d", dir, "u"]].concat()).destination;
    let device = Destination::Device { name: "null".to_owned(), outlet: Outlet::Path(null) };
    assert_eq!(destination(&["-o", "null"]), device);
    assert_eq!(destination(&["-o", "-"]), Destination::Stdout);
    assert_eq!(destination(&["-o", "-"]).outlet(), Some(&Outlet::Descriptor(1)));
    assert_eq!(destination(&["-o", "new"]), Destination::File("new".to_owned()));
    assert_eq!(destination(&[]), Destination::Files);
}

#[test]
fn the_format_of_a_report() {
    let file = |words: &[&str]| config(&[words, &["u"]].concat()).report.unwrap().format;
    assert_eq!(file(&["--report", "r.csv"]), ReportFormat::Csv);
    assert_eq!(file(&["--report", "r.txt", "--report-format", "jsonl"]), ReportFormat::JsonLines);
    assert_eq!(file(&["--report", "r.csv", "--report-format", "csv"]), ReportFormat::Csv);
    let text = refusal(&["--report", "R.txt", "u"]);
    assert!(text.contains(".csv or .jsonl") && text.contains("--report-format"), "{text}");
    let text = refusal(&["--report", "r.csv", "--report-format", "jsonl", "u"]);
    assert!(text.contains("than its name says"), "{text}");

    let printed = config(&["--report", "-", "u"]);
    assert_eq!((printed.report, printed.watch.rows), (None, Some(ReportFormat::Csv)));
    let printed = config(&["--report", "-", "--report-format", "jsonl", "--fresh", "u"]);
    assert_eq!(printed.watch.rows, Some(ReportFormat::JsonLines));
    for (words, wanted) in [
        (&["-o", "-", "u"][..], "both --report - and -o -"),
        (&["-w", "%{url}", "u"], "both --report - and -w"),
        (&["--retry-failed=all", "u"], "cannot use --retry-failed with --report -"),
        (&["--verify"], "cannot use --verify with --report -"),
    ] {
        let text = refusal(&[&["--report", "-"], words].concat());
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn cpus_are_permitted_ones() {
    assert_eq!(config(&["--cpus", "1-2,5", "u"]).cpus, [1, 2, 5]);
    assert_eq!(config(&["--cpus", "1-2,5", "--threads", "2", "u"]).cpus, [1, 2]);
    assert_eq!(config(&["--threads", "4", "u"]).cpus, [0, 1, 2, 5]);
    let text = refusal(&["--cpus", "1,3", "u"]);
    assert!(text.contains("CPU 3") && text.contains("permitted 0-2,5"), "{text}");
    let text = refusal(&["--threads", "5", "u"]);
    assert!(text.contains("0-2,5") && text.contains("-j"), "{text}");
    refusal(&["--cpus", "1-2", "--threads", "3", "u"]);
}

#[test]
fn the_real_machine_has_a_cpu() {
    let host = Host::ask(&[]).unwrap();
    assert!(!host.cpus.is_empty() && host.cpus.is_sorted());
}

#[test]
fn conflicts() {
    for (line, on_conflict) in [
        (&["u"][..], OnConflict::Overwrite),
        (&["-nc", "u"], OnConflict::Skip),
        (&["--on-conflict", "skip", "u"], OnConflict::Skip),
        (&["--on-conflict", "rename", "u"], OnConflict::Rename),
        (&["--on-conflict", "error", "u"], OnConflict::Error),
        (&["--on-conflict", "overwrite", "u"], OnConflict::Overwrite),
    ] {
        assert_eq!(config(line).on_conflict, on_conflict, "{line:?}");
    }
}

#[test]
fn fields_of_requests() {
    let (dir, _list) = list();
    let fields = dir.path().join("fields");
    fs::write(&fields, "A: 1\r\n\nB:\n").unwrap();
    let at_file = format!("@{}", fields.to_str().unwrap());
    let request =
        config(&["-H", "Z: 0", "-H", &at_file, "--referer", "r", "-u", "a:b", "u"]).request;
    let expected = [("Z", "0"), ("A", "1"), ("B", "")];
    assert_eq!(request.headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(
        (request.referer.as_deref(), request.basic_auth.as_deref()),
        (Some("r"), Some("a:b"))
    );
    assert_eq!(config(&["-A", "", "u"]).request.user_agent, "");

    fs::write(&fields, "A: 1\nwrong\n").unwrap();
    assert!(refusal(&["-H", &at_file, "u"]).contains("line 2"));
    assert!(refusal(&["-H", "@/nonexistent/fields", "u"]).contains("No such file"));
}

#[test]
fn deadlines() {
    let of = |line: &[&str]| {
        let timeouts = config(line).timeouts;
        (timeouts.connect_ms, timeouts.read_ms, timeouts.job_ms)
    };
    let job_ms = limits::TIMEOUT_JOB_DEFAULT_MS;
    assert_eq!(of(&["-T", "3", "u"]), (3_000, 3_000, job_ms));
    assert_eq!(of(&["-T", "3", "--read-timeout", "4", "u"]), (3_000, 4_000, job_ms));
    assert_eq!(
        of(&["--connect-timeout", "1", "-m", "2", "u"]),
        (1_000, limits::TIMEOUT_READ_DEFAULT_MS, 2_000)
    );
    assert_eq!(config(&["--grace", "1.5", "u"]).grace_ms, 1_500);
}

#[test]
fn tries_count_the_first_attempt() {
    for (line, retries_max) in [
        (&["u"][..], limits::RETRIES_DEFAULT),
        (&["--retry", "5", "u"], 5),
        (&["--tries", "5", "u"], 4),
        (&["--tries", "1", "u"], 0),
        (&["--max-tries", "0", "u"], u32::MAX),
    ] {
        assert_eq!(config(line).retry.retries_max, retries_max, "{line:?}");
    }
    let retry = config(&["--retry-delay", "2m", "--retry-after-max", "1h", "u"]).retry;
    assert_eq!((retry.delay_base_ms, retry.delay_max_ms), (120_000, 120_000));
    assert_eq!(retry.retry_after_max_ms, 3_600_000);
}

#[test]
fn look_ups() {
    let dns = |line: &[&str]| config(&[line, &["u"]].concat()).dns;
    let default = DnsConfig::default();
    assert_eq!(dns(&[]), default);
    assert_eq!(dns(&["--dns-concurrency", "7"]).concurrency, 7);
    assert_eq!(dns(&["--dns-cache-preload", "f"]).cache.as_deref(), Some(Path::new("f")));
    let timeout = |line: &[&str]| dns(line).timeout_ms;
    assert_eq!(timeout(&["--dns-timeout", "3s"]), 3_000);
    assert_eq!(timeout(&["--connect-timeout", "3s"]), 3_000, "as it was before the flag");
    assert_eq!(timeout(&["-T", "4s"]), 4_000);
    assert_eq!(timeout(&["-T", "4s", "--dns-timeout", "1m"]), 60_000);
    assert_eq!(timeout(&["-m", "2s"]), 2_000, "no job has longer");
}

#[test]
fn families() {
    assert_eq!(config(&["-4", "u"]).dns.family, Family::V4);
    assert_eq!(config(&["-6", "u"]).dns.family, Family::V6);
    assert_eq!(config(&["u"]).dns.family, Family::Any);
}

#[test]
fn what_passes_through() {
    let config = config(&[
        "-d",
        "D",
        "-j",
        "3",
        "-x",
        "2",
        "--lookahead",
        "4",
        "--max-redirs",
        "1",
        "--allow-downgrade",
        "--insecure",
        "--cacert",
        "c.pem",
        "--dns-servers",
        "1.1.1.1",
        "--resolve",
        "h:1:1.1.1.1",
        "--file-ops",
        "chain",
        "--stats",
        "s",
        "--report",
        "r.jsonl",
        "u",
    ]);
    assert_eq!(config.dir, Path::new("D"));
    assert_eq!(
        (config.in_flight_max, config.per_host, config.lookahead_max),
        (3, PerHost::AtMost(2), 4)
    );
    assert_eq!((config.redirects_max, config.allow_downgrade), (1, true));
    assert_eq!((config.tls.insecure, config.tls.ca_files.len()), (true, 1));
    assert_eq!((config.dns.servers.len(), config.dns.overrides.len()), (1, 1));
    assert_eq!(config.file_ops, FileOps::Chain);
    assert!(config.stats.is_some() && config.report.is_some());
    assert_eq!(warnings(&config).len(), 1);
    assert!(warnings(&Config::default()).is_empty());
}

#[test]
fn file_operations() {
    for (word, value) in [("auto", FileOps::Auto), ("sync", FileOps::Sync), ("ring", FileOps::Ring)]
    {
        assert_eq!(config(&["--file-ops", word, "u"]).file_ops, value);
    }
}

#[test]
fn a_bar_is_for_a_terminal_without_quiet() {
    let progress = |line: &[&str], is_stderr_terminal| {
        let Command::Pull(args) = typed(line) else { panic!("{line:?} pulls nothing") };
        let config = resolve(
            &args,
            &Host {
                cpus: vec![0],
                is_stderr_terminal,
                argv: Vec::new(),
                proxy_variables: Vec::new(),
                task_variables: Vec::new(),
                roots_file: None,
            },
        )
        .unwrap();
        (config.progress, config.summary)
    };
    assert_eq!(progress(&["u"], true), (ProgressMode::Bar, true));
    assert_eq!(progress(&["u"], false), (ProgressMode::None, true));
    assert_eq!(progress(&["-q", "u"], true), (ProgressMode::None, false));
    assert_eq!(progress(&["-q", "--progress", "json", "u"], true), (ProgressMode::Json, false));
    assert_eq!(progress(&["--progress", "plain", "u"], true), (ProgressMode::Plain, true));
    assert_eq!(progress(&["--progress", "bar", "u"], false), (ProgressMode::Bar, true));
    assert_eq!(progress(&["--progress", "none", "u"], true), (ProgressMode::None, true));
}

#[test]
fn origin_has_one_address() {
    let origin = |line: &[&str]| {
        let Command::Origin(args) = typed(line) else { panic!("{line:?} is no origin") };
        resolve_origin(&args)
    };
    let config = origin(&["origin", "--dir", "d"]).unwrap();
    assert_eq!((config.addr.to_string().as_str(), config.http_port), ("127.0.0.1", 0));
    assert_eq!((config.https_port, config.dir.as_path()), (Some(0), Path::new("d")));
    assert_eq!(origin(&["origin", "--no-tls"]).unwrap().https_port, None);
    assert!(origin(&["origin", "--http-addr", "[::1]:0"]).is_err());
    assert!(origin(&["origin", "--no-tls", "--http-addr", "[::1]:0"]).is_ok());
}

#[test]
fn the_shown_command_line_has_no_secrets() {
    let argv = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let Command::Pull(args) = typed(&words) else { panic!("{line} pulls nothing") };
        let argv = std::iter::once("ringpull").chain(words).map(str::to_owned).collect();
        let host = Host {
            cpus: vec![0],
            is_stderr_terminal: false,
            argv,
            proxy_variables: Vec::new(),
            task_variables: Vec::new(),
            roots_file: None,
        };
        resolve(&args, &host).unwrap().argv.join(" ")
    };
    let cases = [
        ("-u me:SECRET http://a/", "ringpull -u *** http://a/"),
        ("-qume:SECRET http://a/", "ringpull -qu*** http://a/"),
        ("--user=me:SECRET http://a/", "ringpull --user=*** http://a/"),
        ("-qHX-Key:SECRET http://a/", "ringpull -qHX-Key:*** http://a/"),
        ("http://me:SECRET@a/b", "ringpull http://***@a/b"),
        ("//me:SECRET@a/b", "ringpull //***@a/b"),
        ("http://me:SEC/RET@a/b", "ringpull http://***@a/b"),
        ("http://me:SECRET@a/\thttp://me:SECRET@b/", "ringpull http://***@a/\thttp://***@b/"),
        ("-qehttp://me:SECRET@r/ http://a/", "ringpull -qehttp://***@r/ http://a/"),
        ("--referer=http://me:SECRET@r/ u", "ringpull --referer=http://***@r/ u"),
        ("-u me:SECRET http://me:SECRET@a/", "ringpull -u *** http://***@a/"),
        ("-u a:b -HX:a:bSECRET http://a/", "ringpull -u *** -HX:*** http://a/"),
        ("me:SECRET@a/b", "ringpull ***@a/b"),
    ];
    for (typed, shown) in &cases {
        assert_eq!(argv(typed), *shown);
    }
}

#[test]
fn debug_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("netrc");
    fs::write(&path, "machine h login SECRET password SECRET").unwrap();
    let line = ["-u", "me:SECRET", "-H", "X-A: SECRET", "http://me:SECRET@h/", "--netrc-file"];
    let line: Vec<&str> = line.into_iter().chain(path.to_str()).collect();
    let config = config(&line);
    for shown in [format!("{config:?}"), format!("{config:#?}"), format!("{:?}", typed(&line))] {
        assert!(!shown.contains("SECRET"), "{shown}");
    }
    assert!(format!("{config:?}").contains("X-A"));
}

#[test]
fn a_netrc_file_is_read_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("netrc");
    let line = ["--netrc-file", path.to_str().unwrap(), "u"];
    assert!(refusal(&line).contains("No such file"));
    fs::write(&path, "machine h\nlogni SECRET").unwrap();
    let text = refusal(&line);
    assert!(text.contains("line 2") && !text.contains("SECRET"), "{text}");
    fs::write(&path, b"machine \xff").unwrap();
    assert!(refusal(&line).contains("UTF-8"));

    fs::write(&path, "machine h login l password p").unwrap();
    for (mode, count) in [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = warnings(&config(&line));
        assert_eq!(warnings.len(), count, "{mode:o}: {warnings:?}");
        assert!(warnings.iter().all(|text| text.contains("chmod 600")), "{warnings:?}");
    }
}

#[test]
fn versions_keys_and_reach() {
    let version = |line: &[&str]| config(line).tls.version_min;
    assert_eq!(version(&["u"]), TlsVersion::V12);
    assert_eq!(version(&["--tlsv1.2", "u"]), TlsVersion::V12);
    assert_eq!(version(&["--tlsv1.3", "u"]), TlsVersion::V13);
    assert_eq!(version(&["--tlsv1.2", "--tlsv1.3", "u"]), TlsVersion::V13);
    assert_eq!(version(&["--tlsv1.3", "--tlsv1.2", "u"]), TlsVersion::V12);
    for (cert, key) in [("-E", "--key"), ("--certificate", "--private-key")] {
        let tls = config(&[cert, "c.pem", key, "k.pem", "u"]).tls;
        assert_eq!((tls.cert_file, tls.key_file), (Some("c.pem".into()), Some("k.pem".into())));
    }
    let words = ["ringpull", "--key", "k.pem", "u"].map(OsString::from);
    assert!(parse(words).unwrap_err().to_string().contains("--cert"));
    assert_eq!(config(&["u"]).reach, Reach::Any);
    assert_eq!(config(&["--no-private", "u"]).reach, Reach::Public);
    assert_eq!(config(&["--no-private=own", "u"]).reach, Reach::PublicNotOwn);
}
