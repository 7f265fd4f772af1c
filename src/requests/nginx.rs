//! Dokku's names for what can be set, and what becomes of each here.

/// What a name of Dokku's is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// These settings, all with the same value.
    Settings(&'static [&'static str]),
    /// Nothing: what it is for needs no setting, or has another place.
    Note(&'static str),
}

use Meaning::{Note, Settings};

const TRUSTED: &str = "Slipway sends it by itself; whom to believe is trusted-proxies in slipway.toml";
const HEADERS: &str = "answers' headers may be of any usual size, there is no buffer to set";
const CLIENT: &str = "the router's own limits on slow clients hold for all apps";
const TEMPLATE: &str = "there is no nginx.conf: router:set has what can be set";

/// Dokku's names, in its order.
pub const KEYS: &[(&str, Meaning)] = &[
    ("access-log-format", Settings(&["access-log"])),
    (
        "access-log-path",
        Note("requests are in the app's own log: logs APP -p router; router:set APP access-log off"),
    ),
    ("bind-address-ipv4", Note("all apps are served at http-listen and https-listen of slipway.toml")),
    ("bind-address-ipv6", Note("all apps are served at http-listen and https-listen of slipway.toml")),
    ("client-body-timeout", Settings(&["body-timeout"])),
    ("client-header-timeout", Note(CLIENT)),
    ("client-max-body-size", Settings(&["max-body-size"])),
    ("disable-custom-config", Note(TEMPLATE)),
    ("error-log-path", Note("what goes wrong is in the app's own log: logs APP -p router")),
    ("hsts", Settings(&["hsts"])),
    ("hsts-include-subdomains", Settings(&["hsts-include-subdomains"])),
    ("hsts-max-age", Settings(&["hsts-max-age"])),
    ("hsts-preload", Settings(&["hsts-preload"])),
    ("keepalive-timeout", Note(CLIENT)),
    ("lingering-timeout", Note(CLIENT)),
    ("nginx-conf-sigil-path", Note(TEMPLATE)),
    ("nginx-service-command", Note("there is no nginx to be started")),
    ("proxy-buffer-size", Note(HEADERS)),
    ("proxy-buffering", Settings(&["buffer-responses"])),
    ("proxy-buffers", Note(HEADERS)),
    ("proxy-busy-buffers-size", Note(HEADERS)),
    ("proxy-connect-timeout", Settings(&["connect-timeout"])),
    (
        "proxy-keepalive",
        Note("connections to instances are kept anyway; for how long: router:set APP keep-alive"),
    ),
    ("proxy-read-timeout", Settings(&["first-byte-timeout", "idle-timeout", "websocket-idle-timeout"])),
    ("proxy-send-timeout", Settings(&["body-timeout"])),
    ("send-timeout", Note(CLIENT)),
    ("underscore-in-headers", Settings(&["underscores-in-headers"])),
    ("x-forwarded-for-value", Note(TRUSTED)),
    ("x-forwarded-port-value", Note(TRUSTED)),
    ("x-forwarded-proto-value", Note(TRUSTED)),
    ("x-forwarded-ssl", Note(TRUSTED)),
];

/// What a name of Dokku's is here.
pub fn meaning(key: &str) -> Option<Meaning> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::catalogue::setting;

    #[test]
    fn every_name_leads_to_settings_that_exist() {
        for (key, meaning) in KEYS {
            if let Settings(keys) = meaning {
                assert!(keys.iter().all(|key| setting(key).is_some()), "{key}");
            }
        }
        assert!(KEYS.is_sorted_by_key(|(key, _)| *key));
        assert_eq!(meaning("proxy"), None);
    }
}
