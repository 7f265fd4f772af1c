//! `env` of app.json: config vars that the app wants, completed before a release is recorded.
//!
//! What is found here becomes the app's own at the switch and not before, so that a deploy that fails leaves nothing
//! behind; the tasks of the release see it already.

use std::fmt::Write as _;

use crate::console::Console;
use crate::deploy::error::DeployError;
use crate::model::app_json::WantedVar;
use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigKey, ConfigValue};
use crate::model::release::ReleaseContent;
use crate::store::config::Completion;

/// A config var that an app cannot do without and that nobody set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingVar {
    key: ConfigKey,
    description: Option<String>,
}

/// Adds what is wanted to the config vars of a release, and says what was added; refuses to go on without what is
/// required.
pub async fn complete(
    app_name: &AppName,
    content: &mut ReleaseContent,
    console: &Console,
) -> Result<Completion, DeployError> {
    if content.app_json.env.is_empty() {
        return Ok(Completion::default());
    }
    console.step("Processing app.json env vars").await;
    let mut completion = Completion::default();
    let mut missing = Vec::new();
    for (key, wanted) in &content.app_json.env {
        let there = content.config.get(key);
        match value(wanted) {
            Some(value) if wanted.sync && there != Some(&value) => {
                completion.synced.insert(key.clone(), value);
            }
            _ if there.is_some() => {}
            Some(value) => {
                completion.defaults.insert(key.clone(), value);
            }
            None if wanted.required => {
                missing.push(MissingVar { key: key.clone(), description: wanted.description.clone() });
            }
            None => {}
        }
    }
    if !missing.is_empty() {
        return Err(DeployError::MissingVars { app_name: app_name.clone(), missing });
    }
    let added: Vec<&str> =
        completion.defaults.keys().chain(completion.synced.keys()).map(ConfigKey::as_str).collect();
    let said = match added.len() {
        0 => "No env vars to set from app.json".to_owned(),
        count => format!("Setting {count} env var(s) from app.json: {}", added.join(", ")),
    };
    console.detail(said).await;
    content.config.extend(completion.defaults.clone());
    content.config.extend(completion.synced.clone());
    Ok(completion)
}

/// The value that app.json has for it: 256 random bits in hexadecimal where it wants a secret.
fn value(wanted: &WantedVar) -> Option<ConfigValue> {
    let text = if wanted.generated {
        format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
    } else {
        wanted.value.clone()?
    };
    // Whatever is in an app.json was checked when it was read.
    ConfigValue::from_bytes(text.into_bytes()).ok()
}

/// `A (what it is for), B`.
pub fn list(missing: &[MissingVar]) -> String {
    let describe = |var: &MissingVar| match &var.description {
        Some(description) => format!("{} ({description})", var.key),
        None => var.key.to_string(),
    };
    missing.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// The command that mends it.
pub fn mend(app_name: &AppName, missing: &[MissingVar]) -> String {
    let mut line = format!("Set them, then deploy again: config:set --no-restart {app_name}");
    for var in missing {
        // Writing to a String cannot fail.
        write!(line, " {}=VALUE", var.key).ok();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::additions::Additions;
    use crate::model::app_json::AppJson;
    use crate::model::config_var::ConfigVars;
    use crate::model::release::{ImageId, Source};

    fn text(value: &str) -> ConfigValue {
        ConfigValue::from_bytes(value.as_bytes().to_vec()).unwrap()
    }

    fn content(env: &[(&str, WantedVar)], config: &[(&str, &str)]) -> ReleaseContent {
        let env = env.iter().map(|(key, wanted)| (key.parse().unwrap(), wanted.clone())).collect();
        ReleaseContent {
            image: ImageId("sha256:0".to_owned()),
            source: Source::Image { reference: "x".to_owned() },
            config: config.iter().map(|(key, value)| (key.parse().unwrap(), text(value))).collect(),
            processes: BTreeMap::new(),
            exposed_ports: Vec::new(),
            app_json: AppJson { env, ..AppJson::default() },
            additions: Additions::default(),
        }
    }

    fn default(value: &str) -> WantedVar {
        WantedVar { value: Some(value.to_owned()), ..WantedVar::default() }
    }

    async fn complete_quietly(content: &mut ReleaseContent) -> Result<Completion, DeployError> {
        complete(&"blog".parse().unwrap(), content, &Console::new().0).await
    }

    #[tokio::test]
    async fn what_is_set_stays_unless_it_is_synced() {
        let synced = WantedVar { sync: true, ..default("new") };
        let generated = WantedVar { generated: true, required: true, ..WantedVar::default() };
        let wanted = [
            ("A", default("1")),
            ("B", default("2")),
            ("C", synced.clone()),
            ("D", synced),
            ("SECRET", generated.clone()),
            ("OLD_SECRET", generated),
            ("NOT_NEEDED", WantedVar::default()),
        ];
        let mut content =
            content(&wanted, &[("A", "mine"), ("C", "mine"), ("D", "new"), ("OLD_SECRET", "kept")]);
        let completion = complete_quietly(&mut content).await.unwrap();
        let keys = |vars: &ConfigVars| vars.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(keys(&completion.defaults), ["B", "SECRET"]);
        assert_eq!(keys(&completion.synced), ["C"]);
        let value = |key: &str| content.config[&key.parse().unwrap()].expose().to_owned();
        assert_eq!([value("A"), value("B"), value("C")], ["mine", "2", "new"]);
        assert_eq!(value("OLD_SECRET"), "kept");
        assert_eq!(value("SECRET").len(), 64);
        assert!(value("SECRET").bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[tokio::test]
    async fn all_that_is_missing_is_named_at_once() {
        let required = |description: Option<&str>| WantedVar {
            required: true,
            description: description.map(str::to_owned),
            ..WantedVar::default()
        };
        let wanted = [("A", required(Some("the key"))), ("B", required(None)), ("C", required(None))];
        let mut content = content(&wanted, &[("C", "")]);
        let Err(DeployError::MissingVars { app_name, missing }) = complete_quietly(&mut content).await else {
            panic!("it was not refused")
        };
        assert_eq!(list(&missing), "A (the key), B");
        assert!(mend(&app_name, &missing).ends_with("config:set --no-restart blog A=VALUE B=VALUE"));
    }
}
