//! `slipway webhook`: sends what it reads to a URL, signed. A program of its own for hooks of plugins, which need not
//! bring an HTTP client along; it knows no server.
//!
//! Signatures are those of Standard Webhooks (standardwebhooks.com), so that receivers find a library for them.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;

/// The largest body, in bytes.
const MAX_BODY: u64 = 1 << 20;
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long to wait before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// What secrets of Standard Webhooks begin with; base64 follows.
const SECRET_PREFIX: &str = "whsec_";

/// Sends standard input as the JSON body of a POST request, up to three times, until it is answered with 2xx
#[derive(Debug, Parser)]
#[command(name = "slipway webhook")]
struct Arguments {
    /// The environment variable with the URL: a URL is often a secret, and arguments are seen by everybody
    #[arg(long, value_name = "VARIABLE", default_value = "WEBHOOK_URL")]
    url_from: String,
    /// The environment variable with the secret that signs it; not signed if it is unset or empty
    #[arg(long, value_name = "VARIABLE", default_value = "WEBHOOK_SECRET")]
    secret_from: String,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    #[error("{0} is not set to a URL\nWrite http://… or https://… into it")]
    NoUrl(String),
    #[error("{0} begins with whsec_, but no base64 follows\nTake the secret as the receiver shows it")]
    Secret(String),
    #[error("the body has more than {MAX_BODY} bytes, or cannot be read\nSend less")]
    Body,
    #[error("the receiver answered {0}\nIts own log says why")]
    Refused(u16),
    #[error("the receiver cannot be reached: {0}\nCheck the URL, and that this host can reach it")]
    Unreachable(String),
}

/// A message, ready to be sent.
#[derive(Debug)]
struct Message {
    id: String,
    timestamp: u64,
    body: Vec<u8>,
    signature: Option<String>,
}

/// Runs with the words behind `webhook`.
pub fn main(words: Vec<OsString>) -> ExitCode {
    let words = [OsString::from("slipway webhook")].into_iter().chain(words);
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            return if error.print().is_ok() && !error.use_stderr() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text: String = error.to_string().lines().map(|line| format!(" !     {line}\n")).collect();
            // Nobody is left to tell if this fails.
            io::stderr().write_all(text.as_bytes()).ok();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), WebhookError> {
    let url = env::var(&arguments.url_from).unwrap_or_default();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(WebhookError::NoUrl(arguments.url_from.clone()));
    }
    let secret = env::var(&arguments.secret_from).unwrap_or_default();
    let key = key(&secret).ok_or_else(|| WebhookError::Secret(arguments.secret_from.clone()))?;
    let mut body = Vec::new();
    io::stdin().lock().take(MAX_BODY + 1).read_to_end(&mut body).map_err(|_| WebhookError::Body)?;
    if body.len() as u64 > MAX_BODY {
        return Err(WebhookError::Body);
    }
    let timestamp = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    let message = Message::new(format!("msg_{:032x}", rand::random::<u128>()), timestamp, body, key.as_ref());
    let mut sent = send(&url, &message);
    for pause in PAUSES {
        match sent {
            Err(WebhookError::Refused(status)) if status < 500 && status != 429 => break,
            Err(_) => sleep(pause),
            Ok(()) => break,
        }
        sent = send(&url, &message);
    }
    sent
}

/// The key of a secret: `Some(None)` if there is none, `None` if it is damaged.
fn key(secret: &str) -> Option<Option<Key>> {
    if secret.is_empty() {
        return Some(None);
    }
    let bytes = match secret.strip_prefix(SECRET_PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    Some(Some(Key::new(HMAC_SHA256, &bytes)))
}

impl Message {
    /// Signs `id.timestamp.body`, as the specification says.
    fn new(id: String, timestamp: u64, body: Vec<u8>, key: Option<&Key>) -> Self {
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body.as_slice()].concat();
        let signature = key.map(|key| format!("v1,{}", STANDARD.encode(sign(key, &signed))));
        Self { id, timestamp, body, signature }
    }
}

fn send(url: &str, message: &Message) -> Result<(), WebhookError> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(ATTEMPT))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .new_agent();
    let mut request = agent
        .post(url)
        .header("Content-Type", "application/json")
        .header("User-Agent", concat!("slipway/", env!("CARGO_PKG_VERSION")))
        .header("Webhook-Id", &message.id)
        .header("Webhook-Timestamp", message.timestamp.to_string());
    if let Some(signature) = &message.signature {
        request = request.header("Webhook-Signature", signature);
    }
    // What ureq says of a failure may hold the URL, which may be a secret.
    let answer = request.send(&message.body).map_err(|error| WebhookError::Unreachable(reason(&error)))?;
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        status => Err(WebhookError::Refused(status)),
    }
}

fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", ATTEMPT.as_secs()),
        ureq::Error::HostNotFound => "its host's name is not known".to_owned(),
        ureq::Error::BadUri(_) => "its URL is none".to_owned(),
        _ => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().unwrap();
        let body = br#"{"test": 2432232314}"#.to_vec();
        let message =
            Message::new("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(), 1_614_265_330, body, Some(&key));
        assert_eq!(message.signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_is_base64_or_any_text_or_absent() {
        assert!(key("").unwrap().is_none());
        assert!(key("open sesame").unwrap().is_some());
        assert!(key("whsec_%").is_none());
    }
}
