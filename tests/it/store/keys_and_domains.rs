//! Keys, host names and properties: what is unique, and what falls back to what.

use slipway::model::key::Key;
use slipway::model::role::{AppAccess, Role};
use slipway::store::StoreError;
use slipway::store::domains::DomainsChange;

use super::Database;

pub(super) fn key(name: &str, fingerprint: &str, role: Role, access: AppAccess) -> Key {
    Key {
        name: name.to_owned(),
        fingerprint: format!("SHA256:{fingerprint}"),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        role,
        access,
    }
}

fn domains(names: &[&str]) -> Vec<slipway::model::hostname::Hostname> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_key_has_one_name_and_is_found_by_its_whole_fingerprint() {
    let database = Database::new();
    let store = &database.store;
    let limited = AppAccess::Only(vec!["blog".parse().unwrap()]);
    let ann = key("ann", "abc", Role::Admin, AppAccess::All);
    let bob = key("bob", "abcd", Role::Viewer, limited);
    store.add_key(bob.clone()).await.unwrap();
    store.add_key(ann.clone()).await.unwrap();

    let same_name = key("ann", "other", Role::Viewer, AppAccess::All);
    let same_key = key("eve", "abc", Role::Viewer, AppAccess::All);
    for twice in [same_name, same_key] {
        assert!(matches!(store.add_key(twice).await, Err(StoreError::Taken(_))));
    }
    let database = database.reopened();
    let store = &database.store;
    assert_eq!(store.keys().await.unwrap(), [ann.clone(), bob.clone()]);
    assert_eq!(store.key_by_fingerprint("SHA256:abcd").await.unwrap(), Some(bob));
    assert_eq!(store.key_by_fingerprint("SHA256:ab").await.unwrap(), None);

    assert!(store.remove_key("SHA256:abcd").await.unwrap());
    assert!(!store.remove_key("bob").await.unwrap());
    assert!(!store.remove_key("an").await.unwrap());
    assert_eq!(store.keys().await.unwrap(), [ann]);
}

#[tokio::test]
async fn a_host_name_belongs_to_one_app_and_a_refused_change_changes_nothing() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    let store = &database.store;
    let add = |names: &[&str]| DomainsChange::Add(domains(names));
    store.change_domains(Some(blog.id), add(&["b.example.com", "a.example.com"])).await.unwrap();

    let taken = store.change_domains(Some(shop.id), add(&["new.example.com", "a.example.com"])).await;
    assert!(matches!(taken, Err(StoreError::Taken(name)) if name == "a.example.com"));
    let stolen = DomainsChange::Set(domains(&["b.example.com"]));
    assert!(store.change_domains(Some(shop.id), stolen).await.is_err());

    assert!(store.domains(Some(shop.id)).await.unwrap().is_empty());
    assert!(store.app_by_id(shop.id).await.unwrap().unwrap().default_domain, "rolled back with the rest");
    assert_eq!(store.domains(Some(blog.id)).await.unwrap(), domains(&["b.example.com", "a.example.com"]));
    let owner = store.domain_owner(&"a.example.com".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(owner.as_str(), "blog");
    // A global domain is no app's, so the same text may be both.
    store.change_domains(None, add(&["a.example.com"])).await.unwrap();

    let gone = DomainsChange::Remove(domains(&["a.example.com"]));
    store.change_domains(Some(blog.id), gone).await.unwrap();
    store.change_domains(Some(shop.id), add(&["a.example.com"])).await.unwrap();
    assert_eq!(store.domains(None).await.unwrap(), domains(&["a.example.com"]));
}

#[tokio::test]
async fn set_drops_the_default_host_name_and_reset_brings_it_back() {
    let database = Database::new();
    let blog = database.app("blog").await;
    let store = &database.store;
    let set = DomainsChange::Set(domains(&["a.example.com"]));
    store.change_domains(Some(blog.id), set).await.unwrap();
    assert!(!store.app_by_id(blog.id).await.unwrap().unwrap().default_domain);
    store.change_domains(Some(blog.id), DomainsChange::Reset).await.unwrap();
    assert!(store.app_by_id(blog.id).await.unwrap().unwrap().default_domain);
    assert!(store.domains(Some(blog.id)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_property_of_an_app_wins_over_the_global_one() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    let store = &database.store;
    let set = |app, value: Option<&str>| store.set_property(app, "deploy-branch", value.map(str::to_owned));
    set(None, Some("main")).await.unwrap();
    set(Some(blog.id), Some("live")).await.unwrap();
    set(Some(blog.id), Some("stable")).await.unwrap();

    let computed = |app| store.computed_property(app, "deploy-branch");
    assert_eq!(computed(blog.id).await.unwrap().as_deref(), Some("stable"));
    assert_eq!(computed(shop.id).await.unwrap().as_deref(), Some("main"));
    set(Some(blog.id), None).await.unwrap();
    assert_eq!(computed(blog.id).await.unwrap().as_deref(), Some("main"));
    set(None, None).await.unwrap();
    assert_eq!(computed(blog.id).await.unwrap(), None);
}
