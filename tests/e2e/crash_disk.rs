//! A full disk: what serves goes on, what cannot be done says so, nothing is left half done, and space heals it all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

use crate::harness::engine;
use crate::harness::http;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::{count_processes_with, run};
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// The size of the disk that the server's root is on.
const MEGABYTES: u32 = 48;

/// A small disk over a directory. Only this test sees it, and it is gone with it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Has to be the first thing in a test: it moves the test's thread to mounts of its own.
    fn separate_mounts() {
        unshare(CloneFlags::CLONE_NEWNS).expect("a test that mounts a disk runs as root");
        run(Command::new("mount").args(["--make-rprivate", "/"])).success();
    }

    /// Mounts it, and copies what the directory holds on to it.
    fn over(directory: &Path) -> Self {
        let beside = directory.with_extension("copy");
        run(Command::new("cp").arg("-a").args([directory, &beside])).success();
        let options = format!("size={MEGABYTES}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(directory)).success();
        run(Command::new("cp").arg("-a").arg(beside.join(".")).arg(directory)).success();
        Self(directory.to_owned())
    }

    /// Leaves not one byte.
    fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.ballast()).unwrap();
        for size in [1 << 20, 4096, 1] {
            let piece = vec![7; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

fn server_on(settings: &str) -> (Server, SmallDisk, Person) {
    SmallDisk::separate_mounts();
    let mut server = Server::start_with(settings);
    let alice = Person::new("alice");
    server.add_key(&alice);
    server.stop();
    let disk = SmallDisk::over(&server.root());
    server.start_again();
    (server, disk, alice)
}

#[test]
fn a_full_disk_refuses_pushes_and_changes_and_stops_nothing() {
    let (mut server, disk, alice) = server_on("[deploy]\nmin-free-bytes = 1048576\n");
    let app = names::unique("full");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();
    let still_serves = |server: &Server| assert_eq!(server.get(&app, "/instance").text(), before);

    disk.fill();
    torture::commit_version(&repo, "2");
    let refused = repo.push(&server, &alice, &app);
    assert_ne!(refused.code, 0, "{refused}");
    assert!(refused.stderr.contains("No space left") || refused.stderr.contains("MiB are free"), "{refused}");
    still_serves(&server);

    let unset = server.ssh(&alice, &format!("config:set --no-restart {app} A={}", "x".repeat(60_000)));
    assert_ne!(unset.code, 0, "{unset}");
    assert!(unset.stderr.contains("disk is full") && unset.stderr.contains("free space"), "{unset}");
    assert!(server.ssh(&alice, "apps:list").success().stdout.contains(&app));
    still_serves(&server);

    // A restart needs no space either: who frees some should not have to bring the apps back first.
    server.kill();
    server.start_again();
    still_serves(&server);

    disk.free();
    assert!(!server.ssh(&alice, &format!("config:keys {app}")).stdout.contains('A'));
    repo.push(&server, &alice, &app).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    wait_until_whole(&server);
    let incoming = fs::read_dir(server.root().join(format!("repos/{app}.git/objects"))).unwrap().flatten();
    let incoming: Vec<_> = incoming.map(|entry| entry.file_name()).collect();
    assert!(incoming.iter().all(|name| !name.to_string_lossy().contains("incoming")), "{incoming:?}");
}

#[test]
fn a_pack_that_does_not_fit_leaves_nothing_and_a_disk_that_is_nearly_full_is_said_to_be() {
    let (server, _disk, alice) = server_on("");
    let app = names::unique("full");
    let repo = torture::repo();
    // The engine's disk has room, the server's has less than the 512 MiB that a deploy asks for.
    let refused = repo.push(&server, &alice, &app);
    assert_ne!(refused.code, 0, "{refused}");
    let said = refused.remote_lines().join("\n");
    assert!(said.contains("MiB are free") && said.contains("min-free-bytes"), "{refused}");

    let mut noise = vec![0; 60_000_000];
    File::open("/dev/urandom")
        .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut noise))
        .unwrap();
    repo.write("noise", noise);
    repo.commit("Noise");
    let refused = repo.push(&server, &alice, &app);
    assert_ne!(refused.code, 0, "{refused}");
    assert!(refused.stderr.contains("No space left on device"), "{refused}");
    let repository = server.root().join(format!("repos/{app}.git"));
    wait_until("nothing of the pack is left", Duration::from_secs(10), || {
        let size = run(Command::new("du").arg("-sk").arg(&repository)).success().stdout;
        size.split('\t').next().and_then(|size| size.parse().ok()).is_some_and(|size: u64| size < 2000)
    });
}

#[test]
fn a_disk_that_fills_up_ends_the_build_and_what_is_gone_comes_back_once_there_is_room() {
    let (server, disk, alice) = server_on("[deploy]\nmin-free-bytes = 4194304\n");
    let app = names::unique("full");
    let repo = torture::repo();
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();

    let marker = names::never_used("marker");
    let dockerfile = fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", format!("{dockerfile}RUN echo begun {marker}; sleep 300; : {marker}\n"));
    repo.commit("A step that takes long");
    let mut push = repo.start_push(&server, &alice, &app);
    push.wait_for_line(&format!("   begun {marker}"));
    disk.fill();
    let (code, said) = push.finish_with_lines();
    assert!(code != 0 && said.contains("MiB are free"), "{said}");
    assert!(said.contains("disk:report") && said.contains("cleanup"), "{said}");
    wait_until("the step is gone", Duration::from_secs(10), || count_processes_with(&marker) == 0);
    assert_eq!(server.get(&app, "/instance").text(), before);

    // With the disk full no attempt can even be recorded.
    engine::request("DELETE", &format!("/containers/{app}.web.1?force=1"));
    wait_until("the app is gone", Duration::from_secs(10), || server.get(&app, "/").status != 200);
    disk.free();
    let began = Instant::now();
    let answers =
        || http::get(server.http_address(), &server.host(&app), "/").is_ok_and(|it| it.status == 200);
    wait_until("the app is back", Duration::from_secs(10), answers);
    eprintln!("back after a full disk was freed: {:?}", began.elapsed());
    let builds = server.ssh(&alice, &format!("builds:list {app} --format json")).success().json();
    let kinds: Vec<_> =
        builds.as_array().unwrap().iter().map(|build| build["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["deploy", "build", "build"], "the attempts in between are no history: {builds}");
    wait_until_whole(&server);
}
