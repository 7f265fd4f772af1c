//! TCP from ports of the host to services: listeners with a list of who may, and byte for byte what both sides say.
//!
//! Where a service is now is asked for each connection; who asks and who answers is not known here.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections to one port at a time; further ones are closed at once.
const CONNECTIONS: usize = 512;
/// How long a service may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an accept loop rests after an error, such as too many open files.
const BACK_OFF: Duration = Duration::from_millis(200);
/// A peer that is silent for so long is asked whether it is still there; it is given up after some unanswered
/// questions. Clients of databases are idle for hours, so silence alone is no reason to hang up.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Between those questions.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Where a connection leads at this moment; `None` if nowhere.
pub type Place = Pin<Box<dyn Future<Output = Option<SocketAddr>> + Send>>;

/// Asks where connections lead.
pub type Locate = Arc<dyn Fn() -> Place + Send + Sync>;

/// A port of the host that leads somewhere.
#[derive(Clone)]
pub struct Wanted {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may connect.
    pub allow: Vec<IpNet>,
    /// Where its connections lead.
    pub locate: Locate,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("listen", &self.listen).field("allow", &self.allow).finish()
    }
}

/// The ports that are open now.
#[derive(Debug, Default)]
pub struct Forwards {
    /// Protects the map only; never held across an await.
    open: Mutex<HashMap<SocketAddr, Open>>,
    /// Listeners and connections.
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Open {
    allow: Vec<IpNet>,
    ends: Ends,
}

/// Ends a listener, or its connections.
#[derive(Clone, Debug, Default)]
struct Ends {
    listener: CancellationToken,
    connections: CancellationToken,
}

impl Forwards {
    /// Opens what is wanted and not open, and closes what is open and not wanted, with its connections. Gives what
    /// could not be opened, and why; the rest is open.
    pub async fn settle(&self, wanted: Vec<Wanted>) -> Vec<(SocketAddr, io::Error)> {
        let kept = |listen: &SocketAddr, open: &Open| {
            wanted.iter().any(|wanted| wanted.listen == *listen && wanted.allow == open.allow)
        };
        self.lock().retain(|listen, open| {
            let stays = kept(listen, open);
            if !stays {
                open.ends.listener.cancel();
                open.ends.connections.cancel();
            }
            stays
        });
        let mut failures = Vec::new();
        for wanted in wanted {
            if self.lock().contains_key(&wanted.listen) {
                continue;
            }
            match TcpListener::bind(wanted.listen).await {
                Ok(listener) => {
                    let ends = Ends::default();
                    let open = Open { allow: wanted.allow.clone(), ends: ends.clone() };
                    self.lock().insert(wanted.listen, open);
                    self.tasks.spawn(accept(listener, wanted, ends, self.tasks.clone()));
                }
                Err(error) => failures.push((wanted.listen, error)),
            }
        }
        failures
    }

    /// Closes the listeners; connections go on. For a server that makes room for another one.
    pub fn close(&self) {
        for open in std::mem::take(&mut *self.lock()).into_values() {
            open.ends.listener.cancel();
        }
        self.tasks.close();
    }

    /// Waits until the last connection has ended, once the listeners are closed.
    pub async fn finished(&self) {
        self.tasks.wait().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, wanted: Wanted, ends: Ends, tasks: TaskTracker) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ends.listener.cancelled() => return,
        };
        let (client, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(listen = %wanted.listen, %error, "a forwarded port accepts nothing for a moment");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        if !is_allowed(&wanted.allow, peer.ip()) {
            tracing::info!(listen = %wanted.listen, %peer, "a connection from an address that is not allowed");
            continue;
        }
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::warn!(listen = %wanted.listen, %peer, "too many connections to a forwarded port");
            continue;
        };
        let (locate, end) = (wanted.locate.clone(), ends.connections.clone());
        tasks.spawn(async move {
            let _permit = permit;
            if let Some(Err(error)) = end.run_until_cancelled(forward(client, &locate)).await {
                tracing::debug!(%peer, %error, "a forwarded connection ended");
            }
        });
    }
}

