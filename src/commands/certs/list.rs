//! `certs:list`.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::certs::verified::verified;
use crate::commands::certs::{days_left, gone};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::formats::certificate_chain::CertificateFacts;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::store::certificates::CertificateRecord;

/// Lists the certificates of an app: for which hosts, from whom, for how long
#[derive(Debug, Args)]
pub struct List {
    /// The app
    app: String,
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is shown of a certificate.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Its name.
    pub(super) name: String,
    /// `own` or `automatic`.
    pub(super) kind: String,
    /// The hosts it is for.
    pub(super) hosts: Vec<String>,
    /// Whose it is.
    pub(super) subject: String,
    /// Who has signed it.
    pub(super) issuer: String,
    /// The beginning of its validity.
    pub(super) starts_at: String,
    /// The end of its validity.
    pub(super) expires_at: String,
    /// Days until then.
    pub(super) days_left: i64,
    /// Whether clients trust it.
    pub(super) verified: String,
}

impl Command for List {
    const NAME: &'static str = "certs:list";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let app = context.target()?;
        let rows = rows(&context, app).await?;
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        context.console().headline(format!("{} certificates", app.name)).await;
        if rows.is_empty() {
            return Ok(0);
        }
        let header = ["NAME", "KIND", "HOSTS", "EXPIRES", "DAYS", "ISSUER", "VERIFIED"];
        let mut table = vec![header.map(str::to_owned).to_vec()];
        table.extend(rows.into_iter().map(|row| {
            let days = row.days_left.to_string();
            vec![row.name, row.kind, row.hosts.join(","), row.expires_at, days, row.issuer, row.verified]
        }));
        context.console().stdout(columns(&table)).await;
        Ok(0)
    }
}

/// The certificates of an app.
pub(super) async fn rows(context: &Context, app: &AppRecord) -> Result<Vec<Row>, CommandError> {
    let mut rows = Vec::new();
    for record in context.app.store.certificates(Some(app.id)).await? {
        rows.push(row(context, record).await?);
    }
    Ok(rows)
}

async fn row(context: &Context, record: CertificateRecord) -> Result<Row, CommandError> {
    let pair = context.app.store.certificate_pair(record.id).await?.ok_or_else(gone)?;
    let facts = CertificateFacts::of(&pair.chain)
        .map_err(|error| CommandError::internal("A recorded certificate cannot be read", error))?;
    Ok(Row {
        name: record.name.to_string(),
        kind: record.kind.to_string(),
        hosts: record.hosts,
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        starts_at: clock::format_seconds(facts.not_before),
        expires_at: clock::format_seconds(facts.not_after),
        days_left: days_left(facts.not_after),
        verified: verified(pair.chain, facts).await,
    })
}
