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
pub async fn of(
    store: &Store,
    app: AppId,
    _process_type: Option<&ProcessType>,
    _phase: Phase,
) -> Result<ContainerOptions, StoreError> {
    Ok(ContainerOptions { networks: store.link_networks(app).await?, ..ContainerOptions::default() })
}
