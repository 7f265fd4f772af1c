//! `letsencrypt:set` and `letsencrypt:report`.

use clap::Args;
use secrecy::SecretString;

use crate::acme::account::ExternalAccount;
use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::letsencrypt::properties::{EAB_HMAC_KEY, LETSENCRYPT, elsewhere};
use crate::commands::property;
use crate::commands::report::{AppReport, Rows};
use crate::commands::{Command, Context, Scope, Target};
use crate::issuance::choice::{Choice, ENABLED};
use crate::issuance::need;
use crate::model::acme::DirectoryUrl;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// The longest key for external account binding.
const LONGEST_KEY: usize = 4096;

/// Sets a property of automatic certificates: server, email, challenge, key-type, graceperiod, eab-key-id, eab-hmac-key (- reads it from standard input), check
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "letsencrypt:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let (key, value) = self.arguments.key_and_value();
        if let Some(hint) = elsewhere(key) {
            return Err(CommandError::user(format!("{key} is not set here")).hint(hint));
        }
        let status = if key == EAB_HMAC_KEY {
            set_key(&mut context, self.arguments.target(), value).await?
        } else {
            property::set(&context, &self.arguments, LETSENCRYPT).await?
        };
        context.app.reconciler.check_certificates();
        Ok(status)
    }
}

async fn set_key(context: &mut Context, target: Target, value: String) -> CommandResult {
    let app = if target == Target::Server { None } else { Some(context.target()?.id) };
    let value = if value == "-" {
        let bytes = context.io.read_stdin(LONGEST_KEY).await.map_err(CommandError::user)?;
        String::from_utf8(bytes).map_err(|_| CommandError::user("The key on standard input is no text"))?
    } else {
        value
    };
    let value = SecretString::from(value.trim().to_owned());
    if secrecy::ExposeSecret::expose_secret(&value).is_empty() {
        context.app.store.set_acme_external_key(app, None).await?;
        context.console().headline(format!("Unsetting {EAB_HMAC_KEY}")).await;
        return Ok(0);
    }
    let external = ExternalAccount { key_id: String::new(), hmac_key: value.clone() };
    external.key_bytes().map_err(|error| {
        CommandError::user(error).hint("Paste the HMAC key as the authority's site shows it")
    })?;
    context.app.store.set_acme_external_key(app, Some(value)).await?;
    context.console().headline(format!("Setting {EAB_HMAC_KEY}")).await;
    Ok(0)
}

/// Reports how it stands with automatic certificates of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --letsencrypt-active, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "letsencrypt:report";
    const TITLE: &'static str = "letsencrypt";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let app = &context.app;
        let mut rows = property::rows(&app.store, record.id, LETSENCRYPT).await?;
        let defaults = [
            ("server", "default".to_owned()),
            ("challenge", "auto".to_owned()),
            ("key-type", "ecdsa".to_owned()),
            ("check", true.to_string()),
        ];
        property::fill_in(&mut rows, &defaults);
        let choice = Choice::of(&app.store, record.id).await?;
        let state = app.store.acme_state(record.id).await?;
        let standing = need::standing(app, record, &choice, &state).await?;
        let own = app.store.property(Some(record.id), ENABLED).await?;
        let time = |seconds: Option<i64>| seconds.map(clock::format_seconds).unwrap_or_default();
        let ends = standing.held.iter().map(|held| held.not_after).min();
        let next = standing.next.filter(|_| choice.enabled).map(|next| next.max(clock::unix_seconds()));
        let listed = |names: Vec<String>| names.join(" ");
        let has_key = app.store.acme_external_key(Some(record.id)).await?.is_some();
        let names = standing.held.iter().flat_map(|held| held.hosts.clone()).collect();
        let missing = standing.missing().into_iter().map(ToString::to_string).collect();
        let more = [
            ("active", (!standing.held.is_empty()).to_string()),
            ("autorenew", choice.enabled.to_string()),
            ("enabled", own.unwrap_or_default()),
            ("directory", state.directory.unwrap_or_else(|| directory(&choice.directory))),
            (EAB_HMAC_KEY, if has_key { "set" } else { "" }.to_owned()),
            ("names", listed(names)),
            ("missing", listed(missing)),
            ("impossible", standing.impossible.join("; ")),
            ("expiration", time(ends)),
            ("next", time(next)),
            ("last-attempt", time(state.last_attempt)),
            ("failures", state.failures.to_string()),
            ("last-error", state.last_error.unwrap_or_default().replace('\n', "; ")),
        ];
        rows.extend(more.map(|(key, value)| (key.to_owned(), value)));
        Ok(rows)
    }
}

fn directory(directory: &DirectoryUrl) -> String {
    directory.to_string()
}
