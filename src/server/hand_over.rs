//! The old server's side of a hand-over, from the closing of its database to its last connection.

use std::error::Error;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::join_all;
use slipway_router::listening_socket::ListeningSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::one_offs::OneOffs;
use crate::app::upgrades::{UpgradeError, Upgraded};
use crate::handover::channel::{Channel, ChannelError, MOST_DESCRIPTORS};
use crate::handover::message::{FromNew, FromOld, SocketName};
use crate::handover::notify::{News, notify};

use super::access;
use super::prepare::{Prepared, end, say};
use super::standing::Standing;
use super::term::HandedOver;

/// How long connections that rest for a moment are kept in any case. A client that is in the middle of its work asks
/// again within that time; what is to be drained meanwhile serves on.
const SETTLE: Duration = Duration::from_secs(3);
/// How long what is under way may take once the next server has ended: as long as nothing listens, a service manager
/// that waits for this one's end starts no other.
const FOLLOW: Duration = Duration::from_secs(5);
/// How long the next server may take from the closing of this one's database until it serves.
const TAKE_OVER: Duration = Duration::from_secs(60);

/// Gives everything to the next server and serves its own connections to their end. If the next one does not come to
/// serve, it is gone when this returns false, and all is as before, but for the database, which is closed.
pub(super) async fn give(standing: &mut Standing, handed: HandedOver) -> Result<bool, Box<dyn Error>> {
    let HandedOver { next, upgrade, app, faces } = handed;
    let Prepared { mut process, mut channel, version } = next;
    let older = standing.predecessors.release().await;
    let succeeded = async {
        pass_sockets(standing, &mut channel, &older).await?;
        let tickets = Some(BASE64_STANDARD.encode(standing.router.export_ticket_keys().as_bytes()));
        channel.send(&FromOld::Go { tickets }, &[]).await?;
        wait_until_it_serves(standing, &mut channel, app.one_offs.all()).await
    };
    if let Err(error) = succeeded.await {
        let reason = match &error {
            ChannelError::Io(source) => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        tracing::error!(reason, "the new server does not come to serve: this one goes on");
        end(&mut process).await;
        for channel in older {
            standing.predecessors.adopt(channel).await?;
        }
        let error = UpgradeError::NotStarted(reason);
        upgrade.done.send(Err(error)).ok();
        return Ok(false);
    }
    drop(older);
    let id = process.id().unwrap_or_default();
    notify(News::MainProcess(id));
    say(&upgrade, format!("slipway {version} serves (process {id}); this one ends with its last connection"))
        .await;
    // Whoever asked may have gone.
    upgrade.done.send(Ok(Upgraded { version, process: id })).ok();
    let drain = app.settings.upgrade.drain();
    let records = standing.records.take();
    let leaving = Leaving { standing, channel, drain, one_offs: &app.one_offs, since: Instant::now() };
    let faces = async {
        join_all(faces).await.into_iter().for_each(drop);
        if timeout(drain, app.forwards.finished()).await.is_err() {
            tracing::info!("connections to exposed services are cut off");
        }
    };
    let telling = records.map(|records| tokio::spawn(access::tell(records)));
    leaving.run(faces).await;
    if let Some(telling) = telling {
        telling.abort();
    }
    Ok(true)
}

/// Passes all sockets on, in frames that hold so many.
async fn pass_sockets(
    standing: &Standing,
    channel: &mut Channel,
    older: &[Channel],
) -> Result<(), ChannelError> {
    let [command, lock, ssh] = standing.sockets.descriptors()?;
    let mut all: Vec<(SocketName, OwnedFd)> =
        vec![(SocketName::Command, command), (SocketName::Lock, lock), (SocketName::Ssh, ssh)];
    for ListeningSocket { entrance, socket } in standing.router.listening_sockets()? {
        all.push((SocketName::Router(entrance), socket.into()));
    }
    for predecessor in older {
        all.push((SocketName::Predecessor, predecessor.share()?));
    }
    for some in all.chunks(MOST_DESCRIPTORS) {
        let sockets = some.iter().map(|(name, _)| *name).collect();
        let descriptors: Vec<BorrowedFd<'_>> = some.iter().map(|(_, socket)| socket.as_fd()).collect();
        channel.send(&FromOld::Sockets { sockets }, &descriptors).await?;
    }
    Ok(())
}

async fn wait_until_it_serves(
    standing: &Standing,
    channel: &mut Channel,
    one_offs: Vec<String>,
) -> Result<(), ChannelError> {
    let bound = Instant::now() + TAKE_OVER;
    loop {
        let message = tokio::select! {
            message = channel.receive::<FromNew>() => message?.0,
            () = sleep_until(bound) => {
                let text = format!("it does not serve after {} s", TAKE_OVER.as_secs());
                return Err(std::io::Error::other(text).into());
            }
            () = standing.stop.cancelled() => {
                return Err(std::io::Error::other("the server was told to stop").into());
            }
        };
        match message {
            FromNew::Adopted => {
                channel.send(&FromOld::Holding { one_offs: one_offs.clone() }, &[]).await?;
            }
            FromNew::Serving => return Ok(()),
            FromNew::Failed { reason } => return Err(std::io::Error::other(reason).into()),
            FromNew::Drain { number, .. } => {
                // What this one has under way is waited for as soon as it leaves.
                channel.send(&FromOld::Drained { number, busy: Vec::new() }, &[]).await?;
            }
            FromNew::Prepared { .. } => return Err(ChannelError::Form),
        }
    }
}

/// A server that was replaced.
struct Leaving<'a> {
    standing: &'a Standing,
    channel: Channel,
    drain: Duration,
    one_offs: &'a OneOffs,
    since: Instant,
}

