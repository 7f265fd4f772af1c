//! `ENGINE:restore` and `ENGINE:verify`.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::backups::destination::{S3Access, S3Key};
use crate::backups::encryption::{EncryptionKind, Key};
use crate::backups::error::BackupError;
use crate::backups::shelf::Shelf;
use crate::backups::sidecar::Sidecar;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::confirm::confirm;
use crate::commands::service::backup::allow;
use crate::commands::service::backup_auth::{check_endpoint, read_secret};
use crate::commands::service::{asker, hold, hold_service, show_counts};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::config_var::ConfigVars;
use crate::model::role::Role;
use crate::model::service::{ServiceName, ServiceProperties};
use crate::services::backup_plan::{self, BackupPlan};
use crate::services::create::{self, Creation};
use crate::services::image::Wish;
use crate::services::restoring::{self, Scruples};
use crate::services::{Service, destroy, engine_of, fresh};

/// Puts a backup in the place of what a service holds, or into a new service
#[derive(Debug, Args)]
pub struct Restore {
    /// Into a new service of that name
    #[arg(long)]
    into: Option<String>,
    /// Where the backup is; by default where the service's backups go
    #[arg(long)]
    from: Option<String>,
    /// Do not ask for the service's name, and restore also what differs from what was recorded
    #[arg(short, long)]
    force: bool,
    /// The passphrase or the secret key is on standard input
    #[arg(long)]
    key_stdin: bool,
    #[command(flatten)]
    storage: StorageFlags,
    /// The service, which need not be there any more
    service: String,
    /// The backup, as `backups` names it
    #[arg(default_value = "newest")]
    backup: String,
}

/// How a bucket is reached of which no service knows.
#[derive(Debug, Args)]
pub struct StorageFlags {
    /// The access key of the bucket
    #[arg(long, requires = "secret")]
    key: Option<String>,
    /// Its secret
    #[arg(long, requires = "key")]
    secret: Option<String>,
    /// The bucket's region
    #[arg(long)]
    region: Option<String>,
    /// The storage's URL, where it is not Amazon's
    #[arg(long)]
    endpoint: Option<String>,
}

impl StorageFlags {
    /// What the flags say, on top of what is known.
    fn access(self, known: S3Access) -> Result<S3Access, CommandError> {
        let key = self.key.zip(self.secret);
        let key = key.map(|(id, secret)| S3Key { id, secret: SecretString::from(secret) });
        let endpoint = self.endpoint.map(|text| check_endpoint(&text)).transpose()?;
        Ok(S3Access {
            key: key.or(known.key),
            region: self.region.or(known.region),
            endpoint: endpoint.or(known.endpoint),
        })
    }
}

impl Command for Restore {
    const NAME: &'static str = "service:restore";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let (plugin, app) = (context.plugin()?.clone(), context.app.clone());
        fresh::restore_of(&*engine_of(&plugin)?)?;
        let name: ServiceName = self.service.parse().map_err(CommandError::user)?;
        let recorded = app.store.service(&plugin.name, &name).await?;
        let service = recorded.map(|record| Service::of(&app, record)).transpose()?;
        if let Some(text) = &self.from {
            allow(&context, &backup_plan::parse(text)?)?;
        }
        let mut plan = match &service {
            Some(service) => BackupPlan::of(&app, service, self.from.as_deref()).await?,
            None => BackupPlan::from_record(&app, &Default::default(), self.from.as_deref())?,
        };
        plan.access = self.storage.access(plan.access)?;
        let shelf = plan.shelf(plugin.name.as_str(), name.as_str())?;
        let backup = shelf.find(&self.backup).await.map_err(|error| plan.explain(error))?;
        let target: ServiceName = match &self.into {
            Some(into) => into.parse().map_err(CommandError::user)?,
            None => name,
        };
        if self.key_stdin && !self.force && service.is_some() && self.into.is_none() {
            return Err(CommandError::user("Standard input cannot give the key and answer a question")
                .hint("Add --force, which asks nothing"));
        }
        let key = key(&mut context, self.key_stdin, &backup).await?;
        check_key(&plan, &backup, key.as_ref())?;
        let source = Source { plan, shelf, backup, key };
        let scruples = if self.force { Scruples::None } else { Scruples::AsRecorded };
        match service.filter(|service| service.record.name == target) {
            Some(service) => {
                if !self.force {
                    let kind = format!("what is in the {} service", service.title());
                    let instead = format!("{}:restore --force {target}", plugin.name);
                    confirm(&mut context, &kind, target.as_str(), &instead).await?;
                }
                let (_lease, service) = hold_service(&context, &service).await?;
                restore(&context, &service, source, scruples).await?;
            }
            None => restore_into_new(&context, target, source, scruples).await?,
        }
        Ok(0)
    }
}

/// A backup that was found.
struct Source {
    plan: BackupPlan,
    shelf: Shelf,
    backup: Sidecar,
    key: Option<Key>,
}

