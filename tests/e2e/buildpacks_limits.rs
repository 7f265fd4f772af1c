//! What builds get that want too much, that never end, and whose buildpacks say nonsense: the reason, and nothing is left.

use std::fs;
use std::time::Duration;

use crate::harness::buildpack;
use crate::harness::engine;
use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::count_processes_with;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::wait::wait_until;

const SOON: Duration = Duration::from_secs(60);

/// A server with these settings, and an app that a buildpack of its own has built.
fn deployed(settings: &str) -> (Server, Person, String, Repo) {
    let server = Server::start_with(settings);
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("bounds");
    let repo = buildpack::repo("echo fine");
    repo.push(&server, &alice, &app).success();
    (server, alice, app, repo)
}

/// Waits until the engine has the app's one instance only, and one image of each release.
fn wait_until_settled(server: &Server, app: &str) {
    wait_until("only the instance that serves is left", SOON, || {
        engine::container_names("slipway.owner", &server.owner()) == [format!("{app}.web.1")]
    });
}

/// Removes the caches of all apps: what one build left there is not the next one's to answer for.
fn empty_caches(server: &Server) {
    let volumes =
        engine::get(&format!("/volumes?{}", engine::label_filter("slipway.owner", &server.owner())));
    for volume in volumes["Volumes"].as_array().into_iter().flatten() {
        let removed = engine::request("DELETE", &format!("/volumes/{}", volume["Name"].as_str().unwrap()));
        assert_eq!(removed.status, 204, "{}", removed.text());
    }
}

#[test]
fn a_build_that_takes_too_much_is_ended_with_the_reason_and_the_old_release_serves() {
    let settings =
        "[deploy]\nbuild-memory-bytes = 200000000\nbuild-pids = 60\nbuild-disk-bytes = 300000000\n";
    let (server, alice, app, repo) = deployed(settings);
    let before = server.get(&app, "/instance").text();
    let images = engine::image_names("slipway.owner", &server.owner());
    for (compile, says, fix) in [
        (
            "x=$(head -c 400m /dev/zero | tr '\\0' x)",
            "ran out of memory (limit 200 MB)",
            "build-memory-bytes",
        ),
        (
            "for i in {1..200}; do sleep 60 & done; wait",
            "as many processes as it may have (60)",
            "build-pids",
        ),
        (
            "for i in {1..5}; do head -c 100m /dev/zero >/app/f$i; done; sleep 100",
            "take more than 300 MB",
            "build-disk-bytes",
        ),
        (
            "for i in {1..5}; do head -c 100m /dev/zero >/cache/f$i; done; sleep 100",
            "take more than 300 MB",
            "repo:purge-cache",
        ),
        ("head -c 400m /dev/zero >/app/one", "failed with exit code", "File size limit exceeded"),
        ("exit 42", "failed with exit code 1", "mend it and push again"),
    ] {
        buildpack::change(&repo, &[("compile", compile)]);
        let pushed = repo.push(&server, &alice, &app);
        let said = pushed.stderr.clone();
        assert!(pushed.code != 0 && said.contains(says) && said.contains(fix), "{compile}: {pushed}");
        wait_until_settled(&server, &app);
        assert_eq!(server.get(&app, "/instance").text(), before, "after {compile}");
        empty_caches(&server);
    }
    assert_eq!(engine::image_names("slipway.owner", &server.owner()), images);
    buildpack::change(&repo, &[("compile", "echo fine again")]);
    repo.push(&server, &alice, &app).success();
}

