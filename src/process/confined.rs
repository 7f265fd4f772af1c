//! The first process inside the walls: it arranges what is seen, starts the program as another user, and ends with it.
//!
//! It stays root and the first process of its namespace, so that what it started can neither signal it nor outlive it.

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid};

use crate::process::confinement::{INSIDE, Limits, Order, PLACE, View};

/// The status of a program that could not be started, as shells have it.
const CANNOT_START: u8 = 126;

/// Does what [`super::confinement::Builder::confine`] asked for: an order, a program and its arguments.
pub fn main(words: Vec<OsString>) -> ExitCode {
    match enter(&words) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            // Where nobody reads it there is nobody to tell.
            writeln!(io::stderr(), "{text}").ok();
            ExitCode::from(CANNOT_START)
        }
    }
}

fn enter(words: &[OsString]) -> Result<u8, Box<dyn Error>> {
    let [order, program, arguments @ ..] = words else { return Err("this is for the server only".into()) };
    let order: Order = serde_json::from_str(order.to_str().unwrap_or_default())?;
    let walls = &order.walls;
    if order.namespaces {
        arrange(&walls.views, &walls.hidden)
            .map_err(|error| format!("cannot arrange what is seen: {error}"))?;
    }
    prctl::set_no_new_privs()?;
    limit(walls.limits)?;
    let mut command = Command::new(program);
    let variables = env::vars_os().filter_map(|(name, value)| {
        let name = name.as_bytes().strip_prefix(INSIDE.as_bytes())?;
        Some((OsStr::from_bytes(name).to_owned(), value))
    });
    command.args(arguments).current_dir(&walls.directory).env_clear().envs(variables.collect::<Vec<_>>());
    if geteuid().is_root() && walls.user != 0 {
        // Without more groups: the standard library drops them with the user.
        command.uid(walls.user).gid(walls.user);
    }
    let child = command.spawn().map_err(|error| cannot_start(program, &error))?;
    let child = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        // The first process is the parent of all whose own is gone.
        match waitpid(Pid::from_raw(-1), None) {
            Ok(WaitStatus::Exited(ended, status)) if ended == child => {
                return Ok(u8::try_from(status & 0xff)?);
            }
            Ok(WaitStatus::Signaled(ended, signal, _)) if ended == child => {
                return Ok(128_u8.saturating_add(u8::try_from(signal as i32)?));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn cannot_start(program: &OsStr, error: &io::Error) -> String {
    let name = Path::new(program).strip_prefix(PLACE).unwrap_or(Path::new(program)).display().to_string();
    let why = match error.kind() {
        io::ErrorKind::NotFound => "it, or the program that its first line names, is not there".to_owned(),
        _ if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
            "it is no program: a script begins with #! and its interpreter's path".to_owned()
        }
        _ => error.to_string(),
    };
    format!("{name} cannot be started: {why}")
}

/// Shows what may be seen, and covers what may not.
fn arrange(views: &[View], hidden: &[std::path::PathBuf]) -> Result<(), Box<dyn Error>> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), PLACE, Some("tmpfs"), plain, Some("mode=755,size=1m"))?;
    for view in views {
        if view.from.is_dir() {
            fs::create_dir_all(&view.to)?;
        } else {
            if let Some(parent) = view.to.parent() {
                fs::create_dir_all(parent)?;
            }
            File::create(&view.to)?;
        }
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(&view.from), &view.to, None::<&str>, bind, None::<&str>)?;
        let access = if view.writable { MsFlags::empty() } else { MsFlags::MS_RDONLY };
        let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | plain | access;
        mount(None::<&str>, &view.to, None::<&str>, again, None::<&str>)?;
    }
    let sealed = plain | MsFlags::MS_RDONLY;
    for directory in hidden {
        mount(Some("tmpfs"), directory, Some("tmpfs"), sealed, Some("mode=000,size=4k"))?;
    }
    mount(None::<&str>, PLACE, None::<&str>, MsFlags::MS_REMOUNT | sealed, None::<&str>)?;
    Ok(())
}

fn limit(limits: Limits) -> nix::Result<()> {
    for (resource, most) in [
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_NOFILE, limits.files),
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, most, most)?;
    }
    Ok(())
}
