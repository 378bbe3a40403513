//! What `scripts/release` makes of a program: the wheel through the real pip, the package through
//! pytest and mypy, the Debian package through dpkg-deb, and the licences of others.

use crate::cmd::{command, skip};
use crate::python::python_path;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs to a good end: what it printed.
fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

fn has(program: &str) -> bool {
    let is_there = command(program).arg("--version").output().is_ok();
    if !is_there {
        skip(&format!("{program} is missing"));
    }
    is_there
}

/// What was made of the program that is tested.
struct Released(TempDir);

impl Released {
    /// Nothing, and the test is skipped, where what makes it is missing.
    fn new() -> Option<Self> {
        if !["dpkg-deb", "objdump", "python3"].into_iter().all(has) {
            return None;
        }
        let dist = TempDir::new().unwrap();
        let mut release = command(root().join("scripts/release"));
        release.args(["--quick", "--binary", env!("CARGO_BIN_EXE_ringpull"), "--dist"]);
        release.arg(dist.path()).env("SOURCE_DATE_EPOCH", "1700000000");
        run(of_cargo(&mut release));
        Some(Self(dist))
    }

    /// The one that all tests of a process share.
    fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<Released>> = LazyLock::new(Released::new);
        SHARED.as_ref()
    }

    /// The one file of this suffix.
    fn file(&self, suffix: &str) -> PathBuf {
        let names = std::fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> =
            names.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect();
        assert_eq!(found.len(), 1, "*{suffix}: {found:?}");
        found.remove(0)
    }
}

/// Cargo wants to know where its things are.
fn of_cargo(command: &mut Command) -> &mut Command {
    let names = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    command.envs(names.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
}

#[test]
fn the_wheel_is_installed_and_its_package_works() {
    let Some(python) = python_path() else { return };
    let Some(released) = Released::shared() else { return };
    let dist = TempDir::new().unwrap();
    let venv = dist.path().join("venv");
    run(command(&python).args(["-m", "venv", "--without-pip"]).arg(&venv));
    let own = venv.join("bin/python");
    let pip = |words: &[&str]| {
        run(command(&python).args(["-m", "pip", "--python"]).arg(&own).args(words))
    };
    pip(&["install", "--quiet", "--no-index", released.file(".whl").to_str().unwrap()]);
    assert!(pip(&["show", "--files", "ringpull"]).contains("ringpull/py.typed"));

    // The tools are those of the other environment.
    let script = "import site; print(site.getsitepackages()[0])";
    let packages = |python: &Path| run(command(python).args(["-c", script]));
    std::fs::write(Path::new(packages(&own).trim()).join("tools.pth"), packages(&python)).unwrap();
    let tests = root().join("tests/python");
    let mut pytest = command(&own);
    pytest.args(["-B", "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(&tests);
    pytest.env("RINGPULL_TEST_BINARY", env!("CARGO_BIN_EXE_ringpull"));
    pytest.envs(std::env::var_os("RINGPULL_TEST_NO_SKIP").map(|is| ("RINGPULL_TEST_NO_SKIP", is)));
    let told = run(&mut pytest);
    assert!(told.contains(" passed") && !told.contains("no tests ran"), "{told}");

    // Of the package the tests see what is installed, types included.
    for words in [&["."][..], &["../../scripts/python/ringpull", "../../scripts/python/wheel.py"]] {
        let mut mypy = command(&own);
        mypy.args(["-m", "mypy", "--strict", "--cache-dir"]).arg(dist.path().join("mypy"));
        run(mypy.args(words).current_dir(&tests));
    }

    pip(&["uninstall", "--yes", "--quiet", "ringpull"]);
    assert!(!venv.join("bin/ringpull").exists());
}

#[test]
fn the_debian_package_and_the_licences_are_whole() {
    let Some(released) = Released::shared() else { return };
    let dist = TempDir::new().unwrap();
    let unpacked = dist.path().join("root");
    run(command("dpkg-deb").arg("-x").arg(released.file(".deb")).arg(&unpacked));
    let version = run(command(unpacked.join("usr/bin/ringpull")).arg("--version"));
    assert_eq!(version.trim(), format!("ringpull {}", env!("CARGO_PKG_VERSION")));
    for path in [
        "man/man1/ringpull.1.gz",
        "bash-completion/completions/ringpull",
        "zsh/vendor-completions/_ringpull",
        "fish/vendor_completions.d/ringpull.fish",
    ] {
        let len = std::fs::metadata(unpacked.join("usr/share").join(path)).unwrap().len();
        assert!(len > 1000, "{path}: {len} bytes");
    }
    let doc = unpacked.join("usr/share/doc/ringpull");
    assert!(doc.join("copyright").exists() && doc.join("THIRD-PARTY.txt.gz").exists());
    let control = run(command("dpkg-deb").arg("-I").arg(released.file(".deb")));
    assert!(control.contains(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))), "{control}");
    assert!(control.contains("Depends: libc6 (>= 2."), "{control}");

    // The dependencies, as cargo tells them to people.
    let mut tree = command(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges", "normal", "--prefix", "none"]).current_dir(root());
    let notices = std::fs::read_to_string(released.file("THIRD-PARTY.txt")).unwrap();
    let (list, texts) = notices.split_once("\n\n=").unwrap();
    let tree = run(of_cargo(&mut tree));
    let mut count = 0;
    for line in tree.lines().filter(|line| !line.starts_with("ringpull ")) {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let crate_ = format!("{name} {}", version.trim_start_matches('v'));
        assert!(list.contains(&format!("\n{crate_}: ")), "{crate_} is not named");
        assert!(texts.contains(&crate_), "{crate_} has no text of a licence");
        count += 1;
    }
    assert!(count > 100, "{count} dependencies");
}

#[test]
fn the_same_program_gives_the_same_packages() {
    let (Some(first), Some(second)) = (Released::shared(), Released::new()) else { return };
    let sums = |of: &Released| std::fs::read_to_string(of.file("SHA256SUMS")).unwrap();
    assert_eq!(sums(first), sums(&second));
    assert_eq!(sums(first).lines().count(), 5, "{}", sums(first));
}