#[test]
fn what_a_buildpack_says_is_bounded_and_nonsense_is_refused() {
    let (server, alice, app, repo) = deployed("");
    let before = server.get(&app, "/instance").text();
    for (programs, says) in [
        (vec![("release", "echo '  - ['")], "bin/release gave what cannot be used"),
        (vec![("release", "head -c 100m /dev/zero")], "bin/release said more than 1024 kB"),
        (vec![("release", "echo hello; exit 3")], "bin/release failed with status 3"),
        (vec![("release", ""), ("detect", "yes")], "bin/detect said more than 1024 kB"),
        (vec![("detect", "echo it is not mine; exit 1")], "it is not mine"),
        (
            vec![
                ("detect", "echo Local"),
                ("compile", "mkdir -p /app/.profile.d; echo exit 3 >/app/.profile.d/x.sh"),
            ],
            ".profile.d/x.sh ended the start",
        ),
    ] {
        buildpack::change(&repo, &programs);
        let pushed = repo.push(&server, &alice, &app);
        assert!(pushed.code != 0 && pushed.stderr.contains(says), "{programs:?}: {pushed}");
        wait_until_settled(&server, &app);
        assert_eq!(server.get(&app, "/instance").text(), before, "after {programs:?}");
    }
    // What would be read of the host's if it were followed.
    fs::remove_file(repo.path().join("bp/bin/release")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", repo.path().join("bp/bin/release")).unwrap();
    let compile = "ln -s /etc/shadow /app/shadow; echo fine";
    buildpack::change(&repo, &[("compile", compile)]);
    let pushed = repo.push(&server, &alice, &app);
    assert!(pushed.code != 0 && pushed.stderr.contains("bin/release cannot be run"), "{pushed}");

    // A Procfile may be a buildpack's work, and what it leaves running ends with it.
    fs::remove_file(repo.path().join("bp/bin/release")).unwrap();
    fs::remove_file(repo.path().join("Procfile")).unwrap();
    let marker = names::unique("left-behind");
    let compile = format!(
        "echo 'web: ./torture web' >/app/Procfile; ln -sf /etc/shadow /slipway/out/release.0; (exec -a {marker} sleep 600) & disown"
    );
    buildpack::change(&repo, &[("compile", &compile)]);
    repo.push(&server, &alice, &app).success();
    assert_eq!(count_processes_with(&marker), 0);
    wait_until_settled(&server, &app);
    assert_ne!(server.get(&app, "/instance").text(), before);
}

#[test]
fn a_gigabyte_of_output_is_cut_short_and_the_server_stays_small() {
    let (server, alice, app, repo) = deployed("");
    let compile = "yes 'a line of a build that talks too much' | head -c 1000000000; head -c 20m /dev/zero";
    buildpack::change(&repo, &[("compile", compile)]);
    let pushed = repo.push(&server, &alice, &app).success();
    assert!(pushed.stderr.contains("more than 16 MB of output: the rest is left out"), "it is not told");
    assert!(pushed.stderr.len() < 40 << 20, "{} bytes came", pushed.stderr.len());
    let status = fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 400_000, "the server had {kilobytes} kB at its peak");
}

#[test]
fn a_build_that_never_ends_is_ended_by_time_by_a_command_and_with_its_client() {
    let (server, alice, app, repo) = deployed("[deploy]\nbuild-seconds = 15\n");
    let before = server.get(&app, "/instance").text();
    for (programs, how) in
        [("compile", "time"), ("detect", "time"), ("compile", "command"), ("compile", "client")]
    {
        let marker = names::unique("endless");
        let endless = format!("trap '' TERM; echo begun; (exec -a {marker} sleep 600); sleep 600");
        buildpack::change(&repo, &[("detect", "echo Local"), ("compile", "true")]);
        buildpack::change(&repo, &[(programs, &endless)]);
        let mut push = repo.start_push(&server, &alice, &app);
        wait_until("the build runs", SOON, || count_processes_with(&marker) > 0);
        match how {
            "time" => {
                let (code, said) = push.finish_with_lines();
                assert!(
                    code != 0 && said.contains("longer than 15 s") && said.contains("build-seconds"),
                    "{said}"
                );
            }
            "command" => {
                server.ssh(&alice, &format!("builds:cancel {app}")).success();
                let (code, said) = push.finish_with_lines();
                assert!(code != 0 && said.contains("cancelled"), "{said}");
            }
            _ => {
                push.wait_for_line("begun");
                push.kill();
            }
        }
        wait_until("its processes are gone", SOON, || count_processes_with(&marker) == 0);
        wait_until_settled(&server, &app);
    }
    assert_eq!(server.get(&app, "/instance").text(), before);
}

#[test]
fn a_build_of_a_server_that_was_killed_is_removed_by_the_next_one() {
    let (mut server, alice, app, repo) = deployed("");
    let before = server.get(&app, "/instance").text();
    let images = engine::image_names("slipway.owner", &server.owner());
    let marker = names::unique("orphan");
    buildpack::change(
        &repo,
        &[("compile", &format!("trap '' TERM; (exec -a {marker} sleep 600); sleep 600"))],
    );
    let push = repo.start_push(&server, &alice, &app);
    wait_until("the build runs", SOON, || count_processes_with(&marker) > 0);
    server.kill();
    push.kill();
    assert!(count_processes_with(&marker) > 0, "the build ended with the server, and nothing is shown");
    server.start_again();
    wait_until("its processes are gone", SOON, || count_processes_with(&marker) == 0);
    wait_until_settled(&server, &app);
    assert_eq!(engine::image_names("slipway.owner", &server.owner()), images);
    assert_eq!(server.get(&app, "/instance").text(), before);
}
