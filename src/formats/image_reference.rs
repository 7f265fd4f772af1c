//! The name of an image as a person writes it: `postgres`, `ghcr.io/owner/app:1.2`, `app@sha256:…`.
//!
//! Only the shape is checked, so that what follows can be put into a `FROM` line or a request as it is. Whether
//! the image exists is the engine's to say. The grammar is that of `github.com/distribution/reference`.

use std::fmt;
use std::str::FromStr;

/// A well-formed image reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference(String);

/// Why a text is no image reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text} is not the name of an image: {reason}; write for example nginx:1.27 or ghcr.io/owner/app:v1")]
pub struct ImageReferenceError {
    text: String,
    reason: &'static str,
}

impl ImageReference {
    /// The reference as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the reference names one content for ever: it ends in a digest.
    pub fn is_pinned(&self) -> bool {
        self.0.contains('@')
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match check(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(reason) => Err(ImageReferenceError { text: text.to_owned(), reason }),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err("its digest is not `algorithm:hexadecimal`");
    }
    // A colon before the last slash belongs to the registry's port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("its tag has characters that no tag has");
    }
    if name.len() > 255 {
        return Err("it is longer than 255 characters");
    }
    let path = match name.split_once('/') {
        Some((first, path)) if is_registry(first) => path,
        _ => name,
    };
    if path.split('/').all(is_component) {
        Ok(())
    } else {
        Err("names have lowercase letters and digits, with single separators between them")
    }
}

/// Whether the part before the first slash is a host rather than an owner, by the same rule as the engine's.
fn is_registry(text: &str) -> bool {
    if !text.contains(['.', ':']) && text != "localhost" {
        return false;
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    let is_ipv6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(|address| {
        !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
    });
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    port.is_none_or(is_port) && (is_ipv6 || host.split('.').all(is_label))
}

/// `[a-z0-9]+` parts, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = text;
    loop {
        let after_part = rest.trim_start_matches(is_part);
        if after_part.len() == rest.len() {
            return false;
        }
        if after_part.is_empty() {
            return true;
        }
        let after_separator = after_part.trim_start_matches(|c| !is_part(c));
        let separator = after_part.strip_suffix(after_separator).unwrap_or(after_part);
        if !matches!(separator, "." | "_" | "__") && !separator.bytes().all(|b| b == b'-') {
            return false;
        }
        rest = after_separator;
    }
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_algorithm = algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
        && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'_' | b'-'));
    is_algorithm && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_that_the_engine_takes_are_taken() {
        let digest = format!("app@sha256:{}", "a1".repeat(32));
        for text in [
            "nginx",
            "nginx:1.27-alpine",
            "owner/app",
            "ghcr.io/owner/app_x/y__z/a--b.c:V1.0_x",
            "localhost/app",
            "localhost:5000/app:1",
            "192.0.2.1:5000/app",
            "[2001:db8::1]:5000/app",
            "Registry.Example.com/app",
            &digest,
        ] {
            assert!(text.parse::<ImageReference>().is_ok(), "{text}");
        }
        assert!(digest.parse::<ImageReference>().unwrap().is_pinned());
    }

    #[test]
    fn anything_that_could_be_more_than_a_name_is_refused() {
        for text in [
            "",
            "-v",
            "Nginx",
            "a b",
            "nginx\nRUN x",
            "a//b",
            "/a",
            "a/",
            "a___b",
            "a.-b",
            ".a",
            "a:",
            "a:-x",
            "a:b:c",
            "a@sha256:xyz",
            "a@",
            "https://example.com/a",
            "exa mple.com/a",
            "host:port/a",
            "$(id)",
            "a\0",
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }
}
