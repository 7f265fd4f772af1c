//! A clock that jumps under a running server: what it measures goes on, and records stay in their order.

use std::time::Duration;

use serde_json::Value;

use crate::harness::clock::Clock;
use crate::harness::engine;
use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

const DAY: i64 = 86_400;

/// The day on which the app's newest build began, as the server's clock has it, and what kind it is.
fn newest_build(server: &Server, person: &Person, app: &str) -> (jiff::Timestamp, String) {
    let builds = server.ssh(person, &format!("builds:list {app} --format json")).success().json();
    let text = |key: &str| builds[0][key].as_str().unwrap().to_owned();
    (text("started_at").parse().unwrap(), text("source"))
}

#[test]
fn a_clock_that_jumps_a_day_ahead_or_back_in_the_middle_of_a_deploy_costs_nothing() {
    let clock = Clock::new();
    let mut server = Server::prepare("");
    server.set_variables(clock.variables());
    server.start_again();
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("clock");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=1500")).success();
    assert_eq!(server.get(&app, "/print?word=before&n=100").status, 200);
    let load = Load::new().get(&server, &app, "/", (Connections::New, 1)).get(
        &server,
        &app,
        "/",
        (Connections::KeepAlive, 1),
    );

    for (version, shift) in [("2", DAY), ("3", -DAY)] {
        let commit = torture::commit_version(&repo, version);
        let push = repo.start_push(&server, &alice, &app);
        wait_until("an instance is being started", Duration::from_secs(60), || {
            engine::container_names("slipway.app", &app).iter().any(|name| name.contains(".upcoming-"))
        });
        clock.jump_to(shift);
        push.success();
        assert!(server.get(&app, "/instance").text().contains(&format!("\nversion {version}\n")));
        assert_eq!(newest_build(&server, &alice, &app).1, commit, "the newest is not the first");
        server.ssh(&alice, &format!("ps:restart {app}")).success();
        let (began, source) = newest_build(&server, &alice, &app);
        let ahead = began.as_second() - jiff::Timestamp::now().as_second();
        assert!((ahead - shift).abs() < 3600, "the server's clock is {ahead} s ahead, not {shift} s");
        assert_eq!(source, "restart");
        wait_until_whole(&server);
    }

    // One that was set back is a finding; nobody else is told to look at the clock.
    let doctor = server.ssh(&alice, "doctor --format json").exits_with(1).json();
    let findings = doctor.as_array().unwrap().iter();
    let problems: Vec<&Value> = findings.filter(|finding| finding["state"] == "problem").collect();
    assert!(problems.len() == 1 && problems[0]["check"] == "clock", "{problems:?}");
    let report = load.stop();
    report.assert_flawless();
    let said = server.ssh(&alice, &format!("logs {app} -n 100000")).success().stdout;
    assert_eq!(said.matches("before ").count(), 100, "lines of the log are lost");
    let releases = server.ssh(&alice, &format!("releases {app} --format json")).success().json();
    let versions: Vec<&str> =
        releases.as_array().unwrap().iter().map(|release| release["version"].as_str().unwrap()).collect();
    assert_eq!(versions.first(), Some(&"v3"), "{versions:?}");
    eprintln!("two jumps of the clock: 0 of {} requests lost, 0 of 100 lines", report.answered);

    // A restart that far back finds everything.
    server.restart();
    assert!(server.get(&app, "/instance").text().contains("\nversion 3\n"));
    wait_until_whole(&server);
}
