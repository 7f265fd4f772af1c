//! A tunnel: a channel of the client's (`ssh -L`, RFC 4254, section 7.2) joined with a service.

use russh::Channel;
use russh::server::{ChannelOpenHandle, Msg};

use crate::face::Commands;
use crate::ssh::auth::ProvenKey;
use crate::ssh::session::refusal;

/// Tunnels that may be open on one connection at a time.
pub const MOST_TUNNELS: usize = 32;

/// Opens the tunnel if the key's holder may, and passes bytes until both sides have ended. Why not is not told apart:
/// which services there are is not everybody's to know.
pub async fn run<C: Commands>(
    commands: &C,
    key: Option<ProvenKey>,
    (host, port): (String, u16),
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
) {
    let caller = match &key {
        Some(key) => commands.identify(&key.fingerprint).await,
        None => None,
    };
    let service = match &caller {
        Some(caller) => commands.tunnel(caller, &host, port).await,
        None => None,
    };
    let Some(mut service) = service else {
        let reason = format!("there is no service {host}:{port} that this key may connect to");
        reply.reject(refusal(reason)).await;
        return;
    };
    reply.accept().await;
    let mut client = channel.into_stream();
    match tokio::io::copy_bidirectional(&mut client, &mut service).await {
        Ok((sent, received)) => tracing::debug!(host, sent, received, "a tunnel has ended"),
        Err(error) => tracing::debug!(host, %error, "a tunnel broke off"),
    }
}
