//! Deploys that fail: the push is refused and says why, and what ran before goes on running.

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::torture;

/// A server that waits for a new instance only briefly, and an app that does not exist yet.
fn impatient() -> (Server, Person, String) {
    let server = Server::start_with("[deploy]\nstart-seconds = 3\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    (server, alice, names::unique("bad"))
}

/// What the server said in a push that it has to refuse.
#[track_caller]
fn refusal(push: Output) -> String {
    assert_ne!(push.code, 0, "the push was taken:\n{push}");
    assert!(push.stderr.contains("[remote rejected]"), "git was not told so:\n{push}");
    push.remote_lines().join("\n")
}

#[test]
fn a_build_that_fails_leaves_the_old_release_and_can_be_repeated() {
    let (server, alice, app) = impatient();
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();

    let good = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", format!("{good}RUN echo a step that cannot work >&2 && exit 3\n"));
    repo.commit("A step that fails");
    for attempt in 1..=2 {
        let said = refusal(repo.push(&server, &alice, &app));
        assert!(
            said.contains("a step that cannot work"),
            "attempt {attempt} does not show the step:\n{said}"
        );
        assert_eq!(server.get(&app, "/instance").text(), before);
    }

    repo.write("Dockerfile", good);
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
}

#[test]
fn an_app_that_exits_at_once_has_its_last_lines_shown() {
    let (server, alice, app) = impatient();
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_EXIT=3")).success();

    let said = refusal(torture::repo().push(&server, &alice, &app));

    assert!(said.contains("this is the first line before the exit"), "{said}");
    assert!(said.contains("exiting with code 3"), "{said}");
}

#[test]
fn an_app_that_never_listens_is_not_waited_for_for_ever() {
    let (server, alice, app) = impatient();
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_NEVER_LISTEN=1")).success();

    let said = refusal(torture::repo().push(&server, &alice, &app));

    assert!(said.contains("not listening, as TORTURE_NEVER_LISTEN says"), "{said}");
}

#[test]
fn an_app_that_listens_on_loopback_only_is_told_so() {
    let (server, alice, app) = impatient();
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_LOOPBACK=1")).success();

    let said = refusal(torture::repo().push(&server, &alice, &app));

    // The app's own log says `listening on 127.0.0.1`; the server has to say what is wrong with that.
    assert!(said.contains("127.0.0.1") && said.contains("0.0.0.0"), "{said}");
}

#[test]
fn a_slow_boot_is_waited_for() {
    let (server, alice, app) = impatient();
    server.ssh(&alice, &format!("apps:create {app}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=1500")).success();

    torture::repo().push(&server, &alice, &app).success();

    assert_eq!(server.get(&app, "/").text(), "torture\n");
}

#[test]
fn the_images_own_check_has_to_succeed_and_is_not_waited_half_a_minute_for() {
    let (server, alice, app) = impatient();
    let repo = torture::repo();
    let plain = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    // The engine itself would run it for the first time after an hour.
    repo.write("Dockerfile", format!("{plain}HEALTHCHECK --interval=1h CMD test -e /torture\n"));
    repo.commit("A check that succeeds");
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();

    repo.write("Dockerfile", format!("{plain}HEALTHCHECK --interval=1h CMD test -e /nowhere\n"));
    repo.commit("A check that fails");
    let said = refusal(repo.push(&server, &alice, &app));
    assert!(said.contains("HEALTHCHECK did not succeed"), "{said}");
    assert_eq!(server.get(&app, "/instance").text(), before);
}