/// Joins a client with where its connection leads; ends when both sides have said all.
async fn forward(mut client: TcpStream, locate: &Locate) -> io::Result<()> {
    let mut service = connect(locate).await?;
    keep_alive(&client)?;
    tokio::io::copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}

/// A connection to where this leads now.
pub async fn connect(locate: &Locate) -> io::Result<TcpStream> {
    let place = locate().await.ok_or_else(|| io::Error::other("the service does not run"))?;
    let service = timeout(CONNECT, TcpStream::connect(place)).await??;
    keep_alive(&service)?;
    service.set_nodelay(true)?;
    Ok(service)
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let options = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&options)
}

/// An IPv4 client of a socket for both comes as an IPv6 address (RFC 4291, section 2.5.5.2).
fn is_allowed(allow: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    allow.iter().any(|net| net.contains(&peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LOCAL: &str = "127.0.0.1:0";

    /// A server that answers what it was sent once the client has finished.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(LOCAL).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = Vec::new();
                stream.read_to_end(&mut text).await.unwrap();
                stream.write_all(&text).await.unwrap();
            }
        });
        address
    }

    /// A port that was free a moment ago.
    async fn free() -> SocketAddr {
        TcpListener::bind(LOCAL).await.unwrap().local_addr().unwrap()
    }

    fn wanted(listen: SocketAddr, allow: &[&str], place: Option<SocketAddr>) -> Wanted {
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        let locate: Locate = Arc::new(move || -> Place { Box::pin(std::future::ready(place)) });
        Wanted { listen, allow, locate }
    }

    async fn ask(listen: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect(listen).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    #[tokio::test]
    async fn one_side_may_end_what_it_says_before_the_other() {
        let forwards = Forwards::default();
        let listen = free().await;
        let place = Some(echo().await);
        assert!(forwards.settle(vec![wanted(listen, &["127.0.0.0/8"], place)]).await.is_empty());
        assert_eq!(ask(listen).await.unwrap(), "hello");
        // Settled again, nothing changes.
        assert!(forwards.settle(vec![wanted(listen, &["127.0.0.0/8"], place)]).await.is_empty());
        assert_eq!(ask(listen).await.unwrap(), "hello");
        forwards.settle(Vec::new()).await;
        // The task that held the listener ends a moment later.
        while TcpStream::connect(listen).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_is_not_allowed_is_hung_up_on_and_so_is_who_leads_nowhere() {
        let forwards = Forwards::default();
        let (refusing, nowhere) = (free().await, free().await);
        let place = Some(echo().await);
        let both = vec![wanted(refusing, &["10.0.0.0/8"], place), wanted(nowhere, &["127.0.0.1/32"], None)];
        assert!(forwards.settle(both).await.is_empty());
        for listen in [refusing, nowhere] {
            assert_ne!(ask(listen).await.unwrap_or_default(), "hello");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_and_holds_up_no_other() {
        let forwards = Forwards::default();
        let taken = TcpListener::bind(LOCAL).await.unwrap();
        let listen = free().await;
        let place = Some(echo().await);
        let both =
            vec![wanted(taken.local_addr().unwrap(), &[], place), wanted(listen, &["127.0.0.1/32"], place)];
        let failures = forwards.settle(both).await;
        assert_eq!(failures.len(), 1);
        assert_eq!(ask(listen).await.unwrap(), "hello");
    }

    #[test]
    fn an_address_is_the_same_in_both_of_its_forms() {
        let allow = ["192.0.2.0/24".parse().unwrap()];
        assert!(is_allowed(&allow, "::ffff:192.0.2.7".parse().unwrap()));
        assert!(!is_allowed(&allow, "192.0.3.1".parse().unwrap()));
        assert!(!is_allowed(&[], "127.0.0.1".parse().unwrap()));
    }
}
