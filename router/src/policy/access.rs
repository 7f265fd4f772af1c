//! Who may send requests to an app, and how many.

use std::num::NonZeroU32;

use ipnet::IpNet;
use serde::Deserialize;

use crate::policy::access::password_hash::PasswordHash;

pub mod password_hash;

/// Who may send requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Access {
    /// If there are any, only clients with these addresses may.
    pub allow: Vec<IpNet>,
    /// Clients with these addresses may not, even where `allow` has them.
    pub deny: Vec<IpNet>,
    /// If there are any, a client has to be one of them (RFC 7617).
    pub users: Vec<User>,
    /// Whether only clients that have shown a certificate may, so that nobody gets in in clear text. Whose certificates
    /// are good stands in the `TlsSpec`.
    pub client_certificate: bool,
    /// Requests of one client address. Addresses of IPv6 count by their first 64 bits.
    pub rate: Option<Rate>,
    /// Requests of one client address that are under way at a time.
    pub max_concurrent: Option<NonZeroU32>,
}

/// A person who may.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// The name, without a colon.
    pub name: String,
    /// What the password is checked with: `PasswordHash::of(password)` makes it, and it is kept as text.
    pub password_hash: PasswordHash,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rate {
    /// Tokens that come in an hour.
    pub per_hour: NonZeroU32,
    /// Tokens that the bucket holds.
    pub burst: NonZeroU32,
}
