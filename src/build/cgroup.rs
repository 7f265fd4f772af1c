//! Control groups: what bounds the processes of a build that the engine itself does not bound.
//!
//! With version 1 the processes are moved into a group of ours; only those controllers are, so what the engine lets a
//! step do with devices stays as it is. With version 2 there is one tree for everything, and a process that was moved
//! would leave the engine's device rules behind: there the limits are written into the step's own group instead.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Where the kernel's control groups are found.
const ROOT: &str = "/sys/fs/cgroup";

/// The controllers of version 1 that are used.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// What a build may take. All of its steps together with version 1, each of them with version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory; there is no swap beside it.
    pub memory: u64,
    /// The weight of its share of the CPUs; everything else has 100.
    pub cpu_weight: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes on the disk, the cache included; 0 is no limit. Only builds by buildpacks have it.
    pub disk: u64,
}

/// Which control groups this host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// One tree for each controller.
    Version1(PathBuf),
    /// One tree.
    Version2(PathBuf),
}

/// What bounds one build.
#[derive(Debug)]
pub enum Group {
    /// A group of ours, by its directory in each tree.
    Own(Vec<PathBuf>),
    /// The groups of the steps seen so far, and how often each one's parent had seen a process killed before.
    Steps {
        /// The tree.
        root: PathBuf,
        /// What each step gets.
        limits: Limits,
        /// By directory.
        seen: Vec<(PathBuf, u64)>,
    },
}

impl Hierarchy {
    /// The one that this process can use, if there is one.
    pub fn find() -> Option<Self> {
        Self::find_in(Path::new(ROOT))
    }

    fn find_in(root: &Path) -> Option<Self> {
        let is_writable = |path: &Path| access(path, AccessFlags::W_OK).is_ok();
        if let Ok(controllers) = fs::read_to_string(root.join("cgroup.controllers")) {
            let usable = controllers.split_whitespace().any(|name| name == "memory") && is_writable(root);
            return usable.then(|| Self::Version2(root.to_owned()));
        }
        let all = CONTROLLERS.iter().all(|controller| {
            let tree = root.join(controller);
            tree.join("cgroup.procs").exists() && is_writable(&tree)
        });
        all.then(|| Self::Version1(root.to_owned()))
    }

    /// Makes what bounds a build. `name` is a directory's name that no other build has.
    pub fn bound(&self, name: &str, limits: Limits) -> io::Result<Group> {
        let root = match self {
            Self::Version2(root) => return Ok(Group::Steps { root: root.clone(), limits, seen: Vec::new() }),
            Self::Version1(root) => root,
        };
        let mut group = Vec::new();
        for controller in CONTROLLERS {
            let directory = root.join(controller).join(name);
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => group.push(directory),
            }
        }
        let group = Group::Own(group);
        let memory = root.join("memory").join(name);
        fs::write(memory.join("memory.limit_in_bytes"), limits.memory.to_string())?;
        // Not there on a kernel that does not count swap: then the build may use what there is of it.
        write_if_there(&memory.join("memory.memsw.limit_in_bytes"), limits.memory)?;
        let shares = (limits.cpu_weight * 1024 / 100).max(2);
        fs::write(root.join("cpu").join(name).join("cpu.shares"), shares.to_string())?;
        fs::write(root.join("pids").join(name).join("pids.max"), limits.pids.to_string())?;
        Ok(group)
    }

    /// Removes groups that servers left which were killed: those with such a name and without a process.
    pub fn sweep(&self, prefix: &str) {
        let Self::Version1(root) = self else { return };
        for controller in CONTROLLERS {
            let groups = fs::read_dir(root.join(controller)).into_iter().flatten().flatten();
            for group in groups.filter(|group| group.file_name().to_string_lossy().starts_with(prefix)) {
                // One in which something runs is refused, and somebody's.
                fs::remove_dir(group.path()).ok();
            }
        }
    }
}

impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version1(_) => "cgroups 1",
            Self::Version2(_) => "cgroups 2",
        })
    }
}

impl Group {
    /// Bounds a process of a step, and those that it will start. One that has ended is no error.
    pub fn add(&mut self, process: u32) -> io::Result<()> {
        match self {
            Self::Own(directories) => {
                for directory in directories {
                    gone(fs::write(directory.join("cgroup.procs"), process.to_string()))?;
                }
                Ok(())
            }
            Self::Steps { root, limits, seen } => {
                let text = match fs::read_to_string(format!("/proc/{process}/cgroup")) {
                    Ok(text) => text,
                    Err(error) => return gone(Err(error)),
                };
                let Some(directory) = step_directory(root, &text) else { return Ok(()) };
                if seen.iter().any(|(known, _)| *known == directory) {
                    return Ok(());
                }
                let before = directory.parent().map_or(0, |parent| kills(&parent.join("memory.events")));
                gone(limit_step(&directory, *limits))?;
                seen.push((directory, before));
                Ok(())
            }
        }
    }

