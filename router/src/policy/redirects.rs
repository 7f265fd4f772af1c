//! Where requests are sent instead of an instance.

use serde::Deserialize;

use crate::host_pattern::HostPattern;

/// Where requests are sent instead. What is asked for in clear text on another host than the canonical one gets there
/// in one hop.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Redirects {
    /// Whether requests in clear text are sent to HTTPS, and to which port of it.
    pub https: Option<u16>,
    /// The one host that all others of the app are sent to.
    pub canonical_host: Option<HostPattern>,
    /// More, the first that fits wins.
    pub rules: Vec<Rule>,
}

/// One redirect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// The path that is asked for; with a `*` at its end, all that begin so.
    pub from: String,
    /// A path of the same host or a whole URL; a `*` at its end is what the other one stood for.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}
