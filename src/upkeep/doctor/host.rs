//! The host: its clock, its memory, what this process may open.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit};

use crate::app::App;
use crate::build::cgroup::Hierarchy;
use crate::clock;
use crate::model::byte_size::ByteSize;
use crate::upkeep::doctor::Finding;

/// Each connection takes a descriptor or two; fewer than that are soon used up.
const DESCRIPTORS: u64 = 4096;

/// How far ahead of the clock a record may be. Seconds.
const TOLERANCE: i64 = 60;

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    vec![clock(app).await, synchronisation(Path::new("/")), descriptors(), memory(), build_limits()]
}

/// A clock that was set back gives new records older times than old ones.
async fn clock(app: &App) -> Finding {
    let now = clock::unix_seconds();
    match app.store.newest_record().await {
        Err(error) => super::unknown("clock", "the newest record", &error),
        Ok(newest) if newest > now + TOLERANCE => {
            let what = format!("it is {} s behind what was recorded last", newest - now);
            let fix = "Set it: timedatectl set-ntp true, or date --set".to_owned();
            Finding::problem("clock", clock::format_seconds(now), (what, fix))
        }
        Ok(_) => Finding::good("clock", clock::format_seconds(now), "it is ahead of every record"),
    }
}

/// What the usual daemons leave behind once they have set the clock. The kernel's own answer (adjtimex(2)) cannot be
/// had without unsafe code.
fn synchronisation(root: &Path) -> Finding {
    let exists = |path: &str| root.join(path).exists();
    let place = "time synchronisation";
    if exists("run/systemd/timesync/synchronized") {
        return Finding::good(place, "systemd-timesyncd", "the clock was synchronised");
    }
    let daemons = [("run/chrony/chronyd.pid", "chrony"), ("run/ntpd.pid", "ntpd"), ("run/ntp.pid", "ntpd")];
    match daemons.into_iter().find(|(path, _)| exists(path)) {
        Some((_, daemon)) => Finding::good(place, daemon, "it runs"),
        None => {
            let what = "nothing seems to set the clock".to_owned();
            let fix = "Install chrony, or: timedatectl set-ntp true (not needed where the virtual machine's host \
                       sets it)";
            Finding::warning(place, "clock", (what, fix.to_owned()))
        }
    }
}

fn descriptors() -> Finding {
    let place = "this process";
    let (limit, used) = match (getrlimit(Resource::RLIMIT_NOFILE), fs::read_dir("/proc/self/fd")) {
        (Ok((soft, _)), Ok(open)) => (soft, open.count() as u64),
        (Err(error), _) => return super::unknown("descriptors", place, &error),
        (_, Err(error)) => return super::unknown("descriptors", place, &error),
    };
    let fix = || "Raise it: LimitNOFILE=65536 in the service, or ulimit -n 65536".to_owned();
    if used > limit / 5 * 4 {
        let what = format!("{used} of {limit} file descriptors are open");
        return Finding::problem("descriptors", place, (what, fix()));
    }
    if limit < DESCRIPTORS {
        let what = format!("only {limit} file descriptors are allowed");
        return Finding::warning("descriptors", place, (what, fix()));
    }
    Finding::good("descriptors", place, format!("{used} of {limit} are open"))
}

fn memory() -> Finding {
    match fs::read_to_string("/proc/meminfo") {
        Ok(text) => judge_memory(&text),
        Err(error) => super::unknown("memory", "/proc/meminfo", &error),
    }
}

fn judge_memory(meminfo: &str) -> Finding {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    let (total, available, swap) = (bytes("MemTotal"), bytes("MemAvailable"), bytes("SwapTotal"));
    let place = format!("{} and {} of swap", ByteSize(total), ByteSize(swap));
    let what = format!("{} are available", ByteSize(available));
    if available < total / 20 {
        let fix = "Give apps limits (resource:limit), scale down, or add memory".to_owned();
        return Finding::warning("memory", place, (what, fix));
    }
    Finding::good("memory", place, what)
}

fn build_limits() -> Finding {
    match Hierarchy::find() {
        Some(hierarchy) => {
            Finding::good("build limits", hierarchy.to_string(), "builds have limits of their own")
        }
        None => {
            let what = "builds run without limits: there is no cgroup that this server may make".to_owned();
            let fix = "Run the server as root on the host itself, with /sys/fs/cgroup writable".to_owned();
            Finding::warning("build limits", "/sys/fs/cgroup", (what, fix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::doctor::State;

    #[test]
    fn memory_that_is_nearly_used_up_is_a_warning() {
        let with = |available: u64| {
            judge_memory(&format!("MemTotal: 1000 kB\nMemAvailable: {available} kB\nSwapTotal: 0 kB\n"))
        };
        assert_eq!(with(500).state, State::Good);
        assert_eq!(with(49).state, State::Warning);
    }

    #[test]
    fn a_host_on_which_nothing_sets_the_clock_is_a_warning() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(synchronisation(root.path()).state, State::Warning);
        fs::create_dir_all(root.path().join("run/chrony")).unwrap();
        fs::write(root.path().join("run/chrony/chronyd.pid"), "1").unwrap();
        assert_eq!(synchronisation(root.path()).state, State::Good);
    }
}
