//! `env`: the config vars that an app wants.

use std::collections::BTreeMap;

use crate::formats::app_json::AppJsonError;
use crate::formats::app_json::node::Node;
use crate::model::app_json::WantedVar;
use crate::model::config_var::{ConfigKey, ConfigValue};

/// Reads all of it.
pub fn read(
    node: &Node<'_>,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<ConfigKey, WantedVar>, AppJsonError> {
    let mut env = BTreeMap::new();
    for (name, node) in node.object()?.into_entries() {
        let key: ConfigKey = name.parse().map_err(|error| node.error(error))?;
        env.insert(key, wanted(&node, warnings)?);
    }
    Ok(env)
}

/// A value, or an object that says more. One that says nothing of a value is required, as on Heroku.
fn wanted(node: &Node<'_>, warnings: &mut Vec<String>) -> Result<WantedVar, AppJsonError> {
    if !node.is_object() {
        return Ok(WantedVar { value: Some(value(node)?), ..WantedVar::default() });
    }
    let mut fields = node.object()?;
    let wanted = WantedVar {
        description: fields.take("description", Node::string)?,
        value: fields.take("value", value)?,
        required: fields.take("required", Node::boolean)?.unwrap_or(true),
        generated: fields.take("generator", generator)?.is_some(),
        sync: fields.take("sync", Node::boolean)?.unwrap_or(false),
    };
    if wanted.generated && wanted.value.is_some() {
        return Err(node.error("it has a value and a generator: leave one out"));
    }
    if wanted.sync && wanted.value.is_none() {
        return Err(node.error("sync sets the value at every deploy, and there is no value"));
    }
    fields.warn_of_rest(warnings);
    Ok(wanted)
}

fn value(node: &Node<'_>) -> Result<String, AppJsonError> {
    let text = node.string()?;
    match ConfigValue::from_bytes(text.clone().into_bytes()) {
        Ok(_) => Ok(text),
        Err(error) => Err(node.error(error)),
    }
}

fn generator(node: &Node<'_>) -> Result<(), AppJsonError> {
    if node.text()? == "secret" { Ok(()) } else { Err(node.wrong("\"secret\", the only generator there is")) }
}
