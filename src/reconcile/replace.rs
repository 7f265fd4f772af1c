//! Instances that are gone from the engine: started anew in the background, so that an app that does not come up
//! holds up no other one, and again and again until it does.
//!
//! An app's own fault gets growing pauses, so that it does not keep the host busy. A fault of the host's may be over
//! any moment, and is tried again within seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::console::Console;
use crate::deploy::error::{DeployError, Fault};
use crate::deploy::{self, Order, Work, recover};
use crate::store::apps::{AppId, AppRecord};

/// The pause after the first attempt that failed; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause after an app's own fault.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The longest pause after a fault of the host's: what is wanted is there again within ten seconds of its end.
const HOST_PAUSE: Duration = Duration::from_secs(4);

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

/// How long to wait, attempt after attempt.
#[derive(Clone, Copy, Debug)]
struct Pauses {
    next: Duration,
}

impl Pauses {
    fn after(&mut self, fault: Fault) -> Duration {
        match fault {
            Fault::Host => HOST_PAUSE.min(self.next),
            Fault::App | Fault::NoImage => {
                let pause = self.next;
                self.next = (pause * 2).min(LONGEST_PAUSE);
                pause
            }
        }
    }
}

async fn attempt_until_done(app: &Arc<App>, record: &AppRecord, enough: &CancellationToken) {
    let mut pauses = Pauses { next: FIRST_PAUSE };
    let mut told = None;
    loop {
        let fault = match replace(app, record).await {
            Ok(()) | Err(DeployError::Gone | DeployError::Cancelled | DeployError::NotDeployed(_)) => return,
            Err(error) => {
                let text = error.to_string();
                // The same fault of the host's every few seconds is told once.
                if told.as_ref() == Some(&text) {
                    tracing::debug!(app = %record.name, %error, "missing instances still cannot be replaced");
                } else {
                    tracing::error!(app = %record.name, %error, "missing instances cannot be replaced");
                }
                let fault = error.fault();
                told = (fault == Fault::Host).then_some(text);
                fault
            }
        };
        // Only the pause is cut short, never an attempt.
        tokio::select! {
            () = sleep(pauses.after(fault)) => {}
            () = enough.cancelled() => return,
        }
    }
}

/// One attempt; where the image is gone, too, it is made again from what the release was made from.
async fn replace(app: &Arc<App>, record: &AppRecord) -> Result<(), DeployError> {
    match run(app, record, Work::Replace, "Replace missing instances").await {
        Err(error) if error.fault() == Fault::NoImage => {
            tracing::warn!(app = %record.name, "the image is gone from the engine, making it again");
            let (source, description) = recover::source(app, record).await?;
            run(app, record, Work::Recover(source), &description).await
        }
        result => result,
    }
}

/// Its output is kept with the builds, where `builds:output` finds it.
async fn run(app: &Arc<App>, record: &AppRecord, work: Work, description: &str) -> Result<(), DeployError> {
    let (console, mut output) = Console::new();
    let order = Order {
        app: record.id,
        work,
        by: "slipway".to_owned(),
        description: description.to_owned(),
        console,
        cancel: app.shutdown.clone(),
    };
    let drain = async { while output.recv().await.is_some() {} };
    let (result, ()) = tokio::join!(deploy::run(app, order), drain);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_faults_are_tried_again_within_seconds_and_the_apps_own_ever_later() {
        let mut pauses = Pauses { next: FIRST_PAUSE };
        for _ in 0..100 {
            assert!(pauses.after(Fault::Host) <= Duration::from_secs(5));
        }
        let own: Vec<u64> = (0..12).map(|_| pauses.after(Fault::App).as_secs()).collect();
        assert_eq!(own[..4], [2, 4, 8, 16]);
        assert_eq!(own[11], 600);
        assert!(pauses.after(Fault::Host) <= Duration::from_secs(5), "also after many of the app's own");
    }
}
