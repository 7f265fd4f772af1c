//! The hook that comes once a day, whatever restarts there are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::app::App;
use crate::clock;
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::store::StoreError;

/// A day, in seconds.
const DAY: i64 = 86_400;
/// How often the clock is looked at, which may have been set.
const EVERY: Duration = Duration::from_secs(60);
/// The property with the time of the last one.
const LAST: &str = "plugins-daily-at";

/// Tells plugins until the server stops.
pub(super) async fn run(app: &Arc<App>) {
    loop {
        if let Err(error) = tell_if_due(app).await {
            tracing::warn!(%error, "it cannot be told whether the daily hook is due");
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

async fn tell_if_due(app: &Arc<App>) -> Result<(), StoreError> {
    let last = app.store.property(None, LAST).await?;
    let last: Option<i64> = last.and_then(|text| text.parse().ok());
    let now = clock::unix_seconds();
    // A clock that was set back far must not make it wait for as long.
    let is_due = last.is_some_and(|last| now - last >= DAY || now < last);
    if last.is_none() || is_due {
        app.store.set_property(None, LAST, Some(now.to_string())).await?;
    }
    if is_due {
        tracing::info!("telling plugins that a day has gone by");
        let tell = app.hooks.tell(Hook::Daily, Scene::default(), || Event::Daily {});
        app.shutdown.run_until_cancelled(tell).await;
    }
    Ok(())
}
