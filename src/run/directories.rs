//! Directories of the host that containers may mount: below one root, and reached through no link.
//!
//! A link in the way could have been made by a container that has a directory above it, and would lead to any file of
//! the host. So each part of a path is opened by itself, from the root on, and none that is a link is followed.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchown};

/// A directory that cannot be mounted.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It is not below the root.
    #[error("{} is not below {}, where directories of the host can be mounted from", path.display(), root.display())]
    Outside {
        /// The directory.
        path: PathBuf,
        /// The root.
        root: PathBuf,
    },
    /// A part of its path is a link.
    #[error("{} is a symbolic link, and leads who knows where", .0.display())]
    Link(PathBuf),
    /// A part of its path is not there.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A part of its path is no directory.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The system refused.
    #[error("{} cannot be used", path.display())]
    System {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes sure that a directory exists below the root, is reached through no link, and can be mounted.
pub fn check(root: &Path, path: &Path) -> Result<(), DirectoryError> {
    walk(root, path).map(drop)
}

/// Makes a directory right below the root, if it is not there, and gives it an owner, if one is named.
pub fn ensure(root: &Path, name: &str, owner: Option<(Uid, Gid)>) -> Result<PathBuf, DirectoryError> {
    fs::create_dir_all(root).map_err(|source| DirectoryError::System { path: root.to_owned(), source })?;
    let path = root.join(name);
    let parent = open_root(root)?;
    match mkdirat(&parent, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(system(&path, error)),
    }
    give(root, &path, owner)?;
    Ok(path)
}

/// Gives a directory below a root an owner. What is in it keeps its own.
pub fn give(root: &Path, path: &Path, owner: Option<(Uid, Gid)>) -> Result<(), DirectoryError> {
    let directory = walk(root, path)?;
    match owner {
        Some((user, group)) => {
            fchown(&directory, Some(user), Some(group)).map_err(|error| system(path, error))
        }
        None => Ok(()),
    }
}

/// Removes a directory below the root with all that is in it. Links in it are removed, never followed.
pub fn remove(root: &Path, path: &Path) -> Result<(), DirectoryError> {
    match check(root, path) {
        Err(DirectoryError::Missing(_)) => return Ok(()),
        checked => checked?,
    }
    fs::remove_dir_all(path).map_err(|source| DirectoryError::System { path: path.to_owned(), source })
}

/// Opens each part of the path from the root on, and gives the last one.
fn walk(root: &Path, path: &Path) -> Result<OwnedFd, DirectoryError> {
    let outside = || DirectoryError::Outside { path: path.to_owned(), root: root.to_owned() };
    let below = path.strip_prefix(root).map_err(|_| outside())?;
    if below.as_os_str().is_empty() || !below.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(outside());
    }
    let mut here = root.to_owned();
    let mut directory = open_root(root)?;
    for part in below.components() {
        here.push(part);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        directory = match openat(&directory, part.as_os_str(), flags, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                let facts = fstatat(&directory, part.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
                let is_link = facts.is_ok_and(|facts| {
                    SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK
                });
                return Err(if is_link {
                    DirectoryError::Link(here)
                } else {
                    DirectoryError::NotADirectory(here)
                });
            }
            Err(error) => return Err(system(&here, error)),
        };
    }
    Ok(directory)
}

/// The root itself is the host's own choice, links and all.
fn open_root(root: &Path) -> Result<OwnedFd, DirectoryError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(root, flags, Mode::empty()).map_err(|error| system(root, error))
}

fn system(path: &Path, error: Errno) -> DirectoryError {
    match error {
        Errno::ENOENT => DirectoryError::Missing(path.to_owned()),
        error => DirectoryError::System { path: path.to_owned(), source: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("storage");
        fs::create_dir_all(root.join("blog/deep")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        (directory, root)
    }

    #[test]
    fn a_directory_below_the_root_can_be_mounted() {
        let (_directory, root) = root();
        check(&root, &root.join("blog")).unwrap();
        check(&root, &root.join("blog/deep")).unwrap();
    }

    #[test]
    fn nothing_else_can() {
        let (directory, root) = root();
        let check = |path: &Path| check(&root, path).unwrap_err();
        for outside in
            [Path::new("/etc"), &root, directory.path(), &root.join("blog/../.."), &root.join("../x")]
        {
            assert!(matches!(check(outside), DirectoryError::Outside { .. }), "{}", outside.display());
        }
        assert!(matches!(check(&directory.path().join("storage2")), DirectoryError::Outside { .. }));
        assert!(matches!(check(&root.join("none")), DirectoryError::Missing(_)));
        assert!(matches!(check(&root.join("file")), DirectoryError::NotADirectory(_)));
        assert!(matches!(check(&root.join("file/x")), DirectoryError::NotADirectory(_)));
    }

    #[test]
    fn no_link_is_followed_wherever_it_stands_and_leads() {
        let (directory, root) = root();
        symlink("/etc", root.join("last")).unwrap();
        symlink(directory.path(), root.join("blog/middle")).unwrap();
        symlink(root.join("blog"), root.join("inside")).unwrap();
        fs::create_dir(directory.path().join("x")).unwrap();
        for path in ["last", "last/ssl", "blog/middle/x", "inside", "inside/deep"] {
            let error = check(&root, &root.join(path)).unwrap_err();
            assert!(matches!(error, DirectoryError::Link(_)), "{path}: {error}");
        }
        assert!(matches!(ensure(&root, "last", None), Err(DirectoryError::Link(_))));
        assert!(matches!(remove(&root, &root.join("blog/middle/x")), Err(DirectoryError::Link(_))));
        assert!(directory.path().join("x").exists());
    }

    #[test]
    fn a_directory_is_made_once_given_away_and_removed() {
        let (_directory, root) = root();
        let me = fs::metadata(&root).unwrap();
        let owner = Some((Uid::from_raw(me.uid()), Gid::from_raw(me.gid())));
        let path = ensure(&root, "new", owner).unwrap();
        assert_eq!(ensure(&root, "new", None).unwrap(), path);
        assert!(path.is_dir());
        symlink(root.join("blog"), path.join("link")).unwrap();
        remove(&root, &path).unwrap();
        assert!(!path.exists() && root.join("blog/deep").exists());
        remove(&root, &path).unwrap();
    }
}
