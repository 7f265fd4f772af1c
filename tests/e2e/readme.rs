//! The README's own lines, run as they stand there, with another host and port.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::process::run;
use crate::harness::server::Server;

/// The README's shell block that has a certain line in it.
fn block(line: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut blocks = readme.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    blocks.find(|block| block.contains(line)).expect("the README has such a block").to_owned()
}

/// What a person types, with this server in place of the README's, and an app that no other test has.
fn typed(text: &str, server: &Server, app: &str) -> String {
    let address = server.ssh_address();
    text.replace("slipway@HOST:2222", &format!("slipway@{address}"))
        .replace("-p 2222 slipway@HOST", &format!("-p {} slipway@{}", address.port(), address.ip()))
        .replace("blog", app)
}

fn shell(script: &str, person: &Person, directory: &Path) -> String {
    let mut command = Command::new("bash");
    command
        .args(["-e", "-c", script])
        .current_dir(directory)
        .env("GIT_SSH_COMMAND", person.git_ssh_command())
        .env("GIT_AUTHOR_NAME", "ann")
        .env("GIT_AUTHOR_EMAIL", "ann@example.com")
        .env("GIT_COMMITTER_NAME", "ann")
        .env("GIT_COMMITTER_EMAIL", "ann@example.com");
    let output = run(&mut command).success();
    format!("{}{}", output.stdout, output.stderr)
}

#[test]
fn the_first_five_minutes_go_as_the_readme_says() {
    let (server, ann) = Server::with_person("ann");
    let app = names::unique("blog");
    let directory = tempfile::tempdir().unwrap();

    let push = shell(&typed(&block("mkdir blog"), &server, &app), &ann, directory.path());
    assert!(push.contains(&server.url(&app)), "the URL is not in the push's output:\n{push}");
    assert_eq!(server.get(&app, "/").text(), "Hello from web.1\n");

    // A shell for a person and a log that is followed have no end of their own.
    let without_end = ["logs blog -t", "run blog sh"];
    let lines = block("config:set blog");
    for line in lines.lines().filter(|line| !without_end.iter().any(|end| line.contains(end))) {
        let ssh = format!("{} ", ann.git_ssh_command());
        let line = typed(line, &server, &app).replacen("ssh ", &ssh, 1);
        shell(&line, &ann, directory.path());
    }
    assert!(server.get(&app, "/").text().starts_with("Hello from web."));
}
