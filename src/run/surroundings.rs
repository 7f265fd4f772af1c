//! What containers need to get out of this host: its certificates, and its proxy.

use std::path::Path;

use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_options::Mount;
use crate::model::surroundings::Surroundings;

/// Where Debian, and what stands on it, has the certificates that are trusted.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The variables in which programs that bring certificates of their own look for others: OpenSSL and Go; Node.js; pip;
/// Python's requests; cargo; git; curl; the AWS tools; Bundler; Composer.
const VARIABLES: [&str; 10] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "GIT_SSL_CAINFO",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "BUNDLE_SSL_CA_CERT",
    "COMPOSER_CAFILE",
];

/// Those of this host.
pub fn of_host() -> Surroundings {
    if !Path::new(BUNDLE).is_file() {
        return Surroundings::default();
    }
    let value = |key: &str| {
        let value = ConfigValue::from_bytes(BUNDLE.as_bytes().to_vec()).ok()?;
        Some((key.parse::<ConfigKey>().ok()?, value))
    };
    let environment: ConfigVars = VARIABLES.iter().filter_map(|key| value(key)).collect();
    let mount =
        Mount { source: BUNDLE.to_owned(), target: BUNDLE.to_owned(), read_only: true, exclusive: false };
    Surroundings { environment, mounts: vec![mount] }
}
