//! `certs:report`.

use clap::Args;

use crate::certificates::{CLIENT_CERTIFICATES, TLS_VERSIONS};
use crate::clock;
use crate::command_error::CommandError;
use crate::commands::Context;
use crate::commands::certs::list;
use crate::commands::report::{AppReport, Rows};
use crate::store::apps::AppRecord;

/// Reports the certificates of one app, or of all; where an app has several, the one that expires first
#[derive(Debug, Args)]
pub struct Report {
    /// An app, a flag such as --ssl-expires-at, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "certs:report";
    const TITLE: &'static str = "ssl";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let all = list::rows(context, record).await?;
        let names: Vec<String> = all.iter().map(|row| format!("{} ({})", row.name, row.kind)).collect();
        let first = all.iter().min_by_key(|row| row.days_left);
        let of_first = |value: fn(&list::Row) -> String| first.map(value).unwrap_or_default();
        let store = &context.app.store;
        let versions = store.computed_property(record.id, TLS_VERSIONS).await?;
        let clients = store.property(Some(record.id), CLIENT_CERTIFICATES).await?;
        let automatic = store.acme_state(record.id).await?;
        let next = automatic.next_attempt.map(clock::format_seconds);
        let rows = [
            // Dokku's, which keeps them in files; here they are in the database.
            ("dir", String::new()),
            ("enabled", first.is_some().to_string()),
            ("hostnames", of_first(|row| row.hosts.join(" "))),
            ("expires-at", of_first(|row| row.expires_at.clone())),
            ("issuer", of_first(|row| row.issuer.clone())),
            ("starts-at", of_first(|row| row.starts_at.clone())),
            ("subject", of_first(|row| row.subject.clone())),
            ("verified", of_first(|row| row.verified.clone())),
            ("days-left", of_first(|row| row.days_left.to_string())),
            ("kind", of_first(|row| row.kind.clone())),
            ("certificates", names.join(" ")),
            ("computed-tls-versions", versions.unwrap_or_else(|| "intermediate".to_owned())),
            ("automatic-last-error", automatic.last_error.unwrap_or_default().replace('\n', "; ")),
            ("automatic-next-attempt", next.unwrap_or_default()),
            ("client-certificates", clients.unwrap_or_else(|| "off".to_owned())),
        ];
        Ok(rows.map(|(key, value)| (key.to_owned(), value)).to_vec())
    }
}
