//! A Docker engine of the test's own, which may be killed, stopped and started again.
//!
//! It lives in a network namespace of its own, with its own bridges and packet filters, and so does all that the
//! test starts from there on: the server, its clients, the apps. No other engine notices. That takes root.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::harness::engine;
use crate::harness::http::Connection;
use crate::harness::process::run;
use crate::harness::wait::wait_until;

/// Directories are called this, the test's process id, a dash and something random. Short, since a socket's path is.
const DIRECTORY_PREFIX: &str = "slipway-engine-";
/// The image that all apps of tests begin with.
const BASE_IMAGE: &str = "debian:bookworm-slim";

static USED: AtomicBool = AtomicBool::new(false);

/// Whether this test has an engine of its own.
pub fn is_used() -> bool {
    USED.load(Ordering::Relaxed)
}

/// The engine. Dropping it removes everything in it.
#[derive(Debug)]
pub struct PrivateEngine {
    directory: TempDir,
    process: Option<Child>,
    /// Of its own, as on a real host: it is not killed with the engine.
    containerd: Option<Child>,
}

impl PrivateEngine {
    /// Starts an engine that has the base image, and makes it this test's. Has to be the first thing in a test: it
    /// moves the test's thread to another network.
    pub fn start() -> Self {
        remove_abandoned();
        let main = engine_before_this_one();
        unshare(CloneFlags::CLONE_NEWNET).expect("a test with an engine of its own runs as root");
        run(Command::new("ip").args(["link", "set", "lo", "up"])).success();
        let prefix = format!("{DIRECTORY_PREFIX}{}-", process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        fs::write(directory.path().join("daemon.json"), "{}").unwrap();
        engine::use_socket(directory.path().join("docker.sock"));
        USED.store(true, Ordering::Relaxed);
        let mut engine = Self { directory, process: None, containerd: None };
        engine.start_containerd();
        engine.start_again();
        load_base_image(&main);
        engine
    }

    /// Starts it after [`PrivateEngine::stop`] or [`PrivateEngine::kill`], and waits until it answers.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the engine runs already");
        // One that was killed leaves its number, and would not start while another process has it.
        fs::remove_file(self.path("pid")).ok();
        let mut command = self.daemon("dockerd");
        command.arg("--host").arg(format!("unix://{}", engine::socket().display()));
        for (option, name) in [
            ("--containerd", "containerd.sock"),
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
            ("--config-file", "daemon.json"),
        ] {
            command.arg(option).arg(self.path(name));
        }
        self.process = Some(command.spawn().unwrap());
        wait_until("the private engine answers", Duration::from_secs(60), engine::is_up);
    }

    /// Stops it as a service manager does: it stops the containers too.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("the engine runs");
        kill(Pid::from_raw(i32::try_from(process.id()).unwrap()), Signal::SIGTERM).unwrap();
        wait_until("the private engine stops", Duration::from_secs(60), || {
            process.try_wait().unwrap().is_some()
        });
    }

    /// Kills it. The containers run on, with nobody who looks after them.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the engine runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn start_containerd(&mut self) {
        fs::write(
            self.path("containerd.toml"),
            "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n",
        )
        .unwrap();
        let mut command = self.daemon("containerd");
        for (option, name) in [
            ("--config", "containerd.toml"),
            ("--root", "containerd-root"),
            ("--state", "exec/containerd"),
            ("--address", "containerd.sock"),
        ] {
            command.arg(option).arg(self.path(name));
        }
        self.containerd = Some(command.spawn().unwrap());
        let socket = self.path("containerd.sock");
        wait_until("the private containerd listens", Duration::from_secs(60), || {
            UnixStream::connect(&socket).is_ok()
        });
    }

    /// A daemon that writes to the log and dies with the test, however that ends.
    fn daemon(&self, program: &str) -> Command {
        let log = fs::File::options().append(true).create(true).open(self.path("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("----- the engine's last lines, newest first -----\n{}\n-----", last.join("\n"));
        }
        for mut process in self.process.take().into_iter().chain(self.containerd.take()) {
            process.kill().ok();
            process.wait().ok();
        }
        sweep(self.directory.path());
    }
}

/// The engine that would be used without a private one; only its base image is.
fn engine_before_this_one() -> PathBuf {
    std::env::var_os("SLIPWAY_DOCKER").map_or_else(|| PathBuf::from("/var/run/docker.sock"), PathBuf::from)
}

fn load_base_image(from: &Path) {
    let image = Connection::open_unix(from)
        .and_then(|mut main| main.get("docker", &format!("/images/{BASE_IMAGE}/get")))
        .unwrap_or_else(|error| panic!("no Docker engine on {}: {error}; run tests/setup", from.display()));
    assert_eq!(image.status, 200, "{}", image.text());
    let loaded = engine::request_with("POST", "/images/load", ("application/x-tar", &image.body));
    assert_eq!(loaded.status, 200, "{}", loaded.text());
}

/// Cleans up after tests that were killed: their directories name a process that is gone.
fn remove_abandoned() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(process) = name.strip_prefix(DIRECTORY_PREFIX).and_then(|rest| rest.split('-').next())
        else {
            continue;
        };
        if !Path::new("/proc").join(process).exists() {
            sweep(&entry.path());
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Ends everything that runs out of an engine's directory, and unmounts what it mounted there. Tolerates what is
/// gone already: this is the clean-up, not the test.
fn sweep(directory: &Path) {
    let place = directory.to_str().unwrap();
    let inits = run(Command::new("find").arg(directory.join("exec")).args(["-name", "init.pid"])).stdout;
    let inits = inits.lines().filter_map(|file| fs::read_to_string(file).ok());
    let helpers = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let is_helper = String::from_utf8_lossy(&line).contains(&format!("{place}/"));
        is_helper.then(|| entry.file_name().to_string_lossy().into_owned())
    });
    for id in helpers.chain(inits).filter_map(|id| id.trim().parse().ok()).filter(|id| *id > 1) {
        kill(Pid::from_raw(id), Signal::SIGKILL).ok();
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let inside =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|path| path.starts_with(place));
    for path in inside.collect::<Vec<_>>().into_iter().rev() {
        run(Command::new("umount").args(["--lazy", path]));
    }
}
