//! Pushes to one app take turns: a deploy and the move of the branch that follows it are one thing.
//!
//! Without this, git would refuse to move a branch that another push has moved meanwhile, after the deploy.

use tokio_util::sync::CancellationToken;

use crate::app::lease::Lease;
use crate::commands::Context;
use crate::store::apps::AppId;

/// Waits for the app's turn, and says so if there is one to wait for; nothing if the client goes away before.
pub async fn take_turn(context: &Context, app: AppId, client_gone: &CancellationToken) -> Option<Lease> {
    let turns = &context.app.push_turns;
    if let Some(turn) = turns.try_acquire(app) {
        return Some(turn);
    }
    let ahead = context.app.running_builds.of(app).first().map(|build| format!(" (build {build})"));
    let ahead = ahead.unwrap_or_default();
    // On standard error, for git speaks its protocol on standard output.
    context.console().stderr(format!("-----> Waiting for the app's other deploy to end{ahead}...\n")).await;
    tokio::select! {
        turn = turns.acquire(app) => Some(turn),
        () = client_gone.cancelled() => None,
    }
}
