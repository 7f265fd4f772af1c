//! `letsencrypt:revoke` and `letsencrypt:cleanup`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::letsencrypt::enable::remove_certificates;
use crate::commands::{Command, Context, Scope, Target};
use crate::issuance::choice::{Choice, ENABLED};
use crate::issuance::revoke;
use crate::model::role::Role;

/// Has the authority revoke an app's automatic certificates, removes them, and gets no new ones
#[derive(Debug, Args)]
pub struct Revoke {
    /// The app
    app: String,
}

impl Command for Revoke {
    const NAME: &'static str = "letsencrypt:revoke";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let revoked = revoke::revoke(&context.app, record).await?;
        if revoked == 0 {
            return Err(CommandError::user(format!("{} has no automatic certificate", record.name))
                .hint("What it has is shown by: certs:report"));
        }
        context.app.store.set_property(Some(record.id), ENABLED, Some("off".to_owned())).await?;
        remove_certificates(&context, record).await?;
        let name = &record.name;
        context.console().step(format!("Certificates of {name} that were revoked: {revoked}")).await;
        context.console().detail(format!("Get new ones: letsencrypt:enable {name}")).await;
        Ok(0)
    }
}

/// Forgets failures of an app and the account at its authority: the next order begins anew
#[derive(Debug, Args)]
pub struct Cleanup {
    /// The app
    app: String,
}

impl Command for Cleanup {
    const NAME: &'static str = "letsencrypt:cleanup";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let store = &context.app.store;
        let choice = Choice::of(store, record.id).await?;
        let accounts = store.forget_acme_accounts(&choice.directory).await?;
        let mut state = store.acme_state(record.id).await?;
        (state.failures, state.last_error, state.next_attempt) = (0, None, None);
        state.tried.clear();
        store.set_acme_state(record.id, &state).await?;
        context
            .console()
            .step(format!("Accounts at {} that were forgotten: {accounts}", choice.directory))
            .await;
        context.app.reconciler.check_certificates();
        Ok(0)
    }
}
