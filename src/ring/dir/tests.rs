//! Both walks over the same trees: what one refuses the other refuses, and for the same reason.

use super::*;
use crate::fault::{Cause, DiskProblem};
use std::fs::File;
use std::os::unix::fs::symlink;

const WALKS: [Walk; 2] = [Walk::Kernel, Walk::Components];

/// A tree with everything in it that a path must not lead through.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    std::fs::create_dir_all(root.path().join("outside/deep")).unwrap();
    std::fs::create_dir_all(out.join("real/deep")).unwrap();
    std::fs::write(out.join("file"), b"x").unwrap();
    symlink("../outside", out.join("escape")).unwrap();
    symlink(root.path().join("outside"), out.join("absolute")).unwrap();
    symlink("real", out.join("inside")).unwrap();
    symlink("nowhere", out.join("dangling")).unwrap();
    symlink("loop", out.join("loop")).unwrap();
    symlink("/proc/self/cwd", out.join("magic")).unwrap();
    symlink("../../../outside", out.join("real/deep/up")).unwrap();
    root
}

fn opened(root: &Path, walk: Walk) -> Dir {
    let dir = Dir::create(&root.join("out"), WriteOptions::default()).unwrap();
    dir.run.walk.set(walk);
    dir
}

fn disk(problem: DiskProblem) -> Option<Cause> {
    Some(Cause::Disk(problem))
}

#[test]
fn both_walks_refuse_the_same_paths_for_the_same_reasons() {
    let table = [
        ("plain", None),
        ("real/x", None),
        ("real/deep/x", None),
        ("new/x", None),
        ("real/new/newer/x", None),
        ("escape/x", disk(DiskProblem::NotAFile)),
        ("escape/deep/x", disk(DiskProblem::NotAFile)),
        ("escape/new/x", disk(DiskProblem::NotAFile)),
        ("absolute/x", disk(DiskProblem::NotAFile)),
        ("inside/x", disk(DiskProblem::NotAFile)),
        ("inside/deep/x", disk(DiskProblem::NotAFile)),
        ("dangling/x", disk(DiskProblem::NotAFile)),
        ("dangling/new/x", disk(DiskProblem::NotAFile)),
        ("loop/x", disk(DiskProblem::NotAFile)),
        ("magic/x", disk(DiskProblem::NotAFile)),
        ("real/deep/up/x", disk(DiskProblem::NotAFile)),
        ("file/x", disk(DiskProblem::NoDirectory)),
        ("file/new/x", disk(DiskProblem::NoDirectory)),
        ("../x", disk(DiskProblem::NotAFile)),
        ("real/../x", disk(DiskProblem::NotAFile)),
        ("real/../../outside/x", disk(DiskProblem::NotAFile)),
        ("/etc/x", disk(DiskProblem::NotAFile)),
        ("real//x", disk(DiskProblem::NotAFile)),
        ("./x", disk(DiskProblem::NotAFile)),
    ];
    for walk in WALKS {
        let root = tree();
        let dir = opened(root.path(), walk);
        for (path, wanted) in &table {
            let got = dir.parent(path);
            assert_eq!(got.as_ref().err(), wanted.as_ref(), "{walk:?} {path}");
            if let Ok((found, name)) = got {
                let at = path.strip_suffix(name).unwrap();
                let same = std::fs::metadata(root.path().join("out").join(at)).unwrap();
                let stat = rustix::fs::fstat(&*found.fd).unwrap();
                assert_eq!(stat.st_ino, std::os::unix::fs::MetadataExt::ino(&same), "{path}");
            }
        }
        assert_eq!(dir.run.walk.get(), walk, "it was this walk that did it");
        let outside = std::fs::read_dir(root.path().join("outside")).unwrap().count();
        let deep = std::fs::read_dir(root.path().join("outside/deep")).unwrap().count();
        assert_eq!((outside, deep), (1, 0), "{walk:?} made something outside");
        assert!(!root.path().join("out/nowhere").exists());
    }
}

#[test]
fn the_directory_of_the_run_may_be_a_link() {
    for walk in WALKS {
        let root = tree();
        symlink("out/real", root.path().join("chosen")).unwrap();
        let dir = Dir::create(&root.path().join("chosen"), WriteOptions::default()).unwrap();
        dir.run.walk.set(walk);
        dir.parent("deep/newest/x").unwrap();
        assert!(root.path().join("out/real/deep/newest").is_dir());
    }
}

#[test]
fn a_directory_without_the_right_to_read_it_will_do() {
    use std::os::unix::fs::PermissionsExt;
    let root = tree();
    let out = root.path().join("out");
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o300)).unwrap();
    for walk in WALKS {
        opened(root.path(), walk).parent("real/deep/x").unwrap();
    }
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_directory_that_is_gone_is_told_as_such() {
    for walk in WALKS {
        let root = tree();
        let dir = opened(root.path(), walk);
        std::fs::remove_dir_all(root.path().join("out")).unwrap();
        for path in ["real/x", "new/x"] {
            let got = dir.parent(path).err();
            assert_eq!(got, disk(DiskProblem::NoDirectory), "{walk:?} {path}");
        }
    }
}

#[test]
fn a_file_system_that_syncs_no_directories_is_no_failure() {
    let procfs = File::open("/proc").unwrap();
    assert_eq!(rustix::fs::fsync(&procfs), Err(Errno::INVAL), "one of these");
    FileSystem::of(Path::new("/proc")).unwrap().sync().unwrap();
    sync_names(&procfs).unwrap();
}

#[test]
fn a_directory_is_empty_until_something_is_there() {
    let root = tempfile::tempdir().unwrap();
    let dir = || Dir::create(&root.path().join("out"), WriteOptions::default()).unwrap();
    let first = dir();
    assert!(first.was_empty() && dir().was_empty());
    std::fs::write(root.path().join("out/.hidden"), b"").unwrap();
    assert!(!dir().was_empty());
    // It is about what was there when it was opened, on whatever thread.
    assert!(Dir::from(first.send().unwrap()).was_empty());
}
