//! Builds take turns on the host: so many at a time, in the order in which they came.

use std::sync::Arc;

use tokio::sync::watch;

/// The builds that run and those that wait, of all apps.
#[derive(Clone, Debug)]
pub struct BuildQueue {
    /// Watched by those that wait.
    state: Arc<watch::Sender<State>>,
    most: usize,
}

#[derive(Clone, Debug, Default)]
struct State {
    running: Vec<Turn>,
    waiting: Vec<Turn>,
}

/// A build as others that wait are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number.
    pub build: i64,
    /// The app's name.
    pub app: String,
}

/// A build's place among the others. Dropping it gives it up, whether it waits or runs.
#[derive(Debug)]
pub struct Place {
    queue: BuildQueue,
    changes: watch::Receiver<State>,
    build: i64,
}

impl BuildQueue {
    /// A queue in which `most` builds run at the same time, at least one.
    pub fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        Self { state: Arc::new(watch::Sender::new(State::default())), most }
    }

    /// Goes to the end of the queue.
    pub fn enter(&self, turn: Turn) -> Place {
        let build = turn.build;
        self.state.send_modify(|state| state.waiting.push(turn));
        Place { queue: self.clone(), changes: self.state.subscribe(), build }
    }

    /// How many run, and how many wait.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state.borrow();
        (state.running.len(), state.waiting.len())
    }

    /// Gives up a build's place before it is dropped: what follows the build needs none.
    pub fn leave(&self, build: i64) {
        self.state.send_if_modified(|state| {
            let before = state.running.len() + state.waiting.len();
            state.running.retain(|turn| turn.build != build);
            state.waiting.retain(|turn| turn.build != build);
            state.running.len() + state.waiting.len() != before
        });
    }
}

impl Place {
    /// Takes the turn if it has come; otherwise says who is ahead, those that run first.
    pub fn take(&self) -> Result<(), Vec<Turn>> {
        let mut ahead = None;
        self.queue.state.send_if_modified(|state| {
            let place = state.waiting.iter().position(|turn| turn.build == self.build);
            let Some(place) = place else { return false };
            if place == 0 && state.running.len() < self.queue.most {
                let turn = state.waiting.remove(place);
                state.running.push(turn);
                return true;
            }
            ahead = Some(state.running.iter().chain(state.waiting.iter().take(place)).cloned().collect());
            false
        });
        ahead.map_or(Ok(()), Err)
    }

    /// Waits until somebody has come or gone.
    pub async fn changed(&mut self) {
        // The sender is our own queue's: it cannot be gone.
        self.changes.changed().await.ok();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.leave(self.build);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(build: i64) -> Turn {
        Turn { build, app: "blog".to_owned() }
    }

    fn ahead(place: &Place) -> Vec<i64> {
        place.take().err().unwrap_or_default().iter().map(|turn| turn.build).collect()
    }

    #[test]
    fn who_came_first_goes_first_and_everybody_is_told_who_is_ahead() {
        let queue = BuildQueue::new(1);
        let (first, second, third) = (queue.enter(turn(1)), queue.enter(turn(2)), queue.enter(turn(3)));
        assert_eq!(ahead(&second), [1], "nobody is overtaken by who asks sooner");
        assert_eq!(first.take(), Ok(()));
        assert_eq!(ahead(&third), [1, 2]);
        assert_eq!(queue.counts(), (1, 2));
        drop(second);
        assert_eq!(ahead(&third), [1]);
        queue.leave(1);
        assert_eq!(third.take(), Ok(()));
        assert_eq!(third.take(), Ok(()), "a turn that was taken is not lost");
        drop(first);
        assert_eq!(ahead(&queue.enter(turn(4))), [3], "a place that was given up twice frees one turn");
    }

    #[tokio::test]
    async fn who_waits_learns_of_every_change() {
        let queue = BuildQueue::new(0);
        let first = queue.enter(turn(1));
        first.take().unwrap();
        let mut second = queue.enter(turn(2));
        assert!(second.take().is_err());
        drop(first);
        second.changed().await;
        assert_eq!(second.take(), Ok(()));
    }
}
