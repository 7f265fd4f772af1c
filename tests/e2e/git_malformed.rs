//! Pushes that mean harm or are broken: refused, and nothing is left of them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::run_with_input;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;

const NONE: &str = "0000000000000000000000000000000000000000";

/// What a client sends to create `refs/heads/main`, up to the pack.
fn request(commit: &str) -> Vec<u8> {
    let line = format!("{NONE} {commit} refs/heads/main\0report-status side-band-64k agent=test");
    format!("{:04x}{line}0000", line.len() + 4).into_bytes()
}

fn pack(repo: &Repo) -> Vec<u8> {
    let mut command = repo.command();
    run_with_input(command.args(["pack-objects", "--revs", "--stdout", "-q"]), b"HEAD\n")
        .success()
        .stdout_bytes
}

/// What lies in an app's repository that is no object and no reference of its own.
fn quarantines(server: &Server, app: &str) -> Vec<PathBuf> {
    let objects = fs::read_dir(server.root().join(format!("repos/{app}.git/objects"))).unwrap();
    let paths = objects.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("tmp_")).collect()
}

#[test]
fn a_damaged_push_is_refused_and_leaves_nothing() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    let commit = repo.git(&["rev-parse", "HEAD"]).success().stdout.trim().to_owned();
    let good = pack(&repo);
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    let mut huge_count = good.clone();
    huge_count[8..12].fill(0xff);
    let cases: [(&str, Vec<u8>); 9] = [
        ("a flipped bit", [request(&commit), flipped].concat()),
        ("a cut pack", [request(&commit), good[..good.len() / 2].to_vec()].concat()),
        ("no pack", request(&commit)),
        ("a pack of endless objects", [request(&commit), huge_count].concat()),
        ("noise for a pack", [request(&commit), vec![0xa5; 100_000]].concat()),
        ("another commit than the pack has", [request(&commit.replace(&commit[..4], "dead")), good].concat()),
        ("a length that is none", b"zzzzhello".to_vec()),
        ("a line longer than any", b"ffff".to_vec()),
        ("noise", vec![0x17; 100_000]),
    ];
    for (name, input) in cases {
        let pushed = server.ssh_with_input(&alice, &format!("git-receive-pack '{app}'"), &input);
        let unpacked = pushed.stdout.contains("unpack ok") && pushed.stdout.contains("ok refs/heads/main");
        assert!(!unpacked, "{name} was taken:\n{pushed}");
        assert_eq!(repo.ls_remote(&server, &alice, &app), "", "{name}");
        assert_eq!(quarantines(&server, &app), [] as [PathBuf; 0], "{name}");
    }
    assert!(
        server.ssh(&alice, &format!("builds:list {app} --format json")).success().stdout.starts_with("[]")
    );
    repo.push(&server, &alice, &app).success();
}

#[test]
fn trees_that_lead_out_of_a_repository_are_refused() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    let blob = repo.git(&["rev-parse", "HEAD:Dockerfile"]).success().stdout.trim().to_owned();
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]).success().stdout.trim().to_owned();
    for (mode, name, object) in [
        ("100644", ".git", &blob),
        ("40000", ".git", &tree),
        ("40000", "..", &tree),
        ("40000", ".", &tree),
        ("100644", "a/b", &blob),
        ("40000", ".GIT", &tree),
        ("120000", ".gitmodules", &blob),
    ] {
        let content = [format!("{mode} {name}\0").into_bytes(), bytes(object)].concat();
        let mut command = repo.command();
        command.args(["hash-object", "-t", "tree", "-w", "--literally", "--stdin"]);
        let tree = run_with_input(&mut command, &content).success().stdout;
        let commit = repo.git(&["commit-tree", "-m", "Harm", tree.trim()]).success().stdout;
        let push = repo.push_with(&server, &alice, &app, &[&format!("{}:refs/heads/main", commit.trim())]);
        assert!(push.code != 0 && push.stderr.contains("fsck error"), "{mode} {name}:\n{push}");
        assert!(!push.stderr.contains("-----> "), "a build began for {mode} {name}:\n{push}");
    }
    assert_eq!(repo.ls_remote(&server, &alice, &app), "");
}

fn bytes(hash: &str) -> Vec<u8> {
    (0..hash.len()).step_by(2).map(|index| u8::from_str_radix(&hash[index..index + 2], 16).unwrap()).collect()
}

#[test]
fn a_push_that_is_too_large_is_refused_and_many_references_are_not() {
    let server = Server::start_with("[deploy]\nmax-push-bytes = 1000000\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.write("noise", noise(3_000_000));
    repo.commit("More than is allowed");
    let push = repo.push(&server, &alice, &app);
    assert!(push.code != 0 && push.stderr.contains("exceeds maximum allowed size"), "{push}");
    assert_eq!(quarantines(&server, &app), [] as [PathBuf; 0]);

    repo.git(&["reset", "-q", "--hard", "HEAD^"]).success();
    let commit = repo.git(&["rev-parse", "HEAD"]).success().stdout;
    let updates: String = (0..1000)
        .map(|number| format!("create refs/{}/number-{number} {commit}", ["heads", "tags"][number % 2]))
        .collect();
    let mut command = repo.command();
    run_with_input(command.args(["update-ref", "--stdin"]), updates.as_bytes()).success();
    let all = ["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"];
    repo.push_with(&server, &alice, &app, &all).success();
    let listing = repo.ls_remote(&server, &alice, &app);
    assert_eq!(listing.matches("/number-").count(), 1000);
    assert_eq!(server.get(&app, "/").text(), "torture\n");
}

/// Bytes that no compression makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_client_that_vanishes_in_its_upload_leaves_nothing() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("blog");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    let commit = torture::commit_version(&repo, "2");
    let old = repo.ls_remote(&server, &alice, &app)[..40].to_owned();
    let pack = pack(&repo);
    for interrupted in [true, false] {
        let mut push = server.start_ssh(&alice, &format!("git-receive-pack '{app}'"));
        push.write(&[request(&commit).as_slice(), &pack[..pack.len() / 2]].concat());
        wait_until("the pack arrives", Duration::from_secs(10), || !quarantines(&server, &app).is_empty());
        if interrupted {
            push.interrupt()
        } else {
            push.kill()
        }
        wait_until("nothing is left of the push", Duration::from_secs(10), || {
            quarantines(&server, &app).is_empty()
        });
        assert_eq!(repo.ls_remote(&server, &alice, &app)[..40], old);
        assert_eq!(server.get(&app, "/instance").text(), before);
    }
    repo.push(&server, &alice, &app).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
}
