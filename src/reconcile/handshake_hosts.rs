//! Whose rules a handshake for a host goes by, where apps share the host by its paths. A handshake knows no path, so
//! that it is one app's: the one that has the whole host, else the first that has a part of it.

use std::collections::HashSet;

use crate::model::hostname::Hostname;

/// The hosts of an app: those that are wholly its own, and those of which it has paths.
pub type Places = (Vec<Hostname>, Vec<Hostname>);

/// For each app the hosts whose handshakes go by its rules.
pub fn assign(apps: &[Places]) -> Vec<Vec<Hostname>> {
    let mut claimed: HashSet<&Hostname> = apps.iter().flat_map(|(whole, _)| whole).collect();
    let mut assigned = Vec::new();
    for (whole, parts) in apps {
        let first: Vec<&Hostname> = parts.iter().filter(|host| claimed.insert(host)).collect();
        assigned.push(whole.iter().chain(first).cloned().collect());
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_apps() {
        let names =
            |names: &[&str]| -> Vec<Hostname> { names.iter().map(|name| name.parse().unwrap()).collect() };
        let apps = [
            (names(&["api.x"]), names(&["shared.x", "parts.x", "parts.x"])),
            (names(&["shared.x"]), names(&["api.x"])),
            (names(&[]), names(&["parts.x", "other.x"])),
        ];
        assert_eq!(assign(&apps), [names(&["api.x", "parts.x"]), names(&["shared.x"]), names(&["other.x"])]);
    }
}