async fn restore(
    context: &Context,
    service: &Service,
    source: Source,
    scruples: Scruples,
) -> Result<(), CommandError> {
    let Source { plan, shelf, backup, key } = source;
    let (app, console) = (&context.app, context.console());
    console.step(format!("Restoring {} from {}", backup.name, plan.destination)).await;
    let dump = restoring::open(&plan, &shelf, &backup, key).await?;
    let restored = restoring::replace(app, service, dump, scruples, (&asker(context), console)).await;
    let counts = match restored {
        Ok(counts) => counts,
        Err(error) => return Err(reason(&plan, &shelf, &backup, error).await),
    };
    show_counts(context, &counts).await;
    let what = format!("restored from {} in {}", backup.name, plan.destination);
    app.store.note_service_event(service.record.id, &context.caller.name, what).await?;
    console.headline(format!("{} restored from {}", service.record.name, backup.name)).await;
    Ok(())
}

/// A program that stumbles over a damaged file says something else: the file is what has to be named.
async fn reason(plan: &BackupPlan, shelf: &Shelf, backup: &Sidecar, error: CommandError) -> CommandError {
    match shelf.check(backup).await {
        Err(damage) => plan.explain(damage),
        Ok(()) => error,
    }
}

async fn restore_into_new(
    context: &Context,
    name: ServiceName,
    source: Source,
    scruples: Scruples,
) -> Result<(), CommandError> {
    let (app, plugin) = (&context.app, context.plugin()?.clone());
    let engine = engine_of(&plugin)?;
    let subject = &source.backup.subject;
    let image = (subject.image != engine.service.image).then(|| subject.image.clone());
    let creation = Creation {
        wish: Wish { image, version: Some(subject.version.clone()) },
        plugin,
        name,
        properties: ServiceProperties::new(),
        environment: ConfigVars::new(),
        password: None,
        by: context.caller.name.clone(),
    };
    let new = create::create(app, creation, context.console()).await?;
    let (_lease, new) = hold_service(context, &new).await?;
    if let Err(error) = restore(context, &new, source, scruples).await {
        destroy::discard(app, &new.refreshed(app).await?).await?;
        return Err(error);
    }
    Ok(())
}

/// Restores a backup where nobody sees it, compares it with what was recorded, and throws it away
#[derive(Debug, Args)]
pub struct Verify {
    /// The passphrase or the secret key is on standard input
    #[arg(long)]
    key_stdin: bool,
    /// The service
    service: String,
    /// The backup, as `backups` names it
    #[arg(default_value = "newest")]
    backup: String,
}

impl Command for Verify {
    const NAME: &'static str = "service:verify";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        fresh::restore_of(&context.service()?.engine)?;
        let plan = BackupPlan::of(&context.app, context.service()?, None).await?;
        let record = &context.service()?.record;
        let shelf = plan.shelf(record.engine.as_str(), record.name.as_str())?;
        let backup = shelf.find(&self.backup).await.map_err(|error| plan.explain(error))?;
        let key = key(&mut context, self.key_stdin, &backup).await?;
        let console = context.io.console.clone();
        if backup.encryption == EncryptionKind::PublicKey && key.is_none() {
            shelf.check(&backup).await.map_err(|error| plan.explain(error))?;
            console.warn("The server cannot open it: only the checksum of the file was compared").await;
            console
                .warn("Give the secret key to restore it as well: verify SERVICE --key-stdin < FILE")
                .await;
            return Ok(0);
        }
        check_key(&plan, &backup, key.as_ref())?;
        let (_lease, service) = hold(&context).await?;
        console.step(format!("Verifying {} from {}", backup.name, plan.destination)).await;
        let dump = restoring::open(&plan, &shelf, &backup, key).await?;
        let verified = restoring::verify(&context.app, &service, dump, &asker(&context), &console).await;
        let (store, id) = (&context.app.store, service.record.id);
        let counts = match verified {
            Ok(counts) => counts,
            Err(error) => {
                let error = reason(&plan, &shelf, &backup, error).await;
                let what = format!("the backup {} is not good: {error}", backup.name);
                tracing::error!(%service, backup = backup.name, %error, "a backup is not good");
                store.note_service_event(id, &context.caller.name, what).await?;
                return Err(error);
            }
        };
        show_counts(&context, &counts).await;
        store.note_service_event(id, &context.caller.name, format!("verified {}", backup.name)).await?;
        console.headline(format!("The backup {} of {} is good", backup.name, service.record.name)).await;
        Ok(0)
    }
}

/// Refuses before anything is made if what is there cannot open the backup.
fn check_key(plan: &BackupPlan, backup: &Sidecar, key: Option<&Key>) -> Result<(), CommandError> {
    let known = plan.key();
    match (backup.encryption, key.or(known.as_ref())) {
        (EncryptionKind::None, _) => Ok(()),
        (_, None) => Err(plan.explain(BackupError::NoKey)),
        (kind, Some(key)) if !key.fits(kind) => Err(plan.explain(BackupError::WrongKey)),
        _ => Ok(()),
    }
}

async fn key(context: &mut Context, given: bool, backup: &Sidecar) -> Result<Option<Key>, CommandError> {
    if !given {
        return Ok(None);
    }
    let text = read_secret(context, "-".to_owned()).await?;
    match backup.encryption {
        EncryptionKind::PublicKey => {
            let text = text.expose_secret();
            Key::secret(text).map(Some).map_err(CommandError::user)
        }
        EncryptionKind::None | EncryptionKind::Passphrase => Ok(Some(Key::Passphrase(text))),
    }
}
