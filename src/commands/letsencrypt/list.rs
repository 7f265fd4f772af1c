//! `letsencrypt:list` and `letsencrypt:active`.

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, columns, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::issuance::choice::Choice;
use crate::issuance::need;
use crate::model::certificate::CertificateKind;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Lists the apps with automatic certificates: until when they are valid, when they are renewed, what went wrong
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Row {
    app: String,
    expires_at: Option<String>,
    expires_in_seconds: Option<i64>,
    next_attempt_at: Option<String>,
    failures: u32,
    last_error: Option<String>,
}

impl Command for List {
    const NAME: &'static str = "letsencrypt:list";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Every
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut rows = Vec::new();
        for record in &context.targets {
            rows.extend(row(&context, record).await?);
        }
        if self.format == Format::Json {
            print_json(context.console(), &rows).await?;
            return Ok(0);
        }
        let header = ["APP", "EXPIRES", "LEFT", "NEXT", "LAST ERROR"].map(str::to_owned).to_vec();
        let cells = rows.into_iter().map(|row| {
            let error = row.last_error.unwrap_or_default();
            vec![
                row.app,
                row.expires_at.unwrap_or_else(|| "-".to_owned()),
                row.expires_in_seconds.map_or_else(|| "-".to_owned(), left),
                row.next_attempt_at.unwrap_or_else(|| "-".to_owned()),
                error.lines().next().unwrap_or_default().to_owned(),
            ]
        });
        let rows: Vec<Vec<String>> = std::iter::once(header).chain(cells).collect();
        context.console().stdout(columns(&rows)).await;
        Ok(0)
    }
}

async fn row(context: &Context, record: &AppRecord) -> Result<Option<Row>, CommandError> {
    let app = &context.app;
    let choice = Choice::of(&app.store, record.id).await?;
    let state = app.store.acme_state(record.id).await?;
    let standing = need::standing(app, record, &choice, &state).await?;
    if !choice.enabled && standing.held.is_empty() {
        return Ok(None);
    }
    let now = clock::unix_seconds();
    let ends = standing.held.iter().map(|held| held.not_after).min();
    let next = standing.next.filter(|_| choice.enabled).map(|next| next.max(now));
    Ok(Some(Row {
        app: record.name.to_string(),
        expires_at: ends.map(clock::format_seconds),
        expires_in_seconds: ends.map(|ends| ends - now),
        next_attempt_at: next.map(clock::format_seconds),
        failures: state.failures,
        last_error: state.last_error,
    }))
}

fn left(seconds: i64) -> String {
    match seconds {
        ..0 => "over".to_owned(),
        0..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Says whether an app has automatic certificates: true or false
#[derive(Debug, Args)]
pub struct Active {
    /// The app
    app: String,
}

impl Command for Active {
    const NAME: &'static str = "letsencrypt:active";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let certificates = context.app.store.certificates(Some(record.id)).await?;
        let active = certificates.iter().any(|certificate| certificate.kind == CertificateKind::Automatic);
        context.console().line(active).await;
        Ok(u8::from(!active))
    }
}
