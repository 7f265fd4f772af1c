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
use crate::harness::service_client::{deploy, rows};
use crate::harness::service_data::{Kind, MARIADB, POSTGRES, RABBITMQ, REDIS};
use crate::harness::wait::wait_until;

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
    let count = || rows_or_none(&server, &app, variable);
    let enough = |least: usize| {
        wait_until("rows are written", Duration::from_secs(60), || count().is_some_and(|rows| rows >= least));
    };
    enough(20);
    // Not by the engine's own command, after which it would not start it again.
    let pid = engine::get(&format!("/containers/{}/json", id.trim()))["State"]["Pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    wait_until("the service serves again", Duration::from_secs(60), || count().is_some());
    let before = count().unwrap();
    enough(before + 20);
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    acknowledged.sort_unstable();

    // The server's end is none of the service's: the very container serves on.
    server.kill();
    server.start_again();
    server.wait_until_reachable(&app, "/");
    let kept = rows(&server, &app, variable);
    let lost: Vec<_> = acknowledged.iter().filter(|number| !kept.contains(number)).collect();
    assert!(lost.is_empty() && acknowledged.len() >= 40, "{lost:?} of {} are lost", acknowledged.len());
    assert_eq!(kind.run(&server, &alice, "info ledger --id"), id);
}

fn rows_or_none(server: &Server, app: &str, variable: &str) -> Option<usize> {
    let answer = server.get(app, &format!("/rows?var={variable}"));
    (answer.status == 200).then(|| answer.text().lines().count())
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
fn no_acknowledged_row_of_redis_is_lost() {
    no_acknowledged_row_is_lost(&REDIS);
}

/// Confirmed ones, in a durable queue.
#[test]
fn no_acknowledged_message_of_rabbitmq_is_lost() {
    no_acknowledged_row_is_lost(&RABBITMQ);
}
