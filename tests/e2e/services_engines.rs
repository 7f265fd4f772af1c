//! Engines that are no databases, used by an app as apps use them: a broker, a cache, a store of objects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::service_client::{deploy, keep, rows, rows_soon};
use crate::harness::service_data::{RABBITMQ, nothing_is_left};
use crate::harness::wait::wait_until;
use crate::s3_server::{BUCKET, KEY, S3Server, SECRET};

fn run(server: &Server, person: &Person, line: &str) -> String {
    server.ssh(person, line).success().stdout
}

/// Has the app keep some numbers, and read them again.
#[track_caller]
fn keeps(server: &Server, app: &str, variable: &str, numbers: &[u64]) {
    for number in numbers {
        let answer = keep(server, app, variable, *number).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(rows(server, app, variable), numbers);
}

/// Whether a broker greets there: it answers a client's first bytes with the frame of a method.
fn greets(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 1];
    stream.write_all(b"AMQP\0\0\x09\x01").is_ok() && stream.read_exact(&mut answer).is_ok() && answer == [1]
}

#[test]
fn a_broker_takes_messages_of_an_app_and_gives_them_back() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    RABBITMQ.run(&server, &alice, "create bus");
    deploy(&server, &alice, &app);
    let linked = RABBITMQ.run(&server, &alice, &format!("link bus {app}"));
    assert!(linked.contains("RABBITMQ_URL:") && linked.contains("amqp://"), "{linked}");
    keeps(&server, &app, "RABBITMQ_URL", &[1, 2, 3]);
    RABBITMQ.run(&server, &alice, "restart bus");
    assert_eq!(rows_soon(&server, &app, "RABBITMQ_URL"), [1, 2, 3], "messages that last");

    let said = RABBITMQ.run(&server, &alice, "expose bus");
    let (_, address) = said.trim().rsplit_once("->").unwrap();
    assert!(greets(address), "{said}");
    RABBITMQ.run(&server, &alice, "unexpose bus");
    assert!(!greets(address));

    let users = || RABBITMQ.client(&server, &alice, "bus", "rabbitmqctl --quiet list_users\n");
    assert!(users().contains("slipway_link"), "{}", users());
    RABBITMQ.run(&server, &alice, &format!("unlink bus {app}"));
    assert_eq!(server.get(&app, "/env?name=RABBITMQ_URL").text(), "");
    assert_eq!(server.get(&app, "/connect?to=slipway-rabbitmq-bus:5672").status, 504);
    wait_until("its user goes with the link", Duration::from_secs(60), || !users().contains("slipway_link"));
    let destroyed = RABBITMQ.run(&server, &alice, "destroy --force bus");
    assert!(destroyed.contains("rabbitmq:restore bus"), "{destroyed}");
    RABBITMQ.run(&server, &alice, "restore bus");
    let queues = RABBITMQ.client(&server, &alice, "bus", "rabbitmqctl --quiet list_queues name\n");
    assert!(queues.contains("kept"), "{queues}");
}

