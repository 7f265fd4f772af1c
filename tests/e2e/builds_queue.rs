//! Builds of different apps take turns on the host, and none takes more of it than it may.

use std::time::Duration;

use serde_json::Value;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::count_processes_with;
use crate::harness::repo::Repo;
use crate::harness::server::Server;
use crate::harness::torture;
use crate::harness::wait::wait_until;
use crate::harness::wholeness::wait_until_whole;

/// Appends lines to the Dockerfile of a repository, and commits.
fn commit_steps(repo: &Repo, steps: &str) {
    let dockerfile = std::fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    repo.write("Dockerfile", format!("{dockerfile}{steps}\n"));
    repo.commit("More steps");
}

fn status(server: &Server, person: &Person, app: &str) -> Value {
    let listed = server.ssh(person, &format!("builds:list {app} --format json")).success().json();
    listed[0]["status"].clone()
}

#[test]
fn builds_wait_for_their_turn_are_told_who_is_ahead_and_can_be_cancelled() {
    let (server, alice) = Server::with_person("alice");
    let [slow, next, last] = ["slow", "next", "last"].map(names::unique);
    let marker = names::never_used("marker");
    let repo = torture::repo();
    let slow_repo = torture::repo();
    commit_steps(&slow_repo, &format!("RUN echo begun {marker}; sleep 300; : {marker}"));

    let mut first = slow_repo.start_push(&server, &alice, &slow);
    first.wait_for_line(&format!("begun {marker}"));
    let mut second = repo.start_push(&server, &alice, &next);
    let told = second.wait_for_line("Waiting for its turn");
    assert!(told.contains("1 build is ahead (") && told.contains(&format!("of {slow})")), "{told}");
    let mut third = repo.start_push(&server, &alice, &last);
    let told = third.wait_for_line("Waiting for its turn");
    assert!(told.contains("2 builds are ahead (") && told.contains(&format!("of {next})")), "{told}");
    assert_eq!(status(&server, &alice, &slow), "running");
    assert_eq!([status(&server, &alice, &next), status(&server, &alice, &last)], ["queued", "queued"]);

    // What waits holds up nothing else of its app, and gives its place up when it is cancelled.
    server.ssh(&alice, &format!("builds:cancel {next}")).success();
    let (code, said) = second.finish_with_lines();
    assert!(code != 0 && said.contains("was cancelled"), "{said}");
    assert_eq!(status(&server, &alice, &next), "canceled");
    third.wait_for_line("1 build is ahead (");

    server.ssh(&alice, &format!("builds:cancel {slow}")).success();
    third.success();
    assert_eq!(status(&server, &alice, &last), "succeeded");
    assert_eq!(server.get(&last, "/").status, 200);
    assert_ne!(first.finish(), 0);
    wait_until("the cancelled step is gone", Duration::from_secs(10), || count_processes_with(&marker) == 0);
    wait_until_whole(&server);
}

#[test]
fn a_build_that_eats_memory_is_ended_and_named_and_nothing_else_is_harmed() {
    let server = Server::start_with("[deploy]\nbuild-memory-bytes = 96000000\n");
    let alice = Person::new("alice");
    server.add_key(&alice);
    let app = names::unique("hungry");
    let word = names::never_used("once");
    let repo = torture::repo();
    commit_steps(&repo, &format!("RUN echo {word}"));
    repo.push(&server, &alice, &app).success();
    let before = server.get(&app, "/instance").text();

    // The word that marks a build's processes is none of the cache's business.
    let again = server.ssh(&alice, &format!("ps:rebuild {app}")).success();
    assert!(again.stdout.contains(&format!("RUN echo {word} (cached)")), "{again}");

    // Bounded, should the limit not be: it keeps at most 600 MB.
    commit_steps(&repo, &format!("RUN sleep 1; head -c 600m /dev/zero | tail -c 600m > /dev/null # {word}"));
    let refused = repo.push(&server, &alice, &app);
    assert_ne!(refused.code, 0, "the build had more memory than it may:\n{refused}");
    let said = refused.remote_lines().join("\n");
    assert!(said.contains("the build ran out of memory (limit 96 MB)"), "{said}");
    assert!(said.contains("build-memory-bytes in slipway.toml"), "{said}");

    assert_eq!(server.get(&app, "/instance").status, 200);
    assert_ne!(before, "");
    repo.git(&["reset", "-q", "--hard", "HEAD^"]).success();
    torture::commit_version(&repo, "2");
    repo.push(&server, &alice, &app).success();
    assert!(server.get(&app, "/instance").text().contains("\nversion 2\n"));
    wait_until_whole(&server);
}
