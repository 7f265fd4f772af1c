//! `doctor` finds what is really wrong, says where and what to do, and is content when it is mended.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

/// The findings of a check that are not good: state, place, what and what to do.
fn findings(output: &Output, check: &str) -> Vec<(String, String, String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let all = output.json();
    let found = all.as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    let bad = found.filter(|finding| finding["state"] != "good");
    bad.map(|finding| {
        (text(finding, "state"), text(finding, "place"), text(finding, "what"), text(finding, "fix"))
    })
    .collect()
}

/// Each of the faults, where it is, and what mends it.
fn names_what_is_wrong(ill: &Output, key: &Path, app: &str, port: u16) {
    assert_eq!(ill.code, 1, "{ill}");
    let problem = |check: &str, place: &str, what: &str, fix: &str| {
        let found = findings(ill, check);
        let fits = |finding: &&(String, String, String, String)| {
            finding.1.contains(place) && finding.2.contains(what) && finding.3.contains(fix)
        };
        found
            .iter()
            .find(fits)
            .map(|finding| finding.0.clone())
            .unwrap_or_else(|| panic!("{check}: {found:?}"))
    };
    let shown = key.display().to_string();
    assert_eq!(problem("permissions", &shown, "mode 644", &format!("chmod 600 {shown}")), "problem");
    assert_eq!(problem("images", &format!("{app} v1"), "gone from the engine", "push its commit"), "warning");
    assert_eq!(problem("dns", "nowhere.invalid", "does not resolve", "domains:remove"), "warning");
    let own = format!("(process {})", std::process::id());
    assert_eq!(problem("ports", &port.to_string(), &own, "ports:set"), "problem");
    assert_eq!(problem("clock", "", "behind what was recorded last", "timedatectl"), "problem");
}

#[test]
fn a_doctor_finds_each_fault_and_is_content_once_it_is_mended() {
    let (mut server, alice) = Server::with_person("alice");
    let app = names::unique("patient");
    // The harness made it.
    fs::set_permissions(server.root(), fs::Permissions::from_mode(0o700)).unwrap();
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    server.ssh(&alice, &format!("ports:add {app} http:{port}:5000")).success();
    let examine = |server: &Server| server.ssh(&alice, "doctor --format json");
    let healthy = examine(&server);
    for check in ["engine", "disk", "permissions", "database", "ports", "apps", "images", "clock", "kernel"] {
        assert_eq!(findings(&healthy, check), [], "{healthy}");
    }
    assert_eq!(healthy.code, 0, "{healthy}");
    assert!(server.ssh(&alice, "doctor").success().stdout.contains(" ok      apps: "));

    let key = server.root().join("secret.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let image = server.ssh(&alice, &format!("releases:info {app} v1 --format json")).success().json();
    let image = image["image"].as_str().unwrap().to_owned();
    engine::request("DELETE", &format!("/images/{image}?force=1"));
    server.ssh(&alice, &format!("domains:add {app} nowhere.invalid")).success();
    server.kill();
    let thief = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let newest = "UPDATE builds SET started_at = started_at + 86400 WHERE id = (SELECT MAX(id) FROM builds)";
    rusqlite::Connection::open(server.root().join("slipway.db")).unwrap().execute(newest, []).unwrap();
    server.start_again();

    names_what_is_wrong(&examine(&server), &key, &app, port);
    let text = server.ssh(&alice, "doctor").exits_with(1);
    assert!(text.stdout.contains(&format!("PROBLEM permissions: {}: ", key.display())), "{text}");
    assert!(text.stderr.contains(" wrong, "), "{text}");

    // A clock that jumped back loses nothing: what waits, waits by another clock, and numbers go on.
    server.ssh(&alice, &format!("ps:restart {app}")).success();
    assert_eq!(server.get(&app, "/").status, 200);
    let builds = server.ssh(&alice, &format!("builds:list {app} --format json")).success().json();
    assert_eq!(builds[0]["source"], "restart", "the newest is not the first: {builds}");

    // What the doctor says to do, done.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    drop(thief);
    server.ssh(&alice, &format!("domains:remove {app} nowhere.invalid")).success();
    server.kill();
    let back = "UPDATE builds SET started_at = started_at - 86400 WHERE started_at > unixepoch() + 3600";
    rusqlite::Connection::open(server.root().join("slipway.db")).unwrap().execute(back, []).unwrap();
    server.start_again();
    server.wait_until_reachable(&app, "/");
    let mut told = Vec::new();
    wait_until("all is well again", Duration::from_secs(20), || {
        let now = examine(&server);
        let findings = now.json();
        let findings = findings.as_array().unwrap().iter();
        let problems: Vec<Value> = findings.filter(|it| it["state"] == "problem").cloned().collect();
        if problems != told {
            eprintln!("still wrong: {problems:?}");
            told = problems;
        }
        now.code == 0
    });
}
