//! What every process on this host needs to get out of it: certificates and a proxy.

use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_options::Mount;
use crate::model::endpoint::{Endpoint, Proxy, ProxyError};

/// Added to containers; an app's own config vars win.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// Where the proxy is, in all the forms in which programs look for it.
    pub proxy: ConfigVars,
    /// Where the certificates lie. Only for images that Slipway has made: others have their own.
    pub certificates: ConfigVars,
    /// The files that these name.
    pub mounts: Vec<Mount>,
    /// What builds may reach although it is on this host.
    pub reachable: Vec<Endpoint>,
    /// What a person should know before a build, if something of this cannot be had.
    pub warning: Option<String>,
}

/// Which certificates containers trust (`ca-bundle`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum CaBundle {
    /// The host's, if these are more than its distribution's.
    #[default]
    Host,
    /// Those of the image.
    None,
    /// Those in a file.
    File(PathBuf),
}

/// A text that is neither a path nor `none`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write the path of a file with certificates in PEM form, or none")]
pub struct CaBundleError;

/// A proxy, or that there is to be none whatever the server's environment says.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
pub enum ProxyChoice {
    /// None.
    None,
    /// This one.
    Proxy(Proxy),
}

/// The variables that builds of Dockerfiles know without an `ARG`, and that no image keeps.
const PREDEFINED: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

impl Surroundings {
    /// All variables.
    pub fn environment(&self) -> ConfigVars {
        self.proxy.iter().chain(&self.certificates).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Adds the variables to an environment of the app's own, in which a name in other capitals counts as set: a
    /// program that is told two proxies takes either.
    pub fn add_proxy(&self, environment: &mut ConfigVars) {
        add(&self.proxy, environment);
    }

    /// The same for the certificates.
    pub fn add_certificates(&self, environment: &mut ConfigVars) {
        add(&self.certificates, environment);
    }

    /// Arguments for a build of a Dockerfile.
    pub fn build_arguments(&self) -> impl Iterator<Item = (&str, &str)> {
        let predefined = self.proxy.iter().filter(|(key, _)| PREDEFINED.contains(&key.as_str()));
        predefined.map(|(key, value)| (key.as_str(), value.expose()))
    }
}

fn add(variables: &ConfigVars, environment: &mut ConfigVars) {
    let is_set =
        |key: &ConfigKey| environment.keys().any(|own| own.as_str().eq_ignore_ascii_case(key.as_str()));
    let missing: Vec<(ConfigKey, ConfigValue)> = variables
        .iter()
        .filter(|(key, _)| !is_set(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    environment.extend(missing);
}

impl FromStr for CaBundle {
    type Err = CaBundleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            path if path.starts_with('/') => Ok(Self::File(PathBuf::from(path))),
            _ => Err(CaBundleError),
        }
    }
}

impl TryFrom<String> for CaBundle {
    type Error = CaBundleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for ProxyChoice {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "none" { Self::None } else { Self::Proxy(text.parse()?) })
    }
}

impl TryFrom<String> for ProxyChoice {
    type Error = ProxyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> ConfigVars {
        let value = |text: &str| ConfigValue::from_bytes(text.as_bytes().to_vec()).unwrap();
        pairs.iter().map(|(key, text)| (key.parse().unwrap(), value(text))).collect()
    }

    #[test]
    fn what_an_app_sets_itself_stays_whatever_its_capitals() {
        let surroundings = Surroundings {
            proxy: vars(&[("http_proxy", "a"), ("HTTP_PROXY", "a"), ("https_proxy", "a")]),
            certificates: vars(&[("SSL_CERT_FILE", "b")]),
            ..Surroundings::default()
        };
        let mut own = vars(&[("HTTP_PROXY", ""), ("SSL_CERT_FILE", "/app/ca")]);
        surroundings.add_proxy(&mut own);
        surroundings.add_certificates(&mut own);
        assert_eq!(own, vars(&[("HTTP_PROXY", ""), ("SSL_CERT_FILE", "/app/ca"), ("https_proxy", "a")]));
    }

    #[test]
    fn builds_of_dockerfiles_get_what_they_know_without_asking() {
        let proxy = vars(&[("https_proxy", "a"), ("JAVA_TOOL_OPTIONS", "b")]);
        let surroundings = Surroundings { proxy, ..Surroundings::default() };
        assert_eq!(surroundings.build_arguments().collect::<Vec<_>>(), [("https_proxy", "a")]);
    }
}
