//! What piles up and what must not be touched: images of many deploys, other people's things, an app whose name
//! begins like another's.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::run;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;
const DEPLOYS: u32 = 25;

/// Something of another's in the engine: an image made from one of an app's, and a container of it.
struct Stranger {
    image: String,
    container: String,
}

impl Stranger {
    fn beside(container: &str) -> Self {
        let name = names::unique("stranger");
        let image = format!("{name}:latest");
        let committed = engine::request(
            "POST",
            &format!(
                "/commit?container={container}&repo={name}&tag=latest&changes=LABEL%20slipway.owner=nobody"
            ),
        );
        assert_eq!(committed.status, 201, "{}", committed.text());
        let body = format!(r#"{{"Image":"{image}","Cmd":["/torture","worker"]}}"#);
        let made = engine::request_with(
            "POST",
            &format!("/containers/create?name={name}"),
            ("application/json", body.as_bytes()),
        );
        assert_eq!(made.status, 201, "{}", made.text());
        engine::act_on(&name, "start");
        Self { image, container: name }
    }

    fn is_untouched(&self) -> bool {
        let container = engine::get(&format!("/containers/{}/json", self.container));
        container["State"]["Running"] == true
            && engine::request("GET", &format!("/images/{}/json", self.image)).status == 200
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        engine::request("DELETE", &format!("/containers/{}?force=1", self.container));
        engine::request("DELETE", &format!("/images/{}?force=1", self.image));
    }
}

#[test]
fn many_deploys_leave_only_the_releases_that_are_kept() {
    let server = Server::start_with("[deploy]\nkeep-releases = 3\nstop-seconds = 1\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("many");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let stranger = Stranger::beside(&format!("{app}.web.1"));
    for version in 2..=DEPLOYS {
        torture::commit_version(&repo, &version.to_string());
        repo.push(&server, &alice, &app).success();
    }
    let images = || engine::image_names("slipway.owner", &server.owner());
    wait_until("three images are left", Duration::from_secs(30), || images().len() <= 3);
    assert_eq!(images().len(), 3, "{:?}", images());
    wait_until_whole(&server);
    let outputs = || fs::read_dir(server.root().join("logs/builds")).unwrap().count();
    wait_until("the outputs of old builds are gone", Duration::from_secs(30), || outputs() <= 20);
    // The oldest that is kept can still be run.
    server.ssh(&alice, &format!("releases:rollback {app} v{}", DEPLOYS - 2)).success();
    assert!(server.get(&app, "/instance").text().contains(&format!("\nversion {}\n", DEPLOYS - 2)));

    server.ssh(&alice, &format!("--force apps:destroy {app}")).success();
    wait_until("nothing of the app is left", Duration::from_secs(30), || {
        images().is_empty()
            && outputs() == 0
            && engine::container_names("slipway.owner", &server.owner()).is_empty()
    });
    assert!(stranger.is_untouched());
}

#[test]
fn an_app_whose_name_begins_like_anothers_is_not_touched_by_its_commands() {
    let (server, alice) = Server::with_person("alice");
    let blog = names::unique("blog");
    let staging = format!("{blog}-staging");
    let repo = torture::repo();
    repo.push(&server, &alice, &blog).success();
    server.ssh(&alice, &format!("apps:create {staging}")).success();
    server.ssh(&alice, &format!("config:set --no-restart {staging} WHO=staging")).success();
    repo.push(&server, &alice, &staging).success();
    let before = server.get(&staging, "/instance").text();
    let is_untouched = |after: &str| {
        assert_eq!(server.get(&staging, "/instance").text(), before, "after {after}");
        assert_eq!(server.get(&staging, "/env?name=WHO").text(), "staging", "after {after}");
    };

    for command in [
        "config:set {blog} WHO=blog",
        "ps:scale {blog} web=2",
        "ps:restart {blog}",
        "ps:rebuild {blog}",
        "config:clear {blog}",
        "apps:lock {blog}",
        "apps:unlock {blog}",
        "ps:stop {blog}",
        "ps:start {blog}",
        "run {blog} true",
        "--force apps:destroy {blog}",
    ] {
        let line = command.replace("{blog}", &blog);
        server.ssh(&alice, &line).success();
        is_untouched(&line);
    }
    let logs = server.ssh(&alice, &format!("logs {staging}")).success().stdout;
    // Nothing of the other app's is in it, and nothing has happened to this one.
    assert_eq!(logs.matches(" slipway[web.1]: ").count(), 1, "{logs}");
    assert!(logs.contains(" slipway[web.1]: started (v1)\n") && !logs.contains(" slipway[ps]: "), "{logs}");
    let clone = tempfile::tempdir().unwrap();
    let target = clone.path().join("staging");
    repo.git_as(&alice, &["clone", "-q", &server.git_url(&staging), target.to_str().unwrap()]).success();
    run(Command::new("git").arg("-C").arg(&target).args(["rev-parse", "--verify", "main"])).success();
    wait_until_whole(&server);
    assert_eq!(engine::container_names("slipway.app", &staging), [format!("{staging}.web.1")]);
    assert_eq!(server.ssh(&alice, &format!("apps:exists {blog}")).code, 20);
}

#[test]
fn stopping_starting_and_destroying_in_the_middle_of_a_deploy_has_one_outcome() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("middle");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_BOOT_MS=2000")).success();
    let wait_for_upcoming = || {
        wait_until("an instance is being started", Duration::from_secs(30), || {
            engine::container_names("slipway.app", &app).iter().any(|name| name.contains(".upcoming-"))
        });
    };

    // Whoever comes last decides: the deploy ends, then the app stops.
    torture::commit_version(&repo, "2");
    let push = repo.start_push(&server, &alice, &app);
    wait_for_upcoming();
    let stopped = server.ssh(&alice, &format!("ps:stop {app}")).success();
    assert!(stopped.stdout.contains("Waiting for the app's deploy to end"), "{stopped}");
    push.success();
    assert_eq!(server.get(&app, "/").header("x-router-error"), Some("H14"));
    wait_until_whole(&server);
    assert_eq!(engine::container_names("slipway.app", &app), [] as [String; 0]);

    server.ssh(&alice, &format!("ps:start {app}")).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));

    torture::commit_version(&repo, "3");
    let push = repo.start_push(&server, &alice, &app);
    wait_for_upcoming();
    server.ssh(&alice, &format!("--force apps:destroy {app}")).success();
    assert_ne!(push.finish(), 0, "the push to an app that was destroyed was taken");
    assert_eq!(server.get(&app, "/").status, 404);
    wait_until_whole(&server);
    assert!(!server.root().join(format!("repos/{app}.git")).exists());

    // The name is free again, and nothing of the old app is in the new one.
    server.ssh(&alice, &format!("apps:create {app}")).success();
    assert_eq!(server.ssh(&alice, &format!("config:keys {app}")).stdout.trim(), "");
    repo.push(&server, &alice, &app).success();
    wait_until_whole(&server);
}
