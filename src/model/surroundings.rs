//! What every process on this host needs to get out of it: certificates and a proxy.

use crate::model::config_var::ConfigVars;
use crate::model::container_options::Mount;

/// Added to containers; an app's own config vars win.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// Variables that say where the certificates lie, and the proxy.
    pub environment: ConfigVars,
    /// The files that they name.
    pub mounts: Vec<Mount>,
}
