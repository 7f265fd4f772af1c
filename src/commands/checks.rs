//! `checks:*`: what new instances have to pass before they serve.

pub mod properties;
pub mod run;
pub mod select;
