//! IPv4 and IPv6: where the server listens when nobody says where, and on a host that knows only one of them.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::engine;
use crate::harness::process::Running;
use crate::harness::wait::wait_for;

const BOUND: Duration = Duration::from_secs(20);

/// Runs a command for which there are no sockets of IPv6: a filter of system calls answers as such a kernel does.
/// The filter: if the call (at 0) is `socket` (41 on x86-64) and its first argument (at 16) is AF_INET6 (10), then
/// EAFNOSUPPORT (97), else all is allowed.
const WITHOUT_IPV6: &str = r#"
import ctypes, os, struct, sys
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, 41), (0x20, 0, 0, 16), (0x15, 0, 1, 10), (6, 0, 0, 0x50000 | 97), (6, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
assert prctl(22, 2, filter) == 0, "PR_SET_SECCOMP"
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Where a server listens for SSH and HTTP that was told to do so on all addresses.
fn listening(root: &Path) -> [SocketAddr; 2] {
    let file: serde_json::Value = wait_for("the server listens", BOUND, || {
        serde_json::from_slice(&fs::read(root.join("listen.json")).ok()?).ok()
    });
    ["ssh", "http"].map(|face| file[face].as_str().unwrap().parse().unwrap())
}

fn serve(mut command: Command, root: &Path) -> Running {
    command.env_clear().env("SLIPWAY_ROOT", root).env("SLIPWAY_DOCKER", engine::socket());
    command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
    Running::start(command.env("SLIPWAY_SSH_LISTEN", "[::]:0").env("SLIPWAY_HTTP_LISTEN", "[::]:0"))
}

#[test]
fn both_families_are_served_on_one_socket() {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    command.arg("serve");
    let server = serve(command, root.path());
    for address in listening(root.path()) {
        assert_eq!(address.ip(), Ipv6Addr::UNSPECIFIED);
        TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).unwrap();
        TcpStream::connect((Ipv6Addr::LOCALHOST, address.port())).unwrap();
    }
    server.interrupt();
}

#[test]
fn a_host_without_ipv6_is_served_with_ipv4() {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command.args(["-c", WITHOUT_IPV6, env!("CARGO_BIN_EXE_slipway"), "serve"]);
    let server = serve(command, root.path());
    for address in listening(root.path()) {
        assert_eq!(address.ip(), Ipv4Addr::UNSPECIFIED);
        TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).unwrap();
    }
    server.interrupt();
}
