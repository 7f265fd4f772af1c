//! Pushes to one app take turns: a deploy and the move of the branch that follows it are one thing.
//!
//! Without this, git would refuse to move a branch that another push has moved meanwhile, after the deploy.

use crate::app::lease::Lease;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::deploy::ticket::Ticket;
use crate::store::apps::AppId;

/// Waits for the app's turn, and says so if there is one to wait for; nothing if the client goes away before, or
/// `builds:cancel` ends it. Meanwhile the ticket is listed as one that waits.
pub async fn take_turn(
    context: &Context,
    app: AppId,
    ticket: &Ticket,
) -> Result<Option<Lease>, CommandError> {
    let turns = &context.app.push_turns;
    if let Some(turn) = turns.try_acquire(app) {
        return Ok(Some(turn));
    }
    ticket.queued(&context.app).await?;
    let ahead = context.app.running_builds.of(app).into_iter().find(|build| *build != ticket.build);
    let ahead = ahead.map(|build| format!(" (build {build})")).unwrap_or_default();
    // On standard error, for git speaks its protocol on standard output.
    context.console().stderr(format!("-----> Waiting for the app's other deploy to end{ahead}...\n")).await;
    tokio::select! {
        turn = turns.acquire(app) => Ok(Some(turn)),
        () = ticket.cancel.cancelled() => Ok(None),
    }
}

/// Waits until nobody has the app's turn, for a push that has not said yet what it brings.
pub async fn await_turn(context: &Context, app: AppId) -> Result<bool, CommandError> {
    if context.app.push_turns.try_acquire(app).is_some() {
        return Ok(true);
    }
    let by = &context.caller.name;
    let ticket = Ticket::for_push(&context.app, app, by, &context.io.client_gone).await?;
    let turn = take_turn(context, app, &ticket).await;
    ticket.withdraw(&context.app).await?;
    Ok(turn?.is_some())
}
