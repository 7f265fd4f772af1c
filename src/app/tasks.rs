//! Tasks that outlive the command that started them.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All of them. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    over: CancellationToken,
}

impl Tasks {
    /// Starts one.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(self.over.clone().run_until_cancelled_owned(task));
    }

    /// Starts one whose result somebody may wait for. There is none if the task was abandoned.
    pub fn begin<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        self.tracker.spawn(self.over.clone().run_until_cancelled_owned(task))
    }

    /// Waits until there are none any more.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops what has not ended: another server goes on with it.
    pub async fn abandon(&self) {
        self.over.cancel();
        self.wait().await;
    }
}
