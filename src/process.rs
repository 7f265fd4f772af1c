//! The only spawner of processes.
//!
//! A process gets an explicit directory, an environment that holds nothing of the server's own, and a process
//! group that dies with its handle. Arguments are a vector and no shell stands in between: every command
//! injection in this field came from shell glue. What is run, and why, is the caller's to know.

pub mod confined;
pub mod confinement;
pub mod successor;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// Where programs are looked for: the usual places of a Debian host, whatever the server was started with.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program about to be started.
#[derive(Clone, Debug)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
    directory: PathBuf,
    environment: BTreeMap<OsString, OsString>,
}

/// A running process and its process group, which is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    /// The process's standard input; drop it to end the input.
    pub stdin: Option<ChildStdin>,
    /// What the process writes to its standard output.
    pub stdout: Option<ChildStdout>,
    /// What the process writes to its standard error.
    pub stderr: Option<ChildStderr>,
    // Before the child, so that it is dead when tokio looks whether it has to be reaped.
    group: Group,
    child: Child,
}

/// Bounds on [`Program::run`].
#[derive(Clone, Copy, Debug)]
pub struct RunLimits {
    /// How long the process may take before its group is killed.
    pub time: Duration,
    /// How many bytes of each stream are kept: the first of stdout, the last of stderr.
    pub output_bytes: usize,
}

/// What a process that ran to its end left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// The first bytes of its standard output.
    pub stdout: Vec<u8>,
    /// Whether more than was kept came out of standard output.
    pub stdout_truncated: bool,
    /// The last bytes of its standard error: a failure's reason stands at the end.
    pub stderr: Vec<u8>,
}

/// Why a process did not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program or its directory is missing, or the host is out of processes.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Its streams or its end could not be read.
    #[error("lost {program}")]
    Lost {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("{program} did not finish within {} seconds", limit.as_secs())]
    TimedOut {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
    },
}

impl Program {
    /// A program by its name, to be run in a directory, which is also its `HOME` unless set otherwise.
    pub fn new(name: impl Into<OsString>, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let environment = BTreeMap::from([
            (OsString::from("PATH"), OsString::from(PATH)),
            (OsString::from("HOME"), directory.clone().into_os_string()),
            (OsString::from("LANG"), OsString::from("C.UTF-8")),
        ]);
        Self { name: name.into(), arguments: Vec::new(), directory, environment }
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Starts the program with all three streams as pipes.
    ///
    /// Has to be called within a tokio runtime.
    pub fn start(&self) -> Result<Process, ProcessError> {
        let mut command = Command::new(&self.name);
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child =
            command.spawn().map_err(|source| ProcessError::Start { program: self.shown(), source })?;
        let group = Group::of(&child, self.shown());
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Process { stdin, stdout, stderr, group, child })
    }

    /// Runs the program to its end: gives it `input`, keeps what it writes within the limits.
    ///
    /// Output beyond the limit is read and dropped, so a talkative process neither blocks nor fills the memory.
    pub async fn run(&self, input: Bytes, limits: RunLimits) -> Result<Finished, ProcessError> {
        let mut process = self.start()?;
        match tokio::time::timeout(limits.time, process.finish(input, limits.output_bytes)).await {
            Ok(finished) => finished,
            Err(_) => Err(ProcessError::TimedOut { program: self.shown(), limit: limits.time }),
        }
    }

    fn shown(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }
}

impl Process {
    /// Waits until the process has ended, then kills what is left of its group.
    ///
    /// Cancelling this wait loses nothing: it may be called again.
    pub async fn wait(&mut self) -> Result<ExitStatus, ProcessError> {
        let status = self.child.wait().await.map_err(|source| self.group.lost(source))?;
        self.group.kill();
        Ok(status)
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.group.signal(signal)
    }

    async fn finish(&mut self, input: Bytes, limit: usize) -> Result<Finished, ProcessError> {
        let (stdin, stdout, stderr) = (self.stdin.take(), self.stdout.take(), self.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A process that does not want all of its input is not at fault: its status tells.
                stdin.write_all(&input).await.ok();
            }
        };
        // The group is killed as soon as its leader has ended: what a leftover process keeps open would
        // otherwise hold up the reading below.
        let ((), head, tail, status) =
            tokio::join!(feed, read_head(stdout, limit), read_tail(stderr, limit), self.wait());
        let (stdout, stdout_truncated) = head.map_err(|source| self.group.lost(source))?;
        let stderr = tail.map_err(|source| self.group.lost(source))?;
        let status = status?;
        Ok(Finished { status, stdout, stdout_truncated, stderr })
    }
}

impl Finished {
    /// What the process said last, for a message to a person.
    pub fn last_words(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// A process group, killed once: at the leader's end, or when the handle is dropped.
#[derive(Debug)]
struct Group {
    program: String,
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &Child, program: String) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Self { program, leader }
    }

