//! The engines below `plugins/`, read as the server reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use slipway::model::engine::Engine;
use slipway::plugin::{bundled, folder};

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins")
}

/// By their names.
fn engines() -> BTreeMap<String, Engine> {
    let mut engines = BTreeMap::new();
    for path in bundled::folders(&plugins()).unwrap() {
        let (manifest, engine) =
            folder::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_name().unwrap().to_str(), Some(&*manifest.plugin.name));
        if let Some(engine) = engine {
            engines.insert(manifest.plugin.name, (*engine).clone());
        }
    }
    engines
}

#[test]
fn every_bundled_engine_is_one() {
    let engines = engines();
    let names: Vec<_> = engines.keys().map(String::as_str).collect();
    assert_eq!(names, ["mariadb", "memcached", "mongo", "mysql", "postgres", "rabbitmq", "redis", "s3"]);
    for (name, engine) in &engines {
        let folder = plugins().join(name);
        assert!(folder.join("probe.toml").is_file(), "{name} is not tried by plugins/test-engine");
        assert_eq!(engine.fallback.is_some(), folder.join("Dockerfile").is_file(), "{name}");
        if let Some(fallback) = &engine.fallback {
            assert!(fallback.versions.contains(&fallback.version), "{name}");
            let dockerfile = fs::read_to_string(folder.join("Dockerfile")).unwrap();
            let default = format!("\nARG VERSION={}\n", fallback.version);
            assert!(dockerfile.contains(&default), "{name} is built in another version by default");
        }
        // What is dumped can be restored, and both can be compared.
        let keeps = engine.dump.is_some();
        assert_eq!([engine.restore.is_some(), engine.contents.is_some()], [keeps; 2], "{name}");
        assert!(engine.service.data.is_some() || !keeps, "{name}");
    }
}

/// MariaDB stands in for MySQL, so an image is one of both.
#[test]
fn mysql_and_mariadb_are_built_of_the_same_files() {
    for file in ["Dockerfile", "docker-entrypoint.sh", "my.cnf"] {
        let [mysql, mariadb] =
            ["mysql", "mariadb"].map(|name| fs::read(plugins().join(name).join(file)).unwrap());
        assert!(mysql == mariadb, "{file} differs between plugins/mysql and plugins/mariadb");
    }
    let [mysql, mariadb] =
        ["mysql", "mariadb"].map(|name| engines()[name].fallback.clone().unwrap().versions);
    assert_eq!(mysql, mariadb);
}
