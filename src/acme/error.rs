//! Why there is no certificate, and what to do about it.

use std::time::Duration;

use instant_acme::Problem;

use crate::acme::dns_hook::HookError;
use crate::acme::transport::TransportError;
use crate::model::acme::ChallengeKind;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority cannot be talked to.
    #[error("the certificate authority cannot be reached")]
    Unreachable(#[source] TransportError),
    /// The authority says no.
    #[error("the certificate authority refused: {}", told(.0))]
    Refused(Problem),
    /// The authority could not see the proofs for these names.
    #[error("the certificate authority could not verify {}", unverified(.0))]
    Unverified(Vec<(String, Option<Problem>)>),
    /// The authority has no such way for a name.
    #[error("the certificate authority does not offer {kind} for {name}")]
    NotOffered {
        /// The way.
        kind: ChallengeKind,
        /// The name.
        name: String,
    },
    /// The authority did not come to an end.
    #[error("the certificate authority has not decided within {} seconds", .0.as_secs())]
    Late(Duration),
    /// The authority's answer is not what the protocol says.
    #[error("the certificate authority answered something else than the protocol says")]
    Protocol(#[source] instant_acme::Error),
    /// No key or request can be made.
    #[error("no key and request can be made")]
    Request(#[source] rcgen::Error),
    /// The program for DNS records failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The proof cannot be shown.
    #[error("the proof for {name} cannot be shown: {reason}")]
    Answer {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The server stops.
    #[error("it was interrupted: the server stops")]
    Interrupted,
}

impl From<instant_acme::Error> for AcmeError {
    fn from(error: instant_acme::Error) -> Self {
        match error {
            instant_acme::Error::Api(problem) => Self::Refused(problem),
            instant_acme::Error::Other(other) => match other.downcast::<TransportError>() {
                Ok(transport) => Self::Unreachable(*transport),
                Err(other) => Self::Protocol(instant_acme::Error::Other(other)),
            },
            other => Self::Protocol(other),
        }
    }
}

impl AcmeError {
    /// Whether the authority counted it against these names: then trying again at once makes it worse.
    pub fn failed_names(&self) -> Vec<String> {
        match self {
            Self::Unverified(names) => names.iter().map(|(name, _)| name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Until when the authority wants to be left alone, in seconds since the Unix epoch, if it says so.
    ///
    /// Let's Encrypt and those who use its software say it in words: `retry after 2026-11-21 12:00:00 UTC`.
    pub fn retry_after(&self) -> Option<i64> {
        let Self::Refused(problem) = self else { return None };
        let (_, rest) = problem.detail.as_deref()?.split_once("retry after ")?;
        let (time, _) = rest.split_once(" UTC")?;
        let time = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", time).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
    }

    /// Whether the authority does not know the account any more.
    pub fn is_about_a_lost_account(&self) -> bool {
        let Self::Refused(problem) = self else { return false };
        problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":accountDoesNotExist"))
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => {
                "See whether this host reaches it (firewall, DNS) and whether the address is right: letsencrypt:report"
            }
            Self::Refused(problem) => advice(problem),
            Self::Unverified(names) => {
                names.iter().find_map(|(_, problem)| problem.as_ref()).map_or(NO_PROOF, advice)
            }
            Self::NotOffered { .. } => "Choose another way: letsencrypt:set APP challenge http|tls-alpn|dns",
            Self::Late(_) => "Try again in a few minutes; the authority may be busy",
            Self::Protocol(_) => {
                "See whether the address is that of an ACME directory: letsencrypt:set APP server URL"
            }
            Self::Request(_) | Self::Answer { .. } => "The server's log says more",
            Self::Hook(_) => "Mend the program that [acme] dns-hook names in slipway.toml, and try again",
            Self::Interrupted => "It goes on by itself after the start",
        }
    }
}

const NO_PROOF: &str =
    "See that each name resolves to this host and that ports 80 and 443 are open to the internet";

/// What to do about a problem of RFC 8555, section 6.7.
fn advice(problem: &Problem) -> &'static str {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    match kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind) {
        "rateLimited" => {
            "Wait: it is tried again by itself when the limit allows it. For trying things out: letsencrypt:set APP server staging"
        }
        "externalAccountRequired" => {
            "Get a key from the authority's site, then: letsencrypt:set APP|--global eab-key-id ID, and eab-hmac-key on standard input"
        }
        "unauthorized" | "incorrectResponse" | "connection" | "tls" => NO_PROOF,
        "dns" => {
            "Make an A or AAAA record for each name that points to this host; new records take a while to be seen"
        }
        "caa" => "A CAA record forbids it: allow this authority in the name's DNS, or remove the record",
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            "The authority gives no certificate for such a name: remove it with domains:remove, or use an own certificate: certs:add"
        }
        "accountDoesNotExist" => "Make a new account: letsencrypt:cleanup, then try again",
        "invalidContact" | "unsupportedContact" => {
            "Set another address: letsencrypt:set APP|--global email ADDRESS"
        }
        "badRevocationReason" | "alreadyRevoked" => "Nothing is to be done: it is revoked",
        "userActionRequired" => "The authority wants you to read something: the address stands above",
        _ => "Try again later; if it stays, ask the authority with the words above",
    }
}

fn told(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or("no reason given");
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
    let mut text = if kind.is_empty() { detail.to_owned() } else { format!("{detail} ({kind})") };
    for part in &problem.subproblems {
        text.push_str(&format!("; {part}"));
    }
    text
}

fn unverified(names: &[(String, Option<Problem>)]) -> String {
    let one = |(name, problem): &(String, Option<Problem>)| match problem {
        Some(problem) => format!("{name}: {}", told(problem)),
        None => name.clone(),
    };
    names.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str, detail: &str) -> Problem {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        serde_json::from_value(serde_json::json!({ "type": kind, "detail": detail })).unwrap()
    }

    #[test]
    fn a_limit_says_until_when() {
        let detail = "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, \
                      retry after 2026-11-22 01:02:03 UTC: see https://letsencrypt.org/docs/rate-limits/";
        let error = AcmeError::Refused(problem("rateLimited", detail));
        assert_eq!(error.retry_after(), Some(1_795_309_323));
        assert!(error.to_string().contains(detail), "{error}");
        assert!(error.advice().starts_with("Wait: "));
        let without = AcmeError::Refused(problem("rateLimited", "slow down, retry after lunch UTC"));
        assert_eq!(without.retry_after(), None);
    }

    #[test]
    fn names_that_could_not_be_verified_are_told_with_the_reason() {
        let refused = problem("connection", "192.0.2.1: Connection refused");
        let error = AcmeError::Unverified(vec![
            ("a.example".to_owned(), Some(refused)),
            ("b.example".to_owned(), None),
        ]);
        assert_eq!(
            error.to_string(),
            "the certificate authority could not verify a.example: 192.0.2.1: Connection refused (connection); b.example"
        );
        assert_eq!(error.failed_names(), ["a.example", "b.example"]);
        assert_eq!(error.advice(), NO_PROOF);
    }

    #[test]
    fn an_account_that_is_lost_is_known() {
        assert!(AcmeError::Refused(problem("accountDoesNotExist", "x")).is_about_a_lost_account());
        assert!(!AcmeError::Refused(problem("unauthorized", "x")).is_about_a_lost_account());
    }
}
