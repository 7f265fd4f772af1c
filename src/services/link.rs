//! Links: an app gets a user of its own, config vars with the URL, and a place on the service's network.
//!
//! Whoever calls restarts the app afterwards, once for all of its links.

use rand::distr::{Alphanumeric, SampleString as _};

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::config_var::{ConfigKey, ConfigVars};
use crate::model::password::Password;
use crate::services::{Service, exec, keys};
use crate::store::apps::AppRecord;
use crate::store::service_links::{LinkUser, ServiceLink};

/// How much of an app's name is in its user's: MySQL's names have 32 characters.
const NAME_LENGTH: usize = 20;
/// What makes a user's name unique.
const SUFFIX_LENGTH: usize = 8;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct LinkWish {
    /// What stands before `_URL`, if it is not to be chosen.
    pub alias: Option<String>,
    /// What stands behind the URL's `?`.
    pub query: String,
}

/// What an app was given.
#[derive(Clone, Debug)]
pub struct Linked {
    /// Where it finds the service.
    pub key: ConfigKey,
    /// All that was set.
    pub vars: ConfigVars,
}

/// The link of an app, if it has one.
pub async fn find(
    app: &App,
    service: &Service,
    record: &AppRecord,
) -> Result<Option<ServiceLink>, CommandError> {
    let links = app.store.links_of_app(record.id).await?;
    Ok(links.into_iter().find(|link| link.service == service.record.id))
}

/// The link of an app, which has to be there.
pub async fn expect(app: &App, service: &Service, record: &AppRecord) -> Result<ServiceLink, CommandError> {
    find(app, service, record).await?.ok_or_else(|| {
        CommandError::user(format!("Not linked to app {}", record.name))
            .hint(format!("Link it: {}:link {} {}", service.record.engine, service.record.name, record.name))
    })
}

/// Links an app. The service's lease is held.
pub async fn add(
    app: &App,
    service: &Service,
    record: &AppRecord,
    wish: &LinkWish,
    by: &str,
) -> Result<Linked, CommandError> {
    if let Some(link) = find(app, service, record).await? {
        let names: Vec<&str> = link.keys.iter().map(ConfigKey::as_str).collect();
        let name = names.iter().find(|name| name.ends_with("_URL")).copied().unwrap_or_default();
        return Err(CommandError::user(format!("Already linked as {name}")));
    }
    check_query(&wish.query)?;
    let config = app.store.config(Some(record.id)).await?;
    let key = keys::choose(service, wish.alias.as_deref(), &config)?;
    let link = ServiceLink {
        service: service.record.id,
        app: record.id,
        app_name: record.name.clone(),
        user: user_for(service, record),
        query: wish.query.clone(),
        keys: Vec::new(),
    };
    let (link, vars) = keys::plan(service, link, key.clone(), &config)?;
    make_user(app, service, &link).await?;
    let set = vars.set.clone();
    app.store.add_service_link(link, vars).await?;
    app.store
        .note_service_event(service.record.id, by, format!("linked to {} as {key}", record.name))
        .await?;
    app.reconciler.check_services();
    Ok(Linked { key, vars: set })
}

/// Takes an app's link away; gives the vars that went with it. The user stays until no instance has its password any
/// longer. The service's lease is held.
pub async fn remove(
    app: &App,
    service: &Service,
    record: &AppRecord,
    by: &str,
) -> Result<Vec<ConfigKey>, CommandError> {
    let link = expect(app, service, record).await?;
    let config = app.store.config(Some(record.id)).await?;
    let vars = keys::removal(service, &link, &config)?;
    let unset = vars.unset.clone();
    app.store.remove_service_link(link, vars).await?;
    app.store.note_service_event(service.record.id, by, format!("unlinked from {}", record.name)).await?;
    app.reconciler.check_services();
    Ok(unset)
}

/// Gives an app's link the engine's own name; gives that.
pub async fn promote(
    app: &App,
    service: &Service,
    record: &AppRecord,
    by: &str,
) -> Result<ConfigKey, CommandError> {
    let link = expect(app, service, record).await?;
    let primary = keys::primary(service)?;
    if link.keys.contains(&primary) {
        return Err(CommandError::user(format!(
            "Service {} already promoted as {primary}",
            service.record.name
        )));
    }
    let mut others = Vec::new();
    for other in app.store.links_of_app(record.id).await? {
        if other.service != link.service
            && let Some(found) = Service::by_id(app, other.service).await?
        {
            others.push((found, other));
        }
    }
    let config = app.store.config(Some(record.id)).await?;
    let (links, vars) = keys::promotion(service, &link, &others, &config)?;
    app.store.change_service_keys(links, vars).await?;
    app.store.note_service_event(service.record.id, by, format!("promoted for {}", record.name)).await?;
    Ok(primary)
}

/// The user of a new link: its own where the engine knows users, else the admin.
pub fn user_for(service: &Service, record: &AppRecord) -> LinkUser {
    if service.engine.credentials.is_none() {
        let name = service.engine.service.admin_user.clone();
        return LinkUser { name, password: service.record.password.clone() };
    }
    let begin: String = record.name.as_str().replace(['-', '.'], "_").chars().take(NAME_LENGTH).collect();
    let letter = if begin.starts_with(|c: char| c.is_ascii_alphabetic()) { "" } else { "a" };
    let end = Alphanumeric.sample_string(&mut rand::rng(), SUFFIX_LENGTH).to_ascii_lowercase();
    LinkUser { name: format!("{letter}{begin}_{end}"), password: Password::generate() }
}

/// Makes the user in the engine. That it may have to go is noted first: no crash leaves one that nobody knows.
pub async fn make_user(app: &App, service: &Service, link: &ServiceLink) -> Result<(), CommandError> {
    let container = exec::container(service)?;
    let Some(credentials) = &service.engine.credentials else { return Ok(()) };
    app.store.note_departure(link).await?;
    let values = service.values().with_user(&link.user);
    let ran = exec::run(app, container, &credentials.add, &values).await?;
    ran.checked(&format!("{service} takes no user for {}", link.app_name)).map(drop)
}

fn check_query(query: &str) -> Result<(), CommandError> {
    // RFC 3986, section 3.4.
    let is_known = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b);
    if query.bytes().all(is_known) {
        return Ok(());
    }
    Err(CommandError::user(format!("{query} is no query string of a URL"))
        .hint("Write it as it stands in the URL, for example: --querystring 'pool=5&timeout=10'"))
}
