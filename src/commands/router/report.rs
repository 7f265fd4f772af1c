//! `router:report`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{Rows, Wish, report_target};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::catalogue::{HEADER_PREFIX, Setting, settings, stored_name};
use crate::requests::kept::{Closure, ERROR_PAGE, MAINTENANCE, PEOPLE, People, REDIRECTS, Redirect};
use crate::requests::policy::{Values, draft_of, read};
use crate::store::apps::AppRecord;

/// Asks for what holds for all apps.
const GLOBAL: &str = "--global";

/// Reports what holds for the requests of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app or --global, a flag such as --router-max-body-size or --router-computed-max-body-size, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl Command for Report {
    const NAME: &'static str = "router:report";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        if self.is_global() { Target::Nothing } else { report_target(&self.words) }
    }

    async fn run(self, context: Context) -> CommandResult {
        let words: Vec<String> = self.words.iter().filter(|word| *word != GLOBAL).cloned().collect();
        let wish = Wish::parse(&words)?;
        let global = context.app.store.request_properties(None).await?;
        if self.is_global() {
            let rows = rows(&wish, &Values::new(), &global);
            wish.print(context.console(), "global", "router", rows).await?;
        }
        for record in &context.targets {
            let rows = of_app(&context, &wish, record, &global).await?;
            wish.print_app(context.console(), record, "router", rows).await?;
        }
        Ok(0)
    }
}

impl Report {
    fn is_global(&self) -> bool {
        self.words.iter().any(|word| word == GLOBAL)
    }
}

async fn of_app(
    context: &Context,
    wish: &Wish,
    record: &AppRecord,
    global: &Values,
) -> Result<Rows, CommandError> {
    let own = context.app.store.request_properties(Some(record.id)).await?;
    let mut rows = rows(wish, &own, global);
    let people: People = read(&own, PEOPLE);
    let closure: Closure = read(&own, MAINTENANCE);
    let pages: Vec<&str> = own.keys().filter_map(|name| name.strip_prefix(ERROR_PAGE)).collect();
    rows.push(("auth".to_owned(), people.on.to_string()));
    rows.push(("redirects".to_owned(), read::<Vec<Redirect>>(&own, REDIRECTS).len().to_string()));
    rows.push(("maintenance".to_owned(), closure.on.to_string()));
    rows.push(("error-pages".to_owned(), pages.join(" ")));
    Ok(rows)
}

/// A person sees each value that holds and whether it is the app's own; a program all three.
fn rows(wish: &Wish, own: &Values, global: &Values) -> Rows {
    let draft = draft_of(own, global);
    let mut rows = Rows::new();
    for setting in settings() {
        let computed = (setting.show)(&draft);
        if wish.is_list() {
            rows.push((
                setting.key.to_owned(),
                format!("{computed:<12} {}", origin(setting, own, global)).trim().to_owned(),
            ));
        } else {
            rows.extend(triple(setting.key, own, global, computed));
        }
    }
    let names: std::collections::BTreeSet<&String> = own.keys().chain(global.keys()).collect();
    for name in names {
        let Some(header) = name.strip_prefix(&stored_name(HEADER_PREFIX)) else { continue };
        let key = format!("{HEADER_PREFIX}{header}");
        let computed = own.get(name).or_else(|| global.get(name)).cloned().unwrap_or_default();
        if wish.is_list() {
            rows.push((key, computed));
        } else {
            rows.extend(triple(&key, own, global, computed));
        }
    }
    rows
}

fn triple(key: &str, own: &Values, global: &Values, computed: String) -> Rows {
    let name = stored_name(key);
    let of = |values: &Values| values.get(&name).cloned().unwrap_or_default();
    vec![
        (key.to_owned(), of(own)),
        (format!("global-{key}"), of(global)),
        (format!("computed-{key}"), computed),
    ]
}

fn origin(setting: &Setting, own: &Values, global: &Values) -> &'static str {
    let name = stored_name(setting.key);
    if own.contains_key(&name) {
        "(set)"
    } else if global.contains_key(&name) {
        "(set for all apps)"
    } else {
        ""
    }
}
