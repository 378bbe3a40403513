//! Memory that a process may have by the control groups that it is in, and how far a list is read
//! ahead with it (cgroups(7); cgroup-v2 and cgroup-v1/memory of the kernel's documentation).

use crate::limits::{LOOKAHEAD_BYTES_PER_JOB, LOOKAHEAD_JOBS_DEFAULT, LOOKAHEAD_JOBS_MIN};

/// The files that limit the memory of a process: of its groups and those around them, in no order.
/// `groups` is its `/proc/self/cgroup` and `mounts` its `/proc/self/mountinfo`.
pub fn limit_files(groups: &str, mounts: &str) -> Vec<String> {
    mounts.lines().filter_map(|mount| limit_files_at(groups, mount)).flatten().collect()
}

/// Files of the groups below one mount, if it is one of control groups of memory.
fn limit_files_at(groups: &str, mount: &str) -> Option<Vec<String>> {
    // 35 31 0:32 ROOT POINT OPTIONS [FIELDS] - TYPE SOURCE SUPER-OPTIONS (proc_pid_mountinfo(5))
    let (front, back) = mount.split_once(" - ")?;
    let mut front = front.split(' ').skip(3);
    let (root, point) = (front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, options) = (back.next()?, back.nth(1)?);
    let is_of_memory = |list: &str| list.split(',').any(|word| word == "memory");
    let (file, is_its) = match kind {
        "cgroup2" => ("memory.max", &(|list: &str| list.is_empty()) as &dyn Fn(&str) -> bool),
        "cgroup" if is_of_memory(options) => ("memory.limit_in_bytes", &is_of_memory as _),
        _ => return None,
    };
    // 4:memory:/a/b, and 0::/a/b for version 2.
    let group = groups.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (list, path) = line.split_once(':')?;
        is_its(list).then_some(path)
    })?;
    // A mount may show a part of the hierarchy only.
    let below = group.strip_prefix(root.trim_end_matches('/')).unwrap_or("");
    let below = below.trim_end_matches('/');
    let ends = below.match_indices('/').map(|(at, _)| at).chain([below.len()]);
    Some(ends.map(|end| format!("{point}{}/{file}", &below[..end])).collect())
}

/// The limit in bytes that the text of such a file tells, if it is one.
pub fn limit(text: &str) -> Option<u64> {
    // Version 1 says a number next to 2^63 for none.
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

/// Jobs that are read ahead where nobody said how many, for a process that may have this much
/// memory in all: a quarter of it holds them, whatever their lines are like.
pub fn lookahead(limit_bytes: Option<u64>) -> usize {
    let Some(limit) = limit_bytes else { return LOOKAHEAD_JOBS_DEFAULT };
    let jobs = usize::try_from(limit / 4 / LOOKAHEAD_BYTES_PER_JOB).unwrap_or(usize::MAX);
    jobs.clamp(LOOKAHEAD_JOBS_MIN, LOOKAHEAD_JOBS_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_both_versions_are_found() {
        let v2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let both = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                    35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                    36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                    41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let shown = "35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        let table = [
            ("0::/\n", v2, "/sys/fs/cgroup/memory.max"),
            (
                "0::/user.slice/run.scope\n",
                v2,
                "/sys/fs/cgroup/memory.max /sys/fs/cgroup/user.slice/memory.max \
                 /sys/fs/cgroup/user.slice/run.scope/memory.max",
            ),
            (
                "4:memory:/jobs/a:b\n1:cpu:/\n0::/\n",
                both,
                "/sys/fs/cgroup/memory/memory.limit_in_bytes \
                 /sys/fs/cgroup/memory/jobs/memory.limit_in_bytes \
                 /sys/fs/cgroup/memory/jobs/a:b/memory.limit_in_bytes \
                 /sys/fs/cgroup/unified/memory.max",
            ),
            // A container without a namespace of its own for them.
            ("4:memory:/docker/1f\n", shown, "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
            (
                "9:cpu,memory:/docker/1f/x\n",
                shown,
                "/sys/fs/cgroup/memory/memory.limit_in_bytes \
                 /sys/fs/cgroup/memory/x/memory.limit_in_bytes",
            ),
            ("4:memory:/elsewhere\n", shown, "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
            ("", v2, ""),
            ("0::/\n", "", ""),
            ("0::/\n", "nonsense\n1 2 3 - cgroup2\n", ""),
        ];
        for (groups, mounts, wanted) in table {
            assert_eq!(limit_files(groups, mounts).join(" "), wanted, "{groups:?}");
        }
    }

    #[test]
    fn a_limit_is_a_number_below_all_that_there_can_be() {
        let table = [
            ("max\n", None),
            ("536870912\n", Some(536_870_912)),
            ("0\n", Some(0)),
            ("9223372036854771712\n", None),
            ("18446744073709551615\n", None),
            ("", None),
        ];
        for (text, wanted) in table {
            assert_eq!(limit(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_quarter_of_the_memory_holds_the_look_ahead() {
        let table = [
            (None, LOOKAHEAD_JOBS_DEFAULT),
            (Some(u64::MAX), LOOKAHEAD_JOBS_DEFAULT),
            (Some(2_000_000_000), LOOKAHEAD_JOBS_DEFAULT),
            (Some(1 << 30), 671_088),
            (Some(256 << 20), 167_772),
            (Some(0), LOOKAHEAD_JOBS_MIN),
        ];
        for (limit, wanted) in table {
            assert_eq!(lookahead(limit), wanted, "{limit:?}");
        }
    }
}
