//! How many instances of which process types: as app.json says, as the Procfile has them, without web at all.

use std::collections::BTreeSet;
use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

const BOUND: Duration = Duration::from_secs(30);

/// The names of an app's containers without the app's, those left out that are being retired.
fn instances(app: &str) -> BTreeSet<String> {
    let names = engine::container_names("com.dokku.app-name", app);
    let own = names.iter().filter_map(|name| name.strip_prefix(&format!("{app}.")));
    own.filter(|name| !name.contains(".retired-")).map(str::to_owned).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[track_caller]
fn refusal(push: Output) -> String {
    assert_ne!(push.code, 0, "the push was taken:\n{push}");
    push.remote_lines().join("\n")
}

#[test]
fn an_app_json_with_a_formation_says_how_many_run() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("formation"), torture::repo());
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh("apps:create APP").success();
    ssh("ps:scale APP clock=2").success();
    repo.write("Procfile", "web: /torture web\nworker: /torture worker\nclock: /torture worker\n");
    for (wrong, said) in [
        (
            r#"{"formation": {"web": {"quantity": -1}}}"#,
            "formation.web.quantity (line 1): -1 is not a whole number",
        ),
        (r#"{"formation": {"web": {"quantity": 100000}}}"#, "100000 is not a whole number from 0 to 100"),
        ("{\n  \"formation\": {},\n}}", "Invalid app.json: line 3: "),
    ] {
        repo.write("app.json", wrong);
        repo.commit("Wrong");
        let refused = refusal(repo.push(&server, &alice, &app));
        assert!(refused.contains(said) && !refused.contains("Building"), "{refused}");
    }

    repo.write(
        "app.json",
        r#"{"formation": {"web": {"quantity": 2}, "worker": {"quantity": 1}, "mailer": {}}, "formations": 1}"#,
    );
    repo.commit("A formation");
    let pushed = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    for warning in [
        " !     app.json: formations is not known here and has no effect",
        " !     app.json: formation.mailer: the app has no process type mailer",
    ] {
        assert!(pushed.contains(warning), "{warning}: {pushed}");
    }
    assert_eq!(instances(&app), set(&["web.1", "web.2", "worker.1"]));
    assert_snapshot!(ssh("ps:scale APP web=1").shown(&server, &app), @r"
     !     App blog contains an app.json file with a formations key and cannot be manually scaled
     !     Change formation in app.json, and push that
    [exit code 1]
    ");
    assert_snapshot!(ssh("ps:scale APP").shown(&server, &app), @r"
    -----> Scaling for blog
    proctype:  qty
    --------:  ---
    clock:     0
    web:       2
    worker:    1
    [exit code 0]
    ");

    // Without the key, people scale again, from where it was; and the file may lie elsewhere.
    repo.write("app.json", r#"{"env": {"FROM": "the usual place"}}"#);
    repo.write("deploy/app.json", r#"{"env": {"FROM": "elsewhere"}}"#);
    repo.commit("No formation");
    ssh("app-json:set APP appjson-path deploy/app.json").success();
    repo.push(&server, &alice, &app).success();
    assert_eq!(instances(&app), set(&["web.1", "web.2", "worker.1"]));
    assert_eq!(server.get(&app, "/env?name=FROM").text(), "elsewhere");
    ssh("ps:scale APP web=1 worker=0").success();
    assert_eq!(instances(&app), set(&["web.1"]));

    ssh("app-json:set APP appjson-path nowhere.json").success();
    let refused = refusal(repo.push_with(&server, &alice, &app, &["--force", "HEAD~1:refs/heads/main"]));
    let refused = refused.replace(&app, "blog");
    assert!(refused.contains(" !     there is no nowhere.json in the source\n"), "{refused}");
    assert!(refused.contains(": app-json:set blog appjson-path [PATH]"), "{refused}");
}

#[test]
fn process_types_that_left_are_forgotten_and_come_back_with_a_rollback() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("formation"), torture::repo());
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    repo.push(&server, &alice, &app).success();
    ssh("ps:scale APP worker=2").success();

    repo.write("Procfile", "web: /torture web\n");
    repo.commit("No worker");
    let pushed = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    assert!(
        pushed.contains(
            "-----> Old instances finish in the background: worker.1 (up to 30 s), worker.2 (up to 30 s)"
        ),
        "{pushed}"
    );
    wait_until("the workers are gone", BOUND, || {
        engine::container_names("com.dokku.app-name", &app) == [format!("{app}.web.1")]
    });
    repo.write("Procfile", "web: /torture web\nworker: /torture worker\n");
    repo.commit("A new worker");
    repo.push(&server, &alice, &app).success();
    assert_eq!(instances(&app), set(&["web.1"]), "the scale was not forgotten");

    ssh("ps:scale APP worker=1").success();
    repo.write("Procfile", "web: /torture web\n");
    repo.commit("No worker by mistake");
    repo.push(&server, &alice, &app).success();
    assert_eq!(instances(&app), set(&["web.1"]));
    ssh("releases:rollback APP").success();
    assert_eq!(instances(&app), set(&["web.1", "worker.1"]));

    repo.write("Procfile", "release: true\n");
    repo.commit("Nothing that stays");
    let refused = refusal(repo.push(&server, &alice, &app));
    assert!(
        refused.contains("Invalid Procfile: line 1: there is no process type in it but release"),
        "{refused}"
    );
    assert_eq!(instances(&app), set(&["web.1", "worker.1"]));
    wait_until_whole(&server);
}

#[test]
fn an_app_without_web_is_an_app() {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("worker-only"), torture::repo());
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh("apps:create APP").success();
    ssh("ps:set APP procfile-path etc/Procfile").success();
    ssh("ps:scale APP worker=1").success();
    repo.write("etc/Procfile", "worker: /torture worker\n");
    repo.commit("A worker and nothing else");
    let pushed = repo.push(&server, &alice, &app).success().remote_lines().join("\n");
    let end = pushed.split_once("=====> Application deployed:").unwrap().1.trim().to_owned();
    assert_eq!(end, "(it has no web process, and so no URL)");
    assert_eq!(instances(&app), set(&["worker.1"]));
    let nobody = server.get(&app, "/");
    assert_eq!(nobody.status, 503);
    assert!(nobody.text().contains("No web process is running"), "{}", nobody.text());
    ssh("ps:restart APP worker").success();
    assert_eq!(instances(&app), set(&["worker.1"]));
    wait_until_whole(&server);
}

#[test]
fn an_image_brings_its_own_procfile_and_app_json() {
    let (server, alice) = Server::with_person("alice");
    let (app, other, repo) = (names::unique("from-image"), names::unique("from-image"), torture::repo());
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app).replace("OTHER", &other));
    repo.write("app.json", r#"{"formation": {"web": {"quantity": 1}, "worker": {"quantity": 1}}}"#);
    let dockerfile = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", format!("{dockerfile}WORKDIR /srv\nCOPY Procfile app.json ./\n"));
    repo.commit("An image with everything");
    repo.push(&server, &alice, &app).success();
    let container = engine::get(&format!("/containers/{app}.web.1/json"));
    let image = container["Image"].as_str().unwrap();

    ssh("apps:create OTHER").success();
    ssh(&format!("git:from-image OTHER {image}")).success();
    assert_eq!(instances(&other), set(&["web.1", "worker.1"]));
    assert_eq!(server.get(&other, "/").text(), "torture\n");
    wait_until_whole(&server);
}
