//! `ENGINE:clone`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::{ContainerFlags, asker, info, show_counts};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::model::service::ServiceName;
use crate::services::create::{self, Creation};
use crate::services::image::Wish;
use crate::services::restoring::{self, Dump, Scruples};
use crate::services::{Service, contents, destroy, dump, fresh};

/// Creates a service that holds what another one holds
#[derive(Debug, Args)]
pub struct CloneService {
    #[command(flatten)]
    container: ContainerFlags,
    /// The service
    service: String,
    /// The new service's name
    new: String,
}

impl Command for CloneService {
    const NAME: &'static str = "service:clone";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, source, console) = (&context.app, context.service()?, context.console());
        dump::dump_of(source)?;
        fresh::restore_of(&source.engine)?;
        let creation = creation(&context, source, &self)?;
        // Before anything is made: a service that does not run is no source.
        let before = contents::count(app, source).await?;
        let new = create::create(app, creation, console).await?;
        let _lease = app.service_leases.acquire(new.record.id).await;
        let copied = async {
            let stream = dump::begin(app, source).await?;
            let after = contents::count(app, source).await?;
            let contents = Some(contents::between(&before, &after));
            let dump = Dump { stream, contents };
            restoring::replace(app, &new, dump, Scruples::None, (&asker(&context), console)).await
        };
        let counts = match copied.await {
            Ok(counts) => counts,
            Err(error) => {
                destroy::discard(app, &new.refreshed(app).await?).await?;
                return Err(error);
            }
        };
        show_counts(&context, &counts).await;
        let what = format!("cloned from {}", source.record.name);
        app.store.note_service_event(new.record.id, &context.caller.name, what).await?;
        console.headline(format!("{} cloned to {}", source.record.name, new.record.name)).await;
        info::show(&context, &new.refreshed(app).await?).await?;
        Ok(0)
    }
}

/// As the source is, but for what the flags say.
fn creation(context: &Context, source: &Service, flags: &CloneService) -> Result<Creation, CommandError> {
    let name: ServiceName = flags.new.parse().map_err(CommandError::user)?;
    let (record, asked) = (&source.record, flags.container.wish());
    let own = (record.image.name != source.engine.service.image).then(|| record.image.name.clone());
    let wish = Wish {
        image: asked.image.or(own),
        version: asked.version.or_else(|| Some(record.image.version.clone())),
    };
    let mut properties = record.properties.clone();
    properties.extend(flags.container.properties());
    let mut environment = record.environment.clone();
    environment.extend(flags.container.environment()?);
    Ok(Creation {
        plugin: context.plugin()?.clone(),
        name,
        wish,
        properties,
        environment,
        password: None,
        by: context.caller.name.clone(),
    })
}
