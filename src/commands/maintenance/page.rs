//! `maintenance:page`, Dokku's `maintenance:custom-page`.

use std::io::Read;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::router::LARGEST_PAGE;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::kept::MAINTENANCE_PAGE;

/// The file of an archive that is the page, as Dokku's plugin has it.
const FILE: &str = "maintenance.html";
/// An archive may hold more than the page.
const LARGEST_INPUT: usize = 8 << 20;

/// Takes an app's maintenance page from standard input: HTML, or a tar archive with maintenance.html
#[derive(Debug, Args)]
pub struct Page {
    /// Show the router's own page again
    #[arg(long)]
    clear: bool,
    /// The app
    app: String,
}

impl Command for Page {
    const NAME: &'static str = "maintenance:page";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let id = context.target()?.id;
        let page = if self.clear {
            None
        } else {
            let hint = format!("For example: maintenance:page {} < maintenance.html", self.app);
            let bytes = context.io.read_stdin(LARGEST_INPUT).await;
            let page = bytes.map_err(|error| error.to_string()).and_then(|bytes| page(&bytes));
            Some(page.map_err(|error| CommandError::user(error).hint(hint))?)
        };
        let done = match &page {
            Some(page) => format!("Set the maintenance page of {} ({} bytes)", self.app, page.len()),
            None => format!("Cleared the maintenance page of {}", self.app),
        };
        context.app.store.set_property(Some(id), MAINTENANCE_PAGE, page).await?;
        context.app.reconciler.publish_routes().await;
        context.console().step(done).await;
        Ok(0)
    }
}

/// The page in an archive, or what is none.
fn page(bytes: &[u8]) -> Result<String, String> {
    let is_archive = bytes.get(257..262) == Some(b"ustar");
    let page = if is_archive { from_archive(bytes)? } else { bytes.to_vec() };
    let page = String::from_utf8(page).map_err(|_| "The page on standard input is no UTF-8 text")?;
    if page.trim().is_empty() {
        return Err("There is no page on standard input".to_owned());
    }
    if page.len() > LARGEST_PAGE {
        return Err(format!("The page is longer than the {LARGEST_PAGE} bytes that are allowed"));
    }
    Ok(page)
}

fn from_archive(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let broken = |error: std::io::Error| format!("The archive on standard input cannot be read: {error}");
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if entry.path().map_err(broken)?.file_name().is_some_and(|name| name == FILE) {
            let mut page = Vec::new();
            entry.read_to_end(&mut page).map_err(broken)?;
            return Ok(page);
        }
    }
    Err(format!("The archive on standard input has no {FILE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_as_it_is_or_in_an_archive() {
        assert_eq!(page(b"<p>Soon").unwrap(), "<p>Soon");
        let mut archive = tar::Builder::new(Vec::new());
        for (name, text) in [("other.html", "no"), ("maintenance.html", "<p>Soon")] {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        assert_eq!(page(&archive.into_inner().unwrap()).unwrap(), "<p>Soon");
        for wrong in [&b""[..], b" \n", b"\xff\xfe"] {
            assert!(page(wrong).is_err());
        }
        assert!(page("x".repeat(LARGEST_PAGE + 1).as_bytes()).is_err());
    }
}
