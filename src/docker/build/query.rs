//! The request that starts a build.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use hyper::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::docker::build::BuildSpec;
use crate::docker::build::error::BuildError;
use crate::docker::error::EngineError;
use crate::docker::image::RegistryLogin;
use crate::docker::labels::{OWNER, OwnerId};
use crate::docker::wire::{Body, Call, query_value};

/// What the `http` crate takes as a URI, less room for the path.
const QUERY_LIMIT: usize = 65_000;

/// The request for a build with BuildKit if there is a session, with the classic builder otherwise.
pub(super) fn build_call(
    owner: &OwnerId,
    spec: &BuildSpec,
    session: Option<&str>,
    body: Body,
) -> Result<Call, BuildError> {
    let mut labels = spec.labels.clone();
    if !spec.shared {
        labels.insert(OWNER.to_owned(), owner.to_string());
    }
    let version = if session.is_some() { "2" } else { "1" };
    let mut pairs = vec![
        ("version", version.to_owned()),
        ("dockerfile", spec.dockerfile.clone()),
        ("buildargs", to_json(&spec.build_args)?),
        ("labels", to_json(&labels)?),
        // For the classic builder, which otherwise leaves the container of a failed step behind.
        ("rm", "1".to_owned()),
        ("forcerm", "1".to_owned()),
    ];
    pairs.extend(spec.hosts.iter().map(|host| ("extrahosts", host.clone())));
    pairs.extend(spec.target.clone().map(|target| ("target", target)));
    pairs.extend(spec.tag.clone().map(|tag| ("t", tag)));
    pairs.extend(spec.no_cache.then(|| ("nocache", "1".to_owned())));
    pairs.extend(spec.pull.then(|| ("pull", "1".to_owned())));
    pairs.extend(session.map(|session| ("session", session.to_owned())));
    let query: Vec<String> =
        pairs.into_iter().map(|(key, value)| format!("{key}={}", query_value(&value))).collect();
    let target = format!("/build?{}", query.join("&"));
    if target.len() > QUERY_LIMIT {
        let message = "the build args are too long: pass large or secret values as build secrets".to_owned();
        return Err(BuildError::Rejected(message));
    }
    // BuildKit asks the session for logins.
    let logins = if session.is_some() { None } else { registry_config(&spec.logins) };
    let headers = logins.map(|logins| ("X-Registry-Config", logins)).into_iter().collect();
    Ok(Call { method: Method::POST, target, content_type: "application/x-tar", headers, body })
}

fn to_json(map: &BTreeMap<String, String>) -> Result<String, EngineError> {
    serde_json::to_string(map).map_err(|error| EngineError::Broken(Box::new(error)))
}

fn registry_config(logins: &[RegistryLogin]) -> Option<String> {
    let entry = |login: &RegistryLogin| {
        (
            login.host.clone(),
            json!({ "username": login.username, "password": login.password.expose_secret() }),
        )
    };
    let config: serde_json::Map<String, serde_json::Value> = logins.iter().map(entry).collect();
    (!config.is_empty()).then(|| URL_SAFE.encode(serde_json::Value::Object(config).to_string()))
}
