//! Plugins: numbers, settings, runs.

use secrecy::{ExposeSecret as _, SecretString};
use slipway::model::plugin::PluginSource;
use slipway::store::plugins::{PluginRun, RUNS_KEPT};

use crate::store::Database;

#[tokio::test]
async fn no_two_plugins_ever_have_the_same_user() {
    let database = Database::new();
    let store = &database.store;
    let (first, second) = ("a".parse().unwrap(), "b".parse().unwrap());
    store.put_plugin(&first, &PluginSource::Stdin).await.unwrap();
    let user = store.plugins().await.unwrap()[0].user;
    store.put_plugin(&first, &PluginSource::Stdin).await.unwrap();
    assert_eq!(store.plugins().await.unwrap()[0].user, user, "an update keeps it");
    store.remove_plugin(&first).await.unwrap();
    store.put_plugin(&second, &PluginSource::Stdin).await.unwrap();
    assert!(store.plugins().await.unwrap()[0].user > user);
}

#[tokio::test]
async fn settings_are_of_an_app_or_of_all_and_sealed() {
    let database = Database::new();
    let store = &database.store;
    let (name, app) = ("a".parse().unwrap(), database.app("blog").await.id);
    store.put_plugin(&name, &PluginSource::Stdin).await.unwrap();
    for (app, value) in [(None, "for-all"), (Some(app), "for-blog"), (None, "for-all-again")] {
        let value = Some(SecretString::from(value));
        store.set_plugin_setting((&name, app), "TOKEN", value).await.unwrap();
    }
    let value = async |app| {
        let settings = store.plugin_settings(&name, app).await.unwrap();
        settings.into_iter().map(|(_, value)| value.expose_secret().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(value(None).await, ["for-all-again"]);
    assert_eq!(value(Some(app)).await, ["for-blog"]);
    store.set_plugin_setting((&name, None), "TOKEN", None).await.unwrap();
    assert!(value(None).await.is_empty());
    for file in ["slipway.db", "slipway.db-wal"] {
        let bytes = std::fs::read(database.directory.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(8).any(|window| window == b"for-blog"), "{file}");
    }
}

#[tokio::test]
async fn only_the_last_runs_are_remembered() {
    let database = Database::new();
    let store = &database.store;
    let name = "a".parse().unwrap();
    store.put_plugin(&name, &PluginSource::Stdin).await.unwrap();
    for number in 0..RUNS_KEPT + 5 {
        let run = PluginRun {
            executable: "hooks/daily".to_owned(),
            app: None,
            started_at: number,
            duration_ms: 1,
            result: "ok".to_owned(),
            detail: String::new(),
        };
        store.add_plugin_run(&name, run).await.unwrap();
    }
    let runs = store.plugin_runs(&name).await.unwrap();
    assert_eq!((runs.len(), runs[0].started_at), (100, RUNS_KEPT + 4));
}
