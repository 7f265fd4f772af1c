//! What the router counts. Each worker counts for itself, in words that only its thread writes, so that counting
//! costs an addition and no core ever waits for another; whoever asks adds them up.
//!
//! prometheus-client writes the text. Its own metrics are not used: each would cost a look-up by labels behind a
//! lock, and histograms a lock of their own.

pub(crate) mod app;
pub(crate) mod collector;
pub(crate) mod counter;
pub(crate) mod drains;
pub(crate) mod histogram;
pub(crate) mod text;
pub(crate) mod worker;
