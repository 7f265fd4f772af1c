//! Plugins are told of a route table that differs from the last one, in the background: nobody waits for them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use slipway_router::table::TableSpec;

use crate::app::App;
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;

/// The last table that was told of.
#[derive(Debug, Default)]
pub(super) struct Told {
    digest: Option<u64>,
}

impl Told {
    /// Tells of a table that was published.
    pub(super) fn tell(&mut self, app: &Arc<App>, table: &TableSpec) {
        if !app.hooks.has(Hook::RoutesPublished) {
            return;
        }
        let mut hasher = DefaultHasher::new();
        for routes in &table.apps {
            let parts = (&routes.app, &routes.hosts, &routes.ports, &routes.instances);
            format!("{parts:?}").hash(&mut hasher);
        }
        let digest = Some(hasher.finish());
        if self.digest == digest {
            return;
        }
        self.digest = digest;
        let hosts = table.apps.iter().map(|app| app.hosts.len()).sum();
        let (app, event) = (app.clone(), Event::RoutesPublished { hosts });
        app.clone().tasks.spawn(async move {
            app.hooks.tell(Hook::RoutesPublished, Scene::default(), || event).await;
        });
    }
}
