//! What the real git does with an app's repository besides pushing: clone, fetch, archive; and who may.

use std::fs;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::run;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;

#[test]
fn a_repository_is_cloned_fetched_and_archived_and_viewers_only_read() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let url = server.git_url(&app);
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let bob = Person::new("bob");
    server.add_key_with(&bob, &["--role", "viewer"]);

    let place = Repo::new();
    let mut clone = place.command_as(&bob);
    clone.env("GIT_TRACE_PACKET", "1").args(["-c", "protocol.version=2", "clone", &url, "copy"]);
    let clone = run(&mut clone).success();
    assert!(clone.stderr.contains("clone< version 2"), "not protocol v2:\n{clone}");
    let copy = place.path().join("copy");
    assert_eq!(fs::read(copy.join("Procfile")).unwrap(), fs::read(repo.path().join("Procfile")).unwrap());

    let second = torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    let copy = copy.to_str().unwrap();
    place.git_as(&bob, &["-C", copy, "pull", "-q"]).success();
    assert_eq!(place.git(&["-C", copy, "rev-parse", "HEAD"]).success().stdout.trim(), second);
    // The commit of an older release, by its name.
    let older = repo.git(&["rev-parse", "HEAD^"]).success().stdout;
    place.git_as(&bob, &["fetch", "-q", "--depth", "1", &url, older.trim()]).success();

    let archive =
        place.git_as(&bob, &["archive", &format!("--remote={url}"), "--format=tar", "main"]).success();
    let mut entries = tar::Archive::new(archive.stdout_bytes.as_slice());
    let names: Vec<String> = entries
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    // The first one says which commit it is.
    assert_eq!(names, ["pax_global_header", "Dockerfile", "Procfile", "torture"]);

    let push = repo.push_with(&server, &bob, &app, &["--force", "HEAD^:main"]);
    assert!(push.code != 0 && push.stderr.contains("needs the role deployer"), "{push}");
    assert!(repo.ls_remote(&server, &alice, &app).contains(&second));
}

#[test]
fn every_form_of_the_url_leads_to_the_same_app_and_shallow_clones_can_push() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    let port = server.ssh_address().port();
    let push = |url: &str| {
        let mut command = repo.command();
        command.env("GIT_SSH_COMMAND", format!("{} -p {port}", alice.git_ssh_command()));
        run(command.args(["push", "-o", "ci.skip", "-o", "key=a value", url, "main"])).success()
    };
    push(&format!("dokku@127.0.0.1:{app}"));
    assert_eq!(server.get(&app, "/").text(), "torture\n");
    for url in [
        format!("git@127.0.0.1:{app}"),
        format!("slipway@127.0.0.1:{app}.git"),
        format!("slipway@127.0.0.1:/{app}"),
        format!("ssh://dokku@127.0.0.1:{port}/{app}"),
        format!("ssh://git@127.0.0.1:{port}/{app}.git"),
    ] {
        let again = push(&url);
        assert!(again.stderr.contains("Everything up-to-date"), "{url}:\n{again}");
    }
    assert_eq!(
        server.ssh(&alice, "apps:list").success().stdout.lines().filter(|line| *line == app).count(),
        1
    );

    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    let place = Repo::new();
    place.git_as(&alice, &["clone", "-q", "--depth", "1", &server.git_url(&app), "copy"]).success();
    let copy = place.path().join("copy");
    fs::write(copy.join("Dockerfile"), fs::read_to_string(copy.join("Dockerfile")).unwrap() + "ENV A=b\n")
        .unwrap();
    let copy = copy.to_str().unwrap();
    place.git(&["-C", copy, "commit", "-q", "-a", "-m", "From a shallow clone"]).success();
    place.git_as(&alice, &["-C", copy, "push", "-q", "origin", "main"]).success();
    assert!(server.get(&app, "/env").text().contains("A=b"));
    // CI that clones with `--depth 1` pushes to an app that has nothing of the history.
    let other = names::unique("blog");
    place.git_as(&alice, &["-C", copy, "push", "-q", &server.git_url(&other), "main"]).success();
    assert_eq!(server.get(&other, "/").text(), "torture\n");
}

#[test]
fn paths_that_are_no_app_names_are_refused_and_nothing_is_made() {
    let (server, alice) = Server::with_person("alice");
    for path in [
        "../x",
        "/../x",
        "/etc/passwd",
        "a/b",
        "-x",
        "--help=x",
        "",
        "/",
        ".git",
        "~/x",
        "A",
        "a b",
        "x;id",
        "x.git/y",
        ".",
    ] {
        for service in ["git-receive-pack", "git-upload-pack", "git-upload-archive"] {
            let asked = server.ssh_with_input(&alice, &format!("{service} '{path}'"), b"0000");
            assert_ne!(asked.code, 0, "{service} {path}:\n{asked}");
            assert_eq!(asked.stdout, "", "{service} {path}");
            assert!(asked.stderr.contains(" !     "), "{service} {path}:\n{asked}");
        }
    }
    assert_eq!(fs::read_dir(server.root().join("repos")).unwrap().count(), 0);
    assert!(!server.root().join("x").exists() && !server.root().join("x.git").exists());
}

#[test]
fn auto_creation_can_be_turned_off_and_is_not_for_keys_of_some_apps() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    server.command(&["apps:set", "--global", "disable-autocreation", "true"]).success();

    let push = repo.push(&server, &alice, &app);
    assert!(push.code != 0 && push.stderr.contains(&format!("apps:create {app}")), "{push}");
    server.ssh(&alice, &format!("apps:exists {app}")).exits_with(20);
    server.ssh(&alice, &format!("apps:create {app}")).success();
    repo.push(&server, &alice, &app).success();

    server.command(&["apps:set", "--global", "disable-autocreation"]).success();
    let carol = Person::new("carol");
    server.add_key_with(&carol, &["--role", "deployer", "--for", &app]);
    let other = names::unique("blog");
    let push = repo.push(&server, &carol, &other);
    assert!(push.code != 0 && push.stderr.contains("cannot make others"), "{push}");
    server.ssh(&alice, &format!("apps:exists {other}")).exits_with(20);
    torture::commit_version(&repo, "2");
    repo.push(&server, &carol, &app).success();
}
