//! `stack:*`: the images that buildpacks build in and apps run on.

pub mod rebuild;
pub mod report;
