//! The life of a service, with the real engines of the fallback images: created, linked, used, promoted, destroyed.

use std::time::Duration;

use crate::harness::engine;
use crate::harness::isolation::assert_out_of_reach;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::service_client::{deploy, keep, rows};
use crate::harness::wait::wait_until;

fn run(server: &Server, person: &Person, line: &str) -> Output {
    server.ssh(person, line).success()
}

#[track_caller]
fn refused(server: &Server, person: &Person, line: &str, reasons: &[&str]) {
    let output = server.ssh(person, line);
    assert_ne!(output.code, 0, "`{line}`:\n{output}");
    for reason in reasons {
        assert!(output.stderr.contains(reason), "`{line}` does not say {reason}:\n{output}");
    }
}

/// How many users a Postgres service has besides its admin and the role that owns everything.
fn users(server: &Server, person: &Person, service: &str) -> usize {
    let query = b"SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres';\n";
    let output = server.ssh_with_input(person, &format!("postgres:connect {service}"), query).success();
    output.stdout.lines().filter(|line| line.contains('_')).count()
}

#[test]
fn two_databases_and_an_app_from_the_first_to_the_last_day() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    let created = run(&server, &alice, "postgres:create main").stdout;
    assert!(created.contains("=====> Postgres container created: main"), "{created}");
    assert!(created.contains("Status:") && created.contains("running"), "{created}");
    run(&server, &alice, "postgres:create spare");
    refused(&server, &alice, "postgres:create main", &["already exists"]);
    refused(&server, &alice, "postgres:link main nobody", &["nobody"]);

    deploy(&server, &alice, &app);
    let linked = run(&server, &alice, &format!("postgres:link main {app}")).stdout;
    assert!(linked.contains("DATABASE_URL:  postgres://") && linked.contains("PGHOST:"), "{linked}");
    refused(&server, &alice, &format!("postgres:link main {app}"), &["Already linked as DATABASE_URL"]);
    let second = run(&server, &alice, &format!("postgres:link spare {app}")).stdout;
    assert!(second.contains("SLIPWAY_POSTGRES_AQUA_URL"), "{second}");

    assert_eq!(rows(&server, &app, "DATABASE_URL"), Vec::<u64>::new());
    assert_eq!(keep(&server, &app, "DATABASE_URL", 7).unwrap().status, 200);
    assert_eq!(rows(&server, &app, "DATABASE_URL"), [7]);
    assert_eq!(rows(&server, &app, "SLIPWAY_POSTGRES_AQUA_URL"), Vec::<u64>::new());

    // The other one takes the plain name, and what was there is found under a colour.
    run(&server, &alice, &format!("postgres:promote spare {app}"));
    assert_eq!(rows(&server, &app, "DATABASE_URL"), Vec::<u64>::new());
    assert_eq!(rows(&server, &app, "SLIPWAY_POSTGRES_BLACK_URL"), [7]);
    refused(&server, &alice, &format!("postgres:promote spare {app}"), &["already promoted"]);

    // The data outlives the container, whoever removes it.
    run(&server, &alice, "postgres:stop main");
    assert_eq!(run(&server, &alice, "postgres:info main --status").stdout.trim(), "stopped");
    refused(&server, &alice, &format!("postgres:rotate main {app}"), &["postgres:start main"]);
    run(&server, &alice, "postgres:start main");
    assert_eq!(rows(&server, &app, "SLIPWAY_POSTGRES_BLACK_URL"), [7]);
    run(&server, &alice, "postgres:pause main");
    run(&server, &alice, "postgres:restart main");
    let id = run(&server, &alice, "postgres:info main --id").stdout;
    engine::request("DELETE", &format!("/containers/{}?force=1", id.trim()));
    wait_until("the service has another container", Duration::from_secs(60), || {
        run(&server, &alice, "postgres:info main --status").stdout.trim() == "running"
    });
    assert_eq!(rows(&server, &app, "SLIPWAY_POSTGRES_BLACK_URL"), [7]);

    refused(&server, &alice, "postgres:destroy --force main", &[&app, "postgres:unlink main"]);
    the_end(&server, &alice, &app);
}

/// Of the app, which is linked to both, and of both.
fn the_end(server: &Server, alice: &Person, app: &str) {
    // A renamed app keeps its links.
    let renamed = names::unique("renamed");
    run(server, alice, &format!("apps:rename {app} {renamed}"));
    assert_eq!(run(server, alice, "postgres:links main").stdout.trim(), renamed);
    assert_eq!(rows(server, &renamed, "SLIPWAY_POSTGRES_BLACK_URL"), [7]);
    assert_eq!(users(server, alice, "main"), 1);
    run(server, alice, &format!("postgres:unlink main {renamed}"));
    assert_eq!(server.get(&renamed, "/env?name=SLIPWAY_POSTGRES_BLACK_URL").text(), "");
    wait_until("the user goes with the link", Duration::from_secs(60), || users(server, alice, "main") == 0);
    // The last link goes with its app, and its user with it.
    run(server, alice, &format!("apps:destroy --force {renamed}"));
    wait_until("the user goes with the app", Duration::from_secs(60), || users(server, alice, "spare") == 0);
    refused(server, alice, "postgres:destroy main", &["Confirmation did not match"]);
    for service in ["main", "spare"] {
        let root = run(server, alice, &format!("postgres:info {service} --service-root")).stdout;
        run(server, alice, &format!("postgres:destroy --force {service}"));
        assert!(!std::path::Path::new(root.trim()).exists());
    }
    assert!(server.ssh(alice, "postgres:list").success().stderr.contains("There are no Postgres services"));
    wait_until("nothing is left in the engine", Duration::from_secs(60), || {
        let label = engine::label_filter("slipway.owner", &server.owner());
        engine::get(&format!("/networks?{label}")).as_array().unwrap().len() == 1
            && engine::get(&format!("/containers/json?all=1&{label}")).as_array().unwrap().is_empty()
    });
}

