//! What happens is told to plugins: they watch, they may say no, they may add something.
//!
//! An event that no plugin has a hook for costs one look into a list; it is not even put together. Whoever makes
//! something happen says what it is; in which order plugins run, how, and what is kept of it, is known here.

pub mod additions;
pub mod callbacks;
pub mod execution;
pub mod for_release;
mod output;
mod walls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::console::Console;
use crate::formats::plugin_toml::OnFailure;
use crate::hooks::callbacks::Callbacks;
use crate::hooks::execution::{End, Execution, Ran, Surroundings};
use crate::model::config_var::ConfigKey;
use crate::model::hook::Hook;
use crate::model::hook::contract::{Kind, NOT_MINE, contract};
use crate::model::hook::event::Event;
use crate::model::plugin::PluginName;
use crate::plugin::{Plugin, Plugins};
use crate::process::confinement::Builder;
use crate::store::Store;

/// How many executables that watch run at a time.
const WATCHERS: usize = 8;

/// How long a plugin's own executables may take: they may fetch and build.
const LONG: Duration = Duration::from_secs(600);

/// Tells plugins. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hooks {
    plugins: Plugins,
    store: Store,
    builder: Arc<Builder>,
    callbacks: Callbacks,
    root: PathBuf,
    watchers: Arc<Semaphore>,
}

/// Where something happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scene<'a> {
    /// Who sees what executables write; nobody if nobody is there.
    pub console: Option<&'a Console>,
    /// Whether a deploy of the event's app waits for them.
    pub is_deploying: bool,
}

impl<'a> Scene<'a> {
    /// In a command.
    pub fn command(console: &'a Console) -> Self {
        Self { console: Some(console), is_deploying: false }
    }

    /// In a deploy.
    pub fn deploy(console: &'a Console) -> Self {
        Self { console: Some(console), is_deploying: true }
    }
}

/// A plugin said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{plugin} says no at {hook}: {reason}")]
pub struct Veto {
    /// Which plugin.
    pub plugin: PluginName,
    /// At which hook.
    pub hook: Hook,
    /// Why.
    pub reason: String,
}

/// What one plugin said at a hook that adds.
type Said = (Arc<Plugin>, Vec<u8>);

impl Hooks {
    /// Puts it together; `root` is what executables must not see.
    pub fn new(plugins: Plugins, store: Store, root: &Path, builder: Builder) -> Self {
        Self {
            plugins,
            store,
            builder: Arc::new(builder),
            callbacks: Callbacks::default(),
            root: root.to_owned(),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
        }
    }

    /// The runs that may call back.
    pub fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    /// Why executables run with fewer walls than they should on this host, if they do.
    pub fn missing_walls(&self) -> Option<&str> {
        self.builder.refused()
    }

    /// Whether anybody is told of it at all.
    pub fn has(&self, hook: Hook) -> bool {
        self.plugins.has_hook(hook)
    }

    /// Tells those that watch, side by side, and waits for them. Their failures are told to the person, and change
    /// nothing.
    pub async fn tell(&self, hook: Hook, scene: Scene<'_>, event: impl FnOnce() -> Event) {
        if !self.has(hook) {
            return;
        }
        let event = event();
        let runs = self.listeners(&event).await.into_iter().map(async |plugin| {
            // The semaphore is never closed.
            let _permit = self.watchers.acquire().await.ok();
            let ran = self.run_hook(&plugin, &event, scene).await;
            if !ran.end.is_good() {
                self.warn(scene, &plugin, hook, &ran).await;
            }
        });
        join_all(runs).await;
    }

    /// Asks those that may say no, one after the other; the first no counts.
    pub async fn ask(&self, hook: Hook, scene: Scene<'_>, event: impl FnOnce() -> Event) -> Result<(), Veto> {
        if !self.has(hook) {
            return Ok(());
        }
        self.hear(scene, event()).await.map(drop)
    }

