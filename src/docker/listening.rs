//! Where the processes of a container listen, for hints such as "the app listens on 127.0.0.1:3000".

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `TCP_LISTEN` in the kernel's include/net/tcp_states.h.
const LISTEN: &str = "0A";

/// The TCP addresses that are listened on in the network namespace of a process of this host, in order.
pub async fn listening_addresses(pid: u32) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = parse(&tokio::fs::read_to_string(format!("/proc/{pid}/net/tcp")).await?);
    match tokio::fs::read_to_string(format!("/proc/{pid}/net/tcp6")).await {
        Ok(table) => addresses.extend(parse(&table)),
        // A kernel without IPv6 has no such table.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Reads a table as in proc_pid_net(5): number, local address, remote address, state, …
fn parse(table: &str) -> Vec<SocketAddr> {
    let listening = table.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next()?;
        (fields.nth(1)? == LISTEN).then(|| parse_address(local)).flatten()
    });
    listening.collect()
}

/// `0100007F:0BB8`: 32-bit words as this machine holds them in memory, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |range| u32::from_str_radix(address.get(range)?, 16).ok().map(u32::to_ne_bytes);
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0..8)?).into(),
        32 => {
            let words = [word(0..8)?, word(8..16)?, word(16..24)?, word(24..32)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sees_what_this_process_listens_on() {
        let four = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let six = std::net::TcpListener::bind("[::1]:0");
        let seen = listening_addresses(std::process::id()).await.unwrap();
        assert!(seen.contains(&four.local_addr().unwrap()), "{seen:?}");
        if let Ok(six) = six {
            assert!(seen.contains(&six.local_addr().unwrap()), "{seen:?}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn connections_are_not_listened_on() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
                     0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000\n   \
                     1: 0100007F:0BB8 0100007F:9C40 01 00000000:00000000\n";
        assert_eq!(parse(table), ["127.0.0.1:3000".parse().unwrap()]);
    }
}
