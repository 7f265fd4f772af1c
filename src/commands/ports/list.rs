//! `ports:list` and `ports:report`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{AppReport, Rows};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::port_mapping::PortMapping;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::urls;

/// Lists the port mappings of an app
#[derive(Debug, Args)]
pub struct List {
    /// The app
    app: String,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for List {
    const NAME: &'static str = "ports:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let (own, detected) = mappings(&context, record).await?;
        let mappings = if own.is_empty() { detected } else { own };
        if self.format == Format::Json {
            print_json(context.console(), &mappings).await?;
            return Ok(0);
        }
        context.console().step(format!("Port mappings for {}", record.name)).await;
        let header = ["-----> scheme", "host port", "container port"].map(str::to_owned).to_vec();
        let rows = mappings.iter().map(|mapping| {
            vec![
                mapping.scheme.to_string(),
                mapping.host_port.to_string(),
                mapping.container_port.to_string(),
            ]
        });
        let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

/// Reports the port mappings of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --ports-map, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "ports:report";
    const TITLE: &'static str = "ports";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let (own, detected) = mappings(context, record).await?;
        Ok(vec![("map".to_owned(), join(&own)), ("map-detected".to_owned(), join(&detected))])
    }
}

/// The mappings that a person has set, and those that hold without any.
pub async fn mappings(
    context: &Context,
    record: &AppRecord,
) -> Result<(Vec<PortMapping>, Vec<PortMapping>), CommandError> {
    let own = context.app.store.ports(record.id).await?;
    let release = match record.current_release {
        Some(id) => context.app.store.release(id).await?,
        None => None,
    };
    let port = release.map_or(5000, |release| urls::web_port(&[], &release.content));
    Ok((own, urls::ports(Vec::new(), port, context.app.https_address.is_some())))
}

fn join(mappings: &[PortMapping]) -> String {
    mappings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
