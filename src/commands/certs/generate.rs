//! `certs:generate`.

use std::net::Ipv4Addr;

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
        if let Some(address) = domains.iter().find(|domain| is_address(domain)) {
            return Err(CommandError::user(format!(
                "{address} is an address, and clients name a host (SNI)"
            ))
            .hint(format!("Make one for a domain: certs:generate {} www.example.com", app.name)));
        }
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

fn is_address(domain: &Hostname) -> bool {
    domain.is_literal() || domain.as_str().parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_domain() {
        let is_address = |text: &str| is_address(&text.parse().unwrap());
        assert_eq!([is_address("[2001:db8::1]"), is_address("192.0.2.1")], [true, true]);
        assert_eq!([is_address("*.example.com"), is_address("1.example")], [false, false]);
    }
}
