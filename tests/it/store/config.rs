//! Config vars: sealed on the disk, whole or not at all, app's over global ones.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use slipway::store::StoreError;
use slipway::store::secret::SecretError;
use tokio::runtime::Runtime;

use super::{Database, content, vars};

const SECRET: &str = "correct horse battery staple";

pub fn occurrences(directory: &Path, needle: &str) -> Vec<String> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| {
            let bytes = fs::read(file).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn a_value_is_in_no_file_of_the_database_and_its_name_is() {
    let database = Database::new();
    let app = database.app("blog").await;
    let config = vars(&[("A_RARE_NAME", SECRET)]);
    database.store.change_config(Some(app.id), config.clone(), Vec::new()).await.unwrap();
    database.store.change_config(None, config.clone(), Vec::new()).await.unwrap();
    let release =
        database.store.add_release(app.id, content("image", config.clone()), "ann", "Deploy").await.unwrap();

    // Once with the write-ahead log beside it, once without.
    assert_eq!(occurrences(database.directory.path(), SECRET), [] as [String; 0]);
    let database = database.reopened();
    assert_eq!(occurrences(database.directory.path(), SECRET), [] as [String; 0]);
    assert!(!occurrences(database.directory.path(), "A_RARE_NAME").is_empty(), "the search finds nothing");
    assert_eq!(database.store.config(Some(app.id)).await.unwrap(), config);
    assert_eq!(database.store.release(release.id).await.unwrap().unwrap().content.config, config);
}

#[tokio::test]
async fn a_sealed_value_that_was_moved_to_another_place_is_refused() {
    let database = Database::new();
    let app = database.app("blog").await;
    database.store.change_config(Some(app.id), vars(&[("A", "a"), ("B", "b")]), Vec::new()).await.unwrap();
    let directory = database.closed();
    let connection = rusqlite::Connection::open(directory.path().join("slipway.db")).unwrap();
    let moved = connection
        .execute("UPDATE config SET value = (SELECT value FROM config WHERE key = 'A') WHERE key = 'B'", []);
    assert_eq!(moved, Ok(1));
    drop(connection);

    let (store, _thread) = slipway::store::Store::open(directory.path()).unwrap();
    let read = store.config(Some(app.id)).await;
    assert!(matches!(read, Err(StoreError::Secret(SecretError::Open))), "{read:?}");
}

#[tokio::test]
async fn an_app_has_the_global_vars_unless_it_has_its_own() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    let store = &database.store;
    store.change_config(None, vars(&[("A", "global"), ("B", "global")]), Vec::new()).await.unwrap();
    store.change_config(Some(blog.id), vars(&[("B", "blog"), ("C", "")]), Vec::new()).await.unwrap();

    assert_eq!(store.config(Some(blog.id)).await.unwrap(), vars(&[("B", "blog"), ("C", "")]));
    let merged = store.merged_config(blog.id).await.unwrap();
    assert_eq!(merged, vars(&[("A", "global"), ("B", "blog"), ("C", "")]));
    assert_eq!(store.merged_config(shop.id).await.unwrap(), vars(&[("A", "global"), ("B", "global")]));

    let unset = vec!["B".parse().unwrap(), "NEVER_SET".parse().unwrap()];
    store.change_config(Some(blog.id), vars(&[("C", "c")]), unset).await.unwrap();
    assert_eq!(
        store.merged_config(blog.id).await.unwrap(),
        vars(&[("A", "global"), ("B", "global"), ("C", "c")])
    );
}

#[tokio::test]
async fn vars_of_an_app_that_is_gone_are_not_taken() {
    let database = Database::new();
    let blog = database.app("blog").await;
    database.store.delete_app(blog.id).await.unwrap();
    let set = database.store.change_config(Some(blog.id), vars(&[("A", "a")]), Vec::new()).await;
    assert!(matches!(set, Err(StoreError::Sqlite(_))), "{set:?}");
    assert!(database.store.config(None).await.unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn any_text_without_nul_comes_back_byte_for_byte(value in "[^\\x00]{0,300}") {
        let runtime = Runtime::new().unwrap();
        let (read, released) = runtime.block_on(async {
            let database = Database::new();
            let app = database.app("blog").await;
            let config = vars(&[("A", &value)]);
            database.store.change_config(Some(app.id), config.clone(), Vec::new()).await.unwrap();
            let release = database.store.add_release(app.id, content("i", config), "ann", "").await.unwrap();
            let read = database.store.config(Some(app.id)).await.unwrap();
            (read, database.store.release(release.id).await.unwrap().unwrap().content.config)
        });
        prop_assert_eq!(&read, &vars(&[("A", &value)]));
        prop_assert_eq!(read, released);
    }
}
