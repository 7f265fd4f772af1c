//! The protocol with a certificate authority (ACME, RFC 8555): accounts, orders, proofs, certificates.
//!
//! It is told for which names a certificate is wanted and given something that can show proofs. It knows nothing of
//! apps, of what is recorded, and of when a certificate is due.

pub mod account;
pub mod answer;
pub mod dns_hook;
pub mod error;
pub mod order;
pub mod renewal_info;
pub mod transport;
