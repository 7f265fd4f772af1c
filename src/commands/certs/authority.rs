//! `certs:client-authority`.

use clap::Args;
use slipway_router::tls_spec::ClientAuthority;

use crate::certificates::{CLIENT_AUTHORITY, CLIENT_CERTIFICATES};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::pem_pair;
use crate::model::role::Role;

/// The longest input that is taken, in bytes.
const LIMIT: usize = 1 << 20;

/// Says who issues the certificates of an app's clients: certificates of authorities, from standard input
#[derive(Debug, Args)]
pub struct Authority {
    /// Forget it, and ask clients for no certificate any more
    #[arg(long)]
    remove: bool,
    /// The app
    app: String,
}

impl Command for Authority {
    const NAME: &'static str = "certs:client-authority";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let app = context.target()?.clone();
        let store = context.app.store.clone();
        if self.remove {
            // In this order: without an authority nobody who is asked for a certificate can have a good one.
            store.set_property(Some(app.id), CLIENT_CERTIFICATES, None).await?;
            store.set_property(Some(app.id), CLIENT_AUTHORITY, None).await?;
            context.app.reconciler.publish_routes().await;
            context.console().step(format!("Clients of {} are asked for no certificate", app.name)).await;
            return Ok(0);
        }
        let input = context.io.read_stdin(LIMIT).await.map_err(CommandError::user)?;
        let text = String::from_utf8_lossy(&input);
        let bundle: String = pem_pair::certificates(&text).collect();
        ClientAuthority::from_pem(bundle.as_bytes()).map_err(|error| {
            CommandError::internal("That names no authority", error)
                .hint(format!("For example: ssh HOST certs:client-authority {} < ca.crt", app.name))
        })?;
        store.set_property(Some(app.id), CLIENT_AUTHORITY, Some(bundle)).await?;
        context.app.reconciler.publish_routes().await;
        let console = context.console();
        console.step(format!("The authority of the clients of {} is known", app.name)).await;
        if store.property(Some(app.id), CLIENT_CERTIFICATES).await?.is_none() {
            let hint =
                format!("Ask for their certificates: certs:set {} client-certificates required", app.name);
            console.detail(hint).await;
        }
        Ok(0)
    }
}
