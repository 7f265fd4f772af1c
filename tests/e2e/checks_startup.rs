//! What a new instance has to pass before it serves, and what is said when it does not.

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;

/// A server that waits for a new instance only briefly, and an app that does not exist yet.
fn impatient() -> (Server, Person, String) {
    let server = Server::start_with("[deploy]\nstart-seconds = 3\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    (server, alice, names::unique("checked"))
}

/// What the server said in a push that it has to refuse.
#[track_caller]
fn refusal(push: Output) -> String {
    assert_ne!(push.code, 0, "the push was taken:\n{push}");
    push.remote_lines().join("\n")
}

/// Commits an app.json with these checks of web.
fn commit_checks(repo: &Repo, checks: &serde_json::Value) {
    let json = serde_json::json!({ "healthchecks": { "web": checks } });
    repo.write("app.json", json.to_string());
    repo.commit("Checks");
}

#[test]
fn the_checks_of_app_json_decide_and_a_failure_says_why() {
    let (server, alice, app) = impatient();
    let repo = torture::repo();
    let host = server.host(&app);
    commit_checks(
        &repo,
        &serde_json::json!([
            { "name": "mood", "path": "/mood", "content": "mood 200" },
            { "path": "/headers", "content": format!("host: {host}\r\nx-forwarded-proto: http\r\n") },
            { "path": "/headers", "content": "x-token: t", "httpHeaders": [{ "name": "X-Token", "value": "t" }] },
            { "name": "files", "command": ["test", "-e", "/torture"] },
            { "listening": true },
            { "uptime": 1 },
        ]),
    );
    let said = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(said.contains("-----> Executing 6 healthchecks"), "{said}");
    assert!(
        said.contains("Running healthcheck name='mood' type='http' path='/mood' attempts=3 timeout=5 wait=5"),
        "{said}"
    );
    for name in ["mood", "check-2", "check-3", "files", "check-5", "check-6"] {
        assert!(said.contains(&format!("Healthcheck succeeded name='{name}' (web.1)")), "{name}: {said}");
    }
    let before = server.get(&app, "/instance").text();

    commit_checks(
        &repo,
        &serde_json::json!([
            { "name": "status", "path": "/status/503", "attempts": 2, "wait": 0 },
            { "name": "words", "path": "/", "content": "welcome", "attempts": 1 },
            { "name": "program", "command": ["sh", "-c", "echo no such table; exit 7"], "attempts": 1 },
            { "name": "slow", "path": "/sleep?ms=60000", "timeout": 1, "attempts": 1 },
            { "name": "only told", "path": "/status/404", "attempts": 1, "warn": true },
        ]),
    );
    let said = refusal(repo.push(&server, &alice, &app));
    for expected in [
        "Could not start due to 4 failed checks (web.1)",
        "status: the answer had status 503:",
        "words: the answer has no \"welcome\" in it:",
        "program: the command ended with status 7:",
        "no such table",
        "slow: no answer came within 1 s",
        "Failure in name='only told' (web.1), which is only a warning: the answer had status 404",
        "The instance listens on 0.0.0.0:5000",
        // What the container itself printed.
        "GET /status/503 HTTP/1.1 503",
    ] {
        assert!(said.contains(expected), "{expected}:\n{said}");
    }
    assert_eq!(said.matches("GET /status/503 HTTP/1.1 503").count(), 2, "two attempts:\n{said}");
    assert_eq!(server.get(&app, "/instance").text(), before);

    repo.write("app.json", r#"{ "healthchecks": { "web": [{ "path": "health" }] } }"#);
    repo.commit("A path without a slash");
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("healthchecks.web[0].path"), "{said}");
}

#[test]
fn instances_boot_side_by_side_unless_app_json_says_how_many() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("checked"), torture::repo());
    server.ssh(&alice, &format!("apps:create {app}")).success();
    // Longer than it takes to start the other one.
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=2500")).success();
    let first_end_before_last_begin = |formation: serde_json::Value| {
        repo.write("app.json", serde_json::json!({ "formation": { "web": formation } }).to_string());
        repo.commit("A formation");
        let lines = repo.push(&server, &alice, &app).success().remote_lines();
        let place = |text: &str| lines.iter().position(|line| line.contains(text));
        let last_begin = lines.iter().rposition(|line| line.contains("Attempting pre-flight checks"));
        place("All checks successful").unwrap() < last_begin.unwrap()
    };
    assert!(!first_end_before_last_begin(serde_json::json!({ "quantity": 2 })));
    assert!(first_end_before_last_begin(serde_json::json!({ "quantity": 2, "max_parallel": 1 })));
}

