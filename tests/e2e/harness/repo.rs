//! A person's git repository.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::person::Person;
use crate::harness::process::{Output, Running, run};
use crate::harness::server::Server;

/// A repository with a work tree and the branch `main`. Nothing of the real person's git settings is used.
#[derive(Debug)]
pub struct Repo {
    directory: TempDir,
}

impl Repo {
    /// An empty repository.
    pub fn new() -> Self {
        let repo = Self { directory: tempfile::tempdir().unwrap() };
        repo.git(&["init", "-q", "-b", "main"]).success();
        repo
    }

    /// The work tree.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of the work tree, its directories included.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
    }

    /// Writes a file that can be executed.
    pub fn write_executable(&self, path: &str, contents: impl AsRef<[u8]>) {
        self.write(path, contents);
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Commits everything that is in the work tree, and returns the commit's hash.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]).success();
        self.git(&["commit", "-q", "--allow-empty", "-m", message]).success();
        self.git(&["rev-parse", "HEAD"]).success().stdout.trim().to_owned()
    }

    /// Runs git in the work tree.
    pub fn git(&self, arguments: &[&str]) -> Output {
        run(self.command().args(arguments))
    }

    /// Pushes `main` to an app.
    pub fn push(&self, server: &Server, person: &Person, app: &str) -> Output {
        self.push_with(server, person, app, &["main"])
    }

    /// Pushes with these arguments behind the URL: references, or options such as `--force`.
    pub fn push_with(&self, server: &Server, person: &Person, app: &str, arguments: &[&str]) -> Output {
        run(self.push_command(server, person, app).args(arguments))
    }

    /// Begins to push `main`, and lets the test watch.
    pub fn start_push(&self, server: &Server, person: &Person, app: &str) -> Running {
        Running::start(self.push_command(server, person, app).arg("main"))
    }

    /// Runs git as this person, so that it may fetch from and push to a server's URLs.
    pub fn git_as(&self, person: &Person, arguments: &[&str]) -> Output {
        run(self.command_as(person).args(arguments))
    }

    /// git as this person, to which arguments and variables can still be added.
    pub fn command_as(&self, person: &Person) -> Command {
        let mut command = self.command();
        command.env("GIT_SSH_COMMAND", person.git_ssh_command());
        command
    }

    /// What an app's repository shows to a person: hashes and references.
    pub fn ls_remote(&self, server: &Server, person: &Person, app: &str) -> String {
        self.git_as(person, &["ls-remote", &server.git_url(app)]).success().stdout
    }

    fn push_command(&self, server: &Server, person: &Person, app: &str) -> Command {
        let mut command = self.command_as(person);
        command.args(["push", &server.git_url(app)]);
        command
    }

    /// git in the work tree, with nothing of the real person's settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.current_dir(self.path()).env("LC_ALL", "C").env("HOME", self.path());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_TERMINAL_PROMPT", "0").env_remove("SSH_AUTH_SOCK");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Test");
            command.env(format!("GIT_{role}_EMAIL"), "test@example.com");
        }
        // Set where the tests run from a git hook; they would lead git to another repository.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        command
    }
}
