//! What is known of an app from table to table, so that a new table changes nothing for whom it does not concern.

use std::collections::HashMap;
use std::sync::Arc;

use crate::waiting::WaitingRoom;

/// The memories of all apps, by name.
pub(crate) type Memories = HashMap<Arc<str>, Arc<AppMemory>>;

/// The state of one app that outlives route tables; shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct AppMemory {
    /// Where its requests wait for an instance.
    pub(crate) room: Arc<WaitingRoom>,
}
