//! Opening: the file is made once, found again, and left alone when it is another version's or its key is gone.

use std::fs;

use rusqlite::Connection;
use slipway::store::secret::SecretError;
use slipway::store::{Store, StoreError};

use super::Database;

#[tokio::test]
async fn what_was_recorded_is_there_after_the_server_started_again() {
    let database = Database::new();
    let blog = database.app("blog").await;
    database.store.set_locked(blog.id, true).await.unwrap();
    let database = database.reopened().reopened();
    let found = database.store.app_by_id(blog.id).await.unwrap().unwrap();
    assert!(found.locked && found.name == blog.name && found.created_at == blog.created_at);
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_not_touched() {
    let directory = Database::new().closed();
    let path = directory.path().join("slipway.db");
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 9000).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();

    let error = Store::open(directory.path()).unwrap_err();

    assert!(matches!(error, StoreError::Newer { found: 9000, .. }), "{error}");
    assert!(error.to_string().contains("9000"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("slipway.db");
    let text = "somebody's notes, and far too dear to be lost\n".repeat(100);
    fs::write(&path, &text).unwrap();
    fs::write(directory.path().join("secret.key"), [7; 32]).unwrap();
    assert!(matches!(Store::open(directory.path()), Err(StoreError::Sqlite(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn without_its_key_a_database_is_not_opened_and_gets_no_new_key() {
    let directory = Database::new().closed();
    let key = directory.path().join("secret.key");
    fs::remove_file(&key).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Secret(SecretError::Missing(_))), "{error}");
    assert!(!key.exists());
}
