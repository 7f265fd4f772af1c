//! What a plugin adds to releases beside config vars: options of containers, and routes.

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::plugin::PluginFolder;
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::torture;

const MANIFEST: &str = r#"
[hooks.pre-release]

[settings.OPTIONS]
description = "JSON: a list of entries"
default = "[]"

[settings.ROUTES]
description = "JSON: a list of entries"
default = "[]"

[permissions]
container-options = true
routes = true
"#;

const PRE_RELEASE: &str = r#"#!/usr/bin/python3
import json, os, sys
event = json.load(sys.stdin)
assert event["process_types"] == ["web", "worker"], event
json.dump({"container_options": json.loads(os.environ["OPTIONS"]), "routes": json.loads(os.environ["ROUTES"])}, sys.stdout)
"#;

/// A server with the plugin, which adds what is set.
struct Place {
    server: Server,
    ann: Person,
    app: String,
}

impl Place {
    fn new(options: &str, routes: &str) -> Self {
        let (server, ann) = Server::with_person("ann");
        let plugin = PluginFolder::new("extra", MANIFEST).with("hooks/pre-release", PRE_RELEASE);
        plugin.install(&server).success();
        let place = Self { server, ann, app: names::unique("added") };
        place.set("OPTIONS", options).success();
        place.set("ROUTES", routes).success();
        place
    }

    fn set(&self, key: &str, value: &str) -> Output {
        self.server.command(&["plugin:set", "extra", key, value])
    }

    fn ssh(&self, line: &str) -> Output {
        self.server.ssh(&self.ann, &line.replace("APP", &self.app))
    }

    fn ulimits(&self, instance: &str) -> serde_json::Value {
        engine::get(&format!("/containers/{}.{instance}/json", self.app))["HostConfig"]["Ulimits"].clone()
    }
}

#[test]
fn a_plugin_adds_options_and_routes_that_are_the_releases() {
    let host = format!("{}.example", names::unique("www"));
    let mut place = Place::new(
        r#"[{"options": ["--env ADDED=by-plugin"]},
            {"options": ["--ulimit", "nofile=99:99"], "phases": ["deploy"], "process": "web"}]"#,
        &format!(r#"[{{"domain": "{host}"}}, {{"domain": "other.{host}/api", "strip": true}}]"#),
    );
    let app = place.app.clone();
    let repo = torture::repo();
    let pushed = repo.push(&place.server, &place.ann, &app).success();
    let told = "[extra] adds container options: --env ADDED=***, --ulimit nofile=99:99";
    assert!(pushed.stderr.contains(told), "{pushed}");
    assert!(pushed.stderr.contains(&format!("[extra] adds routes: {host}, other.{host}/api")), "{pushed}");
    assert!(pushed.stderr.contains(&format!("http://{host}")), "{pushed}");

    // In the containers, and in the routes.
    let get = |place: &Place, host: &str, path: &str| place.server.connect().get(host, path).unwrap();
    assert_eq!(get(&place, &host, "/env?name=ADDED").text(), "by-plugin");
    assert_eq!(get(&place, &format!("other.{host}"), "/api/env?name=ADDED").text(), "by-plugin");
    assert_eq!(place.ulimits("web.1")[0]["Hard"], 99);
    assert_eq!(place.ssh("run APP printenv ADDED").success().stdout.trim(), "by-plugin");
    let report = place.ssh("docker-options:report APP").success();
    assert!(report.stdout.contains("--ulimit nofile=99:99 (extra, deploy, web)"), "{report}");
    let report = place.ssh("domains:report APP").success();
    assert!(report.stdout.contains(&format!("other.{host}/api (extra)")), "{report}");
    let explained = place.ssh(&format!("router:explain http://other.{host}/api/x")).success();
    assert!(explained.stdout.contains(&app), "{explained}");

    // Nobody is asked again: neither when a server starts, nor for the same release.
    let instance = get(&place, &host, "/instance").text();
    place.server.restart();
    place.server.wait_until_reachable(&app, "/");
    assert_eq!(get(&place, &host, "/instance").text(), instance);
    let restarted = place.ssh("ps:restart APP").success();
    assert!(restarted.stdout.contains(&format!("Deploying {app} v1")), "{restarted}");

    // They are nobody's to remove, and no other app's.
    let refused = place.ssh(&format!("domains:remove APP {host}")).exits_with(1);
    assert!(refused.stderr.contains("is added by the plugin extra"), "{refused}");
    assert!(place.ssh("domains:clear APP").success().stdout.contains(&format!("{host} stays")));
    place.ssh("apps:create other-app").success();
    let refused = place.ssh(&format!("domains:add other-app {host}")).exits_with(1);
    assert!(refused.stderr.contains(&format!("{host} leads to {app} already")), "{refused}");

    // Without the plugin the next deploy is without them.
    place.server.command(&["plugin:disable", "extra"]).success();
    let restarted = place.ssh("ps:restart APP").success();
    assert!(restarted.stdout.contains(&format!("Deploying {app} v2")), "{restarted}");
    let diff = place.ssh("releases:diff APP v1 v2").success();
    assert!(diff.stdout.contains(&format!("plugin's {host} (extra):")), "{diff}");
    assert_eq!(get(&place, &host, "/").status, 404);
    assert!(place.ulimits("web.1").is_null(), "{}", place.ulimits("web.1"));
    place.ssh(&format!("domains:add other-app {host}")).success();
}

#[test]
fn what_a_plugin_may_not_add_stops_the_deploy_and_names_it() {
    let place = Place::new(r#"[{"options": ["--privileged"]}]"#, "[]");
    let repo = torture::repo();
    let refused = |reason: &str| {
        let output = repo.push(&place.server, &place.ann, &place.app);
        assert_ne!(output.code, 0, "{output}");
        assert!(output.stderr.contains(&format!("extra says no at pre-release: {reason}")), "{output}");
    };
    refused("--privileged is not allowed");
    place.set("OPTIONS", r#"[{"options": ["--volume /etc:/etc"]}]"#).success();
    refused("--volume cannot be added by a hook");
    place.set("OPTIONS", r#"[{"options": ["--memory-reservation 300m"]}]"#).success();
    place.ssh("apps:create APP");
    place.ssh("resource:limit --memory 200 APP").success();
    refused("");
    place.ssh("resource:limit-clear APP").success();
    place.set("OPTIONS", "[]").success();
    let taken = place.server.host("owner");
    place.ssh("apps:create owner").success();
    place.set("ROUTES", &format!(r#"[{{"domain": "{taken}"}}]"#)).success();
    refused(&format!("{taken} leads to owner already"));

    place.set("ROUTES", "[]").success();
    repo.push(&place.server, &place.ann, &place.app).success();
}
