//! Backups and dumps back into services: checked before anything of the service is touched.

use crate::app::App;
use crate::backups::ByteStream;
use crate::backups::encryption::Key;
use crate::backups::shelf::Shelf;
use crate::backups::sidecar::{Contents, Sidecar};
use crate::command_error::CommandError;
use crate::console::Console;
use crate::model::service::WantedState;
use crate::services::backup::Asker;
use crate::services::backup_plan::BackupPlan;
use crate::services::contents::{self, Counts};
use crate::services::fresh::{self, Former};
use crate::services::program::{Gone, unless_gone};
use crate::services::{Service, apart};

/// A dump that is to be restored, and what has to be in it.
pub struct Dump {
    /// The dump.
    pub stream: ByteStream,
    /// What is recorded of it, if it is a backup.
    pub contents: Option<Contents>,
}

/// What a restored dump is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scruples {
    /// Everything that the service has now has to be in it.
    NothingMissing,
    /// What was recorded has to be in it.
    AsRecorded,
    /// None.
    None,
}

/// Puts a dump in the place of a service's data. The service's lease is held.
pub async fn replace(
    app: &App,
    service: &Service,
    mut dump: Dump,
    scruples: Scruples,
    (asker, console): (&Asker, &Console),
) -> Result<Counts, CommandError> {
    let mut stream = unless_gone(dump.stream, asker.gone.clone());
    let image = service.record.image.clone();
    let running = fresh::restore(app, service, image, &mut stream, console).await?;
    let checked = check(app, service, &running, dump.contents.take(), scruples).await;
    let gone = || CommandError::user(Gone);
    let counts =
        match checked.and_then(|counts| if asker.gone.is_cancelled() { Err(gone()) } else { Ok(counts) }) {
            Ok(counts) => counts,
            Err(error) => {
                apart::discard(app, &running).await?;
                return Err(error);
            }
        };
    fresh::take_place(app, service, &running, Former::Removed, console).await?;
    Ok(counts)
}

/// Whether what was restored may take the service's place; gives what is in it.
async fn check(
    app: &App,
    service: &Service,
    running: &Service,
    recorded: Option<Contents>,
    scruples: Scruples,
) -> Result<Counts, CommandError> {
    let found = contents::count(app, running).await?;
    if scruples == Scruples::None {
        return Ok(found);
    }
    if let Some(recorded) = recorded {
        compare(&recorded, &found)?;
    }
    if scruples == Scruples::NothingMissing && service.record.wanted == WantedState::Running {
        let live = contents::count(app, service).await?;
        let missing = contents::missing(&live, &found);
        if !missing.is_empty() {
            let (engine, name) = (&service.record.engine, &service.record.name);
            return Err(CommandError::user(format!(
                "{service} has what the dump has not: {}",
                contents::listed(&missing)
            ))
            .hint("Nothing was changed")
            .hint(format!(
                "To lose it: {engine}:import {name} --force. To keep it: --merge, which adds to what is there"
            )));
        }
    }
    Ok(found)
}

fn compare(recorded: &Contents, found: &Counts) -> Result<(), CommandError> {
    let differences = contents::differences(recorded, found);
    if differences.is_empty() {
        return Ok(());
    }
    Err(CommandError::user(format!(
        "What was restored is not what was backed up: {}",
        contents::listed(&differences)
    ))
    .hint("Nothing was changed. Another backup may be better: backups SERVICE; or take it as it is: --force"))
}

/// Opens a backup for reading, with the key that the plan or a person has.
pub async fn open(
    plan: &BackupPlan,
    shelf: &Shelf,
    backup: &Sidecar,
    key: Option<Key>,
) -> Result<Dump, CommandError> {
    let stream = shelf.read(backup, key.or_else(|| plan.key())).await;
    let stream = stream.map_err(|error| plan.explain(error))?;
    Ok(Dump { stream, contents: Some(backup.contents.clone()) })
}

/// Restores a backup where nobody sees it, compares it with what was recorded, and throws it away. The service's lease
/// is held.
pub async fn verify(
    app: &App,
    service: &Service,
    dump: Dump,
    asker: &Asker,
    console: &Console,
) -> Result<Counts, CommandError> {
    let mut stream = unless_gone(dump.stream, asker.gone.clone());
    let image = service.record.image.clone();
    let running = fresh::restore(app, service, image, &mut stream, console).await?;
    let found = contents::count(app, &running).await;
    apart::discard(app, &running).await?;
    let found = found?;
    compare(&dump.contents.unwrap_or_default(), &found)?;
    Ok(found)
}
