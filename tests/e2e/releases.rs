//! What an app was and is: releases, rollbacks, reports, the list of builds; for people and for programs.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;

/// A server on which the torture app runs.
fn deployed() -> (Server, Person, String, Repo) {
    let (server, alice) = Server::with_person("alice");
    let (app, repo) = (names::unique("releases"), torture::repo());
    repo.push(&server, &alice, &app).success();
    (server, alice, app, repo)
}

/// The version and the release that an app answers with, and its config var `COLOUR`.
fn state(server: &Server, app: &str) -> String {
    let instance = server.get(app, "/instance").text();
    let lines = instance.lines().filter(|line| line.starts_with("release ") || line.starts_with("version "));
    let colour = server.get(app, "/env?name=COLOUR").text();
    format!("{} {}", lines.collect::<Vec<_>>().join(" "), colour.trim_end())
}

#[test]
fn a_rollback_brings_back_the_image_and_the_config_vars() {
    let (server, alice, app, repo) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    let versions = |number: usize| {
        let releases = ssh("releases APP --format json").success().json();
        let described = |release: &Value| {
            let current = if release["current"] == true { " *" } else { "" };
            format!(
                "{} {}{current}",
                release["version"].as_str().unwrap(),
                release["description"].as_str().unwrap()
            )
        };
        releases.as_array().unwrap().iter().take(number).map(described).collect::<Vec<_>>()
    };
    ssh("config:set APP COLOUR=red").success();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    ssh("config:set APP COLOUR=blue").success();
    assert_eq!(state(&server, &app), "release v4 version 2 blue");

    // Without a number: the release before the current one.
    ssh("releases:rollback APP").success();
    assert_eq!(state(&server, &app), "release v5 version 2 red");
    assert_eq!(ssh("config:get APP COLOUR").success().stdout, "red\n");
    // The config vars that were not there are gone, for the next restart too.
    let first = ssh("releases:rollback APP v1").success();
    assert!(first.stdout.starts_with("-----> Rolling "), "{first}");
    assert_eq!(state(&server, &app), "release v6 version 1 this variable is not set");
    ssh("ps:restart APP").success();
    assert_eq!(state(&server, &app), "release v6 version 1 this variable is not set");
    // A number is as good as a version; today's config vars can stay.
    ssh("config:set APP COLOUR=green").success();
    ssh("releases:rollback --keep-config APP 4").success();
    assert_eq!(state(&server, &app), "release v8 version 2 green");

    assert_eq!(versions(3), ["v8 Rollback to v4 *", "v7 Set COLOUR", "v6 Rollback to v1"]);
    assert_snapshot!(ssh("releases:rollback APP v99").shown(&server, &app), @r"
     !     blog has no release v99
     !     It has v1 to v8; see them: releases blog
    [exit code 1]
    ");
    assert_snapshot!(ssh("releases:rollback APP latest").shown(&server, &app), @r"
     !     latest is not a release: write a number from `releases`, for example v12
    [exit code 1]
    ");
    assert_eq!(state(&server, &app), "release v8 version 2 green");
}

#[test]
fn a_rollback_that_does_not_come_up_leaves_everything_as_it_was() {
    let server = Server::start_with("[deploy]\nstart-seconds = 2\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let (app, repo) = (names::unique("releases"), torture::repo());
    repo.push(&server, &alice, &app).success();
    server.ssh(&alice, &format!("config:set {app} COLOUR=red")).success();
    let before = server.get(&app, "/instance").text();

    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_EXIT=3 COLOUR=blue")).success();
    let rollback = server.ssh(&alice, &format!("releases:rollback --keep-config {app} v1")).exits_with(1);

    assert!(
        rollback.stdout.contains("exiting with code 3") || rollback.stderr.contains("exiting with code 3"),
        "{rollback}"
    );
    assert_eq!(server.get(&app, "/instance").text(), before);
    let current = server.ssh(&alice, &format!("releases:info {app} --format json")).success().json();
    assert_eq!((&current["version"], &current["current"]), (&json!("v2"), &json!(true)));
    assert_eq!(server.ssh(&alice, &format!("config:get {app} COLOUR")).stdout, "blue\n");
}

#[test]
fn two_releases_are_compared_and_those_beyond_the_retention_are_forgotten() {
    let (server, alice, app, repo) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    ssh("config:set APP COLOUR=red OLD=1 SAME=1").success();
    ssh("ps:scale APP web=2").success();
    torture::commit_version(&repo, "2");
    repo.write("Procfile", "web: /torture web\nticker: /torture worker\n");
    let commit = repo.commit("Another worker");
    repo.push(&server, &alice, &app).success();
    ssh("config:unset --no-restart APP OLD").success();
    ssh("config:set APP COLOUR=blue NEW=1").success();
    ssh("ps:scale APP web=1").success();

    let diff = ssh("releases:diff APP v2 v4 --format json").success().json();
    let config = json!({"added": ["NEW"], "changed": ["COLOUR"], "removed": ["OLD"]});
    assert_eq!(diff["config"], config);
    let change = |what: &str| {
        let found = diff["changes"].as_array().unwrap().iter().find(|change| change["what"] == what);
        found.map(|change| (change["from"].clone(), change["to"].clone()))
    };
    assert_eq!(change("commit").unwrap().1, json!(commit));
    assert_ne!(change("image").unwrap().0, change("image").unwrap().1);
    assert_eq!(change("process ticker").unwrap(), (Value::Null, json!("/torture worker")));
    assert_eq!(change("process worker").unwrap(), (json!("/torture worker"), Value::Null));
    assert_eq!(change("scale web").unwrap(), (json!("2"), json!("1")));
    assert_eq!(change("process web"), None);
    let text = ssh("releases:diff APP v2").success();
    for line in ["scale web: 2 -> 1", "config changed: COLOUR"] {
        assert!(words_of_lines(&text.stdout).contains(&line.to_owned()), "{text}");
    }
    assert!(!format!("{text}{diff}").contains("blue"), "a config var's value is shown");
    assert!(ssh("releases:diff APP v3 v3").success().stdout.contains("(they do not differ)"));
    let info = ssh("releases:info APP --format json").success().json();
    assert_eq!(info["scale"], json!({"web": 1}));

    assert!(ssh("releases:set APP retention 0").exits_with(1).stderr.contains("from 1 to 1000"));
    ssh("releases:set APP retention 2").success();
    assert_eq!(ssh("releases:report APP --releases-computed-retention").success().stdout, "2\n");
    ssh("config:set APP COLOUR=green").success();
    let gone = ssh("releases:info APP v2").exits_with(1);
    assert!(gone.stderr.contains("has no release v2 any more"), "{gone}");
    assert!(gone.stderr.contains("It has v4, v5; see them"), "{gone}");
    assert_eq!(ssh("releases:diff APP v4 v99").code, 1);
    ssh("releases:rollback APP v4").success();
    assert_eq!(state(&server, &app), "release v6 version 2 blue");
}

#[test]
fn releases_are_listed_for_people_and_for_programs() {
    let (server, alice, app, repo) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    let commit = repo.git(&["rev-parse", "HEAD"]).success().stdout.trim().to_owned();
    ssh("config:set APP SECRET_WORD=very-secret").success();

    let list = ssh("releases APP").success().stdout;
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split("  ").collect()).collect();
    assert_eq!(lines[0], [format!("=====> {app} releases")]);
    assert_eq!(lines[1][..3], ["v2", "Set SECRET_WORD (current)", "alice"], "{list}");
    assert_eq!(lines[2][0], "v1");
    assert!(lines[2][1].starts_with(&format!("Deploy {}", &commit[..7])), "{list}");
    assert_eq!(ssh("releases APP -n 1").success().stdout.lines().count(), 2);

    let all = ssh("releases APP --format json").success().json();
    let v1 = ssh("releases:info APP v1 --format json").success().json();
    assert_eq!(all[1], v1);
    assert_eq!(v1["commit"], json!(commit));
    assert_eq!((&v1["current"], &v1["created_by"]), (&json!(false), &json!("alice")));
    assert_eq!(v1["processes"], json!(["web", "worker"]));
    assert_eq!(all[0]["config"], json!(["SECRET_WORD"]));
    let info = ssh("releases:info APP").success().stdout;
    for row in ["Description: Set SECRET_WORD", "Process web: /torture web"] {
        assert!(words_of_lines(&info).contains(&row.to_owned()), "{info}");
    }
    assert!(!format!("{list}{all}{info}").contains("very-secret"), "a config var's value is shown");
    assert_eq!(ssh("releases:info APP v9").code, 1);
}

#[test]
fn an_app_that_was_never_deployed_says_so_everywhere() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("releases");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app)).shown(&server, &app);

    for command in [
        "releases:info APP",
        "releases:rollback APP",
        "run APP true",
        "run:detached APP true",
        "enter APP web true",
        "logs APP",
    ] {
        let expected = " !     App blog has not been deployed\n \
             !     Deploy it first: git push slipway main, or git:from-image\n[exit code 1]";
        assert_eq!(ssh(command), expected, "{command}");
    }
    assert!(ssh("releases APP").starts_with(" !     App blog has not been deployed\n"));
    assert_eq!(ssh("releases APP --format json"), "[]\n[exit code 0]");
    assert_eq!(ssh("builds:list APP --format json"), "[]\n[exit code 0]");
    assert_eq!(ssh("run:list APP --format json"), "[]\n[exit code 0]");
    assert_eq!(ssh("docker-options:list APP --format json"), "[]\n[exit code 0]");
    assert_eq!(ssh("config:keys APP --format json"), "[]\n[exit code 0]");
}

