//! `ps:set`, `ps:inspect`, `ps:restore`, and the same to several apps at a time.

use crate::harness::engine;
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wholeness::wait_until_whole;

#[test]
fn how_processes_run_can_be_set() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("set"), torture::repo());
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh("apps:create APP").success();

    for (line, said) in [
        ("ps:set APP restart-policy sometimes", "Invalid restart-policy specified"),
        ("ps:set APP restart-policy on-failure:x", "Invalid restart-policy specified"),
        ("ps:set APP stop-timeout-seconds -1", "-1 is not a number of seconds from 0 to 86400"),
        ("ps:set APP drain-timeout-seconds soon", "soon is not a number of seconds"),
        ("ps:set APP restore maybe", "maybe is neither true nor false"),
        ("ps:set APP procfile-path ../Procfile", "is not a path inside the repository"),
        ("ps:set APP start-cmd \"'open\"", "a quote or a backslash is left open"),
        ("ps:set APP restore false --process-type web", "--process-type goes with stop-timeout-seconds only"),
        ("ps:set --global --process-type web stop-timeout-seconds 1", "A process type belongs to one app"),
        ("ps:set APP nosuch 1", "valid properties include: restart-policy, stop-timeout-seconds"),
        ("ps:inspect APP", "has not been deployed"),
        ("ps:restore APP", "has not been deployed"),
        ("ps:restart --all --parallel 0", "0 apps at the same time make no sense"),
    ] {
        let refused = ssh(line).exits_with(1).stderr;
        assert!(refused.contains(said), "{line}: {refused}");
    }

    // A push that is not to be deployed is built, and no more; later it needs no other push.
    ssh("ps:set APP skip-deploy true").success();
    std::fs::remove_file(repo.path().join("Procfile")).unwrap();
    repo.commit("No Procfile");
    let skipped = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(skipped.contains("-----> Skipping deployment, as skip-deploy says"), "{skipped}");
    assert_eq!(server.get(&app, "/").status, 503);
    ssh("ps:set APP skip-deploy").success();
    ssh("ps:set APP start-cmd '/torture web --token=$TOKEN'").success();
    ssh("ps:set APP restart-policy on-failure:3").success();
    ssh("ps:set APP stop-timeout-seconds 77").success();
    ssh("config:set APP TOKEN=hunter2hunter2").success();
    ssh("ps:rebuild APP").success();
    assert_eq!(server.get(&app, "/").text(), "torture\n");

    let shown = ssh("ps:inspect APP").success();
    assert!(!shown.stdout.contains("hunter2"), "{}", shown.stdout);
    let container = &shown.json()[0];
    assert_eq!(container["Name"], format!("/{app}.web.1"));
    assert_eq!(container["Args"], serde_json::json!(["web", "--token=*****"]));
    assert!(container["Config"]["Env"].as_array().unwrap().contains(&serde_json::json!("TOKEN=*****")));
    let policy = serde_json::json!({ "Name": "on-failure", "MaximumRetryCount": 3 });
    assert_eq!(container["HostConfig"]["RestartPolicy"], policy);
    assert_eq!(container["Config"]["StopTimeout"], 77);
}

#[test]
fn several_apps_have_their_turns_at_the_same_time_and_what_is_gone_is_restored() {
    let (server, alice) = Server::with_person("alice");
    let apps: Vec<String> = (0..3).map(|_| names::unique("turn")).collect();
    let repo = torture::repo();
    for app in &apps {
        repo.push(&server, &alice, app).success();
    }
    let id = |app: &str| engine::get(&format!("/containers/{app}.web.1/json"))["Id"].to_string();
    let before: Vec<String> = apps.iter().map(|app| id(app)).collect();

    let restarted = server.ssh(&alice, "ps:restart --all --parallel 3").success().stdout;
    let after: Vec<String> = apps.iter().map(|app| id(app)).collect();
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
    let lines: Vec<&str> = restarted.lines().collect();
    for (app, line) in apps.iter().zip(&lines) {
        assert_eq!(*line, format!("       {app}: its turn has begun"));
    }
    // Each one's output is in one piece.
    let ends = lines.split(|line| line.starts_with("-----> Restarting "));
    let pieces: Vec<String> = ends.skip(1).map(|piece| piece.join("\n")).collect();
    assert_eq!(pieces.len(), 3, "{restarted}");
    for piece in pieces {
        let of = apps.iter().filter(|app| piece.contains(app.as_str())).count();
        assert!(of == 1 && piece.contains("=====> Application deployed:"), "{restarted}");
    }

    // Stopped by a person, not to be restored, and gone.
    let [stopped, left, gone] = &apps[..] else { panic!("three apps") };
    server.ssh(&alice, &format!("ps:stop {stopped}")).success();
    server.ssh(&alice, &format!("ps:set {left} restore false")).success();
    engine::act_on(&format!("{left}.web.1"), "stop?t=1");
    let told = server.ssh(&alice, "ps:restore --parallel -1").success();
    for said in [
        format!("-----> Skipping {stopped}: it was stopped (ps:start {stopped})\n"),
        format!("-----> Skipping {left}: restore is false (ps:set {left} restore)\n"),
        format!("-----> Restoring {gone}\n"),
    ] {
        assert!(told.stdout.contains(&said), "{said}: {told}");
    }
    let state = engine::get(&format!("/containers/{left}.web.1/json"))["State"]["Status"].clone();
    assert_eq!(state, "exited");
    server.ssh(&alice, &format!("ps:set {left} restore")).success();
    server.ssh(&alice, &format!("ps:restore {left}")).success();
    assert_eq!(server.get(left, "/").status, 200);
    server.ssh(&alice, &format!("ps:start {stopped}")).success();
    wait_until_whole(&server);
}
