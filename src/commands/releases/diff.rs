//! `releases:diff`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::releases::{current, find};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::release::{Release, Source};
use crate::model::role::Role;

/// What names of plugins' additions begin with: their place, and whose they are.
const OF_PLUGINS: &str = "7 plugin's";

/// Shows what differs between two releases; values of config vars are not shown
#[derive(Debug, Args)]
pub struct Diff {
    /// The app
    app: String,
    /// The older release, for example v11
    from: String,
    /// The newer one; the current release if not given
    to: Option<String>,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What differs. A text is `null` where there is nothing of the kind.
#[derive(Debug, Serialize, PartialEq)]
struct Differences {
    from: String,
    to: String,
    /// Image, commit, processes, scale, parts of app.json: what has changed, from what, to what.
    changes: Vec<Change>,
    /// Names of config vars.
    config: KeyChanges,
}

#[derive(Debug, Serialize, PartialEq)]
struct Change {
    what: String,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Default, Serialize, PartialEq)]
struct KeyChanges {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl Command for Diff {
    const NAME: &'static str = "releases:diff";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let from = find(&context, record, &self.from).await?;
        let to = match &self.to {
            Some(version) => find(&context, record, version).await?,
            None => current(&context, record).await?,
        };
        let found = differences(&from, &to)?;
        if self.format == Format::Json {
            print_json(context.console(), &found).await?;
            return Ok(0);
        }
        let console = context.console();
        console.headline(format!("{} {} to {}", record.name, found.from, found.to)).await;
        let lines = lines(found);
        if lines.is_empty() {
            console.detail("(they do not differ)").await;
        } else {
            console.detail(columns(&lines)).await;
        }
        Ok(0)
    }
}

fn differences(from: &Release, to: &Release) -> Result<Differences, CommandError> {
    let (older, newer) = (facts(from)?, facts(to)?);
    let names: BTreeSet<&String> = older.keys().chain(newer.keys()).collect();
    let changes = names.into_iter().filter(|name| older.get(*name) != newer.get(*name)).map(|name| Change {
        what: name.trim_start_matches(char::is_numeric).trim_start().to_owned(),
        from: older.get(name).map(|value| shown(name, value)),
        to: newer.get(name).map(|value| shown(name, value)),
    });
    let (before, after) = (&from.content.config, &to.content.config);
    let mut config = KeyChanges::default();
    for (key, value) in after {
        match before.get(key) {
            None => config.added.push(key.to_string()),
            Some(old) if old != value => config.changed.push(key.to_string()),
            Some(_) => {}
        }
    }
    let removed = before.keys().filter(|key| !after.contains_key(key));
    config.removed.extend(removed.map(ToString::to_string));
    Ok(Differences {
        from: from.version.to_string(),
        to: to.version.to_string(),
        changes: changes.collect(),
        config,
    })
}

/// The values in app.json's `env` are config vars to be. What plugins add may have values, too, and is known by its
/// name.
fn shown(name: &str, value: &str) -> String {
    match name {
        name if name.contains("app.json env.") => "(hidden)".to_owned(),
        name if name.starts_with(OF_PLUGINS) => "there".to_owned(),
        _ => value.to_owned(),
    }
}

/// All that is compared as text, by a name that begins with the number of its place.
fn facts(release: &Release) -> Result<BTreeMap<String, String>, CommandError> {
    let content = &release.content;
    let mut facts = BTreeMap::from([("1 image".to_owned(), content.image.to_string())]);
    match &content.source {
        Source::Git { commit } => facts.insert("2 commit".to_owned(), commit.clone()),
        Source::Image { reference } => facts.insert("2 source image".to_owned(), reference.clone()),
    };
    for (name, command) in &content.processes {
        facts.insert(format!("3 process {name}"), command.to_string());
        let quantity = release.formation.get(name).copied().unwrap_or(0);
        if quantity > 0 {
            facts.insert(format!("4 scale {name}"), quantity.to_string());
        }
    }
    let ports: Vec<String> = content.exposed_ports.iter().map(ToString::to_string).collect();
    facts.insert("5 exposed ports".to_owned(), ports.join(" "));
    for added in &content.additions.options {
        facts.insert(format!("{OF_PLUGINS} {}", added.redacted()), added.option.to_string());
    }
    for route in &content.additions.routes {
        facts.insert(format!("{OF_PLUGINS} {route}"), route.to_string());
    }
    let unreadable = |error| CommandError::internal("app.json cannot be compared", error);
    let Value::Object(parts) = serde_json::to_value(&content.app_json).map_err(unreadable)? else {
        return Ok(facts);
    };
    for (name, part) in parts {
        flatten(format!("6 app.json {name}"), &part, &mut facts);
    }
    Ok(facts)
}

/// Each key of an object is compared by itself, down to the second level; an empty value is none.
fn flatten(name: String, part: &Value, facts: &mut BTreeMap<String, String>) {
    match part {
        Value::Object(entries) if name.matches('.').count() < 2 => {
            for (key, entry) in entries {
                flatten(format!("{name}.{key}"), entry, facts);
            }
        }
        Value::Null => {}
        Value::Array(entries) if entries.is_empty() => {}
        Value::String(text) => {
            facts.insert(name, text.clone());
        }
        other => {
            facts.insert(name, other.to_string());
        }
    }
}

fn lines(found: Differences) -> Vec<Vec<String>> {
    let none = || "(none)".to_owned();
    let mut lines: Vec<Vec<String>> = Vec::new();
    for change in found.changes {
        let (from, to) = (change.from.unwrap_or_else(none), change.to.unwrap_or_else(none));
        lines.push(vec![format!("{}:", change.what), format!("{from} -> {to}")]);
    }
    let keys = [
        ("config added:", found.config.added),
        ("config removed:", found.config.removed),
        ("config changed:", found.config.changed),
    ];
    let shown = keys.into_iter().filter(|(_, keys)| !keys.is_empty());
    lines.extend(shown.map(|(what, keys)| vec![what.to_owned(), keys.join(" ")]));
    lines
}
