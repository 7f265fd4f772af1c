//! What the code of a build can do to its host and to others: each thing is tried from inside.

use std::net::{IpAddr, TcpListener};

use nix::ifaddrs::getifaddrs;

use crate::harness::buildpack;
use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;

/// Tries everything and says what came of it, a line each.
const COMPILE: &str = r#"
reach() {
    if timeout 3 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null; then echo "$1: reached"; else echo "$1: not reached"; fi
}
way() { if ip route get "$1" >/dev/null 2>&1; then echo "way to $1: open"; else echo "way to $1: closed"; fi; }
gateway=$(ip route show default | cut -d ' ' -f 3)
. /app/where
reach 'a port of the host' "$HOST_ADDRESS" "$CLOSED"
reach 'the same by the gateway' "$gateway" "$CLOSED"
reach 'a port that is let' "$HOST_ADDRESS" "$OPEN"
reach 'an instance' "$INSTANCE" 5000
way 169.254.169.254
way 100.100.100.200
way "$gateway"
if getent hosts deb.debian.org >/dev/null; then echo 'names: resolved'; else echo 'names: not resolved'; fi
sed -n 's/^\(Cap\(Eff\|Bnd\|Prm\|Inh\|Amb\)\|NoNewPrivs\):\t0*/\1=/p' /proc/self/status
echo "user: $(id -u) $(id -g) $(id -G)"
echo "writable: $(find / -xdev -writable ! -type l ! -path '/app*' ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' 2>/dev/null \
    | grep -v '^/tmp/' | sort | tr '\n' ' ')"
echo "sockets: $(find / -xdev -type s 2>/dev/null | wc -l)"
echo "config: $(ls /slipway/env | tr '\n' ' ')"
echo "cache: $(sed -n 's|.*/volumes/\([^/]*\)/_data /cache .*|\1|p' /proc/self/mountinfo) $(ls /cache | tr '\n' ' ')"
touch "/cache/of-$(cat /slipway/env/NAME)"
ip route replace default dev eth0 2>/dev/null && echo 'routes: changed'
ip rule flush 2>/dev/null && echo 'rules: changed'
true
"#;

/// An address of this host that containers can reach.
fn host_address() -> IpAddr {
    let addresses = getifaddrs().unwrap().filter_map(|interface| interface.address);
    let mut addresses = addresses.filter_map(|address| Some(IpAddr::V4(address.as_sockaddr_in()?.ip())));
    addresses.find(|address| !address.is_loopback()).unwrap()
}

/// What the build may write to is its own, or gone with it.
fn assert_nothing_outside_is_writable(said: &str) {
    let writable = said.lines().find_map(|line| line.trim().strip_prefix("writable: ")).unwrap();
    let outside: Vec<&str> = writable
        .split_whitespace()
        .filter(|path| {
            !["/cache", "/run/lock", "/tmp", "/var/tmp"].contains(path) && !path.starts_with("/slipway/")
        })
        .collect();
    assert!(outside.is_empty(), "{outside:?} can be written to");
}

#[test]
fn a_build_reaches_neither_its_host_nor_anybody_elses_things() {
    let (closed, open) = (TcpListener::bind("0.0.0.0:0").unwrap(), TcpListener::bind("0.0.0.0:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let host = host_address();
    let settings = format!("[build]\nreachable = [\"{host}:{}\"]\n", port(&open));
    let server = Server::start_with(&settings);
    let alice = Person::new("alice");
    server.add_key(&alice);
    let repo = buildpack::repo("touch /cache/before; true");
    let (other, app) = (names::unique("other"), names::unique("closed"));
    for (name, secret) in [(&other, "SECRET_OF_OTHER=1"), (&app, "OWN=1")] {
        server.ssh(&alice, &format!("apps:create {name}")).success();
        server.ssh(&alice, &format!("config:set --no-restart {name} {secret} NAME={name}")).success();
    }
    repo.push(&server, &alice, &other).success();
    let found = engine::get(&format!("/containers/{other}.web.1/json"));
    let instance =
        found["NetworkSettings"]["Networks"].as_object().unwrap().values().next().unwrap()["IPAddress"]
            .as_str()
            .unwrap()
            .to_owned();

    // An app may reach what a build may not: nothing but the fence keeps the build from it.
    let reached = format!("run {other} bash -c 'exec 3<>/dev/tcp/{host}/{} && echo reached'", port(&closed));
    assert_eq!(server.ssh(&alice, &reached).success().stdout.trim(), "reached");

    repo.write(
        "where",
        format!("HOST_ADDRESS={host} CLOSED={} OPEN={} INSTANCE={instance}\n", port(&closed), port(&open)),
    );
    buildpack::change(&repo, &[("compile", COMPILE)]);
    let pushed = repo.push(&server, &alice, &app).success();
    let said = pushed.stderr.replace("remote: ", "");
    for line in [
        "a port of the host: not reached",
        "the same by the gateway: not reached",
        "a port that is let: reached",
        "an instance: not reached",
        "way to 169.254.169.254: closed",
        "way to 100.100.100.200: closed",
        "names: resolved",
        "CapEff=",
        "CapBnd=",
        "CapPrm=",
        "CapInh=",
        "CapAmb=",
        "NoNewPrivs=1",
        "user: 1000 1000 1000",
        "sockets: 0",
        "config: NAME OWN",
    ] {
        assert!(said.lines().any(|own| own.trim() == line), "{line} is not in\n{said}");
    }
    assert!(!said.contains("changed"), "{said}");
    // Its own, the second of this server, and nothing in it.
    let cache = said.lines().find_map(|line| line.trim().strip_prefix("cache: ")).unwrap();
    let is_own = cache.starts_with(&format!("slipway-{}", server.owner())) && cache.ends_with('2');
    assert!(is_own && !cache.contains(' '), "{cache}");
    assert_nothing_outside_is_writable(&said);
}

#[test]
fn a_stack_in_which_a_build_cannot_be_kept_apart_is_refused() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("unfit");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("buildpacks:set-property {app} stack debian:bookworm-slim")).success();
    let pushed = buildpack::repo("echo compiled").push(&server, &alice, &app);
    let said = &pushed.stderr;
    assert!(pushed.code != 0 && said.contains("The program ip is not there (Debian: iproute2)"), "{pushed}");
    assert!(said.contains("take another: buildpacks:set-property stack"), "{pushed}");
    assert!(!said.contains("compiled"), "{pushed}");
    assert_eq!(engine::container_names("slipway.app", &app), [] as [String; 0]);
}
