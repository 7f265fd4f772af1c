//! Commands for the tests of the faces: each does one thing that a real command does to its client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use slipway::console::CommandIo;
use slipway::face::Commands;
use slipway::model::role::{AppAccess, Caller, Role};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long anything in these tests may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What [`TestCommands`] tells the test.
pub type Events = mpsc::UnboundedReceiver<String>;

/// The commands, and the keys that are let in.
#[derive(Clone, Debug)]
pub struct TestCommands {
    keys: Arc<Mutex<HashMap<String, String>>>,
    events: mpsc::UnboundedSender<String>,
}

impl TestCommands {
    /// Starts without keys.
    pub fn new() -> (Self, Events) {
        let (events, received) = mpsc::unbounded_channel();
        (Self { keys: Arc::default(), events }, received)
    }

    pub fn add_key(&self, fingerprint: &str, name: &str) {
        self.keys.lock().unwrap().insert(fingerprint.to_owned(), name.to_owned());
    }

    pub fn remove_key(&self, fingerprint: &str) {
        self.keys.lock().unwrap().remove(fingerprint).unwrap();
    }

    fn event(&self, text: impl Into<String>) {
        // A test that has ended hears nothing more.
        self.events.send(text.into()).ok();
    }
}

/// Waits for an event, with a bound.
pub async fn next_event(events: &mut Events) -> String {
    timeout(PATIENCE, events.recv()).await.expect("an event in time").expect("an open channel")
}

impl Commands for TestCommands {
    async fn identify(&self, fingerprint: &str) -> Option<Caller> {
        let name = self.keys.lock().unwrap().get(fingerprint).cloned()?;
        Some(Caller {
            name,
            fingerprint: Some(fingerprint.to_owned()),
            role: Role::Deployer,
            access: AppAccess::All,
            pass: None,
        })
    }

    async fn tunnel(&self, _caller: &Caller, host: &str, port: u16) -> Option<TcpStream> {
        if host != "service" {
            return None;
        }
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    }

    async fn execute(&self, caller: Caller, words: Vec<String>, mut io: CommandIo) -> u8 {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => io.console.line(format!("hello {}", caller.name)).await,
            ["words", rest @ ..] => io.console.line(format!("{rest:?}")).await,
            ["whoami"] => io.console.line(caller.name).await,
            ["exit", status] => return status.parse().unwrap(),
            ["both"] => {
                io.console.stdout("out\n").await;
                io.console.stderr("err\n").await;
            }
            ["env"] => io.console.line(format!("{:?}", io.environment)).await,
            ["pre-receive"] => {
                io.console.line(format!("{:?}", io.environment)).await;
                while let Some(chunk) = io.stdin.recv().await {
                    io.console.stdout(chunk).await;
                }
                io.console.stderr("refused\n").await;
                return 17;
            }
            ["cat"] => {
                while let Some(chunk) = io.stdin.recv().await {
                    io.console.stdout(chunk).await;
                }
            }
            ["sum"] => {
                let sum = sum(&mut io).await;
                io.console.line(sum).await;
            }
            ["big", bytes] => return big(&io, bytes.parse().unwrap()).await,
            _ => return self.execute_waiting(&words, io).await,
        }
        0
    }
}

impl TestCommands {
    /// Commands that wait for something to happen to their client.
    async fn execute_waiting(&self, words: &[&str], mut io: CommandIo) -> u8 {
        match words {
            ["deaf"] => {
                self.event("deaf");
                io.client_gone.cancelled().await;
                self.event("gone");
            }
            ["deaf-until-int"] => {
                self.event("deaf");
                let signal = io.signals.recv().await.unwrap_or_default();
                io.console.line(signal).await;
                return 130;
            }
            ["no-signals"] => {
                drop(io.signals);
                self.event("waiting");
                io.client_gone.cancelled().await;
                io.console.line("stopped").await;
                return 9;
            }
            ["late-reader"] => {
                self.event("waiting");
                // The test lets it read on with a signal.
                io.signals.recv().await.unwrap();
                let sum = sum(&mut io).await;
                io.console.line(sum).await;
            }
            ["panic"] => panic!("as asked"),
            ["terminal"] => return terminal(&mut io).await,
            ["take-over"] => return take_over(&mut io).await,
            ["lines"] => {
                io.console.line("ready").await;
                while let Some(line) = io.stdin.recv().await {
                    io.console.line(format!("line {line:?}")).await;
                }
                io.console.line("end").await;
            }
            _ => {
                io.console.warn(format!("no command {words:?}")).await;
                return 127;
            }
        }
        0
    }
}

/// The length and a checksum of the input.
async fn sum(io: &mut CommandIo) -> String {
    let (mut length, mut hash) = (0_usize, START);
    while let Some(chunk) = io.stdin.recv().await {
        length += chunk.len();
        hash = extend_hash(hash, &chunk);
    }
    format!("{length} {hash:016x}")
}

/// The checksum of nothing.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn extend_hash(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What `sum` prints for these bytes.
pub fn expected_sum(bytes: &[u8]) -> String {
    format!("{} {:016x}\n", bytes.len(), extend_hash(START, bytes))
}

/// Bytes that repeat only after a long while, so that a lost or swapped piece shows.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

async fn big(io: &CommandIo, length: usize) -> u8 {
    let bytes = Bytes::from(pattern(length));
    for start in (0..length).step_by(50_000) {
        io.console.stdout(bytes.slice(start..length.min(start + 50_000))).await;
    }
    3
}

async fn terminal(io: &mut CommandIo) -> u8 {
    let Some(terminal) = &mut io.terminal else {
        io.console.line("no terminal").await;
        return 1;
    };
    loop {
        let size = *terminal.size.borrow_and_update();
        io.console.line(format!("{} {}x{}", terminal.kind, size.columns, size.rows)).await;
        tokio::select! {
            changed = terminal.size.changed() => changed.unwrap(),
            signal = io.signals.recv() => {
                io.console.line(format!("signal {}", signal.unwrap())).await;
                return 0;
            }
        }
    }
}

async fn take_over(io: &mut CommandIo) -> u8 {
    io.terminal.as_ref().unwrap().take_over();
    io.console.line("yours").await;
    while let Some(keys) = io.stdin.recv().await {
        io.console.terminal(format!("keys {keys:?}\n")).await;
        if keys.contains(&b'q') {
            return 0;
        }
    }
    1
}
