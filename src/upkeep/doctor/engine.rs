//! The Docker engine: whether it answers, whether it is new enough, whether it keeps images well.

use crate::app::App;
use crate::docker::facts::EngineFacts;
use crate::upkeep::doctor::Finding;

/// What every engine from 20.10 on speaks.
const OLDEST_API: (u32, u32) = (1, 41);

const CHECK: &str = "engine";

pub(super) async fn examine(app: &App) -> Vec<Finding> {
    let place = app.settings.docker.display().to_string();
    let version = match app.engine.version().await {
        Ok(version) => version,
        Err(error) => {
            let fix = "Start it: systemctl start docker; apps come back by themselves".to_owned();
            return vec![Finding::problem(CHECK, place, (error.to_string(), fix))];
        }
    };
    let mut findings = Vec::new();
    if parse(&version.api).is_none_or(|api| api < OLDEST_API) {
        let what = format!("Docker {} speaks API {} only", version.engine, version.api);
        findings.push(Finding::problem(CHECK, &place, (what, "Install Docker 20.10 or newer".to_owned())));
    } else {
        findings.push(Finding::good(
            CHECK,
            &place,
            format!("Docker {}, API {}", version.engine, version.api),
        ));
    }
    match app.engine.facts().await {
        Ok(facts) => findings.extend(details(&facts)),
        Err(error) => findings.push(super::unknown(CHECK, &place, &error)),
    }
    findings
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn details(facts: &EngineFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let driver = facts.storage_driver.as_str();
    match driver {
        "vfs" => {
            let what = "every container and layer is a full copy (vfs)".to_owned();
            let fix = "Let the engine use overlay2: storage-driver in /etc/docker/daemon.json".to_owned();
            findings.push(Finding::warning("storage driver", driver, (what, fix)));
        }
        "aufs" | "devicemapper" | "overlay" => {
            let what = format!("newer engines have no {driver} any more");
            let fix = "Move to overlay2 before the next upgrade of Docker".to_owned();
            findings.push(Finding::warning("storage driver", driver, (what, fix)));
        }
        _ => findings.push(Finding::good("storage driver", driver, "layers are shared")),
    }
    for (works, what) in
        [(facts.memory_limit, "memory"), (facts.cpu_limit, "CPU time"), (facts.pids_limit, "processes")]
    {
        if !works {
            let found = format!("the kernel cannot limit {what}");
            let fix = "Boot with cgroup_enable=memory swapaccount=1, or a kernel with cgroups".to_owned();
            findings.push(Finding::problem("kernel", what, (found, fix)));
        }
    }
    if facts.memory_limit && facts.cpu_limit && facts.pids_limit {
        let version = &facts.cgroup_version;
        findings.push(Finding::good("kernel", format!("cgroups {version}"), "memory, CPU time, processes"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::doctor::State;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(parse("1.9").unwrap() < OLDEST_API);
        assert!(parse("1.50").unwrap() > OLDEST_API);
        assert_eq!(parse("new"), None);
    }

    #[test]
    fn a_kernel_without_memory_limits_is_a_problem_and_copies_are_a_warning() {
        let facts = EngineFacts {
            storage_driver: "vfs".to_owned(),
            cgroup_version: "1".to_owned(),
            memory_limit: false,
            cpu_limit: true,
            pids_limit: true,
        };
        let states: Vec<State> = details(&facts).iter().map(|finding| finding.state).collect();
        assert_eq!(states, [State::Warning, State::Problem]);
    }
}
