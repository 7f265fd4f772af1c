//! What an app's settings add to its containers, whatever these run: instances, release tasks, one-off processes.

use crate::model::container_options::ContainerOptions;
use crate::model::process_type::ProcessType;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// In which of an app's phases a container runs, as `docker-options` and `storage` name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Instances.
    Deploy,
    /// Release tasks, one-off and scheduled processes.
    Run,
}

/// The options that hold for a container of an app; `process_type` is `None` for a command that is none.
#[expect(clippy::unused_async, reason = "nothing can be set yet")]
pub async fn of(
    _store: &Store,
    _app: AppId,
    _process_type: Option<&ProcessType>,
    _phase: Phase,
) -> Result<ContainerOptions, StoreError> {
    Ok(ContainerOptions::default())
}
