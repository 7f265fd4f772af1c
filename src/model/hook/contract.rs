//! What each hook promises, and what it expects. `docs/plugins.md` is made from this.

use std::time::Duration;

use crate::model::hook::Hook;

/// What a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is told. Several run side by side; one that fails is told of, and nothing else changes.
    Watches,
    /// It is asked. They run one after the other; one that fails stops what was about to happen.
    Vetoes,
    /// It is offered something, one after the other, until one takes it by ending with 0; with [`NOT_MINE`] it does not,
    /// and with anything else it says no.
    Takes,
    /// It says on standard output what is to be added. It may stop what was about to happen as well.
    Adds(Addition),
}

/// How a hook that [takes](Kind::Takes) ends where it has no interest: Dokku's code for what is not implemented.
pub const NOT_MINE: i32 = 10;

/// What can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition {
    /// Arguments of the build.
    BuildArguments,
    /// What a release consists of: config vars, options of its containers, routes.
    ReleaseParts,
    /// Lines of `doctor`.
    Findings,
}

/// What one hook promises.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// Which hook.
    pub hook: Hook,
    /// When it is run.
    pub when: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// How long it may take, in seconds, if the plugin says nothing; it may not say more than ten times that.
    pub seconds: u64,
    /// The arguments; one that ends with `…` stands for any number.
    pub arguments: &'static [&'static str],
    /// The fields of the JSON on standard input beside `hook`, and what they are.
    pub fields: &'static [(&'static str, &'static str)],
}

impl Contract {
    /// How long it may take if the plugin says nothing.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The longest time that a plugin may ask for.
    pub fn longest(&self) -> Duration {
        self.time().saturating_mul(10)
    }
}

/// What a hook promises.
pub fn contract(hook: Hook) -> &'static Contract {
    let found = CONTRACTS.iter().find(|contract| contract.hook == hook);
    // Every hook is in the table, as a test says.
    found.unwrap_or(FIRST)
}

const APP: (&str, &str) = ("app", "the app's name");
const APP_OR_ALL: (&str, &str) = ("app", "the app's name; null for what holds for all apps");
const BY: (&str, &str) = ("by", "the name of who asked for it; `root` on the host");
const IMAGE: (&str, &str) = ("image", "the image's id");
const DESCRIPTION: (&str, &str) = ("description", "what the release is called in `releases:list`");
const RELEASE: (&str, &str) = ("release", "its number: `v3`");
const ENGINE: (&str, &str) = ("engine", "the service's plugin: `postgres`");
const SERVICE: (&str, &str) = ("service", "the service's name");
const SUCCEEDED: (&str, &str) = ("succeeded", "true or false");
const OUTCOME: (&str, &str) = ("outcome", "how it ended, in words");

const FIRST: &Contract = &Contract {
    hook: Hook::PostCreate,
    when: "an app was created, by `apps:create` or by its first push",
    kind: Kind::Watches,
    seconds: 30,
    arguments: &["APP"],
    fields: &[APP, BY],
};

