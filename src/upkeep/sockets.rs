//! Who listens on which TCP port of this host, as the kernel tells it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

/// `TCP_LISTEN` in the kernel's include/net/tcp_states.h.
const LISTEN: &str = "0A";

/// The ports that are listened on, with their sockets' numbers.
pub fn listening() -> io::Result<HashMap<u16, HashSet<u64>>> {
    let mut ports = parse(&fs::read_to_string("/proc/self/net/tcp")?);
    match fs::read_to_string("/proc/self/net/tcp6") {
        Ok(table) => {
            for (port, sockets) in parse(&table) {
                ports.entry(port).or_default().extend(sockets);
            }
        }
        // A kernel without IPv6 has no such table.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(ports)
}

/// Reads a table as in proc_pid_net(5): number, local address, remote address, state, …, the inode in the tenth field.
fn parse(table: &str) -> HashMap<u16, HashSet<u64>> {
    let mut ports: HashMap<u16, HashSet<u64>> = HashMap::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(local), Some(&LISTEN), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
            continue;
        };
        let port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        if let (Some(port), Ok(inode)) = (port, inode.parse()) {
            ports.entry(port).or_default().insert(inode);
        }
    }
    ports
}

/// The process that listens on a port, if that can be known.
pub fn holder(port: u16) -> Option<String> {
    owner(listening().ok()?.get(&port)?)
}

/// Whether one of the sockets is this process's.
pub fn is_own(sockets: &HashSet<u64>) -> bool {
    has_one_of("self", sockets)
}

/// The process that has one of the sockets, as `name (pid)`. That takes root.
pub fn owner(sockets: &HashSet<u64>) -> Option<String> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let ids = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let id = ids.filter(|id| id.parse::<u32>().is_ok()).find(|id| has_one_of(id, sockets))?;
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    Some(format!("{} (process {id})", name.trim()))
}

fn has_one_of(process: &str, sockets: &HashSet<u64>) -> bool {
    // It may have ended, or be none that we may look at.
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.and_then(|inode| inode.parse().ok()).is_some_and(|inode| sockets.contains(&inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_this_process_is_seen_as_its_own() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sockets = listening().unwrap().remove(&port).unwrap();
        assert!(is_own(&sockets));
        assert!(owner(&sockets).unwrap().contains(&format!("(process {})", std::process::id())));
        assert_eq!(holder(port), owner(&sockets));
        assert!(!is_own(&HashSet::from([0])));
    }
}
