//! Commits without a person's push: `git:from-image` and `git:from-archive`.
//!
//! The objects are made in a repository of their own that borrows the app's, and moved over when the commit is
//! whole: what is refused half-way leaves nothing behind. No branch moves here; the caller calls
//! [`Repositories::update_ref`] once the deploy has succeeded.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use bytes::{Buf, Bytes};
use git2::{Index, IndexEntry, IndexTime, ObjectType, Oid, Repository, Signature, Time};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::git::archive::{ArchiveError, ArchiveKind, ArchiveLimits, Files, damaged, read};
use crate::git::commit::{Author, CommitId};
use crate::git::error::{GitError, blocking};
use crate::git::references::branch_reference;
use crate::git::repositories::{Repositories, init_bare, open_bare, scratch_beside};
use crate::model::app_name::AppName;

/// A commit to be made on top of a branch, which need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRequest {
    /// The branch whose last commit becomes the parent.
    pub branch: String,
    /// The message.
    pub message: String,
    /// Who commits, and when.
    pub author: Author,
}

/// An archive to be committed.
pub struct Archive {
    /// Its bytes; read on a thread that may block.
    pub reader: Box<dyn Read + Send>,
    /// How it is packed.
    pub kind: ArchiveKind,
    /// How much it may hold.
    pub limits: ArchiveLimits,
}

/// The outcome of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// A new commit, which no branch has yet.
    Commit(CommitId),
    /// The branch's last commit has these very files already.
    Unchanged(CommitId),
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The repository is at fault.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The archive is refused.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Reads the bytes that a channel brings, such as a command's standard input. For threads that may block.
#[derive(Debug)]
pub struct ChannelReader {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl ChannelReader {
    /// Reads from a channel until it is closed.
    pub fn new(chunks: mpsc::Receiver<Bytes>) -> Self {
        Self { chunks, current: Bytes::new() }
    }
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            let Some(next) = self.chunks.blocking_recv() else { return Ok(0) };
            self.current = next;
        }
        let length = buffer.len().min(self.current.len());
        let (filled, _) = buffer.split_at_mut(length);
        self.current.copy_to_slice(filled);
        Ok(length)
    }
}

impl Repositories {
    /// Makes a commit that has an archive's files and no others; see [`super::archive`] for what is refused.
    pub async fn commit_archive(
        &self,
        app: &AppName,
        request: CommitRequest,
        archive: Archive,
    ) -> Result<Imported, ImportError> {
        let path = self.path(app);
        blocking(move || {
            let area = Area::new(&path)?;
            let files = area.store(archive)?;
            let mut index = new_index()?;
            for (path, file) in files {
                add(&mut index, path, file.mode, file.content)?;
            }
            area.commit(index, &request)
        })
        .await
    }
}

/// Where an import's objects are until its commit is whole.
struct Area<'a> {
    /// The app's repository.
    path: &'a Path,
    repository: Repository,
    /// A repository that has the app's objects too.
    objects: Repository,
    directory: TempDir,
}

impl<'a> Area<'a> {
    fn new(path: &'a Path) -> Result<Self, GitError> {
        let repository = open_bare(path)?;
        let directory = scratch_beside(path)?;
        drop(init_bare(directory.path())?);
        let borrowed = std::path::absolute(path.join("objects")).map_err(GitError::files("find", path))?;
        let information = directory.path().join("objects").join("info");
        fs::create_dir_all(&information).map_err(GitError::files("make", &information))?;
        let alternates = information.join("alternates");
        let line = [borrowed.as_os_str().as_encoded_bytes(), b"\n"].concat();
        fs::write(&alternates, line).map_err(GitError::files("write", &alternates))?;
        let objects = open_bare(directory.path())?;
        Ok(Self { path, repository, objects, directory })
    }

    fn store(&self, archive: Archive) -> Result<Files, ArchiveError> {
        let odb = self.objects.odb().map_err(GitError::library("keep a file"))?;
        let mut store = |size: u64, content: &mut dyn Read| {
            let too_large = |_| ArchiveError::TooLarge(archive.limits.max_bytes);
            let size = usize::try_from(size).map_err(too_large)?;
            let mut writer = odb.writer(size, ObjectType::Blob).map_err(GitError::library("keep a file"))?;
            io::copy(content, &mut writer).map_err(|error| damaged(&error, archive.limits.max_bytes))?;
            // Fails as well if the archive had promised another size.
            writer.finalize().map_err(|error| ArchiveError::Damaged(error.message().to_owned()))
        };
        read(archive.reader, archive.kind, archive.limits, &mut store)
    }

    fn commit(self, mut index: Index, request: &CommitRequest) -> Result<Imported, ImportError> {
        let library = || GitError::library("make the commit");
        let tree = index.write_tree_to(&self.objects).map_err(library())?;
        let branch = branch_reference(&request.branch)?;
        let parent = match self.repository.find_reference(&branch).and_then(|found| found.peel_to_commit()) {
            Ok(parent) => Some(parent),
            Err(error) if error.code() == git2::ErrorCode::NotFound => None,
            Err(error) => return Err(library()(error).into()),
        };
        if let Some(parent) = parent.as_ref().filter(|parent| parent.tree_id() == tree) {
            return Ok(Imported::Unchanged(CommitId::from_oid(parent.id())));
        }
        let Author { name, email, seconds } = &request.author;
        let author = Signature::new(name, email, &Time::new(*seconds, 0)).map_err(library())?;
        let tree = self.objects.find_tree(tree).map_err(library())?;
        let parent =
            parent.map(|parent| self.objects.find_commit(parent.id())).transpose().map_err(library())?;
        let parents: Vec<_> = parent.iter().collect();
        let commit = self.objects.commit(None, &author, &author, &request.message, &tree, &parents);
        let commit = commit.map_err(library())?;
        move_objects(self.directory.path(), self.path)?;
        Ok(Imported::Commit(CommitId::from_oid(commit)))
    }
}

/// Moves loose objects from one repository to another, as `git receive-pack` does out of its quarantine.
fn move_objects(from: &Path, to: &Path) -> Result<(), GitError> {
    let (from, to) = (from.join("objects"), to.join("objects"));
    for directory in fs::read_dir(&from).map_err(GitError::files("read", &from))? {
        let directory = directory.map_err(GitError::files("read", &from))?;
        // Objects are in directories of two digits; there are no packs, for libgit2 made every one by itself.
        if directory.file_name().len() != 2 {
            continue;
        }
        let (source, target) = (directory.path(), to.join(directory.file_name()));
        fs::create_dir_all(&target).map_err(GitError::files("make", &target))?;
        for object in fs::read_dir(&source).map_err(GitError::files("read", &source))? {
            let object = object.map_err(GitError::files("read", &source))?;
            let target = target.join(object.file_name());
            // An object that is there already has the same content: that is what its name says.
            fs::rename(object.path(), &target).map_err(GitError::files("keep", &target))?;
        }
    }
    Ok(())
}

fn new_index() -> Result<Index, GitError> {
    Index::new().map_err(GitError::library("make the commit"))
}

fn add(index: &mut Index, path: Vec<u8>, mode: u32, id: Oid) -> Result<(), GitError> {
    let never = IndexTime::new(0, 0);
    let entry = IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path,
    };
    index.add(&entry).map_err(GitError::library("make the commit"))
}
