//! The program's own command line: it serves, it tests a buildpack, or it is a client of the server on the same host.
//!
//! A client has no commands of its own: it sends its words to the server as they are.

pub mod client;
pub mod environment;
pub mod output;
pub mod signals;
pub mod terminal;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::client::{ClientError, Request, run};
use crate::cli::environment::{SOCKET, TOKEN, client_environment, hook_environment};
use crate::settings::Settings;

/// The name under which git calls this program, and the command that the server runs for it.
const HOOK: &str = "pre-receive";
/// A command that needs no server.
const TEST: &str = "buildpacks:test";
/// What hooks of plugins send messages with; needs none either.
const WEBHOOK: &str = "webhook";

/// The server's own word for the first process within walls: see `process::confinement`.
const CONFINED: &str = "confined";

/// What a running server says to the one that it starts in its place.
const TAKE_OVER: &str = "--take-over";

/// What this program can be beside a client.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// Runs the server; if so it is said, it takes another one's place.
    pub serve: fn(bool) -> ExitCode,
    /// Tests a buildpack, with the words behind the command.
    pub test: fn(Vec<OsString>) -> ExitCode,
    /// Sends a message to a URL, with the words behind the command.
    pub webhook: fn(Vec<OsString>) -> ExitCode,
    /// Runs a program within walls, as the words behind the command say.
    pub confined: fn(Vec<OsString>) -> ExitCode,
}

/// What this program was called to do.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    Serve { takes_over: bool },
    Test(Vec<OsString>),
    Webhook(Vec<OsString>),
    Confined(Vec<OsString>),
    Hook,
    Client(Vec<String>),
}

/// Does what the command line says.
pub fn main(roles: Roles) -> ExitCode {
    let role = match role(env::args_os()) {
        Ok(role) => role,
        Err(word) => return fail(&format!("This argument is not valid UTF-8: {}", word.to_string_lossy())),
    };
    let request = match role {
        Role::Serve { takes_over } => return (roles.serve)(takes_over),
        Role::Test(words) => return (roles.test)(words),
        Role::Webhook(words) => return (roles.webhook)(words),
        Role::Confined(words) => return (roles.confined)(words),
        Role::Hook => Request {
            words: vec![HOOK.to_owned()],
            environment: hook_environment(env::vars_os()),
            // git's hooks never speak to a person's terminal, even if a push was started in one.
            terminal: false,
        },
        Role::Client(words) => {
            Request { words, environment: client_environment(env::vars_os()), terminal: true }
        }
    };
    match run(request, &socket()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(&message(&error)),
    }
}

fn role(mut arguments: impl Iterator<Item = OsString>) -> Result<Role, OsString> {
    let program = arguments.next().map(PathBuf::from).unwrap_or_default();
    if program.file_name().is_some_and(|name| name == HOOK) {
        return Ok(Role::Hook);
    }
    let arguments: Vec<OsString> = arguments.collect();
    if let [word, rest @ ..] = arguments.as_slice()
        && word == CONFINED
    {
        return Ok(Role::Confined(rest.to_vec()));
    }
    let words = arguments.into_iter().map(OsString::into_string).collect::<Result<Vec<_>, _>>()?;
    Ok(match words.as_slice() {
        [word] if word == "serve" => Role::Serve { takes_over: false },
        [word, option] if word == "serve" && option == TAKE_OVER => Role::Serve { takes_over: true },
        [word, rest @ ..] if word == WEBHOOK => Role::Webhook(rest.iter().map(OsString::from).collect()),
        [word, rest @ ..] if word == TEST => Role::Test(rest.iter().map(OsString::from).collect()),
        [word, ..] if word == HOOK => Role::Hook,
        _ => Role::Client(words),
    })
}

/// The socket of the server: that which a plugin was told, else that of this root. Only its place is needed, so that a mistake in `slipway.toml`, which
/// keeps a server from starting, does not keep clients from a server that runs.
fn socket() -> PathBuf {
    if let Some(socket) = env::var_os(SOCKET).filter(|_| env::var_os(TOKEN).is_some()) {
        return PathBuf::from(socket);
    }
    let mut settings = Settings::default();
    if let Some(root) = env::var_os("SLIPWAY_ROOT") {
        settings.root = PathBuf::from(root);
    }
    settings.socket()
}

fn message(error: &ClientError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}\n{}", hint(error)),
        None => format!("{error}\n{}", hint(error)),
    }
}

fn hint(error: &ClientError) -> &'static str {
    match error {
        ClientError::NotRunning { .. } => {
            "Start it with `systemctl start slipway`, or with `slipway serve` where systemd does not run."
        }
        ClientError::NotAllowed { .. } => "Run this as root, or use `ssh` with a key that was added.",
        ClientError::Lost => "Its log says more.",
        _ => "",
    }
}

fn fail(message: &str) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for line in message.lines().filter(|line| !line.is_empty()) {
        if writeln!(stderr, " !     {line}").is_err() {
            break;
        }
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_of(words: &[&str]) -> Role {
        role(words.iter().map(OsString::from)).unwrap()
    }

    #[test]
    fn the_name_and_the_first_word_decide() {
        assert_eq!(role_of(&["/usr/bin/slipway", "serve"]), Role::Serve { takes_over: false });
        assert_eq!(role_of(&["slipway", "serve", "--take-over"]), Role::Serve { takes_over: true });
        assert_eq!(role_of(&["/repos/blog.git/hooks/pre-receive"]), Role::Hook);
        assert_eq!(role_of(&["slipway", "pre-receive"]), Role::Hook);
        let words = ["slipway", "buildpacks:test", "one", "--offline"];
        assert_eq!(role_of(&words), Role::Test(vec!["one".into(), "--offline".into()]));
        assert_eq!(role_of(&["slipway"]), Role::Client(Vec::new()));
        let words = ["slipway", "config:set", "blog", "A=b c", "--"];
        assert_eq!(role_of(&words), Role::Client(words[1..].iter().map(ToString::to_string).collect()));
    }

    #[test]
    fn help_for_serve_is_the_servers_business() {
        assert_eq!(
            role_of(&["slipway", "serve", "--help"]),
            Role::Client(vec!["serve".into(), "--help".into()])
        );
    }
}
