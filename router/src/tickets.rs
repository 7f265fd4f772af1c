//! Session tickets: what a client brings back instead of a handshake in full (RFC 8446, section 4.6.1).
//!
//! One set of keys for all workers, all certificates and all processes that follow one another: a ticket is good on
//! any core, after a certificate was replaced, and after the server was. What a ticket must not do is carry a session
//! over to where other certificates are asked of clients; that is bound into its seal.
//!
//! A key seals for half a day and opens for another half, so that a stolen one opens a day's sessions at most.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use tokio_rustls::rustls::server::ProducesTickets;

/// How long a key seals.
const SEALS: Duration = Duration::from_secs(12 * 60 * 60);
/// How long it opens, from its beginning.
const OPENS: Duration = Duration::from_secs(24 * 60 * 60);
/// What tells a key from another.
const NAME: usize = 8;
const KEY: usize = 32;
/// One exported key: when it began in seconds since the Unix epoch, its name, itself.
const EXPORTED: usize = 8 + NAME + KEY;

/// The keys of all tickets.
pub(crate) struct Tickets {
    /// Newest first. Replaced as a whole; whoever finds the first too old puts a new one in front.
    keys: ArcSwap<Vec<Arc<TicketKey>>>,
}

struct TicketKey {
    began: SystemTime,
    name: [u8; NAME],
    secret: [u8; KEY],
    aead: RandomizedNonceKey,
}

/// The keys in a form that another process can go on with. As secret as the certificates' keys.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKeys(Vec<u8>);

/// Why ticket keys cannot be used. Nothing of them is repeated.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TicketKeysError {
    /// They are not what an export gives.
    #[error("these are no ticket keys")]
    Malformed,
}

/// There are no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("no key can be made for session tickets")]
pub struct NoTicketKey;

impl TicketKeys {
    /// Takes what [`TicketKeys::as_bytes`] gave.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Call it only where they leave for the process that goes on with them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKeys")
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl TicketKey {
    fn new(began: SystemTime) -> Result<Self, NoTicketKey> {
        let (mut name, mut secret) = ([0; NAME], [0; KEY]);
        aws_lc_rs::rand::fill(&mut name).map_err(|_| NoTicketKey)?;
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| NoTicketKey)?;
        Self::of(began, name, secret).ok_or(NoTicketKey)
    }

    fn of(began: SystemTime, name: [u8; NAME], secret: [u8; KEY]) -> Option<Self> {
        let aead = RandomizedNonceKey::new(&AES_256_GCM, &secret).ok()?;
        Some(Self { began, name, secret, aead })
    }

    /// A key from the future is one from a host whose clock was put back; it is as good as a new one.
    fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.began).unwrap_or_default()
    }

    /// The ticket: the key's name, a nonce, the sealed session with its tag.
    fn seal(&self, context: &[u8], session: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = session.to_vec();
        let nonce = self.aead.seal_in_place_append_tag(Aad::from(context), &mut sealed).ok()?;
        Some([&self.name[..], nonce.as_ref(), &sealed].concat())
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let length = self.aead.open_in_place(nonce, Aad::from(context), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

impl Tickets {
    pub(crate) fn new() -> Result<Self, NoTicketKey> {
        let first = TicketKey::new(SystemTime::now())?;
        Ok(Self { keys: ArcSwap::from_pointee(vec![Arc::new(first)]) })
    }

    /// The key that seals now.
    fn sealing(&self, now: SystemTime) -> Option<Arc<TicketKey>> {
        let keys = self.keys.load();
        let newest = keys.first().filter(|key| key.age(now) < SEALS);
        if newest.is_some() {
            return newest.map(Arc::clone);
        }
        let next = Arc::new(TicketKey::new(now).ok()?);
        let fresh = keys.iter().filter(|key| key.age(now) < OPENS).map(Arc::clone);
        let keys_next = Arc::new(std::iter::once(next).chain(fresh).collect::<Vec<_>>());
        // Two may come here at once: then the first one's key stays, and both use it.
        self.keys.compare_and_swap(&keys, keys_next);
        self.keys.load().first().map(Arc::clone)
    }

    fn seal(&self, context: &[u8], session: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        self.sealing(now)?.seal(context, session)
    }

    fn open(&self, context: &[u8], ticket: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let (name, sealed) = ticket.split_at_checked(NAME)?;
        let keys = self.keys.load();
        keys.iter().find(|key| key.name == name && key.age(now) < OPENS)?.open(context, sealed)
    }

    /// The keys for another process.
    pub(crate) fn export(&self) -> TicketKeys {
        let mut bytes = Vec::new();
        for key in self.keys.load().iter() {
            let began = key.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            bytes.extend_from_slice(&began.to_be_bytes());
            bytes.extend_from_slice(&key.name);
            bytes.extend_from_slice(&key.secret);
        }
        TicketKeys(bytes)
    }

    /// Goes on with the keys of another process: with the newer ones seals, with all of them opens.
    pub(crate) fn import(&self, keys: &TicketKeys) -> Result<(), TicketKeysError> {
        let mut imported = Vec::new();
        let (exported, rest) = keys.0.as_chunks::<EXPORTED>();
        if exported.is_empty() || !rest.is_empty() {
            return Err(TicketKeysError::Malformed);
        }
        for key in exported {
            imported.push(Arc::new(read(key).ok_or(TicketKeysError::Malformed)?));
        }
        // Its own ones stay for what they have sealed already, and seal no more.
        imported.extend(self.keys.load().iter().map(Arc::clone));
        self.keys.store(Arc::new(imported));
        Ok(())
    }
}

fn read(exported: &[u8; EXPORTED]) -> Option<TicketKey> {
    let (began, rest) = exported.split_first_chunk::<8>()?;
    let (name, secret) = rest.split_first_chunk::<NAME>()?;
    let began = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*began)))?;
    TicketKey::of(began, *name, secret.try_into().ok()?)
}

