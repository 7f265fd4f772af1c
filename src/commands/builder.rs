//! `builder:*` and `builder-dockerfile:*`: how an app's source becomes an image.

pub mod properties;
