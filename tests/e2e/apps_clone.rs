//! An app made of another one: what comes along, what stays, and that the two are two from then on.

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::plugin::PluginFolder;
use crate::harness::server::Server;
use crate::harness::torture;

const MANIFEST: &str = r#"
[hooks.post-app-clone]

[hooks.pre-delete]
"#;
const CLONED: &str = "#!/bin/sh\necho \"$1 became $2\"\n";
const PRE_DELETE: &str = r#"#!/bin/sh
case "$1" in *-keep) echo "$1 is worth keeping" >&2; exit 1 ;; esac
"#;

#[test]
fn a_cloned_app_has_the_code_and_the_settings_and_goes_its_own_way() {
    let (server, ann) = Server::with_person("ann");
    let (old, host) = (names::unique("blog"), format!("{}.example", names::unique("www")));
    let new = format!("{old}-copy");
    let ssh = |line: &str| server.ssh(&ann, &line.replace("OLD", &old).replace("NEW", &new));
    let repo = torture::repo();
    repo.push(&server, &ann, &old).success();
    for line in [
        "config:set --no-restart OLD COLOUR=blue",
        "ps:scale OLD --skip-deploy web=1 worker=1",
        "resource:limit --memory 128 OLD",
        "docker-options:add OLD deploy,run --ulimit nofile=512",
        &format!("domains:add OLD {host}"),
        "router:set OLD max-body-size 5m",
        &format!("router:set OLD canonical-host {host}"),
        "ports:add OLD http:80:5000",
    ] {
        ssh(line).success();
    }

    let cloned = ssh("apps:clone OLD NEW").success();

    assert!(cloned.stdout.starts_with(&format!("-----> Cloning {old} to {new}\n")), "{cloned}");
    assert!(cloned.stdout.contains(&format!("domains:add {new} HOST")), "{cloned}");
    assert_eq!(server.get(&new, "/env?name=COLOUR").text(), "blue");
    assert!(server.get(&new, "/instance").text().contains("\nrelease v1\n"));
    let scale = ssh("ps:scale NEW").success();
    assert!(scale.stdout.contains("worker:    1"), "{scale}");
    let same = |report: &str| {
        let of = |app: &str| ssh(&format!("{report} {app}")).success().stdout.replace(app, "APP");
        assert_eq!(of(&old), of(&new), "{report}");
    };
    same("resource:report");
    same("docker-options:report");
    assert!(ssh("router:report NEW").success().stdout.contains("5m"));
    assert!(!ssh("router:report NEW").success().stdout.contains(&host));
    assert!(!ssh("domains:report NEW").success().stdout.contains(&host));
    assert_eq!(server.connect().get(&host, "/").unwrap().status, 200);
    assert_eq!(repo.ls_remote(&server, &ann, &new), repo.ls_remote(&server, &ann, &old));

    // What happens to one of them is nothing to the other.
    torture::commit_version(&repo, "2");
    repo.push(&server, &ann, &new).success();
    ssh("config:set NEW COLOUR=red").success();
    assert_eq!(ssh("config:get OLD COLOUR").success().stdout, "blue\n");
    assert!(server.connect().get(&host, "/instance").unwrap().text().contains("\nversion 1\n"));
    ssh("apps:destroy --force OLD").success();
    assert_eq!(server.get(&new, "/env?name=COLOUR").text(), "red");
}

#[test]
fn a_clone_is_refused_left_undeployed_or_told_to_plugins() {
    let (server, ann) = Server::with_person("ann");
    let old = names::unique("site");
    let limited = Person::new("limited");
    server.add_key_with(&limited, &["--role", "deployer", "--for", &old]);
    let plugin = PluginFolder::new("witness", MANIFEST)
        .with("hooks/post-app-clone", CLONED)
        .with("hooks/pre-delete", PRE_DELETE);
    plugin.install(&server).success();
    server.ssh(&ann, &format!("apps:create {old}")).success();

    assert_ne!(server.ssh(&limited, &format!("apps:clone {old} {old}-mine")).code, 0);
    server.ssh(&ann, &format!("apps:clone {old}-nobody {old}-copy")).exits_with(20);
    server.ssh(&ann, &format!("apps:clone {old} Bad_Name")).exits_with(1);
    let refused = server.ssh(&ann, &format!("apps:clone {old} {old}")).exits_with(1);
    assert!(refused.stderr.contains("Name is already taken"), "{refused}");
    server.ssh(&ann, &format!("apps:clone --ignore-existing {old} {old}")).success();

    let cloned = server.ssh(&ann, &format!("apps:clone {old} {old}-keep")).success();
    assert!(cloned.stderr.contains(&format!("[witness] {old} became {old}-keep")), "{cloned}");
    assert!(cloned.stdout.contains("was never deployed"), "{cloned}");

    let repo = torture::repo();
    repo.push(&server, &ann, &old).success();
    let skipped = server.ssh(&ann, &format!("apps:clone --skip-deploy {old} {old}-later")).success();
    assert!(!skipped.stdout.contains("Deploying"), "{skipped}");
    server.ssh(&ann, &format!("ps:rebuild {old}-later")).success();
    assert_eq!(server.get(&format!("{old}-later"), "/").status, 200);

    // A plugin may keep an app from being destroyed.
    let refused = server.ssh(&ann, &format!("apps:destroy --force {old}-keep")).exits_with(1);
    let reason = format!("witness says no at pre-delete: {old}-keep is worth keeping");
    assert!(refused.stderr.contains(&reason), "{refused}");
    server.ssh(&ann, &format!("apps:exists {old}-keep")).success();
    server.ssh(&ann, &format!("apps:destroy --force {old}-later")).success();
}

#[test]
fn a_clone_has_links_of_its_own_and_shares_storage() {
    let (server, ann) = Server::with_person("ann");
    let (old, other) = (names::unique("shop"), names::unique("api"));
    let new = format!("{old}-copy");
    let ssh = |line: &str| {
        server.ssh(&ann, &line.replace("OLD", &old).replace("NEW", &new).replace("OTHER", &other))
    };
    for line in [
        "apps:create OLD",
        "apps:create OTHER",
        "redis:create cache",
        "redis:link cache OLD --no-restart",
        "links:add OLD OTHER --no-restart",
        "storage:create shared",
        "storage:create single",
        "storage:mount OLD shared:/shared",
        "storage:mount OLD single:/single --exclusive",
        "drains:add OLD syslog://127.0.0.1:9",
    ] {
        ssh(line).success();
    }

    let cloned = ssh("apps:clone OLD NEW").success();

    assert!(cloned.stdout.contains("as REDIS_URL: both apps share its data"), "{cloned}");
    let url = |app: &str| ssh(&format!("config:get {app} REDIS_URL")).success().stdout;
    assert!(url(&new).contains("@slipway-redis-cache:6379"), "{}", url(&new));
    assert_ne!(url(&old), url(&new), "they share a user");
    assert!(ssh("redis:links cache").success().stdout.contains(&new));
    let linked = ssh("links:report NEW");
    assert!(ssh("config:show NEW").success().stdout.contains(".web.internal"), "{linked}");
    let mounts = ssh("storage:list NEW").success().stdout;
    assert!(mounts.contains("/shared") && !mounts.contains("/single"), "{mounts}");
    assert!(cloned.stderr.contains("single is for one instance and stays"), "{cloned}");
    assert!(ssh("drains:list NEW").success().stdout.contains("syslog://127.0.0.1:9"));

    ssh("apps:destroy --force OLD").success();
    assert!(url(&new).contains("@slipway-redis-cache:6379"));
}
