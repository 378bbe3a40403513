//! A machine whose power can be cut: a file system in an image of its own, and a boot id.
//!
//! All of it is within the mount namespace of this process, and goes with it.

use crate::cmd::{command, eventually};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is in the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
}

/// How the file system comes to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    /// The power fails, and the machine is started anew.
    Power,
    /// The disk alone is lost (a plug, a network), and is mounted again in the same boot.
    Disk,
}

/// A machine that is up.
pub(crate) struct Machine {
    dir: TempDir,
    kind: Kind,
    /// How often it was mounted.
    mounts: u32,
}

impl Machine {
    pub(crate) fn start(kind: Kind) -> Self {
        // On a disk, because what waits to be written there is what a cut takes.
        let within = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dir = tempfile::Builder::new().prefix("power-").tempdir_in(within).unwrap();
        let machine = Self { dir, kind, mounts: 0 };
        let image = machine.image();
        // The least that mkfs.xfs takes is 300 MB.
        File::create(&image).unwrap().set_len(320 << 20).unwrap();
        match kind {
            Kind::Ext4 => run("mkfs.ext4", &[&"-q", &"-F", &image]),
            Kind::Xfs => run("mkfs.xfs", &[&"-q", &image]),
        };
        std::fs::create_dir(machine.root()).unwrap();
        std::fs::write(machine.beside("boot"), "0\n").unwrap();
        run("mount", &[&"--bind", &machine.beside("boot"), &BOOT_ID]);
        machine.mount();
        machine
    }

    /// The root of the file system.
    pub(crate) fn root(&self) -> PathBuf {
        self.beside("root")
    }

    /// A path that no cut takes anything from.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// From now on nothing reaches the disk. What waited to be written is on its way there; and
    /// another program has just had a file of its own brought to the disk, and with it the lengths
    /// of all others, as far as the file system knows them.
    pub(crate) fn stop(&self) {
        let root = File::open(self.root()).unwrap();
        let mut log = File::create(self.root().join("log")).unwrap();
        std::thread::scope(|scope| {
            // It fails once the disk is gone.
            scope.spawn(|| rustix::fs::syncfs(&root));
            log.write_all(b"line\n").unwrap();
            log.sync_data().unwrap();
            // FS_IOC_SHUTDOWN with FS_SHUTDOWN_FLAGS_NOLOGFLUSH, on ext4 too.
            run("xfs_io", &[&"-x", &"-c", &"shutdown", &self.root()]);
        });
    }

    /// Starts again with what is on the disk, once nobody uses it any more.
    pub(crate) fn restart(&mut self, cut: Cut) {
        self.unmount();
        let before = self.image();
        self.mounts += 1;
        run("cp", &[&"--sparse=always", &before, &self.image()]);
        std::fs::remove_file(before).unwrap();
        if cut == Cut::Power {
            std::fs::write(self.beside("boot"), format!("{}\n", self.mounts)).unwrap();
        }
        self.mount();
    }

    fn image(&self) -> PathBuf {
        self.beside(&format!("image-{}", self.mounts))
    }

    fn mount(&self) {
        let options = match self.kind {
            Kind::Ext4 => "commit=1",
            Kind::Xfs => "defaults",
        };
        // Past the page cache of the disk below: what is written takes the time that a disk takes.
        let told = run("losetup", &[&"--find", &"--show", &"--direct-io=on", &self.image()]);
        let device = told.trim();
        run("mount", &[&"-o", &options, &device, &self.root()]);
        // Gone as soon as it is not mounted any more.
        run("losetup", &[&"--detach", &device]);
    }

    fn unmount(&self) {
        // Threads of the kernel may have it for a moment longer than the process.
        let root = self.root();
        let is_done = || command("umount").arg(&root).output().unwrap().status.success();
        assert!(eventually(is_done), "{} stays busy", root.display());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for path in [self.root(), BOOT_ID.into()] {
            let _ = command("umount").arg("-l").arg(path).output();
        }
    }
}

/// Runs a program that has to succeed; gives what it says.
pub(crate) fn run(program: &str, args: &[&dyn AsRef<OsStr>]) -> String {
    let args = args.iter().map(|arg| (*arg).as_ref());
    let done = command(program).args(args).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program}: {}: {told}", done.status);
    String::from_utf8(done.stdout).unwrap()
}

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
