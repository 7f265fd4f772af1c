//! Somebody with a key and an OpenSSH client of their own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::process::run;
use crate::harness::server::Server;

/// A person. Nothing of the real person's `~/.ssh` is used.
#[derive(Debug)]
pub struct Person {
    name: String,
    directory: TempDir,
}

impl Person {
    /// Somebody with a new ed25519 key.
    pub fn new(name: &str) -> Self {
        Self::with_key(name, &["-t", "ed25519"])
    }

    /// Somebody with a new key of another kind, as `ssh-keygen` takes it: `["-t", "rsa", "-b", "3072"]`.
    pub fn with_key(name: &str, kind: &[&str]) -> Self {
        let person = Self { name: name.to_owned(), directory: tempfile::tempdir().unwrap() };
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-N", "", "-C", name, "-f"]).arg(person.private_key()).args(kind);
        run(&mut keygen).success();
        person.write_ssh_config();
        person
    }

    /// The name that the key is added under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file with the private key; the public one stands beside it.
    pub fn private_key(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    /// The public key in OpenSSH's one-line form.
    pub fn public_key(&self) -> String {
        fs::read_to_string(self.directory.path().join("key.pub")).unwrap()
    }

    /// `ssh` with this person's key, to this server, before the words to run there.
    pub fn ssh(&self, server: &Server) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(self.ssh_config()).env_remove("SSH_AUTH_SOCK");
        command.args(["-p", &server.ssh_address().port().to_string(), "slipway@127.0.0.1"]);
        command
    }

    /// What git has to run in place of `ssh`.
    pub fn git_ssh_command(&self) -> String {
        format!("ssh -F '{}'", self.ssh_config().display())
    }

    fn ssh_config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    fn write_ssh_config(&self) {
        let directory = self.directory.path().display();
        let config = format!(
            "IdentityFile {directory}/key\n\
             IdentitiesOnly yes\n\
             IdentityAgent none\n\
             UserKnownHostsFile {directory}/known_hosts\n\
             GlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking accept-new\n\
             BatchMode yes\n\
             ConnectTimeout 20\n\
             LogLevel ERROR\n"
        );
        fs::write(self.ssh_config(), config).unwrap();
    }
}
