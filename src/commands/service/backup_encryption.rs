//! `ENGINE:backup-set-encryption` and its like.

use clap::Args;
use secrecy::ExposeSecret;

use crate::backups::encryption::PublicKey;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::backup_auth::read_secret;
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::dump;
use crate::store::service_backups::BackupRecord;

/// Encrypts a service's backups with a passphrase from now on
#[derive(Debug, Args)]
pub struct SetEncryption {
    /// The service
    service: String,
    /// The passphrase; `-` reads it from standard input
    passphrase: String,
}

impl Command for SetEncryption {
    const NAME: &'static str = "service:backup-set-encryption";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let passphrase = read_secret(&mut context, self.passphrase).await?;
        if passphrase.expose_secret().is_empty() {
            return Err(CommandError::user("An empty passphrase protects nothing"));
        }
        let change =
            |record: BackupRecord| BackupRecord { passphrase: Some(passphrase), public_key: None, ..record };
        set(&context, "Backups are encrypted with the passphrase", change).await?;
        context
            .console()
            .detail("Keep the passphrase elsewhere as well: without it no other server can restore them")
            .await;
        Ok(0)
    }
}

/// Encrypts a service's backups for a public key from now on; the server itself cannot open them
#[derive(Debug, Args)]
pub struct SetPublicKeyEncryption {
    /// The service
    service: String,
    /// A public key of age: age1...
    key: String,
}

impl Command for SetPublicKeyEncryption {
    const NAME: &'static str = "service:backup-set-public-key-encryption";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let key: PublicKey = self.key.parse().map_err(|error| {
            CommandError::user(error)
                .hint("Make a pair with age-keygen and keep its secret half; keys of GPG are not taken")
        })?;
        let change = |record: BackupRecord| BackupRecord {
            passphrase: None,
            public_key: Some(key.to_string()),
            ..record
        };
        set(&context, "Backups are encrypted for the key", change).await?;
        Ok(0)
    }
}

/// Encrypts a service's backups with no passphrase any more
#[derive(Debug, Args)]
pub struct UnsetEncryption {
    /// The service
    service: String,
}

impl Command for UnsetEncryption {
    const NAME: &'static str = "service:backup-unset-encryption";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let change = |record: BackupRecord| BackupRecord { passphrase: None, ..record };
        set(&context, "Backups are encrypted with no passphrase any more", change).await?;
        Ok(0)
    }
}

/// Encrypts a service's backups for no public key any more
#[derive(Debug, Args)]
pub struct UnsetPublicKeyEncryption {
    /// The service
    service: String,
}

impl Command for UnsetPublicKeyEncryption {
    const NAME: &'static str = "service:backup-unset-public-key-encryption";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let change = |record: BackupRecord| BackupRecord { public_key: None, ..record };
        set(&context, "Backups are encrypted for no key any more", change).await?;
        Ok(0)
    }
}

async fn set(
    context: &Context,
    what: &str,
    change: impl FnOnce(BackupRecord) -> BackupRecord,
) -> Result<(), CommandError> {
    let (_lease, service) = hold(context).await?;
    dump::dump_of(&service)?;
    let (store, id) = (&context.app.store, service.record.id);
    let record = change(store.backup_record(id).await?);
    store.set_backup_record(id, record).await?;
    store.note_service_event(id, &context.caller.name, what.to_lowercase()).await?;
    context.console().step(format!("{}: {what}", service.record.name)).await;
    Ok(())
}
