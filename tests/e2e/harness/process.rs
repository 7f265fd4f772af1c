//! Running programs with a bound, and what came of them.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::harness::server::Server;
use crate::harness::wait::wait_for;

/// Longer than anything that a test runs to its end should take.
const BOUND: Duration = Duration::from_secs(300);

/// What a program that has ended left behind.
#[derive(Debug)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// `stdout` before it was made text.
    pub stdout_bytes: Vec<u8>,
}

impl Output {
    /// Panics with everything it said unless it succeeded.
    #[track_caller]
    pub fn success(self) -> Self {
        self.exits_with(0)
    }

    /// Panics with everything it said unless it ended with this code.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}, but:\n{self}");
        self
    }

    /// All that a person would see, for snapshots; the app is called `blog`, and the server's HTTP port is left out.
    pub fn shown(&self, server: &Server, app: &str) -> String {
        let port = format!(":{}", server.http_address().port());
        let text = format!("{}{}[exit code {}]", self.stdout, self.stderr, self.code);
        text.replace(app, "blog").replace(&port, "")
    }

    /// `stdout` as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}):\n{self}"))
    }

    /// What the server said during a push, without git's `remote: ` before each line and its padding behind.
    pub fn remote_lines(&self) -> Vec<String> {
        let lines = self.stderr.split(['\n', '\r']).filter_map(|line| line.strip_prefix("remote: "));
        lines.map(|line| line.trim_end_matches("\u{1b}[K").trim_end().to_owned()).collect()
    }
}

impl fmt::Display for Output {
    /// All that a person would see, for snapshots and panics.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stdout, stderr, code, .. } = self;
        write!(f, "exit code: {code}\n----- stdout -----\n{stdout}\n----- stderr -----\n{stderr}\n")
    }
}

/// Runs a command to its end with nothing on its standard input.
pub fn run(command: &mut Command) -> Output {
    run_with_input(command, b"")
}

/// Runs a command to its end with these bytes on its standard input; kills it and panics after two minutes.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = spawn(command);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A command that does not read its input closes the pipe, which is its right.
    let writer = thread::spawn(move || stdin.write_all(&input).ok());
    let stdout = read_to_end(child.stdout.take().unwrap());
    let stderr = read_to_end(child.stderr.take().unwrap());
    let status = wait_with_bound(&mut child, command.get_program());
    writer.join().unwrap();
    let stdout_bytes = stdout.join().unwrap();
    Output {
        stdout: String::from_utf8_lossy(&stdout_bytes).into_owned(),
        stderr: String::from_utf8_lossy(&stderr.join().unwrap()).into_owned(),
        code: status.code().unwrap_or(-1),
        stdout_bytes,
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

fn read_to_end(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn wait_with_bound(child: &mut Child, program: &OsStr) -> ExitStatus {
    let deadline = Instant::now() + BOUND;
    wait_for(&format!("{program:?} ends"), BOUND + Duration::from_secs(10), || {
        if Instant::now() > deadline {
            // It may have ended just now; the next look tells.
            child.kill().ok();
        }
        child.try_wait().unwrap()
    })
}

/// A program that goes on while the test does something else: `logs -t`, a push that is to be cut off.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts a command; its two outputs are read as lines, in the order in which they come.
    pub fn start(command: &mut Command) -> Self {
        // A group of its own, as a terminal makes one: git has an ssh below it, and both get what the group gets.
        let mut child = spawn(command.process_group(0));
        let (sender, lines) = mpsc::channel();
        for pipe in [
            Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
            Box::new(child.stderr.take().unwrap()),
        ] {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    // Nobody listens any more once the test has what it wants.
                    sender.send(String::from_utf8_lossy(&line).into_owned()).ok();
                }
            });
        }
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that contains `text`, and returns it.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + BOUND;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with `{text}` came, only:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    /// Waits for its end, and returns the exit code.
    pub fn finish(mut self) -> i32 {
        self.close_stdin();
        wait_with_bound(&mut self.child, OsStr::new("the running program")).code().unwrap_or(-1)
    }

    /// Waits for its end, and returns the exit code with everything it said.
    pub fn finish_with_lines(mut self) -> (i32, String) {
        self.close_stdin();
        let code = wait_with_bound(&mut self.child, OsStr::new("the running program")).code().unwrap_or(-1);
        self.seen.extend(self.lines.iter());
        (code, self.seen.join("\n"))
    }

    /// Whether a line that contains `text` has come up to now.
    pub fn has_said(&mut self, text: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| line.contains(text))
    }

    /// How many lines that contain `text` have come up to now.
    pub fn times_said(&mut self, text: &str) -> usize {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().filter(|line| line.contains(text)).count()
    }

    /// Ends it and all that it started as Ctrl-C at a terminal does.
    pub fn interrupt(mut self) {
        self.signal_group(Signal::SIGINT);
        wait_with_bound(&mut self.child, OsStr::new("the interrupted program"));
    }

    /// Makes it do nothing any more, as if its network were cut, until it is killed.
    pub fn suspend(&self) {
        self.signal_group(Signal::SIGSTOP);
    }

    /// Waits for its end; panics with everything that it said unless it succeeded.
    #[track_caller]
    pub fn success(mut self) {
        self.close_stdin();
        let status = wait_with_bound(&mut self.child, OsStr::new("the running program"));
        self.seen.extend(self.lines.iter());
        assert!(status.success(), "it ended with {status}:\n{}", self.seen.join("\n"));
    }

    /// Makes it vanish with all that it started, as a client does whose machine lost power.
    pub fn kill(mut self) {
        self.signal_group(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    fn signal_group(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        // It may have ended by itself, and nothing is left in its group.
        killpg(group, signal).ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended by itself; a group whose leader was waited for is not signalled, its id may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal_group(Signal::SIGKILL);
        }
        self.child.wait().ok();
    }
}

/// How many processes of this host, those in containers included, have `text` in their command line.
pub fn count_processes_with(text: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let command_lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    command_lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}
