//! Instances that are gone from the engine: started anew in the background, so that an app that does not come up
//! holds up no other one, and again and again with growing pauses, so that it does not keep the host busy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::console::Console;
use crate::deploy::error::DeployError;
use crate::deploy::{self, Order, Work};
use crate::store::apps::{AppId, AppRecord};

/// The pause after the first attempt that failed; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The apps whose instances are being replaced, with what ends the attempts.
#[derive(Debug, Default)]
pub struct Replacements {
    /// Protects the map only; never held across an await.
    apps: Mutex<HashMap<AppId, CancellationToken>>,
}

impl Replacements {
    /// Begins to replace an app's missing instances, unless that is being done already.
    pub fn begin(self: &Arc<Self>, app: &Arc<App>, record: AppRecord) {
        let enough = app.shutdown.child_token();
        if self.apps().contains_key(&record.id) {
            return;
        }
        self.apps().insert(record.id, enough.clone());
        tracing::warn!(app = %record.name, "instances are gone from the engine, starting new ones");
        let (app, replacements) = (app.clone(), self.clone());
        app.clone().tasks.spawn(async move {
            attempt_until_done(&app, &record, &enough).await;
            replacements.apps().remove(&record.id);
        });
    }

    /// Ends the waiting for the next attempt: nothing is missing any more.
    pub fn settle(&self, app: AppId) {
        if let Some(enough) = self.apps().get(&app) {
            enough.cancel();
        }
    }

    fn apps(&self) -> MutexGuard<'_, HashMap<AppId, CancellationToken>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn attempt_until_done(app: &Arc<App>, record: &AppRecord, enough: &CancellationToken) {
    let mut pause = FIRST_PAUSE;
    loop {
        match replace(app, record).await {
            Ok(()) | Err(DeployError::Gone | DeployError::Cancelled | DeployError::NotDeployed(_)) => return,
            Err(error) => {
                let again = pause.as_secs();
                tracing::error!(app = %record.name, %error, again, "missing instances cannot be replaced");
            }
        }
        // Only the pause is cut short, never an attempt.
        tokio::select! {
            () = sleep(pause) => {}
            () = enough.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One attempt. Its output is kept with the builds, where `builds:output` finds it.
async fn replace(app: &Arc<App>, record: &AppRecord) -> Result<(), DeployError> {
    let (console, mut output) = Console::new();
    let order = Order {
        app: record.id,
        work: Work::Replace,
        by: "slipway".to_owned(),
        description: "Replace missing instances".to_owned(),
        console,
        cancel: app.shutdown.clone(),
    };
    let drain = async { while output.recv().await.is_some() {} };
    let (result, ()) = tokio::join!(deploy::run(app, order), drain);
    result
}
