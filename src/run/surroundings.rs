//! What containers need to get out of this host: its certificates, and its proxy.
//!
//! Knows how the settings become variables and files, and not whose container gets them.

mod bundle;
mod key_store;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::docker::container::ContainerSpec;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_options::Mount;
use crate::model::endpoint::{Endpoint, Proxy};
use crate::model::release::ReleaseContent;
use crate::model::surroundings::{CaBundle, Surroundings};
use crate::run::surroundings::bundle::{BundleError, CERTIFICATES, KEY_STORE};

/// Where Debian, and what stands on it, has the certificates that are trusted.
const PLACE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The same for Java, wherever it comes from.
const JAVA_PLACE: &str = "/etc/ssl/certs/java/cacerts";

/// The variables in which programs that bring certificates of their own look for others: OpenSSL, Go and uv; Node.js;
/// Yarn; Deno; pip; Python's requests; cargo; git; curl; the AWS tools; gRPC; Bundler; Composer.
const CERTIFICATE_VARIABLES: [&str; 13] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "YARN_HTTPS_CA_FILE_PATH",
    "DENO_CERT",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "GIT_SSL_CAINFO",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "BUNDLE_SSL_CA_CERT",
    "COMPOSER_CAFILE",
];

/// What is never asked for through a proxy, whatever the settings say: the container itself, and apps by their links.
const NEAR: &str = "localhost,127.0.0.1,::1,.internal";

/// What the settings say.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The certificates.
    pub bundle: CaBundle,
    /// The proxy for http.
    pub http_proxy: Option<Proxy>,
    /// The proxy for https.
    pub https_proxy: Option<Proxy>,
    /// What is reached without one.
    pub no_proxy: String,
    /// The host's own names.
    pub names: Vec<String>,
    /// What builds may reach on this host.
    pub reachable: Vec<Endpoint>,
}

/// The surroundings of containers on this host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostSurroundings {
    wanted: Arc<Wanted>,
    /// Where the copies of certificates lie.
    directory: PathBuf,
    /// Protects what is known of the host's files, so that they are read again only when they have changed; never held
    /// across an await.
    seen: Arc<Mutex<Known>>,
}

/// A file as it was when it was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    changed: Option<SystemTime>,
    bytes: u64,
}

/// What is known of the file, and whether it was copied.
type Known = Option<(Seen, bool)>;

impl HostSurroundings {
    /// What the settings say; copies of certificates are kept in that directory.
    pub fn new(wanted: Wanted, directory: PathBuf) -> Self {
        Self { wanted: Arc::new(wanted), directory, seen: Arc::default() }
    }

    /// What a container that is made now gets.
    pub async fn current(&self) -> Surroundings {
        let (copied, warning) = match self.copied().await {
            Ok(copied) => (copied, None),
            Err(error) => {
                let copied = self.directory.join(CERTIFICATES).is_file();
                let instead = if copied { "those that it had last" } else { "those of the image" };
                (copied, Some(format!("the certificates of [build] ca-bundle: {error}; {instead} are used")))
            }
        };
        let mut surroundings = Surroundings {
            proxy: self.wanted.proxy_variables(),
            reachable: self.wanted.reachable(),
            warning,
            ..Surroundings::default()
        };
        if copied {
            surroundings.certificates =
                CERTIFICATE_VARIABLES.iter().filter_map(|key| pair(key, PLACE)).collect();
            surroundings.mounts = [(CERTIFICATES, PLACE), (KEY_STORE, JAVA_PLACE)]
                .map(|(name, target)| self.mount(name, target))
                .into();
        }
        surroundings
    }

    /// What is wrong with the certificates that are wanted, and else whether containers get any.
    pub async fn copied(&self) -> Result<bool, BundleError> {
        let this = self.clone();
        let copying = tokio::task::spawn_blocking(move || this.copy());
        copying.await.unwrap_or_else(|error| {
            Err(BundleError::Write { path: self.directory.clone(), source: std::io::Error::other(error) })
        })
    }

    /// The proxies of the settings.
    pub fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.wanted.proxies()
    }

    fn copy(&self) -> Result<bool, BundleError> {
        let Some(from) = bundle::find(&self.wanted.bundle, Path::new("/")) else { return Ok(false) };
        let facts = fs::metadata(&from).ok();
        let now = Seen {
            path: from.clone(),
            changed: facts.as_ref().and_then(|facts| facts.modified().ok()),
            bytes: facts.map_or(0, |facts| facts.len()),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there =
            self.directory.join(CERTIFICATES).is_file() && self.directory.join(KEY_STORE).is_file();
        match &*seen {
            Some((before, copied)) if *before == now && (is_there || !copied) => return Ok(*copied),
            _ => {}
        }
        let is_wanted = self.wanted.bundle != CaBundle::Host || bundle::holds_more(&from, Path::new("/"));
        if is_wanted {
            bundle::copy(&from, &self.directory)?;
        }
        *seen = Some((now, is_wanted));
        Ok(is_wanted)
    }

    fn mount(&self, name: &str, target: &str) -> Mount {
        let source = self.directory.join(name).display().to_string();
        Mount { source, target: target.to_owned(), read_only: true, exclusive: false }
    }
}

/// Gives a container of a release what it needs to get out of this host. What the app itself says wins. Certificates
/// are given only to images that buildpacks made: others have their own, in places of their own.
pub fn add_to(spec: &mut ContainerSpec, content: &ReleaseContent, surroundings: &Surroundings) {
    surroundings.add_proxy(&mut spec.environment);
    if content.shell_entrypoint().is_none() {
        return;
    }
    surroundings.add_certificates(&mut spec.environment);
    let own = &mut spec.options.mounts;
    let missing: Vec<Mount> = surroundings
        .mounts
        .iter()
        .filter(|mount| own.iter().all(|own| own.target != mount.target))
        .cloned()
        .collect();
    own.extend(missing);
}

