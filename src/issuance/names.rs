//! For which of an app's names a certificate is ordered, and in which groups.

use crate::model::hostname::Hostname;

/// Names that an authority takes in one certificate (Let's Encrypt's limit, and that of most others).
pub const MOST: usize = 100;
/// Top-level domains that are nobody's in the public DNS (RFC 6761, RFC 6762, RFC 8375, RFC 9476).
const PRIVATE: &[&str] = &["localhost", "local", "internal", "home.arpa", "invalid", "alt", "onion"];

/// What becomes of an app's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// A certificate is wanted for these, in order.
    pub wanted: Vec<Hostname>,
    /// No public authority gives one for these.
    pub private: Vec<Hostname>,
    /// These are in the public DNS, and a wildcard that is among them is not provable here.
    pub unprovable: Vec<Hostname>,
}

/// Sorts out an app's names. `covered` says whether a certificate of somebody's own covers a name already.
pub fn select(
    hostnames: &[Hostname],
    wildcards_provable: bool,
    covered: impl Fn(&Hostname) -> bool,
) -> Selection {
    let mut selection = Selection::default();
    for hostname in hostnames {
        if is_private(hostname) {
            selection.private.push(hostname.clone());
        } else if covered(hostname) {
            continue;
        } else if hostname.is_wildcard() && !wildcards_provable {
            selection.unprovable.push(hostname.clone());
        } else {
            selection.wanted.push(hostname.clone());
        }
    }
    // Authorities refuse a name beside a wildcard that covers it.
    let wildcards: Vec<String> = selection
        .wanted
        .iter()
        .filter_map(|name| name.as_str().strip_prefix('*'))
        .map(str::to_owned)
        .collect();
    selection.wanted.retain(|name| {
        let below = name.as_str().split_once('.').map(|(_, rest)| format!(".{rest}"));
        name.is_wildcard() || below.is_none_or(|below| !wildcards.contains(&below))
    });
    selection.wanted.sort();
    selection.wanted.dedup();
    selection
}

/// The names of one certificate each.
pub fn groups(wanted: &[Hostname]) -> Vec<Vec<Hostname>> {
    wanted.chunks(MOST).map(<[Hostname]>::to_vec).collect()
}

/// The domain that somebody registered, by which authorities count; the name itself where nobody can tell.
pub fn registered_domain(name: &str) -> String {
    let name = name.strip_prefix("*.").unwrap_or(name);
    psl::domain_str(name).unwrap_or(name).to_owned()
}

fn is_private(hostname: &Hostname) -> bool {
    let name = hostname.as_str();
    !name.contains('.')
        || PRIVATE.iter().any(|top| name.strip_suffix(top).is_some_and(|rest| rest.ends_with('.')))
        || name.parse::<std::net::IpAddr>().is_ok()
        || name.contains('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Hostname> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_names_that_can_be_in_a_certificate_are_ordered() {
        let all =
            names(&["b.example.com", "a.test.localhost", "blog", "*.example.org", "a.local", "10.0.0.1"]);
        let selection = select(&all, false, |_| false);
        assert_eq!(selection.wanted, names(&["b.example.com"]));
        assert_eq!(selection.private, names(&["a.test.localhost", "blog", "a.local", "10.0.0.1"]));
        assert_eq!(selection.unprovable, names(&["*.example.org"]));
        let own = select(&all, true, |name| name.as_str() == "b.example.com");
        assert_eq!(own.wanted, names(&["*.example.org"]));
    }

    #[test]
    fn what_a_wildcard_covers_is_not_ordered_besides() {
        let all =
            names(&["example.com", "*.example.com", "a.example.com", "a.b.example.com", "xexample.com"]);
        let wanted = select(&all, true, |_| false).wanted;
        assert_eq!(wanted, names(&["*.example.com", "a.b.example.com", "example.com", "xexample.com"]));
    }

    #[test]
    fn more_names_than_fit_are_several_certificates() {
        let many: Vec<Hostname> =
            (0..201).map(|index| format!("a{index:03}.example.com").parse().unwrap()).collect();
        let groups = groups(&many);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 1]);
    }

    #[test]
    fn a_registered_domain_is_what_somebody_can_buy() {
        for (name, domain) in [
            ("a.b.example.com", "example.com"),
            ("*.example.co.uk", "example.co.uk"),
            ("me.github.io", "me.github.io"),
            ("com", "com"),
        ] {
            assert_eq!(registered_domain(name), domain);
        }
    }
}
