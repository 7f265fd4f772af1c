//! What holds for an app's automatic certificates: its own properties, else the global ones.

use crate::command_error::CommandError;
use crate::model::acme::{ChallengeChoice, DirectoryUrl, KeyKind};
use crate::store::Store;
use crate::store::apps::AppId;

/// Whether there are any: `on` or `off`.
pub const ENABLED: &str = "acme-enabled";
/// The authority.
pub const SERVER: &str = "acme-server";
/// Whom the authority writes to.
pub const EMAIL: &str = "acme-email";
/// How names are proven.
pub const CHALLENGE: &str = "acme-challenge";
/// The kind of the key.
pub const KEY_TYPE: &str = "acme-key-type";
/// Seconds before the end at which a certificate is renewed.
pub const GRACE_PERIOD: &str = "acme-grace-period";
/// The name of the key for external account binding.
pub const EAB_KEY_ID: &str = "acme-eab-key-id";
/// Whether it is looked first where names lead to.
pub const CHECK: &str = "acme-check";

/// All of it, as it holds for one app.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Whether there are any.
    pub enabled: bool,
    /// The authority.
    pub directory: DirectoryUrl,
    /// Whom the authority writes to.
    pub email: Option<String>,
    /// How names are proven.
    pub challenge: ChallengeChoice,
    /// The kind of the key.
    pub key: KeyKind,
    /// Seconds before the end at which a certificate is renewed, if a person said so.
    pub grace_seconds: Option<i64>,
    /// The name of the key for external account binding.
    pub eab_key_id: Option<String>,
    /// Whether it is looked first where names lead to.
    pub check: bool,
}

impl Choice {
    /// What holds for an app.
    pub async fn of(store: &Store, app: AppId) -> Result<Self, CommandError> {
        let computed = |name: &'static str| store.computed_property(app, name);
        Ok(Self {
            enabled: computed(ENABLED).await?.as_deref() == Some("on"),
            directory: parsed(computed(SERVER).await?)?,
            email: computed(EMAIL).await?,
            challenge: parsed(computed(CHALLENGE).await?)?,
            key: parsed(computed(KEY_TYPE).await?)?,
            grace_seconds: computed(GRACE_PERIOD).await?.and_then(|text| text.parse().ok()),
            eab_key_id: computed(EAB_KEY_ID).await?,
            check: computed(CHECK).await?.as_deref() != Some("false"),
        })
    }
}

/// A stored property. They are checked before they are stored.
fn parsed<T>(text: Option<String>) -> Result<T, CommandError>
where
    T: Default + std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let Some(text) = text else { return Ok(T::default()) };
    text.parse().map_err(|error: T::Err| CommandError::internal("a stored setting cannot be read", error))
}