/// All of them, in the order in which they come in an app's life.
pub static CONTRACTS: &[Contract] = &[
    *FIRST,
    Contract {
        hook: Hook::PostAppRename,
        when: "an app has another name",
        arguments: &["OLD", "APP"],
        fields: &[APP, ("old", "the name that it had"), BY],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostAppClone,
        when: "an app was made of another one, and is not deployed yet; `post-create` came before",
        arguments: &["OLD", "APP"],
        fields: &[APP, ("old", "the app that it was made of"), BY],
        ..*FIRST
    },
    Contract {
        hook: Hook::PreDelete,
        when: "an app is about to be destroyed, and nothing of it is gone yet",
        kind: Kind::Vetoes,
        ..*FIRST
    },
    Contract { hook: Hook::PostDelete, when: "an app was destroyed, with all that belonged to it", ..*FIRST },
    Contract {
        hook: Hook::ReceiveApp,
        when: "a push to the deploy branch has come, and nothing was done with it yet",
        kind: Kind::Vetoes,
        arguments: &["APP", "COMMIT", "BRANCH"],
        fields: &[APP, BY, ("commit", "the commit's full hash"), ("branch", "the branch")],
        ..*FIRST
    },
    Contract {
        hook: Hook::ReceiveBranch,
        when: "a push has come with a branch that is not deployed; if no plugin takes it, the push is refused",
        kind: Kind::Takes,
        arguments: &["APP", "BRANCH", "COMMIT"],
        fields: &[
            APP,
            BY,
            ("branch", "the branch"),
            ("commit", "the commit's full hash; it cannot be fetched yet"),
        ],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostReceiveBranch,
        when: "a branch that is not deployed was pushed or deleted, and the push is complete",
        seconds: 600,
        arguments: &["APP", "BRANCH", "COMMIT"],
        fields: &[
            APP,
            BY,
            ("branch", "the branch"),
            ("commit", "the commit's full hash; null (as an argument: empty) if the branch is gone"),
        ],
        ..*FIRST
    },
    Contract {
        hook: Hook::PreBuild,
        when: "a source is about to be built",
        kind: Kind::Adds(Addition::BuildArguments),
        seconds: 60,
        arguments: &["APP", "SOURCE"],
        fields: &[
            APP,
            BY,
            ("build", "the build's number"),
            ("source", "a commit's hash, or an image's name"),
        ],
    },
    Contract {
        hook: Hook::PostBuild,
        when: "an image was built; it runs nowhere yet",
        seconds: 60,
        arguments: &["APP", "IMAGE"],
        fields: &[APP, BY, ("build", "the build's number"), IMAGE],
        ..*FIRST
    },
    Contract {
        hook: Hook::PreRelease,
        when: "a release of a new image, or with new config vars, is about to be recorded",
        kind: Kind::Adds(Addition::ReleaseParts),
        arguments: &["APP", "IMAGE"],
        fields: &[
            APP,
            BY,
            IMAGE,
            DESCRIPTION,
            (
                "config_keys",
                "the names of the config vars that it would have, without those that are added here",
            ),
            ("process_types", "its process types; empty for an image without a Procfile, which has `web`"),
        ],
        ..*FIRST
    },
    Contract {
        hook: Hook::PreDeploy,
        when: "a release is recorded, and none of its processes has been started yet",
        kind: Kind::Vetoes,
        seconds: 120,
        arguments: &["APP", "RELEASE"],
        fields: &[APP, BY, RELEASE, IMAGE, DESCRIPTION],
    },
    Contract {
        hook: Hook::CheckDeploy,
        when: "a new instance has passed its own checks, and is about to get requests",
        kind: Kind::Vetoes,
        arguments: &["APP", "CONTAINER", "PROCESS-TYPE", "PORT", "ADDRESS"],
        fields: &[
            APP,
            ("container", "the container's id"),
            ("instance", "its name: `web.1`"),
            ("address", "where it can be reached from the host"),
            ("port", "the port of the app's web processes; null for others"),
        ],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostDeploy,
        when: "a release serves, after a push, a restart, a change of config vars, a rollback or another scale",
        seconds: 60,
        arguments: &["APP", "RELEASE"],
        fields: &[APP, BY, RELEASE, IMAGE, DESCRIPTION],
        ..*FIRST
    },
    Contract {
        hook: Hook::DeployFailed,
        when: "a deploy has failed or was vetoed; what ran before still runs",
        fields: &[APP, BY, ("reason", "why, in one or more lines")],
        ..*FIRST
    },
    Contract {
        hook: Hook::PreStart,
        when: "`ps:start`, `ps:restart` or `ps:rebuild` is about to begin",
        kind: Kind::Vetoes,
        ..*FIRST
    },
    Contract { hook: Hook::PostStop, when: "an app was stopped by `ps:stop`", ..*FIRST },
    Contract {
        hook: Hook::PostScale,
        when: "an app has other quantities",
        arguments: &["APP", "TYPE=QUANTITY…"],
        fields: &[APP, BY, ("quantities", "process types and how many of each are wanted")],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostConfigUpdate,
        when: "config vars were changed; their values are not told: `slipway config:get` has them, with the permission",
        arguments: &["APP", "set|unset", "KEY…"],
        fields: &[
            APP_OR_ALL,
            BY,
            ("set", "the names of those that were set"),
            ("unset", "the names of those that were unset"),
        ],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostDomainsUpdate,
        when: "domains were changed",
        arguments: &["APP", "add|remove|set|clear", "DOMAIN…"],
        fields: &[
            APP_OR_ALL,
            BY,
            ("action", "`add`, `remove`, `set` or `clear`"),
            ("domains", "those that the command named"),
        ],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostCertsUpdate,
        when: "a certificate was added, obtained, renewed or removed",
        arguments: &["APP", "add|remove"],
        fields: &[
            APP_OR_ALL,
            ("action", "`add` or `remove`"),
            ("hosts", "the names that it is for; empty for all of the app's"),
        ],
        ..*FIRST
    },
    Contract {
        hook: Hook::RoutesPublished,
        when: "the router has a table that differs from the last one",
        arguments: &[],
        fields: &[("hosts", "how many host names lead to apps")],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostDrainsUpdate,
        when: "an app's log is sent to another host, or no longer",
        arguments: &["APP", "add|remove"],
        fields: &[APP, BY, ("action", "`add` or `remove`")],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostCron,
        when: "a scheduled task has ended",
        arguments: &["APP", "TASK"],
        fields: &[APP, ("task", "the task's id"), ("run", "the run's number"), SUCCEEDED, OUTCOME],
        ..*FIRST
    },
    Contract {
        hook: Hook::UserAuth,
        when: "somebody with a key wants to run a command that their key opens; not for the host itself, nor for plugins",
        kind: Kind::Vetoes,
        seconds: 10,
        arguments: &["USER", "ROLE", "COMMAND", "APP…"],
        fields: &[
            ("user", "the name that the key was added under"),
            ("role", "`viewer`, `deployer` or `admin`"),
            ("command", "the command's name; its arguments may be secrets and are not told"),
            ("apps", "the apps that it is about; empty for none, or for all that the key opens"),
        ],
    },
    Contract {
        hook: Hook::HealthReport,
        when: "somebody runs `doctor`",
        kind: Kind::Adds(Addition::Findings),
        seconds: 10,
        arguments: &[],
        fields: &[],
    },
    Contract {
        hook: Hook::PostBackup,
        when: "a service was backed up, or was to be",
        arguments: &["ENGINE", "SERVICE"],
        fields: &[ENGINE, SERVICE, SUCCEEDED, OUTCOME],
        ..*FIRST
    },
    Contract {
        hook: Hook::PostRestore,
        when: "a service was restored from a backup, or was to be",
        arguments: &["ENGINE", "SERVICE"],
        fields: &[ENGINE, SERVICE, SUCCEEDED, OUTCOME],
        ..*FIRST
    },
    Contract {
        hook: Hook::Daily,
        when: "once a day, and not at the server's start",
        seconds: 600,
        arguments: &[],
        fields: &[],
        ..*FIRST
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_hooks() {
        for (place, contract) in CONTRACTS.iter().enumerate() {
            assert_eq!(contract.hook as usize, place, "{}", contract.hook);
            assert_eq!(contract.hook.as_str().parse(), Ok(contract.hook));
        }
    }
}
