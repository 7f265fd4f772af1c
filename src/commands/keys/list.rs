//! `ssh-keys:list`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::key::Key;
use crate::model::role::{AppAccess, Role};

/// Lists the keys and what each may do
#[derive(Debug, Args)]
pub struct List {
    /// Only the key of this name
    name: Option<String>,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for List {
    const NAME: &'static str = "ssh-keys:list";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut keys = context.app.store.keys().await?;
        keys.retain(|key| self.name.as_ref().is_none_or(|name| *name == key.name));
        if self.format == Format::Json {
            print_json(context.console(), &keys).await?;
            return Ok(0);
        }
        if let (Some(name), true) = (&self.name, keys.is_empty()) {
            return Err(CommandError::user(format!("There is no key named {name}"))
                .hint("See `ssh-keys:list` for those that there are"));
        }
        let rows: Vec<Vec<String>> = keys.iter().map(cells).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

fn cells(key: &Key) -> Vec<String> {
    let access = match &key.access {
        AppAccess::All => "all apps".to_owned(),
        AppAccess::Only(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    vec![key.fingerprint.clone(), format!("NAME=\"{}\"", key.name), format!("ROLE=\"{}\"", key.role), access]
}
