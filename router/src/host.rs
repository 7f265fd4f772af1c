//! The host that a request names, in the one form in which the table knows it. No I/O.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The value of a `Host` header or the authority of a target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestHost<'a> {
    /// Lower-cased, without port and without the dot that ends a fully qualified name.
    pub(crate) name: Cow<'a, str>,
    /// The port, if one was named.
    pub(crate) port: Option<u16>,
}

impl<'a> RequestHost<'a> {
    /// Reads `uri-host [ ":" port ]` (RFC 9110, section 7.2); `None` if it is anything else.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        if text.starts_with('[') {
            return Self::parse_literal(text);
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, parse_port(port)?),
            None => (text, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let has_empty_label = name.starts_with('.') || name.ends_with('.') || name.contains("..");
        if name.is_empty() || name.len() > 255 || has_empty_label || !name.bytes().all(is_host_byte) {
            return None;
        }
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
        Some(Self { name, port })
    }

    fn parse_literal(text: &str) -> Option<Self> {
        let (address, rest) = text.strip_prefix('[')?.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = match rest.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { name: Cow::Owned(format!("[{address}]")), port })
    }
}

/// An empty port means the scheme's own (RFC 3986, section 3.2.3).
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    // `parse` alone would take `+80`.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Some)
}

/// Letters, digits, and the marks that occur in names. Percent-encoding and sub-delimiters, which the grammar
/// also has, are in no name that DNS resolves, so nothing is lost by refusing what could confuse an app.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(value: &str) -> Option<String> {
        RequestHost::parse(value.as_bytes()).map(|host| host.name.into_owned())
    }

    #[test]
    fn case_port_and_trailing_dot_do_not_matter() {
        for value in ["blog.example.com", "BLOG.example.COM", "blog.example.com.", "Blog.example.com.:8080"] {
            assert_eq!(name(value).as_deref(), Some("blog.example.com"), "{value}");
        }
        assert_eq!(RequestHost::parse(b"a:81").unwrap().port, Some(81));
        assert_eq!(RequestHost::parse(b"a:").unwrap().port, None);
    }

    #[test]
    fn an_ipv6_literal_is_read_in_any_spelling() {
        assert_eq!(name("[::1]").as_deref(), Some("[::1]"));
        assert_eq!(name("[0:0:0:0:0:0:0:1]:80").as_deref(), Some("[::1]"));
        for value in ["[::1", "[::1]x", "[::1]:x", "[a]", "::1"] {
            assert_eq!(name(value), None, "{value}");
        }
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for value in [
            "", ".", "..", "a..", ".a", "a..b", ":80", "u@a", "a/b", "a b", "a:b", "a:+80", "a:65536", "a,b",
            "é", "a\\b", "a%00",
        ] {
            assert_eq!(name(value), None, "{value}");
        }
    }
}
