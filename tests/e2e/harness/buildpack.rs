//! The torture app, built by a buildpack that comes with it: what a test wants to see happen in a build is a script.

use std::fs;

use crate::harness::repo::Repo;
use crate::harness::torture;

/// A repository whose one buildpack compiles with this script.
pub fn repo(compile: &str) -> Repo {
    let repo = torture::repo();
    fs::remove_file(repo.path().join("Dockerfile")).unwrap();
    repo.write("Procfile", "web: ./torture web\n");
    repo.write(".buildpacks", "./bp\n");
    program(&repo, "detect", "echo Local");
    program(&repo, "compile", compile);
    repo.commit("A buildpack of its own");
    repo
}

/// Writes one of the buildpack's programs, for bash.
pub fn program(repo: &Repo, name: &str, script: &str) {
    repo.write_executable(&format!("bp/bin/{name}"), format!("#!/bin/bash\n{script}\n"));
}

/// Commits the buildpack with other programs than it had.
pub fn change(repo: &Repo, programs: &[(&str, &str)]) {
    for (name, script) in programs {
        program(repo, name, script);
    }
    repo.commit("Another buildpack");
}
