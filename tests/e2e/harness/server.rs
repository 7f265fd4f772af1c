//! A running `slipway serve` with a root, ports and a log of its own.

use std::env;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tempfile::TempDir;

use crate::harness::engine;
use crate::harness::http::{self, Connection, Response};
use crate::harness::person::Person;
use crate::harness::private_engine;
use crate::harness::process::{Output, Running, run, run_with_input};
use crate::harness::wait::{wait_for, wait_until};

/// The global domain of every server: apps are below it.
pub const DOMAIN: &str = "test.localhost";
/// Directories of tests are called this, the test's process id, a dash and something random.
const DIRECTORY_PREFIX: &str = "slipway-e2e-";

/// A server. Dropping it kills it and removes everything it made in the engine.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    process: Option<Child>,
    addresses: Addresses,
    /// More of its environment.
    variables: Vec<(&'static str, PathBuf)>,
}

/// `listen.json`, as the server writes it once it listens.
#[derive(Clone, Debug, Deserialize)]
struct Addresses {
    ssh: SocketAddr,
    http: SocketAddr,
    https: Option<SocketAddr>,
    pid: u32,
}

impl Server {
    /// Starts a server with default settings and waits until it listens.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a server with this `slipway.toml`; addresses, domain and log are the harness's all the same.
    pub fn start_with(settings: &str) -> Self {
        let mut server = Self::prepare(settings);
        server.start_again();
        server
    }

    /// A server that is not started yet.
    pub fn prepare(settings: &str) -> Self {
        // What others left is in another engine than one that the test brought.
        let mut settings = settings.to_owned();
        if !private_engine::is_used() {
            remove_abandoned();
            // Nor is the shared engine's build cache this server's to trim: that takes minutes, and slows the others.
            let deploy = "[deploy]\nbuild-cache-bytes = 0\n";
            settings = match settings.contains("[deploy]\n") {
                true => settings.replace("[deploy]\n", deploy),
                false => settings + "\n" + deploy,
            };
        }
        let prefix = format!("{DIRECTORY_PREFIX}{}-", process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        fs::write(directory.path().join("root/slipway.toml"), settings).unwrap();
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = Addresses { ssh: any_port, http: any_port, https: None, pid: 0 };
        Self { directory, process: None, addresses, variables: Vec::new() }
    }

    /// Adds to its environment from its next start on.
    pub fn set_variables(&mut self, variables: Vec<(&'static str, PathBuf)>) {
        self.variables = variables;
    }

    /// Starts it after [`Server::stop`] or [`Server::kill`], with the same root on the same ports.
    pub fn start_again(&mut self) {
        self.begin_start();
        self.finish_start();
    }

    /// Starts it, and does not wait until it listens.
    pub fn begin_start(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        // What a killed server left behind would be taken for the new one's.
        fs::remove_file(self.root().join("listen.json")).ok();
        self.process = Some(self.serve_command().spawn().unwrap());
    }

    /// Starts it as systemd does that has opened a socket for it, and waits until it listens.
    pub fn start_with_socket(&mut self, name: &str, socket: &TcpListener) {
        assert!(self.process.is_none(), "the server runs already");
        fs::remove_file(self.root().join("listen.json")).ok();
        self.addresses.http = socket.local_addr().unwrap();
        let serve = self.serve_command();
        let mut command = Command::new("sh");
        // The socket comes as standard input; the first that systemd passes on is number 3.
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve";
        command.arg("-c").arg(script).arg(serve.get_program()).env_clear();
        command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("LISTEN_FDNAMES", name).stdin(OwnedFd::from(socket.try_clone().unwrap()));
        let log = File::options().append(true).create(true).open(self.log_file()).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        self.finish_start();
    }

    /// Waits until a server that was started listens.
    pub fn finish_start(&mut self) {
        let listen_file = self.root().join("listen.json");
        self.addresses = wait_for("the server listens", Duration::from_secs(30), || {
            let process = self.process.as_mut().unwrap();
            if let Some(status) = process.try_wait().unwrap() {
                panic!("the server ended with {status}");
            }
            serde_json::from_slice(&fs::read(&listen_file).ok()?).ok()
        });
    }

    /// Stops it as a service manager does, and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        self.begin_stop();
        self.finish_stop()
    }

    /// Tells it to stop, and does not wait.
    pub fn begin_stop(&mut self) {
        self.signal(Signal::SIGTERM);
    }

    /// Waits for the end of a server that was told to stop.
    pub fn finish_stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the server runs");
        if self.addresses.pid != process.id() {
            // Another one had taken its place; the first one ends with it.
            let pid = self.addresses.pid;
            wait_until("the server stops after SIGTERM", Duration::from_secs(100), || !is_alive(pid));
        }
        wait_for("the server stops after SIGTERM", Duration::from_secs(100), || process.try_wait().unwrap())
    }

