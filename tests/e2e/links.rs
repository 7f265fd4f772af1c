//! Apps that reach other apps over links.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::engine;
use crate::harness::isolation::assert_out_of_reach;
use crate::harness::load::{Connections, Load};
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::Output;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// What the app answers after it has asked the other one, over the URL in `API_URL`.
const VIA: &str = "/via?env=API_URL&path=/instance";

fn run(server: &Server, person: &Person, line: &str) -> Output {
    server.ssh(person, line).success()
}

#[test]
fn a_link_holds_over_redeploys_scaling_and_renaming_and_is_for_the_linked_app_only() {
    let (server, alice) = Server::with_person("alice");
    let repo = torture::repo();
    let [front, api, third] = ["front", "api", "third"].map(names::unique);
    for app in [&front, &api, &third] {
        repo.push(&server, &alice, app).success();
    }
    run(&server, &alice, &format!("links:add {front} {api} --as API"));
    let shown = run(&server, &alice, &format!("config:show {front}")).stdout;
    assert!(shown.contains(&format!("http://{api}.web.internal:5000")), "{shown}");
    let answer = server.get(&front, VIA);
    assert_eq!(answer.status, 200, "{}", answer.text());

    let load = Load::new().get(&server, &front, VIA, (Connections::KeepAlive, 2)).get(
        &server,
        &front,
        "/via?env=API_URL&path=/sleep?ms=300",
        (Connections::KeepAlive, 1),
    );
    for version in 2..4 {
        torture::commit_version(&repo, &version.to_string());
        repo.push(&server, &alice, &api).success();
        // The old instance has its name a moment longer than the route.
        wait_until(&format!("version {version} answers"), Duration::from_secs(20), || {
            server.get(&front, VIA).text().contains(&format!("\nversion {version}\n"))
        });
    }
    run(&server, &alice, &format!("ps:scale {api} web=3"));
    let mut seen = BTreeSet::new();
    wait_until("all three instances answer", Duration::from_secs(20), || {
        let answer = server.get(&front, VIA).text();
        seen.extend(answer.lines().find(|line| line.starts_with("dyno ")).map(str::to_owned));
        seen.len() == 3
    });
    run(&server, &alice, &format!("ps:scale {api} web=1"));
    let renamed = names::unique("renamed");
    run(&server, &alice, &format!("apps:rename {api} {renamed}"));
    run(&server, &alice, &format!("ps:restart {front}"));
    assert_eq!(server.get(&front, VIA).status, 200);
    load.stop().assert_flawless();

    // Somebody else gets there neither by the name nor by an address.
    let container = engine::get(&format!("/containers/{renamed}.web.1/json"));
    let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
    assert_eq!(networks.len(), 2, "{networks:#?}");
    let addresses = networks.values().map(|network| network["IPAddress"].as_str().unwrap().to_owned());
    for host in addresses.chain([format!("{api}.web.internal")]) {
        let path = format!("/via?url=http://{host}:5000");
        assert_out_of_reach(&host, || server.get(&third, &path).status != 504);
    }

    // Another port is another URL, which the linked app is told of.
    run(&server, &alice, &format!("ports:set {renamed} http:80:7000"));
    run(&server, &alice, &format!("ps:restart {renamed}"));
    wait_until("the new port has arrived", Duration::from_secs(30), || server.get(&front, VIA).status == 200);
    let shown = run(&server, &alice, &format!("config:get {front} API_URL")).stdout;
    assert!(shown.contains(":7000"), "{shown}");

    let kept = server.ssh(&alice, &format!("config:set {front} API_URL=x"));
    assert_ne!(kept.code, 0, "{kept}");
    run(&server, &alice, &format!("links:remove {front} {renamed}"));
    assert_ne!(server.get(&front, VIA).status, 200);
    wait_until("the network is gone", Duration::from_secs(60), || {
        let label = engine::label_filter("slipway.owner", &server.owner());
        engine::get(&format!("/networks?{label}")).as_array().unwrap().len() == 1
    });
    wait_until_whole(&server);
}

#[test]
fn links_that_cannot_be_are_refused_with_the_reason() {
    let (server, alice) = Server::with_person("alice");
    let [a, b, c] = ["a", "b", "c"].map(names::unique);
    for app in [&a, &b, &c] {
        run(&server, &alice, &format!("apps:create {app}"));
    }
    let refused = |line: &str, reasons: &[&str]| {
        let output = server.ssh(&alice, line);
        assert_ne!(output.code, 0, "`{line}`:\n{output}");
        for reason in reasons {
            assert!(output.stderr.contains(reason), "`{line}` does not say {reason}:\n{output}");
        }
    };
    run(&server, &alice, &format!("links:add {a} {b}"));
    run(&server, &alice, &format!("links:add {b} {c} --as STORE"));
    refused(&format!("links:add {c} {a}"), &[&format!("{a} -> {b} -> {c}")]);
    refused(&format!("links:add {a} {a}"), &["itself"]);
    refused(&format!("links:add {a} {b} --as OTHER"), &["already"]);
    run(&server, &alice, &format!("links:remove {a} {b}"));
    run(&server, &alice, &format!("config:set {c} A_URL=x"));
    refused(&format!("links:add {c} {a} --as A"), &["A_URL", "--as NAME"]);
    refused(&format!("links:add {c} {a} --as 1"), &["--as NAME"]);
    refused(&format!("links:add {a} nobody"), &["nobody"]);
    refused(&format!("links:remove {a} {b}"), &["not linked"]);
    refused(&format!("config:unset {b} STORE_URL"), &["links:remove"]);
    refused(&format!("config:clear {b}"), &["links:remove"]);
    refused(&format!("apps:destroy {c}"), &[&b, "links:remove"]);

    let listed = run(&server, &alice, "links:list --format json").json();
    assert_eq!(listed, serde_json::json!([{ "app": b, "linked_to": c, "config_var": "STORE_URL" }]));
    assert!(run(&server, &alice, &format!("links:report {c}")).stdout.contains(&b));
    // Whoever may not see the other app cannot link to it.
    let bob = Person::new("bob");
    server.add_key_with(&bob, &["--role", "deployer", "--for", &a]);
    let hidden = server.ssh(&bob, &format!("links:add {a} {b}"));
    assert_ne!(hidden.code, 0, "{hidden}");

    run(&server, &alice, &format!("apps:destroy --force {c}"));
    let left = run(&server, &alice, &format!("config:keys {b}")).stdout;
    assert!(!left.contains("STORE_URL"), "{left}");
}
