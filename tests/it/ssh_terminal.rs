//! The real client in a real terminal: sizes, line editing, Ctrl-C, and commands that take the terminal over.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::face_commands::PATIENCE;
use crate::ssh_client::TestServer;

/// A terminal with a program in it.
pub struct TestTerminal {
    master: File,
    printed: mpsc::UnboundedReceiver<Vec<u8>>,
    seen: String,
    pub child: Child,
}

impl TestTerminal {
    /// Starts a program whose controlling terminal is a new one of 80 by 24.
    pub fn start(command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        resize(&master, 80, 24);
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(path).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let inner = command.as_std();
        let mut outer = Command::new("setsid");
        outer.args(["--ctty", "--wait"]).arg(inner.get_program()).args(inner.get_args());
        outer.env_clear().env("TERM", "xterm-test").kill_on_drop(true);
        for (name, value) in inner.get_envs() {
            if let Some(value) = value {
                outer.env(name, value);
            }
        }
        let child = outer.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let (sender, printed) = mpsc::unbounded_channel();
        let mut reader = File::from(master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // A terminal that nobody has open any more gives an error.
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                if sender.send(piece[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { master: File::from(master), printed, seen: String::new(), child }
    }

    /// Waits until the terminal shows this, and forgets everything up to it.
    pub async fn expect(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let piece = timeout(PATIENCE, self.printed.recv()).await;
            match piece {
                Ok(Some(piece)) => self.seen.push_str(&String::from_utf8_lossy(&piece)),
                _ => panic!("{text:?} does not come after {:?}", self.seen),
            }
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        resize(&self.master, columns, rows);
    }

    /// Whether lines are edited by the kernel: what a shell expects to find.
    pub fn is_cooked(&self) -> bool {
        tcgetattr(&self.master).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    pub async fn status(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }
}

fn resize(master: &impl std::os::fd::AsFd, columns: u16, rows: u16) {
    tcsetwinsize(master, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

fn ssh_terminal(server: &TestServer, words: &[&str]) -> TestTerminal {
    let mut command = server.ssh();
    command.args(["-t", "slipway"]).args(words);
    TestTerminal::start(&command)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_is_known_and_followed_until_ctrl_c() {
    let server = TestServer::start().await;
    let mut terminal = ssh_terminal(&server, &["terminal"]);
    terminal.expect("xterm-test 80x24\r\n").await;
    terminal.resize(132, 43);
    terminal.expect("xterm-test 132x43\r\n").await;
    terminal.press(b"\x03");
    terminal.expect("^C\r\nsignal INT\r\n").await;
    assert_eq!(terminal.status().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_edited_and_echoed_and_ctrl_d_ends_the_input() {
    let server = TestServer::start().await;
    let mut terminal = ssh_terminal(&server, &["lines"]);
    terminal.expect("ready\r\n").await;
    terminal.press(b"blok\x7fg\r");
    terminal.expect("blok\x08 \x08g\r\nline b\"blog\\n\"\r\n").await;
    terminal.press(b"\x04");
    terminal.expect("end\r\n").await;
    assert_eq!(terminal.status().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_takes_over_gets_every_key_and_its_bytes_are_not_touched() {
    let server = TestServer::start().await;
    let mut terminal = ssh_terminal(&server, &["take-over"]);
    terminal.expect("yours\r\n").await;
    terminal.press(b"\x03");
    terminal.expect("keys b\"\\x03\"\n").await;
    terminal.press(b"\x04\x7f\rq");
    // No carriage return was added, and nothing was echoed before.
    terminal.expect("keys b\"\\x04\\x7f\\rq\"\n").await;
    assert_eq!(terminal.status().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nothing_is_translated() {
    let server = TestServer::start().await;
    assert_eq!(
        crate::ssh_client::seen(&server.run(&["terminal"]).await),
        (1, "no terminal\n".to_owned(), String::new())
    );
    let output = server.run_with_input(&["cat"], b"a\rb\x03\n\x04").await;
    assert_eq!(output.stdout, b"a\rb\x03\n\x04");
}
