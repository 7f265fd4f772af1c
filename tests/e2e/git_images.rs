//! Images as sources: one of this host's engine, one on standard input.

use std::time::Duration;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

/// An image of the engine's that no server made; removed with all its names when it is dropped.
struct Image {
    name: String,
}

impl Image {
    /// Builds the torture app, past Slipway.
    fn build() -> Self {
        let image = Self { name: names::unique("slipway-test-image") };
        let context = torture::repo().git(&["archive", "HEAD"]).success().stdout_bytes;
        let built = engine::request_with(
            "POST",
            &format!("/build?t={}", image.name),
            ("application/x-tar", &context),
        );
        assert!(built.text().contains("Successfully tagged"), "{}", built.text());
        image
    }

    /// What `docker save` writes.
    fn save(&self) -> Vec<u8> {
        let saved = engine::request("GET", &format!("/images/{}/get", self.name));
        assert_eq!(saved.status, 200);
        saved.body
    }

    /// All names of the image, those that a server gave it included.
    fn names(&self) -> Vec<String> {
        let facts = engine::request("GET", &format!("/images/{}/json", self.name));
        let facts: serde_json::Value = serde_json::from_slice(&facts.body).unwrap_or_default();
        let names = facts["RepoTags"].as_array().into_iter().flatten().filter_map(|tag| tag.as_str());
        names.map(str::to_owned).collect()
    }

    fn remove(&self) {
        for name in self.names() {
            engine::request("DELETE", &format!("/images/{name}?force=1"));
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.remove();
    }
}

#[test]
fn an_image_is_deployed_from_this_host_or_from_standard_input() {
    let image = Image::build();
    let (server, alice) = Server::with_person("alice");
    let (first, second) = (names::unique("blog"), names::unique("blog"));
    for app in [&first, &second] {
        server.ssh(&alice, &format!("apps:create {app}")).success();
    }
    let from_image = server.ssh(&alice, &format!("git:from-image {first} {}", image.name)).success();
    assert!(from_image.stdout.contains("Image exists on host, skipping pull"), "{from_image}");
    assert_eq!(server.get(&first, "/").text(), "torture\n");
    let report = server.ssh(&alice, &format!("git:report {first} --git-source-image")).success();
    assert_eq!(report.stdout.trim(), image.name);
    let before = server.get(&first, "/instance").text();
    for wrong in ["127.0.0.1:1/nobody/has:this", "UPPER", "''", "-x", "a:b:c"] {
        let refused = server.ssh(&alice, &format!("git:from-image {first} {wrong}"));
        let is_clear = refused.stderr.contains("cannot be had") || refused.stderr.contains("--help");
        assert!(refused.code == 1 && is_clear, "{wrong}:\n{refused}");
    }
    assert_eq!(server.get(&first, "/instance").text(), before);
    server.ssh(&alice, &format!("git:from-image no-such-app {}", image.name)).exits_with(20);

    let saved = image.save();
    assert_eq!(image.names().len(), 2);
    server.ssh(&alice, &format!("--force apps:destroy {first}")).success();
    // The server takes back the name that it gave, and leaves the person's image alone.
    wait_until("the image has its own name only", Duration::from_secs(10), || {
        image.names() == [format!("{}:latest", image.name)]
    });
    image.remove();
    let load = format!("git:load-image {second} {}", image.name);
    for wrong in [b"".as_slice(), b"not an image", &saved[..saved.len() / 2]] {
        let refused = server.ssh_with_input(&alice, &load, wrong);
        assert!(refused.code == 1 && refused.stderr.contains(" !     "), "{refused}");
    }
    server.ssh_with_input(&alice, &load, &saved).success();
    assert_eq!(server.get(&second, "/").text(), "torture\n");
}
