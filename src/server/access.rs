//! Requests into the logs of their apps: one line each, marked `slipway[router]`.
//!
//! Whatever happens here, no request waits for it: the router drops what is not taken in time, and says how much.

use std::collections::HashMap;
use std::sync::Arc;

use slipway_router::access_log::{AccessRecord, AccessRecords};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::logs::Logs;
use crate::logs::entry::{Batch, Entry, Source, Stream};
use crate::store::Store;
use crate::store::apps::AppId;

/// What the lines are marked with.
const PROCESS: &str = "router";
/// Records that are written in one go at most.
const MOST: usize = 4096;

/// Writes records until the router has ended, or it is told to be silent; those that come then are the next one's.
pub(super) async fn keep(
    mut records: AccessRecords,
    store: Store,
    logs: Logs,
    silence: CancellationToken,
) -> AccessRecords {
    while let Some(Some(mut all)) = silence.run_until_cancelled(records.next_batch()).await {
        while all.len() < MOST
            && let Some(more) = records.try_next_batch()
        {
            all.extend(more);
        }
        let mut lines = Lines::default();
        all.iter().for_each(|record| lines.add(record));
        for (app, count) in records.take_lost() {
            lines.add_loss(app, count);
        }
        lines.keep(&store, &logs).await;
    }
    records
}

/// Writes records to the server's own log until the router has ended: those of a server that was replaced, since the
/// next one has the logs of the apps.
pub(super) async fn tell(mut records: AccessRecords) {
    while let Some(all) = records.next_batch().await {
        let mut lines = Lines::default();
        all.iter().for_each(|record| lines.add(record));
    }
}

/// Lines of several apps.
#[derive(Default)]
struct Lines {
    apps: HashMap<Arc<str>, Batch>,
    text: String,
}

impl Lines {
    fn add(&mut self, record: &AccessRecord) {
        self.text.clear();
        record.write(&mut self.text);
        tracing::debug!(target: "slipway::access", "{}", self.text);
        let Some(app) = &record.app else { return };
        let time = clock::precise(record.ended());
        self.push(Arc::clone(app), &time);
    }

    fn add_loss(&mut self, app: Arc<str>, count: u64) {
        tracing::warn!(%app, count, "requests came faster than they can be logged");
        self.text = format!("dropped {count} lines: they came faster than they can be kept");
        self.push(app, &clock::precise_now());
    }

    fn push(&mut self, app: Arc<str>, time: &str) {
        let (source, stream, text) = (Source::Slipway, Stream::None, self.text.as_bytes());
        self.apps.entry(app).or_default().push(&Entry { time, source, process: PROCESS, stream, text });
    }

    /// Hands them over, and waits until they are taken: what comes meanwhile waits in the router, which has bounds.
    async fn keep(self, store: &Store, logs: &Logs) {
        if self.apps.is_empty() {
            return;
        }
        let names: Vec<String> = self.apps.keys().map(|name| name.to_string()).collect();
        // Asked anew each time: the next app of that name is another one.
        let numbers: HashMap<String, AppId> = match store.app_numbers(names).await {
            Ok(numbers) => numbers,
            Err(error) => {
                tracing::warn!(%error, "requests are not logged");
                return;
            }
        };
        for (name, batch) in self.apps {
            if let Some(app) = numbers.get(&*name) {
                logs.keep(*app, batch).await;
            }
        }
    }
}