    /// Offers something to one plugin after the other, and says whether one took it.
    pub async fn offer(
        &self,
        hook: Hook,
        scene: Scene<'_>,
        event: impl FnOnce() -> Event,
    ) -> Result<bool, Veto> {
        if !self.has(hook) {
            return Ok(false);
        }
        let event = event();
        for plugin in self.listeners(&event).await {
            let ran = self.run_hook(&plugin, &event, scene).await;
            if ran.end != End::Status(NOT_MINE) && self.judge(&plugin, hook, ran, scene).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs one of a plugin's own executables, such as `install`, and gives its last line too.
    pub async fn perform(&self, execution: &Execution<'_>, console: &Console) -> (End, String) {
        let console = Some(console);
        let around = Surroundings { input: Bytes::new(), time: LONG, console, adds: false };
        let ran = self.execute(execution, around).await;
        (ran.end, ran.last_line)
    }

    /// Asks those that may add something, one after the other, for what they say.
    async fn hear(&self, scene: Scene<'_>, event: Event) -> Result<Vec<Said>, Veto> {
        let hook = event.hook();
        let mut said = Vec::new();
        for plugin in self.listeners(&event).await {
            let ran = self.run_hook(&plugin, &event, scene).await;
            if let Some(bytes) = self.judge(&plugin, hook, ran, scene).await? {
                said.push((plugin, bytes));
            }
        }
        Ok(said)
    }

    /// A run that ended well counts; one that failed is a no, unless it failed to answer and that is said to be fine.
    async fn judge(
        &self,
        plugin: &Arc<Plugin>,
        hook: Hook,
        ran: Ran,
        scene: Scene<'_>,
    ) -> Result<Option<Vec<u8>>, Veto> {
        if ran.end.is_good() {
            return Ok(Some(ran.added));
        }
        let on_failure = plugin.manifest.hooks.get(&hook).and_then(|facts| facts.on_failure);
        if !matches!(ran.end, End::Status(_)) && on_failure == Some(OnFailure::Allow) {
            self.warn(scene, plugin, hook, &ran).await;
            return Ok(None);
        }
        let reason = match &ran.end {
            End::Status(_) if !ran.last_line.is_empty() => ran.last_line,
            end => format!("its hook {}", end.words()),
        };
        Err(Veto { plugin: plugin.name.clone(), hook, reason })
    }

    async fn run_hook(&self, plugin: &Plugin, event: &Event, scene: Scene<'_>) -> Ran {
        let hook = event.hook();
        let execution = Execution {
            plugin,
            executable: format!("hooks/{hook}"),
            arguments: event.arguments(),
            app: event.app().cloned(),
            is_deploying: scene.is_deploying,
            user: None,
        };
        // Names, numbers and texts cannot fail to be written.
        let mut input = serde_json::to_vec(event).unwrap_or_default();
        input.push(b'\n');
        let around = Surroundings {
            input: Bytes::from(input),
            time: time(plugin, hook),
            console: scene.console,
            adds: matches!(contract(hook).kind, Kind::Adds(_)),
        };
        self.execute(&execution, around).await
    }

    /// Those that are told: not those because of whose callbacks it happens, nor those that lack a setting.
    async fn listeners(&self, event: &Event) -> Vec<Arc<Plugin>> {
        let causes = callbacks::causes();
        let mut found = Vec::new();
        for plugin in self.plugins.with_hook(event.hook()) {
            if !causes.contains(&plugin.name) && self.has_what_it_needs(&plugin, event).await {
                found.push(plugin);
            }
        }
        found
    }

    async fn has_what_it_needs(&self, plugin: &Plugin, event: &Event) -> bool {
        let facts = plugin.manifest.hooks.get(&event.hook());
        let Some(needs) = facts.map(|facts| &facts.needs).filter(|needs| !needs.is_empty()) else {
            return true;
        };
        match self.settings(plugin, event.app()).await {
            Ok(set) => {
                let is_set = |key: &ConfigKey| {
                    set.iter().any(|(name, value)| name == key.as_str() && !value.is_empty())
                };
                needs.iter().all(is_set)
            }
            // The run itself fails for the same reason, and says so.
            Err(_) => true,
        }
    }

    async fn warn(&self, scene: Scene<'_>, plugin: &Plugin, hook: Hook, ran: &Ran) {
        let text = format!("The plugin {}'s hook {hook} {}", plugin.name, ran.end.words());
        match scene.console {
            Some(console) => console.warn(format!("{text}; see plugin:report {}", plugin.name)).await,
            None => tracing::warn!(plugin = %plugin.name, %hook, last_line = ran.last_line, "{text}"),
        }
    }
}

/// How long a plugin's hook may take.
fn time(plugin: &Plugin, hook: Hook) -> Duration {
    let asked = plugin.manifest.hooks.get(&hook).and_then(|facts| facts.timeout_seconds);
    asked.map_or_else(|| contract(hook).time(), Duration::from_secs)
}
