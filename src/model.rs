//! The nouns of Slipway, valid by construction. No module here does I/O or knows another layer.

pub mod amount;
pub mod app_json;
pub mod app_name;
pub mod build;
pub mod buildpack;
pub mod byte_size;
pub mod config_var;
pub mod container_id;
pub mod container_options;
pub mod cron;
pub mod cron_schedule;
pub mod docker_option;
pub mod drain_url;
pub mod health_check;
pub mod hostname;
pub mod key;
pub mod mount;
pub mod phase;
pub mod port_mapping;
pub mod process_scope;
pub mod process_selection;
pub mod process_type;
pub mod release;
pub mod resource;
pub mod role;
pub mod surroundings;
