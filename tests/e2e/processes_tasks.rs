//! What is run once around a release: predeploy, the release task, postdeploy; and the config vars of app.json.

use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

const BOUND: Duration = Duration::from_secs(30);

const PROCFILE: &str = "web: /torture web
release: sh -c 'echo release: $DYNO $SLIPWAY_RELEASE $COLOUR $SECRET; cat /made; rm /made'
";

const APP_JSON: &str = r#"{
    // Comments are allowed, and so is a comma at an end.
    "name": "Blog",
    "scripts": {
        "postdeploy": "echo first: $DYNO; test \"$FAIL\" != first",
        "dokku": {
            "predeploy": "echo predeploy: $DYNO $SLIPWAY_RELEASE $COLOUR; echo made in predeploy > /made; exit ${FAIL_PRE:-0}",
            "postdeploy": "echo postdeploy: $DYNO; test \"$FAIL\" != post",
        },
    },
    "env": {
        "COLOUR": "red", /* a default */
        "SECRET": {"generator": "secret"},
        "SYNCED": {"value": "always", "sync": true},
        "WITHOUT": {"required": false},
    },
}"#;

/// A server, and an app with tasks that is not pushed yet.
fn prepared() -> (Server, Person, String, Repo) {
    let (server, alice) = Server::with_person("alice");
    let repo = torture::repo();
    repo.write("Procfile", PROCFILE);
    repo.write("app.json", APP_JSON);
    repo.commit("Tasks");
    (server, alice, names::unique("tasks"), repo)
}

/// The lines that tasks printed during a push or a command.
fn told(lines: &[String]) -> Vec<&str> {
    let ours = ["predeploy:", "release:", "made", "postdeploy:", "first:"];
    let lines = lines.iter().map(|line| line.trim());
    lines.filter(|line| ours.iter().any(|word| line.starts_with(word))).collect()
}

fn lines(output: &Output) -> Vec<String> {
    output.stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn refusal(push: Output) -> String {
    assert_ne!(push.code, 0, "the push was taken:\n{push}");
    push.remote_lines().join("\n")
}

#[test]
fn tasks_run_once_around_a_release_in_its_image_with_its_config() {
    let (server, alice, app, repo) = prepared();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));

    let first = repo.push(&server, &alice, &app).success().remote_lines();
    let secret = ssh("config:get APP SECRET").success().stdout.trim().to_owned();
    assert_eq!((secret.len(), secret.bytes().all(|byte| byte.is_ascii_hexdigit())), (64, true), "{secret}");
    assert_eq!(
        told(&first),
        [
            "predeploy: predeploy.1 v1 red",
            &format!("release: release.1 v1 red {secret}"),
            "made in predeploy",
            "first: postdeploy.1",
            "postdeploy: postdeploy.1",
        ]
    );
    let all = first.join("\n");
    for said in [
        "-----> Processing app.json env vars\n       Setting 3 env var(s) from app.json: COLOUR, SECRET, SYNCED\n",
        "-----> Executing predeploy task from app.json: echo predeploy",
        "-----> Executing release task from Procfile: sh -c 'echo release",
        "-----> Executing first postdeploy task from app.json: echo first",
    ] {
        assert!(all.contains(said), "{said:?} is missing:\n{all}");
    }
    assert_eq!(server.get(&app, "/env?name=SECRET").text(), secret);
    // What predeploy made is in the image, and what the release task took away is not missing.
    assert_eq!(ssh("run APP cat /made").success().stdout, "made in predeploy\n");
    let container = engine::get(&format!("/containers/{app}.web.1/json"));
    let image = engine::get(&format!("/images/{}/json", container["Image"].as_str().unwrap()));
    assert!(!image.to_string().contains(&secret), "the image holds a secret: {image}");
    assert_eq!(image["Config"]["Cmd"], serde_json::json!(["/torture"]));

    ssh("config:set --no-restart APP COLOUR=blue SYNCED=never").success();
    torture::commit_version(&repo, "2");
    let second = repo.push(&server, &alice, &app).success().remote_lines();
    assert_eq!(
        told(&second),
        [
            "predeploy: predeploy.1 v2 blue",
            &format!("release: release.1 v2 blue {secret}"),
            "made in predeploy",
            "postdeploy: postdeploy.1",
        ]
    );
    assert_eq!(ssh("config:get APP SYNCED").stdout, "always\n");

    // A config change is a release and no build; the others make none.
    let changed = lines(&ssh("config:set APP COLOUR=green").success());
    let expected =
        [&format!("release: release.1 v3 green {secret}"), "made in predeploy", "postdeploy: postdeploy.1"];
    assert_eq!(told(&changed), expected);
    for quiet in ["ps:restart APP", "ps:scale APP web=2", "releases:rollback APP v2"] {
        assert_eq!(told(&lines(&ssh(quiet).success())), [""; 0], "{quiet}");
    }
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    wait_until_whole(&server);
}

