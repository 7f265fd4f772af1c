//! Automatic certificates: gets what apps lack, renews what is about to end.
//!
//! What is due is derived from the database and the clock alone. It looks at least once an hour, so that a clock that
//! was set is noticed, and after every notice that names or settings are others.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::issuance::choice::Choice;
use crate::issuance::need;
use crate::issuance::obtain::{self, Request};
use crate::issuance::suggestion;
use crate::issuance::telling::Telling;
use crate::store::apps::AppRecord;

/// How long it sleeps at most.
const LONGEST_SLEEP: i64 = 3600;
/// Orders at a time, so that one authority that is slow does not hold up all.
const AT_ONCE: usize = 4;

/// Runs until the server stops.
pub async fn run(app: &Arc<App>, notice: &Notify) {
    loop {
        let looking = pass(app);
        let next = tokio::select! {
            next = looking => next,
            // What is under way is broken off within a moment by itself, and takes its proofs back.
            () = app.shutdown.cancelled() => return,
        };
        let pause = (next - clock::unix_seconds()).clamp(1, LONGEST_SLEEP);
        tokio::select! {
            () = notice.notified() => {}
            () = sleep(Duration::from_secs(u64::try_from(pause).unwrap_or(1))) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// Looks at every app once, and says when to look again.
async fn pass(app: &Arc<App>) -> i64 {
    let later = clock::unix_seconds().saturating_add(LONGEST_SLEEP);
    let records = match app.store.apps().await {
        Ok(records) => records,
        Err(error) => {
            tracing::error!(%error, "certificates cannot be looked after; trying again within the hour");
            return later;
        }
    };
    let looks = futures_util::stream::iter(records).map(|record| look(app, record)).buffer_unordered(AT_ONCE);
    looks.fold(later, async |earliest, next| next.map_or(earliest, |next| earliest.min(next))).await
}

/// Looks at one app, and says when to look again.
async fn look(app: &Arc<App>, record: AppRecord) -> Option<i64> {
    match look_after(app, &record).await {
        Ok(next) => next,
        Err(error) => {
            tracing::error!(app = %record.name, error = %error.lines(), "no automatic certificate");
            standing(app, &record).await.unwrap_or(None)
        }
    }
}

async fn look_after(app: &Arc<App>, record: &AppRecord) -> Result<Option<i64>, CommandError> {
    let Some(next) = standing(app, record).await? else { return Ok(None) };
    if next > clock::unix_seconds() {
        return Ok(Some(next));
    }
    // Who asked for it by a command is at it already.
    if app.issuing.try_acquire(record.id).is_none() {
        return Ok(None);
    }
    let telling = Telling::new(app.logs.clone(), record, None);
    let (task_app, task_record) = (app.clone(), record.clone());
    let job = app
        .tasks
        .spawn(async move { obtain::obtain(&task_app, &task_record, Request::default(), &telling).await });
    let obtained =
        job.await.map_err(|error| CommandError::internal("ordering a certificate failed", error))??;
    if obtained.issued > 0 {
        tracing::info!(app = %record.name, issued = obtained.issued, "certificates were renewed");
    }
    standing(app, record).await
}

/// When something is to be done for an app.
async fn standing(app: &Arc<App>, record: &AppRecord) -> Result<Option<i64>, CommandError> {
    let choice = Choice::of(&app.store, record.id).await?;
    if !choice.enabled {
        return Ok(None);
    }
    let state = app.store.acme_state(record.id).await?;
    let standing = need::standing(app, record, &choice, &state).await?;
    if let Err(error) = suggestion::ask(app, record, &choice, &standing.held).await {
        tracing::debug!(app = %record.name, %error, "the authority cannot be asked when to renew");
    }
    Ok(standing.next)
}
