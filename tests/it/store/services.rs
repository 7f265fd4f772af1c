//! Services, links to them, and the users that links leave behind.

use slipway::model::password::Password;
use slipway::model::service::{ServiceProperties, ServiceProperty, WantedState};
use slipway::store::StoreError;
use slipway::store::apps::AppRecord;
use slipway::store::exposures::Exposure;
use slipway::store::service_links::{LinkUser, ServiceLink, VarChange};
use slipway::store::services::{NewService, ServiceImage, ServiceRecord};

use super::config::occurrences;
use super::{Database, vars};

fn new(engine: &str, name: &str) -> NewService {
    NewService {
        engine: engine.parse().unwrap(),
        name: name.parse().unwrap(),
        network_prefix: "net-".to_owned(),
        image: ServiceImage {
            name: engine.to_owned(),
            version: "1".to_owned(),
            reference: format!("{engine}:1"),
            built: false,
        },
        properties: ServiceProperties::from([(ServiceProperty::Memory, "64".to_owned())]),
        password: "hunter2hunter2".parse().unwrap(),
        environment: vars(&[("SECRET", "quite-secret")]),
    }
}

fn link(service: &ServiceRecord, app: &AppRecord, user: &str) -> ServiceLink {
    ServiceLink {
        service: service.id,
        app: app.id,
        app_name: app.name.clone(),
        user: LinkUser { name: user.to_owned(), password: Password::generate() },
        query: String::new(),
        keys: vec!["DATABASE_URL".parse().unwrap()],
    }
}

fn url(value: &str) -> VarChange {
    VarChange { set: vars(&[("DATABASE_URL", value)]), unset: Vec::new() }
}

#[tokio::test]
async fn a_service_is_read_as_it_was_recorded_and_its_secrets_are_sealed() {
    let database = Database::new();
    let store = &database.store;
    let made = store.create_service(new("mysql", "blog-db")).await.unwrap();
    assert_eq!((made.host.as_str(), made.wanted), ("slipway-mysql-blog-db", WantedState::Stopped));
    assert_eq!(made.network, format!("net-{}", made.id.0));
    store.set_service_wanted(made.id, WantedState::Running).await.unwrap();
    let read = store.service(&made.engine, &made.name).await.unwrap().unwrap();
    assert_eq!(read.wanted, WantedState::Running);
    assert_eq!(read.password.expose(), "hunter2hunter2");
    assert_eq!(read.environment, made.environment);
    assert_eq!(read.properties.get(&ServiceProperty::Memory).map(String::as_str), Some("64"));
    for (engine, name) in [("mysql", "blog-db"), ("mysql", "blog_db")] {
        let taken = store.create_service(new(engine, name)).await;
        assert!(matches!(taken, Err(StoreError::Taken(_))), "{name}: found under the same host name");
    }
    store.create_service(new("redis", "blog-db")).await.unwrap();
    for number in 0..250 {
        store.note_service_event(made.id, "ann", format!("event {number}")).await.unwrap();
    }
    let events = store.service_events(made.id).await.unwrap();
    assert_eq!((events.len(), events.last().unwrap().what.as_str()), (200, "event 249"));
    for secret in ["hunter2hunter2", "quite-secret"] {
        assert_eq!(occurrences(database.directory.path(), secret), [] as [String; 0]);
    }
}

#[tokio::test]
async fn a_link_changes_with_its_vars_and_leaves_a_user_that_is_to_go() {
    let database = Database::new();
    let store = &database.store;
    let app = database.app("blog").await;
    let service = store.create_service(new("mysql", "db")).await.unwrap();
    let first = link(&service, &app, "one");
    // Noted before the user is made, and forgotten with the link.
    store.note_departure(&first).await.unwrap();
    store.add_service_link(first.clone(), url("first")).await.unwrap();
    assert!(store.departures().await.unwrap().is_empty());
    assert_eq!(store.config(Some(app.id)).await.unwrap(), vars(&[("DATABASE_URL", "first")]));
    assert_eq!(store.link_networks(app.id).await.unwrap(), std::slice::from_ref(&service.network));
    assert!(store.add_service_link(first.clone(), url("again")).await.is_err());
    assert!(store.delete_service(service.id).await.is_err(), "an app is linked to it");

    let second = LinkUser { name: "two".to_owned(), password: Password::generate() };
    store.change_service_user(first, second.clone(), url("second")).await.unwrap();
    let [found] = store.links_of_app(app.id).await.unwrap().try_into().unwrap();
    assert_eq!(found.user.password.expose(), second.password.expose());
    assert_eq!(store.linked_config(app.id).await.unwrap(), vars(&[("DATABASE_URL", "second")]));
    let [gone] = store.departures().await.unwrap().try_into().unwrap();
    assert_eq!((gone.user.name.as_str(), gone.app), ("one", Some(app.id)));
    store.forget_departure(gone.id).await.unwrap();

    // With the app the link goes, and its user has to.
    store.delete_app(app.id).await.unwrap();
    let [gone] = store.departures().await.unwrap().try_into().unwrap();
    assert_eq!((gone.user.name.as_str(), gone.app, gone.app_name.as_str()), ("two", None, "blog"));
    assert_eq!(gone.user.password.expose(), second.password.expose());
    store.delete_service(service.id).await.unwrap();
    assert!(store.departures().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_address_of_the_host_leads_to_one_service() {
    let database = Database::new();
    let store = &database.store;
    let one = store.create_service(new("mysql", "one")).await.unwrap().id;
    let two = store.create_service(new("mysql", "two")).await.unwrap().id;
    let exposure = |service| Exposure {
        service,
        port: 3306,
        listen: "127.0.0.1:4242".parse().unwrap(),
        allow: vec!["127.0.0.0/8".parse().unwrap()],
    };
    store.set_exposures(one, vec![exposure(one)]).await.unwrap();
    assert_eq!(store.exposures(Some(one)).await.unwrap(), [exposure(one)]);
    let taken = store.set_exposures(two, vec![exposure(two)]).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))));
    store.delete_service(one).await.unwrap();
    store.set_exposures(two, vec![exposure(two)]).await.unwrap();
    assert_eq!(store.exposures(None).await.unwrap(), [exposure(two)]);
}
