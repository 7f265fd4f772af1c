//! The uniform `NAMESPACE:set APP|--global KEY [VALUE]`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::Rows;
use crate::commands::{Context, Target};
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// A property that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// As it is typed.
    pub key: &'static str,
    /// As it is stored, unique over all namespaces.
    pub name: &'static str,
    /// Says what is wrong with a value.
    pub check: fn(&str) -> Result<(), CommandError>,
}

/// The arguments of every `NAMESPACE:set`.
#[derive(Clone, Debug, Args)]
pub struct SetArguments {
    /// For all apps that have no value of their own
    #[arg(long)]
    global: bool,
    /// The app, the property, and its value; without a value it is unset
    #[arg(value_name = "APP] [KEY [VALUE]", num_args = 1.., allow_negative_numbers = true)]
    words: Vec<String>,
}

impl SetArguments {
    /// What the arguments name.
    pub fn target(&self) -> Target {
        match self.words.first() {
            _ if self.global => Target::Server,
            Some(app) => Target::One(app.clone()),
            None => Target::Nothing,
        }
    }

    /// Whose value is set: the app's, or `None` for that of all apps.
    pub fn owner(&self, context: &Context) -> Result<Option<AppId>, CommandError> {
        if self.global { Ok(None) } else { Ok(Some(context.target()?.id)) }
    }

    /// The property and the words of its value, if a property is named.
    pub fn property(&self) -> Option<(&str, &[String])> {
        let words = if self.global { &self.words[..] } else { self.words.get(1..)? };
        words.split_first().map(|(key, value)| (key.as_str(), value))
    }

    /// The property and the value that were written behind the app; empty where there is none.
    pub fn key_and_value(&self) -> (&str, String) {
        let (key, words) = self.property().unwrap_or_default();
        (key, words.join(" "))
    }
}

/// Sets or unsets one of the properties.
pub async fn set(context: &Context, arguments: &SetArguments, properties: &[Property]) -> CommandResult {
    let app = arguments.owner(context)?;
    let Some((key, words)) = arguments.property() else {
        return Err(CommandError::user("No property specified").hint(valid(properties)));
    };
    let Some(property) = properties.iter().find(|property| property.key == key) else {
        return Err(CommandError::user(format!("Invalid property specified, {}", valid(properties))));
    };
    let value = words.join(" ");
    if value.is_empty() {
        context.app.store.set_property(app, property.name, None).await?;
        context.console().headline(format!("Unsetting {key}")).await;
        return Ok(0);
    }
    (property.check)(&value)?;
    context.console().headline(format!("Setting {key} to {value}")).await;
    context.app.store.set_property(app, property.name, Some(value)).await?;
    Ok(0)
}

fn valid(properties: &[Property]) -> String {
    let keys: Vec<&str> = properties.iter().map(|property| property.key).collect();
    format!("valid properties include: {}", keys.join(", "))
}

/// Each property as it was set for the app, globally, and as it holds.
pub async fn rows(store: &Store, app: AppId, properties: &'static [Property]) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    for property in properties {
        let own = store.property(Some(app), property.name).await?;
        let global = store.property(None, property.name).await?;
        rows.push((property.key.to_owned(), own.clone().unwrap_or_default()));
        rows.push((format!("global-{}", property.key), global.clone().unwrap_or_default()));
        rows.push((format!("computed-{}", property.key), own.or(global).unwrap_or_default()));
    }
    Ok(rows)
}

/// Says of properties that nobody has set what holds instead.
pub fn fill_in(rows: &mut Rows, defaults: &[(&str, String)]) {
    for (key, default) in defaults {
        let computed = format!("computed-{key}");
        if let Some((_, value)) = rows.iter_mut().find(|(key, value)| *key == computed && value.is_empty()) {
            value.clone_from(default);
        }
    }
}

/// `true` or `false`.
pub fn check_boolean(value: &str) -> Result<(), CommandError> {
    match value {
        "true" | "false" => Ok(()),
        _ => Err(CommandError::user(format!("{value} is neither true nor false"))),
    }
}

/// A path inside the repository.
pub fn check_path(value: &str) -> Result<(), CommandError> {
    let inside = !value.starts_with('/') && !value.split('/').any(|part| part == ".." || part == ".git");
    if inside {
        return Ok(());
    }
    Err(CommandError::user(format!("{value} is not a path inside the repository"))
        .hint("Write it from the repository's top, for example services/web"))
}
