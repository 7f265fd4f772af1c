//! `builder:*`, `builder-dockerfile:*` and `docker-options:*`: how an app's source becomes an image.

pub mod build_args;
pub mod properties;
