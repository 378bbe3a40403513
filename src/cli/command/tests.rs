//! Command lines as a whole: subcommands, and the traps of other programs.

use super::{Command, command};
use crate::cli::tests::{options, pull, refused, try_parse};
use std::path::PathBuf;

#[test]
fn clap_finds_no_contradiction() {
    command().debug_assert();
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
    refused(&["--quiet=perhaps", "u"]);
    assert_eq!(pull(&["--", "--quiet=true"]).urls, ["--quiet=true"]);
}

#[test]
fn wgets_two_letter_flags_are_no_bundles() {
    assert!(options(&["-nc"]).output.no_clobber);
    assert!(options(&["--no-clobber"]).output.no_clobber);
    for flag in ["-nv", "-nd", "-nH"] {
        let text = refused(&[flag, "u"]);
        assert!(text.contains(flag) && text.contains("wget"), "{text}");
    }
    refused(&["-nc", "--on-conflict", "rename", "u"]);
    assert_eq!(pull(&["--", "-nc"]).urls, ["-nc"]);
}

#[test]
fn a_flag_that_nobody_knows_gets_no_tip() {
    // It is not meant as a URL.
    for flag in ["--zzz", "-?"] {
        let text = refused(&[flag, "http://h/"]);
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
        let text = refused(line);
        assert!(!text.contains("SECRET"), "{text}");
    }
    assert!(refused(&["-umeSECRET", "u"]).contains("write user:password"));
    assert!(refused(&["--retry", "few", "u"]).contains("few"));
}

#[test]
fn an_unknown_flag_is_named_with_the_nearest_known_one() {
    let text = refused(&["--max-tim", "1", "http://h/"]);
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
    assert!(refused(&["--no_such_flag", "u"]).contains("--no_such_flag"));
}

#[test]
fn nothing_to_pull_says_what_to_give() {
    let text = refused(&[]);
    assert!(text.contains("give URLs, -i FILE"), "{text}");
    refused(&["-d", "x"]);
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
    refused(&["origin", "http://h/"]);
    refused(&["origin", "--no-tls", "--https-addr", "127.0.0.1:0"]);
}

#[test]
fn help_is_a_command_too() {
    let topic = |line: &[&str]| match try_parse(line) {
        Ok(Command::Help(args)) => args.topic.map(|topic| topic.name),
        other => panic!("{line:?}: {other:?}"),
    };
    assert_eq!(topic(&["help"]), None);
    assert_eq!(topic(&["help", "exit"]), Some("exit"));
    let text = refused(&["help", "exot"]);
    assert!(text.contains("did you mean 'exit'") && text.contains("lists, hosts"), "{text}");
    refused(&["help", "exit", "exit"]);
    refused(&["help", "-q"]);
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
