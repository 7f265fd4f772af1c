//! Commands that concern several apps at once: what fails for one, or belongs to one, leaves the others alone.

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;

/// A server on which the torture app runs twice; the two names come in the order in which apps are listed.
fn deployed_twice() -> (Server, Person, String, String) {
    let (server, alice) = Server::with_person("alice");
    let repo = torture::repo();
    let (first, second) = (names::unique("a"), names::unique("b"));
    repo.push(&server, &alice, &first).success();
    repo.push(&server, &alice, &second).success();
    (server, alice, first, second)
}

#[test]
fn an_app_that_fails_does_not_keep_the_others_from_their_turn() {
    let (server, alice, first, second) = deployed_twice();
    let ssh = |line: &str| {
        let output = server.ssh(&alice, line);
        output.shown(&server, &first).replace(&second, "shop")
    };
    let of_second = |name: &str| server.get(&second, &format!("/env?name={name}")).text();
    let instance = |app: &str| server.get(app, "/instance").text();
    server.ssh(&alice, &format!("apps:lock {first}")).success();
    let before = [instance(&first), instance(&second)];

    assert_snapshot!(ssh("config:set --global GREETING=hello"), @r"
    -----> Setting config vars
           GREETING:  hello
    -----> Restarting app blog
    -----> Restarting app shop
    -----> Deploying shop v2
    -----> Deploying web (count=1)
    -----> Deploying worker (count=0)
           Attempting pre-flight checks (web.1)
           All checks successful (web.1)
    =====> Application deployed:
           http://shop.test.localhost
     !     blog currently has a deploy lock in place. Exiting...
     !     Run 'apps:unlock' to release the existing deploy lock
     !     The config vars are changed all the same, for the next deploy or ps:restart blog
     !     1 of 2 apps failed: blog
     !     Why stands above; with the others it went well
    [exit code 1]
    ");
    assert_eq!(of_second("GREETING"), "hello");
    let set = server.ssh(&alice, "config:get --global GREETING").success();
    assert_eq!(set.stdout, "hello\n", "it is set, as the error says");
    assert_eq!(instance(&first), before[0]);

    for command in ["ps:restart --all", "ps:rebuild --all"] {
        let served = instance(&second);
        let said = ssh(command);
        assert!(said.contains(" !     1 of 2 apps failed: blog\n"), "{command}: {said}");
        assert!(said.ends_with("[exit code 1]"), "{command}: {said}");
        assert_ne!(instance(&second), served, "{command} did not reach the second app");
    }
    assert_eq!(instance(&first), before[0]);

    // A single app's error is the command's own, without a sum of one.
    assert_snapshot!(ssh(&format!("ps:restart {first}")), @r"
    -----> Restarting blog
     !     blog currently has a deploy lock in place. Exiting...
     !     Run 'apps:unlock' to release the existing deploy lock
    [exit code 1]
    ");
}

#[test]
fn an_app_is_renamed_as_a_whole_or_not_at_all() {
    let (server, alice, app, other) = deployed_twice();
    let new = names::unique("new");
    let ssh = |line: String| server.ssh(&alice, &line).shown(&server, &app).replace(&new, "new");

    // A locked app would keep its containers, which bear the old name.
    server.ssh(&alice, &format!("apps:lock {app}")).success();
    assert_snapshot!(ssh(format!("apps:rename {app} {new}")), @r"
    -----> Renaming blog to new
     !     blog currently has a deploy lock in place. Exiting...
     !     Run 'apps:unlock' to release the existing deploy lock
    [exit code 1]
    ");
    server.ssh(&alice, &format!("apps:exists {new}")).exits_with(20);
    assert_eq!(server.get(&app, "/").status, 200);
    server.ssh(&alice, &format!("apps:unlock {app}")).success();

    // What comes up no more under the new name is still served by the old instances, and reported.
    server.ssh(&alice, &format!("config:set --no-restart {app} TORTURE_EXIT=3")).success();
    let renamed = ssh(format!("apps:rename {app} {new}"));
    let end = " !     The app is called new now, its old instances still serve. Try again: ps:restart new\n\
               [exit code 1]";
    assert!(renamed.ends_with(end), "{renamed}");
    assert_eq!(server.get(&new, "/").status, 200);
    assert_eq!(server.get(&app, "/").status, 404);
    let report = |flag: &str| server.ssh(&alice, &format!("ps:report {new} --ps-{flag}")).success().stdout;
    assert_eq!(report("running"), "true\n");
    assert!(report("status-web.1").starts_with("running (CID: "), "{}", report("status-web.1"));

    server.ssh(&alice, &format!("config:unset --no-restart {new} TORTURE_EXIT")).success();
    server.ssh(&alice, &format!("ps:restart {new}")).success();
    assert_eq!(server.get(&new, "/").text(), "torture\n");
    assert_eq!(engine::container_names("com.dokku.app-name", &new), [format!("{new}.web.1")]);
    assert_eq!(server.get(&other, "/").text(), "torture\n");
}

#[test]
fn a_default_name_that_another_app_has_is_not_claimed_twice() {
    let (server, alice) = Server::with_person("alice");
    let (owner, late) = (names::unique("a"), names::unique("b"));
    let ssh = |line: String| server.ssh(&alice, &line).shown(&server, &owner).replace(&late, "late");
    server.ssh(&alice, &format!("apps:create {owner}")).success();
    server.ssh(&alice, &format!("domains:add {owner} {}", server.host(&late))).success();

    assert_snapshot!(ssh(format!("apps:create {late}")), @r"
    -----> Creating late...
     !     late.test.localhost leads to blog, not to late
     !     Give late another host name: domains:add late HOST
    [exit code 0]
    ");
    assert_snapshot!(ssh(format!("url {late}")), @r"
     !     late has no host name
     !     Give it one: domains:add late HOST
    [exit code 1]
    ");
    assert_snapshot!(ssh(format!("domains:reset {late}")), @r"
     !     late.test.localhost leads to blog already
     !     Remove it there first: domains:remove blog late.test.localhost
    [exit code 1]
    ");

    // The same by a new global domain.
    server.ssh(&alice, &format!("domains:add {owner} {late}.example.com")).success();
    assert_snapshot!(ssh("domains:set-global example.com".to_owned()), @r"
    -----> Set example.com
     !     late.example.com leads to blog, not to late
     !     Give late another host name: domains:add late HOST
    [exit code 0]
    ");
    server.ssh(&alice, &format!("domains:remove {owner} {late}.example.com")).success();
    assert_eq!(ssh(format!("url {late}")), "http://late.example.com\n[exit code 0]");

    assert_snapshot!(ssh("domains:add-global '*.example.org'".to_owned()), @r"
     !     *.example.org is a wildcard, no app can have a name below it
     !     Write the domain without `*.`: every app is below it anyway
    [exit code 1]
    ");
}
