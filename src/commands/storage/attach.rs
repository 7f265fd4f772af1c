//! Whether something can be mounted: everything that is checked before a mount is recorded.

use std::path::Path;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::dispatch::needs_all_apps;
use crate::commands::docker_options::arguments::WantedMount;
use crate::model::app_name::AppName;
use crate::model::mount::MountSource;
use crate::model::phase::Phase;
use crate::run::{directories, exclusive, plan};
use crate::store::apps::AppRecord;
use crate::store::storage::{MountRecord, Place};

/// Mounts of the context's app, ready to be recorded. Says so if other apps have the same storage.
pub async fn prepare(context: &Context, wanted: &[WantedMount]) -> Result<Vec<MountRecord>, CommandError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // Storage may be another app's, too.
    needs_all_apps(&context.caller, "Mounting storage")?;
    let record = context.target()?;
    let mut own = context.app.store.mounts(record.id).await?;
    let all = context.app.store.all_mounts().await?;
    let others: Vec<(AppName, MountRecord)> =
        all.into_iter().filter(|(name, _)| *name != record.name).collect();
    let mut prepared = Vec::new();
    for mount in wanted {
        check_phases(&mount.phases)?;
        let place = place(context, &mount.text.source).await?;
        for scope in &mount.scopes {
            let new = MountRecord {
                source: mount.text.source.clone(),
                place: place.clone(),
                target: mount.text.target.clone(),
                read_only: mount.text.read_only,
                exclusive: mount.exclusive,
                scope: scope.clone(),
                phases: mount.phases.clone(),
            };
            check_against_own(&new, &own)?;
            check_against_others(context, &new, &others).await?;
            own.push(new.clone());
            prepared.push(new);
        }
    }
    check_formation(context, record, &own).await?;
    Ok(prepared)
}

fn check_phases(phases: &[Phase]) -> Result<(), CommandError> {
    if phases.contains(&Phase::Build) || phases.is_empty() {
        return Err(CommandError::user("Storage can be mounted in the phases deploy and run, not in builds")
            .hint("Leave out build; what a build is to keep belongs into RUN --mount=type=cache"));
    }
    Ok(())
}

/// Where the source is, if it may be mounted.
async fn place(context: &Context, source: &MountSource) -> Result<Place, CommandError> {
    let place = match source {
        MountSource::Named(name) => super::find(context, name.as_str()).await?.place,
        MountSource::Directory(path) => Place::Directory {
            path: path.to_string(),
            root: context.app.settings.storage_root().display().to_string(),
        },
    };
    match &place {
        Place::Directory { path, root } => directories::check(Path::new(root), Path::new(path))?,
        Place::Volume(volume) => drop(context.app.engine.volume_directory(volume).await?),
    }
    Ok(place)
}

fn check_against_own(new: &MountRecord, own: &[MountRecord]) -> Result<(), CommandError> {
    let meets = |other: &&MountRecord| {
        other.target == new.target
            && other.scope.overlaps(&new.scope)
            && other.phases.iter().any(|phase| new.phases.contains(phase))
    };
    match own.iter().find(meets) {
        None => Ok(()),
        Some(other) if other.source == new.source => Err(CommandError::user("Mount path already exists.")
            .hint(format!(
                "To change it, remove it first: storage:unmount APP {}:{}",
                other.source, other.target
            ))),
        Some(other) => {
            let message =
                format!("Mount path already exists.\n{} is mounted on {}", other.source, other.target);
            Err(CommandError::user(message).hint("Choose another directory in the container"))
        }
    }
}

async fn check_against_others(
    context: &Context,
    new: &MountRecord,
    others: &[(AppName, MountRecord)],
) -> Result<(), CommandError> {
    for (app, other) in others {
        check_nesting(new, other)?;
        if other.place != new.place {
            continue;
        }
        if other.exclusive || new.exclusive {
            return Err(CommandError::user(format!("{} is mounted by {app} already", new.source)).hint(
                "Storage that one instance may hold cannot be shared: use other storage, or mount it in both without --exclusive",
            ));
        }
        context.console().detail(format!("{} is mounted by {app}, too", new.source)).await;
    }
    Ok(())
}

/// A container that has a directory could put links into it: nothing below it is safe to be mounted by another.
fn check_nesting(new: &MountRecord, other: &MountRecord) -> Result<(), CommandError> {
    let (one, other_path) = (Path::new(new.place.as_str()), Path::new(other.place.as_str()));
    if one != other_path && (one.starts_with(other_path) || other_path.starts_with(one)) {
        let message = format!("{} and {} lie within one another", new.place.as_str(), other.place.as_str());
        return Err(CommandError::user(message)
            .hint("Mount the same directory in both apps, or directories that lie beside one another"));
    }
    Ok(())
}

/// Refuses storage for one instance where more run.
async fn check_formation(
    context: &Context,
    record: &AppRecord,
    mounts: &[MountRecord],
) -> Result<(), CommandError> {
    let Some(id) = record.current_release else { return Ok(()) };
    let Some(release) = context.app.store.release(id).await? else { return Ok(()) };
    let formation = context.app.store.formation(record.id).await?;
    let wanted = plan::wanted(release.content.processes.keys(), &formation);
    Ok(exclusive::check(mounts, &wanted)?)
}
