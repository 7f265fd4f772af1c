//! `doctor`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::upkeep::doctor::{self as examination, Finding, State};

/// Looks at the host and the apps, and says what is wrong and how to mend it; ends with 1 if something is
#[derive(Debug, Args)]
pub struct Doctor {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Command for Doctor {
    const NAME: &'static str = "doctor";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let console = context.console();
        if self.format == Format::Stdout {
            console.step("Looking at the engine, the host and the apps").await;
        }
        let findings = examination::examine(&context.app).await;
        let count = |state| findings.iter().filter(|finding| finding.state == state).count();
        let (problems, warnings) = (count(State::Problem), count(State::Warning));
        if self.format == Format::Json {
            print_json(console, &findings).await?;
            return Ok(u8::from(problems > 0));
        }
        for finding in &findings {
            console.line(line(finding)).await;
        }
        let of = format!("{} checks", findings.len());
        match (problems, warnings) {
            (0, 0) => console.step(format!("{of}: all is well")).await,
            (0, some) => console.step(format!("{of}: all works, {some} to look after")).await,
            (some, _) => {
                return Err(CommandError::user(format!("{of}: {some} wrong, {warnings} to look after"))
                    .hint("What to do stands behind each of them"));
            }
        }
        Ok(0)
    }
}

fn line(finding: &Finding) -> String {
    let mark = match finding.state {
        State::Good => "ok     ",
        State::Warning => "warning",
        State::Problem => "PROBLEM",
    };
    let text = format!("       {mark} {}: {}: {}", finding.check, finding.place, finding.what);
    match &finding.fix {
        Some(fix) => format!("{text}\n               {fix}"),
        None => text,
    }
}
