//! What an app's containers may use, and Docker's own options for them, as the kernel and the engine see it.
#![expect(clippy::too_many_lines, reason = "what a person sees stands beside what they typed")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

/// Prints a limit of the kernel's, wherever this host's version of control groups has it.
const QUOTA: &str = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max";
/// Fills memory until something ends it.
const GLUTTON: &str = "tail /dev/zero";

/// A server on which the torture app runs.
fn deployed() -> (Server, Person, String) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("limits");
    torture::repo().push(&server, &alice, &app).success();
    (server, alice, app)
}

/// What the engine says about a container of the app's: `web.1`.
fn inspect(app: &str, instance: &str) -> Value {
    engine::get(&format!("/containers/{app}.{instance}/json"))
}

#[test]
fn limits_are_the_kernels_and_what_exceeds_them_is_named() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));

    assert_snapshot!(ssh("resource:limit --memory 64 --cpu 0.5 --pids 200 APP").shown(&server, &app), @r"
    =====> Setting resource limits for blog
           cpu: 0.5
           memory: 64
           pids: 200
           Takes effect with the next deploy, or now: ps:restart blog
    [exit code 0]
    ");
    assert_snapshot!(ssh("resource:limit --memory 32m --process-type run APP").shown(&server, &app), @r"
    =====> Setting resource limits for blog (run)
           memory: 32m
           Takes effect with the next deploy, or now: ps:restart blog
    [exit code 0]
    ");
    ssh("resource:reserve --memory 16m --cpu 0.25 --process-type web APP").success();
    assert_eq!(inspect(&app, "web.1")["HostConfig"]["Memory"], 0, "what runs was touched");
    ssh("ps:restart APP").success();

    let host = &inspect(&app, "web.1")["HostConfig"];
    assert_eq!(
        [&host["Memory"], &host["MemorySwap"], &host["MemoryReservation"]],
        [64 << 20, 64 << 20, 16 << 20]
    );
    assert_eq!([&host["NanoCpus"], &host["CpuShares"], &host["PidsLimit"]], [500_000_000, 256, 200]);

    // One-off processes have limits of their own, and the default ones where they have none.
    let quota = ssh(&format!("run APP sh -c '{QUOTA}'")).success().stdout;
    assert_eq!(quota.split_whitespace().next(), Some("50000"), "{quota}");
    ssh(&format!("run APP {GLUTTON}")).exits_with(137);

    assert_snapshot!(ssh("resource:report APP").shown(&server, &app), @r"
    =====> blog resource information
           Resource _default_.limit.cpu:  0.5
           Resource _default_.limit.memory: 64
           Resource _default_.limit.memory swap:
           Resource _default_.limit.pids: 200
           Resource _default_.reserve.cpu:
           Resource _default_.reserve.memory:
           Resource run.limit.cpu:
           Resource run.limit.memory:     32m
           Resource run.limit.memory swap:
           Resource run.limit.pids:
           Resource run.reserve.cpu:
           Resource run.reserve.memory:
           Resource web.limit.cpu:
           Resource web.limit.memory:
           Resource web.limit.memory swap:
           Resource web.limit.pids:
           Resource web.reserve.cpu:      0.25
           Resource web.reserve.memory:   16m
           Resource worker.limit.cpu:
           Resource worker.limit.memory:
           Resource worker.limit.memory swap:
           Resource worker.limit.pids:
           Resource worker.reserve.cpu:
           Resource worker.reserve.memory:
    [exit code 0]
    ");
    assert_eq!(ssh("resource:report APP --resource-run.limit.memory").success().stdout, "32m\n");
    assert_eq!(ssh("resource:report APP --format json").success().json()["web.reserve.cpu"], "0.25");
    assert_snapshot!(ssh("resource:limit --process-type run APP").shown(&server, &app), @r"
    =====> resource limits blog information [run]
           cpu:
           memory: 32m
           memory-swap:
           pids:
    [exit code 0]
    ");

    ssh("resource:limit --memory clear --process-type run APP").success();
    ssh("resource:limit-clear APP").success();
    ssh("resource:reserve-clear --process-type web APP").success();
    let report = ssh("resource:report APP --format json").success().json();
    assert!(report.as_object().unwrap().values().all(|amount| amount == ""), "{report}");
}

#[test]
fn an_app_that_outgrows_its_memory_is_not_deployed_and_told_why() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("limits");
    let repo = Repo::new();
    repo.write("Dockerfile", "FROM debian:bookworm-slim\nCMD [\"tail\", \"/dev/zero\"]\n");
    repo.commit("A glutton");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("resource:limit --memory 32m --process-type web {app}")).success();
    let push = repo.push(&server, &alice, &app).exits_with(1);
    let said = push.remote_lines().join("\n");
    assert!(said.contains("web.1): the process ran out of memory"), "{said}");
}

#[test]
fn amounts_that_no_container_can_have_are_refused_and_change_nothing() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh("resource:limit --memory 100m APP").success();
    let before = ssh("resource:report APP").stdout;

    for (line, named) in [
        ("resource:limit --memory 5m APP", "6m"),
        ("resource:limit --memory -1 APP", "memory"),
        ("resource:limit --memory plenty APP", "512m or 1g"),
        ("resource:limit --cpu 0.001 APP", "0.01"),
        ("resource:limit --cpu 100000 APP", "The host has"),
        ("resource:limit --pids 1 APP", "16"),
        ("resource:limit --memory-swap 50m APP", "memory-swap is memory and swap together"),
        ("resource:limit --cpu 1 --memory 1k APP", "6m"),
        ("resource:limit --network 5 APP", "--network is not supported"),
        ("resource:limit --nvidia-gpu 1 APP", "--nvidia-gpu is not supported"),
        ("resource:limit --process-type 'not one' --cpu 1 APP", "not a valid process name"),
        ("resource:limit --process-type build --memory 1g APP", "build-memory-bytes"),
        ("resource:reserve --memory 200m APP", "more memory is reserved"),
        ("resource:reserve --memory 200m --process-type web APP", "more memory is reserved"),
        ("resource:reserve --pids 20 APP", "cannot be reserved"),
        ("docker-options:add APP deploy '--memory-reservation 300m'", "more memory is reserved"),
    ] {
        let refused = ssh(line).exits_with(1);
        assert!(refused.stderr.contains(named), "{line}: {refused}");
    }
    assert_eq!(ssh("resource:report APP").stdout, before);
    assert_eq!(ssh("docker-options:list APP").stdout, "");
    let warned = ssh("resource:limit --memory 900g APP").success();
    assert!(warned.stderr.contains("the limit is never reached"), "{warned}");
}

