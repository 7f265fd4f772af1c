//! The server's settings: defaults, then `slipway.toml`, then the environment. Nothing here touches the network.

pub mod acme;
pub mod build;
pub mod https;
pub mod limits;

use std::env;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::model::hostname::Hostname;
use crate::model::mount::{HostPath, MountError};
use crate::settings::acme::AcmeSettings;
use crate::settings::build::BuildSettings;
use crate::settings::https::HttpsListen;
use crate::settings::limits::{DeployLimits, RouterLimits, RunLimits, SshLimits, UpgradeLimits};

/// Everything that can be set. Every field has a working default.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where all state lives (`SLIPWAY_ROOT`). Not read from the file, which lies in it.
    #[serde(skip)]
    pub root: PathBuf,
    /// Where SSH is served (`SLIPWAY_SSH_LISTEN`).
    pub ssh_listen: SocketAddr,
    /// Where HTTP is served (`SLIPWAY_HTTP_LISTEN`).
    pub http_listen: SocketAddr,
    /// Where HTTPS is served (`SLIPWAY_HTTPS_LISTEN`).
    pub https_listen: HttpsListen,
    /// Where metrics are served (`SLIPWAY_METRICS_LISTEN`); not at all if unset.
    pub metrics_listen: Option<SocketAddr>,
    /// The domain below which each app gets its name (`SLIPWAY_DOMAIN`), until `domains:set-global` says otherwise.
    pub domain: Hostname,
    /// Which messages are logged (`SLIPWAY_LOG`), in tracing's filter syntax.
    pub log: String,
    /// The engine's socket (`SLIPWAY_DOCKER`).
    pub docker: PathBuf,
    /// The directory below which apps may mount directories of the host (`SLIPWAY_STORAGE_ROOT`); `storage` in the
    /// root if unset.
    pub storage_root: Option<HostPath>,
    /// The range from which networks of links and services get their subnets.
    pub link_networks: Ipv4Net,
    /// Limits on SSH clients.
    pub ssh: SshLimits,
    /// Limits on pushes and builds.
    pub deploy: DeployLimits,
    /// Certificates and proxy of containers.
    pub build: BuildSettings,
    /// Limits on one-off processes.
    pub run: RunLimits,
    /// Limits on requests.
    pub router: RouterLimits,
    /// Automatic certificates.
    pub acme: AcmeSettings,
    /// Limits on the server's own replacement.
    pub upgrade: UpgradeLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/var/lib/slipway"),
            ssh_listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 2222)),
            http_listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 80)),
            https_listen: HttpsListen::default(),
            metrics_listen: None,
            domain: default_domain(),
            log: "info".to_owned(),
            docker: PathBuf::from("/var/run/docker.sock"),
            storage_root: None,
            link_networks: Ipv4Net::new_assert(Ipv4Addr::new(10, 213, 0, 0), 16),
            ssh: SshLimits::default(),
            deploy: DeployLimits::default(),
            build: BuildSettings::default(),
            router: RouterLimits::default(),
            acme: AcmeSettings::default(),
            run: RunLimits::default(),
            upgrade: UpgradeLimits::default(),
        }
    }
}

/// A setting that cannot be used. Each message names where it stands.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what it should be; the message has line and column.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The parser's message, with the line.
        message: String,
    },
    /// An environment variable has a value that is not allowed.
    #[error("{name}={value}: {reason}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        reason: String,
    },
    /// The same for one whose value may hold a password.
    #[error("{name} in the environment: {reason}")]
    SecretVariable {
        /// The variable.
        name: &'static str,
        /// What is allowed.
        reason: String,
    },
}

impl Settings {
    /// Reads `SLIPWAY_ROOT`, the file in it, and the other variables of the process's environment.
    pub fn load() -> Result<Self, SettingsError> {
        Self::from_sources(|name| env::var(name).ok())
    }

    /// Reads the settings with an environment of the caller's.
    pub fn from_sources(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let root = variable("SLIPWAY_ROOT").map_or_else(|| Self::default().root, PathBuf::from);
        let mut settings = Self::from_file(&root.join("slipway.toml"))?;
        settings.root = root;
        let address = "write an address and a port, for example 0.0.0.0:2222 or [::]:2222";
        set("SLIPWAY_SSH_LISTEN", &variable, address, &mut settings.ssh_listen)?;
        set("SLIPWAY_HTTP_LISTEN", &variable, address, &mut settings.http_listen)?;
        let https = "write an address and a port, for example 0.0.0.0:443, or off";
        set("SLIPWAY_HTTPS_LISTEN", &variable, https, &mut settings.https_listen)?;
        if variable("SLIPWAY_METRICS_LISTEN").is_some() {
            let mut metrics = SocketAddr::from(([127, 0, 0, 1], 9464));
            set("SLIPWAY_METRICS_LISTEN", &variable, address, &mut metrics)?;
            settings.metrics_listen = Some(metrics);
        }
        let domain = "write a host name, for example apps.example.com";
        set("SLIPWAY_DOMAIN", &variable, domain, &mut settings.domain)?;
        set(
            "SLIPWAY_LOG",
            &variable,
            "write a filter, for example info or slipway=debug",
            &mut settings.log,
        )?;
        set("SLIPWAY_DOCKER", &variable, "write the path of the engine's socket", &mut settings.docker)?;
        if let Some(path) = variable("SLIPWAY_STORAGE_ROOT") {
            settings.storage_root =
                Some(path.parse().map_err(|error: MountError| SettingsError::Variable {
                    name: "SLIPWAY_STORAGE_ROOT",
                    reason: error.to_string(),
                    value: path,
                })?);
        }
        let proxies =
            "write addresses, networks such as 192.0.2.0/24, private or cloudflare, with commas between";
        set("SLIPWAY_TRUSTED_PROXIES", &variable, proxies, &mut settings.router.trusted_proxies)?;
        settings.build.complete(&variable)?;
        Ok(settings)
    }

    fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(SettingsError::Read { path: path.to_owned(), source }),
        };
        toml::from_str(&text).map_err(|error| SettingsError::File {
            path: path.to_owned(),
            message: build::without_passwords(&error.to_string()),
        })
    }

    /// The directory below which apps may mount directories of the host.
    pub fn storage_root(&self) -> PathBuf {
        self.storage_root
            .as_ref()
            .map_or_else(|| self.root.join("storage"), |path| PathBuf::from(path.as_str()))
    }

    /// The Unix socket on which the server takes commands from the host.
    pub fn socket(&self) -> PathBuf {
        self.root.join("slipway.sock")
    }
}

#[expect(clippy::expect_used, reason = "a literal that a test parses too")]
fn default_domain() -> Hostname {
    "localhost".parse().expect("localhost is a host name")
}

/// Overwrites a setting if its variable is set.
fn set<T: FromStr>(
    name: &'static str,
    variable: &impl Fn(&str) -> Option<String>,
    reason: &str,
    target: &mut T,
) -> Result<(), SettingsError> {
    let Some(value) = variable(name) else { return Ok(()) };
    match value.parse() {
        Ok(parsed) => *target = parsed,
        Err(_) => return Err(SettingsError::Variable { name, value, reason: reason.to_owned() }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use slipway_router::trust::ForwardedHeader;

    use super::*;

    fn with_file(text: &str) -> Result<Settings, SettingsError> {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("slipway.toml"), text).unwrap();
        let path = root.path().to_str().unwrap().to_owned();
        Settings::from_sources(|name| (name == "SLIPWAY_ROOT").then(|| path.clone()))
    }

    #[test]
    fn without_a_file_the_defaults_hold() {
        let settings = Settings::from_sources(|_| None).unwrap();
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("slipway.toml"), "domain = \"a.example\"\nlog = \"debug\"\n").unwrap();
        let settings = Settings::from_sources(|name| match name {
            "SLIPWAY_ROOT" => Some(root.path().to_str().unwrap().to_owned()),
            "SLIPWAY_DOMAIN" => Some("b.example".to_owned()),
            _ => None,
        })
        .unwrap();
        assert_eq!(settings.domain.as_str(), "b.example");
        assert_eq!(settings.log, "debug");
    }

    #[test]
    fn trusted_proxies_are_read_from_both() {
        let text = "[router]\ntrusted-proxies = [\"cloudflare\", \"10.0.0.0/8\"]\nforwarded-header = \"forwarded\"\n\
                    proxy-protocol = true\n";
        let trust = with_file(text).unwrap().router.trust();
        assert!(trust.proxies.contains("10.1.1.1".parse().unwrap()) && trust.proxy_protocol);
        assert_eq!(trust.header, ForwardedHeader::Forwarded);
        let settings =
            Settings::from_sources(|name| (name == "SLIPWAY_TRUSTED_PROXIES").then(|| "private".to_owned()))
                .unwrap();
        assert!(settings.router.trust().proxies.contains("10.1.1.1".parse().unwrap()));
        let error = with_file("[router]\ntrusted-proxies = [\"10.0.0.0/99\"]\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("10.0.0.0/99"), "{error}");
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_line_and_what_is_allowed() {
        let error = with_file("log = \"info\"\nssh-listen = \"everywhere\"\n").unwrap_err().to_string();
        assert!(error.contains("slipway.toml") && error.contains("line 2"), "{error}");
        let error = with_file("shh-listen = \"0.0.0.0:1\"\n").unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("ssh-listen"), "{error}");
        let error =
            Settings::from_sources(|name| (name == "SLIPWAY_HTTP_LISTEN").then(|| "eighty".to_owned()))
                .unwrap_err()
                .to_string();
        assert!(error.contains("SLIPWAY_HTTP_LISTEN=eighty") && error.contains("0.0.0.0:2222"), "{error}");
    }
}
