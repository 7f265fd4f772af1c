//! Backups against real storages: a directory, and an S3-compatible server.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use jiff::Timestamp;
use secrecy::SecretString;
use slipway::backups::ByteStream;
use slipway::backups::destination::{Destination, S3Access, S3Key};
use slipway::backups::encryption::{Encryption, Key};
use slipway::backups::error::BackupError;
use slipway::backups::shelf::{Request, Shelf, State};
use slipway::backups::sidecar::{Contents, Count, Sidecar, Subject};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::s3_server::{BUCKET, KEY, S3Server, SECRET};

const MIB: usize = 1024 * 1024;

/// The size of a part of an upload.
const PART: usize = 8 * MIB;

/// Bytes that do not get shorter by compression, so that a dump is as long as what is stored.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes[..]);
    bytes
}

fn request(encryption: Encryption) -> Request {
    let subject = Subject {
        engine: "postgres".to_owned(),
        service: "blogdb".to_owned(),
        image: "postgres:17".to_owned(),
        version: "17".to_owned(),
        extension: "sql".to_owned(),
    };
    Request { subject, taken_at: "2026-11-21T14:32:05.25Z".parse().unwrap(), encryption }
}

fn access(server: &S3Server, secret: &str) -> S3Access {
    let key = S3Key { id: KEY.to_owned(), secret: SecretString::from(secret.to_owned()) };
    S3Access { key: Some(key), region: None, endpoint: Some(server.url.clone()) }
}

fn bucket(server: &S3Server) -> Shelf {
    let destination = format!("s3://{BUCKET}/production").parse().unwrap();
    Shelf::open(&destination, &access(server, SECRET), "postgres", "blogdb").unwrap()
}

fn directory(root: &Path) -> Shelf {
    let destination = Destination::Directory(root.join("backups"));
    Shelf::open(&destination, &S3Access::default(), "postgres", "blogdb").unwrap()
}

async fn put(shelf: &Shelf, dump: impl Into<Bytes>, how: Encryption) -> Sidecar {
    let contents = Contents::from([("posts".to_owned(), Count::between(3, 5))]);
    shelf.put(of(dump), request(how)).await.unwrap().keep(contents).await.unwrap()
}

async fn read(shelf: &Shelf, backup: &Sidecar, key: Option<Key>) -> Result<Vec<u8>, BackupError> {
    let chunks = shelf.read(backup, key).await?.try_collect::<Vec<Bytes>>().await;
    Ok(chunks.map_err(BackupError::from_io)?.concat())
}

/// A dump that is there as a whole.
fn of(dump: impl Into<Bytes>) -> ByteStream {
    Box::pin(stream::iter([Ok(dump.into())]))
}

