//! What plugins add to releases, and what a clone of an app gets.

use secrecy::{ExposeSecret as _, SecretString};
use slipway::model::additions::{AddedRoute, Additions};
use slipway::model::hostname::Hostname;
use slipway::model::plugin::PluginSource;
use slipway::store::StoreError;
use slipway::store::apps::AppRecord;
use slipway::store::domains::DomainsChange;

use super::{Database, content, same_config, vars};

/// A release with these places, which serves from then on.
async fn serve(database: &Database, app: &AppRecord, places: &[&str]) -> Result<(), StoreError> {
    let route = |place: &&str| AddedRoute {
        plugin: "gate".parse().unwrap(),
        place: place.parse().unwrap(),
        strip: false,
    };
    let mut wanted = content("image", vars(&[]));
    wanted.additions = Additions { routes: places.iter().map(route).collect(), ..Additions::default() };
    let release = database.store.add_release(app.id, wanted, "ann", "Deploy").await.unwrap();
    database.store.commit_switch(app.id, release.id, Vec::new(), ([].into(), same_config())).await
}

/// All that leads to an app, and which of it because of a plugin.
async fn places(database: &Database, app: &AppRecord) -> (Vec<String>, Vec<String>) {
    let store = &database.store;
    let hosts = store.domains(Some(app.id)).await.unwrap().into_iter().map(|host| host.to_string());
    let paths = store.path_routes(app.id).await.unwrap().into_iter().map(|route| route.to_string());
    let added = store.added_places(app.id).await.unwrap().into_iter().map(|(place, _)| place);
    (hosts.chain(paths).collect(), added.collect())
}

fn hosts(names: &[&str]) -> Vec<Hostname> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn places_come_and_go_with_releases_and_a_persons_own_stay() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    let store = &database.store;
    let change = async |change| store.change_domains(Some(blog.id), change).await;
    change(DomainsChange::Add(hosts(&["own.x", "both.x"]))).await.unwrap();

    serve(&database, &blog, &["both.x", "first.x", "own.x/api"]).await.unwrap();
    let (all, added) = places(&database, &blog).await;
    assert_eq!(all, ["own.x", "both.x", "first.x", "own.x/api"]);
    assert_eq!(added, ["first.x", "own.x/api"]);

    // Whatever a person removes, a plugin's stay; one that a person adds is the person's.
    change(DomainsChange::Remove(hosts(&["first.x"]))).await.unwrap();
    change(DomainsChange::Set(hosts(&["own.x"]))).await.unwrap();
    store.remove_path_routes(blog.id, None).await.unwrap();
    assert_eq!(places(&database, &blog).await.1, ["first.x", "own.x/api"]);
    change(DomainsChange::Add(hosts(&["first.x"]))).await.unwrap();
    assert_eq!(places(&database, &blog).await.1, ["own.x/api"]);

    // What is another app's stops the switch, and nothing of it happens.
    let refused = serve(&database, &shop, &["new.x", "own.x/api"]).await;
    assert!(matches!(&refused, Err(StoreError::Taken(place)) if place == "own.x/api"), "{refused:?}");
    assert_eq!(store.app_by_id(shop.id).await.unwrap().unwrap().current_release, None);

    serve(&database, &blog, &[]).await.unwrap();
    assert_eq!(places(&database, &blog).await, (vec!["own.x".to_owned(), "first.x".to_owned()], vec![]));
    serve(&database, &shop, &["new.x", "own.x/api"]).await.unwrap();
    let release = store.app_by_id(shop.id).await.unwrap().unwrap().current_release.unwrap();
    assert_eq!(store.release(release).await.unwrap().unwrap().content.additions.routes.len(), 2);
}

#[tokio::test]
async fn a_clone_gets_settings_and_not_what_is_one_apps() {
    let database = Database::new();
    let (old, new) = (database.app("old").await, database.app("new").await);
    let store = &database.store;
    let (plugin, secret) = ("gate".parse().unwrap(), SecretString::from("secret"));
    store.put_plugin(&plugin, &PluginSource::Stdin).await.unwrap();
    store.set_plugin_setting((&plugin, Some(old.id)), "TOKEN", Some(secret)).await.unwrap();
    let (target, link_key) = (database.app("target").await, "TARGET_URL".parse().unwrap());
    store.change_config(Some(old.id), vars(&[("A", "one")]), Vec::new()).await.unwrap();
    let url = vars(&[("X", "http://target")]).into_values().next().unwrap();
    store.add_link((old.id, target.id), link_key, url).await.unwrap().unwrap();
    for name in ["deploy-branch", "router-canonical-host", "acme-enabled", "first-deploy-owed"] {
        store.set_property(Some(old.id), name, Some("x".to_owned())).await.unwrap();
    }
    let change = DomainsChange::Add(hosts(&["own.x"]));
    store.change_domains(Some(old.id), change).await.unwrap();
    store.set_vhosts_enabled(old.id, false).await.unwrap();

    store.copy_settings(old.id, new.id).await.unwrap();

    assert_eq!(store.config(Some(new.id)).await.unwrap(), vars(&[("A", "one")]));
    let settings = store.plugin_settings(&plugin, Some(new.id)).await.unwrap();
    assert_eq!(settings[0].1.expose_secret(), "secret");
    let mut properties = Vec::new();
    for name in ["deploy-branch", "router-canonical-host", "acme-enabled", "first-deploy-owed"] {
        properties.push(store.property(Some(new.id), name).await.unwrap().is_some());
    }
    assert_eq!(properties, [true, false, false, false]);
    assert!(store.domains(Some(new.id)).await.unwrap().is_empty());
    assert!(!store.app_by_id(new.id).await.unwrap().unwrap().vhosts_enabled);
}
