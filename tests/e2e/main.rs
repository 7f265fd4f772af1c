//! End-to-end tests: the real binary, the real git and ssh, a real Docker engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and what it prints is shown only then"
)]
#![allow(dead_code, reason = "the actors offer what tests need, also those yet to be written")]

mod acme;
mod address_families;
mod apps_and_help;
mod apps_clone;
mod buildpacks_commands;
mod buildpacks_isolation;
mod buildpacks_limits;
mod buildpacks_packages;
mod buildpacks_samples;
mod buildpacks_sources;
mod buildpacks_surroundings;
mod builds_dockerfile;
mod builds_queue;
mod builds_turns;
mod builds_vanish;
mod certs;
mod checks_commands;
mod checks_running;
mod checks_startup;
mod cleanup;
mod config_vars;
mod crash_deploy;
mod crash_disk;
mod crash_run;
mod crash_shutdown;
mod cron;
mod doctor;
mod domains_and_ports;
mod engine_restart;
mod failures;
mod formation;
mod ghost;
mod git_branches;
mod git_images;
mod git_malformed;
mod git_protocol;
mod git_sources;
mod git_submodules;
mod harness;
mod https;
mod keys_and_roles;
mod leftovers;
mod lifecycle;
mod limits;
mod links;
mod log_drains;
mod logs;
mod networks;
mod never_dropping;
mod one_off;
mod plugins;
mod plugins_additions;
mod plugins_bad_input;
mod plugins_bundled;
mod plugins_third_party;
mod processes_commands;
mod processes_formation;
mod processes_stopping;
mod processes_tasks;
mod push;
mod readme;
mod recovery_clock;
mod recovery_faults;
mod releases;
mod router_settings;
#[path = "../support/s3_server.rs"]
mod s3_server;
mod server_upgrade;
mod services_crash;
mod services_data_damage;
mod services_data_life;
mod services_data_upgrade;
mod services_engines;
mod services_expose;
mod services_life;
mod services_rotate;
mod several_apps;
mod stop_first;
mod storage;
mod traffic;
mod who_asks;
mod zero_downtime;
