//! What a client asks for on its connection, request by request.
//!
//! Runs inside russh's loop, so nothing here waits for a command: whatever may take longer goes into a task.

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty, Sig};
use tracing::{info, warn};

use crate::console::WindowSize;
use crate::face::Commands;
use crate::ssh::auth::{ProvenKey, fingerprint};
use crate::ssh::channel::{Asking, SessionChannel};
use crate::ssh::connection::{Connection, MOST_SESSIONS, SessionError, answer};
use crate::ssh::exec::Work;
use crate::ssh::tunnel::{self, MOST_TUNNELS};

impl<C: Commands> Handler for Connection<C> {
    type Error = SessionError;

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, SessionError> {
        // Nothing is remembered here: anybody can name a key that is not theirs.
        let known = self.is_known(&fingerprint(offer.public_key), offer.algorithm).await;
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, SessionError> {
        let fingerprint = fingerprint(key.public_key);
        if !self.is_known(&fingerprint, key.algorithm).await {
            return Ok(Auth::reject());
        }
        self.key_slot = self.shared.keys.enter(fingerprint.clone());
        self.key = Some(ProvenKey { fingerprint });
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), SessionError> {
        self.authenticated.cancel();
        let fingerprint = self.key.as_ref().map(|key| key.fingerprint.as_str()).unwrap_or_default();
        if self.key_slot.is_none() {
            warn!(peer = %self.peer, key = fingerprint, "too many connections with one key");
            let reason = "this key has too many connections open; close some, or raise ssh.max-per-key";
            session.disconnect(Disconnect::TooManyConnections, reason, "en")?;
            return Ok(());
        }
        info!(peer = %self.peer, key = fingerprint, "an SSH client is in");
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        // A channel that the server closed is not announced again when the client closes it too.
        self.channels.retain(|_, channel| !channel.is_over());
        if self.channels.len() >= MOST_SESSIONS {
            reply.reject(refusal(format!("at most {MOST_SESSIONS} sessions on one connection"))).await;
            return Ok(());
        }
        // The reading half is dropped, because its buffer makes russh's whole loop wait when it is full: input
        // comes through `data` below.
        let (_, writer) = channel.split();
        self.channels.insert(writer.id(), SessionChannel::Asking(Asking::new(writer)));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        let Some(permit) = self.tunnel_permit() else {
            reply.reject(refusal(format!("at most {MOST_TUNNELS} tunnels on one connection"))).await;
            return Ok(());
        };
        let (commands, key) = (self.shared.commands.clone(), self.key.clone());
        let (host, port) = (host.to_owned(), u16::try_from(port).unwrap_or_default());
        // In a task of its own: this runs inside russh's loop, and the service may take its time.
        tokio::spawn(async move {
            let _permit = permit;
            tunnel::run(&commands, key, (host, port), channel, reply).await;
        });
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        reply.reject(refusal("no sockets are forwarded here".to_owned())).await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), SessionError> {
        self.channels.remove(&id);
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.end_input();
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.input(data);
        }
        if self.gate.is_overrun() {
            return Err(SessionError::IgnoresWindow);
        }
        self.gate.pause(data.len()).await;
        Ok(())
    }

    fn adjust_window(&mut self, _id: ChannelId, _current: u32) -> u32 {
        self.gate.next_window()
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        let accepted = self.asking_channel(id).is_some_and(|asking| asking.set_variable(name, value));
        answer(session, id, accepted)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        kind: &str,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), SessionError> {
        let asking = self.asking_channel(id);
        let accepted = asking.is_some();
        if let Some(asking) = asking {
            asking.set_terminal(kind, window_size(columns, rows));
        }
        answer(session, id, accepted)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.resize(window_size(columns, rows));
        }
        Ok(())
    }

    async fn signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.signal(&signal_name(&signal));
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), SessionError> {
        self.start(id, Work::from_command_line(command), session)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), SessionError> {
        self.start(id, Work::nothing_asked(), session)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        // A plain failure would reach the person without a reason, so it is granted and ends at once.
        self.start(id, Work::refused_subsystem(name), session)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        answer(session, id, false)
    }
}

/// Says no to a channel, and why.
pub(super) fn refusal(reason: String) -> ChannelOpenFailure {
    ChannelOpenFailure::Other { code: ChannelOpenFailure::AdministrativelyProhibited.code(), reason }
}

fn window_size(columns: u32, rows: u32) -> WindowSize {
    let narrow = |number| u16::try_from(number).unwrap_or(u16::MAX);
    WindowSize { columns: narrow(columns), rows: narrow(rows) }
}

fn signal_name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        // The variants are named as the signals are (RFC 4254, section 6.10).
        known => format!("{known:?}"),
    }
}
