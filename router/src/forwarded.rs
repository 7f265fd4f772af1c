//! What proxies say about who asks: `X-Forwarded-For` and the `Forwarded` of RFC 7239. Pure.
//!
//! Both grow to the right: each proxy appends the address that it was asked from. So only what stands to the right of
//! a trusted proxy's own word can be believed, and the walk begins at that end.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// How far a walk came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// The client: the first address from the right that is no trusted proxy's.
    pub(crate) address: IpAddr,
    /// How many entries, from the right, were believed. The one of the client is the last of them.
    pub(crate) entries: usize,
}

/// Walks over entries from the right. It begins with a trusted peer, and ends with the first that is not trusted or
/// not an address (`None`), which nobody can vouch for.
pub(crate) fn walk(
    peer: IpAddr,
    entries_from_right: impl Iterator<Item = Option<IpAddr>>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Walked {
    let mut walked = Walked { address: peer, entries: 0 };
    for entry in entries_from_right {
        let Some(address) = entry else { break };
        walked.address = address;
        walked.entries += 1;
        if !is_trusted(address) {
            break;
        }
    }
    walked
}

/// An entry as proxies write it: an address, with or without brackets and port.
pub(crate) fn node_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches([' ', '\t']);
    let literal = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']'));
    let address = match literal {
        Some(literal) => literal.parse().ok().filter(IpAddr::is_ipv6),
        None => entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip())),
    };
    address.map(|address| address.to_canonical())
}

/// One proxy's word in a `Forwarded` header. Parameters that are not used here are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// Who asked it.
    pub(crate) node: Option<Cow<'a, str>>,
    /// The scheme that it was asked by.
    pub(crate) proto: Option<Cow<'a, str>>,
    /// The host that it was asked for.
    pub(crate) host: Option<Cow<'a, str>>,
}

/// Reads one header line (RFC 7239, section 4); `None` if anything in it breaks the grammar.
///
/// A client can make a line of its own part in it that nobody can read, such as a quote that never ends. All of the
/// line is dropped then: guessing where the proxy's part begins is what an attacker would want.
pub(crate) fn elements(line: &str) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    let mut element = Element::default();
    let mut rest = line.trim_matches([' ', '\t']);
    loop {
        let (name, after) = token(rest)?;
        let (value, after) = value(after.strip_prefix('=')?)?;
        let place = match () {
            () if name.eq_ignore_ascii_case("for") => Some(&mut element.node),
            () if name.eq_ignore_ascii_case("proto") => Some(&mut element.proto),
            () if name.eq_ignore_ascii_case("host") => Some(&mut element.host),
            () => None,
        };
        // Each parameter may stand once in an element.
        if place.and_then(|place| place.replace(value)).is_some() {
            return None;
        }
        let after = after.trim_start_matches([' ', '\t']);
        if let Some(more) = after.strip_prefix(';') {
            rest = more.trim_start_matches([' ', '\t']);
            continue;
        }
        elements.push(std::mem::take(&mut element));
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim_start_matches([' ', '\t']),
            None => return after.is_empty().then_some(elements),
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
    if end == 0 { None } else { text.split_at_checked(end) }
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A token or a quoted string (RFC 9110, section 5.6.4).
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (Cow::Borrowed(value), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(value), quoted.get(index + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

/// Writes an address as `Forwarded` wants it: that of IPv6 in brackets and quotes (RFC 7239, section 6).
pub(crate) fn write_node(text: &mut String, address: IpAddr) {
    use std::fmt::Write as _;
    let written = match address {
        IpAddr::V4(address) => write!(text, "for={address}"),
        IpAddr::V6(address) => write!(text, "for=\"[{address}]\""),
    };
    // Writing to a string cannot fail.
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn walked(list: &str) -> (String, usize) {
        let entries = list.split(',').rev().map(node_address);
        let walked = walk(address("10.0.0.1"), entries, node_is_ten);
        (walked.address.to_string(), walked.entries)
    }

    fn node_is_ten(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
    }

    #[test]
    fn the_first_from_the_right_that_is_not_trusted_is_the_client() {
        let cases = [
            ("192.0.2.1", "192.0.2.1", 1),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1", 1),
            ("6.6.6.6, 192.0.2.1, 10.0.0.2 , 10.0.0.3", "192.0.2.1", 3),
            ("10.0.0.9, 10.0.0.2", "10.0.0.9", 2),
            ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2", 1),
            ("192.0.2.1, ", "10.0.0.1", 0),
            ("garbage", "10.0.0.1", 0),
            ("[2001:db8::1]:4711, 10.0.0.2:80", "2001:db8::1", 2),
            ("::ffff:192.0.2.1", "192.0.2.1", 1),
        ];
        for (list, client, entries) in cases {
            assert_eq!(walked(list), (client.to_owned(), entries), "{list}");
        }
    }

    #[test]
    fn elements_are_read_with_quotes_and_in_any_case() {
        let line =
            r#"for=192.0.2.43;proto=http , For="[2001:db8:cafe::17]:4711"; HOST="a\"b";by=_x;secret=x"#;
        let elements = elements(line).unwrap();
        assert_eq!(elements.len(), 2);
        assert_eq!(elements[0].node.as_deref(), Some("192.0.2.43"));
        assert_eq!(elements[0].proto.as_deref(), Some("http"));
        assert_eq!(node_address(elements[1].node.as_deref().unwrap()), Some(address("2001:db8:cafe::17")));
        assert_eq!(elements[1].host.as_deref(), Some("a\"b"));
    }

    #[test]
    fn a_line_that_breaks_the_grammar_says_nothing_at_all() {
        for line in [
            "",
            "for",
            "for=",
            "for=\"1.2.3.4, for=5.6.7.8",
            "for=1.2.3.4,,for=5.6.7.8",
            "for=1.2.3.4;for=5.6.7.8",
            "for=1.2.3.4 for=5.6.7.8",
            "for=[::1]",
            "=x",
            "for=1.2.3.4,",
        ] {
            assert_eq!(elements(line), None, "{line}");
        }
    }
}
