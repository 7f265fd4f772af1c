//! A build context: the files of a commit as a tar stream, straight from the object database.
//!
//! The stream is made on a thread of its own and waits for its reader, so its memory is bounded whatever lies in
//! the repository. Owner and modes are the same for everybody; times are the commit's. That is not the epoch on
//! purpose: static file servers make `Last-Modified` and `ETag` from a file's time and size, and would answer that a
//! changed file of the same size is not modified.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::pin::Pin;
use std::task::{self, Poll};

use bytes::Bytes;
use futures_util::Stream;
use git2::{Oid, Repository};
use tar::{Builder, EntryType, Header};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::formats::ignore::Ignore;
use crate::git::content::{BlobProcess, ChunkWriter, Exactly};
use crate::git::error::GitError;
use crate::git::tree::{
    Found, MAX_ENTRIES, Node, Snapshot, Source, TreeError, is_dangerous, read_blob, tree_of,
};

/// How many chunks wait for a slow reader.
const BACKLOG: usize = 16;
/// A file up to this size is read as a whole; a larger one goes through in pieces.
const WHOLE: usize = 4 << 20;
/// How deep directories may be nested; also the depth of the recursion below.
const MAX_DEPTH: usize = 256;
/// The first line of a Git LFS pointer file, which stands for a file that was never pushed here.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// Which files of a commit make up a context.
#[derive(Clone, Debug, Default)]
pub struct ContextRequest {
    /// The directory that becomes the root of the context; `""` for all.
    pub subdirectory: String,
    /// What stays out of it.
    pub ignore: Ignore,
    /// Files that are put in front and are not in the commit, such as a generated Dockerfile.
    pub extra_files: Vec<(String, Vec<u8>)>,
    /// The number of the user and group that everything belongs to.
    pub owner: u32,
}

/// A build context under way.
#[derive(Debug)]
pub struct Context {
    /// The tar stream. Dropping it ends the work behind it.
    pub stream: ContextStream,
    /// What was in the stream, once it has ended; closed if it failed.
    pub summary: oneshot::Receiver<ContextSummary>,
}

/// The tar stream of a build context, in chunks of some tens of kilobytes.
#[derive(Debug)]
pub struct ContextStream {
    chunks: mpsc::Receiver<Result<Bytes, TreeError>>,
}

/// What was in a context, known when its stream has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextSummary {
    /// How many files and links there were.
    pub files: usize,
    /// Files that are mere pointers of Git LFS, whose real content was never pushed. To be told to the person.
    pub lfs_pointers: Vec<String>,
}

impl Snapshot {
    /// Starts the stream of a build context. Has to be called within a tokio runtime.
    pub fn context(&self, request: ContextRequest) -> Context {
        let (sender, chunks) = mpsc::channel(BACKLOG);
        let (summary_sender, summary) = oneshot::channel();
        let (snapshot, handle) = (self.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let chunks = ChunkWriter::new(sender.clone());
            match write_context(&snapshot, &request, chunks, handle) {
                // The reader may have gone away meanwhile, and then nobody misses either.
                Ok(summary) => drop(summary_sender.send(summary)),
                Err(error) => drop(sender.blocking_send(Err(error))),
            }
        });
        Context { stream: ContextStream { chunks }, summary }
    }
}

impl Stream for ContextStream {
    type Item = Result<Bytes, TreeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_recv(context)
    }
}

fn write_context(
    snapshot: &Snapshot,
    request: &ContextRequest,
    chunks: ChunkWriter,
    handle: Handle,
) -> Result<ContextSummary, TreeError> {
    snapshot.visit(&request.subdirectory, |found| {
        let Some(Found { repository, node, path, source }) = found else {
            return Err(TreeError::Missing(request.subdirectory.clone()));
        };
        let Node::Directory(tree) = node else {
            return Err(TreeError::NotDirectory(request.subdirectory.clone()));
        };
        let mut walk = Walk {
            snapshot,
            request,
            handle,
            tar: Builder::new(chunks),
            time: commit_time(snapshot)?,
            prefix: path,
            directories: Vec::new(),
            entries: 0,
            summary: ContextSummary::default(),
        };
        for (path, content) in &request.extra_files {
            walk.write_file(path.as_bytes(), 0o644, content.len(), content.as_slice())?;
        }
        walk.directory(Place { repository, source, path: b"" }, tree)?;
        walk.tar.into_inner().and_then(ChunkWriter::finish).map_err(stream_error)?;
        Ok(walk.summary)
    })
}

/// The commit's time; the stream of one commit is always the same.
fn commit_time(snapshot: &Snapshot) -> Result<u64, TreeError> {
    let library = || GitError::library("read the commit");
    let repository = snapshot.root.open()?;
    let id = snapshot.commit().to_oid().map_err(library())?;
    let seconds = repository.find_commit(id).map_err(library())?.time().seconds();
    // Tar has no times before the epoch; a commit may.
    Ok(u64::try_from(seconds).unwrap_or_default())
}

/// A tree being written.
struct Walk<'a> {
    snapshot: &'a Snapshot,
    request: &'a ContextRequest,
    handle: Handle,
    tar: Builder<ChunkWriter>,
    time: u64,
    /// Where the context's root lies in the commit.
    prefix: String,
    /// The directories from the root to here, and whether each was written: none is that has nothing in it.
    directories: Vec<(Vec<u8>, bool)>,
    entries: usize,
    summary: ContextSummary,
}

