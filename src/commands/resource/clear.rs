//! `resource:limit-clear` and `resource:reserve-clear`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::resource::{change, scope, subject, tell_when};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::resource::Bound;
use crate::model::role::Role;

/// Forgets the limits of a process type, or those that hold for all that have none of their own
#[derive(Debug, Args)]
pub struct LimitClear {
    /// One process type
    #[arg(long, value_name = "PROCESS")]
    process_type: Option<String>,
    /// The app
    app: String,
}

/// Forgets the reservations of a process type, or those that hold for all that have none of their own
#[derive(Debug, Args)]
pub struct ReserveClear {
    /// One process type
    #[arg(long, value_name = "PROCESS")]
    process_type: Option<String>,
    /// The app
    app: String,
}

impl Command for LimitClear {
    const NAME: &'static str = "resource:limit-clear";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        clear(&context, Bound::Limit, self.process_type.as_ref()).await
    }
}

impl Command for ReserveClear {
    const NAME: &'static str = "resource:reserve-clear";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        clear(&context, Bound::Reserve, self.process_type.as_ref()).await
    }
}

async fn clear(context: &Context, bound: Bound, process_type: Option<&String>) -> CommandResult {
    let record = context.target()?;
    let scope = scope(process_type)?;
    let mut resources = context.app.store.resources(record.id).await?;
    if let Some(amounts) = resources.get_mut(&scope) {
        amounts.retain(|(found, _), _| *found != bound);
    }
    change::record(context, record, resources).await?;
    context.console().headline(format!("Clearing {}", subject(bound, record, &scope))).await;
    tell_when(context, record).await;
    Ok(0)
}
