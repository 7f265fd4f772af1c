//! The containers of a build: made for it, read from, and removed with it.

use crate::build::BuildOrder;
use crate::build::buildpacks::under_way::Claim;
use crate::build::source::LIMIT;
use crate::docker::Engine;
use crate::docker::container::ContainerSpec;
use crate::docker::error::EngineError;
use crate::model::container_id::ContainerId;

/// Where the driver leaves what it found out.
const OUT: &str = "/slipway/out";
/// Nobody has more; a build may write into the list.
const MOST_BUILDPACKS: usize = 100;
/// Hexadecimal digits of a SHA-256.
const KEY_LENGTH: usize = 64;

/// A container that is removed when nobody needs it any more, however that comes.
#[derive(Debug)]
pub struct Scratch {
    engine: Engine,
    container: Option<ContainerId>,
    id: ContainerId,
    claim: Option<Claim>,
}

impl Scratch {
    /// Makes it.
    pub async fn create(order: &BuildOrder<'_>, spec: &ContainerSpec) -> Result<Self, EngineError> {
        let claim = order.hints.under_way.claim(&spec.name);
        let id = order.engine.create(spec).await?;
        Ok(Self { engine: order.engine.clone(), container: Some(id.clone()), id, claim: Some(claim) })
    }

    /// Its id.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Removes it.
    pub async fn remove(mut self) -> Result<(), EngineError> {
        let removed = self.engine.remove(&self.id).await;
        self.container = None;
        removed
    }

    /// Has it removed, without waiting for that.
    pub fn remove_later(self) {
        drop(self);
    }

    /// A file of it, up to a size.
    pub async fn file(&self, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        self.engine.container_file(&self.id, path, LIMIT).await
    }

    /// The names of the buildpacks that were run.
    pub async fn detected(&self) -> Result<Vec<String>, EngineError> {
        let detected = self.output("detected").await?;
        let names = detected.lines().filter_map(|line| line.strip_prefix("buildpack "));
        Ok(names.map(str::to_owned).collect())
    }

    /// `NAME.0`, `NAME.1` and so on of what the driver left, as many as there are buildpacks; empty where there is none.
    pub async fn outputs(&self, name: &str) -> Result<Vec<Vec<u8>>, EngineError> {
        let detected = self.output("detected").await?;
        let mut found = Vec::new();
        let count = detected.lines().filter(|line| line.starts_with("buildpack ")).count();
        for index in 0..count.min(MOST_BUILDPACKS) {
            found.push(self.file(&format!("{OUT}/{name}.{index}")).await?.unwrap_or_default());
        }
        Ok(found)
    }

    /// Tells how long each step took.
    pub async fn show_steps(&self, order: &BuildOrder<'_>) -> Result<(), EngineError> {
        let steps = self.output("steps").await?;
        let times: Vec<String> = steps
            .lines()
            .filter_map(|line| {
                let (name, milliseconds) = line.split_once('\t')?;
                Some(format!("{name} {:.1} s", milliseconds.parse::<f64>().ok()? / 1000.0))
            })
            .collect();
        order.console.detail(format!("Time: {}", times.join(", "))).await;
        Ok(())
    }

    /// What is not to be in the app's own layer, if there is anything: its key and its bytes.
    pub async fn layer(&self) -> Result<Option<(String, u64)>, EngineError> {
        let text = self.output("layer").await?;
        let found = text.trim().split_once(' ').and_then(|(key, bytes)| Some((key, bytes.parse().ok()?)));
        let is_key = |key: &str| key.len() == KEY_LENGTH && key.bytes().all(|b| b.is_ascii_hexdigit());
        Ok(found.filter(|(key, _)| is_key(key)).map(|(key, bytes)| (key.to_owned(), bytes)))
    }

    /// What the driver left under a name; empty if it left nothing.
    pub async fn output(&self, name: &str) -> Result<String, EngineError> {
        let bytes = self.file(&format!("{OUT}/{name}")).await?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            let (engine, claim) = (self.engine.clone(), self.claim.take());
            tokio::spawn(async move {
                let _claim = claim;
                if let Err(error) = engine.remove(&container).await {
                    tracing::warn!(%error, "a build container was not removed; it is an orphan now");
                }
            });
        }
    }
}
