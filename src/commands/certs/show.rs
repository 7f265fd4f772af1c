//! `certs:show`.

use clap::{Args, ValueEnum};
use secrecy::ExposeSecret;

use crate::command_error::CommandResult;
use crate::commands::certs::{gone, named};
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Output;
use crate::model::certificate::CertificateName;
use crate::model::role::Role;

/// Prints a certificate of an app, or its key, in PEM form
#[derive(Debug, Args)]
pub struct Show {
    /// Its name, where the app has several
    #[arg(long)]
    name: Option<CertificateName>,
    /// The app
    app: String,
    /// Which of the two
    part: Part,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// The certificate and those between it and its authority.
    Crt,
    /// The key.
    Key,
}

impl Command for Show {
    const NAME: &'static str = "certs:show";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = context.target()?;
        let record = named(&context, app, self.name.as_ref()).await?;
        let pair = context.app.store.certificate_pair(record.id).await?.ok_or_else(gone)?;
        let text = match self.part {
            Part::Crt => pair.chain,
            Part::Key => pair.key.expose_secret().to_owned(),
        };
        context.console().write(Output::Stdout(text.into())).await;
        Ok(0)
    }
}
