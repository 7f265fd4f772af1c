//! What a service holds leaves it and comes back whole: by export and import, clone, backups and restores.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::names;
use crate::harness::person::Person;
use crate::harness::server::Server;
use crate::harness::service_client::{deploy, keep, rows, rows_soon};
use crate::harness::service_data::{Kind, MARIADB, MYSQL, POSTGRES, RABBITMQ, REDIS, S3, nothing_is_left};
use crate::s3_server::{BUCKET, KEY, S3Server, SECRET};

/// A service of an engine that holds something, and what that is.
struct Life {
    kind: &'static Kind,
    server: Server,
    alice: Person,
    whole: String,
}

impl Life {
    fn of(kind: &'static Kind) -> Self {
        let (server, alice) = Server::with_person("alice");
        kind.run(&server, &alice, "create blogdb");
        kind.fill(&server, &alice, "blogdb");
        let whole = kind.sum(&server, &alice, "blogdb");
        Self { kind, server, alice, whole }
    }

    fn run(&self, line: &str) -> String {
        self.kind.run(&self.server, &self.alice, line)
    }

    fn harm(&self) {
        self.kind.harm(&self.server, &self.alice, "blogdb");
        assert_ne!(self.kind.sum(&self.server, &self.alice, "blogdb"), self.whole);
    }

    #[track_caller]
    fn assert_whole(&self, service: &str) {
        assert_eq!(self.kind.sum(&self.server, &self.alice, service), self.whole);
    }

    fn exported_and_imported(&self) {
        let (server, alice, engine) = (&self.server, &self.alice, self.kind.engine);
        let dump = server.ssh(alice, &format!("{engine}:export blogdb")).success().stdout_bytes;
        self.harm();
        server.ssh_with_input(alice, &format!("{engine}:import blogdb"), &dump).success();
        self.assert_whole("blogdb");
    }

    fn cloned(&self) {
        self.run("clone blogdb copy");
        self.assert_whole("copy");
        self.run("destroy --force --no-backup copy");
    }

    /// To a bucket and to a directory, and from both; gives the directory.
    fn destroyed_and_restored(&self) -> TempDir {
        let (storage, directory) = (S3Server::start("127.0.0.1"), tempfile::tempdir().unwrap());
        self.run(&format!("backup-auth blogdb {KEY} {SECRET} '' '' {}", storage.url));
        let places = [format!("s3://{BUCKET}/nightly"), directory.path().display().to_string()];
        for place in &places {
            self.run(&format!("backup blogdb {place}"));
            let listed = self.run(&format!("backups blogdb {place} --check"));
            assert!(listed.contains("checked"), "{listed}");
        }
        self.run("destroy --force --no-backup blogdb");
        let access = format!("--key {KEY} --secret {SECRET} --endpoint {}", storage.url);
        self.run(&format!("restore blogdb --from {} {access}", places[0]));
        self.assert_whole("blogdb");
        self.harm();
        self.run(&format!("restore --force blogdb --from {}", places[1]));
        self.assert_whole("blogdb");
        directory
    }
}

fn comes_back_whole(kind: &'static Kind) {
    let life = Life::of(kind);
    life.exported_and_imported();
    life.cloned();
    let directory = life.destroyed_and_restored();
    life.run(&format!("restore blogdb --into another --from {}", directory.path().display()));
    life.assert_whole("another");
    nothing_is_left(&life.server);
}

#[test]
fn data_of_postgres_comes_back_whole() {
    comes_back_whole(&POSTGRES);
}

#[test]
fn data_of_mariadb_comes_back_whole() {
    comes_back_whole(&MARIADB);
}

#[test]
fn data_of_mysql_comes_back_whole() {
    comes_back_whole(&MYSQL);
}

#[test]
fn data_of_redis_comes_back_whole() {
    comes_back_whole(&REDIS);
}

/// Two tests of engines of which each start takes seconds.
fn comes_back_whole_from_dumps(kind: &'static Kind) {
    let life = Life::of(kind);
    life.exported_and_imported();
    life.cloned();
    nothing_is_left(&life.server);
}

fn comes_back_whole_from_backups(kind: &'static Kind) {
    let life = Life::of(kind);
    drop(life.destroyed_and_restored());
    nothing_is_left(&life.server);
}

#[test]
fn data_of_s3_comes_back_whole_from_dumps() {
    comes_back_whole_from_dumps(&S3);
}

#[test]
fn data_of_s3_comes_back_whole_from_backups() {
    comes_back_whole_from_backups(&S3);
}

