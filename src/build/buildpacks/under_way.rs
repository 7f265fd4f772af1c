//! The containers that builds of this server use just now. Every other container of a build is a killed server's.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Their names. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct UnderWay {
    /// Protects the set only; never held across an await.
    names: Arc<Mutex<HashSet<String>>>,
}

/// A name, for as long as its container is somebody's.
#[derive(Debug)]
pub struct Claim {
    under_way: UnderWay,
    name: String,
}

impl UnderWay {
    /// Enters a container, which has to come before it is made.
    pub fn claim(&self, name: &str) -> Claim {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Claim { under_way: self.clone(), name: name.to_owned() }
    }

    /// Whether somebody uses it.
    pub fn contains(&self, name: &str) -> bool {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.under_way.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_claimed_until_its_claim_goes() {
        let under_way = UnderWay::default();
        let claim = under_way.claim("blog.build.1");
        assert!(under_way.contains("blog.build.1") && !under_way.contains("blog.build.2"));
        drop(claim);
        assert!(!under_way.contains("blog.build.1"));
    }
}
