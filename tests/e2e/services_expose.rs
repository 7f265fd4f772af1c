//! Services on ports of the host, and through tunnels of SSH.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Running;
use crate::harness::server::Server;
use crate::harness::service_client::{can_use, deploy, keep_at, rows};
use crate::harness::wait::{wait_for, wait_until};

/// Asks a Redis that knows us not yet for anything: it answers that we have to log in first.
fn answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 7];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"-NOAUTH"
}

fn port_of(shown: &str) -> String {
    let (_, address) = shown.trim().rsplit_once("->").unwrap();
    address.to_owned()
}

#[test]
fn an_exposed_port_leads_to_the_service_over_restarts_for_those_that_are_allowed() {
    let (mut server, alice) = Server::with_person("alice");
    server.ssh(&alice, "redis:create cache").success();
    let said = server.ssh(&alice, "redis:expose cache").success().stdout;
    assert!(said.contains("Service cache exposed on port(s) [container->host]: 6379->127.0.0.1:"), "{said}");
    let address = port_of(&said);
    assert!(answers(&address));
    let again = server.ssh(&alice, "redis:expose cache");
    assert!(again.code != 0 && again.stderr.contains("already exposed"), "{again}");
    assert!(server.ssh(&alice, "redis:info cache --exposed-ports").success().stdout.contains(&address));

    // Another container has another address, and a killed server forgets nothing.
    server.ssh(&alice, "redis:restart cache").success();
    assert!(answers(&address));
    server.kill();
    server.start_again();
    wait_until("the port is open again", Duration::from_secs(30), || answers(&address));
    server.upgrade().success();
    wait_until("the next server has the port", Duration::from_secs(30), || answers(&address));

    server.ssh(&alice, "redis:unexpose cache").success();
    assert!(!answers(&address));
    let wide = server.ssh(&alice, "redis:expose cache 0.0.0.0:1");
    assert!(wide.code != 0 && wide.stderr.contains("--allow"), "{wide}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = TcpListener::bind(taken).unwrap();
    let busy = server.ssh(&alice, &format!("redis:expose cache {taken}"));
    assert!(busy.code != 0 && busy.stderr.contains("cannot be listened on"), "{busy}");
    drop(held);
    let said = server.ssh(&alice, "redis:expose cache --allow 192.0.2.0/24").success().stdout;
    assert!(!answers(&port_of(&said)), "an address that is not allowed is hung up on");
}

/// The client is an app, which comes to an address of the host as anybody does.
#[test]
fn clients_use_each_engine_through_its_exposed_port() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("client");
    deploy(&server, &alice, &app);
    let engines = ["postgres", "mariadb", "mysql", "redis", "rabbitmq", "s3", "memcached"];
    for engine in engines {
        server.ssh(&alice, &format!("{engine}:create shown")).success();
        let alias = engine.to_uppercase();
        server.ssh(&alice, &format!("{engine}:link shown {app} --alias {alias} --no-restart")).success();
    }
    server.ssh(&alice, &format!("ps:restart {app}")).success();
    let network = engine::get(&format!("/networks/slipway-{}", server.owner()));
    let host = network["IPAM"]["Config"][0]["Gateway"].as_str().unwrap();
    for engine in engines {
        let variable = format!("{}_URL", engine.to_uppercase());
        assert_eq!(rows(&server, &app, &variable), [0; 0], "{engine}");
        let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        server.ssh(&alice, &format!("{engine}:expose shown {port} --allow 0.0.0.0/0")).success();
        let own = server.ssh(&alice, &format!("config:get {app} {variable}")).success().stdout;
        let outside = at(&own, &format!("slipway-{engine}-shown"), &port.to_string());
        let kept = keep_at(&server, &app, &outside, 7);
        assert_eq!(kept.status, 200, "{outside}: {}", kept.text());
        assert!(can_use(&server, &app, &outside), "{outside}");
        assert_eq!(rows(&server, &app, &variable), [7], "{engine}");
        server.ssh(&alice, &format!("{engine}:unexpose shown")).success();
        assert!(!can_use(&server, &app, &outside), "{outside}");
    }
}

/// A URL with another place in it than the service's own.
fn at(url: &str, host: &str, place: &str) -> String {
    let (before, behind) = url.trim().split_once(host).unwrap();
    let path = behind.find('/').map_or("", |slash| &behind[slash..]);
    format!("{before}{place}{path}")
}

#[test]
fn a_tunnel_leads_to_a_service_for_keys_that_may_connect_to_it() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("app");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, "redis:create cache").success();
    let bob = Person::new("bob");
    server.add_key_with(&bob, &["--role", "deployer", "--for", &app]);
    assert!(!tunnels(&server, &bob, "slipway-redis-cache:6379"));
    server.ssh(&alice, &format!("redis:link cache {app}")).success();
    for person in [&alice, &bob] {
        assert!(tunnels(&server, person, "slipway-redis-cache:6379"));
        assert!(!tunnels(&server, person, "slipway-redis-cache:22"));
        assert!(!tunnels(&server, person, "127.0.0.1:22"));
    }
    let viewer = Person::new("viewer");
    server.add_key_with(&viewer, &["--role", "viewer"]);
    assert!(!tunnels(&server, &viewer, "slipway-redis-cache:6379"));
}

/// Whether `ssh -L` to there answers as Redis does.
fn tunnels(server: &Server, person: &Person, place: &str) -> bool {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = person.ssh(server);
    command.args(["-o", "ExitOnForwardFailure=yes", "-L", &format!("{port}:{place}"), "-N"]);
    let tunnel = Running::start(&mut command);
    let address = format!("127.0.0.1:{port}");
    wait_for("ssh listens", Duration::from_secs(20), || TcpStream::connect(&address).ok());
    let answered = answers(&address);
    tunnel.kill();
    answered
}
