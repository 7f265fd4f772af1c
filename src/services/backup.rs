//! Backups of a service: made, and loud when they fail.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::backups::shelf::{Request, Shelf};
use crate::backups::sidecar::{Sidecar, Subject};
use crate::clock;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::model::byte_size::ByteSize;
use crate::services::backup_plan::BackupPlan;
use crate::services::program::unless_gone;
use crate::services::telling::{self, Deed};
use crate::services::{Service, contents, dump};

/// Who asked for a backup, and until when they wait for it.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who it is.
    pub name: String,
    /// Cancelled when nobody waits any more.
    pub gone: CancellationToken,
}

/// Makes a backup, notes how it went, and removes those that are too old or too many. Whatever goes wrong, nothing
/// of it stays at the destination.
pub async fn back_up(
    app: &App,
    service: &Service,
    plan: &BackupPlan,
    asker: &Asker,
    console: &Console,
) -> Result<Sidecar, CommandError> {
    // Nobody is to be alarmed by a backup that cannot be: it has neither failed nor ever will succeed.
    dump::dump_of(service)?;
    let id = service.record.id;
    let made = make(app, service, plan, asker, console).await;
    telling::tell(app, service, Deed::Backup, (&made, &plan.destination.to_string()), console).await;
    let made = match made {
        Ok(made) => made,
        // Whoever stops it knows that it is not made.
        Err(error) if asker.gone.is_cancelled() => return Err(error),
        Err(error) => {
            let reason = error.to_string();
            let line = reason.lines().next().unwrap_or_default().to_owned();
            tracing::error!(%service, destination = %plan.destination, error = %line, "a backup failed");
            app.store.note_backup(id, Some(line.clone())).await?;
            let what = format!("backup to {} failed: {line}", plan.destination);
            app.store.note_service_event(id, &asker.name, what).await?;
            return Err(error);
        }
    };
    app.store.note_backup(id, None).await?;
    let what = format!("backed up to {}: {}", plan.destination, made.name);
    app.store.note_service_event(id, &asker.name, what).await?;
    tracing::info!(%service, destination = %plan.destination, backup = made.name, bytes = made.stored_bytes, "backed up");
    if let Err(error) = tidy(service, plan, console).await {
        console.warn(format!("Old backups are not removed: {error}")).await;
        tracing::warn!(%service, %error, "old backups are not removed");
    }
    Ok(made)
}

async fn make(
    app: &App,
    service: &Service,
    plan: &BackupPlan,
    asker: &Asker,
    console: &Console,
) -> Result<Sidecar, CommandError> {
    let shelf = plan.shelf(service.record.engine.as_str(), service.record.name.as_str())?;
    let visited = dump::visit(app, service, console).await?;
    console.step(format!("Backing up {} to {}", service.record.name, plan.destination)).await;
    let stored = store(app, &visited, plan, &shelf, asker).await;
    dump::end_visit(app, service, &visited).await?;
    let made = stored?;
    let (dumped, stored) = (ByteSize(made.dump_bytes), ByteSize(made.stored_bytes));
    console.detail(format!("{dumped}, {stored} as stored")).await;
    Ok(made)
}

async fn store(
    app: &App,
    service: &Service,
    plan: &BackupPlan,
    shelf: &Shelf,
    asker: &Asker,
) -> Result<Sidecar, CommandError> {
    let record = &service.record;
    let subject = Subject {
        engine: record.engine.to_string(),
        service: record.name.to_string(),
        image: record.image.name.clone(),
        version: record.image.version.clone(),
        extension: dump::dump_of(service)?.extension.clone(),
    };
    let request = Request { subject, taken_at: clock::now(), encryption: plan.encryption.clone() };
    let before = contents::count(app, service).await?;
    let dump = unless_gone(dump::begin(app, service).await?, asker.gone.clone());
    let stored = shelf.put(dump, request).await.map_err(|error| plan.explain(error))?;
    match contents::count(app, service).await {
        Ok(after) => {
            let kept = stored.keep(contents::between(&before, &after)).await;
            kept.map_err(|error| plan.explain(error))
        }
        Err(error) => {
            stored.discard().await.map_err(|error| plan.explain(error))?;
            Err(error)
        }
    }
}

/// Removes backups that are too many or too old, and what killed servers left.
async fn tidy(service: &Service, plan: &BackupPlan, console: &Console) -> Result<(), CommandError> {
    let shelf = plan.shelf(service.record.engine.as_str(), service.record.name.as_str())?;
    let explain = |error| plan.explain(error);
    let backups = shelf.list().await.map_err(explain)?;
    for backup in plan.retention.expired(&backups, clock::now()) {
        shelf.remove(&backup.sidecar).await.map_err(explain)?;
        console.detail(format!("Removed the old backup {}", backup.sidecar.name)).await;
    }
    shelf.sweep(clock::now()).await.map_err(explain)
}

/// The last backup of a service that is about to be destroyed, to where its backups go. The service's lease is held.
pub async fn last(
    app: &App,
    service: &Service,
    asker: &Asker,
    console: &Console,
) -> Result<(Sidecar, BackupPlan), CommandError> {
    let plan = BackupPlan::of(app, service, None).await?;
    let made = back_up(app, service, &plan, asker, console).await.map_err(|error| {
        let (engine, name) = (&service.record.engine, &service.record.name);
        error.hint(format!("It is not destroyed. Without a last backup: {engine}:destroy {name} --no-backup"))
    })?;
    Ok((made, plan))
}