#[test]
fn a_cache_keeps_what_an_app_gives_it_and_refuses_what_is_for_those_that_keep_data() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    run(&server, &alice, "memcached:create cache");
    deploy(&server, &alice, &app);
    let linked = run(&server, &alice, &format!("memcached:link cache {app}"));
    assert!(linked.contains("MEMCACHED_URL:") && linked.contains("MEMCACHED_SERVERS:"), "{linked}");
    keeps(&server, &app, "MEMCACHED_URL", &[1, 2, 3]);

    for (line, reason) in [
        (&*format!("memcached:rotate cache {app}"), "knows no users"),
        ("memcached:export cache", "keeps nothing that could be saved"),
        ("memcached:import cache", "keeps nothing that could be restored"),
        ("memcached:import --merge cache", "keeps nothing that could be restored"),
        ("memcached:clone cache copy", "keeps nothing that could be saved"),
        ("memcached:backup cache", "keeps nothing that could be saved"),
        ("memcached:restore cache", "keeps nothing that could be restored"),
        ("memcached:verify cache", "keeps nothing that could be restored"),
        ("memcached:backup-schedule cache @daily s3://backups", "keeps nothing that could be saved"),
        ("memcached:rotate cache", "knows no users"),
        ("memcached:backup-retention cache --count 2", "keeps nothing that could be saved"),
        ("memcached:backup-auth cache key secret", "keeps nothing that could be saved"),
        ("memcached:backup-set-encryption cache passphrase", "keeps nothing that could be saved"),
        ("memcached:destroy --force cache", &app),
        ("memcached:upgrade cache -I 1.7", "-I 1.6"),
        ("memcached:upgrade-undo --force cache", "keeps no data of an earlier version"),
    ] {
        let output = server.ssh_with_input(&alice, line, b"a dump");
        assert!(output.code != 0 && output.stderr.contains(reason), "`{line}`:\n{output}");
    }
    assert!(!run(&server, &alice, "memcached:list").contains("copy"));
    let doctor = server.ssh(&alice, "doctor").stdout;
    assert!(!doctor.contains("memcached cache"), "{doctor}");
    assert_eq!(rows(&server, &app, "MEMCACHED_URL"), [1, 2, 3]);
    run(&server, &alice, "memcached:upgrade cache --config-options '-m 32'");
    assert_eq!(rows_soon(&server, &app, "MEMCACHED_URL"), [0; 0], "it is a cache");
    let settings = server.ssh_with_input(&alice, "memcached:connect cache", b"stats settings\r\n").success();
    assert!(settings.stdout.contains("STAT maxbytes 33554432"), "{settings}");

    run(&server, &alice, &format!("memcached:unlink cache {app}"));
    assert_eq!(server.get(&app, "/connect?to=slipway-memcached-cache:11211").status, 504);
    run(&server, &alice, "memcached:destroy --force cache");
    nothing_is_left(&server);
}

#[test]
fn objects_of_an_app_come_back_whole() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    run(&server, &alice, "s3:create files");
    deploy(&server, &alice, &app);
    let linked = run(&server, &alice, &format!("s3:link files {app}"));
    assert!(linked.contains("S3_URL:") && linked.contains("AWS_ENDPOINT_URL_S3:"), "{linked}");
    keeps(&server, &app, "S3_URL", &[1, 2, 3]);
    let dump = server.ssh(&alice, "s3:export files").success().stdout_bytes;
    assert_eq!(keep(&server, &app, "S3_URL", 4).unwrap().status, 200);
    server.ssh_with_input(&alice, "s3:import files", &dump).success();
    assert_eq!(rows_soon(&server, &app, "S3_URL"), [1, 2, 3]);

    let other = server.ssh(&alice, "s3:upgrade files -I 2.36");
    assert!(other.code != 0 && other.stderr.contains("-I 2.35"), "{other}");
    run(&server, &alice, "s3:upgrade files --memory 600");
    assert_eq!(rows_soon(&server, &app, "S3_URL"), [1, 2, 3]);
    let id = run(&server, &alice, "s3:info files --id");
    assert_eq!(engine::get(&format!("/containers/{}/json", id.trim()))["HostConfig"]["Memory"], 600 << 20);
    back_from_a_backup(&server, &alice, &app);
}

/// Of the objects 1, 2 and 3.
fn back_from_a_backup(server: &Server, alice: &Person, app: &str) {
    let storage = S3Server::start("127.0.0.1");
    run(server, alice, &format!("s3:backup-auth files {KEY} {SECRET} '' '' {}", storage.url));
    let place = format!("s3://{BUCKET}/nightly");
    run(server, alice, &format!("s3:backup files {place}"));
    run(server, alice, &format!("s3:unlink files {app}"));
    run(server, alice, "s3:destroy --force --no-backup files");
    let access = format!("--key {KEY} --secret {SECRET} --endpoint {}", storage.url);
    run(server, alice, &format!("s3:restore files --from {place} {access}"));
    run(server, alice, &format!("s3:link files {app}"));
    assert_eq!(rows(server, app, "S3_URL"), [1, 2, 3]);
    assert_eq!(keep(server, app, "S3_URL", 4).unwrap().status, 200);
    run(server, alice, "s3:restart files");
    assert_eq!(rows_soon(server, app, "S3_URL"), [1, 2, 3, 4]);
    nothing_is_left(server);
}
