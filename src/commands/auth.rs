//! `auth:*`, Dokku's `http-auth:*`: names and passwords for an app's requests.

pub mod people;
pub mod report;
pub mod switch;

use std::fmt::Write as _;

use slipway_router::policy::access::password_hash::PasswordHash;
use tokio::task::spawn_blocking;

use crate::command_error::CommandError;
use crate::commands::Context;

/// The longest password.
const LONGEST: usize = 256;
/// Bytes of a password that is made here: nobody guesses 120 bits.
const MADE: usize = 15;

/// A password, and whether it has to be shown because it was made here.
struct Password {
    text: String,
    is_new: bool,
}

/// The password that a person gave: as a word, by standard input for `-`, else one that is made.
async fn password(context: &mut Context, word: Option<String>) -> Result<Password, CommandError> {
    let text = match word.as_deref() {
        None => return Ok(Password { text: made(), is_new: true }),
        Some("-") => {
            let bytes = context.io.read_stdin(LONGEST + 2).await.map_err(CommandError::user)?;
            let text =
                String::from_utf8(bytes).map_err(|_| CommandError::user("The password is no UTF-8 text"))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        Some(word) => word.to_owned(),
    };
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(CommandError::user(format!(
            "A password has 1 to {LONGEST} bytes and no control characters"
        ))
        .hint("Leave it out to have one made, or give it on standard input: auth:add APP NAME - < FILE"));
    }
    Ok(Password { text, is_new: false })
}

fn made() -> String {
    let bytes: [u8; MADE] = rand::random();
    hexadecimal(&bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

/// A name that can be sent: RFC 7617 ends it with the first colon.
fn check_name(name: &str) -> Result<(), CommandError> {
    let right = (1..=64).contains(&name.len()) && !name.contains(':') && !name.chars().any(char::is_control);
    if right {
        return Ok(());
    }
    Err(CommandError::user(format!("{name} is not a name: 1 to 64 bytes, no colon, no control characters"))
        .hint("For example: auth:add APP alice"))
}

/// What is kept of a password, from which nobody gets it back. Slow on purpose.
async fn kept_password(password: &str) -> Result<String, CommandError> {
    let password = password.to_owned();
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        CommandError::internal("The password cannot be kept", error)
    };
    let hash =
        spawn_blocking(move || PasswordHash::of(&password)).await.map_err(|error| failed(error.into()))?;
    Ok(hash.map_err(|error| failed(error.into()))?.to_string())
}

/// Says what a person has to know of a password that was made.
async fn tell(context: &Context, name: &str, password: &Password) {
    if password.is_new {
        context.console().line(format!("{name}:{}", password.text)).await;
        context.console().detail("This is shown once: keep it").await;
    }
}
