//! Whether the database and the engine tell the same story: nothing half done, nothing left over.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::engine;
use crate::harness::server::Server;
use crate::harness::wait::wait_until;

/// How long the reconcilers may take, the draining of old instances included.
const BOUND: Duration = Duration::from_secs(45);

/// Waits until what runs is what is recorded, and nothing else is there; panics with all that is not so.
#[track_caller]
pub fn wait_until_whole(server: &Server) {
    let deadline = Instant::now() + BOUND;
    let mut wrong = faults(server);
    wait_until("a look at the server's things", BOUND + Duration::from_secs(5), || {
        wrong = faults(server);
        wrong.is_empty() || Instant::now() > deadline
    });
    assert!(wrong.is_empty(), "after {BOUND:?} it is still so:\n{}", wrong.join("\n"));
}

/// What does not fit, in words.
pub fn faults(server: &Server) -> Vec<String> {
    let database = server.database();
    let owner = server.owner();
    let mut wrong = Vec::new();
    for (what, sql) in [
        ("a pending release", "SELECT count(*) FROM releases WHERE status = 'pending'"),
        ("a running build", "SELECT count(*) FROM builds WHERE status = 'running'"),
        (
            "an instance of another release than its app's",
            "SELECT count(*) FROM instances JOIN apps ON apps.id = instances.app
             WHERE instances.release IS NOT apps.current_release",
        ),
    ] {
        let count: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
        if count != 0 {
            wrong.push(format!("there is {what} ({count})"));
        }
    }
    compare(&mut wrong, "containers", recorded_containers(&database), containers(&owner));
    compare(&mut wrong, "images", recorded_images(&database), images(&owner));
    wrong
}

fn compare(wrong: &mut Vec<String>, what: &str, recorded: BTreeSet<String>, there: BTreeSet<String>) {
    for missing in recorded.difference(&there) {
        wrong.push(format!("{what}: {missing} is recorded and not there"));
    }
    for orphan in there.difference(&recorded) {
        wrong.push(format!("{what}: {orphan} is there and not recorded"));
    }
}

/// `APP.web.1 ID running` for each instance, as it should be.
fn recorded_containers(database: &Connection) -> BTreeSet<String> {
    texts(
        database,
        "SELECT apps.name || '.' || process_type || '.' || number || ' ' || container || ' running'
         FROM instances JOIN apps ON apps.id = instances.app",
    )
}

fn recorded_images(database: &Connection) -> BTreeSet<String> {
    texts(database, "SELECT DISTINCT image FROM releases")
}

fn texts(database: &Connection, sql: &str) -> BTreeSet<String> {
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// `NAME ID STATE` of every container of the owner's that is no detached one-off process.
fn containers(owner: &str) -> BTreeSet<String> {
    let found =
        engine::get(&format!("/containers/json?all=1&{}", engine::label_filter("slipway.owner", owner)));
    let line = |container: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        format!("{} {} {}", text(&container["Names"][0]), text(&container["Id"]), text(&container["State"]))
    };
    found.as_array().unwrap().iter().map(line).collect()
}

fn images(owner: &str) -> BTreeSet<String> {
    let found = engine::get(&format!("/images/json?{}", engine::label_filter("slipway.owner", owner)));
    found.as_array().unwrap().iter().map(|image| image["Id"].as_str().unwrap().to_owned()).collect()
}
