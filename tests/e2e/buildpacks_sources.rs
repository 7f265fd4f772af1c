//! Buildpacks of others: from a git repository and from an archive, in their order.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::names;
use crate::harness::process::run;
use crate::harness::repo::Repo;
use crate::harness::server::Server;

/// A website that tells two variables.
const WEB: &str = r#"web: perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 9, ReuseAddr => 1); while ($c = $s->accept) { while (<$c>) { last if /^\r?\n/ } print $c "HTTP/1.0 200 OK\r\n\r\n$ENV{ONE} $ENV{TWO}\n"; close $c }'
"#;

/// What exports for the next one, and sets up the start of processes.
const ONE: &str = r#"#!/bin/sh
mkdir -p "$1/.profile.d"
echo 'export ONE=git' >"$1/.profile.d/one.sh"
echo 'export FROM_ONE=exported' >"$(dirname "$0")/../export"
"#;
const TWO: &str = r#"#!/bin/sh
[ "$FROM_ONE" = exported ] || exit 7
echo "export TWO='archive $(cat "$3/SECRET")'" >"$1/.profile.d/two.sh"
"#;

fn shell(directory: &Path, script: &str) {
    run(Command::new("bash").args(["-e", "-c", script]).current_dir(directory)).success();
}

/// A source that carries its buildpacks as a bare repository with the tag v1, and as an archive.
fn source() -> Repo {
    let (repo, work) = (Repo::new(), tempfile::tempdir().unwrap());
    for (name, compile) in [("one", ONE), ("two", TWO)] {
        let bin = work.path().join(name).join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("detect"), format!("#!/bin/sh\necho {name}\n")).unwrap();
        fs::write(bin.join("compile"), compile).unwrap();
    }
    let path = repo.path().display();
    shell(
        work.path(),
        &format!(
            "chmod +x */bin/*; tar -czf {path}/two.tgz two; cd one; git init -q; git add .; \
             git -c user.name=a -c user.email=a@example.com commit -qm one; git tag v1; \
             git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m later; \
             git rm -q bin/compile; git -c user.name=a -c user.email=a@example.com commit -qm broken; \
             git clone -q --bare . {path}/one.git; cd {path}/one.git; git pack-refs --all; touch refs/keep objects/keep"
        ),
    );
    repo.write("Procfile", WEB);
    repo
}

#[test]
fn a_git_repository_and_an_archive_build_an_app_together() {
    let (server, ann) = Server::with_person("ann");
    let (app, repo) = (names::unique("others"), source());
    repo.write(".buildpacks", "# Two of others.\nfile:///app/one.git#v1\nfile:///app/two.tgz\n");
    repo.commit("Buildpacks of others");
    server.ssh(&ann, &format!("apps:create {app}")).success();
    server.ssh(&ann, &format!("config:set --no-restart {app} SECRET=seen")).success();
    repo.push(&server, &ann, &app).success();
    assert_eq!(server.get(&app, "/").text(), "git archive seen\n");

    for (address, reason) in [
        ("https://buildpack.invalid/x.git", "cannot be had"),
        ("file:///app/one.git", "it has no bin/compile"),
        ("file:///app/missing.zip", "cannot be had"),
        ("ssh://git@example.com/x", "is not a buildpack"),
        ("nonsense", "there is no buildpack nonsense here"),
    ] {
        repo.write(".buildpacks", format!("{address}\n"));
        repo.commit("Another buildpack");
        let said = repo.push(&server, &ann, &app).exits_with(1).stderr;
        assert!(said.contains(reason), "{address}: {said}");
    }
    assert_eq!(server.get(&app, "/").text(), "git archive seen\n");
}
