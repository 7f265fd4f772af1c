//! New credentials for links: a new user with a new password, in the place of the former one. Instances with the
//! former password keep it until they are gone, so no request fails.

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::config_var::ConfigKey;
use crate::services::{Service, keys, link};
use crate::store::apps::AppRecord;
use crate::store::service_links::ServiceLink;

/// Fails if an engine knows no users.
pub fn expect_users(service: &Service) -> Result<(), CommandError> {
    if service.engine.credentials.is_some() {
        return Ok(());
    }
    let title = service.title();
    Err(CommandError::user(format!("{title} knows no users, so links have no credentials of their own"))
        .hint("Make another service and link that"))
}

/// Gives an app's link another user; gives the vars that are others now. The service's lease is held.
pub async fn rotate(
    app: &App,
    service: &Service,
    record: &AppRecord,
    by: &str,
) -> Result<Vec<ConfigKey>, CommandError> {
    expect_users(service)?;
    let former = link::expect(app, service, record).await?;
    let config = app.store.config(Some(record.id)).await?;
    let user = link::user_for(service, record);
    let vars = keys::replacement(service, &former, &user, &config)?;
    let changed = vars.set.keys().cloned().collect();
    let new = ServiceLink { user: user.clone(), ..former.clone() };
    link::make_user(app, service, &new).await?;
    app.store.change_service_user(former, user, vars).await?;
    app.store
        .note_service_event(service.record.id, by, format!("credentials of {} rotated", record.name))
        .await?;
    Ok(changed)
}
