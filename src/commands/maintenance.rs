//! `maintenance:*`: a page that everybody gets instead of an app.

pub mod page;
pub mod report;
pub mod switch;
