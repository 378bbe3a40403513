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

    let bin = Path::new(env!("CARGO_BIN_EXE_ringpull")).parent().unwrap();
    let tasks = commands_below("Ten tasks");
    assert_eq!(tasks.len(), 10, "{tasks:?}");
    for task in &tasks {
        let task = task.replace("https://example.com/static/logo.png", &urls[0]);
        let mut shell = command("/bin/sh");
        shell.current_dir(sandbox.out()).env("PATH", bin).args(["-e", "-c", &task]);
        for name in ["urls.txt", "urls.csv"] {
            std::fs::copy(sandbox.path(name), sandbox.out().join(name)).unwrap();
        }
        let done = shell.output().unwrap();
        // The server of this test has a private address, which that task refuses.
        let status = if task.contains("--no-private") { 4 } else { 0 };
        let told = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(status), "{task}: {told}");
    }
    let files = |dir: &str| std::fs::read_dir(sandbox.out().join(dir)).unwrap().count();
    assert_eq!(files("images"), 3);
    let report = std::fs::read_to_string(sandbox.out().join("R.csv")).unwrap();
    assert_eq!(report.matches(",id of it").count(), 3, "{report}");
    assert!(sandbox.out().join("logo.png").exists());
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
