//! Placeholders in an engine's description, filled in for one service or link.

use std::collections::BTreeMap;
use std::fmt;

use crate::command_error::CommandError;
use crate::model::config_var::{ConfigValue, ConfigVars};
use crate::services::Service;
use crate::store::service_links::LinkUser;

/// What each placeholder stands for. There are passwords among them, so `Debug` prints none.
#[derive(Clone)]
pub struct Values(BTreeMap<&'static str, String>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values")
    }
}

impl Values {
    /// Those of a service.
    pub fn of(service: &Service) -> Self {
        let (record, engine) = (&service.record, &service.engine.service);
        let port = engine.ports.first().copied().unwrap_or_default();
        let pairs = [
            ("service", record.name.to_string()),
            ("database", record.name.database()),
            ("host", record.host.clone()),
            ("port", port.to_string()),
            ("admin_user", engine.admin_user.clone()),
            ("admin_password", record.password.expose().to_owned()),
            ("scheme", service.engine.link.scheme.clone()),
        ];
        Self(BTreeMap::from(pairs))
    }

    /// With the user of a link.
    #[must_use]
    pub fn with_user(mut self, user: &LinkUser) -> Self {
        self.0.insert("user", user.name.clone());
        self.0.insert("password", user.password.expose().to_owned());
        self
    }

    /// With another scheme than the engine's.
    #[must_use]
    pub fn with_scheme(mut self, scheme: &str) -> Self {
        self.0.insert("scheme", scheme.to_owned());
        self
    }

    /// A text with each placeholder replaced. Braces around anything else stay: commands may be scripts.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let found = after.split_once('}').and_then(|(name, after)| Some((self.0.get(name)?, after)));
            rest = match found {
                Some((value, after)) => {
                    filled.push_str(value);
                    after
                }
                None => {
                    filled.push('{');
                    after
                }
            };
        }
        filled.push_str(rest);
        filled
    }

    /// The same for each word.
    pub fn fill_all(&self, words: &[String]) -> Vec<String> {
        words.iter().map(|word| self.fill(word)).collect()
    }

    /// Variables with their values filled in.
    pub fn environment(&self, variables: &BTreeMap<String, String>) -> Result<ConfigVars, CommandError> {
        let pair = |(key, value): (&String, &String)| {
            let key = key.parse().map_err(CommandError::user)?;
            let value = ConfigValue::from_bytes(self.fill(value).into_bytes()).map_err(CommandError::user)?;
            Ok((key, value))
        };
        variables.iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let values = Values(BTreeMap::from([("user", "ann".to_owned()), ("port", "5432".to_owned())]));
        assert_eq!(values.fill("{user}@:{port}/{port}"), "ann@:5432/5432");
        assert_eq!(values.fill("awk '{print $1}' {user} {"), "awk '{print $1}' ann {");
        assert_eq!(values.fill("{{user}} {unknown} }"), "{ann} {unknown} }");
        assert_eq!(values.fill(""), "");
    }
}
