//! What nobody needs goes, by itself or when asked; what is somebody else's stays; and what takes the disk is told.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::private_engine::PrivateEngine;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// The kinds and names of what a cleanup tells of.
fn told(rows: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(|row| (text(row, "kind"), text(row, "name"))).collect()
}

#[test]
fn a_cleanup_shows_what_would_go_then_removes_that_and_nothing_else() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("clean");
    let repo = torture::repo();
    // A layer that no other image has, whatever other tests build.
    repo.write("own", names::never_used("own").repeat(50_000));
    let dockerfile = fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", dockerfile + "COPY own /own\n");
    repo.commit("A layer of its own");
    repo.push(&server, &alice, &app).success();
    for version in 2..=3 {
        torture::commit_version(&repo, &version.to_string());
        repo.push(&server, &alice, &app).success();
    }
    wait_until_whole(&server);
    let ssh = |line: &str| server.ssh(&alice, &line.replace("APP", &app));
    let images = || engine::image_names("slipway.owner", &server.owner());
    assert_eq!(images().len(), 3);

    let detached = ssh("run:detached APP true").success().stdout.trim().to_owned();
    let of_others = engine::container_names("slipway.app", &app);
    assert!(of_others.contains(&detached), "{of_others:?}");
    wait_until("the one-off process has ended", Duration::from_secs(20), || {
        engine::get(&format!("/containers/{detached}/json"))["State"]["Status"] == "exited"
    });
    let abandoned = server.root().join("owner.new");
    fs::write(&abandoned, "half").unwrap();
    let two_days = Duration::from_secs(48 * 3600);
    File::options().write(true).open(&abandoned).unwrap().set_modified(SystemTime::now() - two_days).unwrap();
    let stranger = Stranger::beside(&format!("{app}.web.1"));
    ssh("releases:set APP retention 1").success();

    let planned = ssh("cleanup --dry-run --format json").success().json();
    let kinds: Vec<String> = told(&planned).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["releases", "container", "image", "image", "file"], "{planned}");
    assert_eq!(told(&planned)[0].1, "releases v1 v2");
    assert!(planned.as_array().unwrap().iter().all(|row| row["removed"] == false), "{planned}");
    let text = ssh("cleanup --dry-run").success().stdout;
    assert!(text.contains("would come free; nothing was removed (--dry-run)"), "{text}");
    assert!(text.contains(&format!("container {detached}")), "{text}");
    assert_eq!((images().len(), abandoned.exists()), (3, true), "a dry run removed something");
    let of_app = told(&ssh("cleanup APP --dry-run --format json").success().json());
    assert_eq!(of_app.len(), 4, "files of the server are no app's: {of_app:?}");

    let removed = ssh("cleanup --format json").success().json();
    assert_eq!(told(&removed), told(&planned));
    assert!(removed.as_array().unwrap().iter().all(|row| row["removed"] == true), "{removed}");
    assert_eq!((images().len(), abandoned.exists()), (1, false));
    assert!(!engine::container_names("slipway.app", &app).contains(&detached));
    assert!(stranger.is_untouched());
    assert!(server.get(&app, "/instance").text().contains("\nversion 3\n"));
    wait_until_whole(&server);
    assert!(ssh("cleanup").success().stdout.contains("There is nothing to clean up"));

    drop(stranger);
    the_disk_report_names_everything(&server, &ssh("disk:report --format json").success().json(), &app);
    let text = ssh("disk:report").success().stdout;
    assert!(text.contains("APP ") && text.contains(&app) && text.contains("Build cache:"), "{text}");
}

fn the_disk_report_names_everything(server: &Server, report: &Value, app: &str) {
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number: {value}\n{report}"));
    let own = &report["apps"][app];
    assert_eq!(number(&own["images"]), 1);
    // The base image is shared.
    assert!((1_000_000..50_000_000).contains(&number(&own["images_own"])), "{report}");
    assert!(number(&report["images_shared"]) > number(&own["images_own"]), "{report}");
    assert!(number(&own["repository"]) > 0 && number(&report["database"]) > 0, "{report}");
    assert!(number(&report["logs"]) > 0, "{report}");
    let places: Vec<&Value> = report["file_systems"].as_array().unwrap().iter().collect();
    let root = server.root().display().to_string();
    assert!(
        places.iter().any(|place| place["path"] == root.as_str() && number(&place["free"]) > 0),
        "{report}"
    );
}

/// Things of another's in the engine: an image that has a label like ours, a container, a volume.
struct Stranger {
    name: String,
}

impl Stranger {
    fn beside(container: &str) -> Self {
        let name = names::unique("stranger");
        let commit =
            format!("/commit?container={container}&repo={name}&changes=LABEL%20slipway.owner=nobody");
        assert_eq!(engine::request("POST", &commit).status, 201);
        let body = format!(r#"{{"Image":"{name}","Cmd":["true"],"Labels":{{"slipway.owner":"nobody"}}}}"#);
        for (path, body) in [
            (format!("/containers/create?name={name}"), body),
            ("/volumes/create".to_owned(), format!(r#"{{"Name":"{name}"}}"#)),
        ] {
            let made = engine::request_with("POST", &path, ("application/json", body.as_bytes()));
            assert_eq!(made.status, 201, "{}", made.text());
        }
        Self { name }
    }

    fn is_untouched(&self) -> bool {
        ["containers/NAME/json", "images/NAME/json", "volumes/NAME"].iter().all(|path| {
            engine::request("GET", &format!("/{}", path.replace("NAME", &self.name))).status == 200
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        for path in ["containers/NAME?force=1", "images/NAME?force=1", "volumes/NAME?force=1"] {
            engine::request("DELETE", &format!("/{}", path.replace("NAME", &self.name)));
        }
    }
}

#[test]
fn the_build_cache_is_trimmed_to_its_quota_and_no_image_suffers() {
    let _engine = PrivateEngine::start();
    let server = Server::start_with("[deploy]\nbuild-cache-bytes = 1000000\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("cache");
    let repo = torture::repo();
    let dockerfile = fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    // A stage that only the cache keeps.
    let stage =
        "FROM debian:bookworm-slim AS big\nRUN head -c 20m /dev/urandom > /big && sha256sum /big > /sum\n";
    repo.write("Dockerfile", format!("{stage}{dockerfile}COPY --from=big /sum /sum\n"));
    repo.commit("A stage that leaves much behind");
    repo.push(&server, &alice, &app).success();
    let cache = || {
        let report = server.ssh(&alice, "disk:report --format json").success().json();
        report["build_cache"].as_u64().unwrap()
    };
    let before = cache();
    assert!(before > 20_000_000, "{before}");
    let planned = server.ssh(&alice, "cleanup --dry-run --format json").success().json();
    let found = told(&planned).into_iter().find(|(kind, _)| kind == "build-cache");
    assert_eq!(found.unwrap().1, "build cache beyond 1 MB", "{planned}");
    assert_eq!(cache(), before, "a dry run removed something");

    server.ssh(&alice, "cleanup").success();
    let after = cache();
    assert!(after <= 1_000_000, "{after} bytes are left of {before}");
    server.ssh(&alice, &format!("ps:restart {app}")).success();
    assert_eq!(server.get(&app, "/").status, 200);
    wait_until_whole(&server);
}
