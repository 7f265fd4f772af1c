//! What can be set about automatic certificates, and how each of it is checked.

use crate::command_error::CommandError;
use crate::commands::property::{self, Property};
use crate::issuance::choice;
use crate::model::acme::{ChallengeChoice, DirectoryUrl, KeyKind};

/// All of it but the secret key.
pub(super) const LETSENCRYPT: &[Property] = &[
    Property { key: "server", name: choice::SERVER, check: check_server },
    Property { key: "email", name: choice::EMAIL, check: check_email },
    Property { key: "challenge", name: choice::CHALLENGE, check: check_challenge },
    Property { key: "key-type", name: choice::KEY_TYPE, check: check_key_type },
    Property { key: "graceperiod", name: choice::GRACE_PERIOD, check: check_grace_period },
    Property { key: "eab-key-id", name: choice::EAB_KEY_ID, check: check_any },
    Property { key: "check", name: choice::CHECK, check: property::check_boolean },
];

/// The key for external account binding, which is kept sealed.
pub(super) const EAB_HMAC_KEY: &str = "eab-hmac-key";

fn check_server(value: &str) -> Result<(), CommandError> {
    value.parse::<DirectoryUrl>().map(|_| ()).map_err(|error| {
        CommandError::user(error)
            .hint("Write default, staging, zerossl, google, or the https address of an ACME directory")
    })
}

fn check_email(value: &str) -> Result<(), CommandError> {
    let (user, host) = value.split_once('@').unwrap_or_default();
    let has_bad = value.contains(|c: char| c.is_whitespace() || c.is_control() || ",;<>?".contains(c));
    if user.is_empty() || host.is_empty() || host.contains('@') || has_bad {
        return Err(CommandError::user(format!("{value} is no e-mail address"))
            .hint("Write one address, for example me@example.com"));
    }
    Ok(())
}

fn check_challenge(value: &str) -> Result<(), CommandError> {
    value
        .parse::<ChallengeChoice>()
        .map(|_| ())
        .map_err(|error| CommandError::user(error).hint("Write auto, http, tls or dns"))
}

fn check_key_type(value: &str) -> Result<(), CommandError> {
    value.parse::<KeyKind>().map(|_| ()).map_err(|error| CommandError::user(error).hint("Write ecdsa or rsa"))
}

fn check_grace_period(value: &str) -> Result<(), CommandError> {
    match value.parse::<u32>() {
        Ok(1..) => Ok(()),
        _ => Err(CommandError::user("graceperiod must be a positive integer").hint(
            "Write seconds before the end at which a certificate is renewed, for example 2592000 for 30 days",
        )),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every property has such a function")]
fn check_any(_value: &str) -> Result<(), CommandError> {
    Ok(())
}

/// What is said of properties that Dokku's plugin has and that are something else here.
pub(super) fn elsewhere(key: &str) -> Option<&'static str> {
    match key {
        "dns-provider" => Some(
            "Records are made by a program of yours: [acme] dns-hook in slipway.toml, then letsencrypt:set APP challenge dns",
        ),
        _ if key.starts_with("dns-provider-") => {
            Some("What the program for DNS records needs it reads from its own files")
        }
        "lego-docker-args" => Some("No container is used for it: there is nothing to set"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_address() {
        assert!(check_email("me+certs@example.com").is_ok());
        for text in ["me", "@example.com", "me@", "a@b@c", "a@b,c@d", "mailto a@b", "a@b?x=y"] {
            assert!(check_email(text).is_err(), "{text}");
        }
    }
}
