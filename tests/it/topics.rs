//! The README and the help: what they say to type works as it stands there.

use crate::cmd::{Sandbox, command};
use crate::origin::serve;
use std::path::Path;

const README: &str = include_str!("../../README.md");

/// The commands of the second column of the table under this heading.
fn commands_below(heading: &str) -> Vec<String> {
    let section = README.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"));
    rows.map(|(_, command)| command.trim_end_matches("` |").replace("\\|", "|")).collect()
}

#[test]
fn the_tasks_of_the_readme_can_be_done() {
    let served = serve();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..3).map(|n| served.http(&format!("/image/{n}.jpg"))).collect();
    let rows: Vec<String> = urls.iter().map(|url| format!("{url},id of it\n")).collect();
    std::fs::write(sandbox.path("urls.txt"), urls.join("\n")).unwrap();
    std::fs::write(sandbox.path("urls.csv"), format!("url,id\n{}", rows.concat())).unwrap();

    let large = served.http("/bytes/20000000/large.iso");
    let tasks = commands_below("Thirteen tasks");
    assert_eq!(tasks.len(), 13, "{tasks:?}");
    for task in &tasks {
        let task = task.replace("https://example.com/static/logo.png", &urls[0]);
        let task = task.replace("https://example.com/large.iso", &large);
        for name in ["urls.txt", "urls.csv"] {
            std::fs::copy(sandbox.path(name), sandbox.out().join(name)).unwrap();
        }
        let (code, told) = type_in(&sandbox.out(), &task);
        // The server of this test has a private address, which that task refuses.
        let status = if task.contains("--no-private") { 4 } else { 0 };
        assert_eq!(code, Some(status), "{task}: {told}");
    }
    let files = |dir: &str| std::fs::read_dir(sandbox.out().join(dir)).unwrap().count();
    assert_eq!(files("images"), 3);
    let report = std::fs::read_to_string(sandbox.out().join("R.csv")).unwrap();
    assert_eq!(report.matches(",id of it").count(), 3, "{report}");
    assert!(sandbox.out().join("logo.png").exists());
    assert_eq!(std::fs::metadata(sandbox.out().join("large.iso")).unwrap().len(), 20_000_000);
}

/// The commands of ours that a topic shows, each in one line.
fn commands_of(topic: &str) -> Vec<String> {
    let text = topic.replace("\\\n", " ");
    let shown = text.lines().map(str::trim).filter(|line| line.starts_with("ringpull "));
    shown.map(str::to_owned).collect()
}

/// Runs a command in a directory, in which `ringpull` is the binary. Gives the exit status and what
/// it said.
fn type_in(dir: &Path, words: &str) -> (Option<i32>, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_ringpull")).parent().unwrap();
    let mut shell = command("/bin/sh");
    let done = shell.current_dir(dir).env("PATH", bin).args(["-e", "-c", words]).output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn what_the_topic_of_large_files_shows_can_be_done() {
    let served = serve();
    let sandbox = Sandbox::new();
    let (tar, lens) = (served.file("data.tar", 3 << 20), [0, 1, 2 << 20, 65 << 20]);
    let files = lens.map(|len| served.file(&format!("file-{len}"), len));
    let urls = files.each_ref().map(|file| file.url());
    std::fs::write(sandbox.out().join("urls.txt"), urls.join("\n")).unwrap();
    let commands = commands_of(include_str!("../../src/cli/topics/large.md"));
    assert_eq!(commands.len(), 4, "{commands:?}");
    for words in &commands {
        let words = words.replace("https://example.com/data.tar", &tar.url());
        let (status, told) = type_in(&sandbox.out(), &words);
        assert_eq!(status, Some(0), "{words}: {told}");
        if words.contains(&tar.url()) {
            tar.assert_stored(&sandbox.out().join("data.tar"), 0);
            std::fs::remove_file(sandbox.out().join("data.tar")).unwrap();
        }
    }
    for file in &files {
        file.assert_stored(&sandbox.out().join("data").join(format!("file-{}", file.len)), 0);
        // The last command asks about each, and none comes again.
        let stats = file.stats();
        assert!(stats.requests >= 2 && stats.body_bytes < 2 * file.len.max(1), "{stats:?}");
    }
}

#[test]
fn what_the_topic_of_resuming_shows_can_be_done() {
    let served = serve();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..200).map(|n| served.http(&format!("/image/{n}.jpg"))).collect();
    let flaky = served.http("/flaky/1/image/200.jpg");
    let list = urls.iter().chain([&flaky]).map(String::as_str).collect::<Vec<_>>().join("\n");
    std::fs::write(sandbox.out().join("urls.txt"), list).unwrap();
    let images = sandbox.out().join("images");
    let commands = commands_of(include_str!("../../src/cli/topics/resume.md"));
    assert_eq!(commands.len(), 7, "{commands:?}");
    for (at, words) in commands.iter().enumerate() {
        // The file of a line fails at first, and is not tried again before it is asked to be.
        let own = if at == 0 { format!("{words} --retry 0") } else { words.clone() };
        if matches!(at, 3 | 5) {
            std::fs::write(images.join("7.jpg"), "damaged").unwrap();
        }
        let (status, told) = type_in(&sandbox.out(), &own);
        let expected = match at {
            0 => 8, // 503
            3 => 7, // what differs
            _ => 0,
        };
        assert_eq!(status, Some(expected), "{words}: {told}");
    }
    assert_eq!(std::fs::read_dir(&images).unwrap().count(), 201);
    assert_eq!(std::fs::read(images.join("7.jpg")).unwrap(), ringpull::origin::image(7));
    assert_eq!(served.requests(), 201 + 3, "each pull behind the first asks for what it lacks");
}

#[test]
fn help_is_printed_and_an_unknown_topic_is_a_mistake() {
    let run = |words: &[&str]| {
        let mut program = command(env!("CARGO_BIN_EXE_ringpull"));
        let done = program.args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (code, list, _) = run(&["help"]);
    assert!(code == Some(0) && list.contains("coming-from-curl"), "{list}");
    let (code, text, _) = run(&["help", "exit"]);
    assert!(code == Some(0) && text.contains("--ok-if") && !text.contains('\x1b'), "{text}");
    let (code, printed, told) = run(&["help", "exti"]);
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    assert!(told.contains("did you mean 'exit'"), "{told}");
}
