//! In which config vars an app finds a service: Dokku's rules. Nothing here asks or changes anything.
//!
//! The first link of its kind is `DATABASE_URL`, and has the discrete variables beside it; a further one gets a colour.

use crate::command_error::CommandError;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::services::Service;
use crate::store::service_links::{LinkUser, ServiceLink, VarChange};

/// In Dokku's order.
const COLOURS: [&str; 16] = [
    "AQUA", "BLACK", "BLUE", "FUCHSIA", "GRAY", "GREEN", "LIME", "MAROON", "NAVY", "OLIVE", "PURPLE", "RED",
    "SILVER", "TEAL", "WHITE", "YELLOW",
];

/// The URL by which a link's user reaches the service, as the app's config vars want it.
pub fn url(
    service: &Service,
    user: &LinkUser,
    query: &str,
    config: &ConfigVars,
) -> Result<String, CommandError> {
    let variable = format!("{}_DATABASE_SCHEME", service.engine.service.variable);
    let scheme = config.iter().find(|(key, _)| key.as_str() == variable).map(|(_, value)| value.expose());
    let mut values = service.values().with_user(user);
    if let Some(scheme) = scheme {
        // RFC 3986, section 3.1.
        let is_scheme = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return Err(CommandError::user(format!("{variable} of the app is no scheme of a URL: {scheme}"))
                .hint("Change it or unset it, for example: config:unset APP ".to_owned() + &variable));
        }
        values = values.with_scheme(scheme);
    }
    let url = values.fill(&service.engine.link.url);
    Ok(match (query, url.contains('?')) {
        ("", _) => url,
        (query, true) => format!("{url}&{query}"),
        (query, false) => format!("{url}?{query}"),
    })
}

/// The variables beside the URL, for the link that has the engine's own name.
fn discrete(service: &Service, user: &LinkUser) -> Result<ConfigVars, CommandError> {
    service.values().with_user(user).environment(&service.engine.link.variables)
}

/// The engine's own name for a link: `DATABASE_URL`.
pub fn primary(service: &Service) -> Result<ConfigKey, CommandError> {
    key(&service.engine.service.alias)
}

fn key(name: &str) -> Result<ConfigKey, CommandError> {
    format!("{name}_URL").parse().map_err(CommandError::user)
}

/// Where a new link's URL goes.
pub fn choose(
    service: &Service,
    alias: Option<&str>,
    config: &ConfigVars,
) -> Result<ConfigKey, CommandError> {
    if let Some(alias) = alias {
        let chosen = key(alias)?;
        if config.contains_key(&chosen) {
            return Err(CommandError::user(format!("Specified alias {alias} already in use"))
                .hint(format!("Choose another one, or first: config:unset APP {chosen}")));
        }
        return Ok(chosen);
    }
    let primary = primary(service)?;
    if config.contains_key(&primary) { colour(service, config) } else { Ok(primary) }
}

/// `SLIPWAY_MYSQL_AQUA_URL`: the first colour that is free.
fn colour(service: &Service, config: &ConfigVars) -> Result<ConfigKey, CommandError> {
    for colour in COLOURS {
        let candidate = key(&format!("SLIPWAY_{}_{colour}", service.engine.service.variable))?;
        if !config.contains_key(&candidate) {
            return Ok(candidate);
        }
    }
    Err(CommandError::user("All colours are in use for this app")
        .hint("Name the link yourself: --alias NAME"))
}

/// A link with its keys, and what it sets, for a URL in that var. What a person has set is not overwritten.
pub fn plan(
    service: &Service,
    mut link: ServiceLink,
    chosen: ConfigKey,
    config: &ConfigVars,
) -> Result<(ServiceLink, VarChange), CommandError> {
    let mut set = ConfigVars::new();
    if chosen == primary(service)? {
        set = discrete(service, &link.user)?;
        set.retain(|key, _| !config.contains_key(key));
    }
    set.insert(chosen, value(url(service, &link.user, &link.query, config)?)?);
    link.keys.extend(set.keys().cloned());
    link.keys.dedup();
    Ok((link, VarChange { set, unset: Vec::new() }))
}

/// What goes with a link: the vars that it set and nobody changed, and all that have its URL.
pub fn removal(
    service: &Service,
    link: &ServiceLink,
    config: &ConfigVars,
) -> Result<VarChange, CommandError> {
    let url = url(service, &link.user, &link.query, config)?;
    let discrete = discrete(service, &link.user)?;
    // The scheme may have been another one when the var was set.
    let is_url =
        |key: &ConfigKey, text: &str| key.as_str().ends_with("_URL") && text.contains(&service.record.host);
    let is_ours = |key: &ConfigKey, value: &ConfigValue| {
        let was_set = link.keys.contains(key);
        value.expose() == url
            || (was_set && (is_url(key, value.expose()) || discrete.get(key) == Some(value)))
    };
    let ours = config.iter().filter(|(key, value)| is_ours(key, value));
    Ok(VarChange { set: ConfigVars::new(), unset: ours.map(|(key, _)| key.clone()).collect() })
}

/// What changes with a link's user: every var that has the former URL, and the variables beside it.
pub fn replacement(
    service: &Service,
    link: &ServiceLink,
    new: &LinkUser,
    config: &ConfigVars,
) -> Result<VarChange, CommandError> {
    let old_vars = removal(service, link, config)?.unset;
    let new_url = value(url(service, new, &link.query, config)?)?;
    let discrete = discrete(service, new)?;
    let new_value = |key: &ConfigKey| discrete.get(key).unwrap_or(&new_url).clone();
    let set = old_vars.into_iter().map(|key| (key.clone(), new_value(&key))).collect();
    Ok(VarChange { set, unset: Vec::new() })
}

/// Gives a link the engine's own name. Whatever had it keeps its URL under a colour, and loses the variables beside
/// it. The other links of the app come with their services.
pub fn promotion(
    service: &Service,
    link: &ServiceLink,
    others: &[(Service, ServiceLink)],
    config: &ConfigVars,
) -> Result<(Vec<ServiceLink>, VarChange), CommandError> {
    let primary = primary(service)?;
    let mut without = config.clone();
    let mut vars = VarChange::default();
    let mut changed = Vec::new();
    let former = others.iter().find(|(_, other)| other.keys.contains(&primary));
    if let Some(old) = config.get(&primary) {
        let is_elsewhere = config.iter().any(|(key, value)| *key != primary && value == old);
        let spare = if is_elsewhere {
            None
        } else {
            Some(colour(former.map_or(service, |(service, _)| service), config)?)
        };
        vars.set.extend(spare.clone().map(|spare| (spare, old.clone())));
        if let Some((former_service, former)) = former {
            let beside = discrete(former_service, &former.user)?;
            let gone = |key: &ConfigKey| former.keys.contains(key) && beside.get(key) == config.get(key);
            vars.unset = beside.keys().filter(|key| gone(key)).cloned().collect();
            let mut former = former.clone();
            former.keys.retain(|key| *key != primary && !vars.unset.contains(key));
            former.keys.extend(spare);
            changed.push(former);
        }
    }
    without.retain(|key, _| *key != primary && !vars.unset.contains(key));
    let (link, own) = plan(service, link.clone(), primary, &without)?;
    vars.set.extend(own.set);
    vars.unset.retain(|key| !vars.set.contains_key(key));
    changed.push(link);
    Ok((changed, vars))
}

/// A text as the value of a config var.
fn value(text: String) -> Result<ConfigValue, CommandError> {
    ConfigValue::from_bytes(text.into_bytes()).map_err(CommandError::user)
}

#[cfg(test)]
mod tests;
