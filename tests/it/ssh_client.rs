//! An SSH server in this process, and the real OpenSSH client against it, cut off from this machine's own files.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use slipway::console::door::Door;
use slipway::settings::Settings;
use slipway::ssh::listener::Listener;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::face_commands::{Events, PATIENCE, TestCommands};

/// A running server with one key that is let in: `person`.
pub struct TestServer {
    pub home: TempDir,
    pub commands: TestCommands,
    pub events: Events,
    pub port: u16,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<()>,
    pub key: TestKey,
}

/// A key pair on disk.
#[derive(Clone, Debug)]
pub struct TestKey {
    pub path: PathBuf,
    pub fingerprint: String,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (commands, events) = TestCommands::new();
        let mut settings = Settings { root: home.path().join("root"), ..Settings::default() };
        change(&mut settings);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = Listener::adopt(&settings, socket, Door::default()).unwrap();
        let port = listener.local_addr().port();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(listener.run(commands.clone(), shutdown.clone(), Duration::from_secs(5)));
        let key = make_key(home.path(), "id", &["-t", "ed25519"]).await;
        commands.add_key(&key.fingerprint, "person");
        Self { home, commands, events, port, shutdown, served, key }
    }

    /// The client with its options, ready for more of them.
    pub fn ssh(&self) -> Command {
        self.ssh_with(&self.key)
    }

    pub fn ssh_with(&self, key: &TestKey) -> Command {
        self.ssh_at("ERROR", key)
    }

    /// The client with this much to say: with `INFO`, also about the unknown server.
    pub fn ssh_at(&self, log_level: &str, key: &TestKey) -> Command {
        let mut command = self.ssh_without_key();
        command.arg("-o").arg(format!("LogLevel={log_level}"));
        command.arg("-i").arg(&key.path);
        command
    }

    fn ssh_without_key(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            .args(["-F", "/dev/null", "-o", "BatchMode=yes"])
            .args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"])
            .args(["-o", "StrictHostKeyChecking=accept-new", "-o", "GlobalKnownHostsFile=/dev/null"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.home.path().join("known_hosts").display()))
            .args(["-o", "HostName=127.0.0.1", "-p", &self.port.to_string()])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs one remote command to its end.
    pub async fn run(&self, words: &[&str]) -> Output {
        finish(self.ssh().arg("slipway").args(words).spawn().unwrap()).await
    }

    /// Runs one remote command with this input.
    pub async fn run_with_input(&self, words: &[&str], input: &[u8]) -> Output {
        let child = self.ssh().arg("slipway").args(words).stdin(Stdio::piped()).spawn().unwrap();
        finish_with_input(child, input).await
    }
}

/// Waits for a client, with a bound.
pub async fn finish(child: Child) -> Output {
    timeout(PATIENCE, child.wait_with_output()).await.expect("a client that ends").unwrap()
}

/// Feeds a client and waits for it.
pub async fn finish_with_input(mut child: Child, input: &[u8]) -> Output {
    let mut stdin = child.stdin.take().unwrap();
    let feeding = async move {
        // A command may end without reading everything.
        stdin.write_all(input).await.ok();
    };
    let (output, ()) = tokio::join!(finish(child), feeding);
    output
}

/// Makes a key pair with the real `ssh-keygen`.
pub async fn make_key(directory: &Path, name: &str, kind: &[&str]) -> TestKey {
    let path = directory.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", "", "-f"])
        .arg(&path)
        .args(kind)
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let listed = Command::new("ssh-keygen").arg("-lf").arg(&path).output().await.unwrap();
    let fingerprint = text(&listed.stdout).split(' ').nth(1).unwrap().to_owned();
    TestKey { path, fingerprint }
}

/// Bytes as text, for comparing and for messages.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Status, standard output and standard error together.
pub fn seen(output: &Output) -> (i32, String, String) {
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