impl Wanted {
    fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.http_proxy.iter().chain(&self.https_proxy)
    }

    fn reachable(&self) -> Vec<Endpoint> {
        self.proxies().map(|proxy| proxy.endpoint.clone()).chain(self.reachable.iter().cloned()).collect()
    }

    /// Small letters and capitals, since programs read one or the other; what Yarn and Node.js read; Java's own words.
    fn proxy_variables(&self) -> ConfigVars {
        let mut variables = ConfigVars::new();
        for (proxy, keys) in [
            (&self.http_proxy, ["http_proxy", "HTTP_PROXY", "YARN_HTTP_PROXY"]),
            (&self.https_proxy, ["https_proxy", "HTTPS_PROXY", "YARN_HTTPS_PROXY"]),
        ] {
            let Some(proxy) = proxy else { continue };
            variables.extend(keys.into_iter().filter_map(|key| pair(key, proxy.expose())));
        }
        if variables.is_empty() {
            return variables;
        }
        let direct = self.direct();
        for (key, value) in [
            ("no_proxy", direct.as_str()),
            ("NO_PROXY", direct.as_str()),
            ("NODE_USE_ENV_PROXY", "1"),
            ("JAVA_TOOL_OPTIONS", self.java_options(&direct).as_str()),
        ] {
            variables.extend(pair(key, value));
        }
        variables
    }

    /// Everything that is reached without a proxy.
    fn direct(&self) -> String {
        let mut all: Vec<&str> = Vec::new();
        let wanted = self.no_proxy.split([',', ' ']).chain(NEAR.split(','));
        for name in wanted.chain(self.names.iter().map(String::as_str)) {
            if !name.is_empty() && !all.contains(&name) {
                all.push(name);
            }
        }
        all.join(",")
    }

    /// Java shows these when it starts, so no password is in them; it would not send one over https anyway.
    fn java_options(&self, direct: &str) -> String {
        let mut options = Vec::new();
        for (proxy, scheme) in [(&self.http_proxy, "http"), (&self.https_proxy, "https")] {
            let Some(Proxy { endpoint, .. }) = proxy else { continue };
            options.push(format!(
                "-D{scheme}.proxyHost={} -D{scheme}.proxyPort={}",
                endpoint.host, endpoint.port
            ));
        }
        let wild = |name: &str| if name.starts_with('.') { format!("*{name}") } else { name.to_owned() };
        let direct: Vec<String> = direct.split(',').map(wild).collect();
        options.push(format!("-Dhttp.nonProxyHosts={}", direct.join("|")));
        options.join(" ")
    }
}

fn pair(key: &str, value: &str) -> Option<(ConfigKey, ConfigValue)> {
    Some((key.parse().ok()?, ConfigValue::from_bytes(value.as_bytes().to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(variables: &'a ConfigVars, key: &str) -> &'a str {
        variables.get(&key.parse().unwrap()).map_or("unset", ConfigValue::expose)
    }

    #[test]
    fn without_a_proxy_there_is_nothing_to_leave_out_of_it() {
        let wanted = Wanted { no_proxy: "a".to_owned(), names: vec!["b".to_owned()], ..Wanted::default() };
        assert!(wanted.proxy_variables().is_empty());
    }

    #[test]
    fn a_proxy_is_told_in_every_form_and_the_host_is_reached_without_it() {
        let wanted = Wanted {
            https_proxy: Some("http://u:hunter2@proxy.example:3128".parse().unwrap()),
            no_proxy: "corp.example, localhost".to_owned(),
            names: vec!["host1".to_owned(), ".apps.example".to_owned()],
            ..Wanted::default()
        };
        let variables = wanted.proxy_variables();
        for key in ["https_proxy", "HTTPS_PROXY", "YARN_HTTPS_PROXY"] {
            assert_eq!(value(&variables, key), "http://u:hunter2@proxy.example:3128");
        }
        assert_eq!(value(&variables, "http_proxy"), "unset");
        let direct = "corp.example,localhost,127.0.0.1,::1,.internal,host1,.apps.example";
        assert_eq!(value(&variables, "no_proxy"), direct);
        let java = value(&variables, "JAVA_TOOL_OPTIONS");
        assert!(java.starts_with("-Dhttps.proxyHost=proxy.example -Dhttps.proxyPort=3128 "), "{java}");
        assert!(java.contains("|*.internal|host1|*.apps.example"), "{java}");
        assert!(!java.contains("hunter2") && !format!("{wanted:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_bundle_that_cannot_be_read_leaves_what_there_was() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("own.pem");
        let wanted = Wanted { bundle: CaBundle::File(file.clone()), ..Wanted::default() };
        let host = HostSurroundings::new(wanted, place.path().join("copies"));
        let none = host.current().await;
        assert!(none.mounts.is_empty() && none.certificates.is_empty());
        assert!(none.warning.unwrap().contains("own.pem cannot be read"));
        fs::write(&file, rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem()).unwrap();
        let some = host.current().await;
        assert_eq!((some.mounts.len(), some.warning), (2, None));
        fs::remove_file(&file).unwrap();
        let kept = host.current().await;
        assert_eq!(kept.mounts, some.mounts);
        assert!(kept.warning.unwrap().contains("those that it had last"));
        for mount in kept.mounts {
            assert!(Path::new(&mount.source).is_file(), "{}", mount.source);
        }
    }
}