/// Where in which repository the walk is.
#[derive(Clone, Copy)]
struct Place<'a> {
    repository: &'a Repository,
    source: &'a Source,
    /// Relative to the context; no slash at the end.
    path: &'a [u8],
}

impl Walk<'_> {
    fn directory(&mut self, place: Place<'_>, tree: Oid) -> Result<(), TreeError> {
        let tree = place.repository.find_tree(tree).map_err(GitError::library("read a directory"))?;
        for entry in &tree {
            self.entries += 1;
            if self.entries > MAX_ENTRIES || self.directories.len() > MAX_DEPTH {
                return Err(TreeError::TooMany(MAX_ENTRIES));
            }
            let path = joined(place.path, entry.name_bytes());
            if is_dangerous(entry.name_bytes()) {
                return Err(TreeError::Path(shown(&path)));
            }
            if let Some(node) = Node::of(&entry) {
                self.entry(Place { path: &path, ..place }, node)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, place: Place<'_>, node: Node) -> Result<(), TreeError> {
        // A path that is not UTF-8 keeps its bytes in the stream; only the rules see it changed.
        let text = shown(place.path);
        let ignore = &self.request.ignore;
        let is_directory = matches!(node, Node::Directory(_) | Node::Module(_));
        let is_replaced = || self.request.extra_files.iter().any(|(path, _)| *path == text);
        if if is_directory {
            ignore.is_directory_ignored(&text)
        } else {
            ignore.is_ignored(&text) || is_replaced()
        } {
            return Ok(());
        }
        match node {
            Node::File(id) => self.blob(place, id, 0o644),
            Node::Program(id) => self.blob(place, id, 0o755),
            Node::Link(id) => self.link(place, id),
            Node::Directory(id) => self.within(place, |walk| walk.directory(place, id)),
            Node::Module(_) => self.within(place, |walk| walk.module(place, &text)),
        }
    }

    fn within(
        &mut self,
        place: Place<'_>,
        work: impl FnOnce(&mut Self) -> Result<(), TreeError>,
    ) -> Result<(), TreeError> {
        self.directories.push((place.path.to_vec(), false));
        work(self)?;
        self.directories.pop();
        Ok(())
    }

    /// Writes a submodule's files, or its empty directory if it was not fetched.
    fn module(&mut self, place: Place<'_>, path: &str) -> Result<(), TreeError> {
        let whole = if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) };
        let Some(source) = self.snapshot.modules.get(&whole) else { return self.write_directories() };
        let repository = source.open()?;
        let tree = tree_of(&repository, &source.commit)?.id();
        self.directory(Place { repository: &repository, source, path: place.path }, tree)
    }

    fn link(&mut self, place: Place<'_>, id: Oid) -> Result<(), TreeError> {
        let target = read_blob(place.repository, id, &shown(place.path), 4096)?;
        self.write_directories()?;
        let mut header = self.header(EntryType::Symlink, 0o777, 0);
        let (path, target) = (OsStr::from_bytes(place.path), OsStr::from_bytes(&target));
        self.tar.append_link(&mut header, path, target).map_err(stream_error)?;
        self.summary.files += 1;
        Ok(())
    }

    fn blob(&mut self, place: Place<'_>, id: Oid, mode: u32) -> Result<(), TreeError> {
        let library = || GitError::library("read a file");
        let odb = place.repository.odb().map_err(library())?;
        let (size, _) = odb.read_header(id).map_err(library())?;
        if size <= WHOLE {
            let blob = odb.read(id).map_err(library())?;
            if blob.data().starts_with(LFS_POINTER) {
                self.summary.lfs_pointers.push(shown(place.path));
            }
            return self.write_file(place.path, mode, size, blob.data());
        }
        // libgit2 reads loose objects in pieces, and packed ones only as a whole; git reads both in pieces.
        if let Ok((reader, _, _)) = odb.reader(id) {
            return self.write_file(place.path, mode, size, reader);
        }
        let reader = BlobProcess::start(place.source, id, self.handle.clone())?;
        self.write_file(place.path, mode, size, reader)
    }

    fn write_file(
        &mut self,
        path: &[u8],
        mode: u32,
        size: usize,
        content: impl Read,
    ) -> Result<(), TreeError> {
        self.write_directories()?;
        let mut header = self.header(EntryType::Regular, mode, size);
        let mut content = Exactly::new(content, size);
        let path = OsStr::from_bytes(path);
        self.tar.append_data(&mut header, path, &mut content).map_err(stream_error)?;
        self.summary.files += 1;
        Ok(())
    }

    /// Writes the directories that lead here, as far as they were not written yet.
    fn write_directories(&mut self) -> Result<(), TreeError> {
        let mut header = self.header(EntryType::Directory, 0o755, 0);
        for (path, written) in self.directories.iter_mut().filter(|(_, written)| !*written) {
            let path = joined(path, b"");
            self.tar.append_data(&mut header, OsStr::from_bytes(&path), io::empty()).map_err(stream_error)?;
            *written = true;
        }
        Ok(())
    }

    fn header(&self, entry_type: EntryType, mode: u32, size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(entry_type);
        header.set_mode(mode);
        header.set_uid(self.request.owner.into());
        header.set_gid(self.request.owner.into());
        header.set_mtime(self.time);
        // Sizes are 64 bits wide on every host that Slipway runs on.
        header.set_size(u64::try_from(size).unwrap_or(u64::MAX));
        header
    }
}

fn stream_error(error: io::Error) -> TreeError {
    if error.kind() == io::ErrorKind::BrokenPipe { TreeError::Closed } else { TreeError::Stream(error) }
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
