//! What was typed, on a made-up machine, to the configuration or the refusal.

use super::*;
use crate::cli::tests::{config, host, list, resolved, typed, unusable};
use crate::config::{FileOps, OwnFiles};
use crate::plan::verdict::Redirects;
use std::fs;
use std::path::Path;

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
fn written_files_overwrite_neither_each_other_nor_a_list() {
    let (dir, list) = list();
    assert!(unusable(&["--report", "a.csv", "--stats", "a.csv", "u"]).contains("same file"));
    assert!(unusable(&["--stats", &list, "-i", &list]).contains("over the list"));

    let csv = dir.path().join("list.csv");
    fs::write(&csv, "").unwrap();
    let detour = dir.path().join(".").join("list.csv");
    let (csv, detour) = (csv.to_str().unwrap(), detour.to_str().unwrap());
    assert!(unusable(&["--report", detour, "-i", csv]).contains("over the list"));
    config(&["--report", csv, "-i", &list]);
    // Another name of the same file, and files of other options.
    let link = dir.path().join("link.csv");
    fs::hard_link(&list, &link).unwrap();
    let link = link.to_str().unwrap();
    assert!(unusable(&["--report", link, "-i", &list]).contains("over the list"));
    for flag in ["--netrc-file", "--cacert", "--cert", "--pinnedpubkey"] {
        let refusal = unusable(&["--report", csv, flag, csv, "u"]);
        assert!(refusal.contains(&format!("of {flag}: give another file")), "{refusal}");
    }
    assert!(unusable(&["--stats", csv, "-H", &format!("@{csv}"), "u"]).contains("of -H"));
    let form = format!("@{csv}");
    assert!(unusable(&["--report", csv, "-w", &form, "u"]).contains("of -w: give another"));
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
            let refusal = unusable(&["-d", dir, "-o", name, flag, value, "u"]);
            let is_named = refusal.contains("-o") && refusal.contains(flag);
            assert!(is_named && refusal.contains("give another"), "{refusal}");
        }
    }
    config(&["-d", dir, "-o", "other", "-H", &fields, "u"]);
}

#[test]
fn the_real_machine_has_a_cpu() {
    let host = Host::ask(&[]).unwrap();
    assert!(!host.cpus.is_empty() && host.cpus.is_sorted());
}

#[test]
fn what_passes_through() {
    let Resolved { config, warnings, .. } = resolved(&[
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
        (config.limits.in_flight_max, config.limits.per_host_first, config.limits.per_host_max),
        (3, 2, 2)
    );
    assert_eq!(config.limits.lookahead_max, 4);
    assert_eq!(config.redirects, Redirects { count_max: 1, allow_downgrade: true });
    assert_eq!((config.tls.insecure, config.tls.ca_files.len()), (true, 1));
    assert_eq!((config.dns.servers.len(), config.dns.overrides.len()), (1, 1));
    assert_eq!(config.file_ops, FileOps::Chain);
    assert!(config.stats.is_some() && config.report.is_some());
    assert_eq!(warnings.len(), 1);
    assert!(resolved(&["u"]).warnings.is_empty());
}

#[test]
fn the_shown_command_line_has_no_secrets() {
    let argv = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let Command::Pull(args) = typed(&words) else { panic!("{line} pulls nothing") };
        let argv = std::iter::once("ringpull").chain(words).map(str::to_owned).collect();
        let host = Host { argv, ..host() };
        resolve(&args, &host).unwrap().config.argv.join(" ")
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
