//! Every flag of every table through the parser of the command line.

use super::*;
use crate::cli::command::{Command, command, parse};
use clap::Arg;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// What is printed about a command line that is refused; nothing when it is accepted, or when help
/// or the version is asked for.
fn refusal(line: &[&str]) -> Option<String> {
    let words = std::iter::once("ringpull").chain(line.iter().copied()).map(OsString::from);
    match parse(words) {
        Ok(_) => None,
        Err(error) if !error.use_stderr() => None,
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "{line:?}");
            Some(error.to_string())
        }
    }
}

fn refused(line: &[&str]) -> String {
    refusal(line).unwrap_or_else(|| panic!("{line:?} is accepted"))
}

fn notes(line: &[&str]) -> Vec<String> {
    let words = std::iter::once("ringpull").chain(line.iter().copied()).map(OsString::from);
    match parse(words) {
        Ok(Command::Pull(args)) => args.notes,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn tips(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("  tip: ")).collect()
}

/// Names of each option of ours, with their dashes.
fn options() -> Vec<Vec<String>> {
    let command = command();
    let names = |arg: &Arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let longs = arg.get_long().into_iter().chain(aliases).map(|name| format!("--{name}"));
        let aliases = arg.get_all_short_aliases().unwrap_or_default();
        let shorts = arg.get_short().into_iter().chain(aliases).map(|letter| format!("-{letter}"));
        longs.chain(shorts).collect::<Vec<_>>()
    };
    let mut options: Vec<_> = command.get_arguments().map(names).collect();
    for names in &mut options {
        // Understood before clap.
        if names.iter().any(|name| name == "--no-clobber") {
            names.push("-nc".to_owned());
        }
    }
    options.push(vec!["--check-certificate".to_owned()]);
    options
}

fn rows(peer: &Peer) -> Vec<Row> {
    peer.texts().iter().map(|text| Row::new(text)).collect()
}

/// Every flag of every table, with the row.
fn table() -> impl Iterator<Item = (&'static str, String, Row)> {
    PEERS.iter().flat_map(|peer| {
        rows(peer).into_iter().flat_map(move |row| {
            row.flags.clone().into_iter().map(move |flag| {
                let row = Row {
                    theirs: String::new(),
                    flags: row.flags.clone(),
                    value: row.value.clone(),
                    ours: row.ours.clone(),
                    differs: row.differs.clone(),
                };
                (peer.name, flag, row)
            })
        })
    })
}

/// What a flag of another program is here.
enum Fate {
    Unknown,
    Same,
    Clash,
}

fn fate(options: &[Vec<String>], flag: &str, row: &Row) -> Fate {
    let dashed = flag.replace('_', "-");
    let Some(names) = options.iter().find(|names| names.contains(&dashed)) else {
        return Fate::Unknown;
    };
    match row.ours.split_whitespace().any(|word| names.iter().any(|name| name == word)) {
        true => Fate::Same,
        false => Fate::Clash,
    }
}

#[test]
fn tables_are_well_formed() {
    let options = options();
    for peer in &PEERS {
        let mut seen = BTreeSet::new();
        for line in peer.table.lines() {
            assert!(line.chars().count() <= 100, "{}: {line}", peer.name);
        }
        for row in rows(peer) {
            let Row { flags, value, ours, differs, .. } = &row;
            assert!(!flags.is_empty() && !differs.ends_with('.'), "{row:?}");
            assert!(!differs.is_empty() || !matches!(ours.as_str(), "" | "always"), "{row:?}");
            for flag in flags {
                assert!(flag.starts_with('-'), "{row:?}");
                let key = if value.contains('=') && flag == "-e" { value } else { flag };
                assert!(seen.insert(key.clone()), "{} has {flag} twice", peer.name);
            }
            // What is to be written can be written.
            let named = ours.split_whitespace().chain(differs.split_whitespace());
            for word in named.filter(|word| word.starts_with("--")) {
                let name = word.trim_end_matches([';', ':', ',']).split('=').next().unwrap();
                let is_known = options.iter().flatten().any(|known| known == name);
                assert!(is_known || name == "--no-...", "{}: {name} in {row:?}", peer.name);
            }
        }
        for row in rows(peer) {
            let text = format!("{} |", row.flags.join(", "));
            assert!(!text.contains("  "), "{text}");
        }
        let rows = peer.table.lines().filter(|line| !line.starts_with(['#', ' ']));
        let rows = rows.filter(|line| !line.is_empty()).count();
        assert_eq!(peer.table.matches('|').count(), 2 * rows, "{}", peer.name);
    }
}

