//! Commits made of files and archives, and the archives that are refused.

use std::fs;
use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use slipway::git::archive::{ArchiveError, ArchiveKind, ArchiveLimits};
use slipway::git::commit::{Author, CommitId};
use slipway::git::import::{Archive, ChannelReader, CommitRequest, ImportError, Imported};
use slipway::model::app_name::AppName;
use tar::{Builder, EntryType, Header};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::support::{Root, Work};

fn request() -> CommitRequest {
    let author = Author { name: "A".into(), email: "a@example.com".into(), seconds: 1_700_000_000 };
    CommitRequest { branch: "main".into(), message: "Import".into(), author }
}

struct Bench {
    root: Root,
    app: AppName,
}

impl Bench {
    async fn new() -> Self {
        let root = Root::new().await;
        let app = root.app("blog").await;
        Self { root, app }
    }

    async fn import(&self, bytes: Vec<u8>, kind: ArchiveKind) -> Result<Imported, ImportError> {
        self.import_with(bytes, kind, ArchiveLimits::default()).await
    }

    async fn import_with(
        &self,
        bytes: Vec<u8>,
        kind: ArchiveKind,
        limits: ArchiveLimits,
    ) -> Result<Imported, ImportError> {
        let archive = Archive { reader: Box::new(Cursor::new(bytes)), kind, limits };
        self.root.repositories.commit_archive(&self.app, request(), archive).await
    }

    /// Mode and path of each file in a commit.
    fn listing(&self, commit: &CommitId) -> Vec<String> {
        let text = self.root.bare(&self.app, &["ls-tree", "-r", "--full-tree", commit.as_str()]);
        let line = |line: &str| format!("{} {}", &line[..6], line.split_once('\t').unwrap().1);
        text.lines().map(line).collect()
    }

    fn is_untouched(&self) -> bool {
        let count = self.root.bare(&self.app, &["count-objects"]);
        let repositories = fs::read_dir(self.root.directory.path().join("repos")).unwrap().count();
        count == "0 objects, 0 kilobytes\n" && repositories == 1
    }
}

fn new_commit(imported: Result<Imported, ImportError>) -> CommitId {
    match imported.unwrap() {
        Imported::Commit(commit) => commit,
        Imported::Unchanged(commit) => panic!("nothing new on top of {commit}"),
    }
}

