//! The servers that this one has replaced and that still have connections.
//!
//! Their tables are out of date, so they are asked for nothing but to wait: before an instance is told to end, each
//! of them waits for what it still has under way to it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::handover::channel::{Channel, ChannelError};
use crate::handover::message::{FromNew, FromOld};

/// How long a predecessor may take to say which one-off containers it serves.
const FIRST_WORDS: Duration = Duration::from_secs(5);
/// How much later than its deadline a drain's answer may come.
const GRACE: Duration = Duration::from_secs(2);

/// All of them. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Predecessors {
    /// Protects the list only; never held across an await.
    lines: Arc<Mutex<Vec<Line>>>,
    changed: Arc<Notify>,
}

/// The line to one of them.
struct Line {
    orders: mpsc::UnboundedSender<Order>,
    one_offs: Arc<Mutex<HashSet<String>>>,
    /// Ends the task, which then gives the channel back.
    stop: CancellationToken,
    task: JoinHandle<Option<Channel>>,
}

enum Order {
    Say(FromNew),
    Drain { containers: Vec<String>, deadline: Duration, done: oneshot::Sender<()> },
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Predecessors {
    /// Adopts one, and returns when it has said what it holds.
    pub async fn adopt(&self, mut channel: Channel) -> Result<(), ChannelError> {
        channel.send(&FromNew::Adopted, &[]).await?;
        let one_offs = Arc::new(Mutex::new(HashSet::new()));
        let first = async {
            loop {
                match channel.receive::<FromOld>().await?.0 {
                    FromOld::Holding { one_offs } => return Ok::<_, ChannelError>(one_offs),
                    _ => tracing::debug!("an old server answers somebody else"),
                }
            }
        };
        match timeout(FIRST_WORDS, first).await {
            Ok(names) => lock(&one_offs).extend(names?),
            Err(_) => tracing::warn!("an old server does not say what it holds"),
        }
        let (orders, received) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let line = Attending {
            channel,
            orders: received,
            one_offs: Arc::clone(&one_offs),
            changed: Arc::clone(&self.changed),
            waiting: Vec::new(),
        };
        let task = tokio::spawn(line.run(stop.clone()));
        lock(&self.lines).push(Line { orders, one_offs, stop, task });
        Ok(())
    }

    /// Says something to all of them.
    pub fn tell(&self, message: &FromNew) {
        for line in lock(&self.lines).iter() {
            // The only error is one that is gone.
            line.orders.send(Order::Say(message.clone())).ok();
        }
    }

    /// Waits until none of them has anything under way to these containers, for `deadline` at most.
    pub async fn drain(&self, containers: &[String], deadline: Duration) {
        let ask = |line: &Line| {
            let (done, drained) = oneshot::channel();
            let order = Order::Drain { containers: containers.to_owned(), deadline, done };
            line.orders.send(order).is_ok().then_some(drained)
        };
        let asked: Vec<_> = self.living().iter().filter_map(ask).collect();
        // One that is gone has nothing under way; one that does not answer is not waited for.
        timeout(deadline.saturating_add(GRACE), join_all(asked)).await.ok();
    }

    /// Whether one of them serves the client of a one-off container.
    pub fn holds(&self, one_off: &str) -> bool {
        self.living().iter().any(|line| lock(&line.one_offs).contains(one_off))
    }

    /// Returns when one of them holds something else than before, or is gone.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.living().len()
    }

    /// Gives all of them up, for another server.
    pub async fn release(&self) -> Vec<Channel> {
        let lines = std::mem::take(&mut *self.living());
        let mut channels = Vec::new();
        for line in lines {
            line.stop.cancel();
            if let Ok(Some(channel)) = line.task.await {
                channels.push(channel);
            }
        }
        channels
    }

    fn living(&self) -> MutexGuard<'_, Vec<Line>> {
        let mut lines = lock(&self.lines);
        lines.retain(|line| !line.task.is_finished());
        lines
    }
}

/// What is said and heard on one line.
struct Attending {
    channel: Channel,
    orders: mpsc::UnboundedReceiver<Order>,
    one_offs: Arc<Mutex<HashSet<String>>>,
    changed: Arc<Notify>,
    waiting: Vec<(u64, oneshot::Sender<()>)>,
}

