//! Text in, model out: the files that people write. Errors name the line; no module here does I/O.

pub mod app_json;
pub mod aptfile;
pub mod certificate_chain;
pub mod checks;
pub mod config_export;
pub mod config_import;
pub mod dockerignore;
pub mod ignore;
pub mod image_reference;
pub mod path_pattern;
pub mod pem_pair;
pub mod plugin_toml;
pub mod procfile;
pub mod service_toml;
pub mod slugignore;
