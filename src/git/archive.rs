//! Archives in, files out: tar, tar.gz and zip, from people who may mean harm.
//!
//! Nothing is extracted on disk: each file's bytes go straight to a store of the caller's, and only names and modes
//! are kept. What Dokku refuses is refused in its words: absolute paths, parent directories, links that lead out, too
//! many files, too many bytes. Sizes count after decompression, before anything is kept. As in Dokku, a single
//! directory that holds everything is taken off, since that is how forges pack a repository; `.git` is left out.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;
use std::str::FromStr;

use flate2::read::MultiGzDecoder;
use git2::Oid;
use tar::EntryType;
use zip::ZipArchive;

use crate::git::archive_path::{check_conflicts, check_links, clean, shown, without_top_directory};
use crate::git::error::GitError;

/// What the headers of one tar entry may add up to, in bytes: long names are held in memory.
const HEADERS: u64 = 1 << 20;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    /// Plain tar.
    Tar,
    /// Tar, compressed by gzip.
    TarGz,
    /// Zip.
    Zip,
}

/// A text that names no kind of archive.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a kind of archive: write tar, tar.gz or zip")]
pub struct UnknownArchiveKind(String);

/// How much an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Entries, of every kind.
    pub max_files: usize,
    /// Bytes of content, after decompression.
    pub max_bytes: u64,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is not what it is said to be, or damaged.
    #[error("Archive cannot be read: {0}")]
    Damaged(String),
    /// Nothing is in it.
    #[error("Archive contains no files")]
    Empty,
    /// A name that begins with a slash.
    #[error("Archive contains entries with absolute paths: {0}")]
    Absolute(String),
    /// A name with `..` in it.
    #[error("Archive contains entries with parent directory traversal: {0}")]
    Parent(String),
    /// A symbolic link to an absolute path.
    #[error("Archive contains symlinks with absolute targets: {0}")]
    AbsoluteLink(String),
    /// A symbolic link that leads out of the archive.
    #[error("Archive contains symlinks pointing outside extraction directory: {0}")]
    EscapingLink(String),
    /// A hard link to what is not a file before it in the archive.
    #[error("Archive contains hard links to files that are not in it: {0}")]
    HardLink(String),
    /// A device, a pipe or the like.
    #[error("Archive contains devices or other special files: {0}")]
    Special(String),
    /// One name for a file and for a directory.
    #[error("Archive contains entries that are both file and directory: {0}")]
    Conflict(String),
    /// Too many bytes.
    #[error("Archive exceeds maximum allowed size of {0} bytes")]
    TooLarge(u64),
    /// Too many entries.
    #[error("Archive contains at least {found} files, which exceeds the maximum of {limit}")]
    TooMany {
        /// How many were counted before it was enough.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The repository cannot take the files.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// One file of an archive, in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArchivedFile {
    pub mode: u32,
    pub content: Oid,
    /// Where a symbolic link leads.
    pub target: Option<Vec<u8>>,
}

/// Takes the bytes of one file, whose number is given, and says what they are called.
pub(super) type Store<'a> = dyn FnMut(u64, &mut dyn Read) -> Result<Oid, ArchiveError> + 'a;

/// Files by their paths, which are relative and clean.
pub(super) type Files = BTreeMap<Vec<u8>, ArchivedFile>;

impl FromStr for ArchiveKind {
    type Err = UnknownArchiveKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tar" => Ok(Self::Tar),
            "tar.gz" | "tgz" => Ok(Self::TarGz),
            "zip" => Ok(Self::Zip),
            _ => Err(UnknownArchiveKind(text.to_owned())),
        }
    }
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self { max_files: 10_000, max_bytes: 1 << 30 }
    }
}

/// Reads a whole archive.
pub(super) fn read(
    reader: impl Read,
    kind: ArchiveKind,
    limits: ArchiveLimits,
    store: &mut Store<'_>,
) -> Result<Files, ArchiveError> {
    let mut intake = Intake { limits, store, entries: 0, bytes: 0, files: Files::new() };
    match kind {
        ArchiveKind::Tar => intake.tar(reader)?,
        ArchiveKind::TarGz => intake.tar(MultiGzDecoder::new(reader))?,
        ArchiveKind::Zip => intake.zip(reader)?,
    }
    if intake.files.is_empty() {
        return Err(ArchiveError::Empty);
    }
    let files = without_top_directory(intake.files);
    check_links(&files)?;
    check_conflicts(&files)?;
    Ok(files)
}

struct Intake<'a, 'b> {
    limits: ArchiveLimits,
    store: &'a mut Store<'b>,
    entries: usize,
    bytes: u64,
    files: Files,
}

