//! What holds of command line, environment and file, and what clap needs for it.

use super::setting::options;
use super::*;
use crate::cli::command::{Command as Asked, command, parse_with};
use crate::cli::options::PullArgs;
use crate::cli::tests::host;
use crate::report::look::{Look, Page};
use crate::report::wrap::columns_of;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

/// A machine with this config file and these variables.
struct Machine {
    dir: tempfile::TempDir,
    around: Around,
}

impl Machine {
    fn new(file: &str, variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, file).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into()));
        Self { dir, around: Around { variables: variables.collect(), file: Some(path) } }
    }

    fn asked(&self, line: &[&str]) -> Result<Asked, String> {
        let words = std::iter::once("ringpull").chain(line.iter().copied()).map(OsString::from);
        parse_with(words, &self.around).map_err(|error| {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        })
    }

    fn pull(&self, line: &[&str]) -> PullArgs {
        let line: Vec<&str> = line.iter().copied().chain(["http://h/"]).collect();
        match self.asked(&line) {
            Ok(Asked::Pull(args)) => *args,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    fn refused(&self, line: &[&str]) -> String {
        let line: Vec<&str> = line.iter().copied().chain(["http://h/"]).collect();
        self.asked(&line).expect_err("should be refused")
    }

    /// Rows of `ringpull config` that are not about a default.
    fn shown(&self, line: &[&str]) -> Vec<String> {
        let line: Vec<&str> = ["config"].iter().chain(line).copied().collect();
        let Ok(Asked::Config(args)) = self.asked(&line) else { panic!("{line:?}") };
        let text = args.shown.render(Page::default());
        let path = format!("{}/", self.dir.path().display());
        let rows = text.lines().filter(|row| !row.ends_with("\tdefault"));
        rows.map(|row| row.replace(&path, "").replace('\t', " | ")).collect()
    }
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let machine = Machine::new(
        "retry = 1\nmax-time = \"10m\"\nquiet = true\nrobots = true\nheader = [\"A: 1\"]",
        &[("RINGPULL_RETRY", "2"), ("RINGPULL_MAX_TIME", "20m"), ("RINGPULL_HEADER", "B: 2\nC: 3")],
    );
    let args = machine.pull(&["--retry", "3", "--quiet=false", "-H", "D: 4"]);
    assert_eq!(args.patience.retry, 3);
    assert_eq!(args.patience.max_time.0, 20 * 60_000);
    assert!(!args.report.quiet && args.robots.robots);
    assert_eq!(args.http.headers.len(), 4);
    let rows = machine.shown(&["--retry=3", "--quiet=false", "-HD: 4", "-x2"]);
    let expected = [
        "header | A: *** | config.toml:5",
        "header | B: *** | environment RINGPULL_HEADER",
        "header | C: *** | environment RINGPULL_HEADER",
        "header | D: *** | command line",
    ];
    assert_eq!(rows.iter().filter(|row| row.starts_with("header")).collect::<Vec<_>>(), expected);
    for row in [
        "retry | 3 | command line",
        "max-time | \"20m\" | environment RINGPULL_MAX_TIME",
        "quiet | false | command line",
        "robots | true | config.toml:4",
        "max-connections-per-host | 2 | command line",
    ] {
        assert!(rows.iter().any(|own| own == row), "{row}: {rows:?}");
    }
    // Nothing else counts.
    let args = machine.pull(&["--no-config"]);
    assert_eq!((args.patience.retry, args.report.quiet, args.http.headers.len()), (3, false, 0));
    assert_eq!(machine.shown(&["--no-config"]), ["config | - | command line"]);
}

#[test]
fn values_of_every_kind() {
    let machine = Machine::new(
        &[
            "split = 4",
            "speed-limit = 0",
            "retry-failed = true",
            "report = 'r.csv'",
            "no-private = 'own'",
            "respect-x-robots-tag = true",
            "continue = false",
            "tlsv1.3 = true",
            "dns-servers = ['127.0.0.1', '127.0.0.2:54']",
            "resolve = ['a:80:127.0.0.1', 'b:80:127.0.0.1']",
            "cacert = 'ca'",
            "netrc = false",
            "compute-hash = 'sha256'",
        ]
        .join("\n"),
        &[
            ("RINGPULL_TIMESTAMPING", "1"),
            ("RINGPULL_COMPRESSED", "0"),
            ("RINGPULL_RETRY_AFTER_MAX", "5"),
        ],
    );
    let args = machine.pull(&[]);
    assert_eq!(args.transfer.split.map(std::num::NonZero::get), Some(4));
    assert!(args.journal.retry_failed.is_some() && args.tls.is_tls_1_3 && !args.http.netrc);
    assert_eq!(args.robots.tags.len(), 4);
    assert_eq!((args.dns.dns_servers.len(), args.dns.resolve.len()), (2, 2));
    assert!(args.transfer.timestamping && !args.http.compressed);
    let rows = machine.shown(&[]);
    for row in [
        "retry-failed | \"all\" | config.toml:3",
        "no-private | \"own\" | config.toml:5",
        "respect-x-robots-tag | \"noai,noimageai,noindex,noimageindex\" | config.toml:6",
        "continue | false | config.toml:7",
        "tlsv1.3 | true | config.toml:8",
        "dns-servers | \"127.0.0.1,127.0.0.2:54\" | config.toml:9",
        "resolve | \"b:80:127.0.0.1\" | config.toml:10",
        "compressed | false | environment RINGPULL_COMPRESSED",
    ] {
        assert!(rows.iter().any(|own| own == row), "{row}: {rows:#?}");
    }
    let switches = [("RINGPULL_CONTINUE", "1"), ("RINGPULL_NO_PRIVATE", "0")];
    let rows = Machine::new("no-private = true", &switches).shown(&[]);
    for row in [
        "continue | true | environment RINGPULL_CONTINUE",
        "no-private | false | environment RINGPULL_NO_PRIVATE",
    ] {
        assert!(rows.iter().any(|own| own == row), "{row}: {rows:#?}");
    }
    // Off means as good as not given, also where a value may stand.
    let off = Machine::new("retry-failed = false\nno-private = false\n", &[]);
    assert_eq!(off.pull(&[]).journal.retry_failed, None);
    assert_eq!(off.shown(&[])[0], "no-private | false | config.toml:2");
}

#[test]
fn what_cannot_go_with_something_above_it_has_no_effect() {
    let machine = Machine::new(
        "no-clobber = true\nrate = '9/s'\nconnect-timeout = 5\nipv6 = true\nretry = 9\n\
         name-template = '{seq}'\nprogress = 'bar'\nfsync = 'file'",
        &[],
    );
    let args =
        machine.pull(&["--on-conflict=rename", "--tpslimit", "5", "-T60", "-4", "--tries=2"]);
    assert!(!args.output.no_clobber && !args.dns.ipv6);
    assert_eq!(args.patience.timeouts().connect_ms, 60_000);
    assert_eq!(machine.pull(&["-o", "x"]).output.name_template, None);
    assert_eq!(machine.pull(&["-q"]).report.progress, None);
    assert_eq!(machine.pull(&["--discard"]).output.fsync, crate::config::Fsync::None);
    // A switch that is put off is against nothing.
    assert!(machine.pull(&["--discard=false"]).output.no_clobber);
    let told = Machine::new("no-clobber = true\n\non-conflict = 'skip'", &[]).refused(&[]);
    assert!(told.contains("config.toml:3: cannot use `on-conflict` together with `no-clobber`"));
    assert!(told.contains("config.toml:1)"), "{told}");
}

#[test]
fn what_says_more_about_something_else_waits_for_that() {
    let file = "report-format = 'jsonl'\nretry-failed = true\nkeep-cols = 'a'\nkey = 'k'\n\
                shard-files = 5";
    let machine = Machine::new(file, &[]);
    let args = machine.pull(&[]);
    assert!(args.report.report_format.is_none() && args.input.keep_cols.is_none());
    assert!(crate::cli::resolve(&args, &host()).is_ok());
    let args = machine.pull(&["--report", "r.csv", "-E", "c"]);
    assert!(args.report.report_format.is_some() && args.tls.key_file.is_some());
}

/// The table of needs has all that clap has: an option that clap refuses alone for want of another.
#[test]
fn all_needs_are_known() {
    let command = command();
    let mut needy = BTreeSet::new();
    for arg in options(&command) {
        let name = arg.get_long().unwrap();
        let values = ["1", "a", "1s", "jsonl", "5/s", "1.1.1.1:1", "sha256", "host", "csv", "0/1"];
        let lines = values.map(|value| format!("--{name}={value}"));
        let lines = lines.into_iter().chain([format!("--{name}")]);
        let kinds = lines.map(|word| {
            let words = ["ringpull".to_owned(), word, "http://h/".to_owned()];
            command.clone().try_get_matches_from(words).err().map(|error| error.kind())
        });
        if kinds
            .into_iter()
            .any(|kind| kind == Some(clap::error::ErrorKind::MissingRequiredArgument))
        {
            needy.insert(arg.get_id().to_string());
        }
    }
    assert!(needy.contains("report_format"), "{needy:?}");
    for id in &needy {
        assert!(NEEDS.iter().any(|(needs, _)| needs == id), "{id}");
    }
    let ids: Vec<&str> = options(&command).map(|arg| arg.get_id().as_str()).collect();
    let named = NEEDS.iter().flat_map(|(id, needs)| std::iter::once(id).chain(*needs));
    let named = named.chain(RIVALS.iter().flat_map(|(above, below)| [above, below]));
    for id in named {
        assert!(ids.contains(id), "{id}");
    }
}

#[test]
fn a_refusal_of_the_run_names_where_the_option_stands() {
    let machine = Machine::new("\nkeep-cols = 'a'\nring-flags = 'defer'", &[]);
    let told = |line: &[&str]| {
        let error = crate::cli::resolve(&machine.pull(line), &host()).unwrap_err();
        assert_eq!(crate::exit::ExitStatus::from(&error), crate::exit::ExitStatus::Usage);
        format!("{error:#}")
    };
    let text = told(&["--backend", "epoll"]);
    assert!(text.contains("(--ring-flags is of ") && text.ends_with("config.toml:3)"), "{text}");
    let text = told(&["--ring-flags", "plain", "--recv-mode", "multishot"]);
    assert!(!text.contains(" is of "), "{text}");
}

#[test]
fn another_file_and_none() {
    let machine = Machine::new("retry = 1", &[]);
    let job = machine.dir.path().join("job.toml");
    fs::write(&job, "input-file = ['/dev/null']\nretry = 2\nuser = 'me:pass'\nfresh = true")
        .unwrap();
    let job = job.to_str().unwrap();
    assert!(matches!(machine.asked(&["--config", job]), Ok(Asked::Pull(_))));
    let args = machine.pull(&["--no-config", &format!("--config={job}")]);
    assert_eq!((args.patience.retry, args.http.users.len()), (2, 1));
    let by_variable = |path: &str| {
        let variables = vec![("RINGPULL_CONFIG".to_owned(), path.into())];
        let around = Around { variables, file: machine.around.file.clone() };
        Machine { dir: tempfile::tempdir().unwrap(), around }
    };
    assert_eq!(by_variable(job).pull(&[]).patience.retry, 2);
    assert_eq!(by_variable("").pull(&[]).patience.retry, 3);
    assert_eq!(by_variable("").shown(&[]), ["config | - | environment RINGPULL_CONFIG"]);
    for (path, why) in [("/nonexistent/c.toml", "no such file"), ("/", "it is a directory")] {
        let told = by_variable(path).refused(&[]);
        assert!(told.contains(&format!("cannot read the config file {path}: ")), "{told}");
        assert!(told.contains(why) && told.contains("RINGPULL_CONFIG"), "{told}");
    }
    // That of the user need not be there.
    let around = Around { file: Some("/nonexistent/c.toml".into()), ..Around::default() };
    let absent = Machine { dir: tempfile::tempdir().unwrap(), around };
    assert_eq!(absent.pull(&[]).patience.retry, 3);
}

/// What stands before ` | ` is an option, what stands behind it its value in a config file.
#[test]
fn what_is_shown_can_stand_in_a_config_file() {
    let typed = [
        "--delimiter=\t",
        "-dit's b\u{fc}cher",
        r"-w%{url}\n",
        "--retry=5",
        "--continue=always",
        "--robots",
        "--max-filesize=50M",
        "--no-private",
        "--dns-servers=127.0.0.1,127.0.0.2:54",
    ];
    let rows = Machine::new("", &[]).shown(&typed);
    let of_line = |row: &&String| row.ends_with(" | command line");
    let cells = rows.iter().filter(of_line).map(|row| row.split(" | ").collect::<Vec<_>>());
    let file: String = cells.map(|cells| format!("{} = {}\n", cells[0], cells[1])).collect();
    assert!(file.contains(r#"delimiter = "\t""#) && file.contains(r"'%{url}\n'"), "{file}");
    let again = Machine::new(&file, &[]).shown(&[]);
    let values = |rows: &[String]| {
        let values = rows.iter().filter_map(|row| row.rsplit_once(" | ").map(|(row, _)| row));
        values.filter(|row| !row.starts_with("config ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&rows));
    let Ok(Asked::Config(args)) = Machine::new("", &[]).asked(&[&["config"], &typed[..]].concat())
    else {
        panic!()
    };
    let look = Look { is_ascii: true, ..Look::default() };
    let ascii = args.shown.render(Page { columns: Some(80), look });
    assert!(ascii.is_ascii() && ascii.contains(r#""it's b\u00fccher""#), "{ascii}");
}

#[test]
fn secrets_are_not_shown() {
    let machine = Machine::new(
        "header = 'X-Key: SECRET'\nproxy = 'http://me:SECRET@h:1'\nproxy-user = 'a:SECRET'",
        &[("RINGPULL_USER", "SECRET:SECRET"), ("RINGPULL_HEADER", "Cookie: SECRET")],
    );
    let rows = machine.shown(&["-u", "b:SECRET"]).join("\n");
    assert!(!rows.contains("SECRET"), "{rows}");
    for row in ["header | X-Key: *** | config.toml:1", "user | *** | command line"] {
        assert!(rows.contains(row), "{rows}");
    }
    // However short, and although they may be parts of other words.
    let short = ["-HX: b1", "-HY:b", "-HZ:", "-ub:b", "--proxy=http://b1:b@h:1", "--proxy-user=b:"];
    let rows = Machine::new("", &[]).shown(&short);
    let expected = [
        "header | X: *** | command line",
        "header | Y: *** | command line",
        "header | \"Z:\" | command line",
        "user | *** | command line",
        "proxy | http://***@h:1 | command line",
        "proxy-user | *** | command line",
    ];
    for row in expected {
        assert!(rows.iter().any(|own| own == row), "{row}: {rows:#?}");
    }
    assert_eq!(
        machine.pull(&["-ub:SECRET"]).http.users.last().map(String::as_str),
        Some("b:SECRET")
    );
}

#[test]
fn only_values_that_may_be_secret_are_masked() {
    let machine = Machine::new("", &[]);
    let typed = ["-HX-Mode: none", "-HDNT: auto", "-HX: images", "-dimages", "-Ec.pem:SECRET"];
    let rows = machine.shown(&typed);
    assert!(rows.iter().any(|row| row == "dir | \"images\" | command line"), "{rows:#?}");
    assert!(rows.iter().any(|row| row == "cert | c.pem:*** | command line"), "{rows:#?}");
    let line: Vec<&str> = ["config"].iter().chain(&typed).copied().collect();
    let Ok(Asked::Config(args)) = machine.asked(&line) else { panic!() };
    let text = args.shown.render(Page::default());
    assert!(text.contains("fsync\t\"none\"\tdefault\n"), "{text}");
    assert!(!text.lines().any(|row| row.contains("***") && row.ends_with("\tdefault")), "{text}");
}

#[test]
fn an_empty_list_is_one() {
    for machine in [
        Machine::new("header = []", &[]),
        Machine::new("cacert = []", &[]),
        Machine::new("", &[("RINGPULL_HEADER", "\n\n")]),
    ] {
        let rows = machine.shown(&[]);
        assert!(rows.iter().any(|row| row.contains(" | [] | ")), "{rows:?}");
    }
}

#[test]
fn what_others_wrote_has_no_control_characters() {
    let machine = Machine::new("", &[("RINGPULL_RETR\u{1b}", "5")]);
    let warnings = machine.pull(&[]).held.warnings;
    assert!(warnings.concat().contains("RINGPULL_RETR\\u{1b}"), "{warnings:?}");
    let path = machine.dir.path().join("a\n\u{202e}\u{9b}.toml");
    let given = path.to_str().unwrap();
    for text in ["retri = 5", "\"re\\u009b31mtry\\r\" = 5", "ring-flags = 'defer'"] {
        fs::write(&path, text).unwrap();
        let told = match machine.asked(&["--config", given, "--backend=epoll", "http://h/"]) {
            Ok(Asked::Pull(args)) => {
                format!("{:#}", crate::cli::resolve(&args, &host()).unwrap_err())
            }
            other => other.unwrap_err(),
        };
        assert!(told.contains("a\\n\\u{202e}\\u{9b}.toml:1"), "{told}");
        assert!(!told.trim_end().contains(crate::fault::is_hidden), "{told:?}");
    }
}

#[test]
fn variables() {
    for (name, value, part) in [
        (
            "RINGPULL_RETRY",
            "many",
            "RINGPULL_RETRY: write a whole number; for instance RINGPULL_RETRY=5",
        ),
        ("RINGPULL_QUIET", "yes", "RINGPULL_QUIET: write true or false"),
        ("RINGPULL_FSYNC", "x", "RINGPULL_FSYNC: use one of none, file, dir, end"),
        ("RINGPULL_USER", "SECRET", "RINGPULL_USER: write user:password"),
        ("RINGPULL_NO_CONFIG", "true", "set RINGPULL_CONFIG to nothing"),
    ] {
        let told = Machine::new("", &[(name, value)]).refused(&[]);
        assert!(told.contains(part) && !told.contains("SECRET"), "{told}");
    }
    let directory = OsStr::from_bytes(b"d\xff").to_owned();
    let around = Around { variables: vec![("RINGPULL_DIR".to_owned(), directory)], file: None };
    let told = Machine { dir: tempfile::tempdir().unwrap(), around }.refused(&[]);
    assert!(told.contains("RINGPULL_DIR: its value is not valid UTF-8"), "{told}");
    let warnings = |name: &str| Machine::new("", &[(name, "1")]).pull(&[]).held.warnings;
    let told = warnings("RINGPULL_RETRYS").concat();
    assert!(told.contains("RINGPULL_RETRYS") && told.ends_with("RINGPULL_RETRY?"), "{told}");
    for name in [
        "RINGPULL_SHIM",
        "RINGPULL_SHIM_SYNC_MS",
        "RINGPULL_TEST_BACKEND",
        "RINGPULL_PORT",
        "RINGPULL_SERVICE_HOST",
        "RINGPULL_VERSION",
        "RINGPULL_HOME",
        "RINGPULL_",
    ] {
        assert_eq!(warnings(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_table_for_every_width() {
    let machine = Machine::new("retry = 5", &[]);
    let Ok(Asked::Config(args)) = machine.asked(&["config"]) else { panic!() };
    let rendered = |columns| args.shown.render(Page { columns: Some(columns), ..Page::default() });
    let wide = rendered(80);
    let line = wide.lines().find(|line| line.starts_with("retry ")).unwrap();
    assert!(line.ends_with("  config.toml:1") && line.len() <= 80, "{line}");
    assert!(wide.lines().skip(1).all(|line| line.chars().count() <= 80), "{wide}");
    let line = ["config", "-dB\u{fc}cher \u{6f22}\u{5b57}", "--retry=7"];
    let Ok(Asked::Config(args)) = machine.asked(&line) else { panic!() };
    for is_ascii in [false, true] {
        let look = Look { is_ascii, ..Look::default() };
        let text = args.shown.render(Page { columns: Some(80), look });
        let origin = |option: &str| {
            let row = text.lines().find(|row| row.starts_with(option)).unwrap();
            columns_of(row.strip_suffix("command line").unwrap_or_else(|| panic!("{row}")))
        };
        assert_eq!(origin("dir "), origin("retry "), "{text}");
        assert_eq!(text.lines().count(), wide.lines().count(), "{text}");
    }
    let narrow = rendered(20);
    assert!(narrow.contains("retry\n  5\n  config.toml:1\n"), "{narrow}");
    assert!(rendered(0).lines().count() > 100);
}
