//! No acknowledged row is lost, whatever is killed while rows are written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::engine;
use crate::harness::http::Connection;
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::service_client::{deploy, keep, rows};
use crate::harness::service_data::{Kind, MARIADB, MYSQL, POSTGRES, RABBITMQ, REDIS, S3};
use crate::harness::wait::{wait_for, wait_until};

/// Longer than any engine takes to be there again, on a slow machine too.
const BOUND: Duration = Duration::from_secs(120);

/// Writes one number after the other until told to stop; gives those that were acknowledged.
fn write_until(
    stop: &AtomicBool,
    address: std::net::SocketAddr,
    host: &str,
    (variable, first): (&str, u64),
) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    let mut number = first;
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/rows?n={number}&var={variable}");
        let answer =
            Connection::open(address).and_then(|mut connection| connection.request("POST", host, &path, b""));
        match answer {
            Ok(answer) if answer.status == 200 => acknowledged.push(number),
            // The engine or the server is away: again with the next number, a moment later.
            _ => thread::sleep(Duration::from_millis(20)),
        }
        number += 1;
    }
    acknowledged
}

fn no_acknowledged_row_is_lost(kind: &Kind) {
    let variable = kind.variable;
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("ledger");
    kind.run(&server, &alice, "create ledger");
    deploy(&server, &alice, &app);
    kind.run(&server, &alice, &format!("link ledger {app}"));
    assert_eq!(rows(&server, &app, variable), Vec::<u64>::new());
    let id = kind.run(&server, &alice, "info ledger --id");

    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4u64)
        .map(|writer| {
            let (stop, address, host) = (stop.clone(), server.http_address(), server.host(&app));
            let from = (variable, writer * 1_000_000);
            thread::spawn(move || write_until(&stop, address, &host, from))
        })
        .collect();
    twenty_more(&server, &app, variable);
    kill_engine(&id);
    twenty_more(&server, &app, variable);
    // The server's end is none of the service's: the very container serves on.
    server.kill();
    server.start_again();
    twenty_more(&server, &app, variable);
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    acknowledged.sort_unstable();
    assert!(acknowledged.len() >= 40, "{}", acknowledged.len());
    // A store of objects may list one a moment after it has taken it.
    wait_until("every acknowledged row is there", BOUND, || {
        let kept = rows(&server, &app, variable);
        let lost: Vec<_> = acknowledged.iter().filter(|number| !kept.contains(number)).collect();
        eprintln!("{lost:?} of {} are not there", acknowledged.len());
        lost.is_empty()
    });
    assert_eq!(kind.run(&server, &alice, "info ledger --id"), id);
    let container = engine::get(&format!("/containers/{}/json", id.trim()));
    assert_eq!(container["RestartCount"], 1, "the engine was killed, and nothing else has ended it");
}

/// Kills all processes of a container. Not by the engine's own command, after which it would not start it again.
fn kill_engine(container: &str) {
    let path = format!("/containers/{}/json", container.trim());
    let pid = engine::get(&path)["State"]["Pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

/// Waits until the service serves, and until there is more in it than there is now.
fn twenty_more(server: &Server, app: &str, variable: &str) {
    let now = wait_until_it_serves(server, app, variable);
    wait_until("rows are written", BOUND, || {
        count_or_none(server, app, variable).is_some_and(|count| count >= now + 20)
    });
}

/// Gives how many there are.
fn wait_until_it_serves(server: &Server, app: &str, variable: &str) -> usize {
    wait_for("the service serves", BOUND, || count_or_none(server, app, variable))
}

fn count_or_none(server: &Server, app: &str, variable: &str) -> Option<usize> {
    let answer = server.get(app, &format!("/count?var={variable}"));
    (answer.status == 200).then(|| answer.text().trim().parse().unwrap())
}

#[test]
fn no_acknowledged_row_of_postgres_is_lost() {
    no_acknowledged_row_is_lost(&POSTGRES);
}

#[test]
fn no_acknowledged_row_of_mariadb_is_lost() {
    no_acknowledged_row_is_lost(&MARIADB);
}

#[test]
fn no_acknowledged_row_of_mysql_is_lost() {
    no_acknowledged_row_is_lost(&MYSQL);
}

#[test]
fn no_acknowledged_row_of_redis_is_lost() {
    no_acknowledged_row_is_lost(&REDIS);
}

/// Confirmed ones, in a durable queue.
#[test]
fn no_acknowledged_message_of_rabbitmq_is_lost() {
    no_acknowledged_row_is_lost(&RABBITMQ);
}

#[test]
fn no_acknowledged_object_of_s3_is_lost() {
    no_acknowledged_row_is_lost(&S3);
}

/// It can be read, but is listed only once the list is free, which it is not before the end.
#[test]
fn an_object_that_was_not_listed_before_the_store_was_killed_is_listed_after() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("ledger");
    S3.run(&server, &alice, "create files");
    deploy(&server, &alice, &app);
    S3.run(&server, &alice, &format!("link files {app}"));
    assert_eq!(keep(&server, &app, "S3_URL", 1).unwrap().status, 200);
    assert_eq!(rows(&server, &app, "S3_URL"), [1]);
    let hold = r#"exec flock /data/containers/*/*/*/.lock sh -c "echo held; exec sleep 600""#;
    let mut held = server.start_ssh(&alice, &format!("s3:enter files sh -c '{hold}'"));
    wait_until("the list is held", Duration::from_secs(30), || held.has_said("held"));
    assert_eq!(keep(&server, &app, "S3_URL", 2).unwrap().status, 200);
    assert_eq!(rows(&server, &app, "S3_URL"), [1]);

    kill_engine(&S3.run(&server, &alice, "info files --id"));
    wait_until_it_serves(&server, &app, "S3_URL");
    assert_eq!(rows(&server, &app, "S3_URL"), [1, 2]);
}
