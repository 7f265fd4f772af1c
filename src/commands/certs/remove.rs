//! `certs:remove`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::certs::{named, own_only};
use crate::commands::{Command, Context, Scope, Target};
use crate::hooks::Scene;
use crate::model::certificate::CertificateName;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;

/// Removes a certificate of an app
#[derive(Debug, Args)]
pub struct Remove {
    /// Its name, where the app has several
    #[arg(long)]
    name: Option<CertificateName>,
    /// The app
    app: String,
}

impl Command for Remove {
    const NAME: &'static str = "certs:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = context.target()?;
        let record = named(&context, app, self.name.as_ref()).await?;
        own_only(app, &record)?;
        context.app.store.remove_certificate(record.id).await?;
        context.app.reconciler.publish_routes().await;
        let event = || Event::PostCertsUpdate {
            app: Some(app.name.clone()),
            action: "remove".to_owned(),
            hosts: Vec::new(),
        };
        context.app.hooks.tell(Hook::PostCertsUpdate, Scene::command(context.console()), event).await;
        context.console().step(format!("Removed the certificate {} of {}", record.name, app.name)).await;
        Ok(0)
    }
}
