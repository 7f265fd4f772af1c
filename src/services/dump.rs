//! What a service holds as a stream, also of one that is stopped.

use crate::app::App;
use crate::backups::ByteStream;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::model::engine::Dump;
use crate::model::service::WantedState;
use crate::services::program::read_from;
use crate::services::{Service, apart, exec};

/// What a person can do whose engine keeps nothing.
pub const KEEP_ELSEWHERE: &str = "What is to last belongs into a service of an engine that keeps data";

/// How a service is dumped, or why it is not.
pub fn dump_of(service: &Service) -> Result<&Dump, CommandError> {
    service.engine.dump.as_ref().ok_or_else(|| {
        CommandError::user(format!("{} keeps nothing that could be saved", service.title()))
            .hint(KEEP_ELSEWHERE)
    })
}

/// Starts the dump of a service that runs. The stream ends with an error if the engine does not come to its end.
pub async fn begin(app: &App, service: &Service) -> Result<ByteStream, CommandError> {
    let dump = dump_of(service)?;
    let program = (dump.command.as_slice(), &dump.environment);
    read_from(app, exec::container(service)?, program, &service.values()).await
}

/// The service with a container that runs: its own, or one apart where it is stopped. That one has to be ended by
/// [`end_visit`]. The service's lease is held where it is stopped.
pub async fn visit(app: &App, service: &Service, console: &Console) -> Result<Service, CommandError> {
    if service.record.wanted == WantedState::Running && service.record.container.is_some() {
        return Ok(service.clone());
    }
    console
        .step(format!("{service} does not run: its engine is started for the moment, on no network"))
        .await;
    apart::start(app, service, &[], console).await
}

/// Ends an engine that was only started for a visit.
pub async fn end_visit(app: &App, service: &Service, visited: &Service) -> Result<(), CommandError> {
    if visited.record.container == service.record.container {
        return Ok(());
    }
    apart::stop(app, visited).await
}