#[test]
fn docker_options_reach_the_containers_of_their_phase_and_process_type() {
    let (server, alice, app) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh("ps:scale APP worker=1").success();
    assert_snapshot!(
        ssh("docker-options:add APP deploy,run \"--ulimit nofile=512:1024 -e 'TEXT=a b'\"")
            .shown(&server, &app),
        @r"
           Takes effect with the next deploy, or now: ps:restart blog
    [exit code 0]
    "
    );
    ssh("docker-options:add --process worker APP deploy --shm-size 1m --hostname box").success();
    ssh("docker-options:add APP deploy --process web '--label team=blue'").success();
    ssh("docker-options:add APP run '--add-host db:192.0.2.7 --read-only --tmpfs /scratch -w /scratch'")
        .success();
    ssh("docker-options:add APP build '--build-arg A=1 --add-host mirror:192.0.2.9'").success();
    ssh("docker-options:add APP build '--build-arg A=2'").success();
    ssh("ps:restart APP").success();

    let (web, worker) = (inspect(&app, "web.1"), inspect(&app, "worker.1"));
    for container in [&web, &worker] {
        assert_eq!(
            container["HostConfig"]["Ulimits"],
            serde_json::json!([{ "Name": "nofile", "Soft": 512, "Hard": 1024 }])
        );
    }
    assert_eq!([&web["HostConfig"]["ShmSize"], &worker["HostConfig"]["ShmSize"]], [64 << 20, 1 << 20]);
    assert_eq!(worker["Config"]["Hostname"], "box");
    assert_eq!(web["Config"]["Labels"]["team"], "blue");
    assert_eq!(worker["Config"]["Labels"]["team"], Value::Null);
    assert_eq!(server.get(&app, "/env?name=TEXT").text(), "a b");

    let script = "ulimit -Sn; pwd; grep -w db /etc/hosts; echo \"$TEXT\"; touch x && echo scratch; touch /x || echo shut";
    let ran = ssh(&format!("run APP sh -c '{script}'")).success();
    assert_eq!(ran.stdout, "512\n/scratch\n192.0.2.7\tdb\na b\nscratch\nshut\n", "{ran}");

    assert_snapshot!(ssh("docker-options:list APP").shown(&server, &app), @r"
    build _default_ --add-host mirror:192.0.2.9
    build _default_ --build-arg A=2
    deploy _default_ --ulimit nofile=512:1024
    deploy _default_ --env 'TEXT=a b'
    deploy web --label team=blue
    deploy worker --shm-size 1m
    deploy worker --hostname box
    run _default_ --ulimit nofile=512:1024
    run _default_ --env 'TEXT=a b'
    run _default_ --add-host db:192.0.2.7
    run _default_ --read-only
    run _default_ --tmpfs /scratch
    run _default_ --workdir /scratch
    [exit code 0]
    ");
    assert_eq!(ssh("docker-options:list --phase deploy --process web APP").stdout, "--label team=blue\n");
    let json = ssh("docker-options:list --phase build --format json APP").success().json();
    assert_eq!(
        json[1],
        serde_json::json!({ "phase": "build", "process": "_default_", "option": "--build-arg A=2" })
    );
    let eve = Person::new("eve");
    server.add_key_with(&eve, &["--role", "viewer"]);
    let report = server.ssh(&eve, &format!("docker-options:report {app}")).success();
    assert_snapshot!(report.shown(&server, &app), @r"
    =====> blog docker-options information
           Docker-options build:          --add-host mirror:192.0.2.9 --build-arg A=***
           Docker-options deploy:         --ulimit nofile=512:1024 --env TEXT=***
           Docker-options run:            --ulimit nofile=512:1024 --env TEXT=*** --add-host db:192.0.2.7 --read-only --tmpfs /scratch --workdir /scratch
           Docker-options deploy.web:     --label team=blue
           Docker-options deploy.worker:  --shm-size 1m --hostname box
    [exit code 0]
    ");

    assert_snapshot!(ssh("docker-options:remove APP deploy '--ulimit nofile=1'").shown(&server, &app), @r"
     !     There is no option --ulimit nofile=1 for the phase deploy
     !     See them: docker-options:list blog
    [exit code 1]
    ");
    ssh("docker-options:remove APP deploy,run '--ulimit nofile=512:1024'").success();
    ssh("docker-options:remove APP build '--build-arg A'").success();
    ssh("docker-options:clear --process worker APP").success();
    ssh("docker-options:clear APP run").success();
    assert_snapshot!(ssh("docker-options:list APP").shown(&server, &app), @r"
    build _default_ --add-host mirror:192.0.2.9
    deploy _default_ --env 'TEXT=a b'
    deploy web --label team=blue
    [exit code 0]
    ");
    ssh("ps:restart APP").success();
    assert_eq!(inspect(&app, "worker.1")["HostConfig"]["ShmSize"], 64 << 20);
}

#[test]
fn options_that_reach_the_host_are_refused_with_the_reason() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("limits");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).exits_with(1).shown(&server, &app);

    assert_snapshot!(ssh("docker-options:add APP deploy --privileged"), @r"
     !     --privileged is not allowed: it would let whoever may deploy act on the host or on other people's containers
     !     Run what needs it on the host itself, beside Slipway
    [exit code 1]
    ");
    assert_snapshot!(ssh("docker-options:add APP deploy '-p 127.0.0.1:9000:9000'"), @r"
     !     --publish is not allowed: the old and the new instance cannot both have a port of the host, so that every deploy would cut connections, and it goes past the host's firewall
     !     Let the router listen: ports:add APP http:9000:5000
    [exit code 1]
    ");
    assert_snapshot!(ssh("docker-options:add APP deploy '--no-such 1'"), @r"
     !     --no-such is not supported
     !     The phase deploy knows: --add-host --cap-add --cap-drop --cpu-shares --cpus --cpuset-cpus --dns --dns-option --dns-search --entrypoint --env --hostname --init --label --memory --memory-reservation --memory-swap --mount --network --network-alias --oom-score-adj --pids-limit --read-only --shm-size --stop-signal --sysctl --tmpfs --ulimit --user --volume --workdir
    [exit code 1]
    ");
    assert_snapshot!(ssh("docker-options:add APP build '--ulimit nofile=64'"), @r"
     !     --ulimit is not supported
     !     The phase build knows: --add-host --build-arg
    [exit code 1]
    ");
    assert_snapshot!(ssh("docker-options:add APP release '--init'"), @r"
     !     Phase(s) must be one of [build deploy run]
    [exit code 1]
    ");
    assert_snapshot!(ssh("docker-options:add --process web APP run '--init'"), @r"
     !     --process is for the phase deploy only
     !     Add the options of other phases by themselves, without --process
    [exit code 1]
    ");
    for line in [
        "deploy '--ulimit nofile=64 --device /dev/sda'",
        "deploy '--cap-add SYS_ADMIN'",
        "deploy '--network host'",
        "deploy '--network nobodys'",
        // More than any host has: the next deploy would fail, and what is lost could not be started again.
        "deploy '--cpus 100000'",
        "deploy '-v /etc:/host'",
        "deploy '--env X=$(id)' '--pid host'",
        "build '--network host'",
        "deploy 'ulimit'",
        "deploy ''",
    ] {
        ssh(&format!("docker-options:add APP {line}"));
    }
    assert_eq!(server.ssh(&alice, &format!("docker-options:list {app}")).success().stdout, "");
    assert!(wait_for_no_container(&app));
}

/// Nothing was started for what was refused.
fn wait_for_no_container(app: &str) -> bool {
    wait_until("no container is there", Duration::from_secs(10), || {
        engine::container_names("com.dokku.app-name", app).is_empty()
    });
    true
}

/// The lines of the page's examples.
fn examples() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits-and-storage.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let line = |line: &str| line.split(" # ").next().unwrap().trim().to_owned();
    blocks.flat_map(|block| block.lines().map(line).collect::<Vec<_>>()).collect()
}

#[test]
fn the_examples_of_the_page_about_limits_and_storage_work() {
    let (server, alice, app) = deployed();
    let (other, network) = (names::unique("api"), names::unique("backend"));
    server.ssh(&alice, &format!("apps:create {other}")).success();
    let examples = examples();
    assert!(examples.len() > 15, "{examples:?}");
    for line in examples {
        let line =
            line.replace("blog", &app).replace("backend", &network).replace(" api", &format!(" {other}"));
        let line = line.replace("/var/lib/slipway", server.root().to_str().unwrap());
        server.ssh(&alice, &line).success();
    }
    let host = &inspect(&app, "web.1")["HostConfig"];
    assert_eq!((&host["Memory"], host["Mounts"].as_array().unwrap().len()), (&(512 << 20).into(), 2));
}