    /// Kills every process of the group. The number is forgotten then, since the kernel may give it away again.
    fn kill(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        match killpg(leader, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(program = self.program, %error, "cannot kill a process group"),
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.leader {
            Some(leader) => Ok(killpg(leader, signal)?),
            None => Err(io::Error::from(Errno::ESRCH)),
        }
    }

    fn lost(&self, source: io::Error) -> ProcessError {
        ProcessError::Lost { program: self.program.clone(), source }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn read_head<R: AsyncRead + Unpin>(stream: Option<R>, limit: usize) -> io::Result<(Vec<u8>, bool)> {
    let Some(mut stream) = stream else { return Ok((Vec::new(), false)) };
    let mut head = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX);
    (&mut stream).take(bound).read_to_end(&mut head).await?;
    let dropped = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok((head, dropped > 0))
}

async fn read_tail<R: AsyncRead + Unpin>(stream: Option<R>, limit: usize) -> io::Result<Vec<u8>> {
    let Some(mut stream) = stream else { return Ok(Vec::new()) };
    let mut tail = Vec::new();
    while stream.read_buf(&mut tail).await? > 0 {
        // Cut only now and then: at every read it would move the same bytes again and again.
        if tail.len() > limit.saturating_mul(2) {
            tail.drain(..tail.len() - limit);
        }
    }
    tail.drain(..tail.len().saturating_sub(limit));
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LIMITS: RunLimits = RunLimits { time: Duration::from_secs(20), output_bytes: 1000 };

    fn sh(script: &str) -> Program {
        Program::new("sh", "/").argument("-c").argument(script)
    }

    async fn is_gone(pid: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            // A zombie that init has not reaped yet is as gone as it gets.
            match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
                Err(_) => return true,
                Ok(stat) if stat.contains(") Z ") => return true,
                Ok(_) => tokio::task::yield_now().await,
            }
        }
        false
    }

    #[tokio::test]
    async fn arguments_arrive_as_they_are_and_the_environment_is_clean() {
        let program = Program::new("printenv", "/tmp").variable("A", "x y");
        let finished = program.run(Bytes::new(), LIMITS).await.unwrap();
        let text = String::from_utf8(finished.stdout).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["A=x y", "HOME=/tmp", "LANG=C.UTF-8", &format!("PATH={PATH}")]);

        let program = Program::new("printf", "/").arguments(["%s|", "$HOME; echo", "a b", "`id`"]);
        let finished = program.run(Bytes::new(), LIMITS).await.unwrap();
        assert_eq!(finished.stdout, b"$HOME; echo|a b|`id`|");
    }

    #[tokio::test]
    async fn output_is_bounded_and_input_is_given() {
        let finished = sh("cat; yes err | head -c 300000 >&2; printf END >&2; exit 3")
            .run(Bytes::from(vec![b'x'; 200_000]), LIMITS)
            .await
            .unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(finished.stdout, vec![b'x'; 1000]);
        assert!(finished.stdout_truncated);
        assert_eq!(finished.stderr.len(), 1000);
        assert!(finished.last_words().ends_with("END"));
    }

    #[tokio::test]
    async fn a_limit_in_time_kills_the_whole_group() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sleep 100 & echo $! > {}; wait", file.display());
        let limits = RunLimits { time: Duration::from_millis(300), output_bytes: 10 };
        let error = sh(&script).run(Bytes::new(), limits).await.unwrap_err();
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
        assert!(is_gone(&std::fs::read_to_string(file).unwrap()).await);
    }

    #[tokio::test]
    async fn a_dropped_handle_kills_grandchildren() {
        let mut process = sh("sleep 100 & echo $!; wait").start().unwrap();
        let mut pid = vec![0; 32];
        let length = process.stdout.as_mut().unwrap().read(&mut pid).await.unwrap();
        drop(process);
        assert!(is_gone(std::str::from_utf8(&pid[..length]).unwrap()).await);
    }

    #[tokio::test]
    async fn what_outlives_its_leader_is_killed_too() {
        // The background process holds no pipe, so only the group can find it.
        let mut process = sh("sleep 100 </dev/null >/dev/null 2>&1 & echo $!").start().unwrap();
        let mut pid = String::new();
        process.stdout.as_mut().unwrap().read_to_string(&mut pid).await.unwrap();
        assert!(process.wait().await.unwrap().success());
        assert!(is_gone(&pid).await);
    }

    #[tokio::test]
    async fn a_leftover_that_holds_the_pipe_does_not_hold_up_the_run() {
        let started = Instant::now();
        let finished = sh("sleep 100 & echo done").run(Bytes::new(), LIMITS).await.unwrap();
        assert_eq!(finished.stdout, b"done\n");
        assert!(started.elapsed() < LIMITS.time);
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Program::new("no-such-program", "/").start().unwrap_err();
        assert_eq!(error.to_string(), "cannot start no-such-program");
    }
}
