//! What plugins are told of a deploy, and asked about it.

use crate::app::App;
use crate::deploy::Order;
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::release::Release;
use crate::store::apps::AppRecord;

/// A release serves.
pub(super) async fn deployed(app: &App, record: &AppRecord, order: &Order, release: &Release) {
    let event = || Event::PostDeploy {
        app: record.name.clone(),
        by: order.by.clone(),
        release: release.version.to_string(),
        image: release.content.image.to_string(),
        description: release.description.clone(),
    };
    app.hooks.tell(Hook::PostDeploy, Scene::deploy(&order.console), event).await;
}