    /// Whether the kernel has ended a process for want of memory.
    pub fn ran_out_of_memory(&self) -> bool {
        match self {
            Self::Own(directories) => {
                directories.iter().any(|directory| kills(&directory.join("memory.oom_control")) > 0)
            }
            // A step's own group is gone with the step; its parent counts for all below it.
            Self::Steps { seen, .. } => seen.iter().any(|(directory, before)| {
                directory.parent().is_some_and(|parent| kills(&parent.join("memory.events")) > *before)
            }),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Self::Own(directories) = self {
            for directory in directories {
                if let Err(error) = fs::remove_dir(&directory) {
                    // A process of the build is still ending; the next build sweeps.
                    tracing::debug!(%error, directory = %directory.display(), "a build's cgroup stays for now");
                }
            }
        }
    }
}

/// The directory of version 2's one line (`0::/PATH`). The top itself is nobody's step.
fn step_directory(root: &Path, text: &str) -> Option<PathBuf> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (!path.is_empty() && !path.contains("..")).then(|| root.join(path))
}

fn limit_step(directory: &Path, limits: Limits) -> io::Result<()> {
    fs::write(directory.join("memory.max"), limits.memory.to_string())?;
    write_if_there(&directory.join("memory.swap.max"), 0)?;
    write_if_there(&directory.join("cpu.weight"), u64::from(limits.cpu_weight.clamp(1, 10_000)))?;
    write_if_there(&directory.join("pids.max"), u64::from(limits.pids))
}

fn write_if_there(path: &Path, value: u64) -> io::Result<()> {
    if path.exists() { fs::write(path, value.to_string()) } else { Ok(()) }
}

/// The number behind `oom_kill` in a file of counters; 0 if it cannot be read.
fn kills(path: &Path) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    count.unwrap_or(0)
}

/// A process or a group that is gone needs no bounds any more.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32)
                || error.raw_os_error() == Some(nix::errno::Errno::ENODEV as i32) =>
        {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { memory: 1_000_000, cpu_weight: 20, pids: 64, disk: 0 };

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn version_1_has_a_group_of_ours_in_each_tree() {
        let root = tempfile::tempdir().unwrap();
        for controller in CONTROLLERS {
            touch(&root.path().join(controller).join("cgroup.procs"));
        }
        let hierarchy = Hierarchy::find_in(root.path()).unwrap();
        let mut group = hierarchy.bound("build-1", LIMITS).unwrap();
        group.add(17).unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read("memory/build-1/memory.limit_in_bytes"), "1000000");
        assert_eq!(read("cpu/build-1/cpu.shares"), "204");
        assert_eq!(read("pids/build-1/pids.max"), "64");
        assert_eq!(read("memory/build-1/cgroup.procs"), "17");
        assert!(!group.ran_out_of_memory());
        fs::write(root.path().join("memory/build-1/memory.oom_control"), "under_oom 0\noom_kill 1\n")
            .unwrap();
        assert!(group.ran_out_of_memory());
    }

    #[test]
    fn version_2_limits_the_steps_own_group_and_its_parent_tells_of_kills() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let hierarchy = Hierarchy::find_in(root.path()).unwrap();
        assert_eq!(hierarchy, Hierarchy::Version2(root.path().to_owned()));
        let directory = step_directory(root.path(), "0::/buildkit/abc\n").unwrap();
        for file in ["cpu.weight", "pids.max"] {
            touch(&directory.join(file));
        }
        limit_step(&directory, LIMITS).unwrap();
        let events = root.path().join("buildkit/memory.events");
        fs::write(&events, "oom 3\noom_kill 2\n").unwrap();
        let group =
            Group::Steps { root: root.path().to_owned(), limits: LIMITS, seen: vec![(directory.clone(), 2)] };
        assert_eq!(fs::read_to_string(directory.join("memory.max")).unwrap(), "1000000");
        assert_eq!(fs::read_to_string(directory.join("cpu.weight")).unwrap(), "20");
        assert!(!group.ran_out_of_memory());
        fs::write(&events, "oom 4\noom_kill 3\n").unwrap();
        assert!(group.ran_out_of_memory());
    }

    #[test]
    fn a_host_without_writable_groups_has_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Hierarchy::find_in(root.path()), None);
        assert_eq!(step_directory(root.path(), "0::/\n"), None);
    }
}
