//! Config vars out, in the formats of `config:export`. [`super::config_import`] reads the ones that hold values.
//!
//! The caller owns the values: exporting is one of the few places where they leave their secret type.

use std::fmt::Write;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::model::config_var::ConfigVars;

/// What `config:export --format` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportFormat {
    /// `export K='v'`, one a line; a shell reads it.
    #[default]
    Exports,
    /// `K="v"`, one a line; dotenv readers read it.
    Envfile,
    /// `--env=K='v'`, all on one line.
    DockerArgs,
    /// `--env=K`, all on one line.
    DockerArgsKeys,
    /// `K='v'`, all on one line, with a space behind each.
    Shell,
    /// `K:  v` in columns, for people.
    Pretty,
    /// One object.
    Json,
    /// A list of objects with `name` and `value`.
    JsonList,
    /// `--env K`, all on one line.
    PackKeys,
}

/// Every format by its name, in the order in which help lists them.
pub const EXPORT_FORMATS: &[(&str, ExportFormat)] = &[
    ("exports", ExportFormat::Exports),
    ("envfile", ExportFormat::Envfile),
    ("docker-args", ExportFormat::DockerArgs),
    ("docker-args-keys", ExportFormat::DockerArgsKeys),
    ("shell", ExportFormat::Shell),
    ("pretty", ExportFormat::Pretty),
    ("json", ExportFormat::Json),
    ("json-list", ExportFormat::JsonList),
    ("pack-keys", ExportFormat::PackKeys),
];

/// A text that names no format.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Unknown export format: {0}; write one of {known}", known = names())]
pub struct UnknownFormat(String);

impl FromStr for ExportFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = EXPORT_FORMATS.iter().find(|(name, _)| *name == text);
        found.map(|(_, format)| *format).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

fn names() -> String {
    EXPORT_FORMATS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Writes config vars in a format, in the order of their names, without a newline at the end.
pub fn export(config: &ConfigVars, format: ExportFormat) -> String {
    match format {
        ExportFormat::Exports => {
            each(config, "\n", |key, value| format!("export {key}={}", quote_single(value)))
        }
        ExportFormat::Envfile => each(config, "\n", |key, value| format!("{key}={}", quote_double(value))),
        ExportFormat::DockerArgs => {
            each(config, " ", |key, value| format!("--env={key}={}", quote_single(value)))
        }
        ExportFormat::DockerArgsKeys => each(config, " ", |key, _| format!("--env={key}")),
        ExportFormat::Shell => each(config, "", |key, value| format!("{key}={} ", quote_single(value))),
        ExportFormat::Pretty => pretty(config),
        ExportFormat::Json => {
            let object: Map<String, Value> =
                config.iter().map(|(key, value)| (key.to_string(), value.expose().into())).collect();
            Value::Object(object).to_string()
        }
        ExportFormat::JsonList => {
            let list =
                config.iter().map(|(key, value)| json!({"name": key.as_str(), "value": value.expose()}));
            Value::Array(list.collect()).to_string()
        }
        ExportFormat::PackKeys => each(config, " ", |key, _| format!("--env {key}")),
    }
}

fn each(config: &ConfigVars, separator: &str, write: impl Fn(&str, &str) -> String) -> String {
    let entries: Vec<String> =
        config.iter().map(|(key, value)| write(key.as_str(), value.expose())).collect();
    entries.join(separator)
}

/// Quotes for a shell: nothing is special between single quotes, so only they need care.
/// Quotes a value for a POSIX shell (POSIX.1-2017, section 2.2.2).
pub fn quote_single(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Quotes for dotenv readers, with the escapes that godotenv, Dokku's own reader, writes.
fn quote_double(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\\' | '"' | '!' | '$' | '`' => quoted.extend(['\\', character]),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn pretty(config: &ConfigVars) -> String {
    let width = config.keys().map(|key| key.as_str().len() + 1).max().unwrap_or_default();
    let mut text = String::new();
    for (key, value) in config {
        let label = format!("{key}:");
        let separator = if text.is_empty() { "" } else { "\n" };
        // Writing to a `String` does not fail.
        write!(text, "{separator}{label:width$}  {}", value.expose()).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config_var::ConfigValue;

    fn config() -> ConfigVars {
        [("LONG_KEY", "it's $5"), ("B", "x\ny \"z\"\\")]
            .into_iter()
            .map(|(key, value)| {
                (key.parse().unwrap(), ConfigValue::from_bytes(value.as_bytes().to_vec()).unwrap())
            })
            .collect()
    }

    #[test]
    fn each_format_is_as_dokku_has_it() {
        for (name, expected) in [
            ("exports", "export B='x\ny \"z\"\\'\nexport LONG_KEY='it'\\''s $5'"),
            ("envfile", "B=\"x\\ny \\\"z\\\"\\\\\"\nLONG_KEY=\"it's \\$5\""),
            ("docker-args", "--env=B='x\ny \"z\"\\' --env=LONG_KEY='it'\\''s $5'"),
            ("docker-args-keys", "--env=B --env=LONG_KEY"),
            ("shell", "B='x\ny \"z\"\\' LONG_KEY='it'\\''s $5' "),
            ("pretty", "B:         x\ny \"z\"\\\nLONG_KEY:  it's $5"),
            ("json", r#"{"B":"x\ny \"z\"\\","LONG_KEY":"it's $5"}"#),
            ("json-list", r#"[{"name":"B","value":"x\ny \"z\"\\"},{"name":"LONG_KEY","value":"it's $5"}]"#),
            ("pack-keys", "--env B --env LONG_KEY"),
        ] {
            assert_eq!(export(&config(), name.parse().unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn nothing_to_export_is_still_valid() {
        let none = ConfigVars::new();
        for (_, format) in EXPORT_FORMATS {
            let expected = match format {
                ExportFormat::Json => "{}",
                ExportFormat::JsonList => "[]",
                _ => "",
            };
            assert_eq!(export(&none, *format), expected);
        }
    }

    #[test]
    fn an_unknown_format_is_answered_with_the_known_ones() {
        let message = "yaml".parse::<ExportFormat>().unwrap_err().to_string();
        assert!(message.contains("yaml") && message.contains("docker-args-keys, shell"), "{message}");
    }
}