#[test]
fn every_flag_of_every_program_is_accepted_or_answered() {
    let options = options();
    let mut counts = [0; 3];
    for (peer, flag, row) in table() {
        match fate(&options, &flag, &row) {
            Fate::Unknown => {
                counts[0] += 1;
                let text = refused(&[&flag, "SECRET", "http://h/"]);
                let begin = format!("error: unexpected argument '{flag}' found\n\n  tip: ");
                assert!(text.starts_with(&begin), "{text}");
                let expected = answers(&PEERS, &flag);
                assert_eq!(tips(&text), expected, "{peer} {flag}");
                let own = row.answer(&flag);
                let owners = expected.iter().filter(|answer| answer.ends_with(&own));
                let owner = format!("{peer}'s ");
                assert_eq!(owners.filter(|answer| answer.contains(&owner)).count(), 1, "{own}");
                assert!(!text.contains("similar") && !text.contains("SECRET"), "{text}");
                if flag.starts_with("--") {
                    assert_eq!(refused(&[&format!("{flag}=SECRET"), "http://h/"]), text);
                }
                if flag.contains('_') {
                    let dashed = flag.replace('_', "-");
                    let typed = refused(&["-q", &dashed, "http://h/"]);
                    assert_eq!(typed, text.replace(&flag, &dashed));
                }
            }
            Fate::Same => {
                counts[1] += 1;
                let is_right = |value: &&str| match (*value, flag.as_str()) {
                    ("", "-V") => refusal(&[&flag]).is_none(),
                    ("", _) => refusal(&[&flag, "--cert", "f", "http://h/"]).is_none(),
                    _ => refusal(&[&flag, value, "--cert", "f", "http://h/"]).is_none(),
                };
                // A switch must not take the URL for its value.
                let values = if row.value.is_empty() { &VALUES[..1] } else { &VALUES[1..] };
                let text = refusal(&[&flag, "http://h/"]);
                assert!(values.iter().any(is_right), "{peer} {flag}: {text:?}");
            }
            Fate::Clash => counts[2] += 1,
        }
    }
    assert!(counts.iter().sum::<usize>() > 880, "{counts:?}");
}

/// One of these is right for every flag that takes a value.
const VALUES: &[&str] = &[
    "",
    "/dev/null",
    "1",
    "1M",
    "-",
    "1/s",
    "none",
    "TLS_AES_128_GCM_SHA256",
    "prealloc",
    "windows",
    "bar",
    "txt",
    "9.9.9.9",
    "%{url}",
    "md5",
    "me:pw",
    "A: b",
    "h:80:127.0.0.1",
    "http://p:1",
    "md5=0cc175b9c0f1b6a831c399e269772661",
    "webdataset",
];

/// Flags of ours that mean something else in another program, which a value tells apart.
const TOLD: &[(&str, &str, &str)] = &[
    ("curl", "-U", "me:SECRET"),
    ("curl", "-x", "http://me:SECRET@p:3128"),
    ("curl", "-d", "password=SECRET"),
    ("curl", "-Q", "DELE SECRET"),
    ("curl", "-T", "SECRET.bin"),
    ("curl", "-P", "-"),
    ("curl", "-i", ""),
    ("curl", "-j", ""),
    ("wget", "-w", "1"),
    ("wget", "-A", "jpg,png"),
    ("wget", "-e", "http_proxy=http://me:SECRET@p"),
    ("wget", "-e", "robots=on"),
    ("wget", "-d", ""),
    ("wget", "-x", ""),
    ("wget", "-E", ""),
    ("wget", "-H", ""),
    ("wget", "-m", ""),
    ("wget2", "--dns-cache", ""),
    ("wget2", "--proxy", "on"),
    ("curl", "-c", "SECRET.txt"),
    ("curl", "-k", ""),
    ("curl", "-s", ""),
    ("wget", "-k", ""),
    ("wget", "-R", "jpg,SECRET"),
    ("wget2", "-s", ""),
    ("aria2", "-P", ""),
    ("aria2", "-m", "0"),
    ("aria2", "-u", "10K"),
    ("aria2", "-T", "SECRET.torrent"),
    ("axel", "-s", "500000"),
    ("axel", "-n", "10"),
    ("axel", "-k", ""),
];

/// Those which nothing tells apart, or which would do the same.
const AMBIGUOUS: &[(&str, &str)] = &[
    ("curl", "--no-clobber"),
    ("curl", "--limit-rate"),
    ("curl", "-N"),
    ("curl", "-q"),
    ("wget", "-o"),
    ("wget", "-L"),
    ("aria2", "--dry-run"),
    // A note is told.
    ("aria2", "-n"),
    ("axel", "-N"),
    ("axel", "-c"),
    // All it can mean is the version.
    ("aria2", "-V"),
];

