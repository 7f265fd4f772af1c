//! In which order apps are set right, where there are many: after a reboot.

use crate::app::App;
use crate::store::StoreError;
use crate::store::apps::AppRecord;

/// The apps in waves: those of a wave are set right side by side, before those of the next.
#[expect(clippy::unused_async, reason = "apps that others are linked to will come first")]
pub async fn waves(_app: &App, records: Vec<AppRecord>) -> Result<Vec<Vec<AppRecord>>, StoreError> {
    Ok(vec![records])
}
