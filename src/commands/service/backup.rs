//! `ENGINE:backup` and `ENGINE:backups`.

use clap::Args;
use serde::Serialize;

use crate::backups::destination::Destination;
use crate::backups::encryption::EncryptionKind;
use crate::backups::shelf::{Listed, Shelf, State};
use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::{asker, hold};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::byte_size::ByteSize;
use crate::model::role::Role;
use crate::model::service::WantedState;
use crate::services::backup::back_up;
use crate::services::backup_plan::{self, BackupPlan};

/// Makes a backup of a service, in a bucket or a directory
#[derive(Debug, Args)]
pub struct Backup {
    /// Reach the bucket as the machine itself may, without a key
    #[arg(short, long)]
    use_iam: bool,
    /// The service
    service: String,
    /// A bucket (backups, s3://backups/prefix) or a directory of the host (/mnt/backups); by default where backups
    /// are scheduled to go, or `backups` in the server's root
    destination: Option<String>,
}

impl Command for Backup {
    const NAME: &'static str = "service:backup";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?;
        if let Some(text) = &self.destination {
            allow(&context, &backup_plan::parse(text)?)?;
        }
        let mut plan = BackupPlan::of(&context.app, service, self.destination.as_deref()).await?;
        if self.use_iam {
            plan.access.key = None;
        }
        let console = context.console();
        // One that does not run is started for its backup, which nobody may take for a stray.
        let _lease = match service.record.wanted {
            WantedState::Running => None,
            WantedState::Stopped | WantedState::Paused => Some(hold(&context).await?.0),
        };
        let made = back_up(&context.app, service, &plan, &asker(&context), console).await?;
        console.headline(format!("Backup of {}: {}", service.record.name, made.name)).await;
        Ok(0)
    }
}

/// Only who administrates the server may name directories of the host.
pub fn allow(context: &Context, destination: &Destination) -> Result<(), CommandError> {
    let is_directory = matches!(destination, Destination::Directory(_));
    if is_directory && context.caller.role < Role::Admin {
        return Err(CommandError::user(format!(
            "{destination} is a directory of the host, which your key may not name"
        ))
        .hint("Ask for a key with the role admin, or use a bucket"));
    }
    Ok(())
}

/// Lists the backups of a service
#[derive(Debug, Args)]
pub struct Backups {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Read each file and compare its checksum
    #[arg(long)]
    check: bool,
    /// The service
    service: String,
    /// Where to look; by default where its backups go
    destination: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    taken_at: String,
    version: String,
    dump_bytes: u64,
    stored_bytes: u64,
    state: String,
    encryption: EncryptionKind,
    sha256: String,
    destination: String,
}

impl Command for Backups {
    const NAME: &'static str = "service:backups";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?;
        if let Some(text) = &self.destination {
            allow(&context, &backup_plan::parse(text)?)?;
        }
        let plan = BackupPlan::of(&context.app, service, self.destination.as_deref()).await?;
        let shelf = plan.shelf(service.record.engine.as_str(), service.record.name.as_str())?;
        let mut rows = Vec::new();
        for listed in shelf.list().await.map_err(|error| plan.explain(error))? {
            let state = state(&shelf, &listed, self.check).await;
            let Listed { sidecar, .. } = listed;
            rows.push(Row {
                name: sidecar.name,
                taken_at: clock::format_seconds(sidecar.taken_at),
                version: sidecar.subject.version,
                dump_bytes: sidecar.dump_bytes,
                stored_bytes: sidecar.stored_bytes,
                state,
                encryption: sidecar.encryption,
                sha256: sidecar.sha256,
                destination: plan.destination.to_string(),
            });
        }
        let damaged = self.check && rows.iter().any(|row| row.state != "checked");
        print(&context, self.format, &rows, &format!("{} in {}", service.record.name, plan.destination))
            .await?;
        Ok(u8::from(damaged))
    }
}

async fn state(shelf: &Shelf, listed: &Listed, check: bool) -> String {
    match listed.state {
        State::Missing => "the file is missing".to_owned(),
        State::Length(found) => format!("damaged: {found} bytes"),
        State::Whole if check => match shelf.check(&listed.sidecar).await {
            Ok(()) => "checked".to_owned(),
            Err(error) => error.to_string(),
        },
        State::Whole => "whole".to_owned(),
    }
}

async fn print(context: &Context, format: Format, rows: &[Row], what: &str) -> Result<(), CommandError> {
    let console = context.console();
    if format == Format::Json {
        return print_json(console, &rows).await;
    }
    console.headline(format!("Backups of {what}")).await;
    if rows.is_empty() {
        return Ok(());
    }
    let header = ["NAME", "VERSION", "SIZE", "STORED", "ENCRYPTED", "STATE"].map(str::to_owned).to_vec();
    let cells = rows.iter().map(|row| {
        let encrypted = match row.encryption {
            EncryptionKind::None => "no",
            EncryptionKind::Passphrase => "passphrase",
            EncryptionKind::PublicKey => "public key",
        };
        let (dump, stored) = (ByteSize(row.dump_bytes).to_string(), ByteSize(row.stored_bytes).to_string());
        vec![row.name.clone(), row.version.clone(), dump, stored, encrypted.to_owned(), row.state.clone()]
    });
    let table: Vec<Vec<String>> = std::iter::once(header).chain(cells).collect();
    console.stdout(columns(&table)).await;
    Ok(())
}
