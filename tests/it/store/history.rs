//! Releases, instances and builds: what happened, in numbers that are never given twice.

use rusqlite::Connection;
use slipway::model::build::{BuildKind, BuildStatus};
use slipway::model::container_id::ContainerId;
use slipway::model::release::{ImageId, ProcessCommand, ReleaseVersion};
use slipway::store::StoreError;
use slipway::store::apps::{AppId, AppRecord};
use slipway::store::instances::InstanceRecord;

use super::{Database, content, same_config, vars};

pub(super) fn instance(app: AppId, name: &str, container: &str, release: i64) -> InstanceRecord {
    InstanceRecord {
        app,
        name: name.parse().unwrap(),
        container: ContainerId::new(container.to_owned()),
        release,
    }
}

/// Adds a release that is then what runs, with one container named after it.
async fn release(database: &Database, app: &AppRecord) -> i64 {
    let store = &database.store;
    let release = store.add_release(app.id, content("image", vars(&[])), "ann", "Deploy").await.unwrap();
    let web = instance(app.id, "web.1", &format!("{}-{}", app.name, release.version), release.id);
    store.commit_switch(app.id, release.id, vec![web], ([].into(), same_config())).await.unwrap();
    release.id
}

async fn versions(database: &Database, app: &AppRecord) -> Vec<u32> {
    let releases = database.store.releases(app.id, 99).await.unwrap();
    releases.into_iter().map(|release| release.version.0).collect()
}

#[tokio::test]
async fn each_app_counts_its_own_releases_and_those_that_never_served_leave_no_trace() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    release(&database, &blog).await;
    release(&database, &shop).await;
    let store = &database.store;
    let failed = store.add_release(blog.id, content("i", vars(&[])), "ann", "Deploy").await.unwrap();
    assert_eq!(failed.version, ReleaseVersion(2));
    assert_eq!(versions(&database, &blog).await, [1], "a release counts once it serves");
    assert_eq!(store.release_by_version(blog.id, ReleaseVersion(2)).await.unwrap(), None);

    store.discard_release(failed.id).await.unwrap();
    let served = release(&database, &blog).await;
    store.discard_release(served).await.unwrap();

    assert_eq!(versions(&database, &blog).await, [2, 1], "what served is not discarded");
    assert_eq!(versions(&database, &shop).await, [1]);
    let found = store.release_by_version(blog.id, ReleaseVersion(2)).await.unwrap().unwrap();
    assert_eq!((found.id, found.created_by.as_str(), found.description.as_str()), (served, "ann", "Deploy"));
}

#[tokio::test]
async fn what_a_killed_server_left_half_done_is_cleared_and_the_rest_is_there() {
    let database = Database::new();
    let blog = database.app("blog").await;
    let serving = release(&database, &blog).await;
    let store = &database.store;
    let pending = store.add_release(blog.id, content("lost", vars(&[])), "ann", "Deploy").await.unwrap();
    let build = store.begin_build(blog.id, BuildKind::Build, "1f6c3a2", "ann").await.unwrap();

    let database = database.reopened();
    let store = &database.store;
    store.discard_interrupted_releases().await.unwrap();
    store.fail_interrupted_builds().await.unwrap();

    assert_eq!(store.release(pending.id).await.unwrap(), None);
    let users = store.image_users().await.unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!((&users[0].image, users[0].current), (&ImageId("image".to_owned()), true));
    let blog = store.app_by_id(blog.id).await.unwrap().unwrap();
    assert_eq!(blog.current_release, Some(serving));
    let builds = store.builds(None, 9).await.unwrap();
    assert_eq!((builds[0].id, builds[0].status), (build, BuildStatus::Failed));
    assert!(builds[0].finished_at.is_some());
}

#[tokio::test]
async fn pruning_keeps_the_newest_and_what_runs_and_no_number_comes_back() {
    let database = Database::new();
    let blog = database.app("blog").await;
    let shop = database.app("shop").await;
    release(&database, &shop).await;
    let first = release(&database, &blog).await;
    for _ in 2..=5 {
        release(&database, &blog).await;
    }
    // As after a rollback that runs the first one's containers again.
    let web = instance(blog.id, "web.1", "again", first);
    database.store.commit_switch(blog.id, first, vec![web], ([].into(), same_config())).await.unwrap();

    let beyond = database.store.releases_beyond(blog.id, 2).await.unwrap();
    let numbers: Vec<u32> = beyond.iter().map(|(version, _)| version.0).collect();
    assert_eq!(numbers, [2, 3]);
    database.store.prune_releases(blog.id, 2).await.unwrap();

    assert_eq!(versions(&database, &blog).await, [5, 4, 1]);
    assert_eq!(versions(&database, &shop).await, [1]);
    let next = database.store.add_release(blog.id, content("i", vars(&[])), "ann", "").await.unwrap();
    assert_eq!(next.version, ReleaseVersion(6));
}