#[test]
fn definitions_of_rabbitmq_come_back_whole_from_dumps() {
    comes_back_whole_from_dumps(&RABBITMQ);
}

#[test]
fn definitions_of_rabbitmq_come_back_whole_from_backups() {
    comes_back_whole_from_backups(&RABBITMQ);
}

/// The last backup that a service's end makes by itself.
fn last_backup(server: &Server) -> PathBuf {
    let folder = server.root().join("backups/redis/cache");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.extension().is_some_and(|end| end == "zst")).unwrap()
}

#[test]
fn a_destroyed_service_comes_back_from_its_last_backup() {
    let (server, alice) = Server::with_person("alice");
    REDIS.run(&server, &alice, "create cache");
    REDIS.fill(&server, &alice, "cache");
    let whole = REDIS.sum(&server, &alice, "cache");
    // One that does not run has a last backup as well.
    REDIS.run(&server, &alice, "stop cache");
    let destroyed = REDIS.run(&server, &alice, "destroy --force cache");
    assert!(destroyed.contains("Back with: redis:restore cache\n"), "{destroyed}");
    assert!(last_backup(&server).exists());
    REDIS.run(&server, &alice, "restore cache");
    assert_eq!(REDIS.sum(&server, &alice, "cache"), whole);
    // Without a backup it is only destroyed by who says so.
    let target = server.root().join("file");
    std::fs::write(&target, "").unwrap();
    let blocked = format!("backup-schedule cache @daily {}", target.display());
    REDIS.run(&server, &alice, &blocked);
    let refused = server.ssh(&alice, "redis:destroy --force cache");
    assert!(refused.code != 0 && refused.stderr.contains("--no-backup"), "{refused}");
    assert_eq!(REDIS.sum(&server, &alice, "cache"), whole);
    REDIS.run(&server, &alice, "destroy --force --no-backup cache");
}

#[test]
fn linked_apps_keep_their_credentials_over_an_import() {
    let (server, alice) = Server::with_person("alice");
    let app = names::unique("shop");
    POSTGRES.run(&server, &alice, "create main");
    deploy(&server, &alice, &app);
    POSTGRES.run(&server, &alice, &format!("link main {app}"));
    let keep = |number| keep(&server, &app, "DATABASE_URL", number).unwrap().status;
    assert_eq!(rows(&server, &app, "DATABASE_URL"), [0; 0]);
    assert_eq!(keep(7), 200);
    let dump = server.ssh(&alice, "postgres:export main").success().stdout_bytes;
    assert_eq!(keep(8), 200);
    server.ssh_with_input(&alice, "postgres:import main", &dump).success();
    assert_eq!(rows_soon(&server, &app, "DATABASE_URL"), [7]);
    assert_eq!(keep(9), 200, "who wrote before may write now");
}

#[test]
fn backups_are_made_by_the_clock_and_old_ones_removed() {
    let clock = crate::harness::clock::Clock::new();
    let mut server = Server::prepare("");
    server.set_variables(clock.variables());
    server.start_again();
    let alice = Person::new("alice");
    server.add_key(&alice);
    let directory = tempfile::tempdir().unwrap();
    REDIS.run(&server, &alice, "create cache");
    REDIS.fill(&server, &alice, "cache");
    REDIS.run(&server, &alice, "backup-retention cache --count 2 --days 30");
    let place = directory.path().display();
    REDIS.run(&server, &alice, &format!("backup-schedule cache '@daily' {place}"));
    let cat = REDIS.run(&server, &alice, "backup-schedule-cat cache");
    assert_eq!(cat.trim(), format!("@daily redis:backup cache {place}"));
    let backups = || {
        let listed = server.ssh(&alice, "redis:backups cache --format json").success().json();
        listed
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(backups(), [""; 0]);
    let mut all = Vec::new();
    for day in 1..=3 {
        clock.jump_to(day * 24 * 60 * 60);
        crate::harness::wait::wait_until("a backup is made", std::time::Duration::from_secs(60), || {
            backups().first().is_some_and(|newest| !all.contains(newest))
        });
        all.push(backups()[0].clone());
    }
    assert_eq!(backups(), [all[2].clone(), all[1].clone()]);
    let doctor = server.ssh(&alice, "doctor").stdout;
    assert!(doctor.contains("redis cache"), "{doctor}");
    REDIS.run(&server, &alice, "backup-unschedule cache");
    assert!(server.ssh(&alice, "redis:backup-schedule-cat cache").code != 0);
}
