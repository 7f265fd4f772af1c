//! The account with which an app's certificates are ordered: one for each authority and address, made when needed.

use instant_acme::Account;

use crate::acme::account::{self, ExternalAccount};
use crate::acme::error::AcmeError;
use crate::acme::transport::Transport;
use crate::app::App;
use crate::command_error::CommandError;
use crate::issuance::choice::Choice;
use crate::store::apps::AppRecord;

/// The account, which may have been made just now.
pub(super) async fn of(app: &App, record: &AppRecord, choice: &Choice) -> Result<Account, CommandError> {
    match app.store.acme_account(&choice.directory, &place(choice)).await? {
        Some(credentials) => account::open(transport(app).await?, &credentials).await.map_err(failed),
        None => anew(app, record, choice).await,
    }
}

/// A new account, in place of one that the authority may have lost.
pub(super) async fn anew(app: &App, record: &AppRecord, choice: &Choice) -> Result<Account, CommandError> {
    let transport = transport(app).await?;
    let external = external(app, record, choice).await?;
    let email = choice.email.as_deref();
    let made = account::create(transport, &choice.directory, email, external.as_ref()).await;
    let (account, credentials) = made.map_err(failed)?;
    app.store.set_acme_account(&choice.directory, &place(choice), credentials).await?;
    Ok(account)
}

/// What an account is kept under. A key for binding is for one account, so that another key is another account.
fn place(choice: &Choice) -> String {
    let email = choice.email.as_deref().unwrap_or_default();
    match &choice.eab_key_id {
        Some(key_id) => format!("{email} {key_id}"),
        None => email.to_owned(),
    }
}

/// HTTPS to authorities.
async fn transport(app: &App) -> Result<Transport, CommandError> {
    let unusable = |error: std::io::Error| {
        CommandError::internal("The authority cannot be asked", error)
            .hint("See the host's certificates (apt-get install ca-certificates) and [acme] ca-certificate in slipway.toml")
    };
    let trusted = match &app.settings.acme.ca_certificate {
        Some(path) => Some(tokio::fs::read_to_string(path).await.map_err(unusable)?),
        None => None,
    };
    // The host's certificates are files.
    let made = tokio::task::spawn_blocking(move || Transport::new(trusted.as_deref())).await;
    made.map_err(|error| unusable(std::io::Error::other(error)))?.map_err(unusable)
}

async fn external(
    app: &App,
    record: &AppRecord,
    choice: &Choice,
) -> Result<Option<ExternalAccount>, CommandError> {
    let Some(key_id) = choice.eab_key_id.clone() else { return Ok(None) };
    let Some(hmac_key) = app.store.acme_external_key(Some(record.id)).await? else {
        return Err(CommandError::user("eab-key-id is set and eab-hmac-key is not").hint(format!(
            "Give the key on standard input: letsencrypt:set {} eab-hmac-key -",
            record.name
        )));
    };
    Ok(Some(ExternalAccount { key_id, hmac_key }))
}

fn failed(error: AcmeError) -> CommandError {
    let advice = error.advice();
    CommandError::internal("There is no account at the certificate authority", error).hint(advice)
}
