//! Names and passwords (RFC 7617).
//!
//! Checking a password is slow on purpose, so that whoever reads the database cannot guess them. A browser sends its
//! password with every request, so that what was checked once is remembered: not the password, but a digest of it
//! under a key that exists in this process only. Attempts that fail are slow as well, and anybody can make them:
//! each address may make a few, and all of them together have a core at most.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap, HeaderValue};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::address_key::AddressKey;
use crate::fault::Fault;
use crate::gate::Arriving;
use crate::gate::rate;
use crate::policy::access::password_hash::PasswordHash;
use crate::policy::access::{Rate, User};
use crate::rate_table::{Empty, RateTable};
use crate::refusal::Refusal;

/// Passwords that an address may have checked: a few at a time, and one every five seconds for ever.
const ATTEMPTS: Rate =
    Rate { per_hour: NonZeroU32::MIN.saturating_add(719), burst: NonZeroU32::MIN.saturating_add(9) };
/// Addresses whose attempts are remembered.
const ADDRESSES: usize = 1 << 12;
/// Passwords that are remembered.
const MAX_VERIFIED: usize = 1 << 10;
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// One password is checked at a time in the whole process, on a thread of no worker.
static TURNS: Semaphore = Semaphore::const_new(1);

type Digest = [u8; 32];

/// Who has proved to be somebody who may.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    digests: ArcSwap<HashSet<Digest>>,
    attempts: OnceLock<RateTable>,
}

impl Verified {
    fn contains(&self, digest: &Digest) -> bool {
        self.digests.load().contains(digest)
    }

    fn insert(&self, digest: Digest) {
        self.digests.rcu(|digests| {
            // With so many names it is cheaper to forget them all once in a while than to know which is oldest.
            let mut digests =
                if digests.len() < MAX_VERIFIED { HashSet::clone(digests) } else { HashSet::new() };
            digests.insert(digest);
            digests
        });
    }

    fn attempt(&self, key: AddressKey) -> Result<(), Empty> {
        self.attempts.get_or_init(|| RateTable::new(ADDRESSES)).take(key, ATTEMPTS)
    }
}

pub(super) async fn check(arriving: Arriving<'_>) -> Result<(), Refusal> {
    let users = &arriving.route.policy.access.users;
    if users.is_empty() {
        return Ok(());
    }
    let Some((name, password)) = credentials(&arriving.request.headers) else {
        return Err(challenge(arriving.host));
    };
    let user = users.iter().find(|user| user.name == name);
    let hash = user.map_or_else(PasswordHash::of_nothing, |user: &User| user.password_hash.clone());
    let verified = &arriving.route.memory.verified;
    let digest = digest(&hash, &password);
    if verified.contains(&digest) {
        return Ok(());
    }
    // Boxed, since it is rare and large, and what awaits it is made for every request.
    Box::pin(verify(arriving, hash, password, digest)).await
}

async fn verify(
    arriving: Arriving<'_>,
    hash: PasswordHash,
    password: Vec<u8>,
    digest: Digest,
) -> Result<(), Refusal> {
    let verified = &arriving.route.memory.verified;
    let key = AddressKey::from(arriving.origin.address);
    verified.attempt(key).map_err(|empty| rate::refusal(ATTEMPTS, empty))?;
    let turn = timeout(TURN, TURNS.acquire()).await;
    let Ok(Ok(turn)) = turn else { return Err(Fault::TooManyAtOnce.into()) };
    // A browser asks for several things at once, and one of them may have been let in meanwhile.
    if verified.contains(&digest) {
        return Ok(());
    }
    let is_right = spawn_blocking(move || hash.is_of(&password)).await.unwrap_or(false);
    drop(turn);
    if !is_right {
        return Err(challenge(arriving.host));
    }
    verified.insert(digest);
    Ok(())
}

/// The name and the password of a request.
pub(crate) fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut name = STANDARD.decode(encoded.trim()).ok()?;
    let colon = name.iter().position(|byte| *byte == b':')?;
    let password = name.split_off(colon + 1);
    name.truncate(colon);
    Some((String::from_utf8(name).ok()?, password))
}

/// What a password is remembered by. Another hash, as after a change of the password, makes another digest.
fn digest(hash: &PasswordHash, password: &[u8]) -> Digest {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    let mut context = Context::new(&SHA256);
    context.update(KEY.get_or_init(rand::random));
    // All three before the password have one length for ever, so that no two inputs are the same bytes.
    hash.salt_and_hash().into_iter().for_each(|part| context.update(part));
    context.update(password);
    let mut digest = Digest::default();
    digest.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    digest
}

/// 401. A browser shows the host, and asks.
fn challenge(host: &str) -> Refusal {
    let challenge = HeaderValue::try_from(format!("Basic realm=\"{host}\", charset=\"UTF-8\""));
    let challenge = challenge.unwrap_or(HeaderValue::from_static("Basic realm=\"app\", charset=\"UTF-8\""));
    Refusal::with_headers(Fault::Unauthorized, vec![(header::WWW_AUTHENTICATE, challenge)])
}