/// The tickets of sessions with one rule for clients' certificates.
#[derive(Debug)]
pub(crate) struct BoundTickets {
    tickets: Arc<Tickets>,
    context: Vec<u8>,
}

impl BoundTickets {
    pub(crate) fn new(tickets: Arc<Tickets>, context: Vec<u8>) -> Self {
        Self { tickets, context }
    }
}

impl ProducesTickets for BoundTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(SEALS.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.seal(&self.context, plain, SystemTime::now())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.tickets.open(&self.context, cipher, SystemTime::now())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn a_ticket_opens_for_its_rule_alone_and_is_no_plain_text() {
        let (tickets, now) = (Tickets::new().unwrap(), SystemTime::now());
        let ticket = tickets.seal(b"a", b"a session", now).unwrap();
        assert_eq!(tickets.open(b"a", &ticket, now).unwrap(), b"a session");
        assert_eq!(tickets.open(b"b", &ticket, now), None);
        assert_eq!(tickets.open(b"", &ticket, now), None);
        assert!(!ticket.windows(9).any(|window| window == b"a session"));
        assert_ne!(tickets.seal(b"a", b"a session", now).unwrap(), ticket);
        assert_eq!(Tickets::new().unwrap().open(b"a", &ticket, now), None, "another server's");
    }

    #[test]
    fn keys_seal_for_twelve_hours_and_open_for_a_day() {
        let (tickets, now) = (Tickets::new().unwrap(), SystemTime::now());
        let names = |tickets: &Tickets| -> Vec<[u8; NAME]> {
            tickets.keys.load().iter().map(|key| key.name).collect()
        };
        let first = names(&tickets);
        let early = tickets.seal(b"", b"1", now).unwrap();
        let late = tickets.seal(b"", b"2", now + 11 * HOUR).unwrap();
        assert_eq!(names(&tickets), first, "still the first");
        let next = tickets.seal(b"", b"3", now + 13 * HOUR).unwrap();
        assert_eq!(names(&tickets).len(), 2);
        assert_ne!(next[..NAME], late[..NAME]);
        for (ticket, session) in [(&early, b"1"), (&late, b"2"), (&next, b"3")] {
            assert_eq!(tickets.open(b"", ticket, now + 23 * HOUR).unwrap(), session);
        }
        let much_later = now + 25 * HOUR;
        assert_eq!(tickets.open(b"", &late, much_later), None, "too old, whoever sealed since");
        tickets.seal(b"", b"4", much_later).unwrap();
        assert_eq!(names(&tickets).len(), 2, "the oldest is forgotten");
        assert_eq!(tickets.open(b"", &next, much_later).unwrap(), b"3");
    }

    #[test]
    fn another_process_goes_on_with_the_keys() {
        let (old, new, now) = (Tickets::new().unwrap(), Tickets::new().unwrap(), SystemTime::now());
        let sealed_by_both = [old.seal(b"x", b"old", now).unwrap(), new.seal(b"x", b"new", now).unwrap()];
        let exported = TicketKeys::from_bytes(old.export().as_bytes().to_vec());
        new.import(&exported).unwrap();
        for (ticket, session) in sealed_by_both.iter().zip([b"old", b"new"]) {
            assert_eq!(new.open(b"x", ticket, now).unwrap(), session);
        }
        // Both run for a while, and clients come to either.
        let sealed_by_new = new.seal(b"x", b"whose", now).unwrap();
        assert_eq!(old.open(b"x", &sealed_by_new, now).unwrap(), b"whose");
        for bad in [vec![], vec![0; EXPORTED - 1], vec![0; EXPORTED + 1]] {
            assert_eq!(new.import(&TicketKeys::from_bytes(bad)), Err(TicketKeysError::Malformed));
        }
        assert!(new.open(b"x", &sealed_by_new, now).is_some(), "a bad import changes nothing");
    }

    proptest! {
        #[test]
        fn what_is_no_ticket_opens_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..60) {
            let (tickets, now) = (Tickets::new().unwrap(), SystemTime::now());
            prop_assert_eq!(tickets.open(b"", &bytes, now), None);
            let mut ticket = tickets.seal(b"", b"a session of thirty-two bytes...", now).unwrap();
            ticket[at] ^= 1;
            prop_assert_eq!(tickets.open(b"", &ticket, now), None);
            ticket.truncate(at);
            prop_assert_eq!(tickets.open(b"", &ticket, now), None);
        }
    }
}
