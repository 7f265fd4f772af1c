//! A fence round a build: its steps are found among the host's processes, and bounded.
//!
//! BuildKit inside Docker takes no limits for a build: `memory`, `cpushares` and `cgroupparent` are the classic
//! builder's, and ignored (measured with 20.10). Its steps are ordinary processes, though. Each build is given a
//! random word in the predefined argument `no_proxy`, which every step has in its environment, no image has, and no
//! cache is keyed by; a host of that name does not exist, so that the word changes nothing else.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::build::cgroup::{Group, Hierarchy, Limits};

/// How often new processes are looked for. What a step takes before it is found counts for nobody.
const INTERVAL: Duration = Duration::from_millis(50);
/// How many looks a process is given to become a step: it is the engine's own until it executes the command.
const LOOKS: u32 = 100;
/// What the words end with. Nothing below it can ever be a host (RFC 6761, section 6.4).
const SUFFIX: &str = ".slipway.invalid";

/// What bounds one build. Dropping it ends the looking.
#[derive(Debug)]
pub struct Fence {
    marker: String,
    stop: Arc<AtomicBool>,
    looking: Option<JoinHandle<Group>>,
}

/// What became of the build inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toll {
    /// Whether the kernel ended one of its processes for want of memory.
    pub out_of_memory: bool,
}

impl Fence {
    /// Puts up a fence, or none where the host has no control groups that we may make. `owner` keeps the groups of
    /// two servers on one host apart.
    pub fn raise(owner: &str, limits: Limits) -> Self {
        let word = format!("{:016x}", rand::random::<u64>());
        let stop = Arc::new(AtomicBool::new(false));
        let marker = format!("build-{word}{SUFFIX}");
        let prefix = format!("slipway-{owner}-build-");
        let group = Hierarchy::find().map(|hierarchy| {
            hierarchy.sweep(&prefix);
            hierarchy.bound(&format!("{prefix}{word}"), limits)
        });
        let group = match group {
            Some(Ok(group)) => Some(group),
            Some(Err(error)) => {
                tracing::warn!(%error, "a build runs without limits");
                None
            }
            None => None,
        };
        let looking = group.map(|group| {
            let (marker, stop) = (marker.clone(), stop.clone());
            tokio::task::spawn_blocking(move || look(group, marker.as_bytes(), &stop))
        });
        Self { marker, stop, looking }
    }

    /// Adds the word to a build's arguments.
    pub fn mark(&self, arguments: &mut std::collections::BTreeMap<String, String>) {
        if self.looking.is_none() {
            return;
        }
        let own = ["no_proxy", "NO_PROXY"].into_iter().find(|name| arguments.contains_key(*name));
        let value = arguments.entry(own.unwrap_or("no_proxy").to_owned()).or_default();
        if !value.is_empty() {
            value.push(',');
        }
        value.push_str(&self.marker);
    }

    /// Takes the fence down, and says what became of the build.
    pub async fn lower(mut self) -> Toll {
        self.stop.store(true, Ordering::Relaxed);
        let group = match self.looking.take() {
            Some(looking) => looking.await.ok(),
            None => None,
        };
        Toll { out_of_memory: group.is_some_and(|group| group.ran_out_of_memory()) }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Looks for the build's processes until it is told to stop.
fn look(mut group: Group, marker: &[u8], stop: &AtomicBool) -> Group {
    // What runs already is no step of a build that is yet to begin.
    let mut settled: HashSet<u32> = processes().into_iter().collect();
    let mut looks: HashMap<u32, u32> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let now = processes();
        for process in now.iter().filter(|process| !settled.contains(process)) {
            // What may not be read is not ours, or is gone.
            let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            if contains(&environment, marker) {
                if let Err(error) = group.add(*process) {
                    tracing::warn!(%error, process, "a process of a build has no limits");
                }
                looks.insert(*process, LOOKS);
            } else {
                *looks.entry(*process).or_default() += 1;
            }
        }
        // A number that is free is given to another process some day.
        let now: HashSet<u32> = now.into_iter().collect();
        settled.extend(looks.iter().filter(|(_, count)| **count >= LOOKS).map(|(process, _)| *process));
        settled.retain(|process| now.contains(process));
        looks.retain(|process, count| now.contains(process) && *count < LOOKS);
        thread::sleep(INTERVAL);
    }
    group
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_word_is_added_to_what_a_person_set() {
        let fence = |looking| Fence { marker: "word".to_owned(), stop: Arc::default(), looking };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let looking = runtime.spawn_blocking(|| Group::Own(Vec::new()));
        let with = fence(Some(looking));
        let mut arguments = BTreeMap::from([("NO_PROXY".to_owned(), "intra".to_owned())]);
        with.mark(&mut arguments);
        assert_eq!(arguments, BTreeMap::from([("NO_PROXY".to_owned(), "intra,word".to_owned())]));
        let mut arguments = BTreeMap::new();
        with.mark(&mut arguments);
        assert_eq!(arguments, BTreeMap::from([("no_proxy".to_owned(), "word".to_owned())]));
        let mut arguments = BTreeMap::new();
        fence(None).mark(&mut arguments);
        assert!(arguments.is_empty(), "without limits there is no word");
    }
}
