//! `ENGINE:backup-auth` and `ENGINE:backup-deauth`.

use clap::Args;
use secrecy::SecretString;
use url::Url;

use crate::backups::destination::{S3Access, S3Key};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::backup_plan::write_access;
use crate::services::dump;

/// The longest secret that is read from standard input.
const LONGEST_SECRET: usize = 4096;

/// Sets as whom a service's backups reach their bucket
#[derive(Debug, Args)]
pub struct BackupAuth {
    /// The service
    service: String,
    /// The access key
    key: String,
    /// Its secret; `-` reads it from standard input
    secret: String,
    /// The region; us-east-1 if not given
    region: Option<String>,
    /// The signature's version, which can only be s3v4
    signature: Option<String>,
    /// The storage's URL, where it is not Amazon's
    endpoint: Option<String>,
}

impl Command for BackupAuth {
    const NAME: &'static str = "service:backup-auth";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(version) = filled(self.signature)
            && !["s3v4", "v4", "4"].contains(&version.as_str())
        {
            return Err(CommandError::user(format!("Signatures of the version {version} are not made"))
                .hint("Every storage of today takes s3v4"));
        }
        let endpoint = filled(self.endpoint).map(|text| check_endpoint(&text)).transpose()?;
        let secret = read_secret(&mut context, self.secret).await?;
        let access =
            S3Access { key: Some(S3Key { id: self.key, secret }), region: filled(self.region), endpoint };
        let (_lease, service) = hold(&context).await?;
        dump::dump_of(&service)?;
        let (store, id) = (&context.app.store, service.record.id);
        let mut record = store.backup_record(id).await?;
        record.access = Some(write_access(&access)?);
        store.set_backup_record(id, record).await?;
        store.note_service_event(id, &context.caller.name, "backup credentials set").await?;
        context.console().step(format!("Credentials for backups of {} set", service.record.name)).await;
        Ok(0)
    }
}

/// A secret as it was typed, or one from standard input, where no list of processes shows it.
pub async fn read_secret(context: &mut Context, typed: String) -> Result<SecretString, CommandError> {
    if typed != "-" {
        return Ok(SecretString::from(typed));
    }
    let bytes = context.io.read_stdin(LONGEST_SECRET).await.map_err(CommandError::user)?;
    let text = String::from_utf8(bytes).map_err(|_| CommandError::user("A secret is text"))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(CommandError::user("No data provided on stdin.").hint("Give it a file: < FILE"));
    }
    Ok(SecretString::from(text.to_owned()))
}

/// A URL, or a host that is asked over HTTPS.
pub fn check_endpoint(text: &str) -> Result<String, CommandError> {
    let unusable = || {
        CommandError::user(format!("{text} is no URL of a storage"))
            .hint("Write it as https://s3.example.com")
    };
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url: Url = whole.parse().map_err(|_| unusable())?;
    if ["http", "https"].contains(&url.scheme()) && url.has_host() {
        Ok(whole.trim_end_matches('/').to_owned())
    } else {
        Err(unusable())
    }
}

/// Forgets as whom a service's backups reach their bucket
#[derive(Debug, Args)]
pub struct BackupDeauth {
    /// The service
    service: String,
}

impl Command for BackupDeauth {
    const NAME: &'static str = "service:backup-deauth";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        let (store, id) = (&context.app.store, service.record.id);
        let mut record = store.backup_record(id).await?;
        record.access = None;
        store.set_backup_record(id, record).await?;
        store.note_service_event(id, &context.caller.name, "backup credentials removed").await?;
        context.console().step(format!("Credentials for backups of {} removed", service.record.name)).await;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_or_a_url() {
        assert_eq!(check_endpoint("s3.example.com").unwrap(), "https://s3.example.com");
        assert_eq!(check_endpoint("http://10.0.0.1:9000/").unwrap(), "http://10.0.0.1:9000");
        for text in ["ftp://host", "http://", "a b"] {
            assert!(check_endpoint(text).is_err(), "{text}");
        }
    }
}
