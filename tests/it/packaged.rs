//! What packages install beside the program: the page of the manual, read by mandoc, and
//! completions, in real shells.

use crate::cmd::{Sandbox, command, skip};
use std::path::Path;

/// What `ringpull` prints with these words.
fn printed(words: &[&str]) -> String {
    let done = command(env!("CARGO_BIN_EXE_ringpull")).args(words).output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Whether a program is here.
fn has(program: &str) -> bool {
    let found = command("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if !found.status.success() {
        skip(&format!("there is no {program}"));
    }
    found.status.success()
}

/// What a program says of a script, with nothing on standard error.
fn told(program: &str, args: &[&str], dir: &Path) -> String {
    let done = command(program).args(args).current_dir(dir).output().unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && stderr.is_empty(), "{program} {args:?}: {stderr}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_page_of_the_manual_is_well_formed() {
    if !has("mandoc") {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("ringpull.1"), printed(&["man"])).unwrap();
    let page = sandbox.path("ringpull.1");
    let lint = command("mandoc").args(["-T", "lint", "-W", "all"]).arg(&page).output().unwrap();
    let lint = String::from_utf8(lint.stdout).unwrap();
    // A date would be another one for every build.
    let complaints: Vec<&str> =
        lint.lines().filter(|line| !line.contains("missing date")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    for width in ["40", "80"] {
        let args = ["-T", "ascii", "-O", &format!("width={width}"), "ringpull.1"];
        let text = told("mandoc", &args, &sandbox.path(""));
        // A bold letter is printed, a backspace, and the letter again.
        let mut shown = String::new();
        for char in text.chars() {
            match char {
                '\u{8}' => drop(shown.pop()),
                char => shown.push(char),
            }
        }
        for title in ["SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES", "SEE ALSO"] {
            assert!(shown.contains(&format!("\n{title}\n")), "{width}: {title}");
        }
    }
}

#[test]
fn bash_completes_options_words_and_files() {
    if !has("bash") {
        return;
    }
    let sandbox = Sandbox::new();
    let dir = sandbox.out();
    std::fs::write(dir.join("urls.txt"), "").unwrap();
    std::fs::write(dir.join("ringpull.bash"), printed(&["completions", "bash"])).unwrap();
    let script = r#"
        # It asks how what it gives is to be shown, which only a shell with a prompt can say.
        compopt() { :; }
        source ./ringpull.bash
        complete -p ringpull >/dev/null
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _ringpull ringpull "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    for (words, expected) in [
        (&["--sync"][..], &["--sync"][..]),
        (&["--on-conflict", ""], &["overwrite", "skip", "rename", "error"]),
        (&["--compute-hash", "bl"], &["blake3"]),
        (&["-i", "url"], &["urls.txt"]),
        (&["help", "tr"], &["trust", "troubleshooting"]),
        (&["conf"], &["config"]),
        (&["config", "--retry-a"], &["--retry-after-max"]),
        (&["bench", "--mat"], &["--matrix"]),
    ] {
        let args: Vec<&str> =
            ["-e", "-c", script, "bash", "ringpull"].iter().chain(words).copied().collect();
        let mut reply: Vec<String> = told("bash", &args, &dir).lines().map(str::to_owned).collect();
        let mut expected: Vec<&str> = expected.to_vec();
        reply.sort_unstable();
        expected.sort_unstable();
        assert_eq!(reply, expected, "{words:?}");
    }
}

#[test]
fn fish_completes_options_words_and_directories() {
    if !has("fish") {
        return;
    }
    let sandbox = Sandbox::new();
    let dir = sandbox.out();
    std::fs::create_dir(dir.join("images")).unwrap();
    std::fs::write(dir.join("ringpull.fish"), printed(&["completions", "fish"])).unwrap();
    told("fish", &["--no-execute", "ringpull.fish"], &dir);
    for (line, expected) in [
        ("--sync", &["--sync"][..]),
        ("--tlsv1.3 -q --sync", &["--sync"]),
        ("--on-conflict ", &["error", "overwrite", "rename", "skip"]),
        ("-d ", &["images/"]),
        ("help tro", &["troubleshooting"]),
        ("completions ", &["bash", "fish", "zsh"]),
        ("config --retry-a", &["--retry-after-max"]),
        ("conf", &["config"]),
    ] {
        let script = format!("source ringpull.fish; complete -C 'ringpull {line}'");
        let reply = told("fish", &["--no-config", "-c", &script], &dir);
        let words: Vec<&str> = reply.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(words, expected, "{line}");
    }
}

#[test]
fn zsh_takes_its_script() {
    if !has("zsh") {
        return;
    }
    let sandbox = Sandbox::new();
    let dir = sandbox.out();
    std::fs::write(dir.join("_ringpull"), printed(&["completions", "zsh"])).unwrap();
    told("zsh", &["-f", "-n", "_ringpull"], &dir);
    let script = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d dump; \
                  autoload +X _ringpull; print -r -- $_comps[ringpull] $+functions[_ringpull]";
    assert_eq!(told("zsh", &["-f", "-c", script], &dir), "_ringpull 1\n");
}