#[derive(Clone, Copy)]
enum Entry<'a> {
    File(&'a str, &'a str),
    Program(&'a str),
    Directory(&'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Device(&'a str),
    Pipe(&'a str),
}

/// A tar stream with names as they are, which the builder's own methods would refuse.
fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        let (kind, name, target, content, mode) = match *entry {
            Entry::File(name, content) => (EntryType::Regular, name, "", content, 0o640),
            Entry::Program(name) => (EntryType::Regular, name, "", "#!", 0o755),
            Entry::Directory(name) => (EntryType::Directory, name, "", "", 0o755),
            Entry::Link(name, target) => (EntryType::Symlink, name, target, "", 0o777),
            Entry::HardLink(name, target) => (EntryType::Link, name, target, "", 0o644),
            Entry::Device(name) => (EntryType::Block, name, "", "", 0o600),
            Entry::Pipe(name) => (EntryType::Fifo, name, "", "", 0o600),
        };
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(entries: &[Entry]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = |mode| SimpleFileOptions::default().unix_permissions(mode);
    for entry in entries {
        match *entry {
            Entry::File(name, content) => {
                writer.start_file(name, options(0o644)).unwrap();
                writer.write_all(content.as_bytes()).unwrap();
            }
            Entry::Program(name) => {
                writer.start_file(name, options(0o755)).unwrap();
                writer.write_all(b"#!").unwrap();
            }
            Entry::Directory(name) => writer.add_directory(name, options(0o755)).unwrap(),
            Entry::Link(name, target) => writer.add_symlink(name, target, options(0o777)).unwrap(),
            _ => panic!("zip has no such entries"),
        }
    }
    writer.finish().unwrap().into_inner()
}

const GOOD: &[Entry] = &[
    Entry::Directory("app-1.0/"),
    Entry::File("app-1.0/Dockerfile", "FROM x\n"),
    Entry::Program("./app-1.0//bin/run"),
    Entry::File("app-1.0/.git/config", "[core]"),
    Entry::Link("app-1.0/bin/link", "../Dockerfile"),
];

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_all_kinds_become_the_same_commit() {
    let bench = Bench::new().await;
    let kinds = [
        (tar_of(GOOD), ArchiveKind::Tar),
        (gzip(&tar_of(GOOD)), ArchiveKind::TarGz),
        (zip_of(GOOD), ArchiveKind::Zip),
    ];
    let mut commits = Vec::new();
    for (bytes, kind) in kinds {
        let commit = new_commit(bench.import(bytes, kind).await);
        assert_eq!(bench.listing(&commit), ["100644 Dockerfile", "120000 bin/link", "100755 bin/run"]);
        commits.push(commit);
    }
    assert!(commits.iter().all(|commit| *commit == commits[0]), "{commits:?}");
    bench.root.bare(&bench.app, &["fsck", "--strict", "--no-dangling"]);
    let branches = bench.root.bare(&bench.app, &["for-each-ref"]);
    assert_eq!(branches, "", "a branch moved before the deploy");
    assert_eq!(fs::read_dir(bench.root.directory.path().join("repos")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_follows_the_branch_and_the_same_files_make_none() {
    let bench = Bench::new().await;
    let work = Work::new();
    work.write("old", "1");
    let parent = work.commit("pushed");
    work.put(&bench.root, &bench.app, "main");
    let commit = new_commit(bench.import(tar_of(GOOD), ArchiveKind::Tar).await);
    let shown = bench.root.bare(&bench.app, &["log", "-1", "--format=%P %an %ae %ct %s", commit.as_str()]);
    assert_eq!(shown, format!("{parent} A a@example.com 1700000000 Import\n"));
    bench.root.repositories.update_ref(&bench.app, "main", &commit).await.unwrap();
    let again = bench.import(zip_of(GOOD), ArchiveKind::Zip).await.unwrap();
    assert_eq!(again, Imported::Unchanged(commit));
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_as_programs_write_them() {
    let bench = Bench::new().await;
    // `git archive` writes a global header, GNU tar long names and hard links.
    let work = Work::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    work.write(&long, "long");
    work.write("sub/a", "1");
    work.commit("files");
    let archives = tempfile::tempdir().unwrap();
    let path = archives.path().join("archive.tar.gz");
    work.git(&["archive", "--prefix=top/", "--format=tar.gz", "-o", path.to_str().unwrap(), "main"]);
    let bytes = fs::read(&path).unwrap();
    let commit = new_commit(bench.import(bytes, ArchiveKind::TarGz).await);
    assert_eq!(bench.listing(&commit), [format!("100644 {long}"), "100644 sub/a".to_owned()]);

    fs::hard_link(work.path().join("sub/a"), work.path().join("sub/b")).unwrap();
    let output =
        std::process::Command::new("tar").args(["-c", "."]).current_dir(work.path()).output().unwrap();
    let commit = new_commit(bench.import(output.stdout, ArchiveKind::Tar).await);
    let expected = [format!("100644 {long}"), "100644 sub/a".to_owned(), "100644 sub/b".to_owned()];
    assert_eq!(bench.listing(&commit), expected);

    // Windows writes backslashes into zip files.
    let windows = zip_of(&[Entry::File("src\\main.c", "int"), Entry::File("readme", "x")]);
    let commit = new_commit(bench.import(windows, ArchiveKind::Zip).await);
    assert_eq!(bench.listing(&commit), ["100644 readme", "100644 src/main.c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_that_could_do_harm_are_refused_and_leave_nothing() {
    let bench = Bench::new().await;
    let file = Entry::File("file", "x");
    for (entries, expected) in [
        ([file, Entry::File("/etc/passwd", "x")], "entries with absolute paths: /etc/passwd"),
        ([file, Entry::File("a/../../b", "x")], "entries with parent directory traversal: a/../../b"),
        ([file, Entry::Link("link", "/etc")], "symlinks with absolute targets: link"),
        ([file, Entry::Link("link", "..")], "symlinks pointing outside extraction directory: link"),
        ([file, Entry::Link("a/link", "b/../../../c")], "pointing outside extraction directory: a/link"),
        ([file, Entry::HardLink("hard", "nothing")], "hard links to files that are not in it: hard"),
        ([file, Entry::HardLink("hard", "/etc/passwd")], "absolute paths: /etc/passwd"),
        ([file, Entry::HardLink("hard", "../x")], "parent directory traversal: ../x"),
        ([file, Entry::Device("disk")], "devices or other special files: disk"),
        ([file, Entry::Pipe("pipe")], "devices or other special files: pipe"),
        ([file, Entry::File("file/below", "x")], "both file and directory: file"),
        ([Entry::Link("a", "b"), Entry::File("a/x", "x")], "both file and directory: a"),
        ([Entry::Directory("a/"), Entry::File(".git/x", "x")], "Archive contains no files"),
        // A link that stays in the archive, but not in what is left of it without its top directory.
        (
            [Entry::File("top/a", "x"), Entry::Link("top/b", "../c")],
            "pointing outside extraction directory: b",
        ),
    ] {
        let error = bench.import(tar_of(&entries), ArchiveKind::Tar).await.unwrap_err().to_string();
        assert!(error.starts_with("Archive contains ") && error.contains(expected), "{expected}: {error}");
        assert!(bench.is_untouched(), "{expected}");
    }
    for entries in [
        [file, Entry::File("/etc/passwd", "x")],
        [file, Entry::File("..\\x", "x")],
        [file, Entry::Link("link", "../x")],
        [file, Entry::Link("link", "/x")],
    ] {
        let error = bench.import(zip_of(&entries), ArchiveKind::Zip).await.unwrap_err();
        assert!(error.to_string().starts_with("Archive contains "), "{error}");
        assert!(bench.is_untouched());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_before_they_go_off() {
    let bench = Bench::new().await;
    let limits = ArchiveLimits { max_files: 10, max_bytes: 1 << 20 };
    let too_large = "Archive exceeds maximum allowed size of 1048576 bytes";

    let zeros = "\0".repeat(600_000);
    let two = [Entry::File("a", &zeros), Entry::File("b", &zeros)];
    for (bytes, kind) in [(gzip(&tar_of(&two)), ArchiveKind::TarGz), (zip_of(&two), ArchiveKind::Zip)] {
        let error = bench.import_with(bytes, kind, limits).await.unwrap_err();
        assert_eq!(error.to_string(), too_large);
        assert!(bench.is_untouched());
    }

    let names: Vec<String> = (0..11).map(|number| format!("f{number}")).collect();
    let many: Vec<Entry> = names.iter().map(|name| Entry::File(name, "")).collect();
    for (bytes, kind) in [(tar_of(&many), ArchiveKind::Tar), (zip_of(&many), ArchiveKind::Zip)] {
        let error = bench.import_with(bytes, kind, limits).await.unwrap_err();
        assert_eq!(error.to_string(), "Archive contains at least 11 files, which exceeds the maximum of 10");
    }

    // A name of 64 MiB: it would be held in memory before any size is looked at.
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(64 << 20);
    header.set_cksum();
    builder.append(&header, std::io::repeat(b'n').take(64 << 20)).unwrap();
    let bytes = gzip(&builder.into_inner().unwrap());
    let error = bench.import_with(bytes, ArchiveKind::TarGz, limits).await.unwrap_err();
    assert_eq!(error.to_string(), too_large);

    // A sparse file that claims a petabyte.
    let mut header = Header::new_gnu();
    header.set_path("sparse").unwrap();
    header.set_entry_type(EntryType::Regular);
    header.set_size(1 << 50);
    header.set_cksum();
    let error = bench.import_with(header.as_bytes().to_vec(), ArchiveKind::Tar, limits).await.unwrap_err();
    assert_eq!(error.to_string(), too_large);
    assert!(bench.is_untouched());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_archives_are_called_so() {
    let bench = Bench::new().await;
    let whole = tar_of(GOOD);
    for (bytes, kind) in [
        (b"this is no archive at all, however long it may go on".repeat(20), ArchiveKind::Tar),
        (b"nor this".to_vec(), ArchiveKind::TarGz),
        (b"nor this".to_vec(), ArchiveKind::Zip),
        (whole[..whole.len() / 3].to_vec(), ArchiveKind::Tar),
        (gzip(&whole)[..100].to_vec(), ArchiveKind::TarGz),
    ] {
        let error = bench.import(bytes, kind).await.unwrap_err();
        assert!(matches!(error, ImportError::Archive(ArchiveError::Damaged(_))), "{error:?}");
        assert!(bench.is_untouched());
    }
    let error = bench.import(Vec::new(), ArchiveKind::Tar).await.unwrap_err();
    assert!(matches!(error, ImportError::Archive(ArchiveError::Empty)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_may_come_in_pieces_through_a_channel() {
    let bench = Bench::new().await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for piece in tar_of(GOOD).chunks(700) {
            sender.send(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
        }
    });
    let reader = Box::new(ChannelReader::new(receiver));
    let archive = Archive { reader, kind: ArchiveKind::Tar, limits: ArchiveLimits::default() };
    let imported = bench.root.repositories.commit_archive(&bench.app, request(), archive).await;
    assert_eq!(bench.listing(&new_commit(imported)).len(), 3);
}