#[test]
fn a_flag_with_two_meanings_is_told_by_its_value_or_has_its_line_here() {
    let options = options();
    let clashes = table().filter(|(_, flag, row)| matches!(fate(&options, flag, row), Fate::Clash));
    let clashes: Vec<_> = clashes.collect();
    for (peer, flag, row) in &clashes {
        // Both meanings are said.
        let is_said =
            row.differs.contains(&format!("{flag} is ")) || row.flags.len() == 1 || flag.len() > 2;
        assert!(is_said, "{peer} {flag}: {}", row.differs);
    }
    let found: BTreeSet<(&str, String)> =
        clashes.into_iter().map(|(peer, flag, _)| (peer, flag)).collect();
    let told = TOLD.iter().map(|(peer, flag, _)| (*peer, *flag));
    let known =
        told.chain(AMBIGUOUS.iter().copied()).map(|(peer, flag)| (peer, flag.to_owned())).collect();
    // Who gives an option the name of a flag in a table says there what both mean.
    assert_eq!(found, known, "flags of src/cli/peers/*.txt that mean something else here");
    for &(peer, flag, value) in TOLD {
        let lines = match value {
            "" => vec![vec![flag, "http://h/"], vec![flag, "-q", "http://h/"], vec![flag]],
            value => vec![vec![flag, value, "http://h/"]],
        };
        for line in lines {
            let text = refused(&line);
            let problem = text.lines().next().unwrap();
            assert!(problem.contains(&format!("for '{flag}'")), "{text}");
            let owner = format!("{peer}'s ");
            assert!(tips(&text).iter().any(|tip| tip.contains(&owner)), "{peer} {flag}: {text}");
            assert!(!text.contains("SECRET"), "{text}");
        }
    }
}

/// A command line, what is wrong with it, and how one of the tips begins.
const WORDS: &[(&[&str], &str, &str)] = &[
    (
        &["-U", "me:SECRET"],
        "unexpected value for '-U'",
        "curl's -U: write --proxy-user USER:PASSWORD; -U is the User-Agent, as \
             in wget and aria2",
    ),
    (
        &["-Ume:SECRET"],
        "unexpected value for '-U'",
        "to have it taken as it is, write --user-agent=VALUE",
    ),
    (
        &["-w1"],
        "unexpected value for '-w'",
        "wget's -w (--wait): write --rate-per-host 1/Ns; -w is --write-out, as in curl",
    ),
    (
        &["-e", "robots=off"],
        "unexpected value for '-e'",
        "wget's -e robots=off: leave it out, robots.txt is not read without --robots",
    ),
    (
        &["-k"],
        "a value is required for '-k' but none was supplied",
        "curl's and axel's -k: write --insecure; -k is --min-split-size, as in aria2",
    ),
    (
        &["-s", "1000000"],
        "unexpected value for '-s'",
        "axel's -s (--max-speed): write --limit-rate SPEED; -s is --split, as in aria2",
    ),
    (
        &["-s", "1000000"],
        "unexpected value for '-s'",
        "to have it taken as it is, write --split=VALUE",
    ),
    (&["-n", "4"], "unexpected value for '-n'", "axel's -n (--num-connections): write --split N"),
    (
        &["-k", "https://h/SECRET"],
        "unexpected value for '-k'",
        "wget's -k (--convert-links): pages are stored as sent; -k is --min-split-size",
    ),
    (&["-s", "https://h/"], "unexpected value for '-s'", "curl's -s (--silent): write --quiet"),
    (&["-c", "SECRET.txt"], "unexpected value for '-c'", "curl's -c (--cookie-jar): cookies"),
    (&["-c", "false"], "unexpected value for '-c'", "curl's -c (--cookie-jar): cookies"),
    (&["-R", "jpg,png"], "unexpected value for '-R'", "wget's -R (--reject): "),
    (
        &["--digest"],
        "unexpected argument '--digest' found",
        "curl's --digest: Basic is the only authentication: -u USER:PASSWORD, or --netrc",
    ),
    (
        &["--oauth2-bearer", "SECRET"],
        "unexpected argument '--oauth2-bearer' found",
        "curl's --oauth2-bearer: write -H 'Authorization: Bearer TOKEN'",
    ),
    (
        &["-V", "-i", "list"],
        "unexpected argument '-V' found beside other words",
        "aria2's -V: write --check-integrity; it needs --report, by which it knows the files; -V \
             is --version",
    ),
    (
        &["--no-metalink"],
        "unexpected argument '--no-metalink' found",
        "wget2's --no-metalink: leave it out, a metalink among the files is stored",
    ),
    (&["-nv"], "unexpected argument '-nv' found", "wget's -nv (--no-verbose): write --quiet"),
    (
        &["--bind-address=SECRET"],
        "unexpected argument '--bind-address' found",
        "wget's --bind-address: ",
    ),
    (&["-i"], "a value is required for '-i' but none was supplied", "curl's -i"),
    (&["-i", "http://h/list"], "unexpected value for '-i'", "wget's -i: write --input-file FILE"),
    (&["-U", "do/main:SECRET word"], "unexpected value for '-U'", "curl's -U: "),
    (&["-iL"], "unexpected argument '-i' found in '-iL'", "curl's -i"),
    (&["-EHkKp"], "unexpected argument '-E' found in '-EHkKp'", "wget's -E (--adjust-extension)"),
    (
        &["--image-size", "9"],
        "unexpected argument '--image-size' found",
        "img2dataset's --image-size",
    ),
];

