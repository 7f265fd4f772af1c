//! What a channel is to do, and doing it: from the client's text to an exit status.

use tracing::{Instrument, info_span};

use crate::console::Output;
use crate::face::Commands;
use crate::face::command_run::{CommandRun, OutputSink};
use crate::ssh::auth::ProvenKey;
use crate::ssh::channel::ChannelSink;

/// What a client gets for a request that is refused.
const REFUSED: u8 = 1;

/// What a channel is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Work {
    /// Run the command with this name and these arguments.
    Run(Vec<String>),
    /// Say why not.
    Refuse(String),
}

impl Work {
    /// Splits the client's text as a shell would, but expands nothing and runs no shell.
    pub fn from_command_line(text: &[u8]) -> Self {
        let Ok(text) = str::from_utf8(text) else {
            return Self::Refuse("The command is not valid UTF-8.".to_owned());
        };
        match shlex::split(text) {
            Some(words) => Self::Run(words),
            None => Self::Refuse(format!("The quotes in this command do not match: {text}")),
        }
    }

    /// `ssh HOST` without a command: the commands decide what a person sees.
    pub fn nothing_asked() -> Self {
        Self::Run(Vec::new())
    }

    /// Refuses what is no command.
    pub fn refused_subsystem(name: &str) -> Self {
        let instead = if name == "sftp" { " Use git to bring files here." } else { "" };
        Self::Refuse(format!("There is no {name} here.{instead}"))
    }

    /// Refuses because the server is about to stop.
    pub fn stopping() -> Self {
        Self::Refuse("The server is shutting down. Try again in a moment.".to_owned())
    }
}

/// One request of a client that has proven its key.
#[derive(Debug)]
pub struct Request {
    /// The key, if there is one: without it nothing is done.
    pub key: Option<ProvenKey>,
    /// What to do.
    pub work: Work,
}

impl Request {
    /// Does the work and closes the channel.
    pub async fn serve<C: Commands>(self, commands: C, run: CommandRun, mut sink: ChannelSink) {
        let status = match self.work {
            Work::Refuse(reason) => refuse(&mut sink, &reason).await,
            Work::Run(words) => {
                let name = words.first().cloned().unwrap_or_default();
                let span = info_span!("ssh_command", command = name);
                Self::run(self.key, words, commands, run, &mut sink).instrument(span).await
            }
        };
        sink.finish(status).await;
    }

    async fn run<C: Commands>(
        key: Option<ProvenKey>,
        words: Vec<String>,
        commands: C,
        run: CommandRun,
        sink: &mut ChannelSink,
    ) -> u8 {
        // Asked again for every command, so that a removed key is of no use on a connection that is still open.
        let caller = match key {
            Some(key) => commands.identify(&key.fingerprint).await,
            None => None,
        };
        match caller {
            Some(caller) => run.run(commands, caller, words, sink).await,
            None => refuse(sink, "This key was removed.").await,
        }
    }
}

async fn refuse(sink: &mut ChannelSink, reason: &str) -> u8 {
    let lines: String = reason.lines().map(|line| format!(" !     {line}\n")).collect();
    sink.send(Output::Stderr(lines.into())).await;
    REFUSED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_and_nothing_in_it_is_expanded() {
        let words = |text: &str| match Work::from_command_line(text.as_bytes()) {
            Work::Run(words) => words,
            Work::Refuse(reason) => panic!("{reason}"),
        };
        assert_eq!(words("git-receive-pack 'blog'"), ["git-receive-pack", "blog"]);
        assert_eq!(
            words("config:set blog b=\"hello world\" c='x\ny'"),
            ["config:set", "blog", "b=hello world", "c=x\ny"]
        );
        assert_eq!(
            words("run blog $(id) `id` $HOME *;id"),
            ["run", "blog", "$(id)", "`id`", "$HOME", "*;id"]
        );
        assert!(words("  ").is_empty());
    }

    #[test]
    fn a_text_that_cannot_be_split_is_refused() {
        assert!(
            matches!(Work::from_command_line(b"run 'blog"), Work::Refuse(reason) if reason.contains("quotes"))
        );
        assert!(
            matches!(Work::from_command_line(b"run \xff"), Work::Refuse(reason) if reason.contains("UTF-8"))
        );
    }
}