impl Leaving<'_> {
    /// Serves what is under way to its end. Where the next server ends, this one does so soon, too: nobody would tell
    /// it any more which instances are to end.
    async fn run(mut self, faces: impl Future<Output = ()>) {
        let (standing, one_offs, drain) = (self.standing, self.one_offs, self.drain);
        let (answer, mut answers) = mpsc::unbounded_channel::<FromOld>();
        let mut rest = std::pin::pin!(async { tokio::join!(standing.router.leave(drain), faces) });
        loop {
            tokio::select! {
                (cut, ()) = &mut rest => {
                    tracing::info!(cut, "this server has served its last connection");
                    return;
                }
                () = standing.stop.cancelled() => break,
                received = self.channel.receive::<FromNew>() => match received {
                    Ok((message, _)) => self.hear(message, &answer),
                    Err(error) => {
                        tracing::info!(%error, "this server follows the next one");
                        break;
                    }
                },
                Some(message) = answers.recv() => self.say(&message).await,
                () = one_offs.given_up() => {
                    self.say(&FromOld::Holding { one_offs: one_offs.all() }).await;
                }
            }
        }
        // Brings the end forward that is waited for.
        standing.router.shutdown(FOLLOW).await;
        if timeout(FOLLOW + FOLLOW, rest).await.is_err() {
            tracing::warn!("connections and sessions were cut off");
        }
    }

    fn hear(&self, message: FromNew, answer: &mpsc::UnboundedSender<FromOld>) {
        match message {
            FromNew::Drain { number, containers, milliseconds } => {
                let (router, answer) = (self.standing.router.clone(), answer.clone());
                let settled = self.since + SETTLE;
                tokio::spawn(async move {
                    sleep_until(settled).await;
                    // What rests would be sent to what is about to end.
                    router.end_linger();
                    let drained = router.drain(&containers, Duration::from_millis(milliseconds)).await;
                    let busy = drained.busy.into_iter().map(|(container, _)| container).collect();
                    answer.send(FromOld::Drained { number, busy }).ok();
                });
            }
            // Another server has taken the next one's place.
            FromNew::Adopted => {
                answer.send(FromOld::Holding { one_offs: self.one_offs.all() }).ok();
            }
            FromNew::Serving | FromNew::Failed { .. } | FromNew::Prepared { .. } => {}
        }
    }

    async fn say(&mut self, message: &FromOld) {
        if let Err(error) = self.channel.send(message, &[]).await {
            tracing::debug!(%error, "the next server does not listen");
        }
    }
}
