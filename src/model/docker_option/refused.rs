//! Options that are left out on purpose, and what people can do instead.

use crate::model::phase::Phase;

const HOST: &str = "it would let whoever may deploy act on the host or on other people's containers\nRun what needs it on the host itself, beside Slipway";
const LOGS: &str = "Slipway keeps the output of every container itself\nRead it with logs, or send it on with a drain: logs:set";
const OWN: &str = "Slipway decides that itself\nLeave it out";

/// Names, letters, and why.
static REFUSED: &[(&str, &str, &str)] = &[
    ("blkio-weight", "", "engines do not agree on it\nSet --cpu-shares, or resource:limit"),
    ("cgroup-parent", "", HOST),
    ("cgroupns", "", HOST),
    ("detach", "d", OWN),
    ("device", "", HOST),
    ("device-cgroup-rule", "", HOST),
    ("env-file", "", "files of the host are not read\nUse config:import, or --env NAME=VALUE"),
    (
        "expose",
        "",
        "it has no effect: the router reaches every port of a container\nMap one with ports:add APP http:80:PORT",
    ),
    (
        "gpus",
        "",
        "Slipway does not hand out graphics processors\nRun what needs one on the host itself, beside Slipway",
    ),
    ("health-cmd", "", "checks are the app's own\nWrite them into app.json, under healthchecks"),
    ("interactive", "i", OWN),
    ("ip", "", OWN),
    ("ipc", "", HOST),
    ("link", "", "it is Docker's old way, and goes to containers rather than apps\nUse links:add APP OTHER"),
    ("log-driver", "", LOGS),
    ("log-opt", "", LOGS),
    ("name", "", OWN),
    ("no-healthcheck", "", "it says nothing of the app's own checks\nUse checks:disable APP"),
    ("pid", "", HOST),
    ("privileged", "", HOST),
    (
        "publish",
        "p",
        "the old and the new instance cannot both have a port of the host, so that every deploy would cut connections, and it goes past the host's firewall\nLet the router listen: ports:add APP http:9000:5000",
    ),
    (
        "publish-all",
        "P",
        "it goes past the host's firewall\nLet the router listen: ports:add APP http:9000:5000",
    ),
    ("restart", "", "it is a setting of its own\nSet it with ps:set APP restart-policy VALUE"),
    ("rm", "", OWN),
    ("runtime", "", HOST),
    ("security-opt", "", HOST),
    ("stop-timeout", "", "it is a setting of its own\nSet it with ps:set APP stop-timeout-seconds SECONDS"),
    ("storage-opt", "", HOST),
    ("tty", "t", OWN),
    ("userns", "", HOST),
    ("uts", "", HOST),
    ("volume-driver", "", HOST),
    (
        "volumes-from",
        "",
        "containers come and go\nMount the same storage in both: storage:mount APP NAME:/DIRECTORY",
    ),
];

/// What builds are told elsewhere.
static REFUSED_IN_BUILDS: &[(&str, &str, &str)] = &[
    ("file", "f", "it is a setting of its own\nSet it with builder-dockerfile:set APP dockerfile-path PATH"),
    ("memory", "m", "builds have limits of their own\nThey are in the server's settings, slipway.toml"),
    (
        "network",
        "",
        "a build reaches what the host reaches, and joins no network of containers\nLeave it out",
    ),
    (
        "secret",
        "",
        "every config var is a secret of the build by its name\nUse RUN --mount=type=secret,id=NAME in the Dockerfile",
    ),
    (
        "ssh",
        "",
        "builds have no key\nPass a token: config:set APP TOKEN=… and RUN --mount=type=secret,id=TOKEN",
    ),
    ("tag", "t", OWN),
    ("target", "", "it is a setting of its own\nSet it with builder-dockerfile:set APP target STAGE"),
];

/// The name of a flag that is refused, and the reason.
pub(super) fn reason(name: &str, phase: Phase) -> Option<(&'static str, &'static str)> {
    let of_builds = if phase == Phase::Build { REFUSED_IN_BUILDS } else { &[] };
    let all = of_builds.iter().chain(REFUSED);
    all.filter(|(flag, letter, _)| *flag == name || (!letter.is_empty() && *letter == name))
        .map(|(flag, _, reason)| (*flag, *reason))
        .next()
}