#[test]
fn a_service_is_for_linked_apps_and_for_keys_that_may() {
    let (server, alice) = Server::with_person("alice");
    let [app, other] = ["linked", "other"].map(names::unique);
    for name in [&app, &other] {
        deploy(&server, &alice, name);
    }
    run(&server, &alice, "redis:create cache -m 256 --custom-env 'A=b;C=d'");
    let before = run(&server, &alice, &format!("releases {app}")).stdout.lines().count();
    run(&server, &alice, "redis:create second");
    run(&server, &alice, &format!("services:link {app} redis:cache redis:second"));
    let after = run(&server, &alice, &format!("releases {app}")).stdout.lines().count();
    assert_eq!(after, before + 1, "one restart for both");
    assert_eq!(keep(&server, &app, "DATABASE_URL", 1).unwrap().status, 500, "there is no DATABASE_URL");
    assert_eq!(rows(&server, &app, "REDIS_URL"), Vec::<u64>::new());

    // By name and by address, from the app that is linked and from the one that is not.
    let address = run(&server, &alice, "redis:info cache --internal-ip").stdout;
    for host in ["slipway-redis-cache", address.trim()] {
        let path = format!("/connect?to={host}:6379");
        assert_eq!(server.get(&app, &path).status, 200, "{host}");
        assert_out_of_reach(host, || server.get(&other, &path).status != 504);
    }
    // Taken off by hand, it is put back where linked apps find it, without a restart.
    let id = run(&server, &alice, "redis:info cache --id").stdout;
    let container = engine::get(&format!("/containers/{}/json", id.trim()));
    let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
    let [network] = networks.keys().collect::<Vec<_>>().try_into().unwrap();
    let body = serde_json::json!({ "Container": id.trim(), "Force": true }).to_string();
    let path = format!("/networks/{network}/disconnect");
    assert_eq!(engine::request_with("POST", &path, ("application/json", body.as_bytes())).status, 200);
    wait_until("the app finds the service again", Duration::from_secs(30), || {
        server.get(&app, "/connect?to=slipway-redis-cache:6379").status == 200
    });
    assert_eq!(run(&server, &alice, "redis:info cache --id").stdout, id);
    let address = run(&server, &alice, "redis:info cache --internal-ip").stdout;
    // Services reach one another no more than that.
    let ping = format!("redis:enter second timeout 3 redis-cli -h {} -p 6379 ping", address.trim());
    assert_out_of_reach("the other service", || server.ssh(&alice, &ping).code == 0);

    let container = engine::get(&format!(
        "/containers/{}/json",
        run(&server, &alice, "redis:info cache --id").stdout.trim()
    ));
    let host = &container["HostConfig"];
    assert_eq!(host["Memory"], 256 << 20);
    assert_eq!(host["RestartPolicy"]["Name"], "always");
    assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges"]));
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
    assert!(container["Config"]["Env"].to_string().contains("\"A=b\""));

    let bob = Person::new("bob");
    server.add_key_with(&bob, &["--role", "deployer", "--for", &app]);
    let carl = Person::new("carl");
    server.add_key_with(&carl, &["--role", "deployer", "--for", &other]);
    run(&server, &bob, "redis:info cache");
    assert_eq!(server.ssh_with_input(&bob, "redis:connect cache", b"PING\n").success().stdout.trim(), "PONG");
    refused(&server, &bob, "redis:destroy --force cache", &["Access denied"]);
    refused(&server, &bob, "redis:create mine", &["Access denied"]);
    refused(&server, &carl, "redis:info cache", &["does not exist"]);
    refused(&server, &carl, "redis:connect cache", &["does not exist"]);
    assert!(!run(&server, &carl, "services:list").stdout.contains("cache"));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let (server, alice) = Server::with_person("alice");
    for (line, reasons) in [
        ("redis:create a.b", &["valid name"][..]),
        ("redis:create x -p short", &["8 to 128"]),
        ("redis:create x -m 1", &["too little"]),
        ("redis:create x -C novalue", &["no variable"]),
        ("redis:create x -I 1.2.3", &["cannot be had", "-I 7.0"]),
        ("redis:create x -i nobody.invalid/redis", &["nobody.invalid/redis:8.0 cannot be had"]),
        ("redis:create x -c --no-such-option=1", &["does not run"]),
        ("redis:info nobody", &["Redis service nobody does not exist", "redis:list"]),
        ("redis:start", &["Please specify"]),
        ("redis:nothing", &["not a slipway command"]),
    ] {
        refused(&server, &alice, line, reasons);
    }
    assert!(server.ssh(&alice, "redis:list").success().stderr.contains("There are no Redis services"));
    let label = engine::label_filter("slipway.owner", &server.owner());
    assert_eq!(engine::get(&format!("/containers/json?all=1&{label}")), serde_json::json!([]));
    let help = run(&server, &alice, "redis").stdout;
    assert!(help.contains("redis:create") && !help.contains("service:create"), "{help}");
    assert_eq!(help, run(&server, &alice, "redis:help").stdout);
}
