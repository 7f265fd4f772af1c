//! A header that may be sent.

use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;

/// A header's name and value, both valid. An empty value removes the header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "(String, String)")]
pub struct NameAndValue {
    /// The name.
    pub name: HeaderName,
    /// The value.
    pub value: HeaderValue,
}

/// Why a text is no header.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// The name has other characters than a token has (RFC 9110, section 5.1).
    #[error("{0} is not a header name")]
    Name(String),
    /// The value has a line's end or another control character.
    #[error("the value of {0} has characters that no header may have")]
    Value(String),
    /// The header says how the message is framed or where it goes, which is the router's to say.
    #[error("{0} cannot be set: the router needs it for itself")]
    Reserved(String),
}

/// Headers that frame a message or belong to one connection.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-router-error",
];

impl TryFrom<(String, String)> for NameAndValue {
    type Error = HeaderError;

    fn try_from((name, value): (String, String)) -> Result<Self, Self::Error> {
        let parsed: HeaderName = name.parse().map_err(|_| HeaderError::Name(name.clone()))?;
        if RESERVED.contains(&parsed.as_str()) {
            return Err(HeaderError::Reserved(name));
        }
        let value = HeaderValue::from_str(&value).map_err(|_| HeaderError::Value(name))?;
        Ok(Self { name: parsed, value })
    }
}
