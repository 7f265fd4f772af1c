//! Users of links that are no more: removed from the engine once nobody has their password any longer.
//!
//! Who has it is asked anew each time, of the app's release and of its containers: old instances may drain for hours,
//! and a deploy that failed leaves the former release in place.

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::service::WantedState;
use crate::services::{Service, exec};
use crate::store::service_links::Departure;

/// Removes the users that can go. One whose service or app is busy, or whose service does not run, waits.
pub async fn settle(app: &App) -> Result<(), CommandError> {
    for departure in app.store.departures().await? {
        let Some(_lease) = app.service_leases.try_acquire(departure.service) else { continue };
        // A deploy under way may be about to start instances with the password.
        let app_lease = departure.app.map(|id| app.leases.try_acquire(id));
        if matches!(app_lease, Some(None)) || is_known(app, &departure).await? {
            continue;
        }
        match remove(app, &departure).await {
            Ok(true) => app.store.forget_departure(departure.id).await?,
            Ok(false) => {}
            Err(error) => tracing::warn!(
                user = departure.user.name, app = departure.app_name, %error,
                "a former user of a service is not removed; trying again"
            ),
        }
    }
    Ok(())
}

/// Removes a user; false if the service does not run now.
async fn remove(app: &App, departure: &Departure) -> Result<bool, CommandError> {
    let Some(service) = Service::by_id(app, departure.service).await? else { return Ok(true) };
    let credentials = match &service.engine.credentials {
        Some(credentials) if departure.user.name != service.engine.service.admin_user => credentials,
        _ => return Ok(true),
    };
    if service.record.wanted != WantedState::Running || service.record.container.is_none() {
        return Ok(false);
    }
    let values = service.values().with_user(&departure.user);
    let ran = exec::run(app, exec::container(&service)?, &credentials.remove, &values).await?;
    ran.checked(&format!("{service} does not let go of the user {}", departure.user.name))?;
    tracing::info!(%service, user = departure.user.name, "a former user is removed");
    Ok(true)
}

/// Whether the app's release or one of its containers, of whatever kind, has the password.
async fn is_known(app: &App, departure: &Departure) -> Result<bool, CommandError> {
    let password = departure.user.password.expose();
    let record = match departure.app {
        Some(id) => app.store.app_by_id(id).await?,
        None => None,
    };
    if let Some(release) = record.as_ref().and_then(|record| record.current_release)
        && let Some(release) = app.store.release(release).await?
        && release.content.config.values().any(|value| value.expose().contains(password))
    {
        return Ok(true);
    }
    let now = record.map(|record| record.name.to_string());
    for container in app.engine.survey().await? {
        let name = container.labels.app.as_str();
        let is_of_app = name == departure.app_name || now.as_deref() == Some(name);
        if is_of_app && app.engine.environment_mentions(&container.id, password).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
