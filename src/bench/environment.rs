//! The machine, as results tell of it.

use super::config::BenchConfig;
use super::matrix::{Cell, Dest};
use super::results::{Environment, RingFeatures};
use crate::ring::{probe, setup};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Asks the machine.
pub(super) fn ask(config: &BenchConfig, cells: &[Cell]) -> Environment {
    let mounts = read("/proc/self/mounts");
    let dests = cells.iter().filter_map(|cell| match &cell.dest {
        Dest::Discard => None,
        Dest::Tmpfs => Some(Path::new(TMPFS)),
        Dest::Directory(path) => Some(path.as_path()),
    });
    let file_systems = dests.map(|path| {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        (path.display().to_string(), file_system(&mounts, &real))
    });
    Environment {
        ringpull: env!("CARGO_PKG_VERSION").to_owned(),
        argv: config.argv.clone(),
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        kernel: setup::kernel_release(),
        cpu_model: cpu_model(&read("/proc/cpuinfo")),
        cpus: config.cpus.clone(),
        mitigations: mitigations(),
        file_systems: file_systems.collect(),
        congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
        congestion_control_of_origin: None,
        open_files: open_files(&read("/proc/self/limits")),
        io_uring_disabled: read("/proc/sys/kernel/io_uring_disabled"),
        ring: ring(),
    }
}

fn ring() -> RingFeatures {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    match probe::features() {
        Ok(found) => RingFeatures {
            refused: None,
            setup_flags: owned(found.setup_flags),
            features: owned(found.features),
            operations: owned(found.operations),
        },
        Err(error) => RingFeatures { refused: Some(error.to_string()), ..RingFeatures::default() },
    }
}

/// The text of a small file of the kernel; empty where it cannot be read.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Whether this process has a capability, by its number in capabilities(7); `status` is the text of
/// `/proc/self/status`.
pub(super) fn has_capability(status: &str, number: u32) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    effective.is_some_and(|effective| effective & (1 << number) != 0)
}

/// Type and options of the file system that holds a path (proc_pid_mounts(5)).
fn file_system(mounts: &str, path: &Path) -> String {
    let mut best = (0, "unknown".to_owned());
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(mount), Some(kind), Some(options)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        // What is mounted later hides what was there.
        if path.starts_with(mount.replace("\\040", " ")) && mount.len() >= best.0 {
            best = (mount.len(), format!("{kind} ({options})"));
        }
    }
    best.1
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(':')).map(|(_, model)| model.trim());
    model.unwrap_or(std::env::consts::ARCH).to_owned()
}

fn mitigations() -> BTreeMap<String, String> {
    let folder = "/sys/devices/system/cpu/vulnerabilities";
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let told = entries.filter_map(|entry| {
        let name = entry.file_name().to_str()?.to_owned();
        let told = read(&format!("{folder}/{name}"));
        (!told.is_empty()).then_some((name, told))
    });
    told.collect()
}

fn open_files(limits: &str) -> Vec<String> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.unwrap_or_default().split_whitespace().take(2).map(str::to_owned).collect()
}

/// Where memory is mounted as a file system.
pub(super) const TMPFS: &str = "/dev/shm";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_understood() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw,size=1g 0 0\n\
                      x /a\\040b xfs ro 0 0\nbroken\n";
        for (path, told) in [
            ("/home", "ext4 (rw)"),
            ("/dev/shm/x", "tmpfs (rw,size=1g)"),
            ("/dev/shmx", "ext4 (rw)"),
            ("/a b/c", "xfs (ro)"),
        ] {
            assert_eq!(file_system(mounts, Path::new(path)), told);
        }
        assert_eq!(file_system("", Path::new("/")), "unknown");
        assert_eq!(cpu_model("processor: 0\nmodel name\t: A B\n"), "A B");
        assert_eq!(cpu_model(""), std::env::consts::ARCH);
        let limits = "Limit Soft Hard Units\nMax open files            1024   524288  files\n";
        assert_eq!(open_files(limits), ["1024", "524288"]);
    }
}
