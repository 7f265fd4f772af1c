//! Sends one app's log on to one drain: from the files, at the drain's own pace, and from where it left off.
//!
//! A drain that is down is tried again and again, with growing pauses. What the log's ring loses meanwhile is counted
//! and told to the drain itself. What is sent may arrive twice where a connection breaks off.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::drains::Drains;
use crate::drains::sender::{Sender, describe};
use crate::logs::entry::{Entry, Source, Stream, sort_lines};
use crate::logs::reader::{Piece, Reader};
use crate::logs::segments::Place;
use crate::store::StoreError;
use crate::store::drains::{DrainProgress, DrainRecord};

/// Bytes of the log that are sent in one go.
const BATCH: usize = 512 << 10;
/// The least time between two goes: what comes meanwhile is sent in one.
const LINGER: Duration = Duration::from_millis(300);
/// The pause after a first failure; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The least time between two notes of how far the log was sent.
const NOTE: Duration = Duration::from_secs(2);

/// One drain at work.
pub(super) struct Run<'a> {
    drains: &'a Drains,
    drain: DrainRecord,
    sender: Sender,
    reader: Reader,
    progress: DrainProgress,
    noted: (DrainProgress, Instant),
}

/// Works until it is cancelled or the app is gone.
pub(super) async fn run(drains: &Drains, drain: DrainRecord, cancel: &CancellationToken) {
    let growth = drains.logs.growth(drain.app);
    let mut run = Run {
        drains,
        sender: Sender::new(drain.clone(), drains.host.clone()),
        reader: drains.logs.reader(drain.app),
        progress: drain.progress,
        noted: (drain.progress, Instant::now()),
        drain,
    };
    cancel.run_until_cancelled(run.go_on(growth)).await;
    run.note().await;
}

impl Run<'_> {
    async fn go_on(&mut self, mut growth: watch::Receiver<()>) {
        loop {
            let piece = match self.read().await {
                Ok(piece) => piece,
                Err(error) => {
                    self.drains.set_trouble(self.drain.id, Some(format!("the log cannot be read: {error}")));
                    sleep(LONGEST_PAUSE).await;
                    continue;
                }
            };
            if piece.lines.is_empty() && piece.lost == 0 {
                self.note().await;
                if growth.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let began = Instant::now();
            match self.drains.store.app_by_id(self.drain.app).await {
                Ok(Some(record)) => {
                    self.progress.dropped += piece.lost;
                    let batch = self.encode(&piece, record.name.as_str());
                    self.send(&batch).await;
                    self.progress.offset = piece.next.offset;
                    self.progress.line = piece.next.line;
                    self.drains.set_progress(self.drain.id, self.progress);
                }
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, "a drain cannot be served"),
            }
            self.note_now_and_then().await;
            if piece.lines.len() < BATCH / 2 {
                sleep(LINGER.saturating_sub(began.elapsed())).await;
            }
        }
    }

    async fn read(&self) -> std::io::Result<Piece> {
        let place = Place { offset: self.progress.offset, line: self.progress.line };
        let reader = self.reader.clone();
        spawn_blocking(move || reader.read(place, BATCH)).await.map_err(std::io::Error::other)?
    }

    fn encode(&self, piece: &Piece, app: &str) -> Bytes {
        let mut batch = Vec::with_capacity(piece.lines.len() * 5 / 4);
        if piece.lost > 0 {
            let text = format!("dropped {} lines: they were not sent before they had to go", piece.lost);
            let (time, text) = (clock::precise_now(), text.as_bytes());
            let (source, process, stream) = (Source::Slipway, "drain", Stream::None);
            self.sender.encode(&Entry { time: &time, source, process, stream, text }, app, &mut batch);
        }
        for line in sort_lines(piece.lines.clone()).split(|byte| *byte == b'\n') {
            if let Some(entry) = Entry::parse(line) {
                self.sender.encode(&entry, app, &mut batch);
            }
        }
        batch.into()
    }

    /// Sends a batch, however long that takes. Trouble is told in the log once, and its end.
    async fn send(&mut self, batch: &Bytes) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.sender.send(batch).await {
                Ok(()) => break,
                Err(error) => describe(&error),
            };
            let is_first = self.drains.set_trouble(self.drain.id, Some(error.clone()));
            if is_first {
                self.say(&format!("cannot send to {}: {error}; trying again and again", self.drain.url))
                    .await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if self.drains.set_trouble(self.drain.id, None) {
            self.say(&format!("sends to {} again", self.drain.url)).await;
        }
    }

    async fn say(&self, text: &str) {
        tracing::info!(drain = self.drain.id, "{text}");
        let process = format!("drain.{}", self.drain.id);
        self.drains.logs.platform_line(self.drain.app, &process, text).await;
    }

    async fn note_now_and_then(&mut self) {
        if self.noted.1.elapsed() >= NOTE {
            self.note().await;
        }
    }

    async fn note(&mut self) {
        if self.noted.0 == self.progress {
            return;
        }
        match self.drains.store.note_drain(self.drain.id, self.progress).await {
            Ok(()) => self.noted = (self.progress, Instant::now()),
            // The server is stopping: the last lines may be sent once more.
            Err(StoreError::Closed) => {}
            Err(error) => tracing::warn!(%error, "a drain's progress cannot be noted"),
        }
    }
}