#[tokio::test]
async fn the_switch_to_other_instances_is_whole_or_not_at_all() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    let old = release(&database, &blog).await;
    release(&database, &shop).await;
    let store = &database.store;
    let mut wanted = content("new", vars(&[]));
    wanted.processes.insert("web".parse().unwrap(), ProcessCommand::Image);
    let new = store.add_release(blog.id, wanted, "ann", "Deploy").await.unwrap();
    let before = store.instances(Some(blog.id)).await.unwrap();

    // The second is a container that belongs to another app already, so the database refuses it.
    let half =
        vec![instance(blog.id, "web.1", "new-1", new.id), instance(blog.id, "web.2", "shop-v1", new.id)];
    let refused = store
        .commit_switch(blog.id, new.id, half, ([("web".parse().unwrap(), 2)].into(), same_config()))
        .await;

    assert!(matches!(refused, Err(StoreError::Sqlite(_))), "{refused:?}");
    assert_eq!(store.instances(Some(blog.id)).await.unwrap(), before);
    assert!(store.formation(blog.id).await.unwrap().is_empty());
    assert_eq!(store.app_by_id(blog.id).await.unwrap().unwrap().current_release, Some(old));
    assert_eq!(versions(&database, &blog).await, [1]);

    let whole =
        vec![instance(blog.id, "web.1", "new-1", new.id), instance(blog.id, "worker.1", "new-2", new.id)];
    store
        .commit_switch(blog.id, new.id, whole.clone(), ([("web".parse().unwrap(), 2)].into(), same_config()))
        .await
        .unwrap();
    assert_eq!(store.formation(blog.id).await.unwrap(), [("web".parse().unwrap(), 2)].into());
    assert_eq!(store.instances(Some(blog.id)).await.unwrap(), whole);
    assert_eq!(store.app_by_id(blog.id).await.unwrap().unwrap().current_release, Some(new.id));
}

#[tokio::test]
async fn a_stopped_app_has_no_instances_and_keeps_its_release() {
    let database = Database::new();
    let blog = database.app("blog").await;
    let running = release(&database, &blog).await;
    database.store.stop_app(blog.id).await.unwrap();
    let database = database.reopened();
    let record = database.store.app_by_id(blog.id).await.unwrap().unwrap();
    assert_eq!((record.stopped, record.current_release), (true, Some(running)));
    assert!(database.store.instances(Some(blog.id)).await.unwrap().is_empty());

    release(&database, &blog).await;
    assert!(!database.store.app_by_id(blog.id).await.unwrap().unwrap().stopped);
}

#[tokio::test]
async fn builds_are_listed_newest_first_and_pruned_but_never_while_they_run() {
    let database = Database::new();
    let (blog, shop) = (database.app("blog").await, database.app("shop").await);
    let store = &database.store;
    let running = store.begin_build(blog.id, BuildKind::Build, "first", "ann").await.unwrap();
    let elsewhere = store.begin_build(shop.id, BuildKind::Deploy, "restart", "bob").await.unwrap();
    let mut ended = Vec::new();
    for status in [BuildStatus::Failed, BuildStatus::Canceled, BuildStatus::Succeeded] {
        let id = store.begin_build(blog.id, BuildKind::Build, "1f6c3a2", "ann").await.unwrap();
        store.finish_build(id, status).await.unwrap();
        ended.push(id);
    }

    store.prune_builds(blog.id, 1).await.unwrap();

    assert_eq!(store.build_ids().await.unwrap(), [running, elsewhere, ended[2]]);
    let ids = |builds: Vec<slipway::model::build::Build>| builds.into_iter().map(|build| build.id);
    let of_blog = store.builds(Some(blog.id), 9).await.unwrap();
    assert_eq!(of_blog[0].status, BuildStatus::Succeeded);
    assert_eq!((of_blog[1].status, of_blog[1].finished_at), (BuildStatus::Running, None));
    assert!(ids(of_blog).eq([ended[2], running]));
    assert!(ids(store.builds(None, 2).await.unwrap()).eq([ended[2], elsewhere]));
}

#[tokio::test]
async fn a_build_number_is_not_given_again_when_its_app_is_gone() {
    let database = Database::new();
    let blog = database.app("blog").await;
    let first = database.store.begin_build(blog.id, BuildKind::Build, "1f6c3a2", "ann").await.unwrap();
    database.store.delete_app(blog.id).await.unwrap();
    let shop = database.app("shop").await;
    let second = database.store.begin_build(shop.id, BuildKind::Build, "1f6c3a2", "ann").await.unwrap();
    assert!(second > first, "its output is in a file of that number");
}

#[tokio::test]
async fn a_release_whose_sealed_config_was_changed_is_not_run() {
    let database = Database::new();
    let blog = database.app("blog").await;
    let id = release(&database, &blog).await;
    let directory = database.closed();
    let connection = Connection::open(directory.path().join("slipway.db")).unwrap();
    connection.execute("UPDATE releases SET config = zeroblob(64)", []).unwrap();
    drop(connection);
    let (store, _thread) = slipway::store::Store::open(directory.path()).unwrap();
    assert!(matches!(store.release(id).await, Err(StoreError::Secret(_))));
}
