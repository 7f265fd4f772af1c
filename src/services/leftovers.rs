//! What is left of work on data that was cut off, and backups of services that were destroyed long ago.

use crate::app::App;
use crate::backups::destination::{Destination, S3Access};
use crate::backups::shelf::Shelf;
use crate::clock;
use crate::command_error::CommandError;
use crate::services::backup_plan::default_destination;
use crate::services::{Service, apart, directories};

/// For how many days the last backups of destroyed services are kept on this host.
const DAYS: i64 = 30;

/// Removes data directories that are no service's: of a restore or an upgrade that a killed server did not finish. A
/// service that somebody works on is left alone.
pub async fn sweep_data(app: &App) -> Result<(), CommandError> {
    for record in app.store.services().await? {
        let Some(_lease) = app.service_leases.try_acquire(record.id) else { continue };
        // Read again under the lease.
        let Some(service) = Service::by_id(app, record.id).await? else { continue };
        let former = app.store.former_service_data(record.id).await?.map(|former| former.data);
        for name in directories::data_names(app, &service).await? {
            let is_known = name == service.record.data || Some(&name) == former.as_ref();
            if !is_known && name.starts_with(apart::DATA) {
                tracing::info!(%service, directory = name, "data of work that was cut off is removed");
                let mut left = service.clone();
                left.record.data = name;
                directories::remove_data(app, &left).await?;
            }
        }
    }
    Ok(())
}

/// Removes last backups on this host that are old enough, of services that are not there any more.
pub async fn sweep_last_backups(app: &App) -> Result<(), CommandError> {
    let destination = default_destination(app);
    let Destination::Directory(root) = &destination else { return Ok(()) };
    let oldest = clock::unix_seconds() - DAYS * 24 * 60 * 60;
    for (engine, name) in directories::pairs(root).await? {
        let recorded = app.store.services().await?;
        if recorded.iter().any(|record| record.engine.as_str() == engine && record.name.as_str() == name) {
            continue;
        }
        let failed = |error| CommandError::internal(format!("{destination} cannot be looked at"), error);
        let shelf = Shelf::open(&destination, &S3Access::default(), &engine, &name).map_err(failed)?;
        for backup in shelf.list().await.map_err(failed)? {
            if backup.sidecar.taken_at < oldest {
                shelf.remove(&backup.sidecar).await.map_err(failed)?;
            }
        }
    }
    Ok(())
}
