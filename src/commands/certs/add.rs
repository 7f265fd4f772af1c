//! `certs:add` and `certs:update`.

use clap::Args;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::certs::{days_left, named, own_only};
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::certificate_chain::{CertificateChain, ChainError, mend};
use crate::formats::pem_pair::{self, PemPair, PemPairError};
use crate::hooks::Scene;
use crate::model::certificate::{CertificateKind, CertificateName};
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::store::certificates::covers;
use crate::store::certificates::{CertificatePair, NewCertificate};
use crate::urls;

/// The longest input that is taken, in bytes.
const LIMIT: usize = 1 << 20;

/// Adds a certificate with its key, both from standard input: PEM texts, or a tar archive with a .crt and a .key
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    arguments: Arguments,
}

/// Replaces a certificate with its key, both from standard input: PEM texts, or a tar archive with a .crt and a .key
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    arguments: Arguments,
}

/// What both take.
#[derive(Debug, Args)]
struct Arguments {
    /// A name for it, where an app has several
    #[arg(long)]
    name: Option<CertificateName>,
    /// Even if it has expired
    #[arg(long)]
    force: bool,
    /// The app
    app: String,
    /// Files as Dokku takes them, which cannot be read from here
    #[arg(value_name = "CRT KEY", hide = true)]
    files: Vec<String>,
}

impl Command for Add {
    const NAME: &'static str = "certs:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.arguments.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let name = self.arguments.name.clone().unwrap_or_default();
        add(context, self.arguments, name).await
    }
}

impl Command for Update {
    const NAME: &'static str = "certs:update";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.arguments.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = context.target()?;
        let present = named(&context, app, self.arguments.name.as_ref()).await?;
        own_only(app, &present)?;
        add(context, self.arguments, present.name).await
    }
}

async fn add(mut context: Context, arguments: Arguments, name: CertificateName) -> CommandResult {
    let app = context.target()?.clone();
    let pair = read(&mut context, &arguments).await?;
    let chain = mend(&pair).map_err(|error| explained(&app, error))?;
    check_time(&app, &chain, arguments.force)?;
    for note in &chain.notes {
        context.console().warn(note).await;
    }
    install(&context, &app, name, chain, pair).await?;
    Ok(0)
}

async fn read(context: &mut Context, arguments: &Arguments) -> Result<PemPair, CommandError> {
    let app = &arguments.app;
    let example = format!("For example: cat server.crt server.key | ssh HOST certs:add {app}");
    if !arguments.files.is_empty() {
        return Err(CommandError::user(
            "Certificate and key are read from standard input, not from files of the host",
        )
        .hint(example));
    }
    let input = context.io.read_stdin(LIMIT).await.map_err(CommandError::user)?;
    pem_pair::read(&input).map_err(|error| {
        let hint = match &error {
            PemPairError::EncryptedKey => {
                "Take the password off: openssl pkey -in server.key -out plain.key".to_owned()
            }
            PemPairError::Empty | PemPairError::NoKey | PemPairError::NoCertificate => example,
            PemPairError::Unknown => {
                "If it is in DER form: openssl x509 -inform der -in server.crt -out server.pem".to_owned()
            }
            PemPairError::Archive | PemPairError::Missing(_) | PemPairError::Several(_) => {
                format!("For example: tar cf - server.crt server.key | ssh HOST certs:add {app}")
            }
            PemPairError::SeveralKeys => {
                format!(
                    "Add each certificate with its key under a name of its own: certs:add --name NAME {app}"
                )
            }
        };
        CommandError::user(error).hint(hint)
    })
}

fn explained(app: &AppRecord, error: ChainError) -> CommandError {
    let hint = match error {
        ChainError::ForeignKey => {
            "See whose key it is: openssl pkey -in server.key -pubout, and openssl x509 -in \
                                   server.crt -noout -pubkey, have to print the same"
                .to_owned()
        }
        ChainError::UnknownKey => {
            "ECDSA, Ed25519, and RSA from 2048 bits on are served; see what it is: openssl pkey -in server.key -noout -text"
                .to_owned()
        }
        ChainError::Malformed(_) | ChainError::NoPem => {
            "See what it is: openssl x509 -in server.crt -noout -text".to_owned()
        }
        ChainError::Unusable(_) => {
            format!(
                "A certificate that clients take names its hosts: certs:generate {} HOST makes one",
                app.name
            )
        }
    };
    CommandError::internal("The certificate cannot be used", error).hint(hint)
}

/// What has expired is refused: it would only be shown to be refused by every client.
fn check_time(app: &AppRecord, chain: &CertificateChain, force: bool) -> Result<(), CommandError> {
    if chain.facts.not_after > clock::unix_seconds() || force {
        return Ok(());
    }
    let time = clock::format_seconds(chain.facts.not_after);
    Err(CommandError::user(format!("The certificate has expired at {time}"))
        .hint(format!("Get a new one; to add this one all the same: certs:add --force {}", app.name)))
}

/// Records a person's own certificate, puts it in force, and says what clients will not like about it.
pub(super) async fn install(
    context: &Context,
    app: &AppRecord,
    name: CertificateName,
    chain: CertificateChain,
    pair: PemPair,
) -> Result<(), CommandError> {
    let facts = chain.facts;
    let new = NewCertificate {
        app: app.id,
        kind: CertificateKind::Own,
        name: name.clone(),
        hosts: facts.hosts.clone(),
        not_after: facts.not_after,
        pair: CertificatePair { chain: chain.pem, key: pair.key },
    };
    context.app.store.set_certificate(new).await?;
    context.app.reconciler.publish_routes().await;
    let event = || Event::PostCertsUpdate {
        app: Some(app.name.clone()),
        action: "add".to_owned(),
        hosts: facts.hosts.clone(),
    };
    context.app.hooks.tell(Hook::PostCertsUpdate, Scene::command(context.console()), event).await;
    let console = context.console();
    let hosts = facts.hosts.join(" ");
    let validity = match days_left(facts.not_after) {
        days if days < 0 => "and has expired".to_owned(),
        days => format!("for {days} days"),
    };
    console.step(format!("Certificate {name} of {} is for {hosts}, {validity}", app.name)).await;
    warn(context, app, &facts.hosts, facts.not_before).await
}

async fn warn(
    context: &Context,
    app: &AppRecord,
    hosts: &[String],
    not_before: i64,
) -> Result<(), CommandError> {
    let console = context.console();
    if not_before > clock::unix_seconds() {
        let time = clock::format_seconds(not_before);
        console.warn(format!("It is not valid before {time}: clients will refuse it until then")).await;
    }
    let domains = urls::all_hostnames(&context.app, app).await?;
    if !domains.iter().any(|domain| covers(hosts, domain.as_str())) {
        let name = &app.name;
        console.warn(format!("It is for none of the domains of {name}, so that nobody is shown it")).await;
        let example = hosts.first().map_or("HOST", String::as_str);
        console.warn(format!("Add one that it is for: domains:add {name} {example}")).await;
    }
    if context.app.https_address.is_none() {
        console.warn("The server serves no HTTPS: set https-listen in slipway.toml, and restart it").await;
    }
    Ok(())
}
