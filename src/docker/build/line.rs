//! What a person sees of a build.

use std::fmt;

/// One line of a build's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildLine {
    /// A step begins, or its output goes on after another step's.
    Step {
        /// Its number and instruction, for example `Step 2/5 : RUN make`; only `Step 2/5 …` where it goes on.
        title: String,
        /// Whether its result was there already.
        cached: bool,
    },
    /// A line that a step wrote.
    Output(String),
    /// What the builder has to say.
    Note(String),
}

impl fmt::Display for BuildLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { title, cached: false } => f.write_str(title),
            Self::Step { title, cached: true } => write!(f, "{title} (cached)"),
            Self::Output(text) | Self::Note(text) => f.write_str(text),
        }
    }
}