impl Attending {
    async fn run(mut self, stop: CancellationToken) -> Option<Channel> {
        let mut number = 0;
        loop {
            let done = tokio::select! {
                biased;
                // What was said before the end is sent before it.
                Some(order) = self.orders.recv() => {
                    number += 1;
                    self.say(order, number).await
                }
                () = stop.cancelled() => return Some(self.channel),
                received = self.channel.receive::<FromOld>() => match received {
                    Ok((message, _)) => {
                        self.hear(message);
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = done {
                match error {
                    ChannelError::Ended => tracing::info!("an old server has served its last connection"),
                    error => tracing::warn!(error = &error as &dyn std::error::Error, "lost an old server"),
                }
                lock(&self.one_offs).clear();
                self.changed.notify_one();
                return None;
            }
        }
    }

    fn hear(&mut self, message: FromOld) {
        match message {
            FromOld::Holding { one_offs } => {
                *lock(&self.one_offs) = one_offs.into_iter().collect();
                self.changed.notify_one();
            }
            FromOld::Drained { number, busy } => {
                if !busy.is_empty() {
                    tracing::info!(
                        containers = busy.join(" "),
                        "an old server still has connections to these"
                    );
                }
                if let Some(index) = self.waiting.iter().position(|(waiting, _)| *waiting == number) {
                    // Whoever asked may have gone.
                    self.waiting.swap_remove(index).1.send(()).ok();
                }
            }
            FromOld::Sockets { .. } | FromOld::Go { .. } => {
                tracing::warn!("an old server hands over what was handed over");
            }
        }
    }

    async fn say(&mut self, order: Order, number: u64) -> Result<(), ChannelError> {
        let message = match order {
            Order::Say(message) => message,
            Order::Drain { containers, deadline, done } => {
                self.waiting.push((number, done));
                let milliseconds = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
                FromNew::Drain { number, containers, milliseconds }
            }
        };
        self.channel.send(&message, &[]).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// An old server's end of the line, adopted.
    async fn adopted(predecessors: &Predecessors, holding: &[&str]) -> Channel {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut old, new) = (Channel::new(one).unwrap(), Channel::new(other).unwrap());
        let say = async {
            assert_eq!(old.receive::<FromNew>().await.unwrap().0, FromNew::Adopted);
            let one_offs = holding.iter().map(ToString::to_string).collect();
            old.send(&FromOld::Holding { one_offs }, &[]).await.unwrap();
        };
        let (adopted, ()) = tokio::join!(predecessors.adopt(new), say);
        adopted.unwrap();
        old
    }

    #[tokio::test]
    async fn a_drain_waits_for_every_server_that_is_still_there() {
        let predecessors = Predecessors::default();
        let mut first = adopted(&predecessors, &[]).await;
        drop(adopted(&predecessors, &[]).await);
        let asking = tokio::spawn({
            let predecessors = predecessors.clone();
            async move { predecessors.drain(&["c1".to_owned()], Duration::from_secs(60)).await }
        });
        let FromNew::Drain { number, containers, milliseconds } = first.receive().await.unwrap().0 else {
            panic!("no drain");
        };
        assert_eq!((containers.as_slice(), milliseconds), (&["c1".to_owned()][..], 60_000));
        assert!(!asking.is_finished());
        first.send(&FromOld::Drained { number, busy: Vec::new() }, &[]).await.unwrap();
        timeout(Duration::from_secs(5), asking).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_an_old_server_holds_is_given_up_with_it_and_can_be_handed_on() {
        let predecessors = Predecessors::default();
        let mut old = adopted(&predecessors, &["blog.run.1"]).await;
        assert!(predecessors.holds("blog.run.1") && !predecessors.holds("blog.run.2"));
        old.send(&FromOld::Holding { one_offs: vec!["blog.run.2".to_owned()] }, &[]).await.unwrap();
        predecessors.changed().await;
        assert!(predecessors.holds("blog.run.2") && !predecessors.holds("blog.run.1"));

        let channels = predecessors.release().await;
        assert_eq!((channels.len(), predecessors.count()), (1, 0));
        let next = Predecessors::default();
        let channel = channels.into_iter().next().unwrap();
        let adopting = tokio::spawn({
            let next = next.clone();
            async move { next.adopt(channel).await }
        });
        old.receive::<FromNew>().await.unwrap();
        old.send(&FromOld::Holding { one_offs: vec!["blog.run.3".to_owned()] }, &[]).await.unwrap();
        adopting.await.unwrap().unwrap();
        assert!(next.holds("blog.run.3"));
        drop(old);
        next.changed().await;
        assert!(!next.holds("blog.run.3"));
    }
}
