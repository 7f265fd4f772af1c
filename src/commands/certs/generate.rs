//! `certs:generate`.

use clap::Args;

use crate::certificates::self_signed;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::certs::add::install;
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::certificate_chain::mend;
use crate::formats::pem_pair::PemPair;
use crate::model::certificate::CertificateName;
use crate::model::hostname::Hostname;
use crate::model::role::Role;

/// How long it is valid, in days: ten years, as nobody trusts it anyway who was not told to.
const DAYS: i64 = 3650;

/// Makes a self-signed certificate for domains, and adds it
#[derive(Debug, Args)]
pub struct Generate {
    /// A name for it, where an app has several
    #[arg(long)]
    name: Option<CertificateName>,
    /// The app
    app: String,
    /// The domains; `*.example.com` stands for one label
    #[arg(required = true, value_name = "DOMAIN")]
    domains: Vec<String>,
}

impl Command for Generate {
    const NAME: &'static str = "certs:generate";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = context.target()?.clone();
        let domains: Result<Vec<Hostname>, _> = self.domains.iter().map(|domain| domain.parse()).collect();
        let domains = domains.map_err(CommandError::user)?;
        let (certificates, key) = self_signed(&domains, Some(DAYS))
            .map_err(|error| CommandError::internal("No certificate can be made", error))?;
        let pair = PemPair { certificates, key: key.into() };
        let chain = mend(&pair)
            .map_err(|error| CommandError::internal("The certificate that was made cannot be used", error))?;
        install(&context, &app, self.name.unwrap_or_default(), chain, pair).await?;
        context
            .console()
            .warn("It is self-signed: browsers warn of it, and clients have to be told to trust it")
            .await;
        Ok(0)
    }
}
