//! Who gets in: only keys that somebody holds and that the client can sign with.

use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, SendError, Signer, client};
use tokio::process::Command;
use tokio::time::timeout;

use crate::face_commands::PATIENCE;
use crate::ssh_client::{TestKey, TestServer, finish, make_key, seen, text};

#[tokio::test(flavor = "multi_thread")]
async fn every_common_kind_of_key_gets_in() {
    let server = TestServer::start().await;
    let kinds: [(&str, &[&str], &[&str]); 6] = [
        ("ed25519", &["-t", "ed25519"], &[]),
        ("p256", &["-t", "ecdsa", "-b", "256"], &[]),
        ("p384", &["-t", "ecdsa", "-b", "384"], &[]),
        ("p521", &["-t", "ecdsa", "-b", "521"], &[]),
        ("rsa512", &["-t", "rsa", "-b", "2048"], &["-o", "PubkeyAcceptedAlgorithms=rsa-sha2-512"]),
        ("rsa256", &["-t", "rsa", "-b", "2048"], &["-o", "PubkeyAcceptedAlgorithms=rsa-sha2-256"]),
    ];
    for (name, kind, options) in kinds {
        let key = make_key(server.home.path(), name, kind).await;
        server.commands.add_key(&key.fingerprint, name);
        let child = server.ssh_with(&key).args(options).args(["anybody@slipway", "whoami"]).spawn().unwrap();
        assert_eq!(seen(&finish(child).await), (0, format!("{name}\n"), String::new()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nobody_holds_and_sha1_stay_out() {
    let server = TestServer::start().await;
    let stranger = make_key(server.home.path(), "stranger", &["-t", "ed25519"]).await;
    let (status, _, error) =
        seen(&finish(server.ssh_with(&stranger).args(["slipway", "whoami"]).spawn().unwrap()).await);
    assert_eq!(status, 255);
    assert!(error.contains("Permission denied (publickey)"), "{error}");
    let rsa = make_key(server.home.path(), "rsa", &["-t", "rsa", "-b", "2048"]).await;
    server.commands.add_key(&rsa.fingerprint, "rsa");
    let child = server
        .ssh_with(&rsa)
        .args(["-o", "PubkeyAcceptedAlgorithms=ssh-rsa", "slipway", "whoami"])
        .spawn()
        .unwrap();
    assert_eq!(seen(&finish(child).await).0, 255);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_key_is_found_among_others_and_too_many_end_it() {
    let server = TestServer::start().await;
    let mut strangers = Vec::new();
    for number in 0..6 {
        strangers.push(make_key(server.home.path(), &format!("s{number}"), &["-t", "ed25519"]).await);
    }
    let mut command = server.ssh_with(&strangers[0]);
    for stranger in &strangers[1..5] {
        command.arg("-i").arg(&stranger.path);
    }
    let child = command.arg("-i").arg(&server.key.path).args(["slipway", "whoami"]).spawn().unwrap();
    assert_eq!(seen(&finish(child).await).1, "person\n");
    let mut command = server.ssh_with(&strangers[0]);
    for stranger in &strangers[1..] {
        command.arg("-i").arg(&stranger.path);
    }
    let child = command.arg("-i").arg(&server.key.path).args(["slipway", "whoami"]).spawn().unwrap();
    let (status, _, error) = seen(&finish(child).await);
    assert_eq!(status, 255);
    assert!(error.contains("Too many authentication"), "{error}");
}

/// A client that trusts any server: the tests are on one machine.
pub struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Signs with a key of its own, whatever key it is asked for.
struct Thief {
    key: PrivateKey,
    signatures: usize,
}

impl Signer for Thief {
    type Error = SendError;

    async fn auth_sign(
        &mut self,
        _asked_for: &AgentIdentity,
        _hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SendError> {
        self.signatures += 1;
        let signature = self.key.try_sign(&to_sign).unwrap().encode_vec().unwrap();
        signature.encode(&mut to_sign).unwrap();
        Ok(to_sign)
    }
}

fn read_key(key: &TestKey) -> PrivateKey {
    PrivateKey::read_openssh_file(&key.path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_signed_counts_and_not_one_that_was_offered() {
    let server = TestServer::start().await;
    let admin = make_key(server.home.path(), "admin", &["-t", "ed25519"]).await;
    server.commands.add_key(&admin.fingerprint, "admin");
    let address = ("127.0.0.1", server.port);
    let mut session = client::connect(Arc::default(), address, Trusting).await.unwrap();

    // The server knows the key, so it asks for a signature; the signature is by another key.
    let mut thief = Thief { key: read_key(&server.key), signatures: 0 };
    let stolen = read_key(&admin).public_key().clone();
    let answer =
        session.authenticate_publickey_with("slipway", stolen.clone(), None, &mut thief).await.unwrap();
    assert!(!answer.success(), "{answer:?}");
    assert_eq!(thief.signatures, 1);

    // On the same connection with a key of their own: they are who they are.
    let own = PrivateKeyWithHashAlg::new(Arc::new(read_key(&server.key)), None);
    assert!(session.authenticate_publickey("slipway", own).await.unwrap().success());
    assert_eq!(whoami(&session).await, "person\n");

    // The same way with the right key: it was the signature that made the difference.
    let mut session = client::connect(Arc::default(), address, Trusting).await.unwrap();
    let mut owner = Thief { key: read_key(&admin), signatures: 0 };
    let answer = session.authenticate_publickey_with("slipway", stolen, None, &mut owner).await.unwrap();
    assert!(answer.success(), "{answer:?}");
    assert_eq!(whoami(&session).await, "admin\n");
}

/// Asks the server whom it sees.
pub async fn whoami(session: &client::Handle<Trusting>) -> String {
    let mut channel = session.channel_open_session().await.unwrap();
    channel.exec(true, "whoami").await.unwrap();
    read_to_end(&mut channel).await.0
}

/// What a command writes to its standard output, and its status.
pub async fn read_to_end(channel: &mut Channel<client::Msg>) -> (String, Option<u32>) {
    let (mut output, mut status) = (Vec::new(), None);
    while let Some(message) = timeout(PATIENCE, channel.wait()).await.unwrap() {
        match message {
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    (text(&output), status)
}

/// A client without the limits of the real one, let in with the server's key.
pub async fn connect(server: &TestServer) -> client::Handle<Trusting> {
    let address = ("127.0.0.1", server.port);
    let mut session = client::connect(Arc::default(), address, Trusting).await.unwrap();
    let own = PrivateKeyWithHashAlg::new(Arc::new(read_key(&server.key)), None);
    assert!(session.authenticate_publickey("slipway", own).await.unwrap().success());
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_key_is_of_no_use_on_an_open_connection() {
    let server = TestServer::start().await;
    let control = format!("ControlPath={}", server.home.path().join("mux").display());
    let mut server = server;
    let _master =
        server.ssh().args(["-o", "ControlMaster=yes", "-o", &control, "slipway", "deaf"]).spawn().unwrap();
    crate::face_commands::next_event(&mut server.events).await;
    let again = || -> Command {
        let mut command = server.ssh();
        command.args(["-o", "ControlMaster=no", "-o", &control, "slipway", "whoami"]);
        command
    };
    assert_eq!(seen(&finish(again().spawn().unwrap()).await).1, "person\n");
    server.commands.remove_key(&server.key.fingerprint);
    let (status, output, error) = seen(&finish(again().spawn().unwrap()).await);
    assert_eq!((status, output.as_str(), error.as_str()), (1, "", " !     This key was removed.\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_not_a_way_in() {
    let server = TestServer::start().await;
    // Signed by the key that is known, for a key that is not.
    let other = make_key(server.home.path(), "other", &["-t", "ed25519"]).await;
    let signed = Command::new("ssh-keygen")
        .arg("-q")
        .arg("-s")
        .arg(&server.key.path)
        .args(["-I", "x", "-n", "slipway"])
        .arg(other.path.with_extension("pub"))
        .status()
        .await
        .unwrap();
    assert!(signed.success());
    let (status, _, error) =
        seen(&finish(server.ssh_with(&other).args(["slipway", "whoami"]).spawn().unwrap()).await);
    assert_eq!(status, 255, "{error}");
}
