//! What is kept beside the settings: people with passwords, redirects, maintenance. Each is one JSON text.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use slipway_router::policy::redirects::{RedirectError, Redirects, Rule};

/// The property of an app's people.
pub const PEOPLE: &str = "router-people";
/// The property of an app's redirects.
pub const REDIRECTS: &str = "router-redirects";
/// The property of an app's maintenance.
pub const MAINTENANCE: &str = "router-maintenance";
/// The property of the page that is shown meanwhile.
pub const MAINTENANCE_PAGE: &str = "router-maintenance-page";
/// What the properties of error pages begin with; a status follows.
pub const ERROR_PAGE: &str = "router-error-page-";

/// Who has to say a password, and whether anybody has to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Whether they have to.
    pub on: bool,
    /// What is kept of each one's password, by name: the router's own form of it, from which nobody gets it back.
    pub people: BTreeMap<String, String>,
}

/// One redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// A path, with a `*` at its end all that begin so.
    pub from: String,
    /// A path or a whole URL.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

impl Redirect {
    /// The router's form of it; an error where it leads nowhere.
    pub fn rule(&self) -> Result<Rule, RedirectError> {
        Rule::new(&self.from, &self.to, self.status)
    }
}

/// Says whether browsers would get somewhere with all redirects of an app.
pub fn check_redirects(redirects: &[Redirect]) -> Result<(), RedirectError> {
    let rules = redirects.iter().map(Redirect::rule).collect::<Result<_, _>>()?;
    Redirects { rules, ..Redirects::default() }.check()
}

/// Whether an app is closed, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// Whether it is.
    pub on: bool,
    /// Seconds after which clients come back; the router's own if unset.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// Who gets the app all the same.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// The secret of those who do from elsewhere.
    #[serde(default)]
    pub bypass: Option<String>,
}
