//! What of a source buildpacks see, and the Debian packages that it asks for.

use crate::harness::buildpack;
use crate::harness::engine;
use crate::harness::names;
use crate::harness::server::Server;

#[test]
fn debian_packages_of_an_aptfile_are_there_in_the_build_and_in_the_app() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("apt");
    let repo = buildpack::repo("hello -g 'hello from the build'");
    for (aptfile, says) in [
        (
            ":repo:deb http://deb.debian.org/debian sid main\n",
            "line 1: :repo:deb: packages come from Debian 12",
        ),
        (
            "hello\nhttps://example.com/x.deb\n",
            "line 2: https://example.com/x.deb: a package is given by its name",
        ),
        ("hello-$(id)\n", "this is not the name of a Debian package"),
        ("no-such-package-anywhere\n", "Unable to locate package no-such-package-anywhere"),
    ] {
        repo.write("Aptfile", aptfile);
        repo.commit("What cannot be had");
        let pushed = repo.push(&server, &alice, &app);
        assert!(pushed.code != 0 && pushed.stderr.contains(says), "{aptfile}: {pushed}");
        assert_eq!(engine::container_names("slipway.app", &app), [] as [String; 0], "after {aptfile}");
    }
    let pushed = repo.push(&server, &alice, &app);
    assert!(
        pushed.stderr.contains("Debian packages cannot be installed: no-such-package-anywhere"),
        "{pushed}"
    );
    assert!(pushed.stderr.contains("Check their names at"), "{pushed}");

    repo.write("Aptfile", "# greets\nhello  # in two words\n");
    repo.commit("A small package");
    let pushed = repo.push(&server, &alice, &app).success();
    assert!(pushed.stderr.contains("hello from the build"), "{pushed}");
    let ran = server.ssh(&alice, &format!("run {app} hello -g 'hello from the app'")).success();
    assert!(ran.stdout.contains("hello from the app"), "{ran}");
}

#[test]
fn a_slugignore_leaves_files_out_by_herokus_rules() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("slug");
    let repo = buildpack::repo("find /app -type f -path '*keep*' -o -type f -path '*drop*' | sort");
    for file in
        ["docs/drop.psd", "drop.log", "deep/drop/x", "keep.txt", "deep/keep/drop.txt", "spec/drop_spec.rb"]
    {
        repo.write(file, "x");
    }
    repo.write(".slugignore", "# art\n*.psd\n/drop.log\ndrop/\nspec\n/drop.txt\n!keep.txt\n");
    repo.commit("Things that an app does not need");
    let pushed = repo.push(&server, &alice, &app).success();
    let seen: Vec<&str> = pushed
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("remote: ")?.trim().strip_prefix("/app/"))
        .collect();
    assert_eq!(seen, ["deep/keep/drop.txt", "keep.txt"], "{pushed}");
    assert!(pushed.stderr.contains(".slugignore: line 7: there are no exceptions"), "{pushed}");
    let ran = server.ssh(&alice, &format!("run {app} ls -a /app")).success();
    assert!(!ran.stdout.contains("spec") && !ran.stdout.contains(".git"), "{ran}");
}
