//! What is known of an app from table to table, so that a new table changes nothing for whom it does not concern.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::address_counts::AddressCounts;
use crate::gate::auth::Verified;
use crate::rate_table::RateTable;
use crate::waiting::WaitingRoom;

/// The memories of all apps, by name.
pub(crate) type Memories = HashMap<Arc<str>, Arc<AppMemory>>;

/// The state of one app that outlives route tables; shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct AppMemory {
    /// Where its requests wait for an instance.
    pub(crate) room: Arc<WaitingRoom>,
    /// Requests of each client address in the last while; made when there is a limit.
    pub(crate) rates: OnceLock<RateTable>,
    /// Requests of each client address that are under way, while there is a limit.
    pub(crate) under_way: Arc<AddressCounts>,
    /// Who has proved to be somebody who may.
    pub(crate) verified: Verified,
}
