//! Who is being served, and whether anybody is still let in: so that another server can take over between two
//! commands, while those who come meanwhile wait in the sockets' queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// The way in to the faces. Clones are one and the same.
#[derive(Clone, Debug)]
pub struct Door {
    state: Arc<watch::Sender<State>>,
}

/// Somebody who needs the server's state. Dropping it says that they are gone.
#[derive(Debug)]
pub struct Presence {
    door: Door,
    counted: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    position: Position,
    present: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Whoever comes is let in.
    Open,
    /// Whoever comes waits.
    Held,
    /// Another server lets them in. Who is inside and needs nothing of this one's state has that long.
    Left(Duration),
}

impl Default for Door {
    fn default() -> Self {
        Self { state: Arc::new(watch::Sender::new(State { position: Position::Open, present: 0 })) }
    }
}

impl Door {
    /// Counts somebody in who has come already.
    pub fn enter(&self) -> Presence {
        self.state.send_modify(|state| state.present += 1);
        Presence { door: self.clone(), counted: AtomicBool::new(true) }
    }

    /// How many need the server's state.
    pub fn present(&self) -> usize {
        self.state.borrow().present
    }

    /// Lets nobody in for now.
    pub fn hold(&self) {
        self.turn(Position::Held);
    }

    /// Lets everybody in again.
    pub fn open(&self) {
        self.turn(Position::Open);
    }

    /// Leaves the door to another server if nobody is present who needs this one's state, and says whether it did.
    pub fn leave_if_empty(&self, patience: Duration) -> bool {
        self.state.send_if_modified(|state| {
            let empty = state.present == 0;
            if empty {
                state.position = Position::Left(patience);
            }
            empty
        })
    }

    /// Leaves the door to another server, whoever is present.
    pub fn leave(&self, patience: Duration) {
        self.turn(Position::Left(patience));
    }

    /// How long those may stay who are inside although another server has the door; `None` if none has.
    pub fn patience(&self) -> Option<Duration> {
        match self.state.borrow().position {
            Position::Left(patience) => Some(patience),
            Position::Open | Position::Held => None,
        }
    }

    /// Waits until nobody is present who needs the server's state.
    pub async fn empty(&self) {
        self.wait(|state| state.present == 0).await;
    }

    /// Waits until everybody is let in.
    pub async fn opened(&self) {
        self.wait(|state| state.position == Position::Open).await;
    }

    /// Waits until nobody is let in.
    pub async fn shut(&self) {
        self.wait(|state| state.position != Position::Open).await;
    }

    /// Waits until another server has the door.
    pub async fn left(&self) {
        self.wait(|state| matches!(state.position, Position::Left(_))).await;
    }

    fn turn(&self, position: Position) {
        self.state.send_modify(|state| state.position = position);
    }

    async fn wait(&self, condition: impl Fn(&State) -> bool) {
        // The sender is here, so that there is always one.
        self.state.subscribe().wait_for(|state| condition(state)).await.ok();
    }
}

impl Presence {
    /// Says that nothing of the server's state is needed any more, although they stay.
    pub fn rest(&self) {
        if self.counted.swap(false, Ordering::SeqCst) {
            self.door.state.send_modify(|state| state.present = state.present.saturating_sub(1));
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_door_is_left_between_two_commands_and_never_in_one() {
        let door = Door::default();
        let (first, second) = (door.enter(), door.enter());
        assert!(!door.leave_if_empty(Duration::ZERO));
        first.rest();
        drop(first);
        assert_eq!(door.present(), 1, "who rests and goes is counted out once");
        let waiting = tokio::spawn({
            let door = door.clone();
            async move { door.empty().await }
        });
        drop(second);
        waiting.await.unwrap();
        assert!(door.leave_if_empty(Duration::from_secs(7)));
        assert_eq!(door.patience(), Some(Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn who_comes_while_it_is_held_waits() {
        let door = Door::default();
        door.hold();
        door.shut().await;
        let waiting = tokio::spawn({
            let door = door.clone();
            async move { door.opened().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        door.open();
        waiting.await.unwrap();
    }
}