impl Intake<'_, '_> {
    fn tar(&mut self, reader: impl Read) -> Result<(), ArchiveError> {
        let allowance = Rc::new(Cell::new(HEADERS));
        let mut archive = tar::Archive::new(Metered { reader, allowance: Rc::clone(&allowance) });
        let max_bytes = self.limits.max_bytes;
        let damaged = |error| damaged(&error, max_bytes);
        let mut entries = archive.entries().map_err(damaged)?;
        loop {
            allowance.set(HEADERS);
            let Some(entry) = entries.next() else { return Ok(()) };
            let mut entry = entry.map_err(damaged)?;
            if entry.header().entry_type() != EntryType::XGlobalHeader {
                self.count(entry.size())?;
                allowance.set(entry.size());
                self.tar_entry(&mut entry)?;
            }
            // What was not wanted is read here, where it counts, and not on the way to the next header.
            io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
        }
    }

    fn tar_entry(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), ArchiveError> {
        let name = entry.path_bytes().into_owned();
        let Some(path) = clean(&name)? else { return Ok(()) };
        let max_bytes = self.limits.max_bytes;
        match entry.header().entry_type() {
            EntryType::Directory => Ok(()),
            // Before 1988, a directory was a file with a slash at the end of its name.
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse if !name.ends_with(b"/") => {
                let mode = entry.header().mode().map_err(|error| damaged(&error, max_bytes))?;
                let size = entry.size();
                self.file(path, mode, size, entry)
            }
            EntryType::Regular => Ok(()),
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                self.link(path, target)
            }
            EntryType::Link => {
                let target = clean(&entry.link_name_bytes().unwrap_or_default())?;
                let file =
                    target.and_then(|target| self.files.get(&target)).filter(|file| file.target.is_none());
                let file = file.cloned().ok_or_else(|| ArchiveError::HardLink(shown(&path)))?;
                self.files.insert(path, file);
                Ok(())
            }
            _ => Err(ArchiveError::Special(shown(&path))),
        }
    }

    fn zip(&mut self, reader: impl Read) -> Result<(), ArchiveError> {
        let failed = |source| GitError::Files { action: "keep the archive in", path: "/tmp".into(), source };
        // The table of contents stands at the end, so the archive has to be kept, still compressed.
        let mut spool = tempfile::tempfile().map_err(failed)?;
        let max_bytes = self.limits.max_bytes;
        let spooled = io::copy(&mut reader.take(max_bytes.saturating_add(1)), &mut spool).map_err(failed)?;
        if spooled > max_bytes {
            return Err(ArchiveError::TooLarge(max_bytes));
        }
        let unreadable = |error: zip::result::ZipError| ArchiveError::Damaged(error.to_string());
        let mut archive = ZipArchive::new(spool).map_err(unreadable)?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(unreadable)?;
            self.count(entry.size())?;
            // Some programs on Windows write backslashes, against the format's rules.
            let name: Vec<u8> =
                entry.name_raw().iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
            let Some(path) = clean(&name)? else { continue };
            let size = entry.size();
            if entry.is_symlink() {
                let mut target = Vec::new();
                entry.read_to_end(&mut target).map_err(|error| damaged(&error, max_bytes))?;
                self.link(path, target)?;
            } else if !entry.is_dir() {
                let mode = entry.unix_mode().unwrap_or(0o644);
                self.file(path, mode, size, &mut entry)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.entries > self.limits.max_files {
            return Err(ArchiveError::TooMany { found: self.entries, limit: self.limits.max_files });
        }
        if self.bytes > self.limits.max_bytes {
            return Err(ArchiveError::TooLarge(self.limits.max_bytes));
        }
        Ok(())
    }

    fn file(
        &mut self,
        path: Vec<u8>,
        mode: u32,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        let content = (self.store)(size, content)?;
        let mode = if mode & 0o100 == 0 { 0o100_644 } else { 0o100_755 };
        self.files.insert(path, ArchivedFile { mode, content, target: None });
        Ok(())
    }

    fn link(&mut self, path: Vec<u8>, target: Vec<u8>) -> Result<(), ArchiveError> {
        // The kernel takes no longer ones either.
        if target.is_empty() || target.len() > 4096 || target.contains(&0) {
            return Err(ArchiveError::Damaged(format!("{} is not a symbolic link", shown(&path))));
        }
        let size = u64::try_from(target.len()).unwrap_or(u64::MAX);
        let content = (self.store)(size, &mut target.as_slice())?;
        self.files.insert(path, ArchivedFile { mode: 0o120_000, content, target: Some(target) });
        Ok(())
    }
}

/// Ends a read when more came than was allowed for.
struct Metered<R> {
    reader: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.allowance.get().checked_sub(u64::try_from(read).unwrap_or(u64::MAX));
        self.allowance.set(left.ok_or(io::ErrorKind::FileTooLarge)?);
        Ok(read)
    }
}

pub(super) fn damaged(error: &io::Error, max_bytes: u64) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => ArchiveError::TooLarge(max_bytes),
        _ => ArchiveError::Damaged(error.to_string()),
    }
}
