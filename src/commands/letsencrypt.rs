//! `letsencrypt:*` and `certs:auto`: certificates that come and are renewed by themselves, from whichever authority.
//!
//! The names are those of Dokku's plugin; nothing here is bound to Let's Encrypt.

pub mod enable;
pub mod list;
pub mod properties;
pub mod renew;
pub mod revoke;
pub mod set;

use crate::clock;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::issuance::obtain::{self, Obtained, Request};
use crate::issuance::telling::Telling;
use crate::store::apps::AppRecord;

/// Gets an app what it lacks, and goes on with that if the client leaves.
async fn obtain(context: &Context, record: &AppRecord, request: Request) -> Result<Obtained, CommandError> {
    let (app, record) = (context.app.clone(), record.clone());
    let telling = Telling::new(app.logs.clone(), &record, Some(context.console().clone()));
    let tasks = app.tasks.clone();
    let job = tasks.spawn(async move { obtain::obtain(&app, &record, request, &telling).await });
    let obtained = job.await.map_err(|error| CommandError::internal("Ordering a certificate failed", error));
    // The reconciler's plans are others now.
    context.app.reconciler.check_certificates();
    obtained?
}

/// An error, with the word that it goes on by itself.
async fn tried_again(context: &Context, record: &AppRecord, error: CommandError) -> CommandError {
    let state = context.app.store.acme_state(record.id).await.unwrap_or_default();
    match state.next_attempt {
        Some(next) => error.hint(format!(
            "It is tried again by itself, next at {}; letsencrypt:disable {} ends that",
            clock::format_seconds(next),
            record.name
        )),
        None => error,
    }
}
