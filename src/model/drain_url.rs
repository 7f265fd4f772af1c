//! Where an app's log is sent on to.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// RFC 5425, section 4.1.
const SYSLOG_TLS_PORT: u16 = 6514;

/// The longest URL.
const LIMIT: usize = 2048;

/// How lines are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainKind {
    /// RFC 5424 over TCP with octet counting (RFC 6587).
    Syslog,
    /// The same over TLS (RFC 5425).
    SyslogTls,
    /// Batches of JSON lines by POST.
    Http,
    /// The same over TLS.
    Https,
}

impl DrainKind {
    /// Whether the connection is encrypted.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::SyslogTls | Self::Https)
    }
}

/// A drain's address. User, password, path and query may be secrets: neither `Debug` nor `Display` tells them.
#[derive(Clone)]
pub struct DrainUrl {
    kind: DrainKind,
    host: String,
    port: u16,
    /// Whether there is more than scheme, host and port.
    has_more: bool,
    whole: SecretString,
}

/// Why a text is no drain's address. Nothing of the text is repeated: it may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DrainUrlError {
    /// It is no URL at all.
    #[error("that is not a URL")]
    Malformed,
    /// It has a scheme that is not known.
    #[error("{0}:// is not known")]
    Scheme(String),
    /// It names no host.
    #[error("the URL names no host")]
    Host,
    /// A syslog address without a port, which has no default worth guessing.
    #[error("the URL names no port")]
    Port,
    /// A syslog address with something that syslog cannot use.
    #[error("a syslog address has no user, path or query")]
    TooMuch,
    /// A part that is never sent.
    #[error("the URL has a fragment (#)")]
    Fragment,
    /// It is too long.
    #[error("the URL is longer than {LIMIT} characters")]
    TooLong,
}

impl DrainUrl {
    /// How lines are sent.
    pub fn kind(&self) -> DrainKind {
        self.kind
    }

    /// The host's name or address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL itself. Call it only where it is sealed or leaves for its host.
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    /// The parts of an HTTP request: path with query, and user and password.
    pub fn request(&self) -> Option<(String, Option<(String, String)>)> {
        let url = Url::parse(self.expose()).ok()?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = (!url.username().is_empty() || url.password().is_some())
            .then(|| (decode(url.username()), decode(url.password().unwrap_or_default())));
        Some((format!("{}{query}", url.path()), user))
    }
}

impl FromStr for DrainUrl {
    type Err = DrainUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LIMIT {
            return Err(DrainUrlError::TooLong);
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => DrainUrlError::Host,
            _ => DrainUrlError::Malformed,
        })?;
        let kind = match url.scheme() {
            "syslog" | "syslog+tcp" => DrainKind::Syslog,
            "syslog+tls" => DrainKind::SyslogTls,
            "http" => DrainKind::Http,
            "https" => DrainKind::Https,
            other => return Err(DrainUrlError::Scheme(other.to_owned())),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(DrainUrlError::Host)?;
        let port = match (url.port_or_known_default(), kind) {
            (Some(port), _) if port > 0 => port,
            (None, DrainKind::SyslogTls) => SYSLOG_TLS_PORT,
            _ => return Err(DrainUrlError::Port),
        };
        if url.fragment().is_some() {
            return Err(DrainUrlError::Fragment);
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        let has_more = has_user || !matches!(url.path(), "" | "/") || url.query().is_some();
        if has_more && matches!(kind, DrainKind::Syslog | DrainKind::SyslogTls) {
            return Err(DrainUrlError::TooMuch);
        }
        Ok(Self {
            kind,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            has_more,
            whole: SecretString::from(text.to_owned()),
        })
    }
}

/// The address without what may be secret.
impl fmt::Display for DrainUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            DrainKind::Syslog => "syslog",
            DrainKind::SyslogTls => "syslog+tls",
            DrainKind::Http => "http",
            DrainKind::Https => "https",
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let more = if self.has_more { "/…" } else { "" };
        write!(f, "{scheme}://{host}:{}{more}", self.port)
    }
}

impl fmt::Debug for DrainUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrainUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_never_shown() {
        let url: DrainUrl = "https://ann:s3cret@logs.example.com/token/t0ken?key=k3y".parse().unwrap();
        assert_eq!(url.to_string(), "https://logs.example.com:443/…");
        assert_eq!(format!("{url:?}"), "DrainUrl(https://logs.example.com:443/…)");
        let (path, user) = url.request().unwrap();
        assert_eq!(path, "/token/t0ken?key=k3y");
        assert_eq!(user, Some(("ann".to_owned(), "s3cret".to_owned())));
        let escaped: DrainUrl = "http://a%40b:x%2Fy%@h/".parse().unwrap();
        assert_eq!(escaped.request().unwrap().1, Some(("a@b".to_owned(), "x/y%".to_owned())));
    }

    #[test]
    fn each_kind_has_its_port() {
        for (text, shown) in [
            ("syslog://10.0.0.1:514", "syslog://10.0.0.1:514"),
            ("syslog+tls://logs.example.com", "syslog+tls://logs.example.com:6514"),
            ("syslog+tls://[2001:db8::1]:7000", "syslog+tls://[2001:db8::1]:7000"),
            ("http://h:8080/", "http://h:8080"),
            ("https://h", "https://h:443"),
        ] {
            assert_eq!(text.parse::<DrainUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_nothing_can_be_sent_to_is_refused_without_repeating_it() {
        for (text, error) in [
            ("logs.example.com", DrainUrlError::Malformed),
            ("", DrainUrlError::Malformed),
            ("syslog://", DrainUrlError::Host),
            ("https://", DrainUrlError::Host),
            ("syslog://host", DrainUrlError::Port),
            ("syslog://host:0", DrainUrlError::Port),
            ("syslog://host:99999", DrainUrlError::Malformed),
            ("ftp://host:21", DrainUrlError::Scheme("ftp".to_owned())),
            ("syslog://user:pass@host:514", DrainUrlError::TooMuch),
            ("syslog+tls://host:514/path", DrainUrlError::TooMuch),
            ("https://host/#fragment", DrainUrlError::Fragment),
        ] {
            let found = text.parse::<DrainUrl>().map(|url| url.to_string()).unwrap_err();
            assert_eq!(found, error, "{text}");
        }
    }
}
