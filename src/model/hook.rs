//! Hooks: the moments at which plugins are told of something, asked, or add something.
//!
//! What each one promises is in [`contract`]; what is told is an [`event::Event`].

pub mod contract;
pub mod event;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One such moment. A plugin's executable for it is `hooks/NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Hook {
    /// An app was created.
    PostCreate,
    /// An app has another name.
    PostAppRename,
    /// An app was made of another one.
    PostAppClone,
    /// An app is about to be destroyed.
    PreDelete,
    /// An app is gone.
    PostDelete,
    /// A push has come.
    ReceiveApp,
    /// A push has come with a branch that is not deployed.
    ReceiveBranch,
    /// Such a branch was moved or deleted.
    PostReceiveBranch,
    /// A source is about to be built.
    PreBuild,
    /// There is an image.
    PostBuild,
    /// A release is about to be recorded.
    PreRelease,
    /// A release is recorded, and about to run.
    PreDeploy,
    /// A new instance is healthy, and about to get requests.
    CheckDeploy,
    /// A release serves.
    PostDeploy,
    /// A deploy has failed.
    DeployFailed,
    /// An app is about to be started or restarted.
    PreStart,
    /// An app was stopped.
    PostStop,
    /// An app runs in other quantities.
    PostScale,
    /// Config vars were changed.
    PostConfigUpdate,
    /// Domains were changed.
    PostDomainsUpdate,
    /// Certificates were changed.
    PostCertsUpdate,
    /// The router has another table.
    RoutesPublished,
    /// An app's log goes elsewhere.
    PostDrainsUpdate,
    /// A scheduled task has ended.
    PostCron,
    /// Somebody wants to run a command.
    UserAuth,
    /// `doctor` looks at the host.
    HealthReport,
    /// A service was backed up, or was to be.
    PostBackup,
    /// A service was restored, or was to be.
    PostRestore,
    /// Once a day.
    Daily,
}

/// A text that names no hook.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a hook: docs/plugins.md lists them")]
pub struct UnknownHook(String);

impl Hook {
    /// How many there are.
    pub const COUNT: usize = contract::CONTRACTS.len();

    /// Its name, which is that of its executable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostCreate => "post-create",
            Self::PostAppRename => "post-app-rename",
            Self::PostAppClone => "post-app-clone",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::ReceiveApp => "receive-app",
            Self::ReceiveBranch => "receive-branch",
            Self::PostReceiveBranch => "post-receive-branch",
            Self::PreBuild => "pre-build",
            Self::PostBuild => "post-build",
            Self::PreRelease => "pre-release",
            Self::PreDeploy => "pre-deploy",
            Self::CheckDeploy => "check-deploy",
            Self::PostDeploy => "post-deploy",
            Self::DeployFailed => "deploy-failed",
            Self::PreStart => "pre-start",
            Self::PostStop => "post-stop",
            Self::PostScale => "post-scale",
            Self::PostConfigUpdate => "post-config-update",
            Self::PostDomainsUpdate => "post-domains-update",
            Self::PostCertsUpdate => "post-certs-update",
            Self::RoutesPublished => "routes-published",
            Self::PostDrainsUpdate => "post-drains-update",
            Self::PostCron => "post-cron",
            Self::UserAuth => "user-auth",
            Self::HealthReport => "health-report",
            Self::PostBackup => "post-backup",
            Self::PostRestore => "post-restore",
            Self::Daily => "daily",
        }
    }
}

impl FromStr for Hook {
    type Err = UnknownHook;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = contract::CONTRACTS.iter().map(|contract| contract.hook);
        all.find(|hook| hook.as_str() == text).ok_or_else(|| UnknownHook(text.to_owned()))
    }
}

impl TryFrom<String> for Hook {
    type Error = UnknownHook;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Hook> for String {
    fn from(hook: Hook) -> Self {
        hook.as_str().to_owned()
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
