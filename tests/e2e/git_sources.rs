//! Sources without a push: archives and other git servers.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::harness::names;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::web::{self, Web};

fn files(repo: &Repo) -> Vec<(&'static str, u32, Vec<u8>)> {
    let read = |name: &str| std::fs::read(repo.path().join(name)).unwrap();
    vec![
        ("Dockerfile", 0o644, read("Dockerfile")),
        ("Procfile", 0o644, read("Procfile")),
        ("torture", 0o755, read("torture")),
    ]
}

fn append(builder: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, link: &str, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    // Written as bytes: the library itself refuses some of the names.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn good_tar(repo: &Repo, directory: &str) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, _, content) in files(repo) {
        append(&mut builder, EntryType::Regular, &format!("{directory}{name}"), "", &content);
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(files: &[(&str, u32, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in files {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn an_archive_is_deployed_from_standard_input_and_from_the_web() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    let web = Web::start();
    let repo = torture::repo();
    let version = |version: &str| {
        torture::commit_version(&repo, version);
        version.to_owned()
    };
    let serves = |version: &str| {
        let instance = server.get(&app, "/instance").text();
        assert!(instance.contains(&format!("\nversion {version}\n")), "not {version}:\n{instance}");
    };

    let stdin = gzip(&good_tar(&repo, "blog-1.0/"));
    server.ssh_with_input(&alice, &format!("git:from-archive {app} --"), &stdin).success();
    serves("1");
    let two = version("2");
    let url = web.put("two.zip", &zip(&files(&repo)));
    server.ssh(&alice, &format!("git:from-archive {app} {url}")).success();
    serves(&two);
    let three = version("3");
    let url = web.put("three.tar", &good_tar(&repo, "./"));
    server.ssh(&alice, &format!("git:from-archive {app} {url}")).success();
    serves(&three);
    let four = version("4");
    let url = web.put("four", &gzip(&good_tar(&repo, "")));
    server.ssh(&alice, &format!("git:from-archive --archive-type tar.gz {app} {url}")).success();
    serves(&four);

    // Each is a commit of the app's repository, from which a person can go on.
    let place = Repo::new();
    place.git_as(&alice, &["clone", "-q", &server.git_url(&app), "copy"]).success();
    let copy = place.path().join("copy");
    let log = place.git(&["-C", copy.to_str().unwrap(), "log", "--format=%an %s"]).success().stdout;
    assert_eq!(log.lines().count(), 4, "{log}");
    assert!(log.starts_with("alice Import http://"), "{log}");
    for url in
        [web.url("missing.tar.gz"), web::nobody(), "file:///etc/passwd".to_owned(), "/etc/passwd".to_owned()]
    {
        let refused = server.ssh(&alice, &format!("git:from-archive {app} {url}"));
        assert!(refused.code == 1 && refused.stderr.contains(&url), "{refused}");
    }
    serves(&four);
}

#[test]
fn an_archive_that_means_harm_changes_nothing() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = (server.get(&app, "/instance").text(), repo.ls_remote(&server, &alice, &app));
    let with = |kind: EntryType, name: &str, link: &str| {
        let mut builder = Builder::new(Vec::new());
        for (name, _, content) in files(&repo) {
            append(&mut builder, EntryType::Regular, name, "", &content);
        }
        append(&mut builder, kind, name, link, b"");
        gzip(&builder.into_inner().unwrap())
    };
    let mut many = Builder::new(Vec::new());
    for number in 0..10_001 {
        append(&mut many, EntryType::Regular, &format!("file-{number}"), "", b"");
    }
    let mut huge = Header::new_gnu();
    huge.set_path("zeros").unwrap();
    huge.set_size((1 << 30) + 1);
    huge.set_cksum();
    let bomb = [huge.as_bytes().as_slice(), &[0; 4096]].concat();
    let good = gzip(&good_tar(&repo, ""));
    let (file, link, hard) = (EntryType::Regular, EntryType::Symlink, EntryType::Link);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("tar.gz", with(file, "/etc/passwd", ""), "absolute paths"),
        ("tar.gz", with(file, "../outside", ""), "parent directory traversal"),
        ("tar.gz", with(file, "a/../../outside", ""), "parent directory traversal"),
        ("tar.gz", with(link, "link", "/etc/passwd"), "absolute targets"),
        ("tar.gz", with(link, "a/link", "../../outside"), "pointing outside"),
        ("tar.gz", with(hard, "link", "/etc/passwd"), "absolute paths"),
        ("tar.gz", with(hard, "link", "nowhere"), "hard links"),
        ("tar.gz", with(EntryType::Fifo, "pipe", ""), "special files"),
        ("tar.gz", with(EntryType::Block, "disk", ""), "special files"),
        ("tar", many.into_inner().unwrap(), "exceeds the maximum of 10000"),
        ("tar", bomb.clone(), "exceeds maximum allowed size of 1073741824 bytes"),
        ("tar.gz", gzip(&bomb), "exceeds maximum allowed size of 1073741824 bytes"),
        ("zip", zip(&[("../outside", 0o644, b"x".to_vec())]), "parent directory traversal"),
        ("zip", zip(&[("/etc/passwd", 0o644, b"x".to_vec())]), "absolute paths"),
        ("zip", zip(&[("..\\outside", 0o644, b"x".to_vec())]), "parent directory traversal"),
        ("zip", b"PK\x03\x04 and nothing more".to_vec(), "cannot be read"),
        ("tar.gz", good[..good.len() / 2].to_vec(), "cannot be read"),
        ("tar.gz", b"not an archive".to_vec(), "cannot be read"),
        ("tar.gz", Vec::new(), "rchive"),
    ];
    for (kind, archive, reason) in cases {
        let line = format!("git:from-archive --archive-type {kind} {app} --");
        let refused = server.ssh_with_input(&alice, &line, &archive).exits_with(1);
        assert!(refused.stderr.contains(reason), "{kind}, {reason}:\n{refused}");
    }
    server.ssh(&alice, &format!("git:from-archive --archive-type rar {app} --")).exits_with(1);
    assert_eq!((server.get(&app, "/instance").text(), repo.ls_remote(&server, &alice, &app)), before);
    let leftovers = std::fs::read_dir(server.root().join("repos")).unwrap();
    let names: Vec<_> = leftovers.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [format!("{app}.git").as_str()]);
}

#[test]
fn another_git_server_is_followed() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    server.ssh(&alice, &format!("apps:create {app}")).success();
    let web = Web::start();
    let repo = torture::repo();
    repo.git(&["tag", "-a", "-m", "One", "v1"]).success();
    let first = repo.git(&["rev-parse", "HEAD"]).success().stdout.trim().to_owned();
    let url = web.publish("blog", &repo);
    let sync = |rest: &str| server.ssh(&alice, &format!("git:sync {rest}"));
    let version = || server.get(&app, "/instance").text();

    sync(&format!("--build {app} {url}")).success();
    assert!(version().contains("\nversion 1\n"));
    let before = version();
    let same = sync(&format!("--build-if-changes {app} {url} main")).success();
    assert!(same.stdout.contains("Nothing has changed"), "{same}");
    assert_eq!(version(), before);
    torture::commit_version(&repo, "2");
    web.publish("blog", &repo);
    sync(&format!("--build-if-changes {app} {url}")).success();
    assert!(version().contains("\nversion 2\n"));
    sync(&format!("--build {app} {url} v1")).success();
    assert!(version().contains("\nversion 1\n"));
    assert!(repo.ls_remote(&server, &alice, &app).starts_with(&first));
    sync(&format!("--build {app} {url} {}", repo.git(&["rev-parse", "main"]).success().stdout.trim()))
        .success();
    assert!(version().contains("\nversion 2\n"));

    let before = (version(), repo.ls_remote(&server, &alice, &app));
    for (arguments, reason) in [
        (format!("{url} nowhere"), "has no branch, tag or commit nowhere".to_owned()),
        (format!("{url} -- --upload-pack=id"), "is not the name of a branch".to_owned()),
        (format!("{url} a..b"), "is not the name of a branch".to_owned()),
        (web.url("missing.git"), "cannot fetch from".to_owned()),
        (web::nobody(), "cannot fetch from".to_owned()),
        ("file:///etc".to_owned(), "is not the URL of a repository".to_owned()),
        ("/etc".to_owned(), "is not the URL of a repository".to_owned()),
        ("'ext::sh -c id'".to_owned(), "URL of a repository".to_owned()),
    ] {
        let refused = sync(&format!("--build {app} {arguments}"));
        assert!(refused.code == 1 && refused.stderr.contains(&reason), "{arguments}:\n{refused}");
    }
    assert_eq!((version(), repo.ls_remote(&server, &alice, &app)), before);
    // A build that fails moves no branch, so that the next try finds that something has changed.
    repo.write("Dockerfile", "FROM debian:bookworm-slim\nRUN exit 1\n");
    repo.commit("It cannot be built");
    web.publish("blog", &repo);
    for _ in 1..=2 {
        let refused = sync(&format!("--build-if-changes {app} {url}"));
        assert!(refused.code == 1 && refused.stderr.contains("exit code 1"), "{refused}");
    }
    assert_eq!((version(), repo.ls_remote(&server, &alice, &app)), before);
}

#[test]
fn a_commit_of_another_app_is_deployed_without_a_push() {
    let (server, alice) = Server::with_person("alice");
    let [staging, production] = ["staging", "production"].map(names::unique);
    let repo = torture::repo();
    repo.push(&server, &alice, &staging).success();
    server.ssh(&alice, &format!("apps:create {production}")).success();

    let line = format!("git:from-app {production} {staging}");
    let output = server.ssh(&alice, &line).success();
    assert!(output.stdout.contains("main of"), "{}", output.stdout);
    assert!(server.get(&production, "/instance").text().contains("\nversion 1\n"));

    // What is pushed afterwards stands on the same commit.
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &production).success();
    assert!(server.get(&production, "/instance").text().contains("\nversion 2\n"));
    assert!(server.get(&staging, "/instance").text().contains("\nversion 1\n"));

    for (words, hint) in [
        (format!("{production} {staging} nowhere"), "Push it there first"),
        (format!("{production} {production}"), "ps:rebuild"),
        (format!("{production} nobody"), "does not exist"),
    ] {
        let refused = server.ssh(&alice, &format!("git:from-app {words}"));
        assert!(refused.code != 0 && refused.stderr.contains(hint), "{words}: {}", refused.stderr);
    }
}
