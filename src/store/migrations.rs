//! The schema, as the list of steps that lead to it. A step that was released is never edited.

use rusqlite::Connection;

use crate::store::StoreError;

/// Step n leads from `PRAGMA user_version` n to n + 1.
const STEPS: &[&str] = &[
    include_str!("schema_1.sql"),
    // What a release's app.json asks for.
    "ALTER TABLE releases ADD COLUMN app_json TEXT NOT NULL DEFAULT '{}'",
    // In which quantities a release ran last, for the comparison of two; and the port of its web processes, so that
    // routes can be made without opening its config vars.
    "ALTER TABLE releases ADD COLUMN formation TEXT NOT NULL DEFAULT '{}';
     ALTER TABLE releases ADD COLUMN web_port INTEGER;",
    // Links between apps; a target keeps its host and network under whatever name.
    "CREATE TABLE link_targets (
         app INTEGER PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
         host TEXT NOT NULL UNIQUE,
         network TEXT NOT NULL
     ) STRICT;
     CREATE TABLE links (
         app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
         target INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
         key TEXT NOT NULL,
         PRIMARY KEY (app, target),
         UNIQUE (app, key)
     ) STRICT;",
    // Where apps' logs are sent on to.
    "CREATE TABLE drains (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
        url BLOB NOT NULL,
        authority TEXT,
        created_at INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        line INTEGER NOT NULL,
        dropped INTEGER NOT NULL
    ) STRICT",
    // Limits, docker options, storage and mounts.
    include_str!("schema_options.sql"),
    // Old instances that were told to end and have until then, which may be hours: a restart of the server must not
    // tell them again, nor give them more or less time.
    "CREATE TABLE stopping (
        container TEXT PRIMARY KEY,
        app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
        instance TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL
     ) STRICT;",
    // One-off processes and scheduled tasks.
    include_str!("schema_tasks.sql"),
    // Paths of hosts that lead to apps.
    "CREATE TABLE path_routes (
        id INTEGER PRIMARY KEY,
        app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
        hostname TEXT NOT NULL,
        path TEXT NOT NULL,
        strip INTEGER NOT NULL,
        UNIQUE (hostname, path)
    ) STRICT",
    // Certificates of apps. Numbers are never used twice: whoever keeps one in memory knows it by its number.
    "CREATE TABLE certificates (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        app INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        hosts TEXT NOT NULL,
        not_after INTEGER NOT NULL,
        added_at INTEGER NOT NULL,
        chain TEXT NOT NULL,
        key BLOB NOT NULL,
        UNIQUE (app, kind, name)
     ) STRICT;",
    // Automatic certificates.
    include_str!("schema_acme.sql"),
    // Services.
    include_str!("schema_services.sql"),
    // Plugins, their settings and runs.
    include_str!("schema_plugins.sql"),
    // Backups of services, and data from before an upgrade.
    include_str!("schema_backups.sql"),
    // What plugins add to releases; and which of an app's host names and paths are its release's because of that.
    "ALTER TABLE releases ADD COLUMN additions TEXT NOT NULL DEFAULT '{}';
     ALTER TABLE domains ADD COLUMN plugin TEXT;
     ALTER TABLE path_routes ADD COLUMN plugin TEXT;",
];

/// Brings the database to this binary's version, each step in a transaction.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (version, step) in (1..).zip(STEPS).skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_arguments_of_older_versions_are_docker_options_now() {
        let mut connection = Connection::open_in_memory().unwrap();
        let new = STEPS.iter().position(|step| step.contains("CREATE TABLE docker_options")).unwrap();
        for step in &STEPS[..new] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", i64::try_from(new).unwrap()).unwrap();
        let old = r#"{"COLOUR":"deep \"blue\"=x","PLACE":""}"#;
        connection.execute("INSERT INTO apps (name, created_at) VALUES ('blog', 0)", []).unwrap();
        let insert = "INSERT INTO properties (app, name, value) VALUES (1, ?1, ?2)";
        connection.execute(insert, ("build-args", old)).unwrap();
        connection.execute(insert, ("build-dir", "web")).unwrap();

        migrate(&mut connection).unwrap();

        let mut select = connection
            .prepare("SELECT app, phase, process_type, flag, value FROM docker_options ORDER BY id")
            .unwrap();
        let rows =
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
        let rows: Vec<(i64, String, String, String, String)> = rows.unwrap().map(Result::unwrap).collect();
        let row = |value: &str| {
            (1, "build".to_owned(), "_default_".to_owned(), "build-arg".to_owned(), value.to_owned())
        };
        assert_eq!(rows, [row(r#"COLOUR=deep "blue"=x"#), row("PLACE")]);
        let left: String = connection.query_row("SELECT name FROM properties", [], |row| row.get(0)).unwrap();
        assert_eq!(left, "build-dir");
    }
}
