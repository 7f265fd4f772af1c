//! Networks on which apps reach one another.
#![expect(clippy::too_many_lines, reason = "what a person sees stands beside what they typed")]

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;

/// A network of the engine's own that goes with the test, as somebody else would have made it.
struct Foreign(String);

impl Foreign {
    fn make() -> Self {
        let name = names::unique("foreign");
        let body = serde_json::json!({ "Name": name, "CheckDuplicate": true }).to_string();
        let made = engine::request_with("POST", "/networks/create", ("application/json", body.as_bytes()));
        assert_eq!(made.status, 201, "{}", made.text());
        Self(name)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        engine::request("DELETE", &format!("/networks/{}", self.0));
    }
}

/// The networks of a container of the app's, as the engine has them.
fn networks(app: &str, instance: &str) -> Value {
    engine::get(&format!("/containers/{app}.{instance}/json"))["NetworkSettings"]["Networks"].clone()
}

/// Asks an app for its answer from within another one, by its name on a network.
fn reach(server: &Server, person: &Person, from: &str, host: &str) -> String {
    let script = format!(
        "timeout 5 bash -c 'exec 3<>/dev/tcp/{host}/5000; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; tail -n 1 <&3'"
    );
    server.ssh(person, &format!("enter {from} web {script}")).stdout
}

#[test]
fn apps_on_one_network_reach_one_another_by_name_and_the_router_still_reaches_them() {
    let (server, alice) = Server::with_person("alice");
    let (front, back) = (names::unique("front"), names::unique("back"));
    let network = names::unique("net");
    let ssh = |line: &str| {
        server.ssh(&alice, &line.replace("FRONT", &front).replace("BACK", &back).replace("NET", &network))
    };
    let shown = |line: &str| ssh(line).shown(&server, &front).replace(&back, "back").replace(&network, "net");
    let repo = torture::repo();
    for app in [&front, &back] {
        repo.push(&server, &alice, app).success();
    }
    assert_eq!(reach(&server, &alice, &front, &format!("{back}.web")), "");

    assert_snapshot!(shown("network:create NET"), @r"
    -----> Creating network net
    [exit code 0]
    ");
    assert_snapshot!(shown("network:create NET"), @r"
     !     Network net already exists
     !     Choose another name, or see what it is: network:info NETWORK
    [exit code 1]
    ");
    ssh("network:exists NET").success();
    ssh("network:exists none-such").exits_with(1);
    assert_eq!(ssh("network:list --format json").success().json()[0]["Name"], network.as_str());
    assert_snapshot!(shown("network:set BACK attach-post-create NET"), @r"
    =====> Setting attach-post-create to net
           Takes effect with the next deploy, or now: ps:restart back
    [exit code 0]
    ");
    ssh("network:set FRONT attach-post-deploy NET").success();
    ssh("network:set BACK tld internal").success();
    assert_snapshot!(shown("network:report BACK"), @r"
    =====> back network information
           Network attach post create:    net
           Network global attach post create:
           Network computed attach post create: net
           Network attach post deploy:
           Network global attach post deploy:
           Network computed attach post deploy:
           Network initial network:
           Network global initial network:
           Network computed initial network:
           Network tld:                   internal
           Network global tld:
           Network computed tld:          internal
    [exit code 0]
    ");
    ssh("ps:restart BACK").success();
    // Without a restart, too.
    let before = server.get(&front, "/instance").text();
    assert_snapshot!(shown("network:rebuild FRONT"), @r"
    -----> Rebuilding networks of blog
           web.1 joined net
    [exit code 0]
    ");
    assert_eq!(server.get(&front, "/instance").text(), before);

    for host in [format!("{back}.web"), format!("{back}.web.internal")] {
        assert_eq!(reach(&server, &alice, &front, &host), "torture\n", "{host}");
    }
    ssh("ps:restart FRONT").success();
    assert_eq!(reach(&server, &alice, &front, &format!("{back}.web")), "torture\n");
    for app in [&front, &back] {
        assert_eq!(server.get(app, "/").text(), "torture\n", "the router does not reach {app}");
        let own = format!("slipway-{}", server.owner());
        assert_eq!(networks(app, "web.1").as_object().unwrap().len(), 2);
        assert!(networks(app, "web.1")[&own]["IPAMConfig"]["IPv4Address"].is_string());
    }

    assert_snapshot!(shown("network:destroy --force NET"), @r"
     !     Network net is in use by back, blog
     !     Take them off first: network:report shows where it is set, network:set APP KEY unsets it
    [exit code 1]
    ");
    for app in ["FRONT attach-post-deploy", "BACK attach-post-create"] {
        ssh(&format!("network:set {app}")).success();
    }
    let still = ssh("network:destroy --force NET").exits_with(1);
    assert!(still.stderr.contains("still has") && still.stderr.contains("network:rebuild"), "{still}");
    ssh("network:rebuildall").success();
    let asked = ssh("network:destroy NET").exits_with(1);
    assert!(asked.stderr.contains("To proceed, type"), "{asked}");
    ssh("network:destroy --force NET").success();
    ssh("network:exists NET").exits_with(1);
}

#[test]
fn networks_that_are_not_for_an_app_stay_out_of_its_reach() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("net");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    let foreign = Foreign::make();
    let (deployer, limited) = (Person::new("dora"), Person::new("lena"));
    server.add_key_with(&deployer, &["--role", "deployer"]);
    server.add_key_with(&limited, &["--role", "deployer", "--for", &app]);
    let refused = |person: &Person, line: &str| server.ssh(person, line).exits_with(1).stderr;

    for name in ["host", "bridge", "none", "../x", "a b", "missing", &format!("slipway-{}", server.owner())] {
        refused(&alice, &format!("network:set {app} attach-post-create '{name}'"));
        refused(&alice, &format!("network:destroy --force '{name}'"));
    }
    for name in ["host", "slipway-x", "-a", "a/b", ""] {
        refused(&alice, &format!("network:create '{name}'"));
    }
    let set = format!("network:set {app} attach-post-create {}", foreign.0);
    assert!(refused(&deployer, &set).contains("Ask an admin"));
    server.ssh(&alice, &format!("network:create {app}-own")).success();
    let own = format!("network:set {app} attach-post-create {app}-own");
    assert!(refused(&limited, &own).contains("a key for all apps"));
    assert!(
        refused(&limited, &format!("docker-options:add {app} deploy --network {app}-own"))
            .contains("all apps")
    );
    // Nor can it take a name that is perhaps another app's.
    let named = format!("docker-options:add {app} deploy --network-alias other.web");
    assert!(refused(&limited, &named).contains("all apps"));
    refused(&alice, &format!("network:set {app} bind-all-interfaces true"));
    refused(&alice, &format!("network:set {app} nonsense x"));
    assert_eq!(
        server.ssh(&alice, &format!("network:report {app} --network-attach-post-create")).stdout,
        "\n"
    );

    // An admin may let an app reach what somebody else runs, but cannot destroy it from here.
    server.ssh(&alice, &set).success();
    assert!(refused(&alice, &format!("network:destroy --force {}", foreign.0)).contains("was not made by"));
    server.ssh(&deployer, &own).success();
    torture::repo().push(&server, &deployer, &app).success();
    assert!(networks(&app, "web.1")[format!("{app}-own")].is_object());
}