/// Every file below a directory.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A dump that a test sends as it goes along.
fn sent() -> (mpsc::Sender<io::Result<Bytes>>, ByteStream) {
    let (sender, receiver) = mpsc::channel(1);
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    (sender, Box::pin(chunks))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_comes_back_as_it_was_whatever_its_length() {
    let (server, root) = (S3Server::start("127.0.0.1"), tempfile::tempdir().unwrap());
    for shelf in [bucket(&server), directory(root.path())] {
        for length in [0, 1, 300_000, PART, 2 * PART + 70_001] {
            let dump = noise(length);
            let backup = put(&shelf, dump.clone(), Encryption::None).await;
            assert_eq!(backup.dump_bytes, length as u64);
            let listed = shelf.list().await.unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!((listed[0].state, &listed[0].sidecar), (State::Whole, &backup));
            shelf.check(&backup).await.unwrap();
            assert!(read(&shelf, &backup, None).await.unwrap() == dump, "{length} bytes differ");
            shelf.remove(&backup).await.unwrap();
            assert_eq!(shelf.list().await.unwrap(), []);
        }
    }
    assert_eq!(files(&server.bucket()).len() + files(root.path()).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_for_the_tools_that_people_have() {
    let root = tempfile::tempdir().unwrap();
    let shelf = directory(root.path());
    let backup = put(&shelf, b"CREATE TABLE posts;".repeat(1000), Encryption::None).await;
    let folder = root.path().join("backups/postgres/blogdb");
    assert_eq!(backup.file, "2026-11-21T14-32-05-250Z.sql.zst");
    let stored = std::fs::read(folder.join(&backup.file)).unwrap();
    assert_eq!(zstd::decode_all(stored.as_slice()).unwrap(), b"CREATE TABLE posts;".repeat(1000));
    assert!(backup.stored_bytes < 1000);
    let sum = std::process::Command::new("sha256sum").arg(folder.join(&backup.file)).output().unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(&backup.sha256));
    let sidecar = std::fs::read_to_string(folder.join("2026-11-21T14-32-05-250Z.json")).unwrap();
    insta::assert_snapshot!(sidecar.replace(&backup.sha256, "SHA256"), @r#"
    {
      "name": "2026-11-21T14-32-05-250Z",
      "engine": "postgres",
      "service": "blogdb",
      "image": "postgres:17",
      "version": "17",
      "extension": "sql",
      "taken_at": 1795271525,
      "file": "2026-11-21T14-32-05-250Z.sql.zst",
      "dump_bytes": 19000,
      "stored_bytes": 40,
      "sha256": "SHA256",
      "compression": "zstd",
      "encryption": "none",
      "contents": {
        "posts": {
          "least": 3,
          "most": 5
        }
      }
    }
    "#);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_backup_opens_with_its_key_only() {
    let root = tempfile::tempdir().unwrap();
    let shelf = directory(root.path());
    let identity = age::x25519::Identity::generate();
    let passphrase = |text: &str| SecretString::from(text.to_owned());
    let right = Key::Passphrase(passphrase("correct horse"));
    let wrong = Key::Passphrase(passphrase("battery staple"));
    let secret = Key::Secret(identity.clone());
    let public = identity.to_public().to_string().parse().unwrap();
    let dump = noise(300_000);
    for (how, good, bad) in [
        (Encryption::Passphrase(passphrase("correct horse")), &right, [&wrong, &secret]),
        (Encryption::PublicKey(public), &secret, [&right, &Key::Secret(age::x25519::Identity::generate())]),
    ] {
        let backup = put(&shelf, dump.clone(), how).await;
        assert!(backup.file.ends_with(".sql.zst.age"));
        assert!(read(&shelf, &backup, Some(good.clone())).await.unwrap() == dump);
        assert!(matches!(read(&shelf, &backup, None).await, Err(BackupError::NoKey)));
        for key in bad {
            let answer = read(&shelf, &backup, Some(key.clone())).await;
            assert!(matches!(answer, Err(BackupError::WrongKey)), "{answer:?}");
        }
        shelf.check(&backup).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_an_error_wherever_the_damage_is() {
    let root = tempfile::tempdir().unwrap();
    let shelf = directory(root.path());
    let passphrase = SecretString::from("correct horse".to_owned());
    let key = Key::Passphrase(passphrase.clone());
    for how in [Encryption::None, Encryption::Passphrase(passphrase)] {
        let backup = put(&shelf, b"INSERT INTO posts;".repeat(20_000), how).await;
        let path = root.path().join("backups/postgres/blogdb").join(&backup.file);
        let stored = std::fs::read(&path).unwrap();
        for at in [0, 5, 60, stored.len() / 2, stored.len() - 1] {
            let mut damaged = stored.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            let answer = read(&shelf, &backup, Some(key.clone())).await;
            assert!(matches!(answer, Err(BackupError::Checksum)), "byte {at}: {:?}", answer.err());
            assert!(matches!(shelf.check(&backup).await, Err(BackupError::Checksum)));
        }
        std::fs::write(&path, &stored[..stored.len() - 1]).unwrap();
        assert!(matches!(read(&shelf, &backup, Some(key.clone())).await, Err(BackupError::Length { .. })));
        assert!(matches!(shelf.list().await.unwrap()[0].state, State::Length(_)));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(&shelf, &backup, Some(key.clone())).await, Err(BackupError::FileMissing(_))));
        assert_eq!(shelf.list().await.unwrap()[0].state, State::Missing);
        assert!(matches!(shelf.find("newest").await, Err(BackupError::NotFound(_))));
        shelf.remove(&backup).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_breaks_off_leaves_nothing() {
    let (server, root) = (S3Server::start("127.0.0.1"), tempfile::tempdir().unwrap());
    for (shelf, folder) in [(bucket(&server), server.root()), (directory(root.path()), root.path())] {
        for length in [100, 2 * PART] {
            let chunks = [Ok(noise(length).into()), Err(io::Error::other("the engine died"))];
            let dump: ByteStream = Box::pin(stream::iter(chunks));
            let answer = shelf.put(dump, request(Encryption::None)).await;
            assert!(matches!(answer, Err(BackupError::Dump(_))), "{answer:?}");
            // The storage tidies up its own files when it has noticed.
            until("something is left behind", || files(folder).is_empty()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_no_longer_waits_leaves_nothing() {
    let (server, root) = (S3Server::start("127.0.0.1"), tempfile::tempdir().unwrap());
    for (shelf, folder) in [(bucket(&server), server.root()), (directory(root.path()), root.path())] {
        let (sender, dump) = sent();
        let waiting = tokio::spawn(async move { shelf.put(dump, request(Encryption::None)).await.is_ok() });
        for _ in 0..20 {
            sender.send(Ok(Bytes::from(noise(MIB)))).await.unwrap();
        }
        until("nothing of it arrives", || !files(folder).is_empty()).await;
        waiting.abort();
        until("something is left behind", || files(folder).is_empty()).await;
        until("the dump is still read", || sender.is_closed()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_dies_in_the_middle_is_an_error() {
    let mut server = S3Server::start("127.0.0.1");
    let shelf = bucket(&server);
    let (sender, dump) = sent();
    let waiting = tokio::spawn(async move { shelf.put(dump, request(Encryption::None)).await.map(|_| ()) });
    for _ in 0..20 {
        sender.send(Ok(Bytes::from(noise(MIB)))).await.unwrap();
    }
    server.stop();
    // What still fits into the buffers is taken, and then nothing.
    while sender.send(Ok(Bytes::from(noise(MIB)))).await.is_ok() {}
    let answer = waiting.await.unwrap();
    assert!(matches!(answer, Err(BackupError::Unreachable(_))), "{answer:?}");
    assert_eq!(files(&server.bucket()), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_storage_is_told_apart() {
    let mut server = S3Server::start("127.0.0.1");
    let open = |bucket: &str, access: S3Access| {
        Shelf::open(&bucket.parse().unwrap(), &access, "postgres", "blogdb").unwrap()
    };
    let nobody = open(BUCKET, access(&server, "wrong"));
    let nowhere = open("elsewhere", access(&server, SECRET));
    let attempt = |shelf: Shelf| async move {
        let put = shelf.put(of(&b"dump"[..]), request(Encryption::None)).await.map(|_| ());
        (put, shelf.list().await.map(|_| ()))
    };
    let (put, list) = attempt(nobody.clone()).await;
    assert!(matches!(put, Err(BackupError::Credentials(_))), "{put:?}");
    assert!(matches!(list, Err(BackupError::Credentials(_))), "{list:?}");
    // This server makes a bucket that something is put into.
    let list = nowhere.list().await;
    assert!(matches!(list, Err(BackupError::NoPlace(_))), "{list:?}");
    server.stop();
    let (put, list) = attempt(nobody).await;
    assert!(matches!(put, Err(BackupError::Unreachable(_))), "{put:?}");
    assert!(matches!(list, Err(BackupError::Unreachable(_))), "{list:?}");
    let root = TempDir::new().unwrap();
    std::fs::write(root.path().join("file"), "").unwrap();
    let blocked = Destination::Directory(root.path().join("file"));
    let answer = Shelf::open(&blocked, &S3Access::default(), "postgres", "blogdb");
    assert!(matches!(answer, Err(BackupError::NoPlace(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_is_swept_and_backups_stay() {
    let root = tempfile::tempdir().unwrap();
    let shelf = directory(root.path());
    let backup = put(&shelf, &b"dump"[..], Encryption::None).await;
    let mut later = request(Encryption::None);
    later.taken_at += jiff::SignedDuration::from_secs(60);
    drop(shelf.put(of(&b"no sidecar"[..]), later).await.unwrap());
    assert_eq!(files(root.path()).len(), 3);
    let now = Timestamp::now();
    shelf.sweep(now).await.unwrap();
    assert_eq!(files(root.path()).len(), 3, "somebody may still be at it");
    shelf.sweep(now + jiff::SignedDuration::from_hours(48)).await.unwrap();
    assert_eq!(files(root.path()).len(), 2);
    assert_eq!(read(&shelf, &backup, None).await.unwrap(), b"dump");
}
