//! What can be set about one app's requests. Plain data, valid by construction; every field has a working default.
//!
//! A policy is a part of the route table, so that a change takes effect with the next table and for its app only.
//! Who enforces what: before an instance is chosen `gate` and its files, on the way to it `attempt`, on the way back
//! `response_headers` and `body`.

pub mod access;
pub mod balance;
pub mod bodies;
pub mod headers;
pub mod log;
pub mod maintenance;
pub mod redirects;
mod seconds;
pub mod timeouts;

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;

use access::Access;
use balance::Balance;
use bodies::Bodies;
use headers::Headers;
use log::LogFormat;
use maintenance::Maintenance;
use redirects::Redirects;
use timeouts::Timeouts;

/// The key of the page for every status that has none.
pub const ANY_STATUS: u16 = 0;

/// Everything that can be set about one app's requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Who may send requests, and how many.
    pub access: Access,
    /// How requests are spread over instances.
    pub balance: Balance,
    /// Limits on bodies, their compression and their buffering.
    pub bodies: Bodies,
    /// Headers of requests and answers.
    pub headers: Headers,
    /// What is written about each request.
    pub log: LogFormat,
    /// Whether everybody gets a maintenance page instead of the app.
    pub maintenance: Option<Maintenance>,
    /// Where requests are sent instead.
    pub redirects: Redirects,
    /// The deadlines of a request.
    pub timeouts: Timeouts,
    /// The app's own pages (HTML) for the router's answers, by status; that of `ANY_STATUS` is for all the others.
    ///
    /// `{{code}}`, `{{status}}`, `{{message}}` and `{{request_id}}` are filled in. Whoever asks for JSON gets the
    /// router's, and what the app itself answers is passed on as it is.
    pub error_pages: HashMap<u16, Bytes>,
}
