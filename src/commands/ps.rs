//! `ps:*`: the instances of an app.

pub mod inspect;
pub mod report;
pub mod restore;
pub mod run_state;
pub mod scale;
pub mod set;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::process_type::ProcessType;
use crate::store::apps::AppRecord;

/// Refuses process types that the release has not. Before the first deploy nobody knows them.
async fn check_process_types<'a>(
    context: &Context,
    record: &AppRecord,
    wanted: impl IntoIterator<Item = &'a ProcessType>,
) -> Result<(), CommandError> {
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    let Some(release) = release else { return Ok(()) };
    let processes = release.content.processes;
    let known: Vec<&ProcessType> =
        processes.keys().filter(|process_type| !process_type.is_release()).collect();
    match wanted.into_iter().find(|process_type| !known.contains(process_type)) {
        None => Ok(()),
        Some(unknown) => {
            let types: Vec<&str> = known.into_iter().map(ProcessType::as_str).collect();
            Err(CommandError::user(format!("{} has no process type {unknown}", record.name))
                .hint(format!("It has: {}", types.join(", "))))
        }
    }
}
