//! The engine dies, restarts, shuffles its containers: apps come back by themselves, and none ever answers for another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::harness::engine;
use crate::harness::http::Connection;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::private_engine::PrivateEngine;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// Clients that ask an app over and over who it is. That it does not answer is allowed; that another one does is not.
struct Watch {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<(u64, Vec<String>)>>,
}

impl Watch {
    fn of(server: &Server, apps: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for app in apps {
            for keep in [true, false] {
                let (address, host) = (server.http_address(), server.host(app));
                let (app, stop) = (app.clone(), stop.clone());
                workers.push(thread::spawn(move || ask(address, &host, (&app, keep), &stop)));
            }
        }
        Self { stop, workers }
    }

    /// Panics if an answer was another app's, or if one app never answered.
    #[track_caller]
    fn assert_right(self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            let (right, wrong) = worker.join().unwrap();
            assert!(wrong.is_empty(), "{} answers were another app's: {:?}", wrong.len(), wrong.first());
            assert!(right > 0, "an app never answered");
        }
    }
}

fn ask(address: SocketAddr, host: &str, (app, keep): (&str, bool), stop: &AtomicBool) -> (u64, Vec<String>) {
    let (mut right, mut wrong, mut kept) = (0, Vec::new(), None);
    while !stop.load(Ordering::Relaxed) {
        let connection = kept.take().map_or_else(|| Connection::open(address), Ok);
        let answer = connection.and_then(|mut connection| {
            let answer = connection.get(host, "/env?name=SLIPWAY_APP")?;
            Ok((connection, answer))
        });
        if let Ok((connection, answer)) = answer {
            match answer.status {
                200 if answer.text() == app => right += 1,
                200..300 => wrong.push(answer.text()),
                _ => {}
            }
            let closes = answer.header("connection").is_some_and(|value| value == "close");
            kept = (keep && !closes).then_some(connection);
        }
        thread::sleep(Duration::from_millis(5));
    }
    (right, wrong)
}

/// An engine with a server and two apps, whose names begin alike.
fn two_apps() -> (PrivateEngine, Server, Person, [String; 2]) {
    let engine = PrivateEngine::start();
    let server = Server::start_with("[router]\nwaiting-seconds = 2\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let first = names::unique("blog");
    let apps = [first.clone(), format!("{first}-staging")];
    let repo = torture::repo();
    for app in &apps {
        repo.push(&server, &alice, app).success();
    }
    (engine, server, alice, apps)
}

#[track_caller]
fn wait_until_back(server: &Server, apps: &[String]) {
    for app in apps {
        server.wait_until_reachable(app, "/instance");
    }
    wait_until_whole(server);
}

#[test]
fn an_engine_that_is_killed_or_stopped_brings_each_app_back_as_itself() {
    let (mut engine, mut server, alice, apps) = two_apps();

    let watch = Watch::of(&server, &apps);
    engine.kill();
    engine.start_again();
    wait_until_back(&server, &apps);
    engine.stop();
    engine.start_again();
    wait_until_back(&server, &apps);
    shuffle_addresses(&apps);
    wait_until_back(&server, &apps);
    watch.assert_right();

    // Both away, and the server is there first.
    server.kill();
    engine.kill();
    server.start_again();
    wait_until("the server waits for the engine", Duration::from_secs(20), || {
        server.log().contains("waiting for the Docker engine")
    });
    server.ssh(&alice, "apps:list").success();
    // Come back later, it says; not that there is no such app.
    let early = server.get(&apps[0], "/");
    assert_eq!((early.status, early.header("x-router-error")), (503, Some("H20")));
    assert!(early.header("retry-after").is_some());
    engine.start_again();
    let watch = Watch::of(&server, &apps);
    wait_until_back(&server, &apps);
    watch.assert_right();
    server.ssh(&alice, "apps:list").success();
}

/// Stops both apps by hand, and starts them in the other order.
fn shuffle_addresses(apps: &[String; 2]) {
    let containers = apps.each_ref().map(|app| format!("{app}.web.1"));
    for container in &containers {
        engine::act_on(container, "stop?t=0");
    }
    for container in containers.iter().rev() {
        engine::act_on(container, "start");
    }
}

#[test]
fn a_push_while_the_engine_is_down_is_refused_and_says_what_to_do() {
    let (mut engine, server, alice, [app, _]) = two_apps();
    engine.stop();

    let repo = torture::repo();
    torture::commit_version(&repo, "2");
    let refused = repo.push_with(&server, &alice, &app, &["--force", "main"]);
    assert_ne!(refused.code, 0, "{refused}");
    let said = refused.remote_lines().join("\n");
    assert!(said.contains("Docker engine") && said.contains("systemctl start docker"), "{refused}");
    for command in ["ps:restart", "ps:stop", "ps:scale {app} web=2", "run {app} true", "--force apps:destroy"]
    {
        let line = if command.contains("{app}") {
            command.replace("{app}", &app)
        } else {
            format!("{command} {app}")
        };
        let output = server.ssh(&alice, &line);
        assert_ne!(output.code, 0, "`{line}` claims to have worked:\n{output}");
        assert!(
            output.stderr.contains("systemctl start docker"),
            "`{line}` does not say what to do:\n{output}"
        );
    }
    for line in [
        "apps:list".to_owned(),
        format!("config:set --no-restart {app} A=1"),
        format!("releases {app}"),
        format!("logs {app}"),
    ] {
        server.ssh(&alice, &line).success();
    }

    engine.start_again();
    server.wait_until_reachable(&app, "/");
    assert!(server.get(&app, "/instance").text().contains("\nversion 1\n"));
    repo.push_with(&server, &alice, &app, &["--force", "main"]).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    wait_until_whole(&server);
}

#[test]
fn an_instance_that_is_removed_or_crashes_is_replaced_while_requests_wait() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("phoenix");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("config:set {app} TORTURE_BOOT_MS=500")).success();
    torture::repo().push(&server, &alice, &app).success();
    let container = format!("{app}.web.1");
    // One request, which has to be answered however long that takes.
    let another = |what: &str, before: &str| {
        let answer = server.get(&app, "/instance");
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_ne!(answer.text(), before, "{what}");
        answer.text()
    };

    let first = server.get(&app, "/instance").text();
    engine::request("DELETE", &format!("/containers/{container}?force=1"));
    let second = another("an instance in place of the one that was removed", &first);
    wait_until_whole(&server);

    // The engine starts it again by itself.
    server.get(&app, "/crash");
    let third = another("an instance in place of the one that crashed", &second);

    // A lock is for deploys, and config vars for the next one; what runs is kept running as it is.
    server.ssh(&alice, &format!("apps:lock {app}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_EXIT=3")).success();
    engine::request("DELETE", &format!("/containers/{container}?force=1"));
    another("an instance of the locked app", &third);
    wait_until_whole(&server);
}
