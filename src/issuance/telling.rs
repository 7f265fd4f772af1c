//! What is said while a certificate is got: to who asked for it, and in the app's log in any case.

use std::fmt::Display;

use crate::console::Console;
use crate::logs::Logs;
use crate::store::apps::{AppId, AppRecord};

/// What lines of the app's log are marked with.
const PROCESS: &str = "certificates";

/// Says it.
#[derive(Clone, Debug)]
pub struct Telling {
    console: Option<Console>,
    logs: Logs,
    app: AppId,
}

impl Telling {
    /// To somebody who waits for it, or to nobody but the log.
    pub fn new(logs: Logs, record: &AppRecord, console: Option<Console>) -> Self {
        Self { console, logs, app: record.id }
    }

    /// A step.
    pub async fn step(&self, text: impl Display) {
        if let Some(console) = &self.console {
            console.step(&text).await;
        }
        self.log(text).await;
    }

    /// A detail below a step.
    pub async fn detail(&self, text: impl Display) {
        if let Some(console) = &self.console {
            console.detail(&text).await;
        }
        self.log(text).await;
    }

    /// Something that somebody has to do something about.
    pub async fn warn(&self, text: impl Display) {
        if let Some(console) = &self.console {
            console.warn(&text).await;
        }
        self.log(text).await;
    }

    /// Only into the log: a failure, which who asked for it is told at the end.
    pub async fn log(&self, text: impl Display) {
        self.logs.platform_line(self.app, PROCESS, text.to_string()).await;
    }
}