#[test]
fn without_checks_an_app_has_to_answer_below_500() {
    let (server, alice, app) = impatient();
    let repo = torture::repo();
    let config = |pair: &str| {
        server.ssh(&alice, &format!("config:set --no-restart {app} {pair}")).success();
    };
    server.ssh(&alice, &format!("apps:create {app}")).success();

    // Listens at once and is well only later: the first visitor must not see the difference.
    config("TORTURE_500_MS=1000");
    repo.push(&server, &alice, &app).success();
    assert_eq!(server.get(&app, "/").text(), "torture\n");

    config("TORTURE_500_MS=600000");
    let said = server.ssh(&alice, &format!("ps:restart {app}")).exits_with(1);
    assert!(said.stderr.contains("GET / was answered with status 500 for 3 s"), "{said}");
    assert!(said.stderr.contains("not well yet") && said.stderr.contains("checks:skip"), "{said}");

    config("TORTURE_500_MS=0 TORTURE_RAW_TCP=1");
    let said = server.ssh(&alice, &format!("ps:restart {app}")).exits_with(1);
    assert!(said.stderr.contains("port 5000 does not answer in HTTP"), "{said}");
    assert!(said.stderr.contains("\"listening\": true"), "{said}");
    assert_eq!(server.get(&app, "/").text(), "torture\n", "the old instance is gone");

    commit_checks(&repo, &serde_json::json!([{ "type": "startup", "listening": true }]));
    repo.push(&server, &alice, &app).success();
}

#[test]
fn an_instance_that_ends_behind_its_checks_is_no_success() {
    let (server, alice, app) = impatient();
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    let config = |pair: &str| server.ssh(&alice, &format!("config:set {app} {pair}"));

    server.ssh(&alice, &format!("checks:set {app} stability-window-ms 2000")).success();
    let said = config("TORTURE_LIVE_MS=700").exits_with(1);
    assert!(said.stderr.contains("Could not start due to 1 failed checks (web.1): the process"), "{said}");
    assert!(said.stdout.contains("torture: exiting, as TORTURE_LIVE_MS says"), "{said}");
    assert_eq!(server.get(&app, "/instance").text(), before);

    // Without a port to be asked on, a process has to stay up.
    server.ssh(&alice, &format!("config:unset --no-restart {app} TORTURE_LIVE_MS")).success();
    server.ssh(&alice, &format!("checks:set {app} stability-window-ms 0")).success();
    server.ssh(&alice, &format!("ps:scale {app} worker=1")).success();
    let said = config("TORTURE_LIVE_MS=500").exits_with(1);
    assert!(said.stderr.contains("failed checks (worker.1)"), "{said}");
}

#[test]
fn a_checks_file_is_honoured_and_app_json_wins() {
    let (server, alice, app) = impatient();
    let repo = torture::repo();
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} PAGE=instance")).success();

    repo.write(
        "CHECKS",
        "WAIT=1\nATTEMPTS=1\n\n/{{ var \"PAGE\" }} dyno web.1\n//other.example/headers host: other.example\n",
    );
    repo.commit("CHECKS");
    let said = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(said.contains("Healthcheck succeeded name='CHECKS line 4' (web.1)"), "{said}");
    assert!(!said.contains("/instance"), "what is filled in is not shown:\n{said}");

    repo.write("CHECKS", "ATTEMPTS=1\n/ welcome\n");
    repo.commit("A page that is not there");
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("CHECKS line 2: the answer has no \"welcome\" in it:"), "{said}");

    repo.write("CHECKS", "/\nTIMEOUT=soon\n");
    repo.commit("A setting that is none");
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("Invalid CHECKS file: line 2: soon is not a number"), "{said}");

    commit_checks(&repo, &serde_json::json!([{ "path": "/" }]));
    let said = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(said.contains("The CHECKS file is left out: app.json has healthchecks for web"), "{said}");
}
