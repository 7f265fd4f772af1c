//! The client goes away in the middle of a push: the old release serves or the new one, and nothing is left over.

use std::net::TcpListener;
use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::count_processes_with;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const SOON: Duration = Duration::from_secs(15);

/// A server with an app that runs version 1.
fn deployed() -> (Server, Person, String, Repo) {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    (server, alice, app, repo)
}

/// Waits until the engine has the app's one instance only, and no build runs.
fn wait_until_settled(server: &Server, person: &Person, app: &str) {
    wait_until("only the instance that serves is left", SOON, || {
        engine::container_names("slipway.owner", &server.owner()) == [format!("{app}.web.1")]
    });
    wait_until("no build runs", SOON, || {
        let running = server.ssh(person, &format!("builds:list {app} --status running --format json"));
        running.success().stdout.starts_with("[]")
    });
}

/// What the app's `main` is at.
fn branch(server: &Server, person: &Person, app: &str, repo: &Repo) -> String {
    repo.ls_remote(server, person, app)[..40].to_owned()
}

#[test]
fn in_the_build_the_step_ends_and_the_old_release_stays() {
    let (server, alice, app, repo) = deployed();
    let before = server.get(&app, "/instance").text();
    let at = branch(&server, &alice, &app, &repo);
    let good = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    for killed in [false, true] {
        let marker = names::unique("marker");
        repo.write("Dockerfile", format!("{good}RUN echo begun {marker}; sleep 300; : {marker}\n"));
        repo.commit("A step that takes long");
        let mut push = repo.start_push(&server, &alice, &app);
        push.wait_for_line(&format!("   begun {marker}"));
        assert!(count_processes_with(&marker) > 0, "the step cannot be seen on this host");
        if killed {
            push.kill()
        } else {
            push.interrupt()
        }
        wait_until("the step is gone", SOON, || count_processes_with(&marker) == 0);
        wait_until_settled(&server, &alice, &app);
    }
    assert_eq!(server.get(&app, "/instance").text(), before);
    assert_eq!(branch(&server, &alice, &app, &repo), at);
    let listed = server.ssh(&alice, &format!("builds:list {app} --status canceled --format json")).success();
    assert_eq!(listed.stdout.matches("\"canceled\"").count(), 2, "{listed}");

    repo.write("Dockerfile", good);
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
}

#[test]
fn while_the_new_instance_boots_it_is_removed_and_the_old_release_stays() {
    let (server, alice, app, repo) = deployed();
    let before = server.get(&app, "/instance").text();
    let at = branch(&server, &alice, &app, &repo);
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=20000")).success();
    torture::commit_version(&repo, "2");
    let mut push = repo.start_push(&server, &alice, &app);
    push.wait_for_line("Attempting pre-flight checks");
    assert_eq!(engine::container_names("slipway.owner", &server.owner()).len(), 2);
    push.interrupt();

    wait_until_settled(&server, &alice, &app);
    assert_eq!(server.get(&app, "/instance").text(), before);
    assert_eq!(branch(&server, &alice, &app, &repo), at);
    let releases = server.ssh(&alice, &format!("releases {app}")).success();
    assert!(releases.stdout.contains("v1") && !releases.stdout.contains("v2"), "{releases}");

    server.ssh(&alice, &format!("config:unset --no-restart {app} TORTURE_BOOT_MS")).success();
    repo.push(&server, &alice, &app).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
}

#[test]
fn after_the_switch_the_push_is_completed_without_its_client() {
    let (server, alice, app, repo) = deployed();
    for version in ["2", "3", "4"] {
        let commit = torture::commit_version(&repo, version);
        let mut push = repo.start_push(&server, &alice, &app);
        // The switch comes right after this line, so some of the three vanish before it and some after it.
        push.wait_for_line(if version == "3" { "All checks successful" } else { "Application deployed" });
        push.interrupt();
        wait_until_settled(&server, &alice, &app);
        let serves = server.get(&app, "/instance").text().contains(&format!("\nversion {version}\n"));
        assert!(serves || version == "3", "version {version} was announced and does not serve");
        // The branch is where the release is, whichever it is: git moves it after the deploy.
        wait_until("the branch is where the release is", SOON, || {
            (branch(&server, &alice, &app, &repo) == commit) == serves
        });
        let report = server.ssh(&alice, &format!("git:report {app} --git-sha")).success();
        assert_eq!(report.stdout.trim() == commit, serves);
    }
    let again = repo.push(&server, &alice, &app).success();
    assert!(again.stderr.contains("Everything up-to-date"), "{again}");
}

#[test]
fn while_it_waits_for_another_push_it_leaves_the_queue() {
    let (server, alice, app, repo) = deployed();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=4000")).success();
    torture::commit_version(&repo, "2");
    let mut first = repo.start_push(&server, &alice, &app);
    first.wait_for_line("Attempting pre-flight checks");
    torture::commit_version(&repo, "3");
    let mut second = repo.start_push(&server, &alice, &app);
    second.wait_for_line("Waiting for");
    second.interrupt();

    let (code, said) = first.finish_with_lines();
    assert_eq!(code, 0, "{said}");
    wait_until_settled(&server, &alice, &app);
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    server.ssh(&alice, &format!("config:unset --no-restart {app} TORTURE_BOOT_MS")).success();
    repo.push(&server, &alice, &app).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 3\n"));
}

#[test]
fn while_a_submodule_is_fetched_the_fetch_ends() {
    let (server, alice, app, repo) = deployed();
    let before = server.get(&app, "/instance").text();
    // Takes connections, which the kernel does for it, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/silent.git", silent.local_addr().unwrap());
    repo.write(".gitmodules", format!("[submodule \"silent\"]\n\tpath = silent\n\turl = {url}\n"));
    let head = repo.git(&["rev-parse", "HEAD"]).success().stdout;
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},silent", head.trim())]).success();
    repo.git(&["add", ".gitmodules"]).success();
    repo.git(&["commit", "-q", "-m", "A submodule of a server that never answers"]).success();
    for cancelled in [false, true] {
        let mut push = repo.start_push(&server, &alice, &app);
        push.wait_for_line("Fetching submodule silent");
        wait_until("git fetches", SOON, || count_processes_with(&url) > 0);
        if cancelled {
            server.ssh(&alice, &format!("builds:cancel {app}")).success();
            let (code, said) = push.finish_with_lines();
            assert!(code != 0 && said.contains("was cancelled"), "{said}");
        } else {
            push.interrupt();
        }
        wait_until("the fetch is gone", SOON, || count_processes_with(&url) == 0);
        wait_until_settled(&server, &alice, &app);
    }
    assert_eq!(server.get(&app, "/instance").text(), before);
    repo.git(&["reset", "-q", "--hard", "HEAD^"]).success();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
}
