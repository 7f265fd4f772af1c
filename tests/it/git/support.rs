//! A root for a server, a person's working copy, and the real git.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use slipway::git::commit::ObjectId;
use slipway::git::repositories::Repositories;
use slipway::git::tree::Snapshot;
use slipway::model::app_name::AppName;
use tempfile::TempDir;

/// A server's root with its repositories, gone when dropped.
pub struct Root {
    pub directory: TempDir,
    pub repositories: Repositories,
}

impl Root {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let repositories = Repositories::new(directory.path());
        repositories.prepare(Path::new("/bin/true")).await.unwrap();
        Self { directory, repositories }
    }

    /// Makes a repository and returns its app's name.
    pub async fn app(&self, name: &str) -> AppName {
        let app = app(name);
        self.repositories.create(&app).await.unwrap();
        app
    }

    /// Makes a program the pre-receive hook: a script of the test's.
    pub async fn hook(&self, script: &str) {
        let program = self.directory.path().join("hook");
        write(&program, format!("#!/bin/sh\n{script}\n"), 0o755);
        self.repositories.prepare(&program).await.unwrap();
    }

    /// The snapshot of what a branch of an app points to.
    pub async fn snapshot(&self, app: &AppName, branch: &str) -> Snapshot {
        let commit = self.repositories.resolve(app, branch).await.unwrap().unwrap();
        let object: ObjectId = commit.as_str().parse().unwrap();
        Snapshot::open(&self.repositories, app, &object, None).await.unwrap()
    }

    /// Runs git in an app's bare repository and returns what it prints.
    pub fn bare(&self, app: &AppName, arguments: &[&str]) -> String {
        run(&self.repositories.path(app), arguments)
    }
}

pub fn app(name: &str) -> AppName {
    name.parse().unwrap()
}

/// A person's repository.
pub struct Work {
    pub directory: TempDir,
}

impl Work {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        run(directory.path(), &["init", "--quiet", "--initial-branch=main"]);
        Self { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        write(&self.path().join(path), content, 0o644);
    }

    /// Commits everything and returns the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        run(self.path(), arguments)
    }

    /// Runs git, whatever comes of it.
    pub fn try_git(&self, arguments: &[&str]) -> Output {
        output(self.path(), arguments)
    }

    /// Puts a branch into an app's repository without any service, as a fixture.
    pub fn put(&self, root: &Root, app: &AppName, refspec: &str) {
        let target = root.repositories.path(app);
        run(self.path(), &["push", "--quiet", "--force", target.to_str().unwrap(), refspec]);
    }
}

pub fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs git as a person whose settings are their own and always the same.
pub fn output(directory: &Path, arguments: &[impl AsRef<OsStr>]) -> Output {
    command(directory).args(arguments).output().unwrap()
}

/// Runs git and returns the packets that it exchanged.
pub fn traced(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory).env("GIT_TRACE_PACKET", "1").args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]);
    command
}

/// Runs git, which has to succeed, and returns what it prints.
pub fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = output(directory, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names of all files below a directory, sorted.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(directory).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Bytes that do not compress.
pub fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::fill(bytes.as_mut_slice());
    bytes
}
