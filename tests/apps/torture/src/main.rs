//! An app that gives exact answers which no real app gives, and misbehaves when told to.
//!
//! The first argument is the process type: `web` (the default), `worker` or `release`. Everything else is set by
//! the environment, so that `config:set` can change it:
//!
//! | variable | effect |
//! | --- | --- |
//! | `PORT` | where `web` listens; 5000 if unset |
//! | `TORTURE_BOOT_MS` | `web` waits that long before it listens |
//! | `TORTURE_NEVER_LISTEN` | `web` never listens |
//! | `TORTURE_LOOPBACK` | `web` listens on 127.0.0.1 only |
//! | `TORTURE_500_MS` | `web` answers 500 to everything for that long after it began to listen |
//! | `TORTURE_RAW_TCP` | `web` listens, and greets instead of speaking HTTP |
//! | `TORTURE_LIVE_MS` | `web` and `worker` exit with code 1 after that long |
//! | `TORTURE_IGNORE_TERM` | `web` and `worker` ignore SIGTERM |
//! | `TORTURE_EXIT` | `web` and `worker` print two lines and exit at once with that code |
//! | `TORTURE_LOCK` | `web` holds a lock on that file, and exits with code 9 if somebody else holds it |
//! | `TORTURE_FAIL_RELEASE` | `release` fails |
//! | `TORTURE_LINES_PER_SECOND` | `worker` prints so many numbered lines of 100 bytes each second |
//! | `TORTURE_LINES` | `worker` prints only so many of them, then says so and is silent |
//!
//! A switch is on when its variable is set to anything but the empty text.

mod chatter;
mod exchange;
mod request;
mod routes;
mod server;
mod terminate;
mod websocket;

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use crate::server::Server;

fn main() -> ExitCode {
    let mode = env::args().nth(1).unwrap_or_else(|| "web".to_owned());
    match mode.as_str() {
        "web" => exit_if_told().unwrap_or_else(|| {
            exit_when_told();
            web()
        }),
        "worker" => exit_if_told().unwrap_or_else(|| {
            exit_when_told();
            worker()
        }),
        "release" => release(),
        other => {
            eprintln!("torture: `{other}` is none of web, worker and release");
            ExitCode::from(2)
        }
    }
}

/// The exit code that `TORTURE_EXIT` wants, after the two lines that a log must show.
fn exit_if_told() -> Option<ExitCode> {
    let code = number("TORTURE_EXIT")?;
    println!("torture: this is the first line before the exit");
    eprintln!("torture: exiting with code {code}, as TORTURE_EXIT says");
    Some(ExitCode::from(u8::try_from(code).unwrap_or(255)))
}

fn web() -> ExitCode {
    install_termination(|| process::exit(0));
    let _lock = match env::var_os("TORTURE_LOCK").filter(|path| !path.is_empty()).map(lock).transpose() {
        Ok(lock) => lock,
        Err(error) => {
            eprintln!("torture: somebody else holds the lock: {error}");
            return ExitCode::from(9);
        }
    };
    thread::sleep(Duration::from_millis(number("TORTURE_BOOT_MS").unwrap_or(0)));
    if switched_on("TORTURE_NEVER_LISTEN") {
        println!("torture: not listening, as TORTURE_NEVER_LISTEN says");
        sleep_forever();
    }
    match listen_and_serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("torture: cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes a lock that ends with the process, and notes there that it was had once more.
fn lock(path: OsString) -> io::Result<File> {
    let mut file = File::options().append(true).create(true).open(path)?;
    file.try_lock()?;
    writeln!(file, "held by {}", env::var("DYNO").unwrap_or_default())?;
    Ok(file)
}

fn listen_and_serve() -> io::Result<()> {
    let port = u16::try_from(number("PORT").unwrap_or(5000)).unwrap_or(5000);
    let address = if switched_on("TORTURE_LOOPBACK") { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let listener = TcpListener::bind((address, port))?;
    println!("torture: listening on {}", listener.local_addr()?);
    if switched_on("TORTURE_RAW_TCP") {
        greet_for_ever(&listener);
    }
    let server = Server::new(Duration::from_millis(number("TORTURE_500_MS").unwrap_or(0)))?;
    let stopped = server.clone();
    let local_address = listener.local_addr()?;
    install_termination(move || stopped.stop(local_address));
    server.run(&listener);
    println!("torture: stopped after the last request");
    Ok(())
}

/// What a mail server would do; the connection is closed at once.
fn greet_for_ever(listener: &TcpListener) -> ! {
    loop {
        if let Ok((mut stream, _)) = listener.accept() {
            // The peer may have gone.
            stream.write_all(b"220 torture ESMTP\r\n").ok();
        }
    }
}

/// Lives only as long as `TORTURE_LIVE_MS` says.
fn exit_when_told() {
    if let Some(milliseconds) = number("TORTURE_LIVE_MS") {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(milliseconds));
            eprintln!("torture: exiting, as TORTURE_LIVE_MS says");
            process::exit(1);
        });
    }
}

fn worker() -> ExitCode {
    install_termination(|| process::exit(0));
    if let Some(each_second) = number("TORTURE_LINES_PER_SECOND") {
        chatter::print(each_second, number("TORTURE_LINES"));
        sleep_forever();
    }
    let mut ticks: u64 = 0;
    loop {
        ticks += 1;
        println!("tick {ticks}");
        thread::sleep(Duration::from_secs(1));
    }
}

fn release() -> ExitCode {
    println!("torture: release task runs");
    if switched_on("TORTURE_FAIL_RELEASE") {
        eprintln!("torture: release task fails, as TORTURE_FAIL_RELEASE says");
        return ExitCode::FAILURE;
    }
    println!("torture: release task is done");
    ExitCode::SUCCESS
}

fn install_termination(action: impl FnOnce() + Send + 'static) {
    if switched_on("TORTURE_IGNORE_TERM") {
        terminate::ignore();
    } else {
        terminate::on_sigterm(action);
    }
}

fn sleep_forever() -> ! {
    loop {
        thread::park();
    }
}

fn switched_on(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}
