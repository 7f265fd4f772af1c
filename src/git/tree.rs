//! The files of one commit, read where they lie: in the bare repository, in a push's quarantine, in submodules.
//!
//! Nothing is checked out. `git fsck` refused dangerous names when the objects were received, but a repository may
//! have older objects, so names are checked again on the way out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, Tree};

use crate::git::commit::{CommitId, ObjectId};
use crate::git::error::{GitError, blocking};
use crate::git::references::peel;
use crate::git::repositories::{Repositories, open_bare};
use crate::model::app_name::AppName;

/// How many symbolic links may lead to one another.
const MAX_LINKS: usize = 8;

/// How many entries the trees of one commit may have: a few small trees can stand for endlessly many.
pub(super) const MAX_ENTRIES: usize = 1_000_000;

/// The files of a commit. Cheap to clone; opens the repository anew for every question, and keeps nothing open.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) root: Source,
    /// The submodules that were fetched, by their path; see [`super::submodules`].
    pub(super) modules: BTreeMap<String, Source>,
    commit: CommitId,
}

/// A commit in some repository.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub repository: PathBuf,
    /// Where a push that is not accepted yet has its objects.
    pub quarantine: Option<PathBuf>,
    pub commit: CommitId,
}

/// What is wrong with a commit's files.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The repository itself is at fault.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A quarantine that is not this repository's.
    #[error("{} is not where a push to this repository has its objects", .0.display())]
    Quarantine(PathBuf),
    /// A path that the commit does not have.
    #[error("there is no {0} in the commit that was pushed")]
    Missing(String),
    /// A path that is not a directory.
    #[error("{0} is not a directory in the commit that was pushed")]
    NotDirectory(String),
    /// A path that could lead out of the tree.
    #[error("{0} is not a path within the repository")]
    Path(String),
    /// A file that is larger than it may be.
    #[error("{path} has {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A tree without end: small objects can stand for endlessly many files.
    #[error("the commit has more than {0} files or directories that are nested too deeply")]
    TooMany(usize),
    /// The one who reads the stream is gone.
    #[error("nobody reads the build context any more")]
    Closed,
    /// The stream could not be written.
    #[error("cannot write the build context")]
    Stream(#[source] std::io::Error),
}

impl Snapshot {
    /// Opens the commit that an object is or that an annotated tag leads to.
    ///
    /// `quarantine` is the hook's `GIT_QUARANTINE_PATH`: until the hook has agreed, a push's objects lie there. It
    /// comes from another process, so it has to be a directory of this very repository.
    pub async fn open(
        repositories: &Repositories,
        app: &AppName,
        object: &ObjectId,
        quarantine: Option<&Path>,
    ) -> Result<Self, TreeError> {
        let (repository, object) = (repositories.path(app), object.clone());
        let quarantine = quarantine.map(Path::to_owned);
        blocking(move || {
            let quarantine = quarantine.map(|path| checked_quarantine(&repository, path)).transpose()?;
            let commit = peel(&open_with(&repository, quarantine.as_deref())?, &object)?;
            let root = Source { repository, quarantine, commit: commit.clone() };
            Ok(Self { root, modules: BTreeMap::new(), commit })
        })
        .await
    }

    /// The commit whose files these are.
    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    /// A file's content, or nothing if there is no such file. Symbolic links within the tree are followed.
    pub async fn read_file(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, TreeError> {
        let (snapshot, path) = (self.clone(), path.to_owned());
        blocking(move || {
            snapshot.visit(&path, |found| match found {
                Some(Found { repository, node: Node::File(id) | Node::Program(id), .. }) => {
                    read_blob(repository, id, &path, limit).map(Some)
                }
                _ => Ok(None),
            })
        })
        .await
    }

    /// Whether there is a file or a directory of that path. Symbolic links within the tree are followed.
    pub async fn exists(&self, path: &str) -> Result<bool, TreeError> {
        let (snapshot, path) = (self.clone(), path.to_owned());
        blocking(move || snapshot.visit(&path, |found| Ok(found.is_some()))).await
    }

    /// The names in a directory, or nothing if there is no such directory; `""` is the root.
    pub async fn list(&self, path: &str) -> Result<Option<Vec<String>>, TreeError> {
        let (snapshot, path) = (self.clone(), path.to_owned());
        blocking(move || {
            snapshot.visit(&path, |found| match found {
                Some(Found { repository, node: Node::Directory(id), .. }) => {
                    let tree = repository.find_tree(id).map_err(GitError::library("read a directory"))?;
                    let name =
                        |entry: git2::TreeEntry| String::from_utf8_lossy(entry.name_bytes()).into_owned();
                    Ok(Some(tree.iter().map(name).collect()))
                }
                _ => Ok(None),
            })
        })
        .await
    }

    /// Finds what a path stands for, through symbolic links, and shows it to a closure.
    pub(super) fn visit<T>(
        &self,
        path: &str,
        show: impl FnOnce(Option<Found<'_>>) -> Result<T, TreeError>,
    ) -> Result<T, TreeError> {
        let mut components = components_of(path)?;
        for _ in 0..MAX_LINKS {
            let (source, below) = self.source_of(&components);
            let repository = source.open()?;
            let Some(node) = find(&repository, &source.commit, below)? else { return show(None) };
            if let Node::Link(id) = node {
                let target = read_blob(&repository, id, path, 4096)?;
                match follow(&components, &target) {
                    Some(followed) => components = followed,
                    None => return show(None),
                }
                continue;
            }
            let path = components.join("/");
            return show(Some(Found { repository: &repository, source, node, path }));
        }
        show(None)
    }

    /// The innermost submodule that a path leads into, or the commit itself, and the path below that.
    fn source_of<'a>(&self, components: &'a [String]) -> (&Source, &'a [String]) {
        for length in (1..=components.len()).rev() {
            if let Some((module, below)) = components.split_at_checked(length)
                && let Some(source) = self.modules.get(&module.join("/"))
            {
                return (source, below);
            }
        }
        (&self.root, components)
    }
}

impl Source {
    pub fn open(&self) -> Result<Repository, GitError> {
        open_with(&self.repository, self.quarantine.as_deref())
    }
}

/// What a path stands for.
pub(super) struct Found<'a> {
    pub repository: &'a Repository,
    pub source: &'a Source,
    pub node: Node,
    /// The path, with symbolic links followed.
    pub path: String,
}

