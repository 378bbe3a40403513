//! What a config file may say, and what is told of one that is wrong.

use super::*;
use crate::cli::command::command;

fn told(text: &str) -> String {
    match parse(&command(), Path::new("c.toml"), text, true) {
        Ok(_) => panic!("should be refused: {text}"),
        Err(told) => told,
    }
}

fn names(text: &str, is_users: bool) -> Vec<String> {
    let settings = parse(&command(), Path::new("c.toml"), text, is_users);
    settings.unwrap().into_iter().map(|setting| setting.name).collect()
}

#[test]
fn mistakes_have_a_file_a_line_and_what_would_be_right() {
    for (text, place, words) in [
        ("retr = 5", "c.toml:1", &["`retr`", "did you mean `retry`?"][..]),
        ("\n\nskip-existing = true", "c.toml:3", &["did you mean `no-clobber`?"]),
        ("max_redirs = 1", "c.toml:1", &["did you mean `max-redirs`?"]),
        ("'--retry' = 1", "c.toml:1", &["did you mean `retry`?"]),
        ("x = 1", "c.toml:1", &["did you mean `max-connections-per-host`?"]),
        ("quetzalcoatl = 1", "c.toml:1", &["long names", "--help"]),
        (
            "# a\n[http]\nretry = 1",
            "c.toml:2",
            &["`[http]`", "there are no sections", "`retry = 5`"],
        ),
        ("help = true", "c.toml:1", &["no option `help`"]),
        ("config = 'b'", "c.toml:1", &["does not say which one is read"]),
        ("quiet = 'yes'", "c.toml:1", &["`quiet`", "true or false"]),
        ("retry = true", "c.toml:1", &["it takes a number; for instance `retry = 5`"]),
        ("retry = -1", "c.toml:1", &["a number from 0 to 4294967295"]),
        ("retry = 1.5", "c.toml:1", &["whole number"]),
        ("retry = 0x10", "c.toml:1", &["decimal"]),
        ("max-time = 1979-05-27", "c.toml:1", &["not a date"]),
        ("keep-cols = ['a', 'b']", "c.toml:1", &["in one text, with commas"]),
        ("compute-hash = true", "c.toml:1", &["for instance `compute-hash = \"sha256\"`"]),
        ("dir = ['a', 'b']", "c.toml:1", &["one value", "`dir = \"images\"`"]),
        ("cacert = [['a']]", "c.toml:1", &["texts in quotes"]),
        ("on-conflict = 'x'", "c.toml:1", &["use one of overwrite, skip, rename, error"]),
        ("user-agent = \"a\\nb\"", "c.toml:1", &["control characters"]),
        ("retry = 1\nretry = 2", "c.toml:2", &["`retry` stands in line 1 already"]),
        ("retry = \n", "c.toml:1", &["there is no value"]),
        ("dir = unquoted", "c.toml:1", &["quotes"]),
        ("fresh = true", "c.toml:1", &["`fresh`", "every run", "--config FILE"]),
        ("user = 'me:SECRET'", "c.toml:1", &["netrc-file"]),
        ("header = ['A: 1', 'cookie: SECRET']", "c.toml:1", &["netrc-file"]),
        ("header = ['A: 1', '@SECRET']", "c.toml:1", &["every host", "--config FILE"]),
        ("dG9wSECRET = 5", "c.toml:1", &["this key is the name of no option"]),
        ("RETRY = 5", "c.toml:1", &["did you mean `retry`?"]),
        ("[SECRET]", "c.toml:1", &["there are no sections"]),
        ("header = 'SECRET'", "c.toml:1", &["Name: value"]),
    ] {
        let told = told(text);
        assert!(told.starts_with(&format!("{place}: ")), "{text}: {told}");
        assert!(words.iter().all(|word| told.contains(word)), "{text}: {told}");
        assert!(!told.contains("SECRET") && !told.contains('\n'), "{text}: {told}");
    }
}

#[test]
fn keys_that_no_option_could_have_are_not_repeated() {
    let long = "a".repeat(41);
    for key in [long.as_str(), "'a b'", "'token:word'", "Token", "\"a\\u009b31m\\r\""] {
        let told = told(&format!("{key} = 5"));
        let plain = key.trim_matches(['\'', '"']);
        assert!(!told.contains(plain) && !told.contains(char::is_control), "{key}: {told}");
    }
}

#[test]
fn a_file_of_one_run_may_say_more() {
    let text = "input-file = 'l'\nfresh = true\nuser = 'a:b'\nheader = ['Cookie: a', '@f']";
    assert_eq!(names(text, false), ["input-file", "fresh", "user", "header"]);
}

#[test]
fn every_option_of_the_help_may_be_in_a_file() {
    let command = command();
    for arg in options(&command).filter(|arg| !arg.is_hide_set()) {
        let key = long(arg);
        if matches!(key, "config" | "no-config") {
            continue;
        }
        let found = option(&command, key).map(|arg| arg.get_long());
        assert_eq!(found, Ok(Some(key)));
    }
}

#[test]
fn passwords_that_others_can_read_bring_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    for (text, mode, is_warned) in [
        ("proxy-user = 'a:b'", 0o644, true),
        ("proxy-user = 'a:b'", 0o600, false),
        ("proxy = 'http://a:b@h'", 0o640, true),
        ("proxy = 'http://h'", 0o644, false),
        ("header = 'Authorization: x'", 0o644, true),
        ("header = 'Accept: x'", 0o644, false),
        ("header = '@f'", 0o644, false),
        ("cert = 'c.pem:a'", 0o644, true),
        ("cert = 'c.pem'", 0o644, false),
        ("retry = 1", 0o644, false),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let file = read(&command(), &path, false).unwrap().unwrap();
        assert_eq!(file.warning.is_some(), is_warned, "{text} {mode:o}");
    }
    fs::write(&path, b"dir = '\xff'").unwrap();
    let told = read(&command(), &path, true).err().unwrap();
    assert!(told.contains("c.toml") && told.contains("UTF-8"), "{told}");
    let told = read(&command(), dir.path(), true).err().unwrap();
    assert!(told.contains("directory"), "{told}");
}
