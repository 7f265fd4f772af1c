//! Apps from their making to their end, and what is said to somebody who mistypes or asks for help.

use std::time::Duration;

use insta::assert_snapshot;

use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::transcript::{show, transcript};
use crate::harness::wait::wait_until;

#[test]
fn apps_are_made_listed_and_locked() {
    let (server, ann) = Server::with_person("ann");
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:list",
        "apps:list --format json",
        "apps:create blog",
        "apps:create blog",
        "apps:create blog-staging",
        "apps:list",
        "--quiet apps:list",
        "apps:list --format json",
        "apps:exists blog",
        "apps:exists blo",
        "apps:exists BLOG",
        "--app blog apps:exists",
        "--app blo apps:exists",
        "apps:locked blog",
        "apps:lock blog",
        "apps:locked blog",
        "apps:locked blog-staging",
        "apps:unlock blog",
        "apps:locked blog",
    ]), @"");
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:create",
        "apps:create Blog",
        "apps:create my_blog",
        "apps:create ../blog",
        "apps:create ''",
        "apps:create 'two words'",
        "apps:create two words",
        "apps:create -- -blog",
        "apps:rename blog blog-staging",
        "apps:rename blog Bad",
        "apps:rename blog",
        "apps:rename nope nope-2",
    ]), @"");
    let long = format!("apps:create {}", "a".repeat(64));
    assert!(server.ssh(&ann, &long).exits_with(1).stderr.contains("not be longer than 63"));
    assert_eq!(server.ssh(&ann, "--quiet apps:list").success().stdout, "blog\nblog-staging\n");
}

#[test]
fn an_app_is_destroyed_only_when_its_own_name_is_typed() {
    let (server, ann) = Server::with_person("ann");
    for app in ["blog", "blog-staging"] {
        server.ssh(&ann, &format!("apps:create {app}")).success();
    }
    let answer = |line: &str, input: &str| show(line, &server.ssh_with_input(&ann, line, input.as_bytes()));
    assert_snapshot!(answer("apps:destroy blog", "blog-staging\n"), @"");
    for no in ["", "\n", "y\n", "blo", "BLOG\n", "no\nblog\n"] {
        let refused = server.ssh_with_input(&ann, "apps:destroy blog", no.as_bytes()).exits_with(1);
        assert!(refused.stderr.contains("Aborted"), "{no:?}:\n{refused}");
    }
    assert_eq!(server.ssh(&ann, "--quiet apps:list").stdout, "blog\nblog-staging\n");

    assert_snapshot!(answer("apps:destroy blog", "blog\n"), @"");
    assert_eq!(server.ssh(&ann, "--quiet apps:list").stdout, "blog-staging\n");
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:destroy blog --force",
        "apps:destroy blog-staging --force",
        "apps:create blog",
        "--force apps:destroy blog",
        "--force apps:list",
    ]), @"");
}

