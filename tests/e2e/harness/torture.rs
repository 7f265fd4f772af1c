//! The torture app as a repository; see `tests/apps/torture`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::harness::process::run;
use crate::harness::repo::Repo;

/// A repository with the torture app in one commit, ready to be pushed.
pub fn repo() -> Repo {
    let repo = Repo::new();
    for file in ["Dockerfile", "Procfile"] {
        repo.write(file, fs::read(sources().join(file)).unwrap());
    }
    repo.write_executable("torture", fs::read(binary()).unwrap());
    repo.commit("The torture app");
    repo
}

/// Commits a change that makes `/instance` tell this version.
pub fn commit_version(repo: &Repo, version: &str) -> String {
    let dockerfile = fs::read_to_string(repo.path().join("Dockerfile")).unwrap();
    let lines = dockerfile.lines().map(|line| match line.strip_prefix("ENV TORTURE_VERSION=") {
        Some(_) => format!("ENV TORTURE_VERSION={version}\n"),
        None => format!("{line}\n"),
    });
    repo.write("Dockerfile", lines.collect::<String>());
    repo.commit(&format!("Version {version}"))
}

/// The built binary. `tests/run` builds it beforehand; otherwise the first test that needs it does.
fn binary() -> PathBuf {
    // target/debug/slipway → target
    let target = Path::new(env!("CARGO_BIN_EXE_slipway")).ancestors().nth(2).unwrap();
    let binary = target.join("apps/torture");
    if modified(&binary).is_none_or(|built| built < newest_source()) {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--locked", "--profile", "apps", "-p", "torture", "--target-dir"])
            .arg(target);
        run(build.current_dir(env!("CARGO_MANIFEST_DIR"))).success();
    }
    binary
}

fn newest_source() -> SystemTime {
    let files = fs::read_dir(sources().join("src")).unwrap();
    files.filter_map(|file| modified(&file.unwrap().path())).max().unwrap()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/torture")
}
