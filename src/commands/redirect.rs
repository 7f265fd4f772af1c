//! `redirect:*`: paths of an app whose requests are sent elsewhere.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{AppReport, Rows};
use crate::commands::router::{change_kept, kept};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::kept::{REDIRECTS, Redirect};
use crate::store::apps::AppRecord;

/// Redirects of one app: each costs every request a comparison.
const MOST: usize = 200;

/// Sends requests for a path of an app elsewhere; the first redirect that fits wins
#[derive(Debug, Args)]
pub struct Add {
    /// The app
    app: String,
    /// A path, `/old`; with a `*` at its end all that begin so, `/blog/*`
    from: String,
    /// A path, or a whole URL; a `*` at its end is what the other one stood for
    to: String,
    /// 301, 302, 303, 307 or 308
    #[arg(default_value_t = 301)]
    status: u16,
}

impl Command for Add {
    const NAME: &'static str = "redirect:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let redirect = Redirect { from: self.from, to: self.to, status: self.status };
        check(&redirect, &self.app)?;
        let done = format!(
            "Added redirect of {}: {} to {} ({})",
            self.app, redirect.from, redirect.to, redirect.status
        );
        let app = self.app;
        change_kept(&context, REDIRECTS, move |redirects: &mut Vec<Redirect>| {
            let is_full = redirects.len() >= MOST;
            match redirects.iter_mut().find(|known| known.from == redirect.from) {
                Some(known) => *known = redirect,
                None if is_full => {
                    return Err(CommandError::user(format!("{app} has {MOST} redirects, which is the most"))
                        .hint(format!("Remove one: redirect:remove {app} FROM")));
                }
                None => redirects.push(redirect),
            }
            Ok(())
        })
        .await?;
        context.console().step(done).await;
        Ok(0)
    }
}

/// Removes redirects of an app
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: String,
    /// The paths, as they were added
    #[arg(required = true)]
    from: Vec<String>,
}

impl Command for Remove {
    const NAME: &'static str = "redirect:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, unwanted) = (self.app.clone(), self.from.clone());
        change_kept(&context, REDIRECTS, move |redirects: &mut Vec<Redirect>| {
            if let Some(absent) =
                unwanted.iter().find(|from| !redirects.iter().any(|known| known.from == **from))
            {
                return Err(CommandError::user(format!("{app} has no redirect from {absent}"))
                    .hint(format!("See them: redirect:report {app}")));
            }
            redirects.retain(|known| !unwanted.contains(&known.from));
            Ok(())
        })
        .await?;
        context.console().step(format!("Removed redirects of {}: {}", self.app, self.from.join(" "))).await;
        Ok(0)
    }
}

/// Reports the redirects of one app, or of all
#[derive(Debug, Args)]
pub struct Report {
    /// An app, --format json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP|FLAG")]
    words: Vec<String>,
}

impl AppReport for Report {
    const NAME: &'static str = "redirect:report";
    const TITLE: &'static str = "redirect";

    fn words(&self) -> &[String] {
        &self.words
    }

    async fn rows(context: &Context, record: &AppRecord) -> Result<Rows, CommandError> {
        let redirects: Vec<Redirect> = kept(context, record.id, REDIRECTS).await?;
        let row = |one: Redirect| (one.from, format!("{} {}", one.status, one.to));
        Ok(redirects.into_iter().map(row).collect())
    }
}

fn check(redirect: &Redirect, app: &str) -> Result<(), CommandError> {
    let Redirect { from, to, status } = redirect;
    let wrong = |what: String| {
        Err(CommandError::user(what)
            .hint(format!("For example: redirect:add {app} /old/* https://www.example.com/new/* 301")))
    };
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return wrong(format!("{status} is not a status of redirects: write 301, 302, 303, 307 or 308"));
    }
    if !from.starts_with('/') {
        let hint = format!("To send all host names of an app to one: router:set {app} canonical-host HOST");
        return Err(CommandError::user(format!("{from} is not a path")).hint(hint));
    }
    let absolute = to.starts_with("http://") || to.starts_with("https://");
    // `//host` would be another site, and so would `/\host` for browsers.
    let path = to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\");
    if !(path || absolute && to.parse::<hyper::Uri>().is_ok()) {
        return wrong(format!("{to} is neither a path nor a whole URL"));
    }
    for text in [from, to] {
        if text.bytes().any(|byte| !byte.is_ascii_graphic())
            || text.trim_end_matches('*').contains('*')
            || text.ends_with("**")
        {
            return wrong(format!(
                "{text} has characters that cannot be there, or a * that is not at its end"
            ));
        }
    }
    if to.ends_with('*') && !from.ends_with('*') {
        return wrong(format!("{to} ends with a *, and {from} does not"));
    }
    if path && covers(from, to) {
        return wrong(format!("{to} would be redirected again, without end"));
    }
    Ok(())
}

fn covers(from: &str, path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    from.strip_suffix('*').map_or_else(|| from == path, |prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(from: &str, to: &str, status: u16) -> bool {
        check(&Redirect { from: from.to_owned(), to: to.to_owned(), status }, "blog").is_ok()
    }

    #[test]
    fn a_redirect_goes_somewhere_else() {
        for (from, to) in
            [("/old", "/new"), ("/old/*", "/new/*"), ("/*", "https://example.com/*"), ("/a", "/b?c=d")]
        {
            assert!(is_right(from, to, 301), "{from} {to}");
        }
        for (from, to) in [
            ("/old", "/old"),
            ("/old/*", "/old/new"),
            ("/*", "/x"),
            ("/old", "/old?again"),
            ("old", "/new"),
            ("/old", "//evil.example"),
            ("/old", "/\\evil.example"),
            ("/old", "ftp://x/"),
            ("/old", "/new/*"),
            ("/o*d", "/new"),
            ("/old", "/n w"),
            ("/old", "/n\r\nSet-Cookie:x"),
        ] {
            assert!(!is_right(from, to, 301), "{from} {to}");
        }
        assert!(!is_right("/old", "/new", 304));
    }
}