/// One entry of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(Oid),
    Program(Oid),
    Link(Oid),
    Directory(Oid),
    Module(Oid),
}

impl Node {
    pub fn of(entry: &git2::TreeEntry) -> Option<Self> {
        let id = entry.id();
        match entry.kind()? {
            ObjectType::Tree => Some(Self::Directory(id)),
            ObjectType::Commit => Some(Self::Module(id)),
            ObjectType::Blob if entry.filemode_raw() & 0o170_000 == 0o120_000 => Some(Self::Link(id)),
            ObjectType::Blob if entry.filemode_raw() & 0o100 != 0 => Some(Self::Program(id)),
            ObjectType::Blob => Some(Self::File(id)),
            _ => None,
        }
    }
}

/// Whether a name of one entry could do harm in a tar stream or a checkout.
pub(super) fn is_dangerous(name: &[u8]) -> bool {
    matches!(name, b"" | b"." | b"..") || name.eq_ignore_ascii_case(b".git") || name.contains(&b'/')
}

pub(super) fn read_blob(
    repository: &Repository,
    id: Oid,
    path: &str,
    limit: usize,
) -> Result<Vec<u8>, TreeError> {
    let library = || GitError::library("read a file");
    let odb = repository.odb().map_err(library())?;
    // The size stands in the header, so that a file that is too large is never read.
    let (size, _) = odb.read_header(id).map_err(library())?;
    if size > limit {
        return Err(TreeError::TooLarge { path: path.to_owned(), size, limit });
    }
    Ok(odb.read(id).map_err(library())?.data().to_vec())
}

pub(super) fn tree_of<'a>(repository: &'a Repository, commit: &CommitId) -> Result<Tree<'a>, GitError> {
    let library = || GitError::library("read the commit");
    let id = commit.to_oid().map_err(library())?;
    repository.find_commit(id).and_then(|commit| commit.tree()).map_err(library())
}

/// Splits a path of a person's into names; `.` and empty ones do not count, nothing leads upwards.
pub(super) fn components_of(path: &str) -> Result<Vec<String>, TreeError> {
    let names = path.split('/').filter(|name| !name.is_empty() && *name != ".");
    if path.starts_with('/') || names.clone().any(|name| is_dangerous(name.as_bytes())) {
        return Err(TreeError::Path(path.to_owned()));
    }
    Ok(names.map(str::to_owned).collect())
}

fn open_with(repository: &Path, quarantine: Option<&Path>) -> Result<Repository, GitError> {
    let opened = open_bare(repository)?;
    if let Some(quarantine) = quarantine {
        let library = || GitError::library("read what was pushed");
        // libgit2 takes a path as text only; the server's root is the person's choice.
        let path = quarantine.to_str().ok_or_else(|| git2::Error::from_str("the path is not UTF-8"));
        let odb = opened.odb().map_err(library())?;
        path.and_then(|path| odb.add_disk_alternate(path)).map_err(library())?;
    }
    Ok(opened)
}

fn checked_quarantine(repository: &Path, quarantine: PathBuf) -> Result<PathBuf, TreeError> {
    let objects = repository.join("objects");
    let canonical = |path: &Path| path.canonicalize().map_err(GitError::files("find", path));
    let (objects, inside) = (canonical(&objects)?, canonical(&quarantine)?);
    if inside.parent() == Some(objects.as_path()) && inside.is_dir() {
        Ok(inside)
    } else {
        Err(TreeError::Quarantine(quarantine))
    }
}

fn find(repository: &Repository, commit: &CommitId, path: &[String]) -> Result<Option<Node>, TreeError> {
    let mut tree = tree_of(repository, commit)?;
    let mut node = Node::Directory(tree.id());
    for name in path {
        let Node::Directory(id) = node else { return Ok(None) };
        if id != tree.id() {
            tree = repository.find_tree(id).map_err(GitError::library("read a directory"))?;
        }
        let Some(found) = tree.get_name_bytes(name.as_bytes()).as_ref().and_then(Node::of) else {
            return Ok(None);
        };
        node = found;
    }
    Ok(Some(node))
}

/// Where a symbolic link leads, if that is within the tree.
fn follow(link: &[String], target: &[u8]) -> Option<Vec<String>> {
    let target = std::str::from_utf8(target).ok().filter(|target| !target.starts_with('/'))?;
    let (_, directory) = link.split_last()?;
    let mut components = directory.to_vec();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(components.pop()?),
            _ => components.push(name.to_owned()),
        }
    }
    Some(components)
}
