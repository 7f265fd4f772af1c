//! The uniform `NAMESPACE:report`: all of it, one value by flag, or JSON.

use std::fmt::Display;
use std::future::Future;

use clap::Args;
use serde::{Serialize, Serializer};

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::console::Console;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// What a namespace reports of an app: flags without the namespace's prefix, and their values.
pub type Rows = Vec<(String, String)>;

/// A `NAMESPACE:report` of one app or of all: it gives the rows, and all the rest is the same.
pub trait AppReport: Args + Send + 'static {
    /// `NAMESPACE:report`.
    const NAME: &'static str;
    /// What stands behind the app's name and before each flag: `app`, `git`, `ps`.
    const TITLE: &'static str;

    /// The words behind the command.
    fn words(&self) -> &[String];

    /// What is reported of one app.
    fn rows(context: &Context, record: &AppRecord)
    -> impl Future<Output = Result<Rows, CommandError>> + Send;
}

impl<R: AppReport> Command for R {
    const NAME: &'static str = <R as AppReport>::NAME;
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        report_target(self.words())
    }

    async fn run(self, context: Context) -> CommandResult {
        let wish = Wish::parse(self.words())?;
        for record in &context.targets {
            let rows = R::rows(&context, record).await?;
            wish.print_app(context.console(), record, R::TITLE, rows).await?;
        }
        Ok(0)
    }
}

/// The app that the words behind a report name, else all. Words that make no sense are refused later.
pub fn report_target(words: &[String]) -> Target {
    match Wish::parse(words) {
        Ok(Wish { app: Some(app), .. }) => Target::One(app),
        _ => Target::Every,
    }
}

/// What the words behind `NAMESPACE:report` ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The app, if one was named.
    pub app: Option<String>,
    flag: Option<String>,
    format: Option<Format>,
}

impl Wish {
    /// Reads `[APP] [--flag] [--format stdout|json]` in any order.
    pub fn parse(words: &[String]) -> Result<Self, CommandError> {
        let mut wish = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(format) = word.strip_prefix("--format=") {
                wish.format = Some(parse_format(format)?);
            } else if word == "--format" {
                wish.format = Some(parse_format(words.next().map_or("", String::as_str))?);
            } else if let Some(flag) = word.strip_prefix("--") {
                if wish.flag.replace(flag.to_owned()).is_some() {
                    return Err(CommandError::user("report commands allow only a single flag"));
                }
            } else if wish.app.replace(word.clone()).is_some() {
                return Err(CommandError::user(format!("Unexpected argument {word}: name one app, or none")));
            }
        }
        if wish.flag.is_some() && wish.format.is_some() {
            return Err(CommandError::user("--format flag cannot be specified when specifying an info flag"));
        }
        Ok(wish)
    }

    /// Whether it is all of it, for a person.
    pub fn is_list(&self) -> bool {
        self.flag.is_none() && self.format != Some(Format::Json)
    }

    /// Prints the report of an app. For programs that read those of all apps it says whose it is.
    pub async fn print_app(
        &self,
        console: &Console,
        record: &AppRecord,
        title: &str,
        mut rows: Rows,
    ) -> Result<(), CommandError> {
        if self.app.is_none() && self.format == Some(Format::Json) {
            rows.insert(0, ("app".to_owned(), record.name.to_string()));
        }
        self.print(console, &record.name, title, rows).await
    }

    /// Prints one report. `subject` is the app, `title` what stands behind its name: `app`, `git`, `ps`,
    /// or nothing.
    pub async fn print(
        &self,
        console: &Console,
        subject: impl Display,
        title: &str,
        rows: Rows,
    ) -> Result<(), CommandError> {
        if let Some(flag) = &self.flag {
            let key = flag.strip_prefix(&prefix(title, "-")).unwrap_or(flag);
            let Some((_, value)) = rows.iter().find(|(name, _)| name == key || name == flag) else {
                let valid: Vec<String> =
                    rows.iter().map(|(name, _)| format!("--{}{name}", prefix(title, "-"))).collect();
                return Err(CommandError::user(format!(
                    "Invalid flag passed, valid flags: {}",
                    valid.join(", ")
                )));
            };
            console.line(value).await;
            return Ok(());
        }
        if self.format == Some(Format::Json) {
            return print_json(console, &Object(rows)).await;
        }
        console.headline(format!("{subject} {}information", prefix(title, " "))).await;
        for (key, value) in rows {
            console.line(format!("       {:<30} {value}", label(title, &key)).trim_end()).await;
        }
        Ok(())
    }
}

/// Rows as an object, in their order: of redirects the first one wins.
struct Object(Rows);

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

fn parse_format(text: &str) -> Result<Format, CommandError> {
    match text {
        "json" => Ok(Format::Json),
        "stdout" | "text" => Ok(Format::Stdout),
        _ => Err(CommandError::user(format!("{text} is not a format: use stdout or json"))),
    }
}

/// What stands before a key; nothing where there is no title.
fn prefix(title: &str, behind: &str) -> String {
    if title.is_empty() { String::new() } else { format!("{title}{behind}") }
}

/// What a key is called in a report for people. A path or the name of a header in it is a person's own and stays as it
/// is.
fn label(title: &str, key: &str) -> String {
    let (own_words, chosen) = key.split_at(key.find(['/', ':']).unwrap_or(key.len()));
    let words = format!("{}{}{chosen}", prefix(title, " "), own_words.replace('-', " "));
    let mut characters = words.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase()).unwrap_or_default();
    format!("{first}{}:", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_order() {
        let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let wish = Wish::parse(&words("--format json blog")).unwrap();
        assert_eq!((wish.app.as_deref(), wish.format), (Some("blog"), Some(Format::Json)));
        assert!(Wish::parse(&words("blog --a --b")).is_err());
        assert!(Wish::parse(&words("blog --a --format json")).is_err());
        assert!(Wish::parse(&words("blog other")).is_err());
    }

    #[test]
    fn labels_read_as_dokku_prints_them() {
        assert_eq!(label("ps", "running"), "Ps running:");
        assert_eq!(label("git", "deploy-branch"), "Git deploy branch:");
    }

    #[test]
    fn what_a_person_has_named_is_shown_as_they_wrote_it() {
        assert_eq!(label("redirect", "/old-blog/*"), "Redirect /old-blog/*:");
        assert_eq!(label("router", "global-header:x-frame-options"), "Router global header:x-frame-options:");
    }

    #[test]
    fn an_object_has_the_order_of_its_rows() {
        let rows = ["/z", "/a"].map(|key| (key.to_owned(), "301 /".to_owned()));
        assert_eq!(serde_json::to_string(&Object(rows.into())).unwrap(), r#"{"/z":"301 /","/a":"301 /"}"#);
    }
}
