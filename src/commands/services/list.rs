//! `services:list`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::service::{info, list};
use crate::commands::table::{Format, columns};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

/// Lists the services of all engines that your key opens
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for List {
    const NAME: &'static str = "services:list";
    const SCOPE: Scope = Scope::Anyone;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let services = list::visible(&context).await?;
        if self.format == Format::Json || services.is_empty() {
            let services = services.into_iter().collect();
            return list::print(&context, self.format, services, "running").await;
        }
        let mut rows = vec![["SERVICE", "VERSION", "STATUS", "LINKS"].map(str::to_owned).to_vec()];
        for (service, links) in services {
            let names: Vec<&str> = links.iter().map(|link| link.app_name.as_str()).collect();
            rows.push(vec![
                format!("{}:{}", service.record.engine, service.record.name),
                info::version(&service),
                info::status(&context, &service).await?.to_owned(),
                names.join(" "),
            ]);
        }
        context.console().headline("Services").await;
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}
