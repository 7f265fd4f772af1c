//! What pushes leave in a repository when the machine or git itself is killed: packs that nobody will ever take out
//! of quarantine, and locks that would keep everybody from pushing again.
//!
//! Only for the start of the server, when no push is under way.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use crate::git::error::GitError;

/// What the names of git's quarantine directories begin with (`tmp_objdir_create`, and before git 2.35).
const QUARANTINE: [&str; 2] = ["tmp_objdir-incoming-", "incoming-"];

/// Removes such leftovers from each repository of a directory.
pub(super) fn remove_all(directory: &Path) -> Result<(), GitError> {
    for repository in entries(directory)? {
        if repository.file_name().as_encoded_bytes().ends_with(b".git") {
            remove_from(&repository.path())?;
        }
    }
    Ok(())
}

fn remove_from(repository: &Path) -> Result<(), GitError> {
    for entry in entries(&repository.join("objects"))? {
        let name = entry.file_name();
        if QUARANTINE.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes())) {
            tracing::info!(path = %entry.path().display(), "removing what an interrupted push sent");
            gone(fs::remove_dir_all(entry.path()), &entry.path())?;
        }
    }
    for entry in entries(repository)? {
        remove_lock(&entry)?;
    }
    remove_locks_below(&repository.join("refs"))
}

fn remove_locks_below(directory: &Path) -> Result<(), GitError> {
    for entry in entries(directory)? {
        let kind = entry.file_type().map_err(GitError::files("read", entry.path()))?;
        if kind.is_dir() {
            remove_locks_below(&entry.path())?;
        } else {
            remove_lock(&entry)?;
        }
    }
    Ok(())
}

fn remove_lock(entry: &DirEntry) -> Result<(), GitError> {
    if !entry.file_name().as_encoded_bytes().ends_with(b".lock") {
        return Ok(());
    }
    tracing::info!(path = %entry.path().display(), "removing the lock of an interrupted push");
    gone(fs::remove_file(entry.path()), &entry.path())
}

/// A git that outlived its server may be cleaning up itself.
fn gone(result: io::Result<()>, path: &Path) -> Result<(), GitError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(GitError::files("remove", path)(error)),
        _ => Ok(()),
    }
}

/// What a directory holds; nothing if there is none.
fn entries(directory: &Path) -> Result<Vec<DirEntry>, GitError> {
    let listed = fs::read_dir(directory).and_then(Iterator::collect);
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(GitError::files("read", directory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarantines_and_locks_go_and_everything_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let repository = directory.path().join("blog.git");
        let file = |path: &str| {
            let path = repository.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let left = ["objects/tmp_objdir-incoming-Xy/pack/p", "HEAD.lock", "refs/heads/a/main.lock"].map(file);
        let kept = ["objects/pack/p.pack", "objects/ab/cd", "HEAD", "refs/heads/a/main"].map(file);
        remove_all(directory.path()).unwrap();
        assert!(left.iter().all(|path| !path.exists()), "{left:?}");
        assert!(kept.iter().all(|path| path.exists()), "{kept:?}");
    }
}
