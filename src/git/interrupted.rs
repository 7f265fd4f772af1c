//! What is left in the repositories when the machine, the server or git is killed: packs that nobody will ever take
//! out of quarantine, locks that would keep everybody from pushing again, a renaming half done.
//!
//! Only for the start of the server, when no push is under way.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

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

/// Gives the one repository that is not expected to the one that is and is not there. Anything else is left as it is:
/// nothing is lost by waiting for a person.
pub(super) fn reunite(directory: &Path, expected: &[PathBuf]) -> Result<(), GitError> {
    let missing: Vec<&PathBuf> = expected.iter().filter(|path| !path.exists()).collect();
    let is_unknown =
        |path: &PathBuf| path.extension().is_some_and(|kind| kind == "git") && !expected.contains(path);
    let paths = entries(directory)?.into_iter().map(|entry| entry.path());
    let unknown: Vec<PathBuf> = paths.filter(is_unknown).collect();
    if let ([missing], [unknown]) = (missing.as_slice(), unknown.as_slice()) {
        tracing::info!(from = %unknown.display(), to = %missing.display(), "completing an interrupted renaming");
        fs::rename(unknown, missing).map_err(GitError::files("rename", unknown))?;
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
    #[test]
    fn an_interrupted_renaming_is_completed_and_nothing_else_is_guessed() {
        let directory = tempfile::tempdir().unwrap();
        let [old, new, other] = ["old.git", "new.git", "other.git"].map(|name| directory.path().join(name));
        fs::create_dir(&new).unwrap();
        reunite(directory.path(), &[old.clone(), other.clone()]).unwrap();
        assert!(new.exists(), "two apps lack one, so whose it is cannot be told");
        reunite(directory.path(), &[]).unwrap();
        assert!(new.exists(), "no app lacks one");
        reunite(directory.path(), std::slice::from_ref(&old)).unwrap();
        assert!(old.exists() && !new.exists());
    }
}
