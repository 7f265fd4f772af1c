//! `certs:*`: the certificates of apps, with Dokku's names; several for each app.

pub mod add;
pub mod authority;
pub mod generate;
pub mod list;
pub mod remove;
pub mod report;
pub mod set;
pub mod show;
mod verified;

use crate::clock;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::model::certificate::{CertificateKind, CertificateName};
use crate::store::apps::AppRecord;
use crate::store::certificates::CertificateRecord;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Days until a time, rounded down, so that what has expired has less than none.
fn days_left(not_after: i64) -> i64 {
    (not_after - clock::unix_seconds()).div_euclid(DAY)
}

/// Somebody has removed it just now.
fn gone() -> CommandError {
    CommandError::user("The certificate was removed just now")
}

/// The certificate of that name, a person's own one before one that is automatic; without a name the only one.
async fn named(
    context: &Context,
    app: &AppRecord,
    name: Option<&CertificateName>,
) -> Result<CertificateRecord, CommandError> {
    let mut found = context.app.store.certificates(Some(app.id)).await?;
    if found.is_empty() {
        return Err(CommandError::user("An app-specific SSL endpoint is not defined")
            .hint(format!("Add one: cat server.crt server.key | ssh HOST certs:add {}", app.name)));
    }
    let wanted = name.cloned().unwrap_or_default();
    let several = found.len() > 1;
    match found.iter().position(|record| record.name == wanted) {
        Some(index) => Ok(found.swap_remove(index)),
        None if name.is_none() && !several => Ok(found.swap_remove(0)),
        None => {
            let names: Vec<String> = found.iter().map(|record| record.name.to_string()).collect();
            let message = match name {
                Some(name) => format!("{} has no certificate {name}", app.name),
                None => format!("{} has several certificates", app.name),
            };
            Err(CommandError::user(message).hint(format!("Name one with --name: {}", names.join(", "))))
        }
    }
}

/// Refuses what is the server's own business.
fn own_only(app: &AppRecord, record: &CertificateRecord) -> Result<(), CommandError> {
    match record.kind {
        CertificateKind::Own => Ok(()),
        CertificateKind::Automatic => {
            Err(CommandError::user(format!("The server looks after the certificate {} itself", record.name))
                .hint(format!("Turn that off: certs:auto {} off", app.name)))
        }
    }
}
