//! What `bin/release` prints: YAML with the process types and config vars that a buildpack proposes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::build::buildpacks::BuildpacksError;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::process_type::ProcessType;

/// The proposals of all buildpacks of a build; where two say something of the same, the later one holds.
#[derive(Debug, Default)]
pub struct ReleaseFile {
    /// Command lines by process type.
    pub processes: BTreeMap<ProcessType, String>,
    /// Config vars that the app's own ones override.
    pub config: ConfigVars,
    addons: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    default_process_types: Option<BTreeMap<String, String>>,
    config_vars: Option<BTreeMap<String, String>>,
    addons: Option<Vec<String>>,
    #[serde(flatten)]
    _others: BTreeMap<String, IgnoredAny>,
}

impl ReleaseFile {
    /// Reads what was printed, in the order of the buildpacks.
    pub fn merge(printed: Vec<Vec<u8>>) -> Result<Self, BuildpacksError> {
        let mut merged = Self::default();
        for text in printed {
            merged.add(&text).map_err(|reason| BuildpacksError::Output { file: "bin/release", reason })?;
        }
        Ok(merged)
    }

    fn add(&mut self, text: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8 text".to_owned())?;
        // An empty document is none.
        let document: Option<Document> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let document = document.unwrap_or_default();
        for (name, line) in document.default_process_types.unwrap_or_default() {
            self.processes.insert(name.parse().map_err(|error| format!("{name}: {error}"))?, line);
        }
        for (key, value) in document.config_vars.unwrap_or_default() {
            let parsed: ConfigKey = key.parse().map_err(|error| format!("{key}: {error}"))?;
            let value =
                ConfigValue::from_bytes(value.into_bytes()).map_err(|error| format!("{key}: {error}"))?;
            self.config.insert(parsed, value);
        }
        self.addons.extend(document.addons.unwrap_or_default());
        Ok(())
    }

    /// Services are a person's to make.
    pub fn addons_note(&self) -> Option<String> {
        let asked = self.addons.join(", ");
        (!asked.is_empty())
            .then(|| format!("the buildpack asks for {asked}: make the service yourself and link it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(texts: &[&str]) -> Result<ReleaseFile, BuildpacksError> {
        ReleaseFile::merge(texts.iter().map(|text| text.as_bytes().to_vec()).collect())
    }

    #[test]
    fn the_last_buildpack_has_the_last_word() {
        let one = "---\nconfig_vars:\n  A: '1'\naddons: [heroku-postgresql]\ndefault_process_types:\n  web: one\n  worker: w\n";
        let two = "default_process_types:\n  web: two --port=$PORT\nother: {x: 1}\n";
        let merged = merge(&[one, "", two, "--- {}\n"]).unwrap();
        let lines: Vec<_> = merged.processes.values().map(String::as_str).collect();
        assert_eq!(lines, ["two --port=$PORT", "w"]);
        assert_eq!(merged.config.len(), 1);
        assert!(merged.addons_note().unwrap().contains("heroku-postgresql"));
    }

    #[test]
    fn what_is_no_yaml_or_says_nothing_sensible_is_refused() {
        for text in [
            "a: [",
            "default_process_types: 7",
            "default_process_types:\n  'we b': x",
            "config_vars:\n  'a=b': x",
        ] {
            let error = merge(&[text]).unwrap_err().to_string();
            assert!(error.contains("bin/release"), "{text}: {error}");
        }
    }
}