#[test]
fn a_renamed_app_moves_with_all_it_has_and_its_neighbour_stays() {
    let (server, ann) = Server::with_person("ann");
    let old = names::unique("blog");
    let (new, neighbour) = (format!("{old}-new"), format!("{old}-staging"));
    let limited = Person::new("limited");
    server.add_key_with(&limited, &["--role", "deployer", "--for", &old]);
    let repo = torture::repo();
    repo.push(&server, &ann, &old).success();
    repo.push(&server, &ann, &neighbour).success();
    let untouched = server.get(&neighbour, "/instance").text();
    let containers = |app: &str| engine::container_names("com.dokku.app-name", app);

    let renamed = server.ssh(&ann, &format!("apps:rename {old} {new}")).success();

    assert!(renamed.stdout.starts_with(&format!("-----> Renaming {old} to {new}\n")), "{renamed}");
    assert_eq!(server.get(&new, "/").text(), "torture\n");
    assert_eq!(server.get(&old, "/").status, 404);
    assert_eq!(server.ssh(&ann, &format!("url {new}")).success().stdout.trim(), server.url(&new));
    assert_eq!(containers(&new), [format!("{new}.web.1")]);
    wait_until("the old containers are gone", Duration::from_secs(30), || containers(&old).is_empty());
    server.ssh(&ann, &format!("apps:exists {old}")).exits_with(20);
    assert!(repo.git_as(&ann, &["ls-remote", &server.git_url(&old)]).code != 0);
    torture::commit_version(&repo, "2");
    repo.push(&server, &limited, &new).success();
    assert!(server.get(&new, "/instance").text().contains("\nversion 2\n"));

    // The next app of the old name is somebody else's.
    server.ssh(&ann, &format!("apps:create {old}")).success();
    server.ssh(&limited, &format!("apps:exists {old}")).exits_with(20);
    server.ssh(&ann, &format!("apps:lock {new}")).success();
    torture::commit_version(&repo, "3");
    let refused = repo.push(&server, &ann, &new);
    assert!(refused.code != 0 && refused.stderr.contains("apps:unlock"), "{refused}");
    server.ssh(&ann, &format!("apps:unlock {new}")).success();
    repo.push(&server, &ann, &new).success();

    for app in [&old, &new] {
        server.ssh(&ann, &format!("apps:destroy {app} --force")).success();
    }
    assert_eq!(containers(&new), [] as [String; 0]);
    assert_eq!(containers(&neighbour), [format!("{neighbour}.web.1")]);
    assert_eq!(server.get(&neighbour, "/instance").text(), untouched);
}

#[test]
fn whoever_mistypes_is_told_what_was_probably_meant() {
    let (server, ann) = Server::with_person("ann");
    assert_snapshot!(transcript(&server, &ann, &[
        "apps:creat blog",
        "app:list",
        "APPS:LIST",
        "apps:",
        "apps:frobnicate",
        "frobnicate",
        "log blog",
        "git-recieve-pack blog",
        "apps:list --fromat json",
        "apps:list --format yaml",
        "apps:list blog",
        "config:set --restart blog A=1",
        "config:show",
        "ssh-keys:add",
        "--app",
        "nope:help",
        "help nope",
        "'unclosed",
    ]), @"");
}

#[test]
fn help_is_where_one_looks_for_it_and_shows_only_what_one_may_do() {
    let (server, ann) = Server::with_person("ann");
    assert_snapshot!(transcript(&server, &ann, &["apps:help", "apps:create --help"]), @"");
    let shown = |person: &Person, line: &str| server.ssh(person, line).success().stdout;
    assert_eq!(shown(&ann, "help apps"), shown(&ann, "apps:help"));
    assert_eq!(shown(&ann, "help apps:create"), shown(&ann, "apps:create -h"));
    assert_eq!(shown(&ann, "logs:help"), shown(&ann, "logs --help"));
    let all = shown(&ann, "help");
    assert_eq!(all, shown(&ann, "--help"));
    for command in ["apps:create", "config:set", "logs", "run", "ssh-keys:add", "releases:rollback"] {
        assert!(all.lines().any(|line| line.trim_start().starts_with(command)), "no {command} in:\n{all}");
    }
    assert!(!all.contains("git-receive-pack"), "an entry point for git is listed:\n{all}");

    let bare = crate::harness::process::run(&mut ann.ssh(&server)).success().stdout;
    assert_eq!(
        bare,
        format!(
            "Hello ann. Your role is admin, for all apps.\nSlipway gives no shell: write a command behind the host's name.\n\n{all}"
        )
    );

    let bob = Person::new("bob");
    server.add_key_with(&bob, &["--role", "viewer", "--for", "blog"]);
    assert_snapshot!(transcript(&server, &bob, &["config:help", "apps:help", "ssh-keys:help"]), @"");
    let bare = crate::harness::process::run(&mut bob.ssh(&server)).success().stdout;
    assert!(bare.starts_with("Hello bob. Your role is viewer, for blog.\n"), "{bare}");
}
