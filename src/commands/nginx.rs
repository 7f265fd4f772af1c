//! `nginx:set` and `nginx:report`: Dokku's names for the router's settings.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::SetArguments;
use crate::commands::report::{AppReport, Rows};
use crate::commands::router::set::set;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::catalogue::{setting, stored_name};
use crate::requests::nginx::{KEYS, Meaning, meaning};
use crate::requests::policy::draft_of;
use crate::store::apps::AppRecord;

/// Sets what Dokku's nginx:set does, by the same names; router:set has more
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "nginx:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        let known = format!("Valid properties: {}", keys.join(", "));
        let Some((key, words)) = self.arguments.property() else {
            return Err(CommandError::user("No property specified").hint(known));
        };
        let value = words.join(" ");
        match meaning(key) {
            Some(Meaning::Settings(settings)) => {
                set(&context, &self.arguments, settings, &value).await?;
                let done = if value.is_empty() {
                    "Unsetting".to_owned()
                } else {
                    format!("Setting {key} to {value}:")
                };
                context.console().headline(format!("{done} router:set {}", settings.join(", "))).await;
            }
            Some(Meaning::Note(note)) => context.console().warn(format!("{key} has no effect: {note}")).await,
            None => return Err(CommandError::user(format!("Invalid property specified: {key}")).hint(known)),
        }
        Ok(0)
    }
}

/// Reports by Dokku's names what holds for the requests of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --nginx-client-max-body-size, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "nginx:report";
    const TITLE: &'static str = "nginx";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let store = &context.app.store;
        let (own, global) =
            (store.request_properties(Some(record.id)).await?, store.request_properties(None).await?);
        let draft = draft_of(&own, &global);
        let mut rows = Rows::new();
        for (key, meaning) in KEYS {
            let Meaning::Settings([first, ..]) = meaning else { continue };
            let Some(setting) = setting(first) else { continue };
            let name = stored_name(first);
            rows.push(((*key).to_owned(), own.get(&name).cloned().unwrap_or_default()));
            rows.push((format!("global-{key}"), global.get(&name).cloned().unwrap_or_default()));
            rows.push((format!("computed-{key}"), (setting.show)(&draft)));
        }
        Ok(rows)
    }
}
