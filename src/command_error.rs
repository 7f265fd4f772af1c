//! The one error that reaches a person: what failed, what to do next, and with which exit status.

use std::error::Error;
use std::fmt;

use crate::docker::error::EngineError;
use crate::git::error::GitError;
use crate::git::tree::TreeError;
use crate::model::app_name::AppName;
use crate::store::StoreError;

/// Exit status for an app that does not exist, as Dokku has it.
pub const NO_SUCH_APP: u8 = 20;

/// A command's failure, as it is shown.
#[derive(Debug)]
pub struct CommandError {
    status: u8,
    message: String,
    hints: Vec<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a command returns: its exit status if it has one of its own, else 0.
pub type CommandResult = Result<u8, CommandError>;

impl CommandError {
    /// The person asked for something that cannot be done.
    pub fn user(message: impl fmt::Display) -> Self {
        Self { status: 1, message: message.to_string(), hints: Vec::new(), source: None }
    }

    /// There is no such app, or none that this person may know of.
    pub fn no_such_app(name: impl fmt::Display) -> Self {
        Self { status: NO_SUCH_APP, ..Self::user(format!("App {name} does not exist")) }
    }

    /// The app has never been deployed.
    pub fn not_deployed(name: &AppName) -> Self {
        Self::user(format!("App {name} has not been deployed"))
            .hint("Deploy it first: git push slipway main, or git:from-image")
    }

    /// Something of the host's failed; the chain of causes is shown and logged.
    pub fn internal(message: impl fmt::Display, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Self::user(message) }
    }

    /// Adds a line that says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The exit status for the client.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// The lines for the person: the message with its causes, then the hints.
    pub fn lines(&self) -> String {
        let mut lines = self.message.clone();
        let mut cause: Option<&dyn Error> = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            lines.push_str(&format!(": {error}"));
            cause = error.source();
        }
        for hint in &self.hints {
            lines.push('\n');
            lines.push_str(hint);
        }
        lines
    }

    /// Whether the host, not the person, is to blame.
    pub fn is_internal(&self) -> bool {
        self.source.is_some()
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines())
    }
}

impl Error for CommandError {}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(name) => Self::user(format!("{name} is already taken")),
            other => Self::internal("The database cannot be used", other)
                .hint("Look at the free space of the disk and at the server's log"),
        }
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        let hint = match error {
            EngineError::Unreachable(_) => Some("Start the engine on the host: systemctl start docker"),
            // An engine has room for about thirty networks unless it was told otherwise.
            EngineError::Refused { ref message, .. } if message.contains("address pool") => Some(
                "Destroy networks that nobody uses, or give the engine more: default-address-pools in /etc/docker/daemon.json",
            ),
            EngineError::Broken(_) => Some("See whether the engine still runs: systemctl status docker"),
            _ => None,
        };
        let shown = Self::internal("The Docker engine cannot do it", error);
        match hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    }
}

impl From<GitError> for CommandError {
    fn from(error: GitError) -> Self {
        Self::internal("The repository cannot be used", error)
    }
}

impl From<TreeError> for CommandError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Git(error) => error.into(),
            other => Self::user(other),
        }
    }
}
