//! Build contexts, unpacked by the real tar and compared with what git itself makes of the commit.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::StreamExt;
use slipway::formats::dockerignore::DockerIgnore;
use slipway::formats::ignore::Ignore;
use slipway::git::context::{ContextRequest, ContextSummary};
use slipway::git::tree::{Snapshot, TreeError};
use tempfile::TempDir;

use super::support::{Root, Work, app, files_below, noise, write};

async fn collect(
    snapshot: &Snapshot,
    request: ContextRequest,
) -> Result<(Vec<u8>, ContextSummary), TreeError> {
    let mut context = snapshot.context(request);
    let mut bytes = Vec::new();
    while let Some(chunk) = context.stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok((bytes, context.summary.await.unwrap()))
}

fn unpack(tar: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut child =
        Command::new("tar").arg("-xp").current_dir(directory.path()).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(tar).unwrap();
    assert!(child.wait().unwrap().success());
    directory
}

async fn names(snapshot: &Snapshot, request: ContextRequest) -> Vec<String> {
    let directory = unpack(&collect(snapshot, request).await.unwrap().0);
    files_below(directory.path()).iter().map(|path| path.to_str().unwrap().to_owned()).collect()
}

/// A commit with whatever is hard to put into a tar stream.
async fn hard_commit(root: &Root) -> (Work, Snapshot) {
    let blog = root.app("blog").await;
    let work = Work::new();
    work.write("a file", "1");
    work.write("empty", "");
    work.write("größe/ünïcode", "2");
    work.write(std::ffi::OsStr::from_bytes(b"latin-\xe9"), "3");
    work.write(format!("{}/{}", "d".repeat(90), "f".repeat(200)), "4");
    work.write("exactly-512", vec![b'x'; 512]);
    work.write("large", noise(6 << 20));
    write(&work.path().join("bin/run"), "#!/bin/sh\n", 0o755);
    for (target, name) in [("a file", "link"), ("/etc/hostname", "absolute"), ("../..", "bin/up")] {
        std::os::unix::fs::symlink(target, work.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink("t".repeat(150), work.path().join("long-link")).unwrap();
    work.commit("hard");
    work.put(root, &blog, "main");
    (work, root.snapshot(&blog, "main").await)
}

fn same(one: &Path, other: &Path) {
    let names = files_below(one);
    assert_eq!(names, files_below(other));
    for name in names {
        use std::os::unix::fs::MetadataExt;
        let (one, other) = (one.join(&name), other.join(&name));
        let (first, second) = (one.symlink_metadata().unwrap(), other.symlink_metadata().unwrap());
        assert_eq!(first.file_type(), second.file_type(), "{name:?}");
        if first.is_symlink() {
            assert_eq!(fs::read_link(one).unwrap(), fs::read_link(other).unwrap(), "{name:?}");
        } else {
            assert_eq!(first.mode() & 0o111, second.mode() & 0o111, "{name:?}");
            assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{name:?}");
            assert_eq!(first.mtime(), 1_700_000_000, "{name:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_has_the_files_of_the_commit_and_is_always_the_same() {
    let root = Root::new().await;
    let (work, snapshot) = hard_commit(&root).await;
    let (bytes, summary) = collect(&snapshot, ContextRequest::default()).await.unwrap();
    assert_eq!(summary, ContextSummary { files: 12, lfs_pointers: Vec::new() });
    let expected = tempfile::tempdir().unwrap();
    let archive = expected.path().join("archive");
    work.git(&["archive", "--format=tar", "-o", archive.to_str().unwrap(), "main"]);
    let expected = unpack(&fs::read(archive).unwrap());
    same(unpack(&bytes).path(), expected.path());
    assert!(collect(&snapshot, ContextRequest::default()).await.unwrap().0 == bytes);

    // The large file now comes out of a pack, by a process of its own.
    root.repositories.collect_garbage(&app("blog")).await.unwrap();
    assert!(collect(&snapshot, ContextRequest::default()).await.unwrap().0 == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_leaves_out_what_dockerignore_says() {
    let root = Root::new().await;
    let blog = root.app("blog").await;
    let work = Work::new();
    for path in
        ["Dockerfile", ".dockerignore", "src/main", "src/notes.md", "docs/a/b", "docs/keep/c", "README.md"]
    {
        work.write(path, path);
    }
    work.commit("files");
    work.put(&root, &blog, "main");
    let snapshot = root.snapshot(&blog, "main").await;
    let request = |rules: &str, subdirectory: &str| ContextRequest {
        subdirectory: subdirectory.to_owned(),
        ignore: Ignore::Docker(
            DockerIgnore::parse(rules.as_bytes(), &["Dockerfile", ".dockerignore"]).unwrap(),
        ),
        ..ContextRequest::default()
    };
    assert_eq!(
        names(&snapshot, request("*\n!docs/keep\n", "")).await,
        [".dockerignore", "Dockerfile", "docs/keep/c"]
    );
    assert_eq!(
        names(&snapshot, request("docs\n**/*.md", "")).await,
        [".dockerignore", "Dockerfile", "src/main"]
    );
    // In a subdirectory, everything is relative to it.
    assert_eq!(names(&snapshot, request("main", "src")).await, ["notes.md"]);
    assert_eq!(names(&snapshot, request("", "./docs/a/")).await, ["b"]);

    let extra = ContextRequest {
        extra_files: vec![
            ("Dockerfile".to_owned(), b"FROM x".to_vec()),
            (".slipway/run".to_owned(), Vec::new()),
        ],
        ..request("docs\nsrc\nREADME.md", "")
    };
    let unpacked = unpack(&collect(&snapshot, extra).await.unwrap().0);
    assert_eq!(files_below(unpacked.path()).len(), 3);
    assert_eq!(fs::read(unpacked.path().join("Dockerfile")).unwrap(), b"FROM x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subdirectory_that_is_not_there_is_named() {
    let root = Root::new().await;
    let (_work, snapshot) = hard_commit(&root).await;
    for (subdirectory, expected) in [
        ("nothing", "there is no nothing in the commit"),
        ("a file", "a file is not a directory"),
        ("../x", "../x is not a path within"),
        ("/etc", "/etc is not a path within"),
        ("bin/up", "there is no bin/up"),
        (".git", ".git is not a path within"),
    ] {
        let request = ContextRequest { subdirectory: subdirectory.to_owned(), ..ContextRequest::default() };
        let error = collect(&snapshot, request).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{subdirectory}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_through_links_and_never_outside() {
    let root = Root::new().await;
    let (_work, snapshot) = hard_commit(&root).await;
    assert_eq!(snapshot.read_file("link", 10).await.unwrap().unwrap(), b"1");
    assert_eq!(snapshot.read_file("bin/run", 100).await.unwrap().unwrap(), b"#!/bin/sh\n");
    assert_eq!(snapshot.read_file("./größe//ünïcode", 10).await.unwrap().unwrap(), b"2");
    for path in ["nothing", "absolute", "bin/up", "bin", "a file/x", "long-link"] {
        assert_eq!(snapshot.read_file(path, 10).await.unwrap(), None, "{path}");
    }
    assert!(matches!(
        snapshot.read_file("large", 1000).await,
        Err(TreeError::TooLarge { size: 6_291_456, .. })
    ));
    assert!(matches!(snapshot.read_file("../a", 10).await, Err(TreeError::Path(_))));
    assert!(snapshot.exists("bin").await.unwrap() && snapshot.exists("link").await.unwrap());
    assert!(!snapshot.exists("absolute").await.unwrap());
    assert_eq!(snapshot.list("bin").await.unwrap().unwrap(), ["run", "up"]);
    assert_eq!(snapshot.list("a file").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn pointers_of_git_lfs_are_reported() {
    let root = Root::new().await;
    let blog = root.app("blog").await;
    let work = Work::new();
    work.write("video.mp4", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    work.write("README", "about git-lfs");
    work.commit("lfs");
    work.put(&root, &blog, "main");
    let (_, summary) = collect(&root.snapshot(&blog, "main").await, ContextRequest::default()).await.unwrap();
    assert_eq!(summary.lfs_pointers, ["video.mp4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_was_never_checked_does_no_harm() {
    let root = Root::new().await;
    let blog = root.app("blog").await;
    let work = Work::new();
    let blob = work.git(&["hash-object", "-w", "--stdin"]);
    let id: Vec<u8> =
        (0..40).step_by(2).map(|at| u8::from_str_radix(&blob[at..at + 2], 16).unwrap()).collect();
    for name in ["..", ".git", ".GIT", "a/../../b"] {
        work.write("tree", [format!("100644 {name}\0").as_bytes(), &id].concat());
        let tree = work.git(&["hash-object", "-w", "-t", "tree", "--literally", "tree"]);
        let commit = work.git(&["commit-tree", tree.trim(), "-m", "evil"]);
        work.put(&root, &blog, &format!("{}:refs/heads/main", commit.trim()));
        let snapshot = root.snapshot(&blog, "main").await;
        let result = collect(&snapshot, ContextRequest::default()).await;
        assert!(matches!(result, Err(TreeError::Path(_))), "{name}: {result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_work() {
    let root = Root::new().await;
    let (_work, snapshot) = hard_commit(&root).await;
    let mut context = snapshot.context(ContextRequest::default());
    context.stream.next().await.unwrap().unwrap();
    drop(context.stream);
    // The sender is dropped when the work has ended; it never reports a whole context.
    assert!(context.summary.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_of_somebody_else_is_refused() {
    let root = Root::new().await;
    let (blog, other) = (root.app("blog").await, root.app("other").await);
    let work = Work::new();
    let commit = work.commit("first");
    work.put(&root, &blog, "main");
    let object = commit.parse().unwrap();
    for quarantine in [root.repositories.path(&other).join("objects/info"), Path::new("/tmp").to_owned()] {
        let opened = Snapshot::open(&root.repositories, &blog, &object, Some(&quarantine)).await;
        assert!(matches!(opened, Err(TreeError::Quarantine(_))), "{opened:?}");
    }
}
