//! Accounts at certificate authorities: made once, kept, used again.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use secrecy::{ExposeSecret as _, SecretString};

use crate::acme::error::AcmeError;
use crate::acme::transport::Transport;
use crate::model::acme::DirectoryUrl;

/// What ties an account to one that exists elsewhere (RFC 8555, section 7.3.4).
#[derive(Clone, Debug)]
pub struct ExternalAccount {
    /// The key's name at the authority.
    pub key_id: String,
    /// The key itself, in base64.
    pub hmac_key: SecretString,
}

/// A text that is no key in base64.
#[derive(Debug, thiserror::Error)]
#[error("the key is not base64")]
pub struct NotBase64;

impl ExternalAccount {
    /// The key's bytes. Authorities give it in the form for URLs; people paste it with padding, too.
    pub fn key_bytes(&self) -> Result<Vec<u8>, NotBase64> {
        let text = self.hmac_key.expose_secret().trim();
        let decoded = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .or_else(|_| BASE64_URL_SAFE.decode(text))
            .or_else(|_| BASE64_STANDARD.decode(text));
        decoded.ok().filter(|key| !key.is_empty()).ok_or(NotBase64)
    }
}

/// Makes an account, and gives what it is opened with later: secret, as JSON.
pub async fn create(
    transport: Transport,
    directory: &DirectoryUrl,
    email: Option<&str>,
    external: Option<&ExternalAccount>,
) -> Result<(Account, SecretString), AcmeError> {
    let contact: Vec<String> = email.map(|email| format!("mailto:{email}")).into_iter().collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let external = match external {
        Some(external) => {
            let reason = |error: NotBase64| instant_acme::Error::Other(Box::new(error));
            let key = external.key_bytes().map_err(reason)?;
            Some(ExternalAccountKey::new(external.key_id.clone(), &key))
        }
        None => None,
    };
    let builder = Account::builder_with_http(Box::new(transport));
    let made = builder.create(&wanted, directory.as_str().to_owned(), external.as_ref());
    let (account, credentials) = made.await?;
    let credentials = serde_json::to_string(&credentials).map_err(instant_acme::Error::from)?;
    Ok((account, SecretString::from(credentials)))
}

/// Opens an account that [`create`] has made.
pub async fn open(transport: Transport, credentials: &SecretString) -> Result<Account, AcmeError> {
    let credentials: AccountCredentials =
        serde_json::from_str(credentials.expose_secret()).map_err(instant_acme::Error::from)?;
    let builder = Account::builder_with_http(Box::new(transport));
    Ok(builder.from_credentials(credentials).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_with_and_without_padding() {
        let key = |text: &str| {
            let hmac_key = SecretString::from(text.to_owned());
            ExternalAccount { key_id: "k".to_owned(), hmac_key }.key_bytes().ok()
        };
        let bytes = Some(vec![0xfb, 0xff, 0xfe, 1]);
        for text in ["-__-AQ", "-__-AQ==", "+//+AQ==", " -__-AQ\n"] {
            assert_eq!(key(text), bytes, "{text}");
        }
        assert_eq!((key(""), key("not base64!")), (None, None));
    }
}
