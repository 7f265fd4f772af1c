//! Certificates: keys sealed on the disk, one of a name at a time, gone with their app.

use secrecy::ExposeSecret;
use slipway::model::certificate::CertificateKind;
use slipway::store::apps::AppId;
use slipway::store::certificates::{CertificatePair, NewCertificate};

use super::Database;
use super::config::occurrences;

const KEY: &str = "-----BEGIN PRIVATE KEY----- nobody may read this";

fn certificate(app: AppId, kind: CertificateKind, name: &str) -> NewCertificate {
    NewCertificate {
        app,
        kind,
        name: name.parse().unwrap(),
        hosts: vec!["a-rare-name.example".to_owned(), "*.example".to_owned()],
        not_after: 4_000_000_000,
        pair: CertificatePair { chain: "chain".to_owned(), key: KEY.into() },
    }
}

#[tokio::test]
async fn a_key_is_in_no_file_of_the_database_and_comes_back_whole() {
    let database = Database::new();
    let app = database.app("blog").await;
    let id =
        database.store.set_certificate(certificate(app.id, CertificateKind::Own, "default")).await.unwrap();
    assert_eq!(occurrences(database.directory.path(), KEY), [] as [String; 0]);
    let database = database.reopened();
    assert_eq!(occurrences(database.directory.path(), KEY), [] as [String; 0]);
    assert!(!occurrences(database.directory.path(), "a-rare-name.example").is_empty(), "nothing is found");

    let pair = database.store.certificate_pair(id).await.unwrap().unwrap();
    assert_eq!((pair.chain.as_str(), pair.key.expose_secret()), ("chain", KEY));
    let records = database.store.certificates(Some(app.id)).await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].id, records[0].not_after), (id, 4_000_000_000));
    assert_eq!(records[0].hosts, ["a-rare-name.example", "*.example"]);
    database.closed();
}

#[tokio::test]
async fn a_new_one_of_the_same_name_takes_the_place_and_has_a_number_of_its_own() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    let set =
        async |app, kind, name| database.store.set_certificate(certificate(app, kind, name)).await.unwrap();
    let first = set(blog.id, CertificateKind::Own, "default").await;
    let others = [
        set(blog.id, CertificateKind::Own, "rsa").await,
        set(blog.id, CertificateKind::Automatic, "default").await,
        set(shop.id, CertificateKind::Own, "default").await,
    ];
    let second = set(blog.id, CertificateKind::Own, "default").await;
    assert!(others.iter().all(|other| second.0 > other.0));
    assert!(database.store.certificate_pair(first).await.unwrap().is_none());
    let ids = async |app| {
        let records = database.store.certificates(app).await.unwrap();
        records.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Some(blog.id)).await, [second, others[0], others[1]]);
    database.store.remove_certificate(others[0]).await.unwrap();
    assert_eq!(ids(None).await, [second, others[1], others[2]]);
    let facts = database.store.route_facts().await.unwrap();
    let of_apps: Vec<usize> = facts.apps.iter().map(|app| app.certificates.len()).collect();
    assert_eq!(of_apps, [2, 1]);

    database.store.delete_app(blog.id).await.unwrap();
    assert_eq!(ids(None).await, [others[2]]);
    database.closed();
}