#[test]
fn the_right_word_is_said() {
    for &(line, first, expected) in WORDS {
        let line: Vec<&str> = line.iter().copied().chain(["http://h/"]).collect();
        let text = refused(if matches!(line[..2], ["-i" | "-k", "http://h/"]) {
            &line[..1]
        } else {
            &line
        });
        assert!(text.starts_with(&format!("error: {first}\n")), "{line:?}: {text}");
        assert!(tips(&text).iter().any(|tip| tip.starts_with(expected)), "{line:?}: {text}");
        assert!(!text.contains("SECRET"), "{line:?}: {text}");
    }
    // The first of several.
    let text = refused(&["-q", "--digest", "-k", "--zzz", "http://h/"]);
    assert!(text.contains("'--digest'") && tips(&text).len() == 1, "{text}");
}

#[test]
fn what_is_ours_stays_ours() {
    for line in [
        &["-U", "bot/1.0 (me@example.com)"][..],
        &["--user-agent=me:pw"],
        &["-A", "tester"],
        &["--user-agent", "jpg,png"],
        &["-w", "%{url}"],
        &["--write-out=1"],
        &["-e", "http://h/?a=b"],
        &["--referer=robots=off"],
        &["-d", "./x=1"],
        &["--dir=x=1"],
        &["-dout"],
        &["-j4"],
        &["-j16"],
        &["-x6"],
        &["-m46"],
        &["-ilist.txt"],
        &["-i", "-"],
        &["-E", "me.pem"],
        &["-H", "Referer: http://h/"],
        &["-x", "4"],
        &["-s", "1000"],
        &["-T", "1.5"],
        &["--proxy", "http://p:1"],
        &["-fLq"],
        &["-o", "wget.log"],
    ] {
        let line: Vec<&str> = line.iter().copied().chain(["http://h/"]).collect();
        assert_eq!(refusal(&line), None, "{line:?}");
        assert_eq!(notes(&line), Vec::<String>::new(), "{line:?}");
    }
    // A value is not read as a flag.
    assert_eq!(refusal(&["-H", "A: b", "--", "-k", "--digest"]), None);
}

#[test]
fn bundles_are_taken_apart() {
    let text = refused(&["-fsSLO", "http://h/"]);
    assert!(text.starts_with("error: unexpected argument '-s' found in '-fsSLO'\n"), "{text}");
    assert_eq!(
        tips(&text),
        [
            "curl's -s (--silent): write --quiet; -s is --split, as in aria2",
            "curl's -S (--show-error): leave it out, errors are always told",
            "curl's -O (--remote-name): leave it out, files are named after their URL",
            "-f and -L are right",
        ]
    );
    // Nothing of the value of the last letter.
    let text = refused(&["-sSuSECRET", "http://h/"]);
    assert!(text.contains("in '-sSu'") && text.contains("-u is right"), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
    // In wget `-O` has a value.
    let text = refused(&["-qO-", "http://h/"]);
    assert!(text.contains("in '-qO'") && text.contains("-o - is standard output"), "{text}");
    // A number is a value.
    assert_eq!(refusal(&["-s16", "-k1M", "http://h/"]), None);
    let text = refused(&["-t16", "http://h/"]);
    assert!(text.contains("'-t' found\n") && text.contains("aria2's -t: "), "{text}");
    let text = refused(&["-sS4", "http://h/"]);
    assert!(text.contains("in '-sS4'") && text.contains("-4 is right"), "{text}");
    // A bundle that no program has: the first letter that is not ours.
    let text = refused(&["-fk?", "http://h/"]);
    assert!(text.contains("value for '-k'\n") && text.contains("--insecure"), "{text}");
}

#[test]
fn what_nothing_tells_apart_is_noted() {
    assert_eq!(notes(&["-n", "u"]).len(), 1);
    assert_eq!(notes(&["--netrc", "u"]).len(), 0);
    let told = notes(&["-m", "5", "u"]);
    assert!(told.len() == 1 && told[0].contains("--tries 5"), "{told:?}");
    for line in [["-m5s", "u"], ["-m900", "u"], ["--max-time=5", "u"]] {
        assert_eq!(notes(&line).len(), 0, "{line:?}");
    }
}
