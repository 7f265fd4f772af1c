//! What builds and the apps that come of them need to get out of this host: section `[build]`.

use serde::Deserialize;

use crate::model::endpoint::Endpoint;
use crate::model::surroundings::{CaBundle, ProxyChoice};
use crate::settings::SettingsError;

/// Certificates and proxy of containers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildSettings {
    /// A file with the certificates that containers trust, or `none`; if unset the host's own, where these are more
    /// than its distribution's.
    pub ca_bundle: CaBundle,
    /// The proxy for http; if unset that of the server's environment.
    pub http_proxy: Option<ProxyChoice>,
    /// The proxy for https; if unset that of the server's environment.
    pub https_proxy: Option<ProxyChoice>,
    /// What is reached without a proxy, beside this host; if unset that of the server's environment.
    pub no_proxy: Option<String>,
    /// What builds may reach although it is on this host, beside the proxy: mirrors of package registries.
    pub reachable: Vec<Endpoint>,
}

impl BuildSettings {
    /// Takes from the environment what the file does not say. As with curl, a name in small letters comes first.
    pub(super) fn complete(
        &mut self,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<(), SettingsError> {
        let found = |names: [&'static str; 2]| {
            let value = |name: &'static str| Some((name, variable(name).filter(|value| !value.is_empty())?));
            names.into_iter().find_map(value)
        };
        for (target, names) in [
            (&mut self.http_proxy, ["http_proxy", "HTTP_PROXY"]),
            (&mut self.https_proxy, ["https_proxy", "HTTPS_PROXY"]),
        ] {
            let (None, Some((name, value))) = (&target, found(names)) else { continue };
            let wrong = |error| SettingsError::SecretVariable { name, reason: format!("{error}") };
            *target = Some(value.parse().map_err(wrong)?);
        }
        if self.no_proxy.is_none() {
            self.no_proxy = found(["no_proxy", "NO_PROXY"]).map(|(_, value)| value);
        }
        Ok(())
    }
}

/// A parser's message quotes the line that is wrong, and that may hold a proxy's password.
pub(super) fn without_passwords(message: &str) -> String {
    let hide = |line: &str| match (line.find("://"), line.rfind('@')) {
        (Some(begin), Some(end)) if end > begin => {
            let (before, after) =
                (line.get(..begin).unwrap_or_default(), line.get(end..).unwrap_or_default());
            format!("{before}://***{after}")
        }
        _ => line.to_owned(),
    };
    message.lines().map(hide).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(text: &str, variables: &[(&str, &str)]) -> Result<BuildSettings, SettingsError> {
        let mut settings: BuildSettings = toml::from_str(text).unwrap();
        let variable =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        settings.complete(&variable)?;
        Ok(settings)
    }

    fn proxy(choice: Option<&ProxyChoice>) -> &str {
        match choice {
            Some(ProxyChoice::Proxy(proxy)) => proxy.expose(),
            Some(ProxyChoice::None) => "none",
            None => "unset",
        }
    }

    #[test]
    fn the_file_wins_over_the_environment_and_small_letters_over_capitals() {
        let variables = [
            ("HTTP_PROXY", "http://a:1"),
            ("https_proxy", "http://b:1"),
            ("HTTPS_PROXY", "http://c:1"),
            ("NO_PROXY", "x"),
        ];
        let settings = completed("", &variables).unwrap();
        assert_eq!(proxy(settings.http_proxy.as_ref()), "http://a:1");
        assert_eq!(proxy(settings.https_proxy.as_ref()), "http://b:1");
        assert_eq!(settings.no_proxy.as_deref(), Some("x"));
        let settings = completed("http-proxy = \"none\"\nno-proxy = \"\"", &variables).unwrap();
        assert_eq!(proxy(settings.http_proxy.as_ref()), "none");
        assert_eq!(settings.no_proxy.as_deref(), Some(""));
        assert_eq!(proxy(completed("", &[("http_proxy", "")]).unwrap().http_proxy.as_ref()), "unset");
    }

    #[test]
    fn a_wrong_proxy_is_named_and_its_password_is_not() {
        let error = completed("", &[("https_proxy", "ftp://u:hunter2@h")]).unwrap_err().to_string();
        assert!(error.contains("https_proxy") && !error.contains("hunter2"), "{error}");
        let shown = without_passwords("1 | http-proxy = \"ftp://u:hunter2@h\n  ^\nno @ here");
        assert_eq!(shown, "1 | http-proxy = \"ftp://***@h\n  ^\nno @ here");
    }
}
