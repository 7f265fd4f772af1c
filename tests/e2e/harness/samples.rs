//! The apps in `tests/apps` that have no Dockerfile, as repositories.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::repo::Repo;

/// A repository with a sample in one commit.
pub fn repo(name: &str) -> Repo {
    let repo = Repo::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(name);
    copy(&root, &root, &repo);
    repo.commit(&format!("The sample {name}"));
    repo
}

fn copy(root: &Path, directory: &Path, repo: &Repo) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            copy(root, &path, repo);
            continue;
        }
        let (name, content) = (path.strip_prefix(root).unwrap().to_str().unwrap(), fs::read(&path).unwrap());
        if content.starts_with(b"#!") {
            repo.write_executable(name, content);
        } else {
            repo.write(name, content);
        }
    }
}
