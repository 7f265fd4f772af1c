//! `letsencrypt:enable`, `letsencrypt:disable` and `certs:auto`.

use clap::{Args, ValueEnum};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::letsencrypt::{obtain, tried_again};
use crate::commands::{Command, Context, Scope, Target};
use crate::issuance::choice::{CHECK, ENABLED, SERVER};
use crate::issuance::obtain::Request;
use crate::model::certificate::CertificateKind;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// How certificates are got from now on.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Options {
    /// From Let's Encrypt's staging, to try things out: no browser trusts it
    #[arg(long)]
    staging: bool,
    /// Do not look first whether the app's names lead to this server
    #[arg(long)]
    no_check: bool,
}

/// Gets certificates for an app's names now, and again whenever they end or names are added
#[derive(Debug, Args)]
pub struct Enable {
    #[command(flatten)]
    options: Options,
    /// Get new certificates even where there are good ones
    #[arg(long)]
    force: bool,
    /// The app
    app: String,
}

impl Command for Enable {
    const NAME: &'static str = "letsencrypt:enable";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        enable(&context, context.target()?, self.options, self.force).await
    }
}

/// Ends automatic certificates of an app, and removes those that it has
#[derive(Debug, Args)]
pub struct Disable {
    /// The app
    app: String,
}

impl Command for Disable {
    const NAME: &'static str = "letsencrypt:disable";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        disable(&context, context.target()?).await
    }
}

/// Whether there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// They come by themselves.
    On,
    /// They do not.
    Off,
}

/// Turns automatic certificates of an app on or off, or of all apps, also of those to come: --all on
#[derive(Debug, Args)]
pub struct Auto {
    #[command(flatten)]
    options: Options,
    /// All apps that have no setting of their own
    #[arg(long)]
    all: bool,
    /// The app, and on or off
    #[arg(value_name = "APP] [on|off", num_args = 1..=2)]
    words: Vec<String>,
}

impl Command for Auto {
    const NAME: &'static str = "certs:auto";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        match self.words.first() {
            _ if self.all => Target::Server,
            Some(app) => Target::One(app.clone()),
            None => Target::Nothing,
        }
    }

    async fn run(self, context: Context) -> CommandResult {
        let word = if self.all { self.words.first() } else { self.words.get(1) };
        let switch = word.and_then(|word| Switch::from_str(word, true).ok());
        let surplus = self.all && self.words.len() > 1;
        let Some(switch) = switch.filter(|_| !surplus) else {
            return Err(CommandError::user("Say whether they come by themselves: on or off")
                .hint("For example: certs:auto APP on, or certs:auto --all on"));
        };
        match (self.all, switch) {
            (true, switch) => all(&context, switch, self.options).await,
            (false, Switch::On) => enable(&context, context.target()?, self.options, false).await,
            (false, Switch::Off) => disable(&context, context.target()?).await,
        }
    }
}

async fn enable(context: &Context, record: &AppRecord, options: Options, force: bool) -> CommandResult {
    let store = &context.app.store;
    if options.staging {
        store.set_property(Some(record.id), SERVER, Some("staging".to_owned())).await?;
    }
    if options.no_check {
        // Renewals have to be got in the same way.
        store.set_property(Some(record.id), CHECK, Some("false".to_owned())).await?;
    }
    context.console().headline(format!("Enabling automatic certificates for {}", record.name)).await;
    store.set_property(Some(record.id), ENABLED, Some("on".to_owned())).await?;
    let request = Request { force, unchecked: options.no_check, at_once: true };
    match obtain(context, record, request).await {
        Ok(obtained) if obtained.issued == 0 => {
            context.console().step(format!("{} has what it needs already", record.name)).await;
            Ok(0)
        }
        Ok(_) => {
            context
                .console()
                .step(format!("{} is served with it; it is renewed by itself", record.name))
                .await;
            Ok(0)
        }
        Err(error) => Err(tried_again(context, record, error).await),
    }
}

async fn disable(context: &Context, record: &AppRecord) -> CommandResult {
    let store = &context.app.store;
    store.set_property(Some(record.id), ENABLED, Some("off".to_owned())).await?;
    let removed = remove_certificates(context, record).await?;
    context.console().headline(format!("Automatic certificates of {} are off", record.name)).await;
    if removed > 0 {
        context.console().detail(format!("Certificates that were removed: {removed}")).await;
    }
    Ok(0)
}

/// Takes an app's automatic certificates out of force, and says how many there were.
pub(super) async fn remove_certificates(
    context: &Context,
    record: &AppRecord,
) -> Result<usize, CommandError> {
    let _lease = context.app.issuing.acquire(record.id).await;
    let store = &context.app.store;
    let mut removed = 0;
    for certificate in store.certificates(Some(record.id)).await? {
        if certificate.kind == CertificateKind::Automatic {
            store.remove_certificate(certificate.id).await?;
            removed += 1;
        }
    }
    store.set_acme_state(record.id, &crate::store::acme::AcmeState::default()).await?;
    context.app.reconciler.publish_routes().await;
    Ok(removed)
}

async fn all(context: &Context, switch: Switch, options: Options) -> CommandResult {
    let store = &context.app.store;
    let value = if switch == Switch::On { "on" } else { "off" };
    if options.staging {
        store.set_property(None, SERVER, Some("staging".to_owned())).await?;
    }
    if options.no_check {
        store.set_property(None, CHECK, Some("false".to_owned())).await?;
    }
    store.set_property(None, ENABLED, Some(value.to_owned())).await?;
    context.app.reconciler.check_certificates();
    context.console().headline(format!("Automatic certificates are {value} for all apps")).await;
    let own = store.property_values(ENABLED).await?;
    let exceptions: Vec<String> = store
        .apps()
        .await?
        .into_iter()
        .filter(|record| own.iter().any(|(app, set)| *app == Some(record.id) && set != value))
        .map(|record| record.name.to_string())
        .collect();
    if !exceptions.is_empty() {
        context
            .console()
            .detail(format!("Except for those that say otherwise: {}", exceptions.join(", ")))
            .await;
    }
    let note = match switch {
        Switch::On => "They come in the background; see how it goes: letsencrypt:list",
        Switch::Off => "What apps have stays until it ends: letsencrypt:disable APP removes it",
    };
    context.console().detail(note).await;
    Ok(0)
}
