//! Apps: one of a name, renamed, destroyed with all that is theirs.

use std::convert::Infallible;

use slipway::model::build::BuildKind;
use slipway::model::role::{AppAccess, Role};
use slipway::store::StoreError;
use slipway::store::domains::DomainsChange;

use super::{Database, content, same_config, vars};
use crate::store::keys_and_domains::key;

#[tokio::test]
async fn there_is_one_app_of_a_name_and_no_name_is_matched_by_a_part_of_it() {
    let database = Database::new();
    database.app("blog").await;
    database.app("blog-staging").await;

    let again = database.store.create_app(&"blog".parse().unwrap()).await;
    assert!(matches!(again, Err(StoreError::Taken(name)) if name == "blog"));
    assert!(database.store.app(&"blo".parse().unwrap()).await.unwrap().is_none());
    let names: Vec<String> =
        database.store.apps().await.unwrap().into_iter().map(|app| app.name.to_string()).collect();
    assert_eq!(names, ["blog", "blog-staging"]);
}

#[tokio::test]
async fn a_rename_keeps_the_row_and_takes_limited_keys_along() {
    let database = Database::new();
    let blog = database.app("blog").await;
    database.app("shop").await;
    let store = &database.store;
    let only = |names: &[&str]| AppAccess::Only(names.iter().map(|name| name.parse().unwrap()).collect());
    store.add_key(key("ann", "1", Role::Deployer, only(&["shop", "blog"]))).await.unwrap();
    store.add_key(key("bob", "2", Role::Deployer, only(&["blog-staging"]))).await.unwrap();

    let onto_another = store.rename_app(blog.id, &"shop".parse().unwrap()).await;
    assert!(matches!(onto_another, Err(StoreError::Taken(_))));
    store.rename_app(blog.id, &"journal".parse().unwrap()).await.unwrap();

    assert_eq!(store.app(&"journal".parse().unwrap()).await.unwrap().unwrap().id, blog.id);
    assert!(store.app(&"blog".parse().unwrap()).await.unwrap().is_none());
    let access: Vec<AppAccess> = store.keys().await.unwrap().into_iter().map(|key| key.access).collect();
    assert_eq!(access, [only(&["shop", "journal"]), only(&["blog-staging"])]);
}

#[tokio::test]
async fn nothing_of_a_deleted_app_is_left_and_nothing_of_others_is_gone() {
    let database = Database::new();
    let store = &database.store;
    for name in ["blog", "shop"] {
        let app = database.app(name).await;
        let id = Some(app.id);
        store.change_config(id, vars(&[("A", name)]), Vec::new()).await.unwrap();
        store.set_property(id, "build-dir", Some(name.to_owned())).await.unwrap();
        let domain = DomainsChange::Add(vec![format!("{name}.example.com").parse().unwrap()]);
        store.change_domains(id, domain).await.unwrap();
        let release =
            store.add_release(app.id, content(name, vars(&[("A", name)])), "ann", "Deploy").await.unwrap();
        let instance = super::history::instance(app.id, "web.1", &format!("container-{name}"), release.id);
        store.commit_switch(app.id, release.id, vec![instance], ([].into(), same_config())).await.unwrap();
        store.begin_build(app.id, BuildKind::Build, "1f6c3a2", "ann").await.unwrap();
        store.set_formation(app.id, [("web".parse().unwrap(), 2)].into()).await.unwrap();
        let ports = vec!["http:80:5000".parse().unwrap()];
        store.change_ports(app.id, |_| Ok::<_, Infallible>(ports)).await.unwrap().unwrap();
    }
    let blog = store.app(&"blog".parse().unwrap()).await.unwrap().unwrap();
    let shop = store.app(&"shop".parse().unwrap()).await.unwrap().unwrap();

    store.delete_app(blog.id).await.unwrap();

    assert_eq!(store.app_by_id(blog.id).await.unwrap(), None);
    assert!(store.config(Some(blog.id)).await.unwrap().is_empty());
    assert!(store.domain_owner(&"blog.example.com".parse().unwrap()).await.unwrap().is_none());
    assert!(store.releases(blog.id, 9).await.unwrap().is_empty());
    assert!(store.builds(Some(blog.id), 9).await.unwrap().is_empty());
    assert!(store.formation(blog.id).await.unwrap().is_empty());
    assert!(store.ports(blog.id).await.unwrap().is_empty());
    assert_eq!(store.property(Some(blog.id), "build-dir").await.unwrap(), None);
    let left: Vec<String> = store
        .instances(None)
        .await
        .unwrap()
        .into_iter()
        .map(|instance| instance.container.to_string())
        .collect();
    assert_eq!(left, ["container-shop"]);
    assert_eq!(store.config(Some(shop.id)).await.unwrap(), vars(&[("A", "shop")]));
    assert_eq!(store.releases(shop.id, 9).await.unwrap().len(), 1);
    assert_eq!(store.ports(shop.id).await.unwrap().len(), 1);
    assert_eq!(store.property(Some(shop.id), "build-dir").await.unwrap().as_deref(), Some("shop"));
}