#[test]
fn reports_have_a_text_a_flag_for_each_value_and_json() {
    let (server, alice, app, repo) = deployed();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    let commit = repo.git(&["rev-parse", "HEAD"]).success().stdout.trim().to_owned();

    let git = ssh("git:report APP").success();
    assert_snapshot!(git.shown(&server, &app).replace(&commit, "COMMIT"), @r"
    =====> blog git information
           Git deploy branch:             main
           Git global deploy branch:
           Git computed deploy branch:    main
           Git sha:                       COMMIT
           Git source image:
    [exit code 0]
    ");
    assert_eq!(ssh("git:report APP --git-sha").success().stdout, format!("{commit}\n"));
    assert_eq!(ssh("git:report --git-deploy-branch APP").success().stdout, "main\n");
    let keys = ["computed-deploy-branch", "deploy-branch", "global-deploy-branch", "sha", "source-image"];
    assert_eq!(object_keys(&ssh("git:report APP --format json").success().json()), keys);

    let apps = ssh("apps:report APP --format json").success().json();
    let keys = ["created-at", "deploy-source", "deploy-source-metadata", "dir", "locked", "release"];
    assert_eq!(object_keys(&apps), keys);
    assert_eq!([&apps["deploy-source"], &apps["deploy-source-metadata"]], ["git", &commit]);
    assert_eq!([&apps["locked"], &apps["release"]], ["false", "v1"]);
    assert_eq!(ssh("apps:report APP --app-locked").success().stdout, "false\n");
    for namespace in ["ps", "domains", "ports", "builder", "builder-dockerfile"] {
        let report = ssh(&format!("{namespace}:report APP --format json")).success().json();
        assert!(report.as_object().unwrap().values().all(Value::is_string), "{namespace}: {report}");
    }

    let wrong = ssh("git:report APP --nosuch").exits_with(1).stderr;
    assert!(wrong.starts_with(" !     Invalid flag passed, valid flags: --git-deploy-branch, "), "{wrong}");
    assert_eq!(ssh("git:report APP --git-sha --git-source-image").exits_with(1).stdout, "");
    assert_eq!(ssh("git:report APP --git-sha --format json").exits_with(1).stdout, "");
    assert_eq!(ssh("git:report APP --format yaml").exits_with(1).stdout, "");
    assert_eq!(ssh("git:report nosuch").exits_with(20).stdout, "");

    ssh("ps:scale APP web=2").success();
    let builds = ssh("builds:list APP --format json").success().json();
    let keys = ["app", "finished_at", "id", "kind", "source", "started_at", "started_by", "status"];
    assert_eq!(object_keys(&builds[0]), keys);
    assert_eq!([&builds[0]["kind"], &builds[1]["kind"]], ["deploy", "build"]);
    assert_eq!([&builds[1]["app"], &builds[1]["source"]], [&app, &commit]);
    assert_eq!([&builds[1]["status"], &builds[1]["started_by"]], ["succeeded", "alice"]);
    assert!(builds[1]["started_at"].as_str().unwrap().ends_with('Z'), "{builds}");
    let info = ssh(&format!("builds:info APP {} --format json", builds[1]["id"])).success().json();
    assert_eq!(info, builds[1]);
    let only = ssh("builds:list APP --kind build --status succeeded --format json").success().json();
    assert_eq!(only, json!([builds[1]]));
}

/// The lines of columns, whose width is that of their longest cell, with one space between words.
fn words_of_lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn object_keys(object: &Value) -> Vec<&str> {
    // serde_json keeps the keys of an object sorted.
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
