//! What earlier builds have found out: which images fit what was detected. Lost with the server, and found out again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::build::buildpacks::stack::{Stack, StackImage};
use crate::build::buildpacks::under_way::UnderWay;

/// The images that fit a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What was detected and which packages it asks for, in the driver's words; empty if nothing is known.
    pub detected: String,
    /// The image to build in.
    pub build: StackImage,
    /// The image to run on.
    pub run: StackImage,
    stack: Stack,
}

impl Hint {
    /// Nothing is known yet: the stack itself.
    pub fn new(stack: &Stack) -> Self {
        let (build, run) = (stack.build.clone(), stack.run.clone());
        Self { detected: String::new(), build, run, stack: stack.clone() }
    }

    /// With packages on top of a stack.
    pub fn with(stack: &Stack, detected: String, build: StackImage, run: StackImage) -> Self {
        Self { detected, build, run, stack: stack.clone() }
    }
}

/// By the name that an app's images have.
#[derive(Debug, Default)]
pub struct Hints {
    of: Mutex<HashMap<String, Hint>>,
    /// The containers that are in use.
    pub under_way: UnderWay,
}

impl Hints {
    /// What the last build of that name found, if it was on the same stack.
    pub fn get(&self, repository: &str, stack: &Stack) -> Option<Hint> {
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.get(repository).filter(|hint| hint.stack == *stack).cloned()
    }

    /// Remembers it.
    pub fn put(&self, repository: &str, hint: Hint) {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).insert(repository.to_owned(), hint);
    }
}
