//! Limits, docker options, storage and mounts.

use slipway::model::docker_option::DockerOption;
use slipway::model::phase::Phase;
use slipway::model::process_scope::ProcessScope;
use slipway::model::resource::{Bound, Resource};
use slipway::store::StoreError;
use slipway::store::docker_options::StoredOption;
use slipway::store::resources::Resources;
use slipway::store::storage::{MountRecord, Place};

use crate::store::Database;

fn stored(phase: Phase, line: &str) -> StoredOption {
    let option = DockerOption::parse(&[line.to_owned()], phase).unwrap().remove(0);
    StoredOption { phase, scope: ProcessScope::Default, option }
}

fn mount(source: &str, place: Place, target: &str) -> MountRecord {
    MountRecord {
        source: source.parse().unwrap(),
        place,
        target: target.parse().unwrap(),
        read_only: true,
        exclusive: false,
        scope: "web".parse().unwrap(),
        phases: vec![Phase::Run],
    }
}

#[tokio::test]
async fn amounts_and_options_are_there_after_a_restart_and_go_with_their_app() {
    let database = Database::new();
    let app = database.app("blog").await.id;
    let store = &database.store;
    let amounts = [((Bound::Limit, Resource::MemorySwap), "-1".to_owned())].into();
    let resources = Resources::from([("web".parse().unwrap(), amounts)]);
    store.set_resources(app, resources.clone()).await.unwrap();
    let options =
        ["--build-arg A_B=1", "--build-arg A_BC=2", "--build-arg AXB"].map(|line| stored(Phase::Build, line));
    store.add_docker_options(app, options.to_vec()).await.unwrap();
    // Twice the same is once, and a build argument has one value.
    let init = stored(Phase::Run, "--init");
    store.add_docker_options(app, vec![init.clone(), init.clone()]).await.unwrap();
    store
        .add_docker_options(app, vec![init.clone(), stored(Phase::Build, "--build-arg A_B=3")])
        .await
        .unwrap();

    let database = database.reopened();
    let store = &database.store;
    assert_eq!(store.resources(app).await.unwrap(), resources);
    let shown = |options: Vec<StoredOption>| -> Vec<String> {
        options.iter().map(|stored| stored.option.to_string()).collect()
    };
    assert_eq!(
        shown(store.docker_options(app).await.unwrap()),
        ["--build-arg A_BC=2", "--build-arg AXB", "--init", "--build-arg A_B=3"]
    );
    store.remove_docker_options(app, vec![init, stored(Phase::Build, "--build-arg AXB")]).await.unwrap();
    assert_eq!(store.docker_options(app).await.unwrap().len(), 2);
    store.delete_app(app).await.unwrap();
    assert!(store.docker_options(app).await.unwrap().is_empty());
    assert!(store.resources(app).await.unwrap().is_empty());
}

#[tokio::test]
async fn storage_cannot_be_forgotten_while_it_is_mounted_and_outlives_the_app() {
    let database = Database::new();
    let app = database.app("blog").await.id;
    let store = &database.store;
    let (name, place) = ("data".parse().unwrap(), Place::Volume("slipway-x-data".to_owned()));
    store.create_storage(&name, place.clone()).await.unwrap();
    assert!(matches!(store.create_storage(&name, place.clone()).await, Err(StoreError::Taken(_))));
    let directory = Place::Directory { path: "/s/a".to_owned(), root: "/s".to_owned() };
    let mounts = [mount("data", place.clone(), "/data"), mount("/s/a", directory, "/a")];
    for mount in &mounts {
        store.add_mount(app, mount.clone()).await.unwrap();
    }
    assert!(store.delete_storage(&name).await.is_err());

    let database = database.reopened();
    let store = &database.store;
    assert_eq!(store.mounts(app).await.unwrap(), mounts);
    assert_eq!(store.all_mounts().await.unwrap().len(), 2);
    store.remove_mount(app, mounts[1].clone()).await.unwrap();
    assert_eq!(store.mounts(app).await.unwrap(), mounts[..1]);
    store.delete_app(app).await.unwrap();
    assert_eq!(store.storage().await.unwrap()[0].place, place);
    store.delete_storage(&name).await.unwrap();
    assert!(store.storage().await.unwrap().is_empty());
}