    /// Replaces it by another one of the same program, in its place.
    pub fn upgrade(&mut self) -> Output {
        let output = self.command(&["upgrade"]);
        self.look_again();
        output
    }

    /// Reads where it listens, and who it is: an upgrade makes it another process.
    pub fn look_again(&mut self) {
        let listening = fs::read(self.root().join("listen.json")).unwrap();
        self.addresses = serde_json::from_slice(&listening).unwrap();
    }

    /// Waits for the end of the first server, which others have replaced.
    pub fn wait_for_first(&mut self, bound: Duration) -> ExitStatus {
        let process = self.process.as_mut().expect("the server was started");
        wait_for("the replaced server ends", bound, || process.try_wait().unwrap())
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        if self.addresses.pid != process.id() {
            kill(Pid::from_raw(i32::try_from(self.addresses.pid).unwrap()), Signal::SIGKILL).unwrap();
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops and starts it.
    pub fn restart(&mut self) {
        let status = self.stop();
        assert!(status.success(), "the server ended with {status} after SIGTERM");
        self.start_again();
    }

    /// Tells it to read its certificate anew.
    pub fn reload(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.addresses.pid
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        assert!(self.process.is_some(), "the server runs");
        // Asked anew, since an upgrade may be under way.
        let listening: Addresses =
            serde_json::from_slice(&fs::read(self.root().join("listen.json")).unwrap()).unwrap();
        kill(Pid::from_raw(i32::try_from(listening.pid).unwrap()), signal).unwrap();
    }

    /// Its `SLIPWAY_ROOT`.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// Where it serves SSH.
    pub fn ssh_address(&self) -> SocketAddr {
        self.addresses.ssh
    }

    /// Where it serves HTTP.
    pub fn http_address(&self) -> SocketAddr {
        self.addresses.http
    }

    /// Where it serves HTTPS, if it does.
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.addresses.https
    }

    /// The value of the label that everything it makes in the engine has.
    pub fn owner(&self) -> String {
        fs::read_to_string(self.root().join("owner")).unwrap().trim().to_owned()
    }

    /// What it logged up to now.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Tries to start one more server on the same root, and gives what came of it.
    pub fn start_second(&self) -> Output {
        run(self
            .slipway()
            .arg("serve")
            .env("SLIPWAY_SSH_LISTEN", "127.0.0.1:0")
            .env("SLIPWAY_HTTP_LISTEN", "127.0.0.1:0"))
    }

    /// Its database, to be read only.
    pub fn database(&self) -> rusqlite::Connection {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(self.root().join("slipway.db"), flags).unwrap()
    }

    /// Runs a command as the host's own administrator, over the Unix socket.
    pub fn command(&self, words: &[&str]) -> Output {
        self.command_with_input(words, b"")
    }

    /// The same, with bytes on its standard input.
    pub fn command_with_input(&self, words: &[&str], input: &[u8]) -> Output {
        run_with_input(self.slipway().args(words), input)
    }

    /// A command over the Unix socket, as a process that is still to be started.
    pub fn command_of(&self, words: &[&str]) -> Command {
        let mut command = self.slipway();
        command.args(words);
        command
    }

    /// Begins to run a command over the Unix socket, and lets the test watch.
    pub fn start_command(&self, words: &[&str]) -> Running {
        Running::start(self.slipway().args(words))
    }

    /// Runs a command line over SSH.
    pub fn ssh(&self, person: &Person, line: &str) -> Output {
        run(person.ssh(self).arg("--").arg(line))
    }

    /// The same, with bytes on its standard input.
    pub fn ssh_with_input(&self, person: &Person, line: &str, input: &[u8]) -> Output {
        run_with_input(person.ssh(self).arg("--").arg(line), input)
    }

    /// Begins to run a command line over SSH, and lets the test watch.
    pub fn start_ssh(&self, person: &Person, line: &str) -> Running {
        Running::start(person.ssh(self).arg("--").arg(line))
    }

    /// Adds a person's key with less than all rights: `["--role", "viewer"]`.
    pub fn add_key_with(&self, person: &Person, options: &[&str]) {
        let words = [&["ssh-keys:add", person.name()], options].concat();
        self.command_with_input(&words, person.public_key().as_bytes()).success();
    }

    /// Adds a person's key.
    pub fn add_key(&self, person: &Person) {
        let key = person.public_key();
        self.command_with_input(&["ssh-keys:add", person.name()], key.as_bytes()).success();
    }

    /// A server to which a new person's key was added.
    pub fn with_person(name: &str) -> (Self, Person) {
        let server = Self::start();
        let person = Person::new(name);
        server.add_key(&person);
        (server, person)
    }

    /// What git pushes an app to.
    pub fn git_url(&self, app: &str) -> String {
        format!("ssh://slipway@{}/{app}", self.ssh_address())
    }

    /// An app's default host name.
    pub fn host(&self, app: &str) -> String {
        format!("{app}.{DOMAIN}")
    }

    /// The URL that a person is shown for an app.
    pub fn url(&self, app: &str) -> String {
        format!("http://{}:{}", self.host(app), self.http_address().port())
    }

    /// Asks an app for a path, on a connection of its own.
    pub fn get(&self, app: &str, path: &str) -> Response {
        http::get(self.http_address(), &self.host(app), path).unwrap()
    }

    /// A connection to the router.
    pub fn connect(&self) -> Connection {
        Connection::open(self.http_address()).unwrap()
    }

    /// Waits until an app answers a path with 200.
    pub fn wait_until_reachable(&self, app: &str, path: &str) {
        wait_until(&format!("{app} answers {path}"), Duration::from_secs(30), || {
            http::get(self.http_address(), &self.host(app), path).is_ok_and(|response| response.status == 200)
        });
    }

    fn serve_command(&self) -> Command {
        let log = File::options().append(true).create(true).open(self.log_file()).unwrap();
        let mut command = self.slipway();
        command.arg("serve").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.env("SLIPWAY_SSH_LISTEN", self.addresses.ssh.to_string());
        command.env("SLIPWAY_HTTP_LISTEN", self.addresses.http.to_string());
        command.env("SLIPWAY_DOMAIN", DOMAIN).env("SLIPWAY_LOG", "debug,hyper=info,russh=info,bollard=info");
        if let Some(https) = self.addresses.https {
            command.env("SLIPWAY_HTTPS_LISTEN", https.to_string());
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    /// The binary with an environment in which nothing of the person's own settings is left.
    fn slipway(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command.env_clear().env("SLIPWAY_ROOT", self.root()).env("HOME", self.directory.path());
        command.env("SLIPWAY_DOCKER", engine::socket());
        for name in ["PATH", "RUST_BACKTRACE"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        command
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            if self.root().join("listen.json").exists() {
                self.look_again();
            }
            if self.addresses.pid != process.id() && self.addresses.pid != 0 {
                // It may have ended by itself.
                kill(Pid::from_raw(i32::try_from(self.addresses.pid).unwrap()), Signal::SIGKILL).ok();
            }
            // It may have crashed, which the log below tells.
            process.kill().ok();
            process.wait().ok();
        }
        if thread::panicking() {
            eprintln!("----- the server's log -----\n{}----- end of the server's log -----", self.log());
        }
        remove_containers_of(&self.root());
    }
}

fn remove_containers_of(root: &Path) {
    let owner = fs::read_to_string(root.join("owner")).unwrap_or_default();
    if !owner.trim().is_empty() {
        engine::remove_all_of(owner.trim());
    }
}

/// Cleans up after tests that were killed: their directories name a process that is gone.
fn remove_abandoned() {
    for entry in fs::read_dir(env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(process) = name.strip_prefix(DIRECTORY_PREFIX).and_then(|rest| rest.split('-').next())
        else {
            continue;
        };
        if !Path::new("/proc").join(process).exists() {
            remove_containers_of(&entry.path().join("root"));
            // Another test may be cleaning up the same one.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Whether a process runs; one that nobody has asked for its exit code yet does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