#[test]
fn a_task_that_fails_rejects_the_deploy_and_nothing_is_left_of_it() {
    let (server, alice, app, repo) = prepared();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    let good = std::fs::read_to_string(repo.path().join("app.json")).unwrap();

    // Required and missing: all of them are named, with the line that mends it.
    ssh("apps:create APP").success();
    repo.write(
        "app.json",
        good.replace("\"env\": {", "\"env\": {\"TOKEN\": {\"description\": \"of the forge\"}, \"KEY\": {},"),
    );
    repo.commit("Wishes");
    let missing = refusal(repo.push(&server, &alice, &app)).replace(&app, "blog");
    let last = missing.lines().rev().take(2).collect::<Vec<_>>();
    assert_eq!(
        last,
        [
            " !     Set them, then deploy again: config:set --no-restart blog KEY=VALUE TOKEN=VALUE",
            " !     app.json requires config vars that are not set: KEY, TOKEN (of the forge)",
        ],
        "{missing}"
    );
    ssh("config:set APP TOKEN=t KEY=k FAIL_PRE=4").success();
    let predeploy = refusal(repo.push(&server, &alice, &app));
    assert!(predeploy.contains("       predeploy: predeploy.1 v1 red\n"), "{predeploy}");
    assert!(
        predeploy.contains(" !     the predeploy task failed with exit code 4: echo predeploy"),
        "{predeploy}"
    );

    ssh("config:unset APP FAIL_PRE").success();
    repo.write("Procfile", "web: /torture web\nrelease: sh -c 'echo about to fail; exit 3'\n");
    repo.commit("A release task that fails");
    let release = refusal(repo.push(&server, &alice, &app));
    assert!(release.contains("       about to fail\n"), "{release}");
    assert!(
        release
            .contains(" !     the release task failed with exit code 3: sh -c 'echo about to fail; exit 3'"),
        "{release}"
    );
    // Nothing of what app.json would have set is left, and nothing serves.
    let config = ssh("config:keys APP").success().stdout;
    assert_eq!(config, "KEY\nTOKEN\n");
    assert_eq!(server.get(&app, "/").status, 503);

    // Cancelled in the middle of a task: what ran before is as it was.
    repo.write("Procfile", PROCFILE);
    repo.commit("Good again");
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    repo.write("Procfile", "web: /torture web\nrelease: sh -c 'echo endless; sleep 1000'\n");
    repo.commit("An endless task");
    let mut push = repo.start_push(&server, &alice, &app);
    push.wait_for_line("endless");
    push.wait_for_line("       endless");
    ssh("builds:cancel APP").success();
    assert_ne!(push.finish(), 0);
    assert_eq!(server.get(&app, "/instance").text(), before);
    wait_until_whole(&server);
}

#[test]
fn a_task_ends_in_time_and_one_that_fails_after_the_switch_is_told() {
    let mut server = Server::start_with("[deploy]\ntask-seconds = 2\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let (app, repo) = (names::unique("tasks"), torture::repo());
    repo.write("Procfile", "web: /torture web\nrelease: sleep 1000\n");
    repo.commit("A slow task");
    let slow = refusal(repo.push(&server, &alice, &app));
    assert!(slow.contains(" !     the release task did not end within 2 s: sleep 1000"), "{slow}");
    std::fs::write(server.root().join("slipway.toml"), "").unwrap();
    server.restart();
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));

    // The release serves, so the push is taken; the first deploy's script is owed until it has succeeded.
    repo.write("Procfile", "web: /torture web\n");
    repo.write(
        "app.json",
        r#"{"scripts": {"postdeploy": "echo the first; test -z \"$FAIL\"", "dokku": {"postdeploy": "exit 7"}}}"#,
    );
    repo.commit("Scripts behind the deploy");
    ssh("apps:create APP");
    ssh("config:set APP FAIL=1").success();
    let taken = repo.push(&server, &alice, &app).success().remote_lines().join("\n").replace(&app, "blog");
    let after = taken.split_once("=====> Application deployed:").unwrap().1;
    let after = after.lines().skip(2).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_snapshot!(after, @r#"
    -----> Executing first postdeploy task from app.json: echo the first; test -z "$FAIL"
           the first
     !     the first postdeploy task failed with exit code 1: echo the first; test -z "$FAIL"
     !     blog v1 serves all the same
    -----> Executing postdeploy task from app.json: exit 7
     !     the postdeploy task failed with exit code 7: exit 7
     !     blog v1 serves all the same
    "#);
    assert_eq!(server.get(&app, "/").text(), "torture\n");
    let again = ssh("config:unset APP FAIL").success().stdout;
    assert!(again.contains("       the first\n"), "{again}");
    let once_more = ssh("config:set APP B=1").success().stdout;
    assert!(!once_more.contains("       the first\n"), "{once_more}");
}

#[test]
fn what_a_killed_server_leaves_of_a_task_is_removed() {
    let (mut server, alice, app, repo) = prepared();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    for (procfile, app_json, part) in [
        ("web: /torture web\nrelease: sh -c 'echo endless; sleep 1000'\n", "{}", ".release."),
        ("web: /torture web\n", r#"{"scripts": {"predeploy": "echo endless; sleep 1000"}}"#, ".predeploy."),
    ] {
        repo.write("Procfile", procfile);
        repo.write("app.json", app_json);
        repo.commit("An endless task");
        let mut push = repo.start_push(&server, &alice, &app);
        push.wait_for_line("       endless");
        let left = || {
            let names = engine::container_names("slipway.app", &app);
            names.iter().any(|name| name.contains(part))
        };
        assert!(left(), "no container with {part} in its name");
        server.kill();
        assert_ne!(push.finish(), 0);
        server.start_again();
        wait_until("the task's container is gone", BOUND, || !left());
        wait_until_whole(&server);
        assert_eq!(server.get(&app, "/instance").text(), before);
    }
}
