//! The shortest way into a process: the pipe that is its standard input, past the engine, which would copy every byte
//! twice more on its way there.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::unistd::Pid;
use tokio::net::unix::pipe::{OpenOptions, Sender};

use crate::docker::attach::ProcessInput;
use crate::model::container_id::ContainerId;

/// What the pipe holds, in bytes: a megabyte is what the kernel allows anybody.
const SIZE: i32 = 1 << 20;

/// Has what is written to a process go straight into its pipe. Where that cannot be had (an engine that keeps processes
/// elsewhere, a server without the capability) it goes through the engine as before. Gives whether it can be had.
pub(super) fn shorten(input: &mut ProcessInput, pid: Pid, container: &ContainerId) -> bool {
    match open(pid, container) {
        Ok(pipe) => {
            input.go_through(pipe);
            true
        }
        Err(error) => {
            tracing::debug!(%container, %error, "input goes through the engine");
            false
        }
    }
}

fn open(pid: Pid, container: &ContainerId) -> io::Result<Sender> {
    let process = File::open(format!("/proc/{pid}"))?;
    // What is opened below stays that process's, also when its number is another's by now.
    let inside = PathBuf::from(format!("/proc/self/fd/{}", process.as_raw_fd()));
    if !fs::read_to_string(inside.join("cgroup"))?.contains(container.as_str()) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the process has ended"));
    }
    // Refuses what is not a pipe.
    let pipe = OpenOptions::new().open_sender(inside.join("fd/0"))?;
    // It is the shorter one without.
    nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(SIZE)).ok();
    Ok(pipe)
}
