//! Whether a name leads to this server, as an authority would see it: asked before the authority is, which counts
//! failures.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::app::proofs::Proofs;
use crate::model::acme::ChallengeKind;

/// For the resolver's answer.
const LOOKUP: Duration = Duration::from_secs(15);
/// For a connection and an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// What is read of an answer.
const LONGEST: u64 = 16 << 10;

/// A name that does not lead here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Astray {
    /// The name.
    pub name: String,
    /// What it resolves to.
    pub addresses: Vec<IpAddr>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.addresses.is_empty() {
            return write!(f, "{} does not resolve: {}", self.name, self.why);
        }
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        write!(f, "{} resolves to {}, where {}", self.name, addresses.join(", "), self.why)
    }
}

/// Looks where a name leads to.
pub(super) async fn check(proofs: &Proofs, name: &str, kind: ChallengeKind) -> Result<(), Astray> {
    let port = match kind {
        ChallengeKind::Http01 => 80,
        ChallengeKind::TlsAlpn01 => 443,
        // Nobody connects to it.
        ChallengeKind::Dns01 => return Ok(()),
    };
    let addresses = resolve(name, port).await?;
    let token = format!("slipway-check-{:032x}", rand::random::<u128>());
    let expected = format!("{:032x}", rand::random::<u128>());
    proofs.show_answer(&token, &expected);
    let probe = Probe { name, token: &token, expected: &expected, kind };
    let checked = probe.all(&addresses).await;
    proofs.hide_answer(&token);
    checked
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, Astray> {
    let astray = |why: String| Astray { name: name.to_owned(), addresses: Vec::new(), why };
    match timeout(LOOKUP, lookup_host((name, port))).await {
        Ok(Ok(found)) => {
            let mut found: Vec<SocketAddr> = found.collect();
            found.dedup();
            if found.is_empty() { Err(astray("it has no address".to_owned())) } else { Ok(found) }
        }
        Ok(Err(error)) => Err(astray(error.to_string())),
        Err(_) => Err(astray("the resolver does not answer".to_owned())),
    }
}

struct Probe<'a> {
    name: &'a str,
    token: &'a str,
    expected: &'a str,
    kind: ChallengeKind,
}

impl Probe<'_> {
    /// All addresses have to lead here, since the authority takes any; those of a family that this host does not
    /// have cannot be told.
    async fn all(&self, addresses: &[SocketAddr]) -> Result<(), Astray> {
        let mut reached = 0;
        let mut wrong = None;
        for address in addresses {
            match timeout(ANSWER, self.one(*address)).await {
                Ok(Ok(())) => reached += 1,
                Ok(Err(error)) if is_about_the_family(&error) => {
                    wrong.get_or_insert((*address, error.to_string()));
                }
                Ok(Err(error)) => return Err(self.astray(addresses, *address, &error.to_string())),
                Err(_) => return Err(self.astray(addresses, *address, "nobody answers")),
            }
        }
        match wrong {
            Some((address, why)) if reached == 0 => Err(self.astray(addresses, address, &why)),
            _ => Ok(()),
        }
    }

    fn astray(&self, addresses: &[SocketAddr], at: SocketAddr, why: &str) -> Astray {
        let addresses = addresses.iter().map(SocketAddr::ip).collect();
        Astray { name: self.name.to_owned(), addresses, why: format!("{at} is not this server: {why}") }
    }

    async fn one(&self, address: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        if self.kind == ChallengeKind::TlsAlpn01 {
            // That somebody listens has to do: what is shown there cannot be told from what others would show.
            return Ok(());
        }
        let request = format!(
            "GET /.well-known/acme-challenge/{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: slipway\r\nConnection: close\r\n\r\n",
            self.token, self.name
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.lines().next().unwrap_or_default().to_owned();
        if answer.contains(self.expected) {
            return Ok(());
        }
        let said = if status.is_empty() { "it hangs up".to_owned() } else { format!("it answers {status}") };
        Err(io::Error::other(said))
    }
}

fn is_about_the_family(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers everything in the same way.
    async fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    async fn probed(addresses: &[SocketAddr]) -> Result<(), String> {
        let probe = Probe { name: "a.example", token: "t", expected: "secret", kind: ChallengeKind::Http01 };
        probe.all(addresses).await.map_err(|astray| astray.to_string())
    }

    #[tokio::test]
    async fn every_address_has_to_be_this_server() {
        let ours = server("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await;
        let other = server("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(probed(&[ours]).await, Ok(()));
        assert_eq!(probed(&[ours, ours]).await, Ok(()));
        let expected = format!(
            "a.example resolves to 127.0.0.1, 127.0.0.1, where {other} is not this server: it answers HTTP/1.1 404 Not Found"
        );
        assert_eq!(probed(&[ours, other]).await, Err(expected));
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(probed(&[closed]).await.unwrap_err().contains("refused"));
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_told() {
        let astray = resolve("no-such-name.invalid", 80).await.unwrap_err();
        assert!(astray.to_string().starts_with("no-such-name.invalid does not resolve: "), "{astray}");
    }
}
